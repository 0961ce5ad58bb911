//! The steps of one PUT: body into a draft, pending row into the catalog, publish, record, index.
//!
//! Invariants: a draft is published only after its body was verified; the catalog durably contains a pending
//! row before anything is published, so that after a kill at any time the file shows whether the old or the
//! new state is committed; publishing runs to its end, even if the client disconnects.

use super::{
    bucket::{Bucket, to_the_end},
    files::{Draft, Published, Stat},
    record::{File, Intent, Record, Row},
    sink::stream,
};
use crate::{
    backend::{codec, locks::Guard},
    model::{ChecksumAlgorithm, ObjectKey, Timestamp},
    store::{
        PutRequest, Result, Written,
        condition::{Current, WriteConditions},
        error::{StoreError, StoreErrorKind},
        record::ObjectRecord,
    },
};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// The checksum that S3 computes when a client names none.
pub(super) const DEFAULT_CHECKSUM: Option<ChecksumAlgorithm> = Some(ChecksumAlgorithm::Crc64Nvme);
/// How often publishing is tried. A round fails only if folders are created and removed at the same time.
const ROUNDS: usize = 8;

/// A complete draft and its attributes.
pub(super) struct Ready {
    pub(super) draft: Box<dyn Draft>,
    /// What the storage will report of the file, if it is known in advance.
    pub(super) expected: Option<Stat>,
    /// Its time is that of publishing.
    pub(super) object: ObjectRecord,
}

/// The draft to publish, after the conditions were checked.
pub(super) enum Making {
    Whole(Box<Ready>),
    /// A draft that is made only after the conditions were checked.
    Late(BoxFuture<'static, Result<Ready>>),
}

pub(super) async fn put(bucket: &Arc<Bucket>, key: &ObjectKey, request: PutRequest) -> Result<Written> {
    let PutRequest { attributes, conditions, payload } = request;
    if payload.length().is_some_and(|size| size > bucket.files.service().max_size) {
        return Err(too_large(bucket));
    }
    let path = bucket.path_of(key).plain_path();
    let mut draft = bucket.files.create(&bucket.drafts.name(), &bucket.at(&path), payload.length()).await?;
    let digests = payload.digests(DEFAULT_CHECKSUM);
    let written = match stream(payload, digests, &mut *draft).await {
        Ok(verified) => draft.finish().await.map(|expected| (verified, expected)),
        Err(error) => Err(error),
    };
    let (verified, expected) = match written {
        Ok(written) => written,
        Err(error) => {
            draft.discard().await;
            return Err(error);
        }
    };
    let conditions = verified.conditions(conditions);
    let object = ObjectRecord::of_body(&verified, attributes);
    publish(bucket, key, conditions, Making::Whole(Box::new(Ready { draft, expected, object }))).await
}

pub(super) fn too_large(bucket: &Bucket) -> StoreError {
    let limit = bucket.files.service().max_size;
    StoreError::new(
        StoreErrorKind::EntityTooLarge,
        format!("the storage behind this bucket takes files of at most {limit} bytes"),
    )
}

/// Publishes under the key's lock.
pub(super) async fn publish(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    conditions: WriteConditions,
    making: Making,
) -> Result<Written> {
    let (bucket, key) = (bucket.clone(), key.clone());
    to_the_end(async move {
        let guard = bucket.lock(&key).await;
        publish_locked(&bucket, &key, conditions, making, guard).await
    })
    .await
}

async fn publish_locked(
    bucket: &Bucket,
    key: &ObjectKey,
    conditions: WriteConditions,
    making: Making,
    guard: Guard<ObjectKey>,
) -> Result<Written> {
    let row = match checked(bucket, key, &conditions).await {
        Ok(row) => row,
        Err(error) => {
            if let Making::Whole(ready) = making {
                ready.draft.discard().await;
            }
            return Err(error);
        }
    };
    let Ready { draft, expected, object } = match making {
        Making::Whole(ready) => *ready,
        Making::Late(ready) => ready.await?,
    };
    if let Err(error) = bucket.folding.learn(&*bucket.files).await {
        draft.discard().await;
        return Err(error);
    }
    let path = row.committed.as_ref().map_or_else(|| bucket.home(key), |record| record.own.path.clone());
    let object = ObjectRecord { modified: not_before(&row), ..object };
    let record = Record { own: File::new(path, expected), object };
    let change = bucket.change(key);
    let mut publishing = Publishing { bucket, key, row, record, absent: conditions.wants_absent() };
    let outcome = publishing.run(draft).await;
    let Publishing { row, record, .. } = publishing;
    let record = match outcome {
        Ok(stat) => Record { own: record.own.reported(stat), ..record },
        Err(error) if error.kind() == StoreErrorKind::PreconditionFailed => {
            bucket.set_row(key, &Row { pending: None, ..row }).await?;
            return Err(error);
        }
        // The file may have been published although the reply was lost.
        Err(error) => match bucket.settled(key).await {
            Ok(Row { committed: Some(committed), .. }) if Some(&committed) != row.committed.as_ref() => {
                committed
            }
            Ok(_) => return Err(error),
            Err(settling) => {
                tracing::warn!(%key, error = %settling, "whether a write came true is found out later");
                return Err(error);
            }
        },
    };
    let left = row.committed.filter(|old| old.own.path != record.own.path);
    let written = record.object.written();
    let row = Row { committed: Some(record), pending: None };
    bucket.record(key, &row).await?;
    if let Some(old) = left
        && let Err(error) = bucket.files.remove(&bucket.at(&old.own.path)).await
    {
        tracing::warn!(%key, %error, "a file that was replaced from another place stays");
    }
    drop((change, guard));
    Ok(written)
}

/// Returns the time of a new object, which is never before that of the replaced one.
fn not_before(row: &Row) -> Timestamp {
    let now = Timestamp::now();
    row.committed.as_ref().map_or(now, |old| old.object.modified.max(now))
}

/// Returns the settled row of a key, if its object meets the conditions.
pub(super) async fn checked(bucket: &Bucket, key: &ObjectKey, conditions: &WriteConditions) -> Result<Row> {
    if conditions.is_empty() {
        return bucket.settled(key).await;
    }
    let (found, row) = bucket.find_locked(key).await?;
    // A condition is never compared with a provisional ETag: the MD5 is computed here if it is missing.
    let (info, row) = match found {
        Some(found) => {
            let (record, row) = super::adopt::recorded(bucket, key, found, row).await?;
            (Some(record.object.info()), row)
        }
        None => (None, row),
    };
    let current = info.as_ref().map(|info| Current {
        etag: &info.etag,
        size: info.size,
        last_modified: info.last_modified,
    });
    conditions.check(current)?;
    Ok(row)
}

struct Publishing<'b> {
    bucket: &'b Bucket,
    key: &'b ObjectKey,
    row: Row,
    record: Record,
    absent: bool,
}

impl Publishing<'_> {
    async fn run(&mut self, mut draft: Box<dyn Draft>) -> Result<Stat> {
        let way = self.bucket.path_of(self.key);
        // Locks of other changes that could interfere, held until this change is done.
        let mut held = Vec::new();
        if let Err(error) = self.intend().await {
            draft.discard().await;
            return Err(error);
        }
        for _ in 0..ROUNDS {
            let path = self.bucket.at(&self.record.own.path);
            draft = match draft.publish(&path, self.absent).await? {
                Published::As(stat) => return Ok(stat),
                Published::Exists(draft) => {
                    draft.discard().await;
                    return Err(StoreErrorKind::PreconditionFailed.into());
                }
                // An empty folder is removed. If it has objects in it, the file gets the beside path.
                Published::IsFolder(draft) => {
                    if !self.bucket.files.remove_folder(&path).await? {
                        self.record.own.path = way.beside_path();
                        self.intend().await?;
                    }
                    draft
                }
                Published::Spelled(draft) => {
                    self.record.own.path = self.bucket.apart(self.key);
                    self.intend().await?;
                    draft
                }
                Published::Obstructed(draft) if held.is_empty() => {
                    for ancestor in codec::ancestors(self.key) {
                        held.push(self.bucket.lock(&ancestor).await);
                        make_way(self.bucket, &ancestor).await?;
                    }
                    draft
                }
                Published::Obstructed(draft) => {
                    draft.discard().await;
                    return Err(StoreError::new(
                        StoreErrorKind::Conflict,
                        "something that is no object lies where this key needs a folder",
                    ));
                }
            };
        }
        draft.discard().await;
        Err(StoreError::new(StoreErrorKind::Busy, "folders come and go where this object belongs"))
    }

    async fn intend(&mut self) -> Result<()> {
        self.row.pending = Some(Intent::Put(Box::new(self.record.clone())));
        self.bucket.set_row(self.key, &self.row).await
    }
}

/// Moves an object to its beside path, because other keys need a folder at its plain path. The caller holds
/// its lock.
async fn make_way(bucket: &Bucket, ancestor: &ObjectKey) -> Result<()> {
    let way = bucket.path_of(ancestor);
    let (found, row) = bucket.find_locked(ancestor).await?;
    let Some(found) = found.filter(|found| found.path == way.plain_path()) else { return Ok(()) };
    let (record, mut row) = super::adopt::recorded(bucket, ancestor, found, row).await?;
    let moved = Record { own: File::new(way.beside_path(), None), ..record };
    row.pending = Some(Intent::Put(Box::new(moved.clone())));
    bucket.set_row(ancestor, &row).await?;
    let _change = bucket.change(ancestor);
    let Some(stat) = bucket.files.rename(&bucket.at(&way.plain_path()), &bucket.at(&moved.own.path)).await?
    else {
        bucket.settled(ancestor).await?;
        return Ok(());
    };
    let moved = Record { own: moved.own.reported(stat), ..moved };
    let row = Row { committed: Some(moved), pending: None };
    bucket.record(ancestor, &row).await
}
