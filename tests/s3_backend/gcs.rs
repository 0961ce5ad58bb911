//! The same driver with the fake of Google Cloud Storage: its costs there, and what interrupts a Complete.

use crate::{
    client::*,
    gateway::{Gateway, settings},
    support::gcs::FakeGcs,
};
use bytes::Bytes;
use causeway::{
    backend::WireSettings,
    drivers::s3::{Credentials, Dialect, S3Settings},
    model::{ChecksumAlgorithm, Endpoint, Secret, Tag, TagSet},
    store::{
        Change, CompleteUpload, ListRequest, Store,
        error::StoreErrorKind,
        payload::{Announced, AnnouncedChecksum, Payload},
    },
};
use std::{sync::Arc, time::Duration};

const PLACE: &str = "remote";
const DAY: Duration = Duration::from_secs(24 * 3600);

async fn gateway() -> (FakeGcs, Gateway, Arc<dyn Store>) {
    let fake = FakeGcs::start();
    let gateway = Gateway::with(S3Settings {
        dialect: Dialect::Gcs,
        endpoint: Endpoint::parse(&fake.endpoint()),
        credentials: Credentials::GoogleToken(Secret::new(fake.token())),
        project: Some("project".into()),
        wire: WireSettings { attempts: 1, ..WireSettings::default() },
        ..settings(fake.address())
    });
    let store = gateway.bucket("bucket", PLACE).await;
    fake.take_requests();
    (fake, gateway, store)
}

fn summed(body: Bytes, algorithm: ChecksumAlgorithm) -> Payload {
    let announced = Announced {
        length: Some(body.len() as u64),
        checksum: AnnouncedChecksum::Algorithm(algorithm),
        ..Default::default()
    };
    Payload::from_stream(futures_util::stream::iter([Ok(body)]), announced)
}

fn tags() -> TagSet {
    TagSet::new(vec![Tag { key: "k".into(), value: "v".into() }]).expect("valid tags")
}

#[tokio::test]
async fn a_small_object_is_one_request_with_its_tags_and_checksum() {
    let (fake, _gateway, store) = gateway().await;
    let mut small = request(summed("x".into(), ChecksumAlgorithm::Sha256));
    small.attributes.tags = tags();
    store.put(&key("key"), small).await.expect("is put");
    put_if(&*store, "other", "x", if_absent()).await.expect("was absent");
    let info = head(&*store, "key").await;
    assert_eq!(
        (info.attributes.tags, info.checksum.map(|sum| sum.algorithm())),
        (tags(), Some(ChecksumAlgorithm::Sha256))
    );
    assert_eq!(read(&*store, "key").await, b"x");
    list(&*store, ListRequest { limit: 1000, ..Default::default() }).await;
    delete(&*store, "key").await;
    let methods: Vec<String> = fake
        .take_requests()
        .iter()
        .map(|request| request.split(' ').next().unwrap_or("").to_owned())
        .collect();
    assert_eq!(methods, ["PUT", "PUT", "HEAD", "GET", "GET", "DELETE"]);
}

#[tokio::test]
async fn a_checksum_that_came_behind_a_long_body_costs_a_copy_onto_itself() {
    let (fake, _gateway, store) = gateway().await;
    for (algorithm, requests) in [(ChecksumAlgorithm::Crc32c, 1), (ChecksumAlgorithm::Sha256, 2)] {
        let body = bytes(1, 300_000);
        let written = store.put(&key("key"), request(summed(body.clone(), algorithm))).await.expect("is put");
        assert_eq!(fake.take_requests().len(), requests, "{algorithm:?}");
        let info = head(&*store, "key").await;
        assert_eq!((info.checksum.clone(), info.etag), (written.checksum, etag_of(&body)));
        assert_eq!(info.checksum.map(|sum| sum.checksum), Some(checksum_of(algorithm, &body)));
        fake.take_requests();
    }
    // If the checksum cannot be stored, the object is complete without it.
    fake.fail_after(1, 1, 429);
    let body = bytes(2, 300_000);
    store.put(&key("key"), request(summed(body.clone(), ChecksumAlgorithm::Sha1))).await.expect("is put");
    let info = head(&*store, "key").await;
    assert_eq!(info.checksum.map(|sum| sum.checksum), Some(checksum_of(ChecksumAlgorithm::Crc32c, &body)));
    assert!(read(&*store, "key").await == body);
}

#[tokio::test]
async fn a_complete_is_three_requests_and_leaves_nothing_beside_the_object() {
    let (fake, _gateway, store) = gateway().await;
    let mut upload = Uploading::begin(&*store, "key").await;
    upload.part(1, large(0)).await;
    upload.part(2, "end").await;
    assert_eq!(fake.take_requests().len(), 3);
    upload.complete().await;
    assert_eq!(fake.take_requests().len(), 3);
    assert_eq!(fake.names(PLACE), ["key"]);
    assert_eq!(fake.uploads(PLACE), 0);
}

#[tokio::test]
async fn a_complete_interrupted_before_it_published_goes_on_when_it_is_repeated() {
    let (fake, _gateway, store) = gateway().await;
    put(&*store, "key", "old").await;
    let mut upload = Uploading::begin(&*store, "key").await;
    for (n, body) in [(1, large(0)), (2, large(1)), (3, "end".into())] {
        upload.part(n, body).await;
    }
    fake.fail_after(1, 1, 503);
    assert_eq!(refused(upload.try_complete(upload.request()).await), StoreErrorKind::Unavailable);
    assert_eq!(read(&*store, "key").await, b"old", "nothing is published");
    assert_eq!(names(&*store).await, ["key"], "and what is staged is not shown");
    let mut other = upload.request();
    other.parts.remove(0);
    assert_eq!(
        refused(upload.try_complete(other).await),
        StoreErrorKind::NoSuchUpload,
        "what was assembled is not of these parts"
    );
    let written = upload.complete().await;
    assert!(read(&*store, "key").await == [&large(0)[..], &large(1), b"end"].concat());
    assert_eq!((head(&*store, "key").await.parts.len(), &written), (3, &upload.complete().await));
    assert_eq!(fake.names(PLACE), ["key"]);
}

#[tokio::test]
async fn a_publication_whose_answer_was_lost_is_recognised() {
    let (fake, _gateway, store) = gateway().await;
    let mut upload = Uploading::begin(&*store, "key").await;
    upload.part(1, "multi").await;
    let absent = || CompleteUpload { conditions: if_absent(), ..upload.request() };
    // The answer is lost after the check of the conditions and the assembly.
    fake.lose_answer_after(2);
    upload.try_complete(absent()).await.expect_err("nobody knows");
    let written = upload.try_complete(absent()).await.expect("it was we");
    assert_eq!(
        (read(&*store, "key").await, head(&*store, "key").await.etag),
        (b"multi".to_vec(), written.etag)
    );
    assert_eq!(fake.names(PLACE), ["key"]);
}

#[tokio::test]
async fn an_upload_that_was_assembled_and_then_aborted_leaves_nothing() {
    let (fake, _gateway, store) = gateway().await;
    let mut upload = Uploading::begin(&*store, "key").await;
    upload.part(1, "multi").await;
    fake.fail_after(1, 1, 503);
    upload.try_complete(upload.request()).await.expect_err("is interrupted");
    upload.abort().await.expect("goes on");
    assert_eq!(fake.names(PLACE), [""; 0]);
}

#[tokio::test]
async fn what_a_crash_left_is_swept_when_it_is_old_and_nothing_else_is() {
    let (fake, gateway, store) = gateway().await;
    let mut ended = Uploading::begin(&*store, "key").await;
    ended.part(1, "multi").await;
    fake.fail_after(2, 1, 503);
    ended.complete().await;
    let mut going_on = Uploading::begin(&*store, "other").await;
    going_on.part(1, "part").await;
    // This upload belongs to a gateway that no longer exists.
    let elsewhere = Gateway::with(S3Settings {
        dialect: Dialect::Gcs,
        credentials: Credentials::GoogleToken(Secret::new(fake.token())),
        ..settings(fake.address())
    });
    let lost = elsewhere.open("bucket", PLACE).await;
    Uploading::begin(&*lost, "lost").await.part(1, "part").await;
    assert_eq!((fake.names(PLACE).len(), fake.uploads(PLACE)), (2, 2));
    gateway.maintain("bucket").await;
    assert_eq!((fake.names(PLACE).len(), fake.uploads(PLACE)), (2, 2), "it might be of another gateway");
    fake.age(9 * DAY);
    gateway.maintain("bucket").await;
    assert_eq!((fake.names(PLACE), fake.uploads(PLACE)), (vec!["key".to_owned()], 1));
    going_on.complete().await;
    assert_eq!(names(&*store).await, ["key", "other"]);
}

#[tokio::test]
async fn a_bucket_goes_with_what_was_left_in_it() {
    let (fake, gateway, store) = gateway().await;
    let mut upload = Uploading::begin(&*store, "key").await;
    upload.part(1, "multi").await;
    fake.fail_after(2, 1, 503);
    upload.complete().await;
    let record = gateway.record("again", PLACE).await;
    assert!(!gateway.backend.remove(&record).await.expect("answers"), "it is not empty");
    delete(&*store, "key").await;
    assert!(gateway.backend.remove(&record).await.expect("answers"));
}

#[tokio::test]
async fn tags_change_the_metadata_and_neither_etag_nor_time() {
    let (_fake, _gateway, store) = gateway().await;
    let mut upload = Uploading::begin(&*store, "key").await;
    upload.part(1, large(0)).await;
    upload.part(2, "end").await;
    upload.complete().await;
    let before = head(&*store, "key").await;
    later_than(before.last_modified).await;
    store.update(key("key").current(), Change::Tags(tags())).await.expect("is changed");
    let after = head(&*store, "key").await;
    assert_eq!(
        (&after.etag, after.last_modified, &after.parts),
        (&before.etag, before.last_modified, &before.parts)
    );
    assert_eq!(after.attributes.tags, tags());
}

#[tokio::test]
async fn keys_of_our_own_are_refused() {
    let (_fake, _gateway, store) = gateway().await;
    let result = store.put(&key(".causeway-upload-x"), request(Payload::from_bytes("x"))).await;
    assert_eq!(refused(result), StoreErrorKind::InvalidRequest);
}

#[tokio::test]
async fn any_delimiter_groups_keys_and_not_their_names() {
    let (_fake, _gateway, store) = gateway().await;
    for name in ["\n1", "\ta\tb", ".", ". x", "a b", "a c", "a\nb"] {
        put(&*store, name, "x").await;
    }
    let grouped = |delimiter: &str| {
        let (store, delimiter) = (store.clone(), Some(delimiter.to_owned()));
        async move {
            let entries = walk(&*store, ListRequest { delimiter, limit: 2, ..Default::default() }).await;
            entries.iter().map(|entry| entry.name().to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(grouped("\t").await, ["\t", "\n1", ".", ". x", "a\nb", "a b", "a c"]);
    assert_eq!(grouped(" ").await, ["\ta\tb", "\n1", ".", ". ", "a\nb", "a "]);
    assert_eq!(grouped("a").await, ["\ta", "\n1", ".", ". x", "a"]);
}
