//! Several buckets in one remote bucket, each under its own prefix.

use crate::{
    client::*,
    gateway::{Gateway, new_bucket, settings},
    support::upstream::Upstream,
};
use causeway::{
    drivers::s3::S3Settings,
    store::{ListRequest, error::StoreErrorKind},
};

#[tokio::test]
async fn buckets_under_prefixes_of_one_remote_bucket_do_not_see_each_other() {
    let address = Upstream::causeway().address;
    let (remote, whole) = (new_bucket(), Gateway::at(address));
    let all = whole.bucket("whole", &remote).await;
    let shared = Gateway::with(S3Settings { shared: Some(remote.clone()), ..settings(address) });
    let (one, two) = (
        shared.bucket("one", &format!("{remote}/one")).await,
        shared.bucket("two", &format!("{remote}/two")).await,
    );
    for name in ["../x", "a//b", "/", "a/b/c"] {
        put(&*one, name, name).await;
    }
    put(&*two, "a", "2").await;
    put(&*all, "oneself", "no prefix of anybody").await;
    assert_eq!(names(&*one).await, ["../x", "/", "a//b", "a/b/c"]);
    assert_eq!(names(&*two).await, ["a"]);
    assert_eq!(names(&*all).await, ["one/../x", "one//", "one/a//b", "one/a/b/c", "oneself", "two/a"]);
    let request =
        ListRequest { prefix: "a/".into(), delimiter: Some("/".into()), limit: 1, ..Default::default() };
    assert_eq!(
        walk(&*one, request).await.iter().map(|entry| entry.name().to_owned()).collect::<Vec<_>>(),
        ["a//", "a/b/"]
    );
    assert_absent(&*one, "a").await;
    let long = "k".repeat(1024);
    assert_eq!(refused(put_if(&*one, &long, "x", Default::default()).await), StoreErrorKind::KeyTooLong);
}

#[tokio::test]
async fn a_bucket_that_is_removed_takes_only_itself() {
    let address = Upstream::causeway().address;
    let (remote, gateway) = (new_bucket(), Gateway::at(address));
    let record = gateway.record("bucket", &remote).await;
    gateway.backend.create(&record).await.expect("is made");
    gateway.backend.create(&record).await.expect("repeating it is harmless");
    let store = gateway.backend.open(&record).await.expect("opens").store;
    put(&*store, "key", "x").await;
    assert!(!gateway.backend.remove(&record).await.expect("answers"), "it is not empty");
    delete(&*store, "key").await;
    Uploading::begin(&*store, "key").await;
    assert!(gateway.backend.remove(&record).await.expect("answers"), "an upload in progress keeps nothing");
    assert!(gateway.backend.remove(&record).await.expect("answers"), "repeating it is harmless");
}
