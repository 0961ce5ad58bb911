//! Parts that are sent to the storage before their upload is complete, and tests that nothing depends on it.

use super::{Bed, key};
use crate::support::files::{Quirks, Stop};
use bytes::{Bytes, BytesMut};
use causeway::{
    model::{Attributes, ChecksumAlgorithm, ChecksumSpec, ETag, ObjectKey, Owner, PartNumber, UploadId},
    store::{
        BeginUpload, CompletePart, CompleteUpload, GetRequest, ObjectBody, Store, Written,
        error::{StoreError, StoreErrorKind},
        payload::Payload,
    },
};
use futures_util::StreamExt;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

/// The smallest size of a part that need not be the last one.
const LARGE: usize = 5 << 20;

struct Upload {
    store: Arc<dyn Store>,
    key: ObjectKey,
    id: UploadId,
    parts: BTreeMap<u16, (ETag, Bytes)>,
}

impl Upload {
    async fn begin(bed: &Bed, name: &str) -> Self {
        let algorithm = ChecksumAlgorithm::Crc64Nvme;
        let request = BeginUpload {
            attributes: Attributes::default(),
            checksum: ChecksumSpec { algorithm, kind: algorithm.default_kind() },
            explicit_checksum: false,
            initiator: Owner { id: "o".into(), display_name: "o".into() },
        };
        let id = bed.store.begin_upload(&key(name), request).await.expect("begins");
        Self { store: bed.store.clone(), key: key(name), id, parts: BTreeMap::new() }
    }

    /// The upload after a restart of the process.
    fn of(self, bed: &Bed) -> Self {
        Self { store: bed.store.clone(), ..self }
    }

    async fn part(&mut self, number: u16, length: usize) {
        // No two parts are equal.
        let body: Bytes =
            format!("{number} {length} ").into_bytes().into_iter().cycle().take(length).collect();
        let nth = PartNumber::new(number).expect("a number");
        let written = self
            .store
            .put_part(&self.key, &self.id, nth, Payload::from_bytes(body.clone()))
            .await
            .expect("is put");
        self.parts.insert(number, (written.etag, body));
    }

    async fn complete(&self) -> Result<Written, StoreError> {
        let part = |(number, (etag, _)): (&u16, &(ETag, Bytes))| CompletePart {
            number: PartNumber::new(*number).expect("a number"),
            etag: etag.clone(),
            checksum: None,
        };
        let request = CompleteUpload {
            parts: self.parts.iter().map(part).collect(),
            conditions: Default::default(),
            checksum: None,
            size: None,
        };
        self.store.complete_upload(&self.key, &self.id, request).await
    }

    fn size(&self) -> usize {
        self.parts.values().map(|(_, body)| body.len()).sum()
    }

    /// Completes the upload, and checks the object.
    async fn becomes_its_parts(&self) {
        self.complete().await.expect("is completed");
        let reply = self.store.get(self.key.current(), GetRequest::default()).await.expect("is there");
        let mut object = BytesMut::new();
        match reply.body {
            ObjectBody::Full(bytes) => object.extend_from_slice(&bytes),
            body => {
                let mut stream = body.into_stream();
                while let Some(bytes) = stream.next().await {
                    object.extend_from_slice(&bytes.expect("reads"));
                }
            }
        }
        let whole = self.parts.values().map(|(_, body)| body.clone()).collect::<Vec<_>>().concat();
        assert!(object == whole, "the object is not its parts");
    }
}

fn written(bed: &Bed) -> usize {
    bed.files.written.load(Ordering::Acquire)
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_flow_on_before_their_upload_is_complete_and_are_not_sent_again() {
    for (quirks, order) in
        [(Quirks::Drive, [1, 2, 3]), (Quirks::Folding, [3, 2, 1]), (Quirks::Drive, [2, 3, 1])]
    {
        let bed = Bed::new(quirks).await;
        let mut upload = Upload::begin(&bed, "a").await;
        for number in order {
            upload.part(number, LARGE + usize::from(number)).await;
        }
        bed.files.drafts_hold(&[3 * LARGE + 6]).await;
        upload.part(4, 7).await;
        bed.files.drafts_hold(&[3 * LARGE + 13]).await;
        assert_eq!(bed.files.all(), [], "nobody sees it yet");
        upload.becomes_its_parts().await;
        assert_eq!(written(&bed), upload.size());
        bed.files.drafts_hold(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_sends_what_has_not_flowed_on() {
    let bed = Bed::new(Quirks::Drive).await;
    let mut upload = Upload::begin(&bed, "a").await;
    upload.part(1, LARGE).await;
    upload.part(2, LARGE).await;
    // These parts follow a gap in the numbers that is never filled.
    upload.part(4, LARGE).await;
    upload.part(9, 5).await;
    bed.files.drafts_hold(&[2 * LARGE]).await;
    upload.becomes_its_parts().await;
    assert_eq!(written(&bed), upload.size());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_completed_while_a_part_flows_goes_on_within_it() {
    let bed = Bed::new(Quirks::Drive).await;
    let mut upload = Upload::begin(&bed, "a").await;
    for number in 1..=6 {
        upload.part(number, LARGE).await;
    }
    upload.becomes_its_parts().await;
    assert_eq!(written(&bed), upload.size());
    bed.files.drafts_hold(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_one_part_is_sent_once_it_is_complete() {
    let bed = Bed::new(Quirks::Drive).await;
    let mut upload = Upload::begin(&bed, "a").await;
    upload.part(1, LARGE).await;
    upload.becomes_its_parts().await;
    assert_eq!(written(&bed), LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_sent_again_after_it_flowed_on_counts() {
    for number in [1, 2] {
        let bed = Bed::new(Quirks::Drive).await;
        let mut upload = Upload::begin(&bed, "a").await;
        upload.part(1, LARGE).await;
        upload.part(2, LARGE).await;
        bed.files.drafts_hold(&[2 * LARGE]).await;
        upload.part(number, LARGE + 1).await;
        // The draft can no longer be used, and no other one is begun.
        bed.files.drafts_hold(&[]).await;
        upload.part(3, 9).await;
        upload.becomes_its_parts().await;
        assert_eq!(written(&bed), 2 * LARGE + upload.size());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_sent_again_before_its_turn_flows_on_as_it_is_now() {
    let bed = Bed::new(Quirks::Drive).await;
    let mut upload = Upload::begin(&bed, "a").await;
    upload.part(1, LARGE).await;
    upload.part(3, LARGE).await;
    upload.part(3, LARGE + 1).await;
    upload.part(2, LARGE).await;
    bed.files.drafts_hold(&[3 * LARGE + 1]).await;
    upload.becomes_its_parts().await;
    assert_eq!(written(&bed), upload.size());
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_may_leave_out_what_has_flowed_on() {
    for left_out in [1, 2, 3] {
        let bed = Bed::new(Quirks::Drive).await;
        let mut upload = Upload::begin(&bed, "a").await;
        for number in [1, 2, 3] {
            upload.part(number, LARGE).await;
        }
        bed.files.drafts_hold(&[3 * LARGE]).await;
        upload.parts.remove(&left_out);
        upload.becomes_its_parts().await;
        bed.files.drafts_hold(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_draft_is_left_when_an_upload_is_aborted_or_a_bucket_closed_or_the_server_stops() {
    let mut bed = Bed::new(Quirks::Drive).await;
    for name in ["aborted", "closed", "stopped"] {
        let mut upload = Upload::begin(&bed, name).await;
        upload.part(1, 10).await;
        upload.part(2, 20).await;
        bed.files.drafts_hold(&[30]).await;
        match name {
            "aborted" => upload.store.abort_upload(&upload.key, &upload.id).await.expect("is there"),
            "closed" => {
                drop(upload);
                bed = bed.kill().await;
            }
            _ => {
                bed.backend.close().await.expect("closes");
                assert_eq!(bed.files.open_drafts(), 0);
            }
        }
        bed.files.drafts_hold(&[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_fails_while_parts_flow_fails_neither_them_nor_complete() {
    let bed = Bed::new(Quirks::Drive).await;
    let mut upload = Upload::begin(&bed, "a").await;
    upload.part(1, LARGE).await;
    upload.part(2, LARGE).await;
    bed.files.drafts_hold(&[2 * LARGE]).await;
    bed.files.fail_writing.store(1, Ordering::Release);
    upload.part(3, LARGE).await;
    bed.files.drafts_hold(&[]).await;
    upload.part(4, 4).await;
    upload.becomes_its_parts().await;
    assert_eq!(written(&bed), 2 * LARGE + upload.size());
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_fails_while_complete_goes_on_gets_all_of_it_again() {
    let bed = Bed::new(Quirks::Drive).await;
    let mut upload = Upload::begin(&bed, "a").await;
    upload.part(1, LARGE).await;
    upload.part(2, LARGE).await;
    upload.part(4, LARGE).await;
    bed.files.drafts_hold(&[2 * LARGE]).await;
    bed.files.fail_writing.store(1, Ordering::Release);
    upload.becomes_its_parts().await;
    assert_eq!(written(&bed), 2 * LARGE + upload.size());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_that_is_refused_leaves_what_has_flowed_on_and_one_that_fails_can_be_repeated() {
    let bed = Bed::new(Quirks::Drive).await;
    let mut upload = Upload::begin(&bed, "a").await;
    upload.part(1, LARGE).await;
    upload.part(2, LARGE).await;
    bed.files.drafts_hold(&[2 * LARGE]).await;
    let right = upload.parts.clone();
    upload.parts.insert(3, right[&1].clone());
    let kind = |result: Result<Written, StoreError>| result.expect_err("fails").kind();
    assert_eq!(kind(upload.complete().await), StoreErrorKind::InvalidPart);
    bed.files.drafts_hold(&[2 * LARGE]).await;
    upload.parts = right;
    bed.files.fail_publishing.store(1, Ordering::Release);
    assert_eq!(kind(upload.complete().await), StoreErrorKind::Unavailable);
    assert_eq!(written(&bed), upload.size());
    upload.part(3, 8).await;
    upload.becomes_its_parts().await;
    bed.files.drafts_hold(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_hangs_holds_up_no_part_and_an_upload_goes_on_after_a_kill() {
    let bed = Bed::new(Quirks::Drive).await;
    let mut upload = Upload::begin(&bed, "a").await;
    *bed.files.stop.lock().expect("no panic") = Some(Stop::BeforeWriting);
    upload.part(1, LARGE).await;
    upload.part(2, LARGE).await;
    bed.files.has_stopped().await;
    upload.part(3, LARGE).await;
    let bed = bed.kill().await;
    let mut upload = upload.of(&bed);
    upload.part(4, 4).await;
    // The draft of the killed process hangs forever.
    bed.files.drafts_hold(&[0, 3 * LARGE + 4]).await;
    upload.becomes_its_parts().await;
    assert_eq!(written(&bed), upload.size());
}

#[tokio::test(flavor = "multi_thread")]
async fn four_uploads_flow_at_once_and_a_place_that_becomes_free_is_taken() {
    let bed = Bed::new(Quirks::Drive).await;
    let mut uploads = Vec::new();
    for n in 1..=5usize {
        let mut upload = Upload::begin(&bed, &format!("{n}")).await;
        upload.part(1, n).await;
        upload.part(2, n).await;
        uploads.push(upload);
        // Waits for the draft of this upload, because uploads without a draft have equal rank.
        bed.files.drafts_hold(&(1..=n.min(4)).map(|n| 2 * n).collect::<Vec<_>>()).await;
    }
    let first = &uploads[0];
    first.store.abort_upload(&first.key, &first.id).await.expect("is there");
    bed.files.drafts_hold(&[4, 6, 8]).await;
    // A draft can be begun when another one is gone; the next part that arrives begins it.
    let mut sent = 0;
    while bed.files.open_drafts() < 4 {
        sent += 1;
        uploads[4].part(2 + sent, 100).await;
    }
    bed.files.drafts_hold(&[4, 6, 8, 10 + 100 * usize::from(sent)]).await;
}
