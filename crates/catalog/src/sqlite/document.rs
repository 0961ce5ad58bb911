//! SQL of the documents of buckets. Replicas have none.

use super::{
    job::Applied,
    refusal::{conflict, no_such_bucket},
};
use crate::catalog::{BucketId, Document, Documents, Expected, NewDocument, Revision};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The revision of the documents that a new bucket has.
const FIRST: Revision = Revision(1);

/// Stores the documents of a bucket that was created in this transaction.
pub(super) fn begin(db: &Connection, bucket: BucketId, documents: &[NewDocument]) -> Applied<Documents> {
    if documents.is_empty() {
        return Ok(Documents::default());
    }
    for document in documents {
        put(db, bucket, FIRST, document)?;
    }
    Ok(Documents { revision: FIRST, all: all(db, bucket)? })
}

pub(super) fn revision(db: &Connection, bucket: BucketId) -> rusqlite::Result<Option<Revision>> {
    db.prepare_cached("SELECT settings FROM buckets WHERE id = ?1")?
        .query_row([bucket.0], |row| row.get(0).map(Revision))
        .optional()
}

pub(super) fn of(db: &Connection, bucket: BucketId) -> rusqlite::Result<Option<Documents>> {
    let Some(revision) = revision(db, bucket)? else { return Ok(None) };
    Ok(Some(Documents { revision, all: all(db, bucket)? }))
}

pub(super) fn all(db: &Connection, bucket: BucketId) -> rusqlite::Result<Vec<Document>> {
    db.prepare_cached("SELECT kind, body, revision FROM documents WHERE bucket = ?1 ORDER BY kind")?
        .query_map([bucket.0], record)?
        .collect()
}

pub(super) fn find(db: &Connection, bucket: BucketId, kind: &str) -> rusqlite::Result<Option<Document>> {
    db.prepare_cached("SELECT kind, body, revision FROM documents WHERE bucket = ?1 AND kind = ?2")?
        .query_row(params![bucket.0, kind], record)
        .optional()
}

pub(super) fn set(
    db: &Connection,
    bucket: BucketId,
    expected: Expected,
    document: &NewDocument,
) -> Applied<Revision> {
    expect(db, bucket, expected, &document.kind)?;
    let revision = moved(db, bucket)?.ok_or_else(no_such_bucket)?;
    put(db, bucket, revision, document)?;
    Ok(revision)
}

pub(super) fn delete(
    db: &Connection,
    bucket: BucketId,
    kind: &str,
    expected: Expected,
) -> Applied<Option<Revision>> {
    expect(db, bucket, expected, kind)?;
    let deleted = db
        .prepare_cached("DELETE FROM documents WHERE bucket = ?1 AND kind = ?2")?
        .execute(params![bucket.0, kind])?;
    Ok(if deleted == 0 { None } else { moved(db, bucket)? })
}

fn expect(db: &Connection, bucket: BucketId, expected: Expected, kind: &str) -> Applied<()> {
    if expected == Expected::Any {
        return Ok(());
    }
    revision(db, bucket)?.ok_or_else(no_such_bucket)?;
    let found = find(db, bucket, kind)?.map_or(Revision::NONE, |document| document.revision);
    if expected.admits(found) { Ok(()) } else { Err(conflict("the document")) }
}

/// Increments the revision of a bucket's documents and returns it. `None`: the bucket does not exist.
fn moved(db: &Connection, bucket: BucketId) -> rusqlite::Result<Option<Revision>> {
    db.prepare_cached(
        "UPDATE buckets SET settings = settings + 1 WHERE id = ?1 AND replica_of IS NULL RETURNING settings",
    )?
    .query_row([bucket.0], |row| row.get(0).map(Revision))
    .optional()
}

fn put(
    db: &Connection,
    bucket: BucketId,
    revision: Revision,
    document: &NewDocument,
) -> rusqlite::Result<()> {
    db.prepare_cached("REPLACE INTO documents (bucket, kind, revision, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![bucket.0, document.kind, revision.0, document.body])
        .map(drop)
}

fn record(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document { kind: row.get(0)?, body: row.get(1)?, revision: Revision(row.get(2)?) })
}
