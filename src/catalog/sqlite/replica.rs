//! SQL of replicas: rows among the buckets, named so that no bucket can be.

use super::{bucket::no_such_bucket, writer::Applied};
use crate::catalog::{BucketId, CatalogError, CatalogErrorKind, NewReplica, ReplicaChange, ReplicaRecord};
use rusqlite::{Connection, Row, params};

pub(super) fn list(db: &Connection, bucket: BucketId) -> rusqlite::Result<Vec<ReplicaRecord>> {
    db.prepare_cached("SELECT id, backend, place, rank, seeded FROM buckets WHERE replica_of = ?1 ORDER BY rank, id")?
        .query_map([bucket.0], record)?
        .collect()
}

pub(super) fn add(db: &Connection, bucket: BucketId, replica: &NewReplica) -> Applied<ReplicaRecord> {
    // A bucket's name has no '@'.
    let inserted = db
        .prepare_cached(
            "INSERT INTO buckets (name, owner_id, owner_name, created, acl, location, backend, place, replica_of, rank)
             SELECT ?1 || '@' || ?2, owner_id, owner_name, created, acl, location, ?2, ?3, id,
                    (SELECT coalesce(max(rank) + 1, 0) FROM buckets WHERE replica_of = ?1)
             FROM buckets WHERE id = ?1 AND replica_of IS NULL ON CONFLICT (name) DO NOTHING",
        )?
        .execute(params![bucket.0, replica.backend, replica.place])?;
    if inserted == 0 {
        let exists = list(db, bucket)?.iter().any(|known| known.backend == replica.backend);
        let taken = || CatalogError::new(CatalogErrorKind::Exists, format!("there is a replica on {} already", replica.backend));
        return Err(if exists { super::writer::Failure::Refused(taken()) } else { no_such_bucket() });
    }
    let id = db.last_insert_rowid();
    Ok(db.prepare_cached("SELECT id, backend, place, rank, seeded FROM buckets WHERE id = ?1")?.query_row([id], record)?)
}

pub(super) fn update(db: &Connection, replica: BucketId, change: ReplicaChange) -> Applied<()> {
    let changed = match change {
        ReplicaChange::Seeded => {
            db.prepare_cached("UPDATE buckets SET seeded = 1 WHERE id = ?1 AND replica_of IS NOT NULL")?.execute([replica.0])?
        }
        ReplicaChange::First => db
            .prepare_cached(
                "UPDATE buckets SET rank = (SELECT min(other.rank) - 1 FROM buckets other WHERE other.replica_of = buckets.replica_of)
                 WHERE id = ?1 AND replica_of IS NOT NULL",
            )?
            .execute([replica.0])?,
    };
    if changed == 0 { Err(no_such_bucket()) } else { Ok(()) }
}

fn record(row: &Row<'_>) -> rusqlite::Result<ReplicaRecord> {
    Ok(ReplicaRecord { id: BucketId(row.get(0)?), backend: row.get(1)?, place: row.get(2)?, rank: row.get(3)?, seeded: row.get(4)? })
}
