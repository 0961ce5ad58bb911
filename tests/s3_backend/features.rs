//! Storages with quirks of MinIO or versitygw: clients still get the answers of S3.

use crate::{
    client::*,
    gateway::{Gateway, new_bucket},
    support::{
        Who,
        quirks::{Mannered, Quirks},
        raw::Raw,
        upstream::Upstream,
    },
};
use causeway::{
    backend::OpenedBucket,
    catalog::BucketRecord,
    model::{ByteRange, ChecksumAlgorithm, ChecksumKind, ChecksumSpec},
    store::{
        BeginUpload, CopyPartRequest, Selection, Store,
        error::StoreErrorKind,
        payload::{Announced, AnnouncedChecksum, Payload},
    },
};
use std::sync::Arc;

const CRC32: ChecksumSpec =
    ChecksumSpec { algorithm: ChecksumAlgorithm::Crc32, kind: ChecksumKind::Composite };

async fn bucket(quirks: Quirks) -> (Mannered, Gateway, Arc<dyn Store>) {
    let upstream = Mannered::before(Upstream::causeway().address, quirks);
    let gateway = Gateway::at(upstream.address());
    let store = gateway.bucket("bucket", &new_bucket()).await;
    (upstream, gateway, store)
}

fn begun(with_algorithm: bool) -> BeginUpload {
    if with_algorithm {
        BeginUpload { checksum: CRC32, explicit_checksum: true, ..plain_upload() }
    } else {
        plain_upload()
    }
}

fn summed(body: &'static str) -> Payload {
    let checksum = AnnouncedChecksum::Header(checksum_of(ChecksumAlgorithm::Crc32, body.as_bytes()));
    let announced = Announced { checksum, length: Some(body.len() as u64), ..Default::default() };
    Payload::from_stream(futures_util::stream::iter([Ok(body.into())]), announced)
}

#[tokio::test]
async fn the_last_bytes_of_an_empty_object_are_a_range_that_it_does_not_have() {
    let (_upstream, _gateway, store) = bucket(Quirks { empty_suffixes: true, ..Default::default() }).await;
    put(&*store, "empty", "").await;
    for range in [ByteRange::Suffix(5), ByteRange::Suffix(0), ByteRange::From(0), ByteRange::FromTo(0, 0)] {
        let refused = refused(get(&*store, "empty", Selection::Range(range)).await);
        assert_eq!(refused, StoreErrorKind::InvalidRange { size: 0 }, "{range:?}");
    }
}

#[tokio::test]
async fn a_range_of_an_object_that_was_shorter_a_moment_ago_is_asked_for_again() {
    let (upstream, _gateway, store) = bucket(Quirks::default()).await;
    put(&*store, "key", "0123456789").await;
    upstream.become_like(Quirks { short_at_first: true, ..Default::default() });
    assert_eq!(read_range(&*store, "key", ByteRange::FromTo(4, 6)).await.expect("is there"), b"456");
    upstream.become_like(Quirks { short_at_first: true, ..Default::default() });
    let refused = refused(read_range(&*store, "key", ByteRange::From(10)).await);
    assert_eq!(refused, StoreErrorKind::InvalidRange { size: 10 });
}

#[tokio::test]
async fn an_upload_is_completed_whatever_checksums_a_storage_wants_to_hear_of_again() {
    let (_upstream, _gateway, store) =
        bucket(Quirks { strict_part_checksums: true, ..Default::default() }).await;
    for with_algorithm in [false, true] {
        for names_checksums in [false, true] {
            let mut upload = Uploading::begin_with(&*store, "key", begun(with_algorithm)).await;
            let written = store
                .put_part(&upload.key, &upload.id, number(1), summed("part"))
                .await
                .expect("a part is put");
            assert_eq!(written.checksum, Some(checksum_of(ChecksumAlgorithm::Crc32, b"part")));
            upload.sent(1, &written);
            let mut request = upload.request();
            request.parts[0].checksum = written.checksum.filter(|_| names_checksums);
            let completed = upload.try_complete(request).await;
            completed.unwrap_or_else(|error| {
                panic!("algorithm {with_algorithm}, names {names_checksums}: {error}")
            });
            assert_eq!(read(&*store, "key").await, b"part");
            delete(&*store, "key").await;
        }
    }
}

#[tokio::test]
async fn a_part_that_is_named_wrongly_is_refused_by_a_storage_with_wishes_of_its_own_too() {
    let (_upstream, _gateway, store) =
        bucket(Quirks { strict_part_checksums: true, ..Default::default() }).await;
    for with_algorithm in [false, true] {
        let mut upload = Uploading::begin_with(&*store, "key", begun(with_algorithm)).await;
        let written =
            store.put_part(&upload.key, &upload.id, number(1), summed("part")).await.expect("a part is put");
        upload.sent(1, &written);
        let (mut other_sum, mut other_tag) = (upload.request(), upload.request());
        other_sum.parts[0].checksum = Some(checksum_of(ChecksumAlgorithm::Crc32, b"other"));
        other_tag.parts[0].etag = etag_of(b"other");
        if with_algorithm {
            // In an upload without an algorithm, this storage knows only the ETags of parts.
            assert_eq!(refused(upload.try_complete(other_sum).await), StoreErrorKind::InvalidPart);
        }
        assert!(upload.try_complete(other_tag).await.is_err(), "{with_algorithm}");
        assert_absent(&*store, "key").await;
    }
}

#[tokio::test]
async fn a_part_is_copied_through_the_gateway_where_the_storage_does_not_sum_it_up() {
    let (upstream, _gateway, store) =
        bucket(Quirks { no_summed_part_copies: true, ..Default::default() }).await;
    put(&*store, "source", "copied").await;
    for with_algorithm in [false, true] {
        let mut upload = Uploading::begin_with(&*store, "key", begun(with_algorithm)).await;
        let before = upstream.requests().len();
        let request = CopyPartRequest { source: copy_source(&store, "source"), range: None };
        let copied = store.copy_part(&upload.key, &upload.id, number(1), request).await.expect("is copied");
        let streamed = upstream.requests()[before..]
            .iter()
            .any(|request| request.starts_with("GET ") && request.ends_with("/source"));
        assert_eq!(streamed, with_algorithm, "what the storage does itself costs no bytes");
        upload.sent(1, &copied);
        upload.complete().await;
        assert_eq!(read(&*store, "key").await, b"copied");
    }
}

/// The number of requests in which a storage is probed.
async fn requests_of_a_trial() -> usize {
    let (upstream, gateway, _store) = bucket(Quirks::default()).await;
    let before = upstream.requests().len();
    let record = gateway.record("trial", &new_bucket()).await;
    gateway.backend.create(&record).await.expect("is made");
    gateway.backend.open(&record).await.expect("opens").upkeep.maintain().await.expect("is tended");
    upstream.requests().len() - before
}

/// The keys of a remote bucket, as its storage lists them.
fn remote_names(record: &BucketRecord) -> Vec<String> {
    let upstream = Upstream::causeway();
    let raw =
        Raw::new(upstream.address, Who { access_key: upstream.access_key, secret_key: upstream.secret_key });
    let text = raw.get(format!("/{}?list-type=2", record.bucket.location)).send().text();
    text.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned())).collect()
}

#[tokio::test]
async fn a_storage_that_goes_away_while_it_is_tried_is_tried_again_and_keeps_what_it_keeps() {
    let mut failures = 0;
    for away_from in (2..requests_of_a_trial().await).step_by(3) {
        let upstream = Mannered::before(Upstream::causeway().address, Quirks::default());
        let gateway = Gateway::at(upstream.address());
        let record = gateway.record("bucket", &new_bucket()).await;
        gateway.backend.create(&record).await.expect("is made");
        let OpenedBucket { store, upkeep, .. } = gateway.backend.open(&record).await.expect("opens");
        upstream.become_like(Quirks {
            away_from: Some(upstream.requests().len() + away_from),
            ..Default::default()
        });
        // Towards the end, only the probe's objects remain to be removed, and failing to do so is no error.
        failures += usize::from(upkeep.maintain().await.is_err());
        upstream.become_like(Quirks::default());
        put_if(&*store, "key", "x", if_absent()).await.expect("is put");
        let again = refused(put_if(&*store, "key", "x", if_absent()).await);
        assert_eq!(again, StoreErrorKind::PreconditionFailed, "away from request {away_from}");
        delete(&*store, "key").await;
        assert_eq!(names(&*store).await, [""; 0]);
        assert!(
            gateway.backend.remove(&record).await.expect("answers"),
            "scratch objects keep no bucket: {:?}",
            remote_names(&record)
        );
    }
    assert!(failures > 3, "it went away in the middle {failures} times");
}

#[tokio::test]
async fn a_scratch_object_that_a_killed_gateway_left_does_not_keep_a_bucket() {
    let (_upstream, gateway, _store) = bucket(Quirks::default()).await;
    let record = gateway.record("left", &new_bucket()).await;
    gateway.backend.create(&record).await.expect("is made");
    let store = gateway.backend.open(&record).await.expect("opens").store;
    let upstream = Upstream::causeway();
    let raw =
        Raw::new(upstream.address, Who { access_key: upstream.access_key, secret_key: upstream.secret_key });
    for name in [
        ".causeway-probe-0123456789abcdef",
        "/.causeway-probe-0123456789abcdef",
        ".causeway-probe-0123456789abcdef//x",
    ] {
        assert_eq!(raw.put(format!("/{}/{name}", record.bucket.location), "x").send().status, 200);
    }
    assert_eq!(names(&*store).await, [""; 0], "no client sees them");
    put(&*store, "key", "x").await;
    assert!(!gateway.backend.remove(&record).await.expect("answers"), "a client's object does");
    delete(&*store, "key").await;
    assert!(gateway.backend.remove(&record).await.expect("answers"), "left: {:?}", remote_names(&record));
}

#[tokio::test]
async fn a_trial_leaves_nothing() {
    let (_upstream, gateway, _store) = bucket(Quirks::default()).await;
    let record = gateway.record("clean", &new_bucket()).await;
    gateway.backend.create(&record).await.expect("is made");
    gateway.backend.open(&record).await.expect("opens").upkeep.maintain().await.expect("is tended");
    assert_eq!(remote_names(&record), [""; 0]);
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_not_made_a_second_time() {
    let (upstream, _gateway, store) = bucket(Quirks::default()).await;
    put(&*store, "source", "x").await;
    put(&*store, "gone", "x").await;
    // By then, the storage has been probed.
    put_if(&*store, "key", "old", if_absent()).await.expect("is put");
    copy(&*store, "copied", &store, "source").await.expect("is copied");
    upstream.become_like(Quirks { loses_answers: true, ..Default::default() });
    let before = upstream.requests().len();
    assert_eq!(
        refused(store.put(&key("key"), request(Payload::from_bytes("new"))).await),
        StoreErrorKind::Unavailable
    );
    assert_eq!(refused(copy(&*store, "copied", &store, "key").await), StoreErrorKind::Unavailable);
    assert_eq!(
        refused(store.delete(key("gone").current(), &Default::default()).await),
        StoreErrorKind::Unavailable
    );
    let sent = upstream.requests()[before..]
        .iter()
        .filter(|request| !request.starts_with("GET ") && !request.starts_with("HEAD "))
        .count();
    assert_eq!(sent, 3, "others may have changed the keys meanwhile: {:?}", &upstream.requests()[before..]);
    upstream.become_like(Quirks::default());
    assert_eq!(read(&*store, "key").await, b"new");
    assert_eq!(read(&*store, "copied").await, b"new");
    assert_absent(&*store, "gone").await;
}
