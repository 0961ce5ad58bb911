//! Uploads on members that belong to no upload in the catalog: a Begin that failed or was late left them, a
//! member missed the end of an upload, or a gateway was killed after it had begun them.
//!
//! A driver lists the uploads that were begun through it. Those that no upload of the catalog names, and that
//! no task is working on, are aborted, repeatedly until the member has done so. Invariants:
//! - an upload of a member is not touched while the task that began it may still write it down
//!   (`Uploads::in_hand`);
//! - members are asked only if an upload may have been left there, or may still appear: a cancelled request
//!   may begin an upload late, so members are checked again for a while.

use super::{
    bucket::Bucket,
    member::{Member, in_time},
    uploads::MemberUploads,
};
use crate::{
    model::UploadId,
    store::{ListUploadsRequest, Result, UploadEntry, UploadInfo, UploadsPage, error::StoreErrorKind},
};
use std::{collections::HashSet, sync::Arc};
use tokio::time::Instant;

const PAGE: usize = 1000;

/// Aborts unknown uploads on all members. Returns whether nothing is left.
pub(super) async fn sweep(bucket: &Arc<Bucket>) -> bool {
    if bucket.uploads.may_have_orphans().is_none() {
        return true;
    }
    let begun = Instant::now();
    let mut is_done = true;
    for member in bucket.members().iter() {
        match member_sweep(bucket, member).await {
            Ok(all) => is_done &= all,
            Err(error) => {
                is_done = false;
                tracing::debug!(bucket = %bucket.record.bucket.name, backend = member.name, %error, "uploads that nobody knows could not be aborted; it is tried again");
            }
        }
    }
    if is_done {
        bucket.uploads.has_no_orphans(begun);
    }
    is_done
}

/// Returns whether it was possible to decide which uploads are orphans. It is not while a task begins an
/// upload, which the member may have before the catalog does.
async fn member_sweep(bucket: &Arc<Bucket>, member: &Arc<Member>) -> Result<bool> {
    if !member.health.is_up() {
        return Err(StoreErrorKind::Unavailable.into());
    }
    let store = member.store().await?;
    let Some(rest) = bucket.uploads.rests() else { return Ok(false) };
    let (mut there, mut request) = (Vec::new(), first_page());
    loop {
        let page = in_time(None, store.list_uploads(request.clone())).await?;
        let next = next_page(&page);
        there.extend(uploads(page));
        match next {
            Some(next) => request = next,
            None => break,
        }
    }
    if there.is_empty() {
        return Ok(true);
    }
    let known = known(bucket, member).await?;
    if bucket.uploads.rests() != Some(rest) {
        return Ok(false);
    }
    for UploadInfo { key, upload, .. } in there.into_iter().filter(|upload| !known.contains(&upload.upload)) {
        match in_time(None, store.abort_upload(&key, &upload)).await {
            Err(error) if error.kind() != StoreErrorKind::NoSuchUpload => return Err(error),
            _ => tracing::debug!(%key, backend = member.name, "an upload that nobody knows was aborted"),
        }
    }
    Ok(true)
}

/// Returns the uploads on a member that the catalog names.
async fn known(bucket: &Bucket, member: &Member) -> Result<HashSet<UploadId>> {
    let (mut known, mut request) = (HashSet::new(), first_page());
    loop {
        let page = bucket.catalog.list_uploads(bucket.record.id, request).await?;
        let next = next_page(&page);
        for UploadInfo { upload, .. } in uploads(page) {
            let record = bucket.catalog.upload(bucket.record.id, &upload).await?;
            let there =
                record.and_then(|record| MemberUploads::parse(&record.location).0.remove(&member.name));
            known.extend(there.and_then(|there| UploadId::parse(&there)));
        }
        match next {
            Some(next) => request = next,
            None => return Ok(known),
        }
    }
}

fn first_page() -> ListUploadsRequest {
    ListUploadsRequest { limit: PAGE, ..Default::default() }
}

/// Returns the request for the next page.
fn next_page(page: &UploadsPage) -> Option<ListUploadsRequest> {
    match page.entries.last() {
        Some(UploadEntry::Upload(last)) if page.truncated => Some(ListUploadsRequest {
            key_marker: Some(last.key.as_str().to_owned()),
            upload_marker: Some(last.upload.clone()),
            ..first_page()
        }),
        _ => None,
    }
}

fn uploads(page: UploadsPage) -> impl Iterator<Item = UploadInfo> {
    page.entries.into_iter().filter_map(|entry| match entry {
        UploadEntry::Upload(upload) => Some(upload),
        UploadEntry::CommonPrefix(_) => None,
    })
}
