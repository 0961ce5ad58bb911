//! SQL of what storage cannot keep of its objects.

use super::{
    bucket::{exists, no_such_bucket},
    column::{Column, get},
    writer::Applied,
};
use crate::{
    catalog::{BucketId, ObjectRow},
    model::ObjectKey,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) fn find(db: &Connection, bucket: BucketId, key: &ObjectKey) -> rusqlite::Result<Option<ObjectRow>> {
    db.prepare_cached("SELECT key, stands, intended FROM objects WHERE bucket = ?1 AND key = ?2")?
        .query_row(params![bucket.0, Column(key)], row)
        .optional()
}

pub(super) fn set(db: &Connection, bucket: BucketId, object: &ObjectRow) -> Applied<()> {
    if object.stands.is_none() && object.intended.is_none() {
        db.prepare_cached("DELETE FROM objects WHERE bucket = ?1 AND key = ?2")?.execute(params![bucket.0, Column(&object.key)])?;
        return Ok(());
    }
    if !exists(db, bucket)? {
        return Err(no_such_bucket());
    }
    db.prepare_cached("REPLACE INTO objects (bucket, key, stands, intended) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        bucket.0,
        Column(&object.key),
        object.stands,
        object.intended
    ])?;
    Ok(())
}

pub(super) fn rows(
    db: &Connection,
    bucket: BucketId,
    after: Option<&ObjectKey>,
    limit: usize,
    unsettled: bool,
) -> rusqlite::Result<Vec<ObjectRow>> {
    // No key is empty, so that everything is above the empty one.
    let after = after.map(|key| key.as_str().as_bytes()).unwrap_or_default();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let which = if unsettled { "AND intended IS NOT NULL" } else { "" };
    db.prepare_cached(&format!("SELECT key, stands, intended FROM objects WHERE bucket = ?1 AND key > ?2 {which} ORDER BY key LIMIT ?3"))?
        .query_map(params![bucket.0, after, limit], row)?
        .collect()
}

fn row(row: &Row<'_>) -> rusqlite::Result<ObjectRow> {
    Ok(ObjectRow { key: get(row, 0)?, stands: row.get(1)?, intended: row.get(2)? })
}
