//! Multipart uploads of a bucket that is at two places: each stays at the place where it began.
//!
//! Its object is made there. If another place is the truth by then, the object is carried to it before the
//! client is told. A migration ends only when no upload is at the place that is left.

use super::{
    moving::{Moving, Root},
    parts::INITIATOR,
};
use crate::{
    backend::migration::Side,
    model::{ObjectKey, UploadId},
    store::{
        CompleteUpload, ListUploadsRequest, Result, UploadEntry, UploadsPage, Written,
        condition::{Current, WriteConditions},
        error::{StoreError, StoreErrorKind},
    },
};
use std::sync::Arc;

/// Returns the place where an upload is. An upload that is at neither counts as one of the truth.
pub(super) async fn root_of(moving: &Arc<Moving>, key: &ObjectKey, upload: &UploadId) -> Result<Root> {
    if !moving.stage().has_cut_over() {
        return Ok(moving.root(Side::Old));
    }
    let truth = moving.root_at_truth();
    for root in [truth, moving.root(moving.stage().truth().other())] {
        match moving.place(root.side).store().list_parts(key, upload, 0, 0).await {
            Ok(_) => return Ok(root),
            Err(error) if error.kind() == StoreErrorKind::NoSuchUpload => {}
            Err(error) => return Err(error),
        }
    }
    Ok(moving.root_at_truth())
}

pub(super) async fn complete(
    moving: &Arc<Moving>,
    key: &ObjectKey,
    upload: &UploadId,
    request: CompleteUpload,
) -> Result<Written> {
    let root = root_of(moving, key, upload).await?;
    let other = root.side.other();
    match complete_at(moving, root, key, upload, request.clone()).await {
        // It may have been completed before, at the other place.
        Err(error) if error.kind() == StoreErrorKind::NoSuchUpload && moving.stage().has_cut_over() => {
            complete_at(moving, moving.root(other), key, upload, request).await
        }
        done => done,
    }
}

async fn complete_at(
    moving: &Arc<Moving>,
    root: Root,
    key: &ObjectKey,
    upload: &UploadId,
    request: CompleteUpload,
) -> Result<Written> {
    let marked = moving.mark(key).await?;
    let turn = moving.clone().turn(marked.clone(), root.side).await;
    let conditions = request.conditions.clone();
    let mut request = request;
    if turn.is_late() {
        // The truth decides. It is asked before the upload is used up.
        check(moving, key, &conditions).await?;
        request.conditions = WriteConditions::default();
    }
    let written = moving.place(root.side).store().complete_upload(key, upload, request).await?;
    moving.published(marked, root, turn, written, conditions).await
}

async fn check(moving: &Moving, key: &ObjectKey, conditions: &WriteConditions) -> Result<()> {
    if conditions.is_empty() {
        return Ok(());
    }
    let found = match moving.truth().uncached().head(key.current(), &Default::default()).await {
        Ok(info) => Some(info),
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => None,
        Err(error) => return Err(error),
    };
    let current = found.as_ref().map(|info| Current {
        etag: &info.etag,
        size: info.size,
        last_modified: info.last_modified,
    });
    conditions.check(current).map_err(StoreError::from)
}

/// Lists the uploads of both places, once uploads may be at both.
pub(super) async fn list(moving: &Moving, request: ListUploadsRequest) -> Result<UploadsPage> {
    let limit = request.limit;
    if !moving.stage().has_cut_over() {
        return moving.place(Side::Old).store().list_uploads(request).await;
    }
    let (old, new) = tokio::join!(
        moving.place(Side::Old).store().list_uploads(request.clone()),
        moving.place(Side::New).store().list_uploads(request)
    );
    let (old, new) = (old?, new?);
    // Behind the end of a page that is not the last, its place has more.
    let end = |page: &UploadsPage| page.entries.last().filter(|_| page.truncated).map(order);
    let end = [end(&old), end(&new)].into_iter().flatten().min();
    let truncated = old.truncated || new.truncated;
    let mut entries: Vec<UploadEntry> = old.entries.into_iter().chain(new.entries).collect();
    entries.sort_by_key(order);
    entries.dedup_by(|one, other| match (one, other) {
        (UploadEntry::CommonPrefix(one), UploadEntry::CommonPrefix(other)) => one == other,
        _ => false,
    });
    if let Some(end) = end {
        entries.retain(|entry| order(entry) <= end);
    }
    let truncated = truncated || entries.len() > limit;
    entries.truncate(limit);
    // Those of the migration itself are no client's.
    entries.retain(|entry| !matches!(entry, UploadEntry::Upload(info) if &*info.initiator.id == INITIATOR));
    Ok(UploadsPage { entries, truncated })
}

/// The order of a listing: by key, then by time.
fn order(entry: &UploadEntry) -> (String, i64, String) {
    match entry {
        UploadEntry::CommonPrefix(prefix) => (prefix.clone(), 0, String::new()),
        UploadEntry::Upload(info) => {
            (info.key.as_str().to_owned(), info.initiated.millis(), info.upload.as_str().to_owned())
        }
    }
}
