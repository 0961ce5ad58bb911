//! SQL of the directories that scans have read.

use super::{job::Applied, sizes};
use crate::catalog::{BucketId, DirectoryRow};
use rusqlite::{Connection, OptionalExtension, params};

/// Returns the directories with paths above `after`, in the order of the bytes of their paths.
pub(super) fn rows(
    db: &Connection,
    bucket: BucketId,
    after: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Vec<DirectoryRow>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // The path of a bucket's own directory is empty.
    let sql = match after {
        Some(_) => {
            "SELECT path, seen FROM directories WHERE bucket = ?1 AND path > ?2 ORDER BY path LIMIT ?3"
        }
        None => "SELECT path, seen FROM directories WHERE bucket = ?1 AND path >= ?2 ORDER BY path LIMIT ?3",
    };
    db.prepare_cached(sql)?
        .query_map(params![bucket.0, after.unwrap_or_default().as_bytes(), limit], |row| {
            Ok(DirectoryRow { path: text(row.get(0)?)?, seen: row.get(1)? })
        })?
        .collect()
}

/// Returns what scans saw of these directories, in the order of `paths`.
pub(super) fn lookup(
    db: &Connection,
    bucket: BucketId,
    paths: &[String],
) -> rusqlite::Result<Vec<Option<Vec<u8>>>> {
    let mut find = db.prepare_cached("SELECT seen FROM directories WHERE bucket = ?1 AND path = ?2")?;
    paths
        .iter()
        .map(|path| find.query_row(params![bucket.0, path.as_bytes()], |row| row.get(0)).optional())
        .collect()
}

pub(super) fn set(db: &Connection, bucket: BucketId, seen: &[DirectoryRow], gone: &[String]) -> Applied<()> {
    let mut put = db.prepare_cached("REPLACE INTO directories (bucket, path, seen) VALUES (?1, ?2, ?3)")?;
    for row in seen {
        put.execute(params![bucket.0, row.path.as_bytes(), row.seen])?;
    }
    let mut remove = db.prepare_cached("DELETE FROM directories WHERE bucket = ?1 AND path = ?2")?;
    for path in gone {
        remove.execute(params![bucket.0, path.as_bytes()])?;
    }
    // A start finds deleted buckets by their rows in other tables: without a size, these rows would stay.
    sizes::note(db, bucket)
}

fn text(bytes: Vec<u8>) -> rusqlite::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
    })
}
