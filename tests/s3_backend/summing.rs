//! The newer checksums on storages that support them, where they are passed on, and on storages that do not,
//! where they are verified and not kept.

use crate::{
    client::*,
    gateway::{Gateway, new_bucket},
    support::{
        quirks::{Mannered, Quirks},
        upstream::Upstream,
    },
};
use bytes::Bytes;
use causeway::{
    model::{ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ObjectChecksum},
    store::{
        BeginUpload, CompleteUpload, CopyPartRequest, CopyRequest, Store,
        error::StoreErrorKind,
        payload::{Announced, AnnouncedChecksum, Payload, PayloadError},
    },
};
use std::{collections::HashSet, sync::Arc};

const NEWER: [ChecksumAlgorithm; 5] = [
    ChecksumAlgorithm::Sha512,
    ChecksumAlgorithm::Md5,
    ChecksumAlgorithm::Xxhash64,
    ChecksumAlgorithm::Xxhash3,
    ChecksumAlgorithm::Xxhash128,
];

async fn bucket(old_checksums: bool) -> (Mannered, Gateway, Arc<dyn Store>) {
    let upstream =
        Mannered::before(Upstream::causeway().address, Quirks { old_checksums, ..Default::default() });
    let gateway = Gateway::at(upstream.address());
    let store = gateway.bucket("bucket", &new_bucket()).await;
    (upstream, gateway, store)
}

fn announcing(body: &Bytes, checksum: AnnouncedChecksum) -> Payload {
    let announced = Announced { checksum, length: Some(body.len() as u64), ..Default::default() };
    Payload::from_stream(futures_util::stream::iter([Ok(body.clone())]), announced)
}

fn begun(algorithm: ChecksumAlgorithm) -> BeginUpload {
    BeginUpload {
        checksum: ChecksumSpec { algorithm, kind: ChecksumKind::Composite },
        explicit_checksum: true,
        ..plain_upload()
    }
}

#[tokio::test]
async fn a_storage_that_knows_a_newer_checksum_keeps_it_and_is_asked_once() {
    let (upstream, _gateway, store) = bucket(false).await;
    for algorithm in NEWER {
        // A long body is sent to the storage with its checksum in a trailer.
        for body in [Bytes::from_static(b"short"), large(1)] {
            let expected = Some(ObjectChecksum::full(checksum_of(algorithm, &body)));
            let payload = announcing(&body, AnnouncedChecksum::Algorithm(algorithm));
            let written = store.put(&key("key"), request(payload)).await.expect("is put");
            assert_eq!(
                (written.checksum, head(&*store, "key").await.checksum),
                (expected.clone(), expected),
                "{algorithm:?}"
            );
        }
    }
    let requests = upstream.requests();
    let paths = requests.iter().filter_map(|request| request.split([' ', '?']).nth(1));
    let tried: HashSet<&str> = paths
        .filter(|path| path.contains(".causeway-probe-"))
        .map(|path| path.trim_end_matches("-copy"))
        .collect();
    // The probe uses one object for all other checks, and one for each algorithm.
    assert_eq!(tried.len(), 1 + NEWER.len(), "{tried:?}");
}

#[tokio::test]
async fn a_newer_checksum_that_the_storage_does_not_know_is_verified_and_forgotten() {
    let (_upstream, _gateway, store) = bucket(true).await;
    for algorithm in NEWER {
        for body in [Bytes::from_static(b"short"), large(1)] {
            let right = checksum_of(algorithm, &body);
            let wrong = announcing(&body, AnnouncedChecksum::Header(checksum_of(algorithm, b"other")));
            assert_eq!(
                payload_refused(store.put(&key("key"), request(wrong)).await),
                PayloadError::ChecksumMismatch(algorithm)
            );
            assert_absent(&*store, "key").await;
            let payload = announcing(&body, AnnouncedChecksum::Header(right.clone()));
            let written = store.put(&key("key"), request(payload)).await.expect("is put");
            assert_eq!(written.checksum, Some(ObjectChecksum::full(right)), "{algorithm:?}");
            let kept = head(&*store, "key").await.checksum;
            assert!(kept.is_none_or(|sum| sum.algorithm() != algorithm), "{algorithm:?}");
            delete(&*store, "key").await;
        }
    }
    // The older checksums are kept as before.
    let payload =
        announcing(&Bytes::from_static(b"x"), AnnouncedChecksum::Algorithm(ChecksumAlgorithm::Sha256));
    store.put(&key("key"), request(payload)).await.expect("is put");
    assert_eq!(
        head(&*store, "key").await.checksum.map(|sum| sum.algorithm()),
        Some(ChecksumAlgorithm::Sha256)
    );
}

#[tokio::test]
async fn uploads_and_copies_with_a_newer_checksum_work_where_the_storage_does_not_know_it() {
    let (_upstream, _gateway, store) = bucket(true).await;
    let body = Bytes::from_static(b"part");
    put(&*store, "source", body.clone()).await;
    for algorithm in NEWER {
        let right = checksum_of(algorithm, &body);
        let mut upload = Uploading::begin_with(&*store, "key", begun(algorithm)).await;
        let copied = CopyPartRequest { source: copy_source(&store, "source"), range: None };
        let copied =
            store.copy_part(&upload.key, &upload.id, number(1), copied).await.expect("a part is copied");
        assert_eq!(
            copied.checksum,
            Some(right.clone()),
            "{algorithm:?}: the client names it when it completes the upload"
        );
        let sent = store
            .put_part(
                &upload.key,
                &upload.id,
                number(1),
                announcing(&body, AnnouncedChecksum::Header(right.clone())),
            )
            .await;
        let sent = sent.expect("a part is put");
        assert_eq!(sent.checksum, Some(right.clone()));
        upload.sent(1, &sent);
        // The storage cannot verify this checksum of the whole object.
        let announced = CompleteUpload {
            checksum: Some((algorithm, format!("{}-1", right.to_base64()))),
            ..upload.request()
        };
        assert_eq!(refused(upload.try_complete(announced).await), StoreErrorKind::NotImplemented);
        let mut named = upload.request();
        named.parts[0].checksum = Some(right.clone());
        upload.try_complete(named).await.expect("is completed");
        assert_eq!(read(&*store, "key").await, body);
        let copy = CopyRequest { checksum: Some(algorithm), ..copy_request(&store, "source") };
        let copied = store.copy(&key("copy"), copy).await.expect("is copied");
        assert_eq!(copied.checksum, Some(ObjectChecksum::full(right)), "{algorithm:?}");
        assert_eq!(read(&*store, "copy").await, body);
    }
}
