//! Promises about multipart uploads.

use super::sample::{bucket, completed, new_bucket, part, put, upload, upload_id};
use causeway::{
    catalog::{BucketId, Catalog, CatalogErrorKind, UploadRecord},
    model::{Attributes, CanonicalId, Timestamp},
    store::{ListUploadsRequest, UploadEntry},
};
use futures_util::future::join_all;
use std::sync::Arc;

pub async fn an_upload_is_found_as_it_was_begun(catalog: Arc<dyn Catalog>) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    let begun = upload(id, "Abc-_9", "a//b", 17);
    catalog.begin_upload(begun.clone()).await.expect("begun");
    assert_eq!(catalog.upload(id, &begun.upload).await.expect("read"), Some(begun.clone()));
    assert_eq!(catalog.upload(other, &begun.upload).await.expect("read"), None);
    assert_eq!(catalog.upload(id, &upload_id("abc-_9")).await.expect("read"), None);
}

pub async fn an_upload_is_begun_once_and_in_a_bucket_that_exists(catalog: Arc<dyn Catalog>) {
    let (id, gone) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "gone").await.id);
    catalog.delete_bucket(gone).await.expect("deleted");
    catalog.begin_upload(upload(id, "one", "a", 1)).await.expect("begun");
    let kind = async |record| catalog.begin_upload(record).await.expect_err("refused").kind();
    assert_eq!(kind(upload(id, "one", "b", 2)).await, CatalogErrorKind::Exists);
    assert_eq!(kind(upload(gone, "two", "a", 1)).await, CatalogErrorKind::NoSuchBucket);
    assert_eq!(catalog.upload(id, &upload_id("one")).await.expect("read"), Some(upload(id, "one", "a", 1)));
}

pub async fn a_part_replaces_the_one_of_its_number(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let one = upload_id("one");
    catalog.begin_upload(upload(id, "one", "a", 1)).await.expect("begun");
    let mut second = part(10_000, "there");
    second.checksum = None;
    assert_eq!(catalog.put_part(id, &one, part(10_000, "here")).await.expect("put"), None);
    assert_eq!(catalog.put_part(id, &one, part(1, "elsewhere")).await.expect("put"), None);
    assert_eq!(catalog.put_part(id, &one, second.clone()).await.expect("put"), Some(part(10_000, "here")));
    assert_eq!(catalog.parts(id, &one, 0, 9).await.expect("read"), [part(1, "elsewhere"), second]);
}

pub async fn parts_are_read_in_order_above_a_number(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let one = upload_id("one");
    catalog.begin_upload(upload(id, "one", "a", 1)).await.expect("begun");
    catalog.begin_upload(upload(id, "two", "a", 1)).await.expect("begun");
    catalog.put_part(id, &upload_id("two"), part(3, "not mine")).await.expect("put");
    for number in [20, 4, 300, 1] {
        catalog.put_part(id, &one, part(number, "here")).await.expect("put");
    }
    let numbers = async |after, limit| {
        let parts = catalog.parts(id, &one, after, limit).await.expect("read");
        parts.iter().map(|part| part.number.get()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(0, 9).await, [1, 4, 20, 300]);
    assert_eq!(numbers(4, 9).await, [20, 300]);
    assert_eq!(numbers(1, 2).await, [4, 20]);
    assert!(numbers(300, 2).await.is_empty());
    assert_eq!(catalog.parts(id, &upload_id("three"), 0, 9).await.expect("read"), []);
}

pub async fn an_ended_upload_takes_no_part(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    for name in ["one", "two"] {
        catalog.begin_upload(upload(id, name, "a", 1)).await.expect("begun");
        catalog.put_part(id, &upload_id(name), part(1, "here")).await.expect("put");
    }
    catalog.finish_upload(id, &upload_id("one"), completed("a", 9)).await.expect("finished");
    assert!(catalog.abort_upload(id, &upload_id("two")).await.expect("aborted"));
    for name in ["one", "two", "never"] {
        let error = catalog.put_part(id, &upload_id(name), part(2, "here")).await.expect_err("ended");
        assert_eq!(error.kind(), CatalogErrorKind::NoSuchUpload);
        assert_eq!(catalog.parts(id, &upload_id(name), 0, 9).await.expect("read"), []);
    }
    // Parts do not reappear in an upload that begins later.
    catalog.begin_upload(upload(id, "three", "a", 1)).await.expect("begun");
    assert_eq!(catalog.parts(id, &upload_id("three"), 0, 9).await.expect("read"), []);
}

pub async fn of_many_who_finish_an_upload_one_succeeds(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let one = upload_id("one");
    catalog.begin_upload(upload(id, "one", "a", 1)).await.expect("begun");
    let outcomes = join_all((0..16).map(|n| catalog.finish_upload(id, &one, completed("a", 100 + n)))).await;
    let winners: Vec<_> = (0..16).filter(|n| outcomes[*n].is_ok()).collect();
    assert_eq!(winners.len(), 1);
    let errors = outcomes.into_iter().filter_map(Result::err);
    assert!(errors.map(|error| error.kind()).all(|kind| kind == CatalogErrorKind::NoSuchUpload));
    let remembered = catalog.completed_upload(id, &one).await.expect("read");
    assert_eq!(remembered, Some(completed("a", 100 + winners[0] as i64)));
}

pub async fn a_finished_upload_is_remembered_until_forgotten(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let mut plain = completed("b", 60);
    plain.written.checksum = None;
    for (name, ended) in [("one", completed("a", 50)), ("two", plain.clone())] {
        catalog.begin_upload(upload(id, name, ended.key.as_str(), 1)).await.expect("begun");
        assert_eq!(catalog.completed_upload(id, &upload_id(name)).await.expect("read"), None);
        catalog.finish_upload(id, &upload_id(name), ended.clone()).await.expect("finished");
        assert_eq!(catalog.upload(id, &upload_id(name)).await.expect("read"), None);
        assert_eq!(catalog.completed_upload(id, &upload_id(name)).await.expect("read"), Some(ended));
    }
    catalog.forget_completed(Timestamp::from_millis(60)).await.expect("forgotten");
    assert_eq!(catalog.completed_upload(id, &upload_id("one")).await.expect("read"), None);
    assert_eq!(catalog.completed_upload(id, &upload_id("two")).await.expect("read"), Some(plain));
}

pub async fn aborting_says_whether_there_was_one(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    catalog.begin_upload(upload(id, "one", "a", 1)).await.expect("begun");
    assert!(catalog.abort_upload(id, &upload_id("one")).await.expect("aborted"));
    assert!(!catalog.abort_upload(id, &upload_id("one")).await.expect("aborted"));
    assert_eq!(catalog.upload(id, &upload_id("one")).await.expect("read"), None);
    assert_eq!(catalog.completed_upload(id, &upload_id("one")).await.expect("read"), None);
}

/// Lists page by page as a client does: as `key upload` or `prefix`.
async fn pages(
    catalog: &dyn Catalog,
    bucket: BucketId,
    mut request: ListUploadsRequest,
    mut between: impl AsyncFnMut(),
) -> Vec<String> {
    let mut shown = Vec::new();
    loop {
        let page = catalog.list_uploads(bucket, request.clone()).await.expect("a page");
        assert!(page.entries.len() <= request.limit);
        for entry in page.entries {
            match entry {
                UploadEntry::Upload(info) => {
                    shown.push(format!("{} {}", info.key, info.upload));
                    (request.key_marker, request.upload_marker) =
                        (Some(info.key.as_str().into()), Some(info.upload));
                }
                UploadEntry::CommonPrefix(prefix) => {
                    (request.key_marker, request.upload_marker) = (Some(prefix.clone()), None);
                    shown.push(prefix);
                }
            }
        }
        if !page.truncated {
            return shown;
        }
        between().await;
    }
}

pub async fn uploads_are_listed_by_key_then_age_then_id_whatever_the_page(catalog: Arc<dyn Catalog>) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    let begun = [
        ("u9", "a", 1),
        ("u1", "a", 2),
        ("u0", "a", 2),
        ("u5", "a/b", 9),
        ("u6", "a/c", 1),
        ("u2", "é", 1),
        ("u7", "b", 3),
    ];
    for (name, key, initiated) in begun {
        catalog.begin_upload(upload(id, name, key, initiated)).await.expect("begun");
    }
    catalog.begin_upload(upload(other, "u9", "a", 1)).await.expect("begun");
    let list = async |request: ListUploadsRequest| pages(&*catalog, id, request, async || ()).await;
    for limit in 1..9 {
        let request = || ListUploadsRequest { limit, ..Default::default() };
        let all = ["a u9", "a u0", "a u1", "a/b u5", "a/c u6", "b u7", "é u2"];
        assert_eq!(list(request()).await, all, "{limit}");
        let grouped = list(ListUploadsRequest { delimiter: Some("/".into()), ..request() }).await;
        assert_eq!(grouped, ["a u9", "a u0", "a u1", "a/", "b u7", "é u2"], "{limit}");
        assert_eq!(
            list(ListUploadsRequest { prefix: "a/".into(), ..request() }).await,
            ["a/b u5", "a/c u6"],
            "{limit}"
        );
        assert_eq!(
            list(ListUploadsRequest { key_marker: Some("a".into()), ..request() }).await,
            all[3..],
            "{limit}"
        );
    }
    let page = catalog.list_uploads(id, ListUploadsRequest::default()).await.expect("a page");
    assert!(page.entries.is_empty() && !page.truncated);
    let page = catalog
        .list_uploads(id, ListUploadsRequest { prefix: "b".into(), limit: 1, ..Default::default() })
        .await
        .expect("a page");
    let Some(UploadEntry::Upload(info)) = page.entries.first() else { panic!("an upload") };
    let begun = upload(id, "u7", "b", 3);
    assert_eq!((&info.key, &info.upload, &info.initiator), (&begun.key, &begun.upload, &begun.initiator));
    assert_eq!(
        (info.initiated, info.checksum, info.explicit_checksum),
        (begun.initiated, begun.checksum, begun.explicit_checksum)
    );
}

pub async fn an_upload_that_ends_between_pages_makes_none_be_missed(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    for (name, initiated) in [("u3", 1), ("u1", 2), ("u4", 3), ("u2", 4)] {
        catalog.begin_upload(upload(id, name, "a", initiated)).await.expect("begun");
    }
    let mut ending = ["u3", "u1", "u4", "u2"].into_iter();
    let request = ListUploadsRequest { limit: 1, ..Default::default() };
    let shown = pages(&*catalog, id, request, async || {
        let ends = ending.next().expect("another");
        assert!(catalog.abort_upload(id, &upload_id(ends)).await.expect("aborted"));
    });
    assert_eq!(shown.await, ["a u3", "a u1", "a u4", "a u2"]);
}

pub async fn stale_uploads_come_oldest_first(catalog: Arc<dyn Catalog>) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    let begun = [
        upload(id, "u1", "a", 30),
        upload(other, "u2", "b", 10),
        upload(id, "u3", "c", 40),
        upload(id, "u4", "d", 20),
    ];
    for record in &begun {
        catalog.begin_upload(record.clone()).await.expect("begun");
    }
    let stale = async |before, limit| {
        catalog.stale_uploads(Timestamp::from_millis(before), limit).await.expect("read")
    };
    assert_eq!(stale(40, 9).await, [begun[1].clone(), begun[3].clone(), begun[0].clone()]);
    assert_eq!(stale(41, 2).await, [begun[1].clone(), begun[3].clone()]);
    assert_eq!(stale(10, 9).await, []);
}

pub async fn many_endings_are_forgotten_in_one_call(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let names: Vec<_> = (0..2500).map(|n| upload_id(&format!("u{n}"))).collect();
    let begun =
        join_all(names.iter().map(|name| catalog.begin_upload(upload(id, name.as_str(), "a", 1)))).await;
    begun.into_iter().collect::<Result<(), _>>().expect("begun");
    let finished =
        join_all((0..).zip(&names).map(|(n, name)| catalog.finish_upload(id, name, completed("a", n)))).await;
    finished.into_iter().collect::<Result<(), _>>().expect("finished");
    catalog.forget_completed(Timestamp::from_millis(2499)).await.expect("forgotten");
    let left = join_all(names.iter().map(|name| catalog.completed_upload(id, name))).await;
    let left: Vec<_> = left.into_iter().filter_map(|found| found.expect("read")).collect();
    assert_eq!(left, [completed("a", 2499)]);
}

pub async fn one_failing_change_spoils_none_of_its_neighbours(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    catalog.begin_upload(upload(id, "one", "a", 1)).await.expect("begun");
    // All changes are in progress at once. Every third fails, in different ways.
    let outcomes = join_all((0..300u16).map(|n| {
        let catalog = catalog.clone();
        async move {
            match n % 6 {
                0 => catalog.create_bucket(new_bucket("photos")).await.map(drop),
                3 => catalog.put_part(id, &upload_id("never"), part(1, "here")).await.map(drop),
                1 | 4 => catalog.begin_upload(upload(id, &format!("u{n}"), "a", 1)).await,
                _ => catalog.put_part(id, &upload_id("one"), part(n, "here")).await.map(drop),
            }
        }
    }));
    for (n, outcome) in outcomes.await.into_iter().enumerate() {
        let expected =
            [Some(CatalogErrorKind::Exists), None, None, Some(CatalogErrorKind::NoSuchUpload), None, None]
                [n % 6];
        assert_eq!(outcome.err().map(|error| error.kind()), expected, "{n}");
    }
    let page = catalog
        .list_uploads(id, ListUploadsRequest { limit: 1000, ..Default::default() })
        .await
        .expect("a page");
    assert_eq!(page.entries.len(), 101);
    assert_eq!(catalog.parts(id, &upload_id("one"), 0, 1000).await.expect("read").len(), 100);
    catalog.index(id, put("a", 1)).await.expect("indexed");
}

pub async fn an_upload_is_listed_with_its_owner(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let owner = CanonicalId::parse("42b0");
    for (name, owner) in [("u1", None), ("u2", owner.clone())] {
        let begun = upload(id, name, name, 1);
        let attributes = Attributes { owner, ..begun.attributes };
        catalog.begin_upload(UploadRecord { attributes, ..begun }).await.expect("begun");
    }
    let request = ListUploadsRequest { limit: 9, ..Default::default() };
    let page = catalog.list_uploads(id, request).await.expect("a page");
    let owners = page.entries.into_iter().map(|entry| match entry {
        UploadEntry::Upload(info) => info.owner,
        UploadEntry::CommonPrefix(prefix) => panic!("{prefix}"),
    });
    assert_eq!(owners.collect::<Vec<_>>(), [None, owner]);
}
