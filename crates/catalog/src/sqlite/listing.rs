//! Pages of keys and of uploads, read from ordered tables.
//!
//! A statement runs until the page is full, or until a common prefix is found: then it runs again from beyond
//! that prefix. SQLite finds a row when it is asked for it, so a page costs about its own number of rows, however
//! large the bucket is. A row becomes an entry only if it is one: what lies below a common prefix is read where it
//! lies.

use super::column::{get, get_option};
use crate::{
    catalog::BucketId,
    model::{Owner, Timestamp, UploadId},
    store::{
        ListEntry, ListPage, ListRequest, ListUploadsRequest, ListedObject, UploadEntry, UploadInfo,
        UploadsPage,
        grouping::{Grouped, GroupedPage, Place, Query, Seek},
    },
};
use rusqlite::{Connection, Error, OptionalExtension, Row, Statement, params, types::Type};

const KEYS: &str = "SELECT key, size, modified, checksum, etag, owner FROM keys
    WHERE bucket = ?1 AND key >= ?2 AND key < ?3 ORDER BY key";

pub(super) fn objects(
    db: &Connection,
    bucket: BucketId,
    request: &ListRequest,
) -> rusqlite::Result<ListPage> {
    let query = Query {
        prefix: &request.prefix,
        delimiter: request.delimiter.as_deref(),
        after: request.after.as_deref(),
        limit: request.limit,
    };
    let mut keys = db.prepare_cached(KEYS)?;
    keys.raw_bind_parameter(1, bucket.0)?;
    keys.raw_bind_parameter(3, end_of(query.prefix))?;
    let seek = |keys: &mut Statement<'_>, to| keys.raw_bind_parameter(2, first(to));
    let (entries, truncated) = page(&mut keys, query, seek, object)?;
    let entry = |entry| match entry {
        Grouped::Item(object) => ListEntry::Object(object),
        Grouped::CommonPrefix(prefix) => ListEntry::CommonPrefix(prefix),
    };
    Ok(ListPage { entries: entries.into_iter().map(entry).collect(), truncated, cache: None })
}

fn object(row: &Row<'_>) -> rusqlite::Result<ListedObject> {
    Ok(ListedObject {
        key: get(row, 0)?,
        size: get(row, 1)?,
        last_modified: get(row, 2)?,
        checksum: get_option(row, 3)?,
        etag: get(row, 4)?,
        storage_class: None,
        owner: get_option(row, 5)?,
    })
}

const UPLOADS: &str =
    "SELECT key, upload, initiator_id, initiator_name, initiated, checksum, explicit_checksum, attributes ->> '$.owner'
    FROM uploads
    WHERE bucket = ?1 AND (key, initiated, upload) > (?2, ?3, ?4) AND key < ?5
    ORDER BY key, initiated, upload";

/// Lists uploads in the order of key, then of initiation, then of id.
pub(super) fn uploads(
    db: &Connection,
    bucket: BucketId,
    request: &ListUploadsRequest,
) -> rusqlite::Result<UploadsPage> {
    let query = Query {
        prefix: &request.prefix,
        delimiter: request.delimiter.as_deref(),
        after: request.key_marker.as_deref(),
        limit: request.limit,
    };
    let marker = match (&request.key_marker, &request.upload_marker) {
        (Some(key), Some(upload)) => Some(Marker::find(db, bucket, key, upload)?),
        _ => None,
    };
    let mut uploads = db.prepare_cached(UPLOADS)?;
    uploads.raw_bind_parameter(1, bucket.0)?;
    uploads.raw_bind_parameter(5, end_of(query.prefix))?;
    let seek = |uploads: &mut Statement<'_>, to| {
        let from = UploadPosition::of(to, marker.as_ref());
        uploads.raw_bind_parameter(2, from.key)?;
        uploads.raw_bind_parameter(3, from.initiated)?;
        uploads.raw_bind_parameter(4, from.upload)
    };
    let (entries, truncated) = page(&mut uploads, query, seek, upload)?;
    let entry = |entry| match entry {
        Grouped::Item(upload) => UploadEntry::Upload(upload),
        Grouped::CommonPrefix(prefix) => UploadEntry::CommonPrefix(prefix),
    };
    Ok(UploadsPage { entries: entries.into_iter().map(entry).collect(), truncated })
}

fn upload(row: &Row<'_>) -> rusqlite::Result<UploadInfo> {
    Ok(UploadInfo {
        key: get(row, 0)?,
        upload: get(row, 1)?,
        initiator: Owner {
            id: row.get::<_, String>(2)?.into(),
            display_name: row.get::<_, String>(3)?.into(),
        },
        initiated: get(row, 4)?,
        checksum: get(row, 5)?,
        explicit_checksum: row.get(6)?,
        owner: get_option(row, 7)?,
    })
}

/// The last upload of the previous page.
struct Marker {
    key: Vec<u8>,
    /// `None` if the upload has ended since: its position is not known any more. The uploads of its key are
    /// then listed again, because listing an upload twice is better than missing one.
    position: Option<(Timestamp, String)>,
}

impl Marker {
    fn find(db: &Connection, bucket: BucketId, key: &str, upload: &UploadId) -> rusqlite::Result<Self> {
        let position = db
            .prepare_cached(
                "SELECT initiated, upload FROM uploads WHERE bucket = ?1 AND upload = ?2 AND key = ?3",
            )?
            .query_row(params![bucket.0, upload.as_str(), key.as_bytes()], |row| {
                Ok((get(row, 0)?, row.get(1)?))
            })
            .optional()?;
        Ok(Self { key: key.as_bytes().to_vec(), position })
    }
}

/// The position after which uploads are read: those of greater keys, and those of this key above the time and
/// id.
struct UploadPosition {
    key: Vec<u8>,
    initiated: i64,
    upload: String,
}

impl UploadPosition {
    fn of(to: Seek, marker: Option<&Marker>) -> Self {
        match (to, marker) {
            (Seek::After(key), Some(Marker { key: marked, position: Some((initiated, upload)) }))
                if key == *marked =>
            {
                Self { key, initiated: initiated.millis(), upload: upload.clone() }
            }
            (Seek::After(key), Some(marker)) if key == marker.key => Self::first_of(key),
            (to, _) => Self::first_of(first(to)),
        }
    }

    fn first_of(key: Vec<u8>) -> Self {
        Self { key, initiated: i64::MIN, upload: String::new() }
    }
}

/// Makes a page of the rows of a statement, whose first column is a name. `seek` binds where it begins.
fn page<T>(
    statement: &mut Statement<'_>,
    query: Query<'_>,
    seek: impl Fn(&mut Statement<'_>, Seek) -> rusqlite::Result<()>,
    item: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<GroupedPage<T>> {
    let mut entries = Vec::new();
    let mut next = (query.limit > 0).then(|| query.start());
    while let Some(from) = next.take() {
        seek(statement, from)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            match query.place(name(row)?, entries.len()) {
                Place::Entry => entries.push(Grouped::Item(item(row)?)),
                Place::Below(group) => {
                    next = Some(Seek::beyond(group));
                    entries.push(Grouped::CommonPrefix(group.to_owned()));
                    break;
                }
                Place::Full => return Ok((entries, true)),
                Place::Outside => break,
            }
        }
    }
    Ok((entries, false))
}

/// The name of a row, where it lies.
fn name<'r>(row: &'r Row<'_>) -> rusqlite::Result<&'r str> {
    let bytes = row.get_ref(0)?.as_blob()?;
    std::str::from_utf8(bytes)
        .map_err(|error| Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error)))
}

/// Returns a bound above everything that begins with `prefix`: UTF-8 has no byte 0xFF.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    end.push(0xff);
    end
}

/// Returns the smallest name that the next row may have.
fn first(of: Seek) -> Vec<u8> {
    match of {
        Seek::From(bound) => bound,
        Seek::After(mut bound) => {
            bound.push(0);
            bound
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::sqlite::{file::keep_plans, schema};
    use rusqlite::StatementStatus;

    /// Creates an index with keys `0000000/…` and following, ten for each common prefix.
    fn index(keys: usize) -> Connection {
        let db = Connection::open_in_memory().expect("memory");
        keep_plans(&db).expect("configured");
        schema::INDEX.upgrades.iter().for_each(|step| db.execute_batch(step).expect("tables"));
        let sql = "INSERT INTO keys (bucket, key, size, modified, checksum, etag, fingerprint)
            WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n LIMIT ?1)
            SELECT 1, CAST(printf('%07d/%d', n / 10, n % 10) AS BLOB), 1, 1, NULL, zeroblob(16), x'' FROM n";
        db.execute(sql, [i64::try_from(keys).expect("few")]).expect("rows");
        db
    }

    /// Adds ten versions behind each key.
    fn add_versions(db: &Connection) {
        let sql = "INSERT INTO key_versions
            WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n LIMIT 10)
            SELECT bucket, key, n, size, modified, checksum, etag, fingerprint, 0, NULL, 0, NULL FROM keys, n";
        db.execute(sql, []).expect("rows");
    }

    #[test]
    fn a_page_costs_the_same_however_many_versions_there_are() {
        let (plain, versioned) = (index(10_000), index(10_000));
        add_versions(&versioned);
        for delimiter in [None, Some("/".to_owned())] {
            let request = ListRequest { limit: 50, delimiter, ..Default::default() };
            assert_eq!(steps(&plain, &request), steps(&versioned, &request));
        }
    }

    /// Returns what one page costs in steps of SQLite's machine.
    fn steps(db: &Connection, request: &ListRequest) -> i32 {
        let statement = db.prepare_cached(KEYS).expect("prepares");
        statement.reset_status(StatementStatus::VmStep);
        drop(statement);
        let page = objects(db, BucketId(1), request).expect("a page");
        assert_eq!((page.entries.len(), page.truncated), (request.limit, true));
        let statement = db.prepare_cached(KEYS).expect("prepares");
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        statement.get_status(StatementStatus::VmStep)
    }

    #[test]
    fn a_page_costs_the_same_however_big_the_bucket() {
        let plain = ListRequest { limit: 50, ..Default::default() };
        let grouped = ListRequest { delimiter: Some("/".into()), ..plain.clone() };
        let inside = ListRequest { limit: 3, prefix: "0000050/".into(), ..plain.clone() };
        let from = ListRequest { after: Some("0000040".into()), ..grouped.clone() };
        let (small, big) = (index(1000), index(100_000));
        for (request, most) in [(plain, 1000), (grouped, 3000), (inside, 100), (from, 3000)] {
            let (small, big) = (steps(&small, &request), steps(&big, &request));
            assert_eq!(small, big, "{request:?}");
            assert!((1..most).contains(&big), "{big} steps for {request:?}");
        }
    }

    #[test]
    fn what_lies_behind_the_prefix_is_not_read() {
        let db = index(100_000);
        let request = ListRequest { prefix: "0000050/".into(), limit: 1000, ..Default::default() };
        assert_eq!(objects(&db, BucketId(1), &request).expect("a page").entries.len(), 10);
        let steps = db.prepare_cached(KEYS).expect("prepares").get_status(StatementStatus::VmStep);
        assert!((1..300).contains(&steps), "{steps}");
    }

    #[test]
    fn uploads_are_read_in_their_order_without_being_sorted() {
        let db = Connection::open_in_memory().expect("memory");
        db.execute_batch(schema::TRUTH.upgrades[0]).expect("tables");
        let plan =
            db.query_row(&format!("EXPLAIN QUERY PLAN {UPLOADS}"), params![1, b"", 1, "", b""], |row| {
                row.get::<_, String>(3)
            });
        let plan = plan.expect("one step");
        assert!(plan.contains("uploads_as_listed (bucket=? AND (key,initiated,upload)>(?,?,?)"), "{plan}");
        let mut statement = db.prepare(UPLOADS).expect("prepares");
        statement.query(params![1, b"", 1, "", b""]).expect("runs").next().expect("no row");
        assert_eq!(statement.get_status(StatementStatus::Sort), 0);
    }
}
