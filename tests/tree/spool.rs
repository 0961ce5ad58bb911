//! Parts of uploads stay in the spool until their bucket is removed.

use super::*;
use causeway::{
    model::{ChecksumAlgorithm, ChecksumSpec, PartNumber, UploadId},
    store::BeginUpload,
};

async fn begin(bed: &Bed) -> UploadId {
    let algorithm = ChecksumAlgorithm::Crc64Nvme;
    let request = BeginUpload {
        attributes: Attributes::default(),
        initiator: Owner { id: "o".into(), display_name: "o".into() },
        checksum: ChecksumSpec { algorithm, kind: algorithm.default_kind() },
        explicit_checksum: false,
    };
    let upload = bed.store.begin_upload(&key("a"), request).await.expect("begins");
    let number = PartNumber::new(1).expect("a number");
    bed.store.put_part(&key("a"), &upload, number, Payload::from_bytes("part")).await.expect("is put");
    upload
}

/// The number of uploads with parts in the spool.
fn spooled(bed: &Bed) -> usize {
    std::fs::read_dir(bed.directory.path().join("spool/parts")).expect("a directory").count()
}

#[tokio::test]
async fn parts_of_an_upload_leave_the_spool_with_their_bucket_and_no_earlier() {
    let bed = Bed::new(Quirks::Drive).await;
    begin(&bed).await;
    // The state that a kill leaves.
    let bed = bed.kill().await;
    bed.backend.sweep().await.expect("sweeps");
    assert_eq!(spooled(&bed), 1, "the upload can be completed");
    bed.catalog.delete_bucket(bed.record.id).await.expect("is deleted");
    bed.backend.sweep().await.expect("sweeps");
    assert_eq!(spooled(&bed), 0);
}
