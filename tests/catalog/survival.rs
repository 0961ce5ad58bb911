//! What the embedded driver keeps when it is not closed: it is killed, dropped, or restored from a backup.

use super::{
    sample::{bucket, key, name, new_bucket, part, put, row, upload, upload_id},
    sqlite::open,
};
use causeway::{
    catalog::{Catalog, CatalogErrorKind, sqlite::SqliteCatalog},
    store::Durability,
};
use futures_util::future::join_all;
use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const CHILD: &str = "CAUSEWAY_TEST_CATALOG_DIR";
const WRITERS: u16 = 16;

/// The test starts its own binary as the process to kill.
#[test]
fn whatever_was_committed_is_there_after_a_kill() {
    if let Some(dir) = env::var_os(CHILD) {
        return write_until_killed(Path::new(&dir));
    }
    let dir = TempDir::new().expect("a directory");
    let runtime = Runtime::new().expect("a runtime");
    for round in 0..6 {
        let acknowledged = run_and_kill(dir.path(), 200 + 150 * round);
        assert!(acknowledged.len() >= 200 + 150 * round);
        runtime.block_on(async {
            let catalog = open(dir.path());
            let id = catalog.bucket(&name("photos")).await.expect("read").expect("a bucket").id;
            let keys =
                acknowledged.iter().filter_map(|ack| ack.strip_prefix("key ")).map(key).collect::<Vec<_>>();
            let found = catalog.index_lookup(id, keys.clone()).await.expect("rows");
            for (key, found) in keys.iter().zip(found) {
                assert_eq!(found, Some(row(key.as_str(), 1)));
            }
            for ack in acknowledged.iter().filter_map(|ack| ack.strip_prefix("part ")) {
                let (upload, number) = ack.split_once(' ').expect("an upload and a number");
                let number = number.parse().expect("a number");
                let parts = catalog.parts(id, &upload_id(upload), number - 1, 1).await.expect("read");
                assert_eq!(parts, [part(number, "here")]);
            }
        });
    }
}

/// Returns every complete line of acknowledgement of a child that is killed after `enough` of them.
fn run_and_kill(dir: &Path, enough: usize) -> Vec<String> {
    let mut child = Command::new(env::current_exe().expect("this binary"))
        .args(["catalog::survival::whatever_was_committed_is_there_after_a_kill", "--exact", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = Vec::new();
    let mut output = BufReader::new(child.stdout.take().expect("its output"));
    loop {
        let mut line = String::new();
        output.read_line(&mut line).expect("reads");
        let Some(line) = line.strip_suffix('\n') else { break };
        lines.extend(line.strip_prefix("ack ").map(str::to_owned));
        if lines.len() == enough {
            child.kill().expect("killed");
        }
    }
    assert!(!child.wait().expect("ended").success(), "it ended by itself");
    lines
}

fn write_until_killed(dir: &Path) {
    let acknowledge =
        |what: String| std::io::stdout().write_all(format!("ack {what}\n").as_bytes()).expect("written");
    Runtime::new().expect("a runtime").block_on(async {
        let catalog = Arc::new(SqliteCatalog::open(dir, Durability::Strict).expect("opens"));
        let id = match catalog.create_bucket(new_bucket("photos")).await {
            Ok(record) => record.id,
            Err(error) if error.kind() == CatalogErrorKind::Exists => {
                catalog.bucket(&name("photos")).await.expect("read").expect("a bucket").id
            }
            Err(error) => panic!("{error}"),
        };
        let process = std::process::id();
        let writers = (0..WRITERS).map(|writer| {
            let catalog = catalog.clone();
            tokio::spawn(async move {
                let name = format!("u{process}-{writer}");
                catalog.begin_upload(upload(id, &name, "a", 1)).await.expect("begun");
                for n in 1..=10_000 {
                    let key = format!("{process}/{writer}/{n}");
                    catalog.index(id, put(&key, 1)).await.expect("indexed");
                    acknowledge(format!("key {key}"));
                    catalog.put_part(id, &upload_id(&name), part(n, "here")).await.expect("put");
                    acknowledge(format!("part {name} {n}"));
                }
            })
        });
        for writer in join_all(writers).await {
            writer.expect("no panic");
        }
    });
}

#[tokio::test]
async fn a_catalog_dropped_without_being_closed_keeps_what_was_committed() {
    let dir = TempDir::new().expect("a directory");
    for n in 0..5 {
        let catalog = open(dir.path());
        let id = match n {
            0 => bucket(&catalog, "photos").await.id,
            _ => catalog.bucket(&name("photos")).await.expect("read").expect("a bucket").id,
        };
        let expected: Vec<_> = (0..n).map(|n| row(&format!("{n}"), 1)).collect();
        assert_eq!(catalog.index_rows(id, None, 9).await.expect("rows"), expected);
        catalog.index(id, put(&format!("{n}"), 1)).await.expect("indexed");
    }
}

#[tokio::test]
async fn what_a_deleted_bucket_left_in_the_index_is_swept_after_the_next_start() {
    let dir = TempDir::new().expect("a directory");
    let (gone, kept) = {
        let catalog = open(dir.path());
        let (gone, kept) = (bucket(&catalog, "gone").await.id, bucket(&catalog, "kept").await.id);
        for id in [gone, kept] {
            let rows = join_all((0..2500).map(|n| catalog.index(id, put(&format!("{n:04}"), 1)))).await;
            rows.into_iter().collect::<Result<(), _>>().expect("indexed");
            catalog.set_state(id, "scan", Some("done".into())).await.expect("set");
        }
        catalog.close().await.expect("closed");
        (gone, kept)
    };
    // This is the state after a kill between the commit of the truth and that of the index.
    let truth = rusqlite::Connection::open(dir.path().join("catalog.sqlite")).expect("opens");
    truth.execute("DELETE FROM buckets WHERE name = 'gone'", []).expect("deleted");
    drop(truth);
    let catalog = open(dir.path());
    assert_eq!(catalog.index_rows(gone, None, 9).await.expect("rows"), []);
    assert_eq!(catalog.state(gone, "scan").await.expect("read"), None);
    let index = rusqlite::Connection::open(dir.path().join("index.sqlite")).expect("opens");
    let left = |id: i64| {
        let rows = "SELECT (SELECT count(*) FROM keys WHERE bucket = ?1) + (SELECT count(*) FROM state WHERE bucket = ?1)";
        index.query_row(rows, [id], |row| row.get::<_, i64>(0)).expect("counts")
    };
    // Each commit lets the sweep remove one more batch.
    for _ in 0..10 {
        catalog.set_state(kept, "seen", None).await.expect("committed");
    }
    assert_eq!((left(gone.0), left(kept.0)), (0, 2501));
}

#[tokio::test]
async fn a_truth_restored_from_before_a_bucket_gives_its_id_to_no_other() {
    let dir = TempDir::new().expect("a directory");
    let catalog = open(dir.path());
    let ids = [
        bucket(&catalog, "one").await.id,
        bucket(&catalog, "two").await.id,
        bucket(&catalog, "three").await.id,
    ];
    for id in ids {
        catalog.index(id, put("a", 1)).await.expect("indexed");
    }
    catalog.close().await.expect("closed");
    std::fs::remove_file(dir.path().join("catalog.sqlite")).expect("removed");
    let catalog = open(dir.path());
    let id = bucket(&catalog, "one").await.id;
    assert!(ids.iter().all(|before| *before < id));
    assert_eq!(catalog.index_rows(id, None, 9).await.expect("rows"), []);
}
