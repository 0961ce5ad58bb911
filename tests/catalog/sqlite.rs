//! The embedded driver: the contract, and how it handles the files that it finds.

use super::{
    sample::{bucket, delete, name, put, row},
    shared::{HeldClock, Two},
};
use causeway::{
    catalog::{Catalog, CatalogError, CatalogErrorKind, Clock, sqlite::SqliteCatalog},
    store::Durability,
};
use rusqlite::Connection;
use std::{
    fs,
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

fn fresh() -> (Arc<dyn Catalog>, TempDir) {
    let dir = TempDir::new().expect("a directory");
    let catalog = open(dir.path());
    (Arc::new(catalog), dir)
}

super::contract!(fresh);

/// Opens the same files twice, which simulates two processes.
fn two() -> (Two, TempDir) {
    let dir = TempDir::new().expect("a directory");
    let clock = HeldClock::default();
    let open = || -> Arc<dyn Catalog> {
        let clock = clock.clone();
        let catalog =
            SqliteCatalog::open_by(dir.path(), Durability::Relaxed, Clock::new(move || clock.now()));
        Arc::new(catalog.expect("opens"))
    };
    (Two { one: open(), other: open(), clock: clock.clone() }, dir)
}

super::shared_contract!(two);

pub fn open(dir: &Path) -> SqliteCatalog {
    SqliteCatalog::open(dir, Durability::Relaxed).expect("opens")
}

fn refusal(dir: &Path) -> CatalogError {
    SqliteCatalog::open(dir, Durability::Strict).expect_err("refused")
}

/// Overwrites all pages but the first ones, which identify the file and its tables.
fn damage(path: &Path) {
    let file = fs::File::options().write(true).open(path).expect("opens");
    let length = file.metadata().expect("a file").len();
    assert!(length > 8 * 4096, "{length}");
    let garbage = vec![0xa5; usize::try_from(length - 3 * 4096).expect("fits")];
    file.write_all_at(&garbage, 3 * 4096).expect("written");
}

/// Closes a catalog whose index has many pages.
async fn fill(dir: &Path) {
    let catalog = open(dir);
    let id = catalog.bucket(&name("photos")).await.expect("read").expect("a bucket").id;
    for n in 0..2000 {
        drop(catalog.index(id, put(&format!("key {n:05}"), n)));
    }
    catalog.index(id, put("z", 1)).await.expect("indexed");
    catalog.close().await.expect("closed");
}

/// A directory with a closed catalog of one bucket that holds one key.
async fn closed() -> TempDir {
    let dir = TempDir::new().expect("a directory");
    let catalog = open(dir.path());
    let id = bucket(&catalog, "photos").await.id;
    catalog.index(id, put("a", 1)).await.expect("indexed");
    catalog.close().await.expect("closed");
    dir
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(dir).expect("lists").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn files_are_readable_by_their_owner_alone() {
    let (catalog, dir) = fresh();
    let id = bucket(&*catalog, "photos").await.id;
    catalog.index(id, put("a", 1)).await.expect("indexed");
    let files = files(dir.path());
    assert!(files.len() > 2, "the logs are there too");
    for file in files {
        assert_eq!(
            file.metadata().expect("a file").permissions().mode() & 0o777,
            0o600,
            "{}",
            file.display()
        );
    }
}

#[tokio::test]
async fn closing_leaves_the_two_files_and_the_reserve_and_no_log() {
    let dir = closed().await;
    assert_eq!(
        files(dir.path()),
        ["catalog.sqlite", "index.sqlite", "reserve"].map(|file| dir.path().join(file))
    );
}

#[tokio::test]
async fn a_newer_truth_is_refused_and_left_alone() {
    let dir = closed().await;
    let path = dir.path().join("catalog.sqlite");
    Connection::open(&path).and_then(|db| db.pragma_update(None, "user_version", 4711)).expect("changed");
    let before = fs::read(&path).expect("read");
    let error = refusal(dir.path());
    assert_eq!(error.kind(), CatalogErrorKind::Unavailable);
    let message = error.to_string();
    assert!(
        ["catalog.sqlite", "4711", "up to 9", "use the release that wrote it", "copy of the data directory"]
            .iter()
            .all(|word| message.contains(word)),
        "{message}"
    );
    assert!(fs::read(&path).expect("read") == before);
}

#[tokio::test]
async fn an_index_in_which_a_reader_meets_damage_is_begun_anew_by_the_next_start() {
    let dir = closed().await;
    let path = dir.path().join("index.sqlite");
    fill(dir.path()).await;
    let catalog = open(dir.path());
    let id = catalog.bucket(&name("photos")).await.expect("read").expect("a bucket").id;
    damage(&path);
    let error = catalog.index_rows(id, None, 9000).await.expect_err("it is damaged");
    assert!(
        error.to_string().contains("index.sqlite is damaged") && error.to_string().contains("restart"),
        "{error}"
    );
    // The result of closing does not matter here.
    let _ = catalog.close().await;
    let catalog = open(dir.path());
    assert_eq!(catalog.index_rows(id, None, 9).await.expect("rows"), []);
    catalog.index(id, put("b", 1)).await.expect("indexed");
    catalog.close().await.expect("closed");
    assert_eq!(
        open(dir.path()).index_rows(id, None, 9).await.expect("rows"),
        [row("b", 1)],
        "and not again by the one after it"
    );
}

#[tokio::test]
async fn a_database_of_something_else_is_refused_and_left_alone() {
    for file in ["catalog.sqlite", "index.sqlite"] {
        let dir = TempDir::new().expect("a directory");
        let path = dir.path().join(file);
        Connection::open(&path)
            .and_then(|db| db.execute_batch("CREATE TABLE recipes (soup TEXT)"))
            .expect("made");
        let before = fs::read(&path).expect("read");
        let error = refusal(dir.path());
        assert_eq!(error.kind(), CatalogErrorKind::Unavailable);
        assert!(error.to_string().contains(file), "{error}");
        assert!(fs::read(&path).expect("read") == before);
    }
}

#[tokio::test]
async fn a_damaged_truth_is_an_error_and_left_alone() {
    let dir = closed().await;
    let path = dir.path().join("catalog.sqlite");
    fs::write(&path, "this is no database, and it is long enough to be seen as none: ".repeat(100))
        .expect("written");
    let before = fs::read(&path).expect("read");
    let error = refusal(dir.path());
    assert_eq!(error.kind(), CatalogErrorKind::Unavailable);
    assert!(error.to_string().contains("catalog.sqlite is damaged"), "{error}");
    assert!(error.to_string().contains("causeway catalog import"), "it says what to do: {error}");
    assert!(fs::read(&path).expect("read") == before);
}

#[tokio::test]
async fn a_log_without_its_truth_is_an_error() {
    let dir = closed().await;
    let path = dir.path().join("catalog.sqlite");
    fs::rename(&path, dir.path().join("catalog.sqlite-wal")).expect("renamed");
    assert_eq!(refusal(dir.path()).kind(), CatalogErrorKind::Unavailable);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_damaged_missing_or_newer_index_is_begun_anew() {
    let garbage = |path: &Path| {
        fs::write(path, "no database, but long enough to be taken for one ".repeat(100)).expect("written")
    };
    let bad_tables = |path: &Path| {
        let db = Connection::open(path).expect("opens");
        db.execute_batch("DROP TABLE keys; DROP TABLE key_versions; DROP TABLE deletions; DROP TABLE state; DROP TABLE sizes; DROP TABLE directories")
            .expect("dropped");
    };
    let truncated = |path: &Path| {
        fs::File::options().write(true).open(path).and_then(|file| file.set_len(5000)).expect("truncated")
    };
    let missing = |path: &Path| {
        fs::remove_file(path).expect("removed");
        // The write-ahead log stays behind, and must not be taken for that of the new file.
        fs::write(path.with_extension("sqlite-wal"), [7; 5000]).expect("written");
    };
    let newer = |path: &Path| {
        Connection::open(path).and_then(|db| db.pragma_update(None, "user_version", 4711)).expect("changed")
    };
    let harms: [&dyn Fn(&Path); 6] = [&garbage, &bad_tables, &truncated, &missing, &newer, &damage];
    for (n, harm) in harms.into_iter().enumerate() {
        let dir = closed().await;
        fill(dir.path()).await;
        harm(&dir.path().join("index.sqlite"));
        let catalog = open(dir.path());
        let id = catalog.bucket(&name("photos")).await.expect("read").expect("the truth is untouched").id;
        assert_eq!(catalog.index_rows(id, None, 9).await.expect("rows"), [], "{n}");
        catalog.index(id, put("b", 1)).await.expect("indexed");
        assert_eq!(catalog.index_rows(id, None, 9).await.expect("rows"), [row("b", 1)], "{n}");
    }
}

/// Counts the transactions in the log of a database (SQLite, "The WAL file format"): a frame that ends one has the
/// size of the database, and frames of earlier logs have another salt.
fn transactions(log: &Path) -> usize {
    let log = fs::read(log).expect("a log");
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().expect("4 bytes"));
    let (page, salt) = (number(8) as usize, &log[16..24]);
    let frames = (32..log.len()).step_by(24 + page).take_while(|at| &log[at + 8..at + 16] == salt);
    frames.filter(|at| number(at + 4) != 0).count()
}

#[tokio::test]
async fn changes_that_are_enqueued_together_are_one_transaction() {
    let dir = TempDir::new().expect("a directory");
    let catalog = open(dir.path());
    let id = bucket(&catalog, "photos").await.id;
    catalog.index(id, put("first", 1)).await.expect("indexed");
    let log = dir.path().join("index.sqlite-wal");
    let before = transactions(&log);
    let all = (0..200).map(|n| put(&format!("{n}"), 1)).collect();
    catalog.index_all(id, all).await.expect("indexed");
    let some = (0..100).map(|n| delete(&format!("{n}"))).collect();
    catalog.index_all(id, some).await.expect("indexed");
    assert_eq!(transactions(&log) - before, 2);
    assert_eq!(catalog.index_rows(id, None, 1000).await.expect("rows").len(), 101);
}
