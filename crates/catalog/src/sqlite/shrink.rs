//! Gives the space of deleted rows back to the file system, in small steps between other changes.
//!
//! SQLite keeps the pages of deleted rows for later ones, and its file never shrinks by itself. A file with
//! incremental vacuum can be made shorter page by page: pages at its end move to free ones before them.
//!
//! Invariants: a step moves so few pages that other changes hardly wait for it; the file keeps some free
//! pages, so that deleting and writing by turns moves nothing.

use super::job::{Applied, Step};
use rusqlite::Connection;

/// Pages that one step gives back. With the pages that refer to them, this is about a MiB of log.
pub(super) const STEP: usize = 128;
/// A file with fewer free pages is not made shorter: 4 MiB.
const KEPT: i64 = 1024;
/// Files with less content than this are prepared when they are opened, which takes as long as copying them.
const QUICKLY_COPIED: i64 = 32 << 20;

/// Prepares a file whose tables are not made yet, or that an earlier release made. A large file stays as it
/// is: preparing it would delay the start. It must be called outside a transaction.
pub(super) fn prepare(db: &Connection) -> rusqlite::Result<()> {
    const INCREMENTAL: i64 = 2;
    if pragma(db, "auto_vacuum")? == INCREMENTAL {
        return Ok(());
    }
    db.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    let pages = pragma(db, "page_count")?;
    let content = (pages - pragma(db, "freelist_count")?) * pragma(db, "page_size")?;
    // The setting of an empty file counts at once; that of another one with the next vacuum.
    if pages > 0
        && content <= QUICKLY_COPIED
        && let Err(error) = db.execute_batch("VACUUM")
    {
        tracing::debug!(%error, "the key index keeps the space of deleted rows");
    }
    Ok(())
}

/// Returns whether much of the file is free and can be given back.
pub(super) fn is_due(db: &Connection) -> rusqlite::Result<bool> {
    Ok(spare(db)? > 0 && pragma(db, "auto_vacuum")? > 0)
}

/// Gives some pages back.
pub(super) fn step(db: &Connection) -> Applied<Step<()>> {
    let pages = spare(db)?.min(STEP as i64);
    // Each row is one page.
    let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    Ok(if spare(db)? > 0 { Step::More } else { Step::Done(()) })
}

/// Returns the number of free pages that the file need not keep: a quarter of it may be free.
fn spare(db: &Connection) -> rusqlite::Result<i64> {
    Ok(pragma(db, "freelist_count")? - KEPT.max(pragma(db, "page_count")? / 4))
}

fn pragma(db: &Connection, name: &str) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, name, |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(path: &std::path::Path) -> Connection {
        let db = Connection::open(path).expect("opens");
        prepare(&db).expect("prepared");
        db.execute_batch(
            "CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, filling BLOB);
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000)
             INSERT INTO rows SELECT n, zeroblob(3500) FROM numbers",
        )
        .expect("filled");
        db
    }

    fn shrink(db: &Connection) -> usize {
        let mut steps = 1;
        while matches!(step(db), Ok(Step::More)) {
            steps += 1;
        }
        steps
    }

    #[test]
    fn the_pages_of_deleted_rows_are_given_back_in_steps_but_for_some() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let db = filled(&dir.path().join("rows.sqlite"));
        assert_eq!(is_due(&db), Ok(false));
        let before = pragma(&db, "page_count").expect("a number");
        db.execute_batch("DELETE FROM rows WHERE n > 100").expect("deleted");
        assert_eq!(is_due(&db), Ok(true));
        assert!(shrink(&db) > 5, "no step is long");
        assert_eq!(is_due(&db), Ok(false));
        let after = pragma(&db, "page_count").expect("a number");
        assert!(after < before - 1500 && after > KEPT, "{before} pages became {after}");
        assert_eq!(db.query_row("SELECT count(*) FROM rows", [], |row| row.get(0)), Ok(100));
    }

    #[test]
    fn a_file_of_an_earlier_release_is_prepared() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let path = dir.path().join("rows.sqlite");
        let old = Connection::open(&path).expect("opens");
        old.execute_batch("CREATE TABLE others (n); INSERT INTO others VALUES (7)").expect("filled");
        drop(old);
        let db = filled(&path);
        assert_eq!(pragma(&db, "auto_vacuum"), Ok(2));
        assert_eq!(db.query_row("SELECT n FROM others", [], |row| row.get(0)), Ok(7));
    }
}
