//! Storage with a change feed, on the fake of Google Drive: out-of-band changes are listed without a full
//! scan.

use super::{key, open, put};
use crate::support::gdrive::FakeDrive;
use causeway::{
    backend::{OpenedBucket, Upkeep},
    catalog::Catalog,
    store::{ListEntry, ListRequest, Store},
};
use std::sync::Arc;
use tempfile::TempDir;

struct Bed {
    drive: FakeDrive,
    _directory: TempDir,
    _catalog: Arc<dyn Catalog>,
    store: Arc<dyn Store>,
    upkeep: Arc<dyn Upkeep>,
}

impl Bed {
    /// A bucket on the drive, after a full scan.
    async fn upon(drive: FakeDrive) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (catalog, _, _, OpenedBucket { store, upkeep, .. }) =
            open(Arc::new(drive.files()), &directory, true).await;
        let bed = Self { drive, _directory: directory, _catalog: catalog, store, upkeep };
        bed.maintain().await;
        bed.drive.take_requests();
        bed
    }

    async fn maintain(&self) {
        self.upkeep.maintain().await.expect("is tended");
    }

    async fn read_changes(&self) {
        self.upkeep.read_changes().await.expect("is followed");
    }

    async fn names(&self) -> Vec<String> {
        let page = self.store.list(ListRequest { limit: 1000, ..Default::default() }).await.expect("lists");
        let name = |entry| match entry {
            ListEntry::Object(object) => format!("{}={}", object.key.as_str(), object.size),
            ListEntry::CommonPrefix(prefix) => panic!("{prefix}"),
        };
        page.entries.into_iter().map(name).collect()
    }

    /// The number of requests since the last call, and how many of them listed a folder.
    fn asked(&self) -> (usize, usize) {
        let requests = self.drive.take_requests();
        let lists = |request: &&String| request.contains("?q=") || request.contains("&q=");
        let folders = requests
            .iter()
            .filter(lists)
            .filter(|request| !request.contains("name%20%3D") && !request.contains("name+%3D"));
        (requests.len(), folders.count())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_others_put_change_move_and_take_away_are_listed_right_without_a_walk() {
    let drive = FakeDrive::start();
    let changed = drive.place("photos/d/changed", "old");
    let gone = drive.place("photos/d/gone", "x");
    drive.place("photos/d/moved", "moved");
    let deleted = drive.place("photos/deleted", "x");
    drive.place("elsewhere/e", "x");
    let bed = Bed::upon(drive).await;
    assert_eq!(bed.names().await, ["d/changed=3", "d/gone=1", "d/moved=5", "deleted=1"]);

    bed.drive.place("photos/d/new", "new file");
    bed.drive.edit(&changed, "changed");
    bed.drive.trash(&gone);
    bed.drive.relocate("photos/d/moved", "photos", "here");
    bed.drive.delete(&deleted);
    bed.drive.relocate("elsewhere/e", "photos/d", "e");
    bed.drive.place("elsewhere/other", "x");
    bed.read_changes().await;
    assert_eq!(bed.names().await, ["d/changed=7", "d/e=1", "d/new=8", "here=5"]);
    assert_eq!(bed.asked().1, 0, "no folder was listed");

    bed.drive.relocate("photos/here", "elsewhere", "there");
    bed.maintain().await;
    assert_eq!(bed.names().await, ["d/changed=7", "d/e=1", "d/new=8"]);
    assert_eq!(bed.asked().1, 0, "tending is no walk either");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_wrote_ourselves_costs_one_request_to_follow() {
    let bed = Bed::upon(FakeDrive::start()).await;
    for name in ["a/b/c", "a/b/c", "gone"] {
        put(bed.store.clone(), name.into(), name.into()).await.expect("is put");
    }
    bed.store.delete(key("gone").current(), &Default::default()).await.expect("is deleted");
    bed.read_changes().await;
    bed.asked();
    bed.read_changes().await;
    assert_eq!(bed.asked(), (1, 0));
    assert_eq!(bed.names().await, ["a/b/c=5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_others_move_take_their_objects_along() {
    let drive = FakeDrive::start();
    for name in ["photos/d/x", "photos/d/deep/y", "photos/z", "elsewhere/all/one", "elsewhere/all/two"] {
        drive.place(name, name);
    }
    let bed = Bed::upon(drive).await;
    // The folder is new to the gateway, so its content is listed.
    bed.drive.relocate("elsewhere/all", "photos", "all");
    bed.read_changes().await;
    assert_eq!(bed.names().await, ["all/one=17", "all/two=17", "d/deep/y=15", "d/x=10", "z=8"]);
    // The gateway knows this folder under another path, so only a full scan can handle the move.
    bed.drive.relocate("photos/d", "photos", "e");
    bed.maintain().await;
    assert_eq!(bed.names().await, ["all/one=17", "all/two=17", "e/deep/y=15", "e/x=10", "z=8"]);
    bed.drive.trash_path("photos/e");
    bed.maintain().await;
    assert_eq!(bed.names().await, ["all/one=17", "all/two=17", "z=8"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_was_lost_is_begun_again_with_a_walk() {
    let bed = Bed::upon(FakeDrive::start()).await;
    bed.drive.place("photos/a", "x");
    bed.drive.forget_changes();
    bed.read_changes().await;
    assert_eq!(bed.names().await, Vec::<String>::new(), "followers do not walk");
    bed.maintain().await;
    assert_eq!(bed.names().await, ["a=1"]);
    assert!(bed.asked().1 > 0);
    bed.drive.place("photos/b", "x");
    bed.read_changes().await;
    assert_eq!(bed.names().await, ["a=1", "b=1"]);
}
