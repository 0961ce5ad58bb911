//! SQL of the sizes of buckets: one row for each bucket that has an index. It changes in the transaction that
//! changes the bucket's keys.
//!
//! Invariant: a row of `sizes` is the count and the sum over the rows of `keys` of its bucket.

use super::job::Applied;
use crate::catalog::BucketId;
use rusqlite::{Connection, Row, params};

/// The number of bits of a size that are stored apart from its whole GiB: see `schema`.
const GIB: u32 = 30;

/// The number and total size of the objects in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bucket: BucketId,
    pub(super) objects: u64,
    pub(super) bytes: u64,
}

/// Updates the size of a bucket for a key that had one size before and has another now. `None`: the key does
/// not exist.
pub(super) fn count(db: &Connection, bucket: BucketId, before: Option<u64>, now: Option<u64>) -> Applied<()> {
    if before == now {
        return Ok(());
    }
    let objects = i64::from(now.is_some()) - i64::from(before.is_some());
    let (gib, rest) = split(now.unwrap_or_default());
    let (gib_before, rest_before) = split(before.unwrap_or_default());
    db.prepare_cached(
        "INSERT INTO sizes (bucket, objects, gib, rest) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (bucket)
         DO UPDATE SET objects = objects + excluded.objects, gib = gib + excluded.gib, rest = rest + excluded.rest",
    )?
    .execute(params![bucket.0, objects, gib - gib_before, rest - rest_before])?;
    Ok(())
}

/// Records that a bucket has an index, even if it has no key.
pub(super) fn note(db: &Connection, bucket: BucketId) -> Applied<()> {
    db.prepare_cached(
        "INSERT INTO sizes (bucket, objects, gib, rest) VALUES (?1, 0, 0, 0) ON CONFLICT (bucket) DO NOTHING",
    )?
    .execute([bucket.0])?;
    Ok(())
}

pub(super) fn forget(db: &Connection, bucket: BucketId) -> Applied<()> {
    db.prepare_cached("DELETE FROM sizes WHERE bucket = ?1")?.execute([bucket.0])?;
    Ok(())
}

/// Returns the sizes of all buckets that have an index, including replicas and deleted buckets not yet swept.
pub(super) fn all(db: &Connection) -> rusqlite::Result<Vec<Size>> {
    db.prepare_cached("SELECT bucket, objects, gib, rest FROM sizes")?.query_map([], size)?.collect()
}

/// Splits a size. Both parts are below 2^63, whatever the size is.
fn split(size: u64) -> (i64, i64) {
    ((size >> GIB) as i64, (size & ((1 << GIB) - 1)) as i64)
}

fn size(row: &Row<'_>) -> rusqlite::Result<Size> {
    let bytes = (i128::from(row.get::<_, i64>(2)?) << GIB) + i128::from(row.get::<_, i64>(3)?);
    Ok(Size {
        bucket: BucketId(row.get(0)?),
        objects: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
        bytes: u64::try_from(bytes.max(0)).unwrap_or(u64::MAX),
    })
}
