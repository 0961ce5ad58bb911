//! SQL of the buckets.

use super::{
    column::{Column, get},
    sizes::Size,
    writer::{Applied, Failure},
};
use crate::{
    catalog::{
        BackendPlace, BucketChange, BucketId, BucketRecord, BucketSize, BucketSizes, BucketsPage, BucketsQuery, CatalogError,
        CatalogErrorKind, NewBucket,
    },
    model::{BucketName, Owner},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
};

const COLUMNS: &str = "id, name, owner_id, owner_name, created, acl, location, backend, place";

pub(super) fn create(db: &Connection, bucket: &NewBucket, apart: &[BackendPlace]) -> Applied<BucketRecord> {
    let taken = || Failure::Refused(CatalogError::new(CatalogErrorKind::Exists, format!("bucket {} exists", bucket.name)));
    if db.prepare_cached("SELECT 1 FROM buckets WHERE name = ?1")?.exists([bucket.name.as_str()])? {
        return Err(taken());
    }
    for place in apart {
        if let Some(other) = touching(db, place)? {
            let words = format!("bucket {} would share a place with {other}", bucket.name);
            return Err(Failure::Refused(CatalogError::new(CatalogErrorKind::Overlaps, words)));
        }
    }
    let inserted = db
        .prepare_cached(
            "INSERT INTO buckets (name, owner_id, owner_name, created, acl, location, backend, place)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (name) DO NOTHING",
        )?
        .execute(params![
            bucket.name.as_str(),
            &*bucket.owner.id,
            &*bucket.owner.display_name,
            Column(bucket.created),
            bucket.acl.as_str(),
            bucket.location,
            bucket.backend,
            bucket.place,
        ])?;
    match inserted {
        0 => Err(taken()),
        _ => Ok(BucketRecord { id: BucketId(db.last_insert_rowid()), bucket: bucket.clone() }),
    }
}

/// The name of a bucket or replica at a place, inside it or around it. Each step is a look into an index, however many there are.
fn touching(db: &Connection, BackendPlace { backend, place }: &BackendPlace) -> rusqlite::Result<Option<String>> {
    if place.is_empty() {
        let mut any = db.prepare_cached("SELECT name FROM buckets WHERE backend = ?1 LIMIT 1")?;
        return any.query_row([backend], |row| row.get(0)).optional();
    }
    let around = place.match_indices('/').map(|(at, _)| &place[..at]);
    let mut at = db.prepare_cached("SELECT name FROM buckets WHERE backend = ?1 AND place = ?2 LIMIT 1")?;
    for outer in std::iter::once("").chain(around).chain([place.as_str()]) {
        if let Some(name) = at.query_row([backend, outer], |row| row.get(0)).optional()? {
            return Ok(Some(name));
        }
    }
    // '0' is the character after '/'.
    let mut inside =
        db.prepare_cached("SELECT name FROM buckets WHERE backend = ?1 AND place > ?2 || '/' AND place < ?2 || '0' LIMIT 1")?;
    inside.query_row([backend, place], |row| row.get(0)).optional()
}

pub(super) fn find(db: &Connection, name: &BucketName) -> rusqlite::Result<Option<BucketRecord>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM buckets WHERE name = ?1 AND replica_of IS NULL"))?
        .query_row([name.as_str()], record)
        .optional()
}

pub(super) fn list(db: &Connection, query: &BucketsQuery) -> rusqlite::Result<BucketsPage> {
    if query.limit == 0 {
        return Ok(BucketsPage::default());
    }
    // Names above `after` that begin with `prefix`: names are ASCII, so that any other character is above them all.
    let after = query.after.as_deref().unwrap_or_default();
    let end = format!("{}\u{10ffff}", query.prefix);
    let limit = i64::try_from(query.limit.saturating_add(1)).unwrap_or(i64::MAX);
    let owner = match &query.owner {
        Some(_) => "(owner_id = ?5 OR name IN (SELECT value FROM json_each(?6)))",
        None => "?5 IS NULL AND ?6 = ?6",
    };
    // Names of buckets have nothing that JSON would escape.
    let besides: Vec<String> = query.besides.iter().map(|name| format!("\"{name}\"")).collect();
    let besides = format!("[{}]", besides.join(","));
    let sql = format!(
        "SELECT {COLUMNS} FROM buckets WHERE {owner} AND replica_of IS NULL AND name >= ?1 AND name > ?2 AND name < ?3 ORDER BY name LIMIT ?4"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![query.prefix, after, end, limit, query.owner, besides], record)?;
    let mut buckets = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let truncated = buckets.len() > query.limit;
    buckets.truncate(query.limit);
    Ok(BucketsPage { buckets, truncated })
}

pub(super) fn update(db: &Connection, bucket: BucketId, change: &BucketChange) -> Applied<()> {
    let changed = match change {
        BucketChange::Acl(acl) => {
            db.prepare_cached("UPDATE buckets SET acl = ?2 WHERE id = ?1")?.execute(params![bucket.0, acl.as_str()])?
        }
        BucketChange::Owner(owner) => db
            .prepare_cached("UPDATE buckets SET owner_id = ?2, owner_name = ?3 WHERE id = ?1")?
            .execute(params![bucket.0, &*owner.id, &*owner.display_name])?,
    };
    match changed {
        0 => Err(no_such_bucket()),
        _ => Ok(()),
    }
}

/// With its replicas, and everything that the truth holds of them. Gives the ids of all that are gone.
pub(super) fn delete(db: &Connection, bucket: BucketId) -> Applied<VecDeque<BucketId>> {
    let mut gone = VecDeque::from([bucket]);
    for replica in super::replica::list(db, bucket)? {
        gone.append(&mut delete(db, replica.id)?);
    }
    for sql in [
        "DELETE FROM parts WHERE upload IN (SELECT id FROM uploads WHERE bucket = ?1)",
        "DELETE FROM uploads WHERE bucket = ?1",
        "DELETE FROM completed WHERE bucket = ?1",
        "DELETE FROM objects WHERE bucket = ?1",
        "DELETE FROM buckets WHERE id = ?1",
    ] {
        db.prepare_cached(sql)?.execute([bucket.0])?;
    }
    Ok(gone)
}

/// The largest of those that are buckets, with their names.
pub(super) fn largest(db: &Connection, sizes: &[Size], limit: usize) -> rusqlite::Result<BucketSizes> {
    let mut names: HashMap<i64, BucketName> = db
        .prepare_cached("SELECT id, name FROM buckets WHERE replica_of IS NULL")?
        .query_map([], |row| Ok((row.get(0)?, get(row, 1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut largest: Vec<&Size> = sizes.iter().filter(|size| names.contains_key(&size.bucket.0)).collect();
    largest.sort_unstable_by_key(|size| (Reverse(size.bytes), Reverse(size.objects), size.bucket));
    let others = largest.len().saturating_sub(limit);
    let named = |size: &Size| {
        let name = names.remove(&size.bucket.0)?;
        Some(BucketSize { name, objects: size.objects, bytes: size.bytes })
    };
    Ok(BucketSizes { largest: largest.into_iter().take(limit).filter_map(named).collect(), others })
}

pub(super) fn exists(db: &Connection, bucket: BucketId) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM buckets WHERE id = ?1")?.exists([bucket.0])
}

/// Ids up to this one are never given out. SQLite remembers those it gave; this adds those that only the index has seen,
/// because the truth was restored from before them.
pub(super) fn reserve_ids(db: &Connection, last: BucketId) -> rusqlite::Result<()> {
    let raised = db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'buckets'", [last.0])?;
    if raised == 0 {
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('buckets', ?1)", [last.0])?;
    }
    Ok(())
}

pub(super) fn no_such_bucket() -> Failure {
    Failure::Refused(CatalogError::new(CatalogErrorKind::NotFound, "no such bucket"))
}

fn record(row: &Row<'_>) -> rusqlite::Result<BucketRecord> {
    let text = |at| row.get::<_, String>(at);
    Ok(BucketRecord {
        id: BucketId(row.get(0)?),
        bucket: NewBucket {
            name: get(row, 1)?,
            owner: Owner { id: text(2)?.into(), display_name: text(3)?.into() },
            created: get(row, 4)?,
            acl: get(row, 5)?,
            location: text(6)?,
            backend: text(7)?,
            place: text(8)?,
        },
    })
}
