//! What stands, where the record does not say: after a crash amid a change, a change whose end nobody heard of, objects that
//! others put into a replica, and replicas that all hold something else than they should.
//!
//! Under the key's lock, always.

use super::{
    bucket::Bucket,
    member::Member,
    record::{Change, Copy, Known, Object, Record, Row, Wrong},
    records::Hold,
    survey,
};
use crate::{
    model::{ETag, ObjectInfo, ObjectKey},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};

/// What replicas that were never looked through may take to say what they have of a key that another one has not.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a replica says of a key.
struct Seen {
    member: Arc<Member>,
    /// `None` inside: there is nothing.
    found: Result<Option<ObjectInfo>>,
}

async fn look(members: impl Iterator<Item = &Arc<Member>>, key: &ObjectKey) -> Vec<Seen> {
    let look = |member: &Arc<Member>| {
        let (member, key) = (member.clone(), key.clone());
        async move {
            let found = member.look(&key).await;
            member.judge(&found);
            Seen { member, found }
        }
    };
    join_all(members.map(look)).await
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Has(Copy),
    HasNot,
    /// It does not answer.
    Unknown,
    /// Only its bytes tell.
    Unclear(ETag),
}

impl Verdict {
    fn copy(self) -> Option<Copy> {
        if let Self::Has(copy) = self { Some(copy) } else { None }
    }
}

/// Whether a replica has made a change that was begun upon what stood.
fn verdict(seen: &Seen, stands: Option<&Record>, change: &Change) -> Verdict {
    let Ok(found) = &seen.found else { return Verdict::Unknown };
    let (info, object) = match (found, &change.object) {
        (None, None) => return Verdict::Has(Copy::default()),
        (None, Some(_)) | (Some(_), None) => return Verdict::HasNot,
        (Some(info), Some(object)) => (info, object),
    };
    let has = Verdict::Has(Copy { etag: Some(info.etag.clone()) });
    match seen.member.known(stands) {
        _ if !object.may_be(info.size, &info.etag) => Verdict::HasNot,
        // What it shows may be what has rotted.
        _ if stands.is_some_and(|record| record.rotten.contains(&seen.member.name) && record.shows(&info.etag)) => Verdict::HasNot,
        // The same bytes, whichever change brought them.
        _ if object.etag == info.etag && is_digest(&info.etag) => has,
        Known::Absent => has,
        Known::Held(before) if before != info.etag => has,
        Known::Held(_) => Verdict::HasNot,
        // Perhaps it is something else of the same size.
        Known::Unknown => Verdict::Unclear(info.etag.clone()),
    }
}

/// A change was begun, and nobody knows whether it took effect. If any replica has it, it stands; if so many replicas do not
/// that it cannot have been acknowledged, it never was.
pub(super) async fn begun(bucket: &Arc<Bucket>, key: &ObjectKey, hold: &Hold) -> Result<()> {
    let Row { stands, begun: Some(change), .. } = hold.row() else { return Ok(()) };
    let members = bucket.members();
    let seen = look(members.iter(), key).await;
    let mut verdicts: Vec<Verdict> = seen.iter().map(|seen| verdict(seen, stands.as_ref(), &change)).collect();
    for (seen, verdict) in seen.iter().zip(&mut verdicts) {
        if let (Verdict::Unclear(etag), Some(object)) = (&*verdict, &change.object) {
            *verdict = match survey::has_bytes(&seen.member, key, etag, object).await {
                Ok(true) => Verdict::Has(Copy { etag: Some(etag.clone()) }),
                Ok(false) => Verdict::HasNot,
                Err(_) => Verdict::Unknown,
            };
        }
    }
    let mut record = Record::after(stands.as_ref(), Change { found: true, ..change });
    let without = verdicts.iter().filter(|verdict| **verdict == Verdict::HasNot).count();
    for (seen, copy) in seen.iter().zip(verdicts).filter_map(|(seen, verdict)| Some((seen, verdict.copy()?))) {
        record.made_by(seen.member.name.clone(), copy);
    }
    let becomes = if !record.copies.is_empty() {
        tracing::info!(%key, "a change that was cut short stands: a replica has it");
        Some(record)
    } else if without + bucket.needed() > seen.len() {
        tracing::info!(%key, "a change that was cut short never took effect");
        stands
    } else {
        return Err(StoreError::new(StoreErrorKind::Unavailable, "too few replicas answer to tell what the key holds"));
    };
    settle(bucket, key, hold, becomes).await
}

/// Nobody knows the key, and some replicas were not looked through yet: what is there is ours from now on.
pub(super) async fn adopt(bucket: &Arc<Bucket>, key: &ObjectKey, hold: &Hold) -> Result<()> {
    let members = bucket.members();
    // One that is out is not waited for, if another knows what there is.
    let has_seeded = members.iter().any(|member| member.is_seeded());
    let strangers: Vec<_> =
        members.iter().filter(|member| member.is_unexplored() && (member.health.is_up() || !has_seeded)).cloned().collect();
    let patience = if has_seeded { PATIENCE } else { Duration::MAX };
    let seen = tokio::time::timeout(patience, look(strangers.iter(), key)).await;
    let seen = seen.unwrap_or_else(|_| {
        strangers.iter().for_each(|member| member.lagged());
        Vec::new()
    });
    match newest(key, &seen, &hold.row()).await? {
        Some(record) => settle(bucket, key, hold, Some(record)).await,
        // One that does not answer is looked through when it does.
        None if seen.iter().any(|seen| seen.found.is_ok()) || has_seeded => Ok(()),
        None => Err(StoreError::new(StoreErrorKind::Unavailable, "no replica answers")),
    }
}

/// No replica has what the record says. If all that had it answer, what they have now is what there is.
pub(super) async fn lost(bucket: &Arc<Bucket>, key: &ObjectKey, hold: &Hold) -> Result<()> {
    let row = hold.row();
    let Some(record) = row.stands.as_ref().filter(|record| record.object().is_some()) else { return Ok(()) };
    let members = bucket.members();
    let holders = members.iter().filter(|member| record.copies.contains_key(&member.name));
    let seen = look(holders, key).await;
    let holds = |seen: &Seen| {
        let (Ok(Some(info)), Some(copy)) = (&seen.found, record.copies.get(&seen.member.name)) else { return false };
        copy.etag.as_ref() == Some(&info.etag)
    };
    if seen.iter().any(holds) {
        return Ok(());
    }
    // The same bytes under another name for them: a storage that tells its own ETag only later.
    let object = record.object().cloned();
    let same = |seen: &Seen| {
        let (Ok(Some(info)), Some(object)) = (&seen.found, &object) else { return None };
        let certain = object.etag.as_md5().is_some() && object.etag == info.etag;
        certain.then(|| (seen.member.name.clone(), Copy { etag: Some(info.etag.clone()) }))
    };
    let mut same_as = Record::new(record.change.clone());
    same_as.copies = seen.iter().filter_map(same).collect();
    if !same_as.copies.is_empty() {
        return settle(bucket, key, hold, Some(same_as)).await;
    }
    if seen.iter().any(|seen| seen.found.is_err()) {
        return Err(StoreError::new(StoreErrorKind::Unavailable, "no replica that answers has the object"));
    }
    // Of those only that had it: what others have is older.
    let changed = newest(key, &seen, &row).await?;
    let becomes = match changed {
        Some(record) => {
            tracing::warn!(%key, "every replica of an object was changed by others: the newest stands");
            record
        }
        None => {
            tracing::error!(%key, "every replica of an object was removed by others");
            let mut gone = Record::new(Change { found: true, ..row.next(None) });
            gone.copies = seen.iter().map(|seen| (seen.member.name.clone(), Copy::default())).collect();
            gone
        }
    };
    settle(bucket, key, hold, Some(becomes)).await
}

/// The newest of what replicas have, with all who have it.
async fn newest(key: &ObjectKey, seen: &[Seen], row: &Row) -> Result<Option<Record>> {
    let found = seen.iter().filter_map(|seen| Some((&seen.member, seen.found.as_ref().ok()?.as_ref()?)));
    // Of those that are equally new the first: by rank.
    let Some((member, info)) = found.clone().reduce(|best, next| if next.1.last_modified > best.1.last_modified { next } else { best })
    else {
        return Ok(None);
    };
    let Some(described) = member.describe(key).await? else { return Ok(None) };
    let same = |other: &ObjectInfo| other.size == info.size && other.etag == info.etag && is_digest(&info.etag);
    let holders = found.filter(|(holder, other)| holder.number == member.number || same(other));
    let copies = holders.map(|(holder, other)| (holder.name.clone(), Copy { etag: Some(other.etag.clone()) })).collect();
    let mut record = Record::new(Change { found: true, ..row.next(Some(Box::new(Object::of(described)))) });
    record.copies = copies;
    Ok(Some(record))
}

fn is_digest(etag: &ETag) -> bool {
    etag.as_md5().is_some()
}

async fn settle(bucket: &Arc<Bucket>, key: &ObjectKey, hold: &Hold, becomes: Option<Record>) -> Result<()> {
    let indexed = match &becomes {
        Some(record) => bucket.index(key, record),
        None => bucket.index(key, &Record::new(Change { generation: 0, object: None, found: false })),
    };
    hold.decide(becomes);
    let wants_repair = hold.change(|row| {
        bucket.settle(row);
        row.wants_repair
    });
    hold.save().await?;
    indexed.await?;
    if wants_repair {
        bucket.call_for_repair();
    }
    Ok(())
}

/// A replica turned out not to have what the record says it has.
pub(super) async fn distrust(bucket: &Arc<Bucket>, key: &ObjectKey, generation: u64, member: &Member, wrong: Wrong) -> Result<()> {
    let guard = bucket.lock(key).await;
    let hold = bucket.hold(key, &guard).await?;
    let stands = hold.row().stands.filter(|record| record.change.generation == generation);
    let Some(record) = stands.filter(|record| record.copies.contains_key(&member.name)) else { return Ok(()) };
    if record.copies.len() == 1 {
        // The last that had it: whatever is there has to be looked at before anything is given up.
        return lost(bucket, key, &hold).await;
    }
    tracing::warn!(%key, backend = member.name, "a replica does not have what it had: it is repaired");
    if member.missed() {
        bucket.call_for_look();
    }
    hold.change(|row| {
        if let Some(record) = &mut row.stands {
            record.copies.remove(&member.name);
            if wrong == Wrong::Bytes {
                record.rotten.insert(member.name.clone());
            }
        }
        row.wants_repair = true;
    });
    hold.save().await?;
    bucket.call_for_repair();
    Ok(())
}

/// A replica lists an object that no record knew: it is ours, unless there is a record by now, or the object is gone.
pub(super) async fn found(bucket: &Arc<Bucket>, key: &ObjectKey, member: &Arc<Member>) -> Result<bool> {
    let guard = bucket.lock(key).await;
    let hold = bucket.records.hold(key).await?;
    let row = hold.row();
    if row.stands.is_some() || row.begun.is_some() {
        return Ok(false);
    }
    // Others may have it too: of several the newest.
    let members = bucket.members();
    let seen = look(members.iter(), key).await;
    if seen.iter().any(|seen| seen.member.number == member.number && seen.found.is_err()) {
        return Err(StoreError::new(StoreErrorKind::Unavailable, "the replica does not answer"));
    }
    match newest(key, &seen, &row).await? {
        Some(record) => {
            settle(bucket, key, &hold, Some(record)).await?;
            drop(guard);
            Ok(true)
        }
        None => Ok(false),
    }
}
