//! SQL of the buckets.

use super::{
    column::{Column, get},
    document,
    job::{Applied, Failure},
    refusal::{conflict, no_such_bucket},
    sizes::Size,
};
use crate::{
    catalog::{
        BackendLocation, BucketChange, BucketId, BucketRecord, BucketSize, BucketSizes, BucketsPage,
        BucketsQuery, CatalogError, CatalogErrorKind, Documents, Expected, NewBucket, NewDocument, Revision,
    },
    model::{BucketName, Owner, TenantId},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
};

const COLUMNS: &str = "id, tenant, name, owner_id, owner_name, created, backend, place, revision, settings";

pub(super) fn create(
    db: &Connection,
    bucket: &NewBucket,
    documents: &[NewDocument],
    apart: &[BackendLocation],
) -> Applied<BucketRecord> {
    let taken = || {
        Failure::Refused(CatalogError::new(
            CatalogErrorKind::Exists,
            format!("bucket {} exists", bucket.name),
        ))
    };
    let (tenant, name) = (bucket.tenant.as_str(), bucket.name.as_str());
    if db.prepare_cached("SELECT 1 FROM buckets WHERE tenant = ?1 AND name = ?2")?.exists([tenant, name])? {
        return Err(taken());
    }
    for location in apart {
        if let Some(other) = touching(db, location)? {
            let words = format!("bucket {} would share a location with {other}", bucket.name);
            return Err(Failure::Refused(CatalogError::new(CatalogErrorKind::Overlaps, words)));
        }
    }
    db.prepare_cached(
        "INSERT INTO buckets (tenant, name, owner_id, owner_name, created, backend, place, settings)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        tenant,
        name,
        &*bucket.owner.id,
        &*bucket.owner.display_name,
        Column(bucket.created),
        bucket.backend,
        bucket.location,
        !documents.is_empty(),
    ])?;
    let id = BucketId(db.last_insert_rowid());
    let documents = document::begin(db, id, documents)?;
    Ok(BucketRecord { id, revision: FIRST, bucket: bucket.clone(), documents })
}

/// The revision of a bucket that was never changed. The default of the column is the same.
const FIRST: Revision = Revision(1);

/// Returns the name of a bucket or replica at a location, inside it or around it. Each step is one index
/// lookup, however many buckets there are.
fn touching(
    db: &Connection,
    BackendLocation { backend, location }: &BackendLocation,
) -> rusqlite::Result<Option<String>> {
    if location.is_empty() {
        let mut any = db.prepare_cached("SELECT name FROM buckets WHERE backend = ?1 LIMIT 1")?;
        return any.query_row([backend], |row| row.get(0)).optional();
    }
    let around = location.match_indices('/').map(|(at, _)| &location[..at]);
    let mut at = db.prepare_cached("SELECT name FROM buckets WHERE backend = ?1 AND place = ?2 LIMIT 1")?;
    for outer in std::iter::once("").chain(around).chain([location.as_str()]) {
        if let Some(name) = at.query_row([backend, outer], |row| row.get(0)).optional()? {
            return Ok(Some(name));
        }
    }
    // '0' is the character after '/': the range has every location inside this one.
    let mut inside = db.prepare_cached(
        "SELECT name FROM buckets WHERE backend = ?1 AND place > ?2 || '/' AND place < ?2 || '0' LIMIT 1",
    )?;
    inside.query_row([backend, location], |row| row.get(0)).optional()
}

pub(super) fn find(
    db: &Connection,
    tenant: &TenantId,
    name: &BucketName,
) -> rusqlite::Result<Option<BucketRecord>> {
    let record = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM buckets WHERE tenant = ?1 AND name = ?2 AND replica_of IS NULL"
        ))?
        .query_row([tenant.as_str(), name.as_str()], record)
        .optional()?;
    let Some(mut record) = record else { return Ok(None) };
    record.documents.all = document::all(db, record.id)?;
    Ok(Some(record))
}

pub(super) fn list(db: &Connection, query: &BucketsQuery) -> rusqlite::Result<BucketsPage> {
    if query.limit == 0 {
        return Ok(BucketsPage::default());
    }
    // Names above `after` that begin with `prefix`. Names are ASCII, so U+10FFFF is greater than all their
    // characters.
    let after = query.after.as_deref().unwrap_or_default();
    let end = format!("{}\u{10ffff}", query.prefix);
    let limit = i64::try_from(query.limit.saturating_add(1)).unwrap_or(i64::MAX);
    let owner = match &query.owner {
        Some(_) => "(owner_id = ?5 OR name IN (SELECT value FROM json_each(?6)))",
        None => "?5 IS NULL AND ?6 = ?6",
    };
    // Names of buckets have no character that JSON escapes.
    let besides: Vec<String> = query.besides.iter().map(|name| format!("\"{name}\"")).collect();
    let besides = format!("[{}]", besides.join(","));
    let sql = format!(
        "SELECT {COLUMNS} FROM buckets WHERE {owner} AND replica_of IS NULL AND tenant = ?7 AND name >= ?1 AND name > ?2 AND name < ?3
         ORDER BY name LIMIT ?4"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let values = params![query.prefix, after, end, limit, query.owner, besides, query.tenant.as_str()];
    let mut buckets = statement.query_map(values, record)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let truncated = buckets.len() > query.limit;
    buckets.truncate(query.limit);
    for record in buckets.iter_mut().filter(|record| record.documents.revision > Revision::NONE) {
        for kind in &query.documents {
            record.documents.all.extend(document::find(db, record.id, kind)?);
        }
    }
    Ok(BucketsPage { buckets, truncated })
}

pub(super) fn update(
    db: &Connection,
    bucket: BucketId,
    expected: Expected,
    change: &BucketChange,
) -> Applied<Revision> {
    expect(db, bucket, expected)?;
    let BucketChange::Owner(owner) = change;
    db.prepare_cached("UPDATE buckets SET owner_id = ?2, owner_name = ?3, revision = revision + 1 WHERE id = ?1 RETURNING revision")?
        .query_row(params![bucket.0, &*owner.id, &*owner.display_name], |row| row.get(0).map(Revision))
        .optional()?
        .ok_or_else(no_such_bucket)
}

/// Refuses a change if the bucket or replica differs from what the caller read.
pub(super) fn expect(db: &Connection, bucket: BucketId, expected: Expected) -> Applied<()> {
    if expected == Expected::Any {
        return Ok(());
    }
    let found = db
        .prepare_cached("SELECT revision FROM buckets WHERE id = ?1")?
        .query_row([bucket.0], |row| row.get(0).map(Revision))
        .optional()?
        .ok_or_else(no_such_bucket)?;
    if expected.admits(found) { Ok(()) } else { Err(conflict("the bucket")) }
}

/// Deletes a bucket with its replicas and all their rows of the truth. Returns the ids of all that were
/// deleted.
pub(super) fn delete(db: &Connection, bucket: BucketId) -> Applied<VecDeque<BucketId>> {
    let mut gone = VecDeque::from([bucket]);
    let replicas: Vec<BucketId> = db
        .prepare_cached("SELECT id FROM buckets WHERE replica_of = ?1")?
        .query_map([bucket.0], |row| row.get(0).map(BucketId))?
        .collect::<rusqlite::Result<_>>()?;
    for replica in replicas {
        gone.append(&mut delete(db, replica)?);
    }
    for sql in [
        "DELETE FROM parts WHERE upload IN (SELECT id FROM uploads WHERE bucket = ?1)",
        "DELETE FROM uploads WHERE bucket = ?1",
        "DELETE FROM completed WHERE bucket = ?1",
        "DELETE FROM objects WHERE bucket = ?1",
        "DELETE FROM object_versions WHERE bucket = ?1",
        "DELETE FROM documents WHERE bucket = ?1",
        "DELETE FROM buckets WHERE id = ?1",
    ] {
        db.prepare_cached(sql)?.execute([bucket.0])?;
    }
    Ok(gone)
}

/// Returns the largest sizes that belong to buckets, not to replicas, with the names of the buckets.
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

/// Makes sure that new ids are greater than this one. SQLite remembers the ids that it gave out; but if the
/// truth was restored from a backup, the index may have newer ones.
pub(super) fn reserve_ids(db: &Connection, last: BucketId) -> rusqlite::Result<()> {
    let raised =
        db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'buckets'", [last.0])?;
    if raised == 0 {
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('buckets', ?1)", [last.0])?;
    }
    Ok(())
}

fn record(row: &Row<'_>) -> rusqlite::Result<BucketRecord> {
    let text = |at| row.get::<_, String>(at);
    Ok(BucketRecord {
        id: BucketId(row.get(0)?),
        bucket: NewBucket {
            tenant: get(row, 1)?,
            name: get(row, 2)?,
            owner: Owner { id: text(3)?.into(), display_name: text(4)?.into() },
            created: get(row, 5)?,
            backend: text(6)?,
            location: text(7)?,
        },
        revision: Revision(row.get(8)?),
        documents: Documents { revision: Revision(row.get(9)?), all: Vec::new() },
    })
}
