//! SQL of what storage cannot keep of its objects: of the current ones, and of the versions behind them.

use super::{
    bucket::exists,
    column::{Column, get},
    job::Applied,
    refusal::{conflict, no_such_bucket},
};
use crate::{
    catalog::{BucketId, Expected, ObjectRow, ObjectVersion, Revision, StoredObject},
    model::ObjectKey,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) fn find(
    db: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
) -> rusqlite::Result<Option<StoredObject>> {
    db.prepare_cached("SELECT key, stands, intended, revision FROM objects WHERE bucket = ?1 AND key = ?2")?
        .query_row(params![bucket.0, Column(key)], stored)
        .optional()
}

/// Revisions are random: a row that is removed and created again has another revision, and no record of the
/// first one is needed.
pub(super) fn set(
    db: &Connection,
    bucket: BucketId,
    expected: Expected,
    object: &ObjectRow,
) -> Applied<Revision> {
    if expected != Expected::Any {
        let found = find(db, bucket, &object.key)?.map_or(Revision::NONE, |stored| stored.revision);
        if !expected.admits(found) {
            return Err(conflict("the object's row"));
        }
    }
    if object.is_empty() {
        db.prepare_cached("DELETE FROM objects WHERE bucket = ?1 AND key = ?2")?
            .execute(params![bucket.0, Column(&object.key)])?;
        return Ok(Revision::NONE);
    }
    if !exists(db, bucket)? {
        return Err(no_such_bucket());
    }
    let revision = Revision::fresh();
    db.prepare_cached(
        "REPLACE INTO objects (bucket, key, stands, intended, revision) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![bucket.0, Column(&object.key), object.committed, object.pending, revision.0])?;
    Ok(revision)
}

pub(super) fn rows(
    db: &Connection,
    bucket: BucketId,
    after: Option<&ObjectKey>,
    limit: usize,
    unsettled: bool,
) -> rusqlite::Result<Vec<ObjectRow>> {
    // No key is empty, so every key is above the empty one.
    let after = after.map(|key| key.as_str().as_bytes()).unwrap_or_default();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let which = if unsettled { "AND intended IS NOT NULL" } else { "" };
    db.prepare_cached(&format!("SELECT key, stands, intended FROM objects WHERE bucket = ?1 AND key > ?2 {which} ORDER BY key LIMIT ?3"))?
        .query_map(params![bucket.0, after, limit], row)?
        .collect()
}

pub(super) fn versions(
    db: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
) -> rusqlite::Result<Vec<ObjectVersion>> {
    db.prepare_cached(
        "SELECT key, stands, intended, revision, version_order FROM object_versions WHERE bucket = ?1 AND key = ?2
         ORDER BY version_order DESC",
    )?
    .query_map(params![bucket.0, Column(key)], |row| Ok(ObjectVersion { order: get(row, 4)?, stored: stored(row)? }))?
    .collect()
}

pub(super) fn set_version(
    db: &Connection,
    bucket: BucketId,
    order: u64,
    expected: Expected,
    object: &ObjectRow,
) -> Applied<Revision> {
    if expected != Expected::Any {
        let found = db
            .prepare_cached(
                "SELECT revision FROM object_versions WHERE bucket = ?1 AND key = ?2 AND version_order = ?3",
            )?
            .query_row(params![bucket.0, Column(&object.key), Column(order)], |row| row.get(0).map(Revision))
            .optional()?;
        if !expected.admits(found.unwrap_or(Revision::NONE)) {
            return Err(conflict("the version's row"));
        }
    }
    if object.is_empty() {
        db.prepare_cached(
            "DELETE FROM object_versions WHERE bucket = ?1 AND key = ?2 AND version_order = ?3",
        )?
        .execute(params![bucket.0, Column(&object.key), Column(order)])?;
        return Ok(Revision::NONE);
    }
    if !exists(db, bucket)? {
        return Err(no_such_bucket());
    }
    let revision = Revision::fresh();
    db.prepare_cached(
        "REPLACE INTO object_versions (bucket, key, version_order, stands, intended, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![bucket.0, Column(&object.key), Column(order), object.committed, object.pending, revision.0])?;
    Ok(revision)
}

fn row(row: &Row<'_>) -> rusqlite::Result<ObjectRow> {
    Ok(ObjectRow { key: get(row, 0)?, committed: row.get(1)?, pending: row.get(2)? })
}

fn stored(found: &Row<'_>) -> rusqlite::Result<StoredObject> {
    Ok(StoredObject { row: row(found)?, revision: Revision(found.get(3)?) })
}
