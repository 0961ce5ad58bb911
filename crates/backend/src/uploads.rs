//! Ids of uploads, for drivers whose storage has none or others, and the names that uploads have among what
//! is staged on local disk.

use crate::{
    catalog::{BucketId, Catalog},
    model::{Timestamp, UploadId},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};

/// In order of time, so that the uploads of one key are listed in it, and unguessable.
pub fn new_id(now: Timestamp) -> Result<UploadId> {
    let mut random = [0; 16];
    let failed =
        |error| StoreError::new(StoreErrorKind::Internal, "no randomness").with_source(format!("{error}"));
    getrandom::fill(&mut random).map_err(failed)?;
    let id = format!("{:012x}{}", now.millis().max(0), hex::encode(random));
    UploadId::parse(&id)
        .ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "an id of hex digits was refused"))
}

/// `<bucket id>-<upload id>`: the name distinguishes the remains of an upload from a live one. Ids of
/// buckets are never used again.
pub fn staged_name(bucket: BucketId, upload: &UploadId) -> String {
    format!("{}-{upload}", bucket.0)
}

/// Returns whether a staged name has no owner: its upload has ended, or its bucket is gone. Other names are
/// left alone.
pub async fn left(catalog: &dyn Catalog, name: &str) -> Result<Option<(BucketId, UploadId)>> {
    let upload = name
        .split_once('-')
        .and_then(|(bucket, upload)| Some((BucketId(bucket.parse().ok()?), UploadId::parse(upload)?)));
    let Some((bucket, upload)) = upload else { return Ok(None) };
    // An upload is in the catalog before anything is staged for it, and until it has ended.
    Ok(catalog.upload(bucket, &upload).await?.is_none().then_some((bucket, upload)))
}
