//! Ids of uploads, for drivers whose storage has none or other ones, and the names of what is staged for
//! uploads on local disk.

use crate::{
    catalog::{BucketId, Catalog},
    model::{Timestamp, UploadId},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};

/// Returns an id that is unguessable. Ids sort by time, so the uploads of one key are listed in that order.
pub fn new_id(now: Timestamp) -> Result<UploadId> {
    let mut random = [0; 16];
    let failed =
        |error| StoreError::new(StoreErrorKind::Internal, "no randomness").with_source(format!("{error}"));
    getrandom::fill(&mut random).map_err(failed)?;
    let id = format!("{:012x}{}", now.millis().max(0), hex::encode(random));
    UploadId::parse(&id)
        .ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "an id of hex digits was refused"))
}

/// Returns the staged name `<bucket id>-<upload id>`, which shows whether the upload still exists. Ids of
/// buckets are never used again.
pub fn staged_name(bucket: BucketId, upload: &UploadId) -> String {
    format!("{}-{upload}", bucket.0)
}

/// Returns bucket and upload of a staged name without an owner: its upload has ended, or its bucket is gone.
/// Other names return `None`.
pub async fn left(catalog: &dyn Catalog, name: &str) -> Result<Option<(BucketId, UploadId)>> {
    let upload = name
        .split_once('-')
        .and_then(|(bucket, upload)| Some((BucketId(bucket.parse().ok()?), UploadId::parse(upload)?)));
    let Some((bucket, upload)) = upload else { return Ok(None) };
    // An upload is in the catalog before anything is staged for it, and stays there until it has ended.
    Ok(catalog.upload(bucket, &upload).await?.is_none().then_some((bucket, upload)))
}
