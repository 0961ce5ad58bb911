//! SQL of multipart uploads, their parts, and their results.

use super::{
    bucket::exists,
    column::{Column, get, get_option},
    job::{Applied, Failure, Step},
    refusal::no_such_bucket,
};
use crate::{
    catalog::{BucketId, CatalogError, CatalogErrorKind, CompletedUpload, PartRecord, UploadRecord},
    model::{Owner, Timestamp, UploadId},
    store::Written,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The number of results that one step removes: it takes a few milliseconds.
const FORGET: usize = 1000;

const UPLOAD: &str = "bucket, upload, key, initiator_id, initiator_name, initiated, attributes, checksum, explicit_checksum, location";

pub(super) fn begin(db: &Connection, upload: &UploadRecord) -> Applied<()> {
    if !exists(db, upload.bucket)? {
        return Err(no_such_bucket());
    }
    let begun = db
        .prepare_cached(
            "INSERT INTO uploads (bucket, upload, key, initiator_id, initiator_name, initiated, attributes, checksum, explicit_checksum,
             location) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (bucket, upload) DO NOTHING",
        )?
        .execute(params![
            upload.bucket.0,
            upload.upload.as_str(),
            Column(&upload.key),
            &*upload.initiator.id,
            &*upload.initiator.display_name,
            Column(upload.initiated),
            Column(&upload.attributes),
            Column(upload.checksum),
            upload.explicit_checksum,
            upload.location,
        ])?;
    match begun {
        0 => Err(Failure::Refused(CatalogError::new(CatalogErrorKind::Exists, "the upload exists"))),
        _ => Ok(()),
    }
}

pub(super) fn find(
    db: &Connection,
    bucket: BucketId,
    upload: &UploadId,
) -> rusqlite::Result<Option<UploadRecord>> {
    db.prepare_cached(&format!("SELECT {UPLOAD} FROM uploads WHERE bucket = ?1 AND upload = ?2"))?
        .query_row(params![bucket.0, upload.as_str()], record)
        .optional()
}

pub(super) fn stale(db: &Connection, before: Timestamp, limit: usize) -> rusqlite::Result<Vec<UploadRecord>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.prepare_cached(&format!(
        "SELECT {UPLOAD} FROM uploads WHERE initiated < ?1
         AND bucket NOT IN (SELECT id FROM buckets WHERE replica_of IS NOT NULL) ORDER BY initiated, id LIMIT ?2"
    ))?
    .query_map(params![Column(before), limit], record)?
    .collect()
}

pub(super) fn put_part(
    db: &Connection,
    bucket: BucketId,
    upload: &UploadId,
    part: &PartRecord,
) -> Applied<Option<PartRecord>> {
    let id: Option<i64> = db
        .prepare_cached("SELECT id FROM uploads WHERE bucket = ?1 AND upload = ?2")?
        .query_row(params![bucket.0, upload.as_str()], |row| row.get(0))
        .optional()?;
    let id = id.ok_or_else(no_such_upload)?;
    let replaced = db
        .prepare_cached("SELECT number, size, md5, checksum, modified, location FROM parts WHERE upload = ?1 AND number = ?2")?
        .query_row(params![id, part.number.get()], part_record)
        .optional()?;
    db.prepare_cached("REPLACE INTO parts (upload, number, size, md5, checksum, modified, location) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            id,
            part.number.get(),
            Column(part.size),
            part.md5,
            part.checksum.as_ref().map(Column),
            Column(part.last_modified),
            part.location,
        ])?;
    Ok(replaced)
}

pub(super) fn parts(
    db: &Connection,
    bucket: BucketId,
    upload: &UploadId,
    after: u16,
    limit: usize,
) -> rusqlite::Result<Vec<PartRecord>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.prepare_cached(
        "SELECT number, size, md5, checksum, modified, location FROM parts
         WHERE upload = (SELECT id FROM uploads WHERE bucket = ?1 AND upload = ?2) AND number > ?3 ORDER BY number LIMIT ?4",
    )?
    .query_map(params![bucket.0, upload.as_str(), after, limit], part_record)?
    .collect()
}

pub(super) fn finish(
    db: &Connection,
    bucket: BucketId,
    upload: &UploadId,
    completed: &CompletedUpload,
) -> Applied<()> {
    if !end(db, bucket, upload)? {
        return Err(no_such_upload());
    }
    let written = &completed.written;
    db.prepare_cached("REPLACE INTO completed (bucket, upload, key, at, etag, modified, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            bucket.0,
            upload.as_str(),
            Column(&completed.key),
            Column(completed.at),
            Column(&written.etag),
            Column(written.last_modified),
            written.checksum.as_ref().map(Column),
        ])?;
    Ok(())
}

pub(super) fn completed(
    db: &Connection,
    bucket: BucketId,
    upload: &UploadId,
) -> rusqlite::Result<Option<CompletedUpload>> {
    db.prepare_cached(
        "SELECT key, at, etag, modified, checksum FROM completed WHERE bucket = ?1 AND upload = ?2",
    )?
    .query_row(params![bucket.0, upload.as_str()], |row| {
        let written = Written {
            etag: get(row, 2)?,
            last_modified: get(row, 3)?,
            checksum: get_option(row, 4)?,
            version: None,
        };
        Ok(CompletedUpload { key: get(row, 0)?, at: get(row, 1)?, written })
    })
    .optional()
}

/// Removes an upload and its parts. Returns whether the upload existed.
pub(super) fn end(db: &Connection, bucket: BucketId, upload: &UploadId) -> Applied<bool> {
    let id: Option<i64> = db
        .prepare_cached("DELETE FROM uploads WHERE bucket = ?1 AND upload = ?2 RETURNING id")?
        .query_row(params![bucket.0, upload.as_str()], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Ok(false) };
    db.prepare_cached("DELETE FROM parts WHERE upload = ?1")?.execute([id])?;
    Ok(true)
}

pub(super) fn forget(db: &Connection, before: Timestamp) -> Applied<Step<()>> {
    let forgotten = db
        .prepare_cached(
            "DELETE FROM completed WHERE (bucket, upload) IN (SELECT bucket, upload FROM completed WHERE at < ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute(params![Column(before), FORGET as i64])?;
    Ok(if forgotten < FORGET { Step::Done(()) } else { Step::More })
}

fn no_such_upload() -> Failure {
    Failure::Refused(CatalogError::new(CatalogErrorKind::NoSuchUpload, "the upload has ended or never was"))
}

fn record(row: &Row<'_>) -> rusqlite::Result<UploadRecord> {
    let text = |at| row.get::<_, String>(at);
    Ok(UploadRecord {
        bucket: BucketId(row.get(0)?),
        upload: get(row, 1)?,
        key: get(row, 2)?,
        initiator: Owner { id: text(3)?.into(), display_name: text(4)?.into() },
        initiated: get(row, 5)?,
        attributes: get(row, 6)?,
        checksum: get(row, 7)?,
        explicit_checksum: row.get(8)?,
        location: row.get(9)?,
    })
}

fn part_record(row: &Row<'_>) -> rusqlite::Result<PartRecord> {
    Ok(PartRecord {
        number: get(row, 0)?,
        size: get(row, 1)?,
        md5: row.get(2)?,
        checksum: get_option(row, 3)?,
        last_modified: get(row, 4)?,
        location: row.get(5)?,
    })
}
