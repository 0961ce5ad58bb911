//! How a reader gets an object: its record, and bytes that belong to that record.
//!
//! The row is read first and the file is checked afterwards. This process may change the key in between, and
//! size and time would not show it. So a result counts only if one of these conditions holds:
//! - this process did not change the key from before the row was read until the bytes were bound
//!   (`backend::watches`);
//! - the tag of the file is that of the record, and the storage's tags are exact;
//! - the key's lock was held meanwhile.
//!
//! Bytes are bound when [`Opened::read`](super::files::Opened::read) has returned: from then on the stream
//! yields them or fails.
//!
//! Invariants:
//! - no lock is held while bytes are sent;
//! - a lock is awaited and held in a task of its own: a client that stops polling a reader never delays a
//!   writer.

use super::{
    adopt,
    bucket::{Bucket, to_the_end},
    files::{changed, is_changed},
    finding::{Look, Looked},
    record::{Intent, Row},
};
use crate::{
    model::{ObjectInfo, ObjectKey, Span},
    store::{
        GetReply, GetRequest, ObjectBody, Result, Selection,
        condition::ReadConditions,
        error::{StoreError, StoreErrorKind},
        selection::select,
    },
};
use bytes::Bytes;
use std::sync::Arc;

/// The number of attempts without the lock.
const LOOKS: usize = 2;
/// The number of attempts with the lock, for a file that another program replaces again and again.
const OPENINGS: usize = 3;

/// A client's request for an object.
#[derive(Debug, Clone)]
struct Wish {
    conditions: ReadConditions,
    /// The wanted bytes. `None`: only the attributes.
    selection: Option<Selection>,
}

pub(super) async fn head(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    conditions: &ReadConditions,
) -> Result<ObjectInfo> {
    let wish = Wish { conditions: conditions.clone(), selection: None };
    Ok(answer(bucket, key, wish).await?.info)
}

pub(super) async fn get(bucket: &Arc<Bucket>, key: &ObjectKey, request: GetRequest) -> Result<GetReply> {
    answer(bucket, key, Wish { conditions: request.conditions, selection: Some(request.selection) }).await
}

async fn answer(bucket: &Arc<Bucket>, key: &ObjectKey, wish: Wish) -> Result<GetReply> {
    for _ in 0..LOOKS {
        let mut watch = bucket.watches.watch(key);
        if !watch.was_quiet() && !bucket.files.service().exact_tags {
            // All readers that wait for the change continue together when it ends, instead of one after the
            // other under the lock.
            wait(bucket, key).await?;
            watch = bucket.watches.watch(key);
        }
        match look(bucket, key, bucket.row(key).await?, &wish, false).await {
            Ok(Some((reply, by_tag))) if by_tag || watch.is_unchanged() => return Ok(reply),
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) if is_changed(&error) => {}
            Err(error) if watch.is_unchanged() || !depends_on_the_object(&error) => return Err(error),
            Err(_) => {}
        }
    }
    let (bucket, key) = (bucket.clone(), key.clone());
    to_the_end(async move {
        let _guard = bucket.lock(&key).await;
        let mut openings = 1;
        loop {
            let row = bucket.settled(&key).await?;
            match look(&bucket, &key, row, &wish, true).await {
                // Another program has changed the file, because the lock keeps this process from changing it.
                Err(error) if is_changed(&error) && openings < OPENINGS => openings += 1,
                looked => return Ok(looked?.ok_or(StoreErrorKind::NoSuchKey)?.0),
            }
        }
    })
    .await
}

/// Waits until the changes that are in progress have ended.
async fn wait(bucket: &Arc<Bucket>, key: &ObjectKey) -> Result<()> {
    let (bucket, key) = (bucket.clone(), key.clone());
    to_the_end(async move {
        drop(bucket.lock(&key).await);
        Ok(())
    })
    .await
}

/// Returns whether another version of the object might give another result.
fn depends_on_the_object(error: &StoreError) -> bool {
    use StoreErrorKind::*;
    matches!(error.kind(), NoSuchKey | NotModified | PreconditionFailed | InvalidRange { .. } | InvalidPart)
}

/// Checks a key once with this row, and returns whether the storage's tag proves that the result is right.
/// `None`: only the holder of the lock can decide.
async fn look(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    row: Row,
    wish: &Wish,
    locked: bool,
) -> Result<Option<(GetReply, bool)>> {
    let look =
        wish.selection.map_or(Look::Only, |selection| Look::Open(ahead(&row, &wish.conditions, selection)));
    let Some(found) = bucket.find(key, &row, look, locked).await? else { return Ok(None) };
    let Looked { found, opened } = found.ok_or(StoreErrorKind::NoSuchKey)?;
    if opened.is_some() && adopt::needs_digest(&found) {
        // The digest needs the lock and a reader of its own. A storage has a limited number of readers, so
        // none is held meanwhile: the holder of the lock may wait for one.
        drop(opened);
        if locked {
            adopt::recorded(bucket, key, found, row).await?;
        } else {
            adopt::describe(bucket, key, &found).await?;
        }
        return Err(changed());
    }
    let by_tag = found.by_tag;
    let info = if locked {
        adopt::describe_locked(bucket, key, &found, row).await?
    } else {
        adopt::describe(bucket, key, &found).await?
    };
    wish.conditions.check(&info.etag, info.last_modified)?;
    let nothing = || ObjectBody::Full(Bytes::new());
    let (span, body) = match (wish.selection, opened) {
        (None, _) => (Span { start: 0, end: 0 }, nothing()),
        (Some(_), None) => {
            return Err(StoreError::new(
                StoreErrorKind::Internal,
                "a file that was to be read was not opened",
            ));
        }
        (Some(selection), Some(opened)) => match select(&info, selection)? {
            span if span.is_empty() => (span, nothing()),
            span => (span, ObjectBody::Stream(opened.read(span).await?)),
        },
    };
    Ok(Some((GetReply { info, span, body }, by_tag)))
}

/// Returns the range that a reader most likely needs, as far as the catalog knows.
fn ahead(row: &Row, conditions: &ReadConditions, selection: Selection) -> Option<Span> {
    let record = match (&row.committed, &row.pending) {
        (Some(record), _) => record,
        (None, Some(Intent::Put(record))) => record,
        (None, _) => {
            return Some(Span { start: 0, end: u64::MAX }).filter(|_| selection == Selection::default());
        }
    };
    let info = record.object.info();
    conditions.check(&info.etag, info.last_modified).ok()?;
    select(&info, selection).ok()
}
