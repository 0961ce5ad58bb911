//! What parts of uploads leave on storage that has files with slots.

use super::*;
use causeway::{
    backend::tree::files::Slots,
    model::{ChecksumAlgorithm, ChecksumSpec, PartNumber, UploadId},
    store::{
        BeginUpload,
        payload::{Announced, PayloadError},
    },
};

async fn begun(bed: &Bed) -> UploadId {
    let algorithm = ChecksumAlgorithm::Crc64Nvme;
    let request = BeginUpload {
        attributes: Attributes::default(),
        initiator: Owner { id: "o".into(), display_name: "o".into() },
        checksum: ChecksumSpec { algorithm, kind: algorithm.default_kind() },
        explicit_checksum: false,
    };
    bed.store.begin_upload(&key("a"), request).await.expect("begins")
}

/// Sends a part whose client disconnects after some bytes were written.
async fn broken_off(bed: &Bed, upload: &UploadId) {
    let frames = [Ok(Bytes::from(vec![1; 1 << 20])), Err(PayloadError::Incomplete)];
    let payload = Payload::from_stream(
        futures_util::stream::iter(frames),
        Announced { length: Some(2 << 20), ..Default::default() },
    );
    let number = PartNumber::new(1).expect("a number");
    bed.store.put_part(&key("a"), upload, number, payload).await.expect_err("is cut off");
    assert_eq!(Slots::names(&bed.files).await.expect("an answer").len(), 1, "the bytes went to a slot");
}

#[tokio::test]
async fn a_part_that_broke_off_leaves_nothing_when_its_upload_is_aborted() {
    let bed = Bed::new(Quirks::Sftp).await;
    let upload = begun(&bed).await;
    broken_off(&bed, &upload).await;
    bed.store.abort_upload(&key("a"), &upload).await.expect("is aborted");
    assert_eq!(Slots::names(&bed.files).await.expect("an answer"), [""; 0]);
}

#[tokio::test]
async fn a_part_that_failed_long_ago_leaves_nothing_when_its_upload_is_aborted() {
    let bed = Bed::new(Quirks::Sftp).await;
    let upload = begun(&bed).await;
    broken_off(&bed, &upload).await;
    // A task of its own releases the slot.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    bed.store.abort_upload(&key("a"), &upload).await.expect("is aborted");
    assert_eq!(Slots::names(&bed.files).await.expect("an answer"), [""; 0]);
}

#[tokio::test]
async fn a_bucket_that_is_removed_leaves_no_slots() {
    let bed = Bed::new(Quirks::Sftp).await;
    broken_off(&bed, &begun(&bed).await).await;
    assert!(bed.backend.remove(&bed.record).await.expect("is removed"));
    assert_eq!(Slots::names(&bed.files).await.expect("an answer"), [""; 0]);
}
