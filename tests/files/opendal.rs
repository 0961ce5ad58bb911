//! Tests for services that OpenDAL reaches: expired tokens, quotas, lost replies, large files, secrets.

use crate::{
    clouds::{
        self, Fake,
        b2::{self, B2},
        pcloud::{self, Pcloud},
        yandex::{self, Yandex},
    },
    promises::{Storage, draft, get, own_files, pattern, put},
};
use bytes::Bytes;
use causeway::{
    drivers::opendal::{page, service},
    store::error::StoreErrorKind,
};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;

fn b2() -> (Fake<B2>, Storage, TempDir) {
    let (fake, spool) = (B2::start(), tempfile::tempdir().expect("a directory"));
    let files = Arc::new(b2::driver(&fake, spool.path()));
    (fake, files, spool)
}

fn count(requests: &[String], text: &str) -> usize {
    requests.iter().filter(|request| request.contains(text)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ended_is_replaced() {
    let (fake, files, _spool) = b2();
    put(&files, "a", b"1").await;
    fake.cloud.expire_tokens();
    assert_eq!(get(&files, "a").await, Some(b"1".to_vec()));
    fake.cloud.expire_tokens();
    put(&files, "b", b"2").await;
    assert_eq!(count(&fake.take_requests(), "b2_authorize_account"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_url_that_is_busy_is_replaced_by_another() {
    let (fake, files, _spool) = b2();
    put(&files, "a", b"old").await;
    fake.take_requests();
    fake.fail("POST /upload/", 503, 2);
    put(&files, "a", &pattern(700_000, 1)).await;
    assert_eq!(count(&fake.take_requests(), "b2_get_upload_url"), 3);
    assert_eq!(get(&files, "a").await, Some(pattern(700_000, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_reply_was_lost_is_there() {
    let (fake, files, _spool) = b2();
    fake.lose("POST /upload/", 1);
    put(&files, "a", b"1").await;
    assert_eq!(get(&files, "a").await, Some(b"1".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_storage_says_so_and_keeps_the_old_file() {
    let (fake, files, _spool) = b2();
    put(&files, "a", b"old").await;
    fake.cloud.set_cap(Some(1000));
    let new = draft(&files, "a", &pattern(5000, 1)).await;
    let Err(error) = new.publish("a", false).await else { panic!("there is no room") };
    assert_eq!(error.kind(), StoreErrorKind::StorageFull, "{error}");
    assert_eq!(get(&files, "a").await, Some(b"old".to_vec()));
    let (fake, spool) = (Yandex::start(), tempfile::tempdir().expect("a directory"));
    let files: Storage = Arc::new(yandex::driver(&fake, spool.path()));
    put(&files, "a", b"old").await;
    fake.cloud.set_quota(1);
    let Err(error) = draft(&files, "a", b"new").await.publish("a", false).await else {
        panic!("there is no room")
    };
    assert_eq!(error.kind(), StoreErrorKind::StorageFull, "{error}");
    assert_eq!(get(&files, "a").await, Some(b"old".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_in_parts_under_its_own_name() {
    const SIZE: usize = (101 << 20) + 17;
    let (fake, files, _spool) = b2();
    let piece = Bytes::from(pattern(1 << 20, 3));
    let name = "large ü/a+b%41 c";
    let mut draft = files.create(&crate::promises::name(), name, Some(SIZE as u64)).await.expect("a draft");
    for _ in 0..101 {
        draft.write(vec![piece.clone()]).await.expect("it is taken");
    }
    draft.write(vec![piece.slice(..17)]).await.expect("it is taken");
    draft.finish().await.expect("it is finished");
    let stat = crate::promises::published(draft.publish(name, true).await.expect("it is published"));
    assert_eq!(stat.size, SIZE as u64);
    let requests = fake.take_requests();
    assert_eq!((count(&requests, "b2_start_large_file"), count(&requests, "b2_finish_large_file")), (1, 1));
    assert_eq!(count(&requests, "b2_get_upload_part_url"), 13);
    let there = fake.cloud.get(&format!("some/root/{name}")).expect("it is there");
    assert!(
        there.len() == SIZE
            && there.slice(..1 << 20) == piece
            && there.slice(SIZE - 17..) == piece.slice(..17)
    );
    // The file is recognised by its id, because it has no hash.
    assert!(files.stat(name).await.expect("an answer").expect("a file").is_same(&stat));
    assert_eq!(fake.cloud.unfinished(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_not_taken_for_another_that_begins_with_it() {
    let (fake, files, _spool) = b2();
    fake.cloud.put("some/root/ab", b"another");
    fake.cloud.put("some/root/d/k", b"below");
    assert_eq!(files.stat("a").await.expect("an answer"), None);
    assert!(!files.remove("a").await.expect("an answer"));
    assert_eq!(files.stat("d").await.expect("an answer").map(|stat| stat.size), Some(0));
    assert_eq!(fake.cloud.get("some/root/ab").as_deref(), Some(&b"another"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_others_change_is_another() {
    let (fake, files, _spool) = b2();
    let stat = put(&files, "a", b"123").await;
    fake.cloud.put("some/root/a", b"456");
    assert!(!files.stat("a").await.expect("an answer").expect("a file").is_same(&stat));
    assert_eq!(get(&files, "a").await, Some(b"456".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_file_costs_few_requests() {
    let (fake, files, _spool) = b2();
    put(&files, "d/first", b"1").await;
    fake.take_requests();
    put(&files, "d/k", &pattern(10_000, 1)).await;
    let written = fake.take_requests().len();
    get(&files, "d/k").await;
    let read = fake.take_requests().len();
    files.remove("d/k").await.expect("an answer");
    let removed = fake.take_requests().len();
    // A write takes a look, an upload URL, the upload, and a look at the result; `d` was seen a moment ago.
    assert_eq!((written, read, removed), (4, 2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_too_long_are_refused_before_anything_is_sent() {
    let (fake, files, _spool) = b2();
    for name in ["x".repeat(251), format!("{}/k", "x".repeat(251)), vec!["x".repeat(100); 11].join("/")] {
        let Err(error) = files.create(&crate::promises::name(), &name, None).await else {
            panic!("it is too long")
        };
        assert_eq!(error.kind(), StoreErrorKind::KeyTooLong);
        assert_eq!(files.stat(&name).await.expect("an answer"), None);
        let Err(error) = draft(&files, "a", b"1").await.publish(&name, false).await else {
            panic!("it is too long")
        };
        assert_eq!(error.kind(), StoreErrorKind::KeyTooLong);
    }
    assert!(!fake.take_requests().iter().any(|request| request.contains("xxx")));
    put(&files, &"x".repeat(250), b"1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_is_asked_is_counted() {
    let (fake, files, _spool) = b2();
    put(&files, "a", b"1").await;
    fake.fail("b2_list_file_names", 503, 1);
    files.stat("a").await.expect("an answer");
    let traffic = files.traffic().expect("it is another machine");
    assert_eq!(
        (traffic.requests, traffic.repeats, traffic.failures),
        (fake.take_requests().len() as u64, 1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_hold_no_secrets() {
    let spool = tempfile::tempdir().expect("a directory");
    let fake = Pcloud::start();
    fake.fail("/stat", 400, 10);
    let files = pcloud::driver(&fake, spool.path());
    let files: Storage = Arc::new(files);
    let error = files.stat("a").await.expect_err("it fails");
    for text in [error.to_string(), format!("{error:?}"), format!("{files:?}")] {
        assert!(!text.contains("secret-of"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_is_unavailable() {
    let spool = tempfile::tempdir().expect("a directory");
    let endpoint = B2::start().endpoint();
    let options =
        [("bucket", "b"), ("bucket_id", "i"), ("application_key_id", "k"), ("application_key", "secret")];
    let files = clouds::driver("b2", &options, &[("api.backblazeb2.com", &endpoint)], spool.path());
    let files: Storage = Arc::new(files);
    assert_eq!(files.stat("a").await.expect_err("nobody is there").kind(), StoreErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_only_refuses_to_be_written() {
    let spool = tempfile::tempdir().expect("a directory");
    let files: Storage =
        Arc::new(clouds::driver("webhdfs", &[("endpoint", "http://127.0.0.1:1")], &[], spool.path()));
    assert!(files.service().read_only);
    let Err(error) = files.create(&crate::promises::name(), "a", None).await else {
        panic!("it is read only")
    };
    assert_eq!(error.kind(), StoreErrorKind::NotImplemented);
    assert_eq!(files.remove("a").await.expect_err("it is read only").kind(), StoreErrorKind::NotImplemented);
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_leave_nothing_at_the_service() {
    let (fake, files, spool) = b2();
    drop(draft(&files, "a", &pattern(700_000, 1)).await);
    assert_eq!(own_files(&files).await, [""; 0]);
    assert_eq!(std::fs::read_dir(spool.path()).expect("lists").count(), 0);
    assert_eq!(count(&fake.take_requests(), "upload"), 0);
}

#[test]
fn the_page_of_services_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/services.md");
    if std::env::var_os("CAUSEWAY_BLESS").is_some() {
        std::fs::write(&path, page()).expect("a page");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/guide/services.md: `CAUSEWAY_BLESS=1 cargo test --test files page` writes it again"
    );
    assert!(service("b2").is_some_and(|service| service.is_built), "the default build has it");
}

/// A Swift server that returns the same page whatever the position of the listing.
#[derive(Debug)]
struct Endless;

impl clouds::Cloud for Endless {
    fn answer(&self, asked: &clouds::Asked) -> clouds::Reply {
        if asked.path.starts_with("/auth") {
            return clouds::Reply::new(200).header("x-auth-token", "token");
        }
        let object = |n: u32| {
            serde_json::json!({ "name": format!("some/root/{n:04}"), "bytes": 1, "hash": "x", "content_type": "text/plain",
                "last_modified": "2026-11-29T00:00:00.000000" })
        };
        clouds::Reply::json(200, (0..1000).map(object).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_without_end_is_an_error() {
    use futures_util::TryStreamExt;
    let (fake, spool) = (Fake::start(|_| Endless), tempfile::tempdir().expect("a directory"));
    let files: Storage = Arc::new(clouds::swift(&fake.endpoint(), "some/root", spool.path()));
    let listing = async {
        let mut entries = files.list("");
        while entries.try_next().await?.is_some() {}
        Ok::<(), causeway::store::error::StoreError>(())
    };
    let listed = tokio::time::timeout(std::time::Duration::from_secs(60), listing)
        .await
        .expect("a listing comes to an end");
    let error = listed.expect_err("it never ends");
    assert_eq!(error.kind(), StoreErrorKind::Broken, "{error}");
    assert!(fake.take_requests().len() < 20, "it was not asked for ever");
}
