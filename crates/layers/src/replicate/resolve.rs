//! Determines the current state if the record does not say it: after a crash during a change, after a change
//! with an unknown outcome, for objects created outside the gateway, and if no replica holds what the record
//! says.
//!
//! Always runs under the key's lock. Invariants:
//! - a replica that still has a change of this process in progress is not believed: its answer may not be
//!   final;
//! - a resolved record names as holders only replicas that were seen to hold the current state; all others
//!   are unconfirmed or lack it, and are repaired: repair checks them when nothing is on its way to them any
//!   more;
//! - no object is given up before every replica has answered that it has nothing.

use super::{
    bodies::Sight,
    bucket::Bucket,
    digest,
    member::{Member, in_time},
    record::{Change, Copy, Known, Record, Row, may_be},
    records::Hold,
};
use crate::{
    model::{ETag, ObjectInfo, ObjectKey},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
        record::ObjectRecord,
    },
};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long replicas that were never scanned may take to report a key that another one does not have.
const UNEXPLORED: Duration = Duration::from_secs(1);
/// How long a change in progress to a replica may take to end, if nothing can be decided without that
/// replica.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a replica reports about a key.
struct ReplicaReport {
    member: Arc<Member>,
    /// `None` inside means that there is no object.
    found: Result<Option<ObjectInfo>>,
    /// A change is still on its way to the replica.
    is_busy: bool,
}

/// Asks each replica once the changes on their way to it have ended, or not at all if that takes longer than
/// `patience`.
async fn look(
    bucket: &Bucket,
    members: impl Iterator<Item = &Arc<Member>>,
    key: &ObjectKey,
    patience: Duration,
) -> Vec<ReplicaReport> {
    let look = |member: &Arc<Member>| {
        let (member, key) = (member.clone(), key.clone());
        let mut turn = bucket.lanes.join(member.number, &key);
        async move {
            if timeout(patience, turn.come()).await.is_err() {
                let found = Err(unavailable("a change is still on its way to a replica"));
                return ReplicaReport { member, found, is_busy: true };
            }
            let found = member.look(&key).await;
            member.judge(&found);
            ReplicaReport { member, found, is_busy: false }
        }
    };
    join_all(members.map(look)).await
}

fn unavailable(why: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, why)
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Has(Copy),
    HasNot,
    /// The replica does not answer.
    Unknown,
    /// The change keeps the bytes, and so their ETag: only the tags and the ACL show whether the replica has
    /// it.
    Untold(ETag),
    /// Only the bytes show whether the replica has the change.
    Unclear(ETag),
}

impl Verdict {
    fn copy(self) -> Option<Copy> {
        if let Self::Has(copy) = self { Some(copy) } else { None }
    }
}

/// Returns whether a replica has a change that was begun on the committed state, and perhaps on other pending
/// changes.
fn verdict(seen: &ReplicaReport, committed: Option<&Record>, change: &Change, is_only: bool) -> Verdict {
    let Ok(found) = &seen.found else { return Verdict::Unknown };
    let (info, object) = match (found, &change.object) {
        (None, None) => return Verdict::Has(Copy::default()),
        (None, Some(_)) | (Some(_), None) => return Verdict::HasNot,
        (Some(info), Some(object)) => (info, object),
    };
    let has = Verdict::Has(Copy { etag: Some(info.etag.clone()) });
    let known = if is_only { seen.member.known(committed) } else { Known::Unknown };
    match known {
        _ if !may_be(object, info.size, &info.etag) => Verdict::HasNot,
        // The replica may report the corrupt object.
        _ if committed
            .is_some_and(|record| record.corrupt.contains(&seen.member.name) && record.shows(&info.etag)) =>
        {
            Verdict::HasNot
        }
        // It may be the earlier object, because the ETag does not show what was changed.
        Known::Held(before) if before == info.etag && keeps_bytes(committed, object) => {
            Verdict::Untold(before)
        }
        // The bytes are the same, whichever change wrote them.
        _ if object.etag == info.etag && is_digest(&info.etag) => has,
        Known::Held(before) if before == info.etag => Verdict::HasNot,
        // The object is new to the replica. Only its bytes show whether it belongs to an earlier change that
        // arrived late: storage chooses its ETags freely.
        Known::Absent | Known::Held(_) if !object.has_digest() => has,
        Known::Absent | Known::Held(_) => Verdict::Unclear(info.etag.clone()),
        // It may be another object of the same size.
        Known::Unknown => Verdict::Unclear(info.etag.clone()),
    }
}

/// Resolves a pending change with an unknown outcome. If any replica has it, it is committed. If so many
/// replicas do not have it that it cannot have been acknowledged, it never took effect. The same applies to
/// the changes that it supersedes, none of which was acknowledged.
pub(super) async fn pending(bucket: &Arc<Bucket>, key: &ObjectKey, hold: &Hold) -> Result<()> {
    let row = hold.row();
    let Some(change) = &row.pending else { return Ok(()) };
    let members = bucket.members();
    for patience in [Duration::ZERO, PATIENCE] {
        let seen = look(bucket, members.iter(), key, patience).await;
        let is_only = change.chain().count() == 1;
        let (mut without, mut is_unclear) = (None, false);
        for change in change.chain() {
            let verdicts = verdicts(key, &seen, row.committed.as_deref(), change, is_only).await;
            without.get_or_insert(verdicts.iter().filter(|verdict| **verdict == Verdict::HasNot).count());
            is_unclear |= seen
                .iter()
                .zip(&verdicts)
                .any(|(seen, verdict)| seen.found.is_ok() && *verdict == Verdict::Unknown);
            let mut record = Record::after(row.committed.as_deref(), change.found());
            // The earlier state stays current although a later change was given up. Late reports about that
            // change do not count for this record.
            if change.generation < row.generation() {
                record.change.generation = row.generation() + 1;
            }
            for (seen, copy) in
                seen.iter().zip(verdicts).filter_map(|(seen, verdict)| Some((seen, verdict.copy()?)))
            {
                record.made_by(seen.member.name.clone(), copy);
            }
            if !record.copies.is_empty() {
                tracing::info!(%key, "a change that was cut short stands: a replica has it");
                return settle(bucket, key, hold, record).await;
            }
        }
        if without.unwrap_or_default() + bucket.needed() > seen.len() && !is_unclear {
            tracing::info!(%key, "a change that was cut short never took effect");
            return settle(bucket, key, hold, as_before(key, &seen, &row).await?).await;
        }
        if !seen.iter().any(|seen| seen.is_busy) {
            break;
        }
    }
    Err(unavailable("too few replicas answer to tell what the key holds"))
}

fn keeps_bytes(committed: Option<&Record>, object: &ObjectRecord) -> bool {
    committed
        .and_then(Record::object)
        .is_some_and(|before| before.etag == object.etag && before.size == object.size)
}

/// Returns whether a replica has the tags, the ACL and the owner of an object, as far as its storage keeps
/// them.
async fn has_notes(member: &Member, key: &ObjectKey, object: &ObjectRecord, etag: &ETag) -> Verdict {
    let kept = member.keeps(&object.attributes);
    match member.describe(key).await {
        // A write arrived late in between: what it left says nothing about the object that was seen.
        Ok(found) if found.as_ref().map(|info| &info.etag) != Some(etag) => Verdict::Unknown,
        Ok(Some(info)) => {
            let found = &info.attributes;
            let is_same = found.tags == kept.tags && found.acl == kept.acl && found.owner == kept.owner;
            if is_same { Verdict::Has(Copy { etag: Some(info.etag) }) } else { Verdict::HasNot }
        }
        Ok(None) => Verdict::HasNot,
        Err(_) => Verdict::Unknown,
    }
}

/// Returns for each replica whether it has a change. If only the bytes show it, they are read.
async fn verdicts(
    key: &ObjectKey,
    seen: &[ReplicaReport],
    committed: Option<&Record>,
    change: &Change,
    is_only: bool,
) -> Vec<Verdict> {
    let mut verdicts = Vec::with_capacity(seen.len());
    for seen in seen {
        let verdict = verdict(seen, committed, change, is_only);
        verdicts.push(match (&verdict, &change.object) {
            (Verdict::Unclear(etag), Some(object)) => {
                match in_time(Some(object.size), digest::has_bytes(&seen.member, key, etag, object)).await {
                    Ok(true) => Verdict::Has(Copy { etag: Some(etag.clone()) }),
                    Ok(false) => Verdict::HasNot,
                    Err(_) => Verdict::Unknown,
                }
            }
            (Verdict::Untold(etag), Some(object)) => has_notes(&seen.member, key, object, etag).await,
            _ => verdict,
        });
    }
    verdicts
}

/// Returns the record for a change that never took effect: the state before it is current again. A write of
/// that change may still reach replicas that were not seen to hold the current state.
async fn as_before(key: &ObjectKey, seen: &[ReplicaReport], row: &Row) -> Result<Record> {
    let Some(mut record) = row.committed.as_deref().cloned() else {
        // A replica that was never scanned may have held another object all the time.
        if let Some(foreign) = newest(key, seen.iter().filter(|seen| !seen.member.is_seeded()), row).await? {
            return Ok(foreign);
        }
        // A replica that does not answer and was never scanned is scanned when it answers.
        let is_gone = |seen: &&ReplicaReport| {
            matches!(seen.found, Ok(None)) || (seen.found.is_err() && !seen.member.is_seeded())
        };
        return Ok(gone(&row.next(None).found(), seen.iter().filter(is_gone)));
    };
    // Late reports about an earlier change do not count for this record any more.
    record.change.generation = row.generation() + 1;
    record.may_be_deleted |=
        row.pending.as_ref().is_some_and(|change| change.chain().any(|change| change.object.is_none()));
    for seen in seen {
        let Some(copy) = record.copies.get(&seen.member.name).cloned() else { continue };
        match &seen.found {
            Ok(found) if found.as_ref().map(|info| &info.etag) == copy.etag.as_ref() => {
                record.made_by(seen.member.name.clone(), copy)
            }
            Ok(_) => record.lost_by(&seen.member.name),
            Err(_) => drop(record.unconfirmed.insert(seen.member.name.clone())),
        }
    }
    if record.object().is_none() || !record.copies.is_empty() {
        return Ok(record);
    }
    // No replica has the committed object any more.
    if seen.iter().any(|seen| seen.found.is_err()) {
        return Err(unavailable("no replica that answers has what the key held: the others are waited for"));
    }
    let found = if record.may_be_deleted { None } else { newest(key, seen.iter(), row).await? };
    match found {
        Some(found) => Ok(found),
        None => Ok(gone(&row.next(None).found(), without(seen))),
    }
}

/// Returns the replicas that have nothing.
fn without(seen: &[ReplicaReport]) -> impl Iterator<Item = &ReplicaReport> {
    seen.iter().filter(|seen| matches!(seen.found, Ok(None)))
}

/// Returns the record of a key that holds nothing, as these replicas confirm.
fn gone<'s>(change: &Change, confirmed: impl Iterator<Item = &'s ReplicaReport>) -> Record {
    let mut gone = Record::new(change.clone());
    gone.copies = confirmed.map(|seen| (seen.member.name.clone(), Copy::default())).collect();
    gone
}

/// Adopts an object of an unknown key, if a replica that was not scanned yet has one.
pub(super) async fn adopt(bucket: &Arc<Bucket>, key: &ObjectKey, hold: &Hold) -> Result<()> {
    let members = bucket.members();
    // A replica that is out is not waited for if another one knows the answer.
    let has_seeded = members.iter().any(|member| member.is_seeded());
    let unlisted: Vec<_> = members
        .iter()
        .filter(|member| member.is_unexplored() && (member.health.is_up() || !has_seeded))
        .cloned()
        .collect();
    let limit = if has_seeded { UNEXPLORED } else { Duration::MAX };
    let seen = timeout(limit, look(bucket, unlisted.iter(), key, Duration::ZERO)).await;
    let seen = seen.unwrap_or_else(|_| {
        unlisted.iter().for_each(|member| member.lagged());
        Vec::new()
    });
    match newest(key, seen.iter(), &hold.row()).await? {
        Some(record) => settle(bucket, key, hold, record).await,
        // A replica that does not answer now is scanned when it answers.
        None if seen.iter().any(|seen| seen.found.is_ok()) || has_seeded => Ok(()),
        None => Err(unavailable("no replica answers")),
    }
}

/// Asks all replicas because the last one that was known to have the recorded object does not have it.
/// Another replica may have the object, or an older one, which is then all that is left.
pub(super) async fn lost(bucket: &Arc<Bucket>, key: &ObjectKey, hold: &Hold) -> Result<()> {
    let row = hold.row();
    let Some((record, object)) = row.committed.as_deref().and_then(|record| Some((record, record.object()?)))
    else {
        return Ok(());
    };
    let members = bucket.members();
    let seen = look(bucket, members.iter(), key, PATIENCE).await;
    // The replica has the object as recorded, or the same bytes under another ETag: some storage reports its
    // own ETag only later.
    let has = |seen: &&ReplicaReport| {
        let Ok(Some(info)) = &seen.found else { return false };
        let as_recorded =
            record.copies.get(&seen.member.name).is_some_and(|copy| copy.etag.as_ref() == Some(&info.etag));
        let is_corrupt = record.corrupt.contains(&seen.member.name);
        as_recorded || (!is_corrupt && is_digest(&object.etag) && object.etag == info.etag)
    };
    let holders: Vec<&ReplicaReport> = seen.iter().filter(has).collect();
    if !holders.is_empty() {
        let mut same = record.clone();
        for seen in &seen {
            match &seen.found {
                Ok(Some(info)) if has(&seen) => {
                    same.made_by(seen.member.name.clone(), Copy { etag: Some(info.etag.clone()) })
                }
                Ok(_) => same.lost_by(&seen.member.name),
                // It is not known whether the replica has the recorded object.
                Err(_) => {}
            }
        }
        return if same == *record { Ok(()) } else { settle(bucket, key, hold, same).await };
    }
    if let Some(away) = seen.iter().find(|seen| seen.found.is_err()) {
        let why = format!(
            "no replica that answers has the object, and '{}' does not answer: nothing is given up before it does",
            away.member.name
        );
        return Err(StoreError::new(StoreErrorKind::Unavailable, why));
    }
    if record.may_be_deleted {
        tracing::info!(%key, "a deletion that was given up came late: no replica has the object any more");
        return settle(bucket, key, hold, gone(&row.next(None).found(), without(&seen))).await;
    }
    let is_corrupt = |seen: &ReplicaReport| {
        matches!(&seen.found, Ok(Some(info)) if info.etag == object.etag)
            && record.corrupt.contains(&seen.member.name)
    };
    let becomes = match newest(key, seen.iter().filter(|seen| !is_corrupt(seen)), &row).await? {
        Some(record) => {
            let now = record.object().map(|object| object.etag.as_str()).unwrap_or_default();
            tracing::error!(
                %key, lost = object.etag.as_str(), size = object.size, modified = object.modified.millis(), now,
                "no replica has an object any more: the newest object that replicas have for this key stands instead"
            );
            record
        }
        None if seen.iter().any(is_corrupt) => {
            tracing::error!(
                %key, lost = object.etag.as_str(), size = object.size,
                "the only replica left of an object has other bytes than were written: write the object again, or delete it"
            );
            return Err(unavailable(
                "the only replica left of this object has other bytes than were written",
            ));
        }
        None => {
            tracing::error!(
                %key, lost = object.etag.as_str(), size = object.size, modified = object.modified.millis(),
                "an object is lost: every replica answers that it has nothing for this key"
            );
            gone(&row.next(None).found(), seen.iter())
        }
    };
    settle(bucket, key, hold, becomes).await
}

/// Returns a record of the newest object that replicas have, with all replicas that have it.
async fn newest(
    key: &ObjectKey,
    seen: impl Iterator<Item = &ReplicaReport> + Clone,
    row: &Row,
) -> Result<Option<Record>> {
    let found = seen.filter_map(|seen| Some((&seen.member, seen.found.as_ref().ok()?.as_ref()?)));
    // Among objects of the same age, the one on the first replica by rank is taken.
    let Some((member, info)) = found
        .clone()
        .reduce(|best, next| if next.1.last_modified > best.1.last_modified { next } else { best })
    else {
        return Ok(None);
    };
    // The gateway wrote the object, and its success was not reported. Clients identify what they write by its
    // MD5, whatever ETag the storage has; an object that existed before keeps its ETag.
    let etag = if member.is_unexplored() || info.etag.tells_bytes() {
        info.etag.clone()
    } else {
        in_time(Some(info.size), digest::md5(member, key, &info.etag, info.size)).await?
    };
    let same = |other: &ObjectInfo| other.size == info.size && other.etag == etag && is_digest(&etag);
    // A storage whose ETags are MD5s also keeps more about an object.
    let (teller, told) = found.clone().find(|(_, other)| same(other)).unwrap_or((member, info));
    // The object existed a moment ago: if it is gone now, that says nothing about the other replicas.
    let Some(described) = teller.describe(key).await?.filter(|now| now.etag == told.etag) else {
        return Err(unavailable("a replica was changed by others while it was looked at: try again"));
    };
    let holders = found.filter(|(holder, other)| holder.number == member.number || same(other));
    let copies = holders
        .map(|(holder, other)| (holder.name.clone(), Copy { etag: Some(other.etag.clone()) }))
        .collect();
    let mut object = ObjectRecord::of(described);
    object.etag = etag;
    let mut record = Record::new(row.next(Some(Box::new(object))).found());
    record.copies = copies;
    Ok(Some(record))
}

fn is_digest(etag: &ETag) -> bool {
    etag.as_md5().is_some()
}

async fn settle(bucket: &Arc<Bucket>, key: &ObjectKey, hold: &Hold, becomes: Record) -> Result<()> {
    let _changing = bucket.changes.begin(key);
    if hold.row().object() != becomes.object() {
        bucket.bodies.decided(key, Sight::Looked);
    }
    let indexed = bucket.index(key, &becomes);
    let generation = becomes.change.generation;
    hold.decide(Arc::new(becomes));
    let wants_repair = hold.change(|row| {
        bucket.settle(row);
        row.wants_repair
    });
    indexed.await?;
    hold.shown(generation);
    hold.save().await?;
    if wants_repair {
        bucket.call_for_repair();
    }
    Ok(())
}

/// Adopts an object that a replica lists and that no record had, unless there is a record by now, or the
/// object is gone.
pub(super) async fn found(bucket: &Arc<Bucket>, key: &ObjectKey, member: &Arc<Member>) -> Result<bool> {
    let guard = bucket.lock(key).await;
    let hold = bucket.records.hold(key).await?;
    let row = hold.row();
    if row.committed.is_some() || row.pending.is_some() {
        return Ok(false);
    }
    // Other replicas may have it too: the newest copy is taken.
    let members = bucket.members();
    let seen = look(bucket, members.iter(), key, PATIENCE).await;
    if seen.iter().any(|seen| seen.member.number == member.number && seen.found.is_err()) {
        return Err(unavailable("the replica does not answer"));
    }
    match newest(key, seen.iter(), &row).await? {
        Some(record) => {
            settle(bucket, key, &hold, record).await?;
            drop(guard);
            Ok(true)
        }
        None => Ok(false),
    }
}
