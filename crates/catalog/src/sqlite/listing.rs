//! Pages of keys and of uploads: cursors over ordered tables for `store::grouping`.
//!
//! Rows are fetched in small batches. A batch never extends above the requested prefix or beyond a page, and
//! batches begin small where a delimiter may make the cursor jump: a page costs about its own number of rows,
//! however large the bucket is.

use super::column::{get, get_option};
use crate::{
    catalog::BucketId,
    model::{Owner, Timestamp, UploadId},
    store::{
        ListEntry, ListPage, ListRequest, ListUploadsRequest, ListedObject, UploadEntry, UploadInfo,
        UploadsPage,
        grouping::{self, Grouped, Ordered, Query, Seek},
    },
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::VecDeque;

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
    let mut cursor = Cursor::new(Keys { db, bucket, end: end_of(query.prefix) }, &query);
    let (entries, truncated) = grouping::page(&mut cursor, query)?;
    let entry = |entry| match entry {
        Grouped::Item(object) => ListEntry::Object(object),
        Grouped::CommonPrefix(prefix) => ListEntry::CommonPrefix(prefix),
    };
    Ok(ListPage { entries: entries.into_iter().map(entry).collect(), truncated, cache: None })
}

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
    let mut cursor = Cursor::new(Uploads { db, bucket, end: end_of(query.prefix), marker }, &query);
    let (entries, truncated) = grouping::page(&mut cursor, query)?;
    let entry = |entry| match entry {
        Grouped::Item(upload) => UploadEntry::Upload(upload),
        Grouped::CommonPrefix(prefix) => UploadEntry::CommonPrefix(prefix),
    };
    Ok(UploadsPage { entries: entries.into_iter().map(entry).collect(), truncated })
}

/// Returns a bound above everything that begins with `prefix`: UTF-8 has no byte 0xFF.
fn end_of(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    end.push(0xff);
    end
}

/// An ordered table that is read from a position on.
trait Table {
    type Item;
    type Position;
    fn position(&self, seek: Seek) -> Self::Position;
    fn behind(item: &Self::Item) -> Self::Position;
    fn name(item: &Self::Item) -> &str;
    fn fetch(&self, from: &Self::Position, limit: usize) -> rusqlite::Result<VecDeque<Self::Item>>;
}

struct Cursor<T: Table> {
    table: T,
    bite: VecDeque<T::Item>,
    /// The position where the next batch begins; `None` at the end, and before the first seek.
    position: Option<T::Position>,
    size: usize,
    first: usize,
    largest: usize,
}

impl<T: Table> Cursor<T> {
    fn new(table: T, query: &Query<'_>) -> Self {
        // One row more than the page shows whether more follow.
        let largest = query.limit.saturating_add(1);
        let jumps = query.delimiter.is_some_and(|delimiter| !delimiter.is_empty());
        let first = if jumps { 1 } else { largest };
        Self { table, bite: VecDeque::new(), position: None, size: first, first, largest }
    }
}

impl<T: Table> Ordered for Cursor<T> {
    type Item = T::Item;
    type Error = rusqlite::Error;

    fn seek(&mut self, to: Seek) -> rusqlite::Result<()> {
        self.bite.clear();
        self.position = Some(self.table.position(to));
        self.size = self.first;
        Ok(())
    }

    fn next(&mut self) -> rusqlite::Result<Option<T::Item>> {
        if self.bite.is_empty()
            && let Some(from) = self.position.take()
        {
            self.bite = self.table.fetch(&from, self.size)?;
            if self.bite.len() == self.size {
                self.position = self.bite.back().map(T::behind);
            }
            self.size = self.size.saturating_mul(2).min(self.largest);
        }
        Ok(self.bite.pop_front())
    }

    fn name(item: &T::Item) -> &str {
        T::name(item)
    }
}

const KEYS: &str = "SELECT key, size, modified, checksum, etag, owner FROM keys
    WHERE bucket = ?1 AND key >= ?2 AND key < ?3 ORDER BY key LIMIT ?4";

struct Keys<'a> {
    db: &'a Connection,
    bucket: BucketId,
    end: Vec<u8>,
}

impl Table for Keys<'_> {
    type Item = ListedObject;
    /// The smallest key that the next batch may have.
    type Position = Vec<u8>;

    fn position(&self, seek: Seek) -> Vec<u8> {
        match seek {
            Seek::From(bound) => bound,
            Seek::After(bound) => successor(bound),
        }
    }

    fn behind(item: &ListedObject) -> Vec<u8> {
        successor(item.key.as_str().as_bytes().to_vec())
    }

    fn name(item: &ListedObject) -> &str {
        item.key.as_str()
    }

    fn fetch(&self, from: &Vec<u8>, limit: usize) -> rusqlite::Result<VecDeque<ListedObject>> {
        self.db
            .prepare_cached(KEYS)?
            .query_map(params![self.bucket.0, from, self.end, sql_limit(limit)], |row| {
                Ok(ListedObject {
                    key: get(row, 0)?,
                    size: get(row, 1)?,
                    last_modified: get(row, 2)?,
                    checksum: get_option(row, 3)?,
                    etag: get(row, 4)?,
                    storage_class: None,
                    owner: get_option(row, 5)?,
                })
            })?
            .collect()
    }
}

/// Returns the first byte string above `bound`.
fn successor(mut bound: Vec<u8>) -> Vec<u8> {
    bound.push(0);
    bound
}

const UPLOADS: &str =
    "SELECT key, upload, initiator_id, initiator_name, initiated, checksum, explicit_checksum, attributes ->> '$.owner'
    FROM uploads
    WHERE bucket = ?1 AND (key, initiated, upload) > (?2, ?3, ?4) AND key < ?5
    ORDER BY key, initiated, upload LIMIT ?6";

struct Uploads<'a> {
    db: &'a Connection,
    bucket: BucketId,
    end: Vec<u8>,
    marker: Option<Marker>,
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
    fn first_of(key: Vec<u8>) -> Self {
        Self { key, initiated: i64::MIN, upload: String::new() }
    }
}

impl Table for Uploads<'_> {
    type Item = UploadInfo;
    type Position = UploadPosition;

    fn position(&self, seek: Seek) -> UploadPosition {
        match (seek, &self.marker) {
            (Seek::After(key), Some(marker)) if key == marker.key => match &marker.position {
                Some((initiated, upload)) => {
                    UploadPosition { key, initiated: initiated.millis(), upload: upload.clone() }
                }
                None => UploadPosition::first_of(key),
            },
            (Seek::From(bound), _) => UploadPosition::first_of(bound),
            (Seek::After(bound), _) => UploadPosition::first_of(successor(bound)),
        }
    }

    fn behind(item: &UploadInfo) -> UploadPosition {
        let (key, upload) = (item.key.as_str().as_bytes().to_vec(), item.upload.as_str().to_owned());
        UploadPosition { key, initiated: item.initiated.millis(), upload }
    }

    fn name(item: &UploadInfo) -> &str {
        item.key.as_str()
    }

    fn fetch(&self, from: &UploadPosition, limit: usize) -> rusqlite::Result<VecDeque<UploadInfo>> {
        self.db
            .prepare_cached(UPLOADS)?
            .query_map(
                params![self.bucket.0, from.key, from.initiated, from.upload, self.end, sql_limit(limit)],
                |row| {
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
                },
            )?
            .collect()
    }
}

fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
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
        db.execute(sql, [sql_limit(keys)]).expect("rows");
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
            db.query_row(&format!("EXPLAIN QUERY PLAN {UPLOADS}"), params![1, b"", 1, "", b"", 1], |row| {
                row.get::<_, String>(3)
            });
        let plan = plan.expect("one step");
        assert!(plan.contains("uploads_as_listed (bucket=? AND (key,initiated,upload)>(?,?,?)"), "{plan}");
        let mut statement = db.prepare(UPLOADS).expect("prepares");
        statement.query(params![1, b"", 1, "", b"", 1]).expect("runs").next().expect("no row");
        assert_eq!(statement.get_status(StatementStatus::Sort), 0);
    }
}
