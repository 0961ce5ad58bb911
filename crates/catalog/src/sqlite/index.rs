//! SQL of the key index and its state.

use super::{
    column::{Column, get, get_option},
    sizes,
    writer::{Applied, Step},
};
use crate::{
    catalog::{BucketId, IndexChange, IndexRow},
    model::ObjectKey,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Rows that one step of a sweep removes: a few milliseconds.
const SWEEP: i64 = 1000;

pub(super) fn apply(db: &Connection, bucket: BucketId, change: &IndexChange) -> Applied<()> {
    match change {
        IndexChange::Put(row) => {
            let before = db
                .prepare_cached("SELECT size FROM keys WHERE bucket = ?1 AND key = ?2")?
                .query_row(params![bucket.0, Column(&row.key)], |row| get(row, 0))
                .optional()?;
            db.prepare_cached(
                "REPLACE INTO keys (bucket, key, size, modified, checksum, etag, fingerprint) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                bucket.0,
                Column(&row.key),
                Column(row.size),
                Column(row.last_modified),
                row.checksum.map(Column),
                Column(&row.etag),
                row.fingerprint,
            ])?;
            sizes::count(db, bucket, before, Some(row.size))
        }
        IndexChange::Delete(key) => {
            let before = db
                .prepare_cached("DELETE FROM keys WHERE bucket = ?1 AND key = ?2 RETURNING size")?
                .query_row(params![bucket.0, Column(key)], |row| get(row, 0))
                .optional()?;
            sizes::count(db, bucket, before, None)
        }
    }
}

pub(super) fn rows(db: &Connection, bucket: BucketId, after: Option<&ObjectKey>, limit: usize) -> rusqlite::Result<Vec<IndexRow>> {
    // No key is empty, so that everything is above the empty one.
    let after = after.map(|key| key.as_str().as_bytes()).unwrap_or_default();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.prepare_cached(
        "SELECT key, size, modified, checksum, etag, fingerprint FROM keys WHERE bucket = ?1 AND key > ?2 ORDER BY key LIMIT ?3",
    )?
    .query_map(params![bucket.0, after, limit], row)?
    .collect()
}

pub(super) fn lookup(db: &Connection, bucket: BucketId, keys: &[ObjectKey]) -> rusqlite::Result<Vec<Option<IndexRow>>> {
    let mut statement =
        db.prepare_cached("SELECT key, size, modified, checksum, etag, fingerprint FROM keys WHERE bucket = ?1 AND key = ?2")?;
    keys.iter().map(|key| statement.query_row(params![bucket.0, Column(key)], row).optional()).collect()
}

pub(super) fn state(db: &Connection, bucket: BucketId, name: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT value FROM state WHERE bucket = ?1 AND name = ?2")?
        .query_row(params![bucket.0, name], |row| row.get(0))
        .optional()
}

pub(super) fn set_state(db: &Connection, bucket: BucketId, name: &str, value: Option<&str>) -> Applied<()> {
    let Some(value) = value else {
        db.prepare_cached("DELETE FROM state WHERE bucket = ?1 AND name = ?2")?.execute(params![bucket.0, name])?;
        return Ok(());
    };
    db.prepare_cached("REPLACE INTO state (bucket, name, value) VALUES (?1, ?2, ?3)")?.execute(params![bucket.0, name, value])?;
    sizes::note(db, bucket)
}

/// Every bucket that the index has something of, in order.
pub(super) fn buckets(db: &Connection) -> rusqlite::Result<Vec<BucketId>> {
    let mut next = db.prepare(
        "SELECT min(bucket) FROM (SELECT * FROM (SELECT bucket FROM keys WHERE bucket > ?1 ORDER BY bucket LIMIT 1)
         UNION ALL SELECT * FROM (SELECT bucket FROM state WHERE bucket > ?1 ORDER BY bucket LIMIT 1)
         UNION ALL SELECT * FROM (SELECT bucket FROM sizes WHERE bucket > ?1 ORDER BY bucket LIMIT 1))",
    )?;
    let mut buckets = Vec::new();
    let mut last = i64::MIN;
    while let Some(bucket) = next.query_row([last], |row| row.get::<_, Option<i64>>(0))? {
        buckets.push(BucketId(bucket));
        last = bucket;
    }
    Ok(buckets)
}

/// Removes what the index has of a bucket, a bite at a time.
pub(super) fn sweep(db: &Connection, bucket: BucketId) -> Applied<Step<()>> {
    let swept = db
        .prepare_cached(
            "DELETE FROM keys WHERE bucket = ?1
             AND key <= coalesce((SELECT key FROM keys WHERE bucket = ?1 ORDER BY key LIMIT 1 OFFSET ?2 - 1), x'ff')",
        )?
        .execute(params![bucket.0, SWEEP])?;
    if swept >= usize::try_from(SWEEP).unwrap_or(usize::MAX) {
        return Ok(Step::More);
    }
    db.prepare_cached("DELETE FROM state WHERE bucket = ?1")?.execute([bucket.0])?;
    sizes::forget(db, bucket)?;
    Ok(Step::Done(()))
}

fn row(row: &Row<'_>) -> rusqlite::Result<IndexRow> {
    Ok(IndexRow {
        key: get(row, 0)?,
        size: get(row, 1)?,
        last_modified: get(row, 2)?,
        checksum: get_option(row, 3)?,
        etag: get(row, 4)?,
        fingerprint: row.get(5)?,
    })
}
