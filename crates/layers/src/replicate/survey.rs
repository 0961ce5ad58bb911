//! Compares what a replica lists with what the records say it has, and handles the differences: filling,
//! scrubbing and adopting are this one full scan.
//!
//! | the replica lists | the records say | then |
//! |---|---|---|
//! | the ETag it should | it has it | nothing, or its bytes are read and digested (`Depth::Bytes`) |
//! | nothing, or another ETag | it has it | it is asked once more, and repaired from the others |
//! | anything | it lacks the object | it is repaired; an object that is there already is not sent again |
//! | an object | nothing of it | the object is adopted, and copied to the others |
//!
//! Listings may be old: nothing is done before the replica was asked about the key itself, under the key's
//! lock.

use super::{
    bucket::Bucket,
    digest,
    distrust::distrust,
    locations,
    member::{ANSWER, Member, nothing, timely},
    record::{Record, Row, Wrong},
    repair, resolve,
};
use crate::{
    catalog::{Expected, IndexChange, IndexRow, ObjectRow, ReplicaChange, WhichObjects},
    model::{ETag, ObjectKey},
    store::{ListEntry, ListRequest, ListedObject, Result, record::ObjectRecord},
};
use futures_util::{TryStreamExt, stream};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

const PAGE: usize = 1000;
/// How many keys are handled at once.
const AT_ONCE: usize = 16;
/// A full scan in the background rests this many times as long as a page took, up to a maximum.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Compares what the replica lists.
    Listing,
    /// Compares the bytes too.
    Bytes,
}

/// What to do with unknown objects. In a replica that was complete once they are left alone, unless an
/// operator requests their adoption: they may come from a cancelled write that arrived late, and would
/// reappear after they were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StrayObjects {
    LeftAlone,
    Adopted,
}

/// How much of the time a full scan may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    Full,
    /// The scan rests between pages, for several times as long as a page took.
    Background,
}

/// What was found in a replica, and what was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Surveyed {
    pub objects: u64,
    /// Unknown objects that were adopted.
    pub adopted: u64,
    /// Unknown objects that were left alone.
    pub stray: u64,
    /// Replicas of objects that differed from their records.
    pub differing: u64,
    pub copied: u64,
    /// Objects that could not be repaired: another replica does not answer, or this one refuses them.
    pub failed: u64,
    /// Replicas that could not be scanned.
    pub unreachable: u64,
}

impl std::ops::AddAssign for Surveyed {
    fn add_assign(&mut self, other: Self) {
        self.objects += other.objects;
        self.adopted += other.adopted;
        self.stray += other.stray;
        self.differing += other.differing;
        self.copied += other.copied;
        self.failed += other.failed;
        self.unreachable += other.unreachable;
    }
}

/// One full scan of a replica.
pub(super) async fn survey(
    bucket: &Arc<Bucket>,
    member: &Arc<Member>,
    depth: Depth,
    stray: StrayObjects,
    pace: Pace,
    mut tell: impl FnMut(Surveyed),
) -> Result<Surveyed> {
    if !member.is_seeded() {
        // The replica may not have been reachable when the bucket was created, or its location is gone.
        locations::prepare(bucket, member).await?;
    }
    let stray = match () {
        () if member.is_unexplored() => StrayObjects::Adopted,
        () if member.is_refilled() => StrayObjects::LeftAlone,
        () => stray,
    };
    let listed = Listed {
        member: member.clone(),
        page: VecDeque::new(),
        after: None,
        ended: false,
        pace,
        since: None,
    };
    let rows = Rows { bucket: bucket.clone(), page: VecDeque::new(), after: None, ended: false };
    let cases = stream::try_unfold((listed, rows), |(mut listed, mut rows)| async move {
        Result::Ok(next(&mut listed, &mut rows).await?.map(|case| (case, (listed, rows))))
    });
    // The cases are polled together: one in progress may hold what the next one waits for.
    let seen = cases
        .map_ok(|case| async { Result::Ok(see_to(bucket, member, (depth, stray), case).await) })
        .try_buffer_unordered(AT_ONCE);
    tokio::pin!(seen);
    let mut sum = Surveyed::default();
    while let Some(one) = seen.try_next().await? {
        sum += one;
        tell(sum);
    }
    if sum.failed == 0 && !member.is_seeded() {
        bucket.catalog.update_replica(member.record.id, Expected::Any, ReplicaChange::Seeded).await?;
        member.set_seeded();
        bucket.seeded.grow();
        tracing::info!(bucket = %bucket.record.bucket.name, backend = member.name, objects = sum.objects, copied = sum.copied, "a replica has everything");
    }
    Ok(sum)
}

struct Case {
    key: ObjectKey,
    there: Option<ListedObject>,
    known: Option<ObjectRow>,
}

/// Returns the next key that the replica or the records have, with both entries.
async fn next(listed: &mut Listed, rows: &mut Rows) -> Result<Option<Case>> {
    let (there, known) = (listed.peek().await?.cloned(), rows.peek().await?.cloned());
    let key = match (&there, &known) {
        (Some(there), Some(known)) => (&there.key).min(&known.key).clone(),
        (Some(there), None) => there.key.clone(),
        (None, Some(known)) => known.key.clone(),
        (None, None) => return Ok(None),
    };
    let there = there.filter(|there| there.key == key).inspect(|_| drop(listed.page.pop_front()));
    let known = known.filter(|known| known.key == key).inspect(|_| drop(rows.page.pop_front()));
    Ok(Some(Case { key, there, known }))
}

async fn see_to(
    bucket: &Arc<Bucket>,
    member: &Arc<Member>,
    how: (Depth, StrayObjects),
    case: Case,
) -> Surveyed {
    let key = case.key.clone();
    let mut seen = Surveyed { objects: 1, ..Default::default() };
    if let Err(error) = examine(bucket, member, how, case, &mut seen).await {
        tracing::warn!(%key, backend = member.name, %error, "an object was left as it is; it is looked at again");
        seen.failed = 1;
    }
    seen
}

async fn examine(
    bucket: &Arc<Bucket>,
    member: &Arc<Member>,
    (depth, stray): (Depth, StrayObjects),
    Case { key, there, known }: Case,
    seen: &mut Surveyed,
) -> Result<()> {
    let stored = known.as_ref().map(Row::parse).transpose()?.unwrap_or_default();
    // What the catalog has as pending may be committed by now: that is saved a moment later.
    let row = if stored.pending.is_some() { bucket.see(&key).await? } else { stored };
    if row.committed.is_none() && row.pending.is_none() {
        match stray {
            StrayObjects::Adopted => seen.adopted += u64::from(resolve::found(bucket, &key, member).await?),
            StrayObjects::LeftAlone => seen.stray += u64::from(there.is_some()),
        }
    }
    if let Some(record) = &row.committed
        && record.copies.contains_key(&member.name)
        && let Some(wrong) = wrong(member, depth, &key, record, there.as_ref()).await?
    {
        seen.differing += 1;
        // The last copy is corrupt: there is no other one to repair it from.
        seen.failed += u64::from(wrong == Wrong::Bytes && record.copies.len() == 1);
        distrust(bucket, &key, record.change.generation, member, wrong).await?;
    }
    let lacks = row.pending.is_some()
        || row.committed.as_ref().is_some_and(|record| !record.is_at(&member.name))
        || seen.differing > 0;
    if lacks {
        let repaired = repair::key(bucket, &key).await?;
        seen.copied += repaired.copied;
        // The other replicas are handled when they are scanned.
        let committed = bucket.see(&key).await?.committed;
        seen.failed += u64::from(committed.is_some_and(|record| !record.is_at(&member.name)));
    }
    if let Some(object) = row.object() {
        index(bucket, &key, object).await?;
    }
    Ok(())
}

/// Returns what is wrong with a replica's copy, if anything is.
async fn wrong(
    member: &Arc<Member>,
    depth: Depth,
    key: &ObjectKey,
    record: &Record,
    there: Option<&ListedObject>,
) -> Result<Option<Wrong>> {
    let etag = record.copies.get(&member.name).and_then(|copy| copy.etag.as_ref());
    let object = record.object();
    let listed = match (object, there) {
        (None, None) => return Ok(None),
        (Some(object), Some(there)) => Some(&there.etag) == etag && there.size == object.size,
        _ => false,
    };
    if !listed {
        let info = member.look(key).await?;
        let same = match (object, &info) {
            (Some(object), Some(info)) => Some(&info.etag) == etag && info.size == object.size,
            (None, found) => found.is_none(),
            (Some(_), None) => false,
        };
        if !same {
            let found = info.as_ref().map(|info| info.etag.as_str());
            let recorded = object.and(etag).map(ETag::as_str);
            tracing::warn!(%key, backend = member.name, recorded, found, "a replica has another object than is recorded");
            return Ok(Some(Wrong::Object));
        }
    }
    match object {
        Some(object) if depth == Depth::Bytes && object.has_digest() => {
            let right = digest::has_bytes(member, key, etag.ok_or_else(nothing)?, object).await?;
            if !right {
                tracing::error!(%key, backend = member.name, "a replica has other bytes than were written");
            }
            Ok((!right).then_some(Wrong::Bytes))
        }
        _ => Ok(None),
    }
}

/// Repairs the index row of an object: listings come from an index that may lose its newest rows.
async fn index(bucket: &Bucket, key: &ObjectKey, object: &ObjectRecord) -> Result<()> {
    let shown = bucket.catalog.index_lookup(bucket.record.id, vec![key.clone()]).await?.pop().flatten();
    let expected = IndexRow::of(key, object, Vec::new());
    if shown.as_ref() != Some(&expected) {
        let guard = bucket.lock(key).await;
        // This is the current state, which may be newer than the expected one.
        let row = bucket.records.hold(key).await?.row();
        let change = row.object().map_or_else(
            || IndexChange::Delete(key.clone()),
            |object| IndexChange::Put(IndexRow::of(key, object, Vec::new())),
        );
        let indexed = bucket.catalog.index(bucket.record.id, change);
        drop(guard);
        indexed.await?;
    }
    Ok(())
}

/// What a replica lists, in order.
struct Listed {
    member: Arc<Member>,
    page: VecDeque<ListedObject>,
    after: Option<String>,
    ended: bool,
    pace: Pace,
    /// When the page was obtained.
    since: Option<Instant>,
}

impl Listed {
    async fn peek(&mut self) -> Result<Option<&ListedObject>> {
        while self.page.is_empty() && !self.ended {
            if let (Pace::Background, Some(since)) = (self.pace, self.since) {
                sleep((since.elapsed() * REST).min(LONGEST_REST)).await;
            }
            let request = ListRequest { after: self.after.take(), limit: PAGE, ..Default::default() };
            let page = timely(ANSWER, async { self.member.store().await?.list(request).await }).await;
            self.member.judge(&page);
            let page = page?;
            self.since = Some(Instant::now());
            self.ended = !page.truncated;
            self.after = page.entries.last().map(|entry| entry.name().to_owned());
            self.page = page
                .entries
                .into_iter()
                .filter_map(|entry| match entry {
                    ListEntry::Object(object) => Some(object),
                    ListEntry::CommonPrefix(_) => None,
                })
                .collect();
        }
        Ok(self.page.front())
    }
}

/// The records, in order.
struct Rows {
    bucket: Arc<Bucket>,
    page: VecDeque<ObjectRow>,
    after: Option<ObjectKey>,
    ended: bool,
}

impl Rows {
    async fn peek(&mut self) -> Result<Option<&ObjectRow>> {
        while self.page.is_empty() && !self.ended {
            let page = self
                .bucket
                .catalog
                .objects(self.bucket.record.id, self.after.take(), PAGE, WhichObjects::All)
                .await?;
            self.ended = page.len() < PAGE;
            self.after = page.last().map(|row| row.key.clone());
            self.page = page.into();
        }
        Ok(self.page.front())
    }
}
