//! SQL of the key index and its state.

use super::{
    column::{Column, get, get_option},
    job::{Applied, Step},
    sizes,
};
use crate::{
    catalog::{BucketId, Generation, IndexChange, IndexRow, JOB, RowVersion, VersionRow},
    model::{CanonicalId, ObjectKey},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The number of rows that one step of a sweep removes: it takes a few milliseconds.
const SWEEP: i64 = 1000;

/// Returns whether a change frees space.
pub(super) fn frees(change: &IndexChange) -> bool {
    matches!(change, IndexChange::Delete(_) | IndexChange::DeleteVersion(..))
}

pub(super) fn apply(
    db: &Connection,
    bucket: BucketId,
    generation: Generation,
    change: &IndexChange,
) -> Applied<()> {
    match change {
        IndexChange::Put(row) => {
            let found = db
                .prepare_cached("SELECT size, generation FROM keys WHERE bucket = ?1 AND key = ?2")?
                .query_row(params![bucket.0, Column(&row.key)], |row| Ok((get::<u64>(row, 0)?, get(row, 1)?)))
                .optional()?;
            let (before, known) = found.unzip();
            if is_late(db, bucket, generation, known, &row.key, CURRENT)? {
                return Ok(());
            }
            db.prepare_cached(
                "REPLACE INTO keys (bucket, key, size, modified, checksum, etag, fingerprint, generation, version, version_order, owner)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                bucket.0,
                Column(&row.key),
                Column(row.size),
                Column(row.last_modified),
                row.checksum.map(Column),
                Column(&row.etag),
                row.fingerprint,
                Column(generation),
                row.version.id,
                Column(row.version.order),
                row.owner.as_ref().map(CanonicalId::as_str),
            ])?;
            sizes::count(db, bucket, before, Some(row.size))
        }
        IndexChange::Delete(key) => {
            let before = match generation {
                Generation::UNNUMBERED => db
                    .prepare_cached("DELETE FROM keys WHERE bucket = ?1 AND key = ?2 RETURNING size")?
                    .query_row(params![bucket.0, Column(key)], |row| get(row, 0))
                    .optional()?,
                _ => {
                    note_deletion(db, bucket, generation, key, CURRENT)?;
                    db.prepare_cached(
                        "DELETE FROM keys WHERE bucket = ?1 AND key = ?2 AND generation <= ?3 RETURNING size",
                    )?
                    .query_row(params![bucket.0, Column(key), Column(generation)], |row| get(row, 0))
                    .optional()?
                }
            };
            sizes::count(db, bucket, before, None)
        }
        IndexChange::PutVersion(version) => put_version(db, bucket, generation, version),
        IndexChange::DeleteVersion(key, order) => delete_version(db, bucket, generation, key, *order),
    }
}

/// Stands for the row that LIST shows for a key, in place of the order of a version.
const CURRENT: Option<u64> = None;

/// Returns whether a newer change of the same row was made before. A change without a number is always the
/// newest.
fn is_late(
    db: &Connection,
    bucket: BucketId,
    generation: Generation,
    known: Option<Generation>,
    key: &ObjectKey,
    order: Option<u64>,
) -> rusqlite::Result<bool> {
    if generation == Generation::UNNUMBERED {
        return Ok(false);
    }
    if known.is_some_and(|known| known > generation) {
        return Ok(true);
    }
    db.prepare_cached(
        "SELECT 1 FROM deletions WHERE bucket = ?1 AND key = ?2 AND version_order = ?3 AND generation > ?4",
    )?
    .exists(params![bucket.0, Column(key), Column(order), Column(generation)])
}

/// Records the deletion, so that an older change that arrives later finds it.
fn note_deletion(
    db: &Connection,
    bucket: BucketId,
    generation: Generation,
    key: &ObjectKey,
    order: Option<u64>,
) -> Applied<()> {
    db.prepare_cached(
        "INSERT INTO deletions (bucket, key, version_order, generation) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (bucket, key, version_order) DO UPDATE SET generation = max(generation, excluded.generation)",
    )?
    .execute(params![bucket.0, Column(key), Column(order), Column(generation)])?;
    // A start finds deleted buckets by their rows in other tables: without a size, this row would stay.
    sizes::note(db, bucket)
}

pub(super) fn forget_deletions(db: &Connection, bucket: BucketId, up_to: Generation) -> Applied<()> {
    db.prepare_cached("DELETE FROM deletions WHERE bucket = ?1 AND generation <= ?2")?
        .execute(params![bucket.0, Column(up_to)])?;
    Ok(())
}

fn put_version(
    db: &Connection,
    bucket: BucketId,
    generation: Generation,
    version: &VersionRow,
) -> Applied<()> {
    let row = &version.row;
    let known = db
        .prepare_cached(
            "SELECT generation FROM key_versions WHERE bucket = ?1 AND key = ?2 AND version_order = ?3",
        )?
        .query_row(params![bucket.0, Column(&row.key), Column(row.version.order)], |row| get(row, 0))
        .optional()?;
    if is_late(db, bucket, generation, known, &row.key, Some(row.version.order))? {
        return Ok(());
    }
    db.prepare_cached(
        "REPLACE INTO key_versions (bucket, key, version_order, size, modified, checksum, etag, fingerprint, generation, version, marker, owner)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        bucket.0,
        Column(&row.key),
        Column(row.version.order),
        Column(row.size),
        Column(row.last_modified),
        row.checksum.map(Column),
        Column(&row.etag),
        row.fingerprint,
        Column(generation),
        row.version.id,
        version.is_marker,
        row.owner.as_ref().map(CanonicalId::as_str),
    ])?;
    sizes::note(db, bucket)
}

fn delete_version(
    db: &Connection,
    bucket: BucketId,
    generation: Generation,
    key: &ObjectKey,
    order: u64,
) -> Applied<()> {
    if generation > Generation::UNNUMBERED {
        note_deletion(db, bucket, generation, key, Some(order))?;
    }
    db.prepare_cached("DELETE FROM key_versions WHERE bucket = ?1 AND key = ?2 AND version_order = ?3 AND (?4 = 0 OR generation <= ?4)")?
        .execute(params![bucket.0, Column(key), Column(order), Column(generation)])?;
    Ok(())
}

/// Returns the versions behind `after`, the newest of a key first.
pub(super) fn versions(
    db: &Connection,
    bucket: BucketId,
    after: Option<&(ObjectKey, u64)>,
    limit: usize,
) -> rusqlite::Result<Vec<VersionRow>> {
    // No key is empty, so every key is above the empty one.
    let (key, order) = after.map_or((&b""[..], 0), |(key, order)| (key.as_str().as_bytes(), *order));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.prepare_cached(
        "SELECT key, size, modified, checksum, etag, fingerprint, version, version_order, owner, marker FROM key_versions
         WHERE bucket = ?1 AND key >= ?2 AND (key > ?2 OR version_order < ?3) ORDER BY key, version_order DESC LIMIT ?4",
    )?
    .query_map(params![bucket.0, key, Column(order), limit], |found| Ok(VersionRow { row: row(found)?, is_marker: found.get(9)? }))?
    .collect()
}

pub(super) fn rows(
    db: &Connection,
    bucket: BucketId,
    after: Option<&ObjectKey>,
    limit: usize,
) -> rusqlite::Result<Vec<IndexRow>> {
    // No key is empty, so every key is above the empty one.
    let after = after.map(|key| key.as_str().as_bytes()).unwrap_or_default();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.prepare_cached(
        "SELECT key, size, modified, checksum, etag, fingerprint, version, version_order, owner FROM keys
         WHERE bucket = ?1 AND key > ?2 ORDER BY key LIMIT ?3",
    )?
    .query_map(params![bucket.0, after, limit], row)?
    .collect()
}

pub(super) fn lookup(
    db: &Connection,
    bucket: BucketId,
    keys: &[ObjectKey],
) -> rusqlite::Result<Vec<Option<IndexRow>>> {
    let mut statement = db.prepare_cached(
        "SELECT key, size, modified, checksum, etag, fingerprint, version, version_order, owner FROM keys WHERE bucket = ?1 AND key = ?2",
    )?;
    keys.iter().map(|key| statement.query_row(params![bucket.0, Column(key)], row).optional()).collect()
}

pub(super) fn state(db: &Connection, bucket: BucketId, name: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT value FROM state WHERE bucket = ?1 AND name = ?2")?
        .query_row(params![bucket.0, name], |row| row.get(0))
        .optional()
}

pub(super) fn set_state(db: &Connection, bucket: BucketId, name: &str, value: Option<&str>) -> Applied<()> {
    let Some(value) = value else {
        db.prepare_cached("DELETE FROM state WHERE bucket = ?1 AND name = ?2")?
            .execute(params![bucket.0, name])?;
        return Ok(());
    };
    db.prepare_cached("REPLACE INTO state (bucket, name, value) VALUES (?1, ?2, ?3)")?
        .execute(params![bucket.0, name, value])?;
    if name.starts_with(JOB) { Ok(()) } else { sizes::note(db, bucket) }
}

/// Returns every bucket that has rows in the index, in order.
pub(super) fn buckets(db: &Connection) -> rusqlite::Result<Vec<BucketId>> {
    let mut next = db.prepare(
        "SELECT min(bucket) FROM (SELECT * FROM (SELECT bucket FROM keys WHERE bucket > ?1 ORDER BY bucket LIMIT 1)
         UNION ALL SELECT * FROM (SELECT bucket FROM key_versions WHERE bucket > ?1 ORDER BY bucket LIMIT 1)
         UNION ALL SELECT * FROM (SELECT bucket FROM state WHERE bucket > ?1 ORDER BY bucket LIMIT 1)
         UNION ALL SELECT * FROM (SELECT bucket FROM directories WHERE bucket > ?1 ORDER BY bucket LIMIT 1)
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

/// Removes some of a bucket's rows from the index. The caller repeats this until nothing is left.
pub(super) fn sweep(db: &Connection, bucket: BucketId) -> Applied<Step<()>> {
    for bite in [
        "DELETE FROM keys WHERE bucket = ?1
         AND key <= coalesce((SELECT key FROM keys WHERE bucket = ?1 ORDER BY key LIMIT 1 OFFSET ?2 - 1), x'ff')",
        "DELETE FROM deletions WHERE bucket = ?1
         AND key <= coalesce((SELECT key FROM deletions WHERE bucket = ?1 ORDER BY key LIMIT 1 OFFSET ?2 - 1), x'ff')",
        "DELETE FROM directories WHERE bucket = ?1
         AND path <= coalesce((SELECT path FROM directories WHERE bucket = ?1 ORDER BY path LIMIT 1 OFFSET ?2 - 1), x'ff')",
    ] {
        let swept = db.prepare_cached(bite)?.execute(params![bucket.0, SWEEP])?;
        if swept >= usize::try_from(SWEEP).unwrap_or(usize::MAX) {
            return Ok(Step::More);
        }
    }
    // One key may have any number of versions: a step can end between two versions of a key.
    let last: Option<(Vec<u8>, i64)> = db
        .prepare_cached(
            "SELECT key, version_order FROM key_versions WHERE bucket = ?1 ORDER BY key, version_order DESC LIMIT 1 OFFSET ?2 - 1",
        )?
        .query_row(params![bucket.0, SWEEP], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((key, order)) = last {
        db.prepare_cached(
            "DELETE FROM key_versions WHERE bucket = ?1 AND key <= ?2 AND (key < ?2 OR version_order >= ?3)",
        )?
        .execute(params![bucket.0, key, order])?;
        return Ok(Step::More);
    }
    db.prepare_cached("DELETE FROM key_versions WHERE bucket = ?1")?.execute([bucket.0])?;
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
        version: RowVersion { id: row.get(6)?, order: get(row, 7)? },
        owner: get_option(row, 8)?,
    })
}
