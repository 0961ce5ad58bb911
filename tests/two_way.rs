//! Two-way runs, compared with a naive model under random schedules of edits, deletions, renames, conflicts
//! and kills.
//!
//! `TWO_WAY_SCHEDULES=10000 cargo test --workspace --test two_way` runs more schedules than CI does, and
//! `TWO_WAY_SEED` begins with another one. A failure names the seed of its schedule.

#[path = "two_way/cases.rs"]
mod cases;
#[path = "contract/local.rs"]
mod local;
#[path = "two_way/meddling.rs"]
mod meddling;
#[path = "two_way/naive.rs"]
mod naive;
#[path = "two_way/schedule.rs"]
mod schedule;
#[path = "contract/storage.rs"]
mod storage;
mod support;
#[path = "two_way/world.rs"]
mod world;

use causeway::{
    backend::memory::MemoryStore,
    drivers::local::{LocalSettings, LocalStore},
    store::Store,
    transfer::{End, Times, Walk},
};
use std::{path::Path, sync::Arc, time::Duration};
use storage::{Driver, Server, Storage};

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::default())
}

fn disk(folder: &Path) -> Arc<dyn Store> {
    Arc::new(LocalStore::new(LocalSettings {
        root: folder.join("root"),
        staging: folder.join("staging"),
        hear: Arc::new(|_, _| {}),
    }))
}

fn end(store: Arc<dyn Store>, prefix: &str, label: &str) -> End {
    End::new(store, prefix, label)
}

/// A local directory, as commands open it.
fn local_end(store: Arc<dyn Store>, label: &str) -> End {
    End::new(store, "", label).walked(Walk::Folders).timed(Times::Listed, Duration::from_nanos(1))
}

#[test]
fn memory_and_memory() {
    schedule::check("memory", 300, async |_| {
        ([end(memory(), "", "source"), end(memory(), "", "destination")], None)
    });
}

#[test]
fn disk_and_memory() {
    schedule::check("disk and memory", 150, async |_| {
        let folder = tempfile::tempdir().expect("a folder");
        let local = local_end(disk(folder.path()), "source");
        ([local, end(memory(), "x", "destination")], Some(folder))
    });
}

#[test]
fn disk_and_disk() {
    schedule::check("disk", 150, async |_| {
        let folder = tempfile::tempdir().expect("a folder");
        let local = |name: &str| local_end(disk(&folder.path().join(name)), name);
        ([local("source"), local("destination")], Some(folder))
    });
}

#[test]
fn an_object_store_and_disk() {
    schedule::check_few("an object store", 15, async |number, shared: &mut Option<Storage>| {
        if shared.is_none() {
            *shared = Some(Storage::open(Driver::S3(Server::Causeway)).await);
        }
        let bucket = shared.as_ref().expect("is open").bucket("there").await;
        let folder = tempfile::tempdir().expect("a folder");
        let local = local_end(disk(folder.path()), "source");
        ([local, end(bucket, &format!("s{number}"), "destination")], Some(folder))
    });
}

#[test]
fn sftp_and_memory() {
    schedule::check_few("sftp", 15, async |number, shared: &mut Option<Storage>| {
        if shared.is_none() {
            *shared = Some(Storage::open(Driver::Sftp).await);
        }
        let bucket = shared.as_ref().expect("is open").bucket("there").await;
        ([end(bucket, &format!("s{number}"), "source"), end(memory(), "", "destination")], None)
    });
}
