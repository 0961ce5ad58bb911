//! SQL of replicas: rows among the buckets, with names that no bucket can have.

use super::{bucket, column::get, job::Applied, refusal::no_such_bucket};
use crate::catalog::{
    BucketId, CatalogError, CatalogErrorKind, Expected, LeftLocation, NewReplica, ReplicaChange,
    ReplicaRecord, Revision,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::VecDeque;

const COLUMNS: &str = "id, backend, place, rank, seeded, revision";

/// A value of the column `seeded`.
const SEEDED: i64 = 1;
const REFILLED: i64 = 2;
const UNMADE: i64 = 3;

pub(super) fn list(db: &Connection, bucket: BucketId) -> rusqlite::Result<Vec<ReplicaRecord>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM buckets WHERE replica_of = ?1 ORDER BY rank, id"))?
        .query_map([bucket.0], record)?
        .collect()
}

/// Returns the replicas of all buckets, each with the id of its bucket.
pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<(BucketId, ReplicaRecord)>> {
    db.prepare_cached(&format!(
        "SELECT {COLUMNS}, replica_of FROM buckets WHERE replica_of IS NOT NULL ORDER BY replica_of, rank, id"
    ))?
    .query_map([], |row| Ok((BucketId(row.get(6)?), record(row)?)))?
    .collect()
}

pub(super) fn add(db: &Connection, bucket: BucketId, replica: &NewReplica) -> Applied<ReplicaRecord> {
    // The name of a bucket has no '@', so no bucket can have this name.
    let inserted = db
        .prepare_cached(
            "INSERT INTO buckets (tenant, name, owner_id, owner_name, created, backend, place, replica_of, rank)
             SELECT tenant, ?1 || '@' || ?2, owner_id, owner_name, created, ?2, ?3, id,
                    (SELECT coalesce(max(rank) + 1, 0) FROM buckets WHERE replica_of = ?1)
             FROM buckets WHERE id = ?1 AND replica_of IS NULL ON CONFLICT (tenant, name) DO NOTHING",
        )?
        .execute(params![bucket.0, replica.backend, replica.location])?;
    if inserted == 0 {
        let exists = list(db, bucket)?.iter().any(|known| known.backend == replica.backend);
        let taken = || {
            CatalogError::new(
                CatalogErrorKind::Exists,
                format!("there is a replica on {} already", replica.backend),
            )
        };
        return Err(if exists { super::job::Failure::Refused(taken()) } else { no_such_bucket() });
    }
    let id = db.last_insert_rowid();
    Ok(find(db, BucketId(id))?)
}

fn find(db: &Connection, replica: BucketId) -> rusqlite::Result<ReplicaRecord> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM buckets WHERE id = ?1"))?.query_row([replica.0], record)
}

pub(super) fn update(
    db: &Connection,
    replica: BucketId,
    expected: Expected,
    change: ReplicaChange,
) -> Applied<Revision> {
    bucket::expect(db, replica, expected)?;
    let changed = match change {
        ReplicaChange::Seeded => set_seeded(db, replica, SEEDED)?,
        ReplicaChange::Refilled => set_seeded(db, replica, REFILLED)?,
        ReplicaChange::Unmade => set_seeded(db, replica, UNMADE)?,
        ReplicaChange::First => db
            .prepare_cached(
                "UPDATE buckets SET revision = revision + 1,
                        rank = (SELECT min(other.rank) - 1 FROM buckets other WHERE other.replica_of = buckets.replica_of)
                 WHERE id = ?1 AND replica_of IS NOT NULL RETURNING revision",
            )?
            .query_row([replica.0], |row| row.get(0).map(Revision))
            .optional()?,
    };
    changed.ok_or_else(no_such_bucket)
}

fn set_seeded(db: &Connection, replica: BucketId, seeded: i64) -> rusqlite::Result<Option<Revision>> {
    db.prepare_cached(
        "UPDATE buckets SET seeded = ?2, revision = revision + 1 WHERE id = ?1 AND replica_of IS NOT NULL RETURNING revision",
    )?
    .query_row([replica.0, seeded], |row| row.get(0).map(Revision))
    .optional()
}

/// Returns the new replica, and the ids that are no longer used.
pub(super) fn renew(
    db: &Connection,
    replica: BucketId,
    expected: Expected,
) -> Applied<(ReplicaRecord, VecDeque<BucketId>)> {
    bucket::expect(db, replica, expected)?;
    let known: Option<(i64, String, String, i64)> = db
        .prepare_cached(
            "SELECT replica_of, backend, place, rank FROM buckets WHERE id = ?1 AND replica_of IS NOT NULL",
        )?
        .query_row([replica.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((of, backend, location, rank)) = known else { return Err(no_such_bucket()) };
    let gone = bucket::delete(db, replica)?;
    let fresh = add(db, BucketId(of), &NewReplica { backend, location })?;
    db.prepare_cached("UPDATE buckets SET rank = ?2 WHERE id = ?1")?.execute([fresh.id.0, rank])?;
    set_seeded(db, fresh.id, REFILLED)?;
    Ok((find(db, fresh.id)?, gone))
}

/// Returns the ids that are no longer used.
pub(super) fn replace(db: &Connection, bucket: BucketId, replica: BucketId) -> Applied<VecDeque<BucketId>> {
    let is_its_own = db
        .prepare_cached("SELECT 1 FROM buckets WHERE id = ?1 AND replica_of = ?2")?
        .exists([replica.0, bucket.0])?;
    if !is_its_own {
        return Err(no_such_bucket());
    }
    db.prepare_cached("UPDATE documents SET bucket = ?2 WHERE bucket = ?1")?
        .execute([bucket.0, replica.0])?;
    // Not a replica any more, so that it outlives the bucket. The name of a bucket is unique: it becomes free
    // first.
    db.prepare_cached("UPDATE buckets SET replica_of = NULL WHERE id = ?1")?.execute([replica.0])?;
    let row: (String, String, String, String, i64, i64, i64) = db
        .prepare_cached(
            "SELECT tenant, name, owner_id, owner_name, created, settings, revision FROM buckets WHERE id = ?1",
        )?
        .query_row([bucket.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
        })?;
    let gone = bucket::delete(db, bucket)?;
    let (tenant, name, owner, owner_name, created, settings, revision) = row;
    db.prepare_cached(
        "UPDATE buckets SET tenant = ?2, name = ?3, owner_id = ?4, owner_name = ?5, created = ?6, settings = ?7,
                revision = ?8 + 1, rank = 0, seeded = 0
         WHERE id = ?1",
    )?
    .execute(params![replica.0, tenant, name, owner, owner_name, created, settings, revision])?;
    Ok(gone)
}

pub(super) fn left(db: &Connection) -> rusqlite::Result<Vec<LeftLocation>> {
    db.prepare_cached("SELECT backend, place, bucket FROM left_places ORDER BY backend, place")?
        .query_map([], |row| {
            Ok(LeftLocation { backend: row.get(0)?, location: row.get(1)?, bucket: get(row, 2)? })
        })?
        .collect()
}

pub(super) fn leave(db: &Connection, left: &LeftLocation) -> Applied<()> {
    db.prepare_cached("REPLACE INTO left_places (backend, place, bucket) VALUES (?1, ?2, ?3)")?
        .execute(params![left.backend, left.location, left.bucket.as_str()])?;
    Ok(())
}

pub(super) fn forget_left(db: &Connection, backend: &str, location: &str) -> Applied<bool> {
    Ok(db
        .prepare_cached("DELETE FROM left_places WHERE backend = ?1 AND place = ?2")?
        .execute([backend, location])?
        > 0)
}

fn record(row: &Row<'_>) -> rusqlite::Result<ReplicaRecord> {
    let seeded: i64 = row.get(4)?;
    Ok(ReplicaRecord {
        id: BucketId(row.get(0)?),
        backend: row.get(1)?,
        location: row.get(2)?,
        rank: row.get(3)?,
        seeded: seeded == SEEDED,
        refilled: seeded == REFILLED,
        unmade: seeded == UNMADE,
        revision: Revision(row.get(5)?),
    })
}
