//! Checksums of multipart uploads: of each part, and of the whole object in both of S3's types.

use super::{client::*, storage::Storage};
use bytes::Bytes;
use causeway::{
    model::{ChecksumAlgorithm, ChecksumKind, ChecksumSpec},
    store::{
        BeginUpload, CompleteUpload,
        error::StoreErrorKind::{BadDigest, InvalidPart, InvalidRequest},
        payload::{Announced, AnnouncedChecksum, Payload, PayloadError},
    },
};

fn named(algorithm: ChecksumAlgorithm, kind: ChecksumKind) -> BeginUpload {
    BeginUpload { checksum: ChecksumSpec { algorithm, kind }, explicit_checksum: true, ..plain_upload() }
}

fn announcing(body: Bytes, checksum: AnnouncedChecksum) -> Payload {
    let length = Some(body.len() as u64);
    Payload::from_stream(
        futures_util::stream::iter([Ok(body)]),
        Announced { checksum, length, ..Default::default() },
    )
}

pub async fn the_whole_has_the_checksum_its_upload_promised(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let parts = [large(0), Bytes::from_static(b"end")];
    for algorithm in ChecksumAlgorithm::ALL {
        for kind in [ChecksumKind::FullObject, ChecksumKind::Composite] {
            if !algorithm.supports(kind) {
                continue;
            }
            let mut upload = Uploading::begin_with(store, "key", named(algorithm, kind)).await;
            for (n, part) in (1..).zip(&parts) {
                let checksum = AnnouncedChecksum::Header(checksum_of(algorithm, part));
                let written = store
                    .put_part(&upload.key, &upload.id, number(n), announcing(part.clone(), checksum))
                    .await;
                let written = written.expect("a part is put");
                assert_eq!(written.checksum, Some(checksum_of(algorithm, part)));
                upload.sent(n, &written);
            }
            let expected = match kind {
                ChecksumKind::FullObject => checksum_of(algorithm, &parts.concat()).to_base64(),
                ChecksumKind::Composite => {
                    let sums: Vec<u8> =
                        parts.iter().flat_map(|part| checksum_of(algorithm, part).bytes().to_vec()).collect();
                    format!("{}-2", checksum_of(algorithm, &sums).to_base64())
                }
            };
            let announced = |text: &str| CompleteUpload {
                checksum: Some((algorithm, text.to_owned())),
                ..upload.request()
            };
            assert_eq!(refused(upload.try_complete(announced("bad")).await), BadDigest);
            let mut wrong_part = upload.request();
            for (part, body) in wrong_part.parts.iter_mut().zip([b"other".as_slice(), b"end"]) {
                part.checksum = Some(checksum_of(algorithm, body));
            }
            assert_eq!(refused(upload.try_complete(wrong_part).await), InvalidPart);
            assert_absent(store, "key").await;
            let mut right = announced(&expected);
            for (part, body) in right.parts.iter_mut().zip(&parts) {
                part.checksum = Some(checksum_of(algorithm, body));
            }
            let written = upload.try_complete(right).await.expect("is completed");
            let sum = written.checksum.clone().expect("was promised");
            assert_eq!((sum.algorithm(), sum.kind, sum.text()), (algorithm, kind, expected));
            let info = head(store, "key").await;
            assert_eq!(info.checksum, written.checksum);
            for (part, body) in info.parts.iter().zip(&parts) {
                assert_eq!(part.checksum, Some(checksum_of(algorithm, body)));
            }
            delete(store, "key").await;
        }
    }
}

pub async fn an_upload_that_promised_nothing_sums_up_all_the_same(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let mut upload = Uploading::begin(store, "key").await;
    upload.part(1, large(0)).await;
    upload.part(2, "end").await;
    let sum = upload.complete().await.checksum.expect("as S3 does");
    let whole = [&large(0)[..], b"end"].concat();
    assert_eq!(
        (sum.kind, sum.checksum),
        (ChecksumKind::FullObject, checksum_of(ChecksumAlgorithm::Crc64Nvme, &whole))
    );
}

pub async fn parts_of_an_upload_that_named_no_algorithm_may_bring_their_own(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let mut upload = Uploading::begin(store, "key").await;
    for (n, body) in [(1, large(0)), (2, Bytes::from_static(b"end"))] {
        let checksum = AnnouncedChecksum::Algorithm(ChecksumAlgorithm::Crc32);
        let written = store
            .put_part(&upload.key, &upload.id, number(n), announcing(body.clone(), checksum))
            .await
            .expect("a part is put");
        assert_eq!(written.checksum, Some(checksum_of(ChecksumAlgorithm::Crc32, &body)));
        upload.sent(n, &written);
    }
    let sum = upload.complete().await.checksum.expect("from its parts");
    let whole = [&large(0)[..], b"end"].concat();
    assert_eq!(
        (sum.kind, sum.checksum),
        (ChecksumKind::FullObject, checksum_of(ChecksumAlgorithm::Crc32, &whole))
    );
}

pub async fn an_upload_that_named_its_algorithm_takes_no_other(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let upload =
        Uploading::begin_with(store, "key", named(ChecksumAlgorithm::Sha256, ChecksumKind::Composite)).await;
    let other = AnnouncedChecksum::Header(checksum_of(ChecksumAlgorithm::Crc32, b"x"));
    let result =
        store.put_part(&upload.key, &upload.id, number(1), announcing(Bytes::from_static(b"x"), other)).await;
    assert_eq!(refused(result), InvalidRequest);
    let wrong = AnnouncedChecksum::Header(checksum_of(ChecksumAlgorithm::Sha256, b"y"));
    let result =
        store.put_part(&upload.key, &upload.id, number(1), announcing(Bytes::from_static(b"x"), wrong)).await;
    assert_eq!(payload_refused(result), PayloadError::ChecksumMismatch(ChecksumAlgorithm::Sha256));
    let page = store.list_parts(&upload.key, &upload.id, 0, 10).await.expect("is there");
    assert!(page.parts.is_empty());
    assert_eq!(
        (page.upload.checksum.algorithm, page.upload.explicit_checksum),
        (ChecksumAlgorithm::Sha256, true)
    );
    // A part without a checksum gets one of the algorithm of its upload.
    let silent = store
        .put_part(&upload.key, &upload.id, number(1), Payload::from_bytes("x"))
        .await
        .expect("a part is put");
    assert_eq!(silent.checksum, Some(checksum_of(ChecksumAlgorithm::Sha256, b"x")));
}
