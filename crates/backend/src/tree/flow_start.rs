//! Begins the flow of an upload once its first parts are recorded, if the storage supports flows.
//!
//! This module does not own the flows themselves (`flow`). Invariant: a request that has put a part waits for
//! nothing here.

use super::{bucket::Bucket, flow::Beginning};
use crate::{
    model::{ObjectKey, PartNumber, UploadId},
    store::Result,
};
use std::sync::Arc;

/// The parts with which a flow begins. An upload of one part is complete before a flow could help.
const FIRST: [u16; 2] = [1, 2];

/// Must be called when a part was recorded; `again` means that it replaced an earlier one.
pub(super) fn part_recorded(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    id: &UploadId,
    number: PartNumber,
    again: bool,
) {
    if bucket.flows.tell(id, number, again) {
        return;
    }
    let is_of_use = bucket.files.service().flows > 0 && bucket.files.slots().is_none();
    if is_of_use && bucket.flows.has_room() {
        let (bucket, key, id) = (bucket.clone(), key.clone(), id.clone());
        tokio::spawn(async move {
            if let Err(error) = begin(&bucket, &key, &id).await {
                tracing::debug!(%key, %error, "parts do not flow on");
            }
        });
    }
}

async fn begin(bucket: &Bucket, key: &ObjectKey, id: &UploadId) -> Result<()> {
    // A task that ends the upload waits for this lock. If one has ended it already, the upload has no parts.
    let _only = bucket.completing.lock(id).await;
    let first = bucket.catalog.parts(bucket.id, id, 0, FIRST.len()).await?;
    if first.iter().map(|part| part.number.get()).eq(FIRST) {
        bucket.flows.begin(Beginning {
            catalog: bucket.catalog.clone(),
            spool: bucket.spool.clone(),
            bucket: bucket.id,
            upload: id.clone(),
            files: bucket.files.clone(),
            draft: bucket.drafts.name(),
            path: bucket.at(&bucket.path_of(key).plain_path()),
        });
    }
    Ok(())
}
