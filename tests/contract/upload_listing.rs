//! Listing uploads in progress, and the parts of one.

use super::{client::*, storage::Storage};
use causeway::{
    model::UploadId,
    store::{ListUploadsRequest, Store, UploadEntry},
};
use std::collections::BTreeSet;

pub async fn parts_are_listed_in_order_page_by_page(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let mut upload = Uploading::begin(store, "key").await;
    let numbers = [9, 1, 10_000, 4, 2, 77];
    for n in numbers {
        upload.part(n, format!("part {n}")).await;
    }
    let mut sorted = numbers;
    sorted.sort();
    for limit in [1, 2, 5, 6, 7, 1000] {
        let (mut seen, mut after) = (Vec::new(), 0);
        loop {
            let page = store.list_parts(&upload.key, &upload.id, after, limit).await.expect("is there");
            assert!(page.parts.len() <= limit);
            assert_eq!((&page.upload.key, &page.upload.upload), (&upload.key, &upload.id));
            for part in &page.parts {
                let body = format!("part {}", part.number.get());
                assert_eq!((part.size, &part.etag), (body.len() as u64, &etag_of(body.as_bytes())));
            }
            seen.extend(page.parts.iter().map(|part| part.number.get()));
            if !page.truncated {
                break;
            }
            after = *seen.last().expect("a full page");
        }
        assert_eq!(seen, sorted, "{limit} at a time");
    }
    let none = store.list_parts(&upload.key, &upload.id, 0, 0).await.expect("is there");
    assert!(none.parts.is_empty() && !none.truncated);
    assert_eq!(none.upload.initiator, plain_upload().initiator);
}

fn name(entry: &UploadEntry) -> (String, Option<UploadId>) {
    match entry {
        UploadEntry::Upload(info) => (info.key.as_str().to_owned(), Some(info.upload.clone())),
        UploadEntry::CommonPrefix(prefix) => (prefix.clone(), None),
    }
}

async fn all_uploads(store: &dyn Store, mut request: ListUploadsRequest) -> Vec<(String, Option<UploadId>)> {
    let mut seen: Vec<(String, Option<UploadId>)> = Vec::new();
    loop {
        let page = store.list_uploads(request.clone()).await.expect("a listing");
        assert!(page.entries.len() <= request.limit);
        seen.extend(page.entries.iter().map(name));
        if !page.truncated {
            return seen;
        }
        let (key, upload) = seen.last().expect("a full page").clone();
        (request.key_marker, request.upload_marker) = (Some(key), upload);
    }
}

pub async fn uploads_are_listed_by_key_and_time_page_by_page(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let mut begun = BTreeSet::new();
    for key in ["b/2", "a", "b/1", "a", "c", "a", "b/1", "d//e", "é"] {
        let upload = Uploading::begin(store, key).await;
        begun.insert((key.to_owned(), Some(upload.id)));
    }
    let whole = store
        .list_uploads(ListUploadsRequest { limit: 1000, ..Default::default() })
        .await
        .expect("a listing");
    let expected: Vec<_> = whole.entries.iter().map(name).collect();
    assert_eq!(expected.iter().cloned().collect::<BTreeSet<_>>(), begun);
    let order = |entry: &UploadEntry| match entry {
        UploadEntry::Upload(info) => (info.key.clone(), info.initiated),
        UploadEntry::CommonPrefix(prefix) => panic!("{prefix}"),
    };
    assert!(whole.entries.is_sorted_by_key(order), "{:?}", whole.entries);
    for limit in [1, 2, 3, 9, 10] {
        assert_eq!(
            all_uploads(store, ListUploadsRequest { limit, ..Default::default() }).await,
            expected,
            "{limit} at a time"
        );
        let of_b = ListUploadsRequest { prefix: "b/".into(), limit, ..Default::default() };
        assert_eq!(all_uploads(store, of_b).await, expected[3..6], "{limit} at a time");
        let grouped = ListUploadsRequest { delimiter: Some("/".into()), limit, ..Default::default() };
        let mut by_group = expected[..3].to_vec();
        by_group.extend([
            ("b/".to_owned(), None),
            expected[6].clone(),
            ("d/".to_owned(), None),
            expected[8].clone(),
        ]);
        assert_eq!(all_uploads(store, grouped).await, by_group, "{limit} at a time");
    }
    let after =
        |key: &str| ListUploadsRequest { key_marker: Some(key.into()), limit: 100, ..Default::default() };
    assert_eq!(
        all_uploads(store, after("a")).await,
        expected[3..],
        "a key marker alone leaves out all of its key"
    );
    assert_eq!(all_uploads(store, after("b/0")).await, expected[3..]);
    assert_eq!(all_uploads(store, after("zz")).await, expected[8..]);
    assert!(all_uploads(store, ListUploadsRequest::default()).await.is_empty());
}

pub async fn uploads_that_have_ended_are_not_listed(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let (mut completed, aborted, left) = (
        Uploading::begin(store, "a").await,
        Uploading::begin(store, "a").await,
        Uploading::begin(store, "a").await,
    );
    completed.part(1, "x").await;
    completed.complete().await;
    aborted.abort().await.expect("is there");
    let page =
        store.list_uploads(ListUploadsRequest { limit: 10, ..Default::default() }).await.expect("a listing");
    let [UploadEntry::Upload(info)] = &page.entries[..] else { panic!("{:?}", page.entries) };
    assert_eq!((&info.key, &info.upload, &info.initiator), (&left.key, &left.id, &plain_upload().initiator));
    assert_eq!((info.checksum, info.explicit_checksum), (plain_upload().checksum, false));
    assert_eq!(names(store).await, ["a"], "uploads are no objects");
}
