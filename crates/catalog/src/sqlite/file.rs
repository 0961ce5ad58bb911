//! A database file: it is created, recognised, upgraded and configured, or it is refused. A file of the index
//! that cannot be used is replaced by an empty one.

use super::{
    checkpoint::Pace,
    error::{is_corrupt, unavailable},
    schema::{Format, INDEX, TRUTH},
    shrink,
};
use crate::{
    catalog::{CatalogError, Result},
    store::Durability,
};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long to wait for another process that holds the write lock, such as a backup's.
const BUSY: Duration = Duration::from_secs(5);

/// A log that grew beyond this, because of a long read, is truncated when it restarts.
const LOG_LIMIT_BYTES: i64 = 64 * 1024 * 1024;

/// A larger cache makes writes slower: whenever a page splits, SQLite goes through its whole cache.
const CACHE_KIB: i64 = 2 * 1024;

/// The number of pages of log at which a commit checkpoints by itself. The index has a `Checkpointer`, which
/// begins long before.
const TRUTH_CHECKPOINT_PAGES: i64 = 1000;
pub(super) const INDEX_PACE: Pace = Pace { pass_after: 2000, last_resort: 8000 };

/// Why a file cannot be opened.
enum Problem {
    /// The file is no database, or not one with the catalog's tables.
    Corrupt(String),
    /// The file has a format that only a later release knows.
    Newer(String),
    Other(CatalogError),
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        if is_corrupt(&error) { Self::Corrupt(error.to_string()) } else { Self::Other(error.into()) }
    }
}

/// Opens the writing connection to `catalog.sqlite`. Damage is an error: the truth is stored nowhere else.
pub(super) fn open_truth(dir: &Path, durability: Durability) -> Result<Connection> {
    let path = dir.join(TRUTH.file);
    if !path.exists() && beside(&path, "-wal").exists() {
        return Err(unavailable(format!(
            "{} is gone but its log is still there: restore the file or remove the log",
            path.display()
        )));
    }
    let synchronous = match durability {
        Durability::Strict => "FULL",
        Durability::Relaxed | Durability::Volatile => "NORMAL",
    };
    open(&path, &TRUTH, synchronous, TRUTH_CHECKPOINT_PAGES).map_err(|problem| match problem {
        Problem::Corrupt(why) => damaged_truth(&path, &why),
        Problem::Newer(why) => unavailable(format!(
            "{} {why}: use the release that wrote it, or a later one; an older one reads a copy of the data directory from before the upgrade",
            path.display()
        )),
        Problem::Other(error) => error,
    })
}

fn damaged_truth(path: &Path, why: &str) -> CatalogError {
    unavailable(format!(
        "{} is damaged ({why}). The bytes of objects are not in it. Stop the server, move the file away together with its -wal and -shm, \
         and restore it from a backup of the data directory, or bring an export back with 'causeway catalog import FILE'",
        path.display()
    ))
}

/// Returns the error for damage that is found while the files are in use. The next start replaces a damaged
/// index by an empty one.
pub(super) fn damaged(path: &Path, why: &rusqlite::Error) -> CatalogError {
    if !path.ends_with(INDEX.file) {
        return damaged_truth(path, &why.to_string());
    }
    // Without the mark, the log line still tells the operator what to do.
    if let Err(error) = create(&beside(path, DAMAGED)) {
        tracing::warn!(path = %path.display(), %error, "the key index cannot be marked as damaged: run 'causeway catalog rebuild'");
    }
    unavailable(format!(
        "{} is damaged ({why}): restart the server, which then begins an empty index and fills it from the backends",
        path.display()
    ))
}

/// The suffix of the file that marks an index as damaged: a reader has found damage in it.
const DAMAGED: &str = "-damaged";

/// Opens the writing connection to `index.sqlite`. An index that is damaged, or that a later release wrote,
/// is replaced by an empty one: it is derived.
pub(super) fn open_index(dir: &Path) -> Result<Connection> {
    let path = dir.join(INDEX.file);
    if !path.exists() {
        // A log without its database belongs to an index that was removed.
        remove(&path)?;
    }
    if beside(&path, DAMAGED).exists() {
        return begin_index_anew(dir, "it was found damaged while it was in use");
    }
    let open = || open(&path, &INDEX, "NORMAL", INDEX_PACE.last_resort);
    match open() {
        Ok(db) => Ok(db),
        Err(Problem::Other(error)) => Err(error),
        Err(Problem::Corrupt(why) | Problem::Newer(why)) => begin_index_anew(dir, &why),
    }
}

/// Creates an empty index in place of one that cannot be used.
pub(super) fn begin_index_anew(dir: &Path, why: &str) -> Result<Connection> {
    let path = &dir.join(INDEX.file);
    tracing::warn!(path = %path.display(), why, "the key index cannot be used: an empty one is begun, to be filled from the backends");
    remove(path)?;
    open(path, &INDEX, "NORMAL", INDEX_PACE.last_resort).map_err(|problem| match problem {
        Problem::Corrupt(why) | Problem::Newer(why) => {
            unavailable(format!("{} cannot be made anew: {why}", path.display()))
        }
        Problem::Other(error) => error,
    })
}

/// Removes `index.sqlite`. It must not be open.
pub(crate) fn forget_index(dir: &Path) -> Result<()> {
    remove(&dir.join(INDEX.file))
}

/// Opens a second writing connection to `index.sqlite`, which must be open already.
pub(super) fn open_index_checkpointer(dir: &Path) -> Result<Connection> {
    let db = connect(&dir.join(INDEX.file), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(db)
}

/// Opens a reading connection to a file that was opened for writing before.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    Ok(connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
}

fn connect(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    db.set_prepared_statement_cache_capacity(32);
    keep_plans(&db)?;
    Ok(db)
}

/// Makes query plans independent of bound values: without this, SQLite prepares the statement again for each
/// new value of a LIMIT.
pub(super) fn keep_plans(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn open(
    path: &Path,
    format: &Format,
    synchronous: &str,
    checkpoint: i64,
) -> std::result::Result<Connection, Problem> {
    create(path).map_err(|error| Problem::Other(unavailable(format!("{}: {error}", path.display()))))?;
    let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let fresh = recognise(&db, path, format)?;
    if format.shrinks {
        shrink::prepare(&db)?;
    }
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", synchronous)?;
    db.pragma_update_and_check(None, "wal_autocheckpoint", checkpoint, |_| Ok(()))?;
    db.pragma_update_and_check(None, "journal_size_limit", LOG_LIMIT_BYTES, |_| Ok(()))?;
    upgrade(&mut db, format)?;
    if fresh {
        tracing::debug!(path = %path.display(), "created");
    }
    Ok(db)
}

/// Returns whether the file is new. Refuses a file that another program, or a later release, wrote.
fn recognise(db: &Connection, path: &Path, format: &Format) -> std::result::Result<bool, Problem> {
    let pragma = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    if tables == 0 && application == 0 && version == 0 {
        return Ok(true);
    }
    let name = path.display();
    if application != i64::from(format.application_id) {
        return Err(Problem::Other(unavailable(format!(
            "{name} is a database of something else than Causeway's catalog"
        ))));
    }
    let known = format.version();
    match usize::try_from(version) {
        Ok(version) if version > known => Err(Problem::Newer(format!(
            "has format version {version}, but this release knows versions up to {known}"
        ))),
        Ok(1..) if tables > 0 => Ok(false),
        _ => Err(Problem::Corrupt(format!("format version {version} with {tables} tables"))),
    }
}

/// Upgrades the file step by step. Each step is committed together with its version number.
fn upgrade(db: &mut Connection, format: &Format) -> std::result::Result<(), Problem> {
    let mut is_new = false;
    loop {
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: u32 = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let Some(step) = format.upgrades.get(version as usize) else { return Ok(()) };
        is_new |= version == 0;
        if !is_new {
            tracing::info!(
                file = format.file,
                version = version + 1,
                "a stored format is upgraded: the time depends on the size of the file"
            );
        }
        change.execute_batch(step)?;
        change.pragma_update(None, "application_id", format.application_id)?;
        change.pragma_update(None, "user_version", version + 1)?;
        change.commit()?;
    }
}

/// Creates the file if it does not exist, readable by its owner only. SQLite gives its log the same mode.
fn create(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> Result<()> {
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm"), beside(path, DAMAGED)] {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unavailable(format!("{}: {error}", file.display())));
            }
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Format = Format {
        file: "x",
        application_id: 7,
        shrinks: true,
        upgrades: &["CREATE TABLE a (x); INSERT INTO a VALUES (1)"],
    };
    const THIRD: Format = Format {
        file: "x",
        application_id: 7,
        shrinks: true,
        upgrades: &[
            FIRST.upgrades[0],
            "ALTER TABLE a ADD COLUMN y; UPDATE a SET y = x + 1",
            "CREATE TABLE b AS SELECT x + y AS z FROM a",
        ],
    };

    #[test]
    fn an_older_format_is_brought_up_to_date_step_by_step_and_once() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let path = dir.path().join("x.sqlite");
        for format in [&FIRST, &THIRD, &THIRD] {
            let Ok(db) = open(&path, format, "NORMAL", 1000) else { panic!("opens") };
            let version: u32 =
                db.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
            assert_eq!(version, format.version() as u32);
        }
        let sum = Connection::open(&path)
            .and_then(|db| db.query_row("SELECT sum(z) FROM b", [], |row| row.get::<_, i64>(0)));
        assert_eq!(sum, Ok(3));
        assert!(
            matches!(open(&path, &FIRST, "NORMAL", 1000), Err(Problem::Newer(_))),
            "an older release refuses"
        );
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_before_it() {
        const BROKEN: Format =
            Format { upgrades: &[FIRST.upgrades[0], "CREATE TABLE c (x); CREATE TABLE a (x)"], ..FIRST };
        let dir = tempfile::TempDir::new().expect("a directory");
        let path = dir.path().join("x.sqlite");
        assert!(open(&path, &BROKEN, "NORMAL", 1000).is_err());
        let Ok(db) = open(&path, &FIRST, "NORMAL", 1000) else { panic!("opens") };
        let tables =
            db.query_row("SELECT group_concat(name) FROM sqlite_schema", [], |row| row.get::<_, String>(0));
        assert_eq!(tables.as_deref(), Ok("a"));
    }
}
