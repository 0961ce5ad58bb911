//! What a process leaves when it is killed, and when the machine loses power.

use super::{
    client,
    life::{Disk, until},
};
use causeway::store::{ListEntry, ListRequest};

/// A foreign file in a folder of its own: a listing shows it only after a scan.
const FOREIGN: &str = "foreign/file";

#[test]
fn the_first_listing_after_a_kill_shows_every_acknowledged_write_without_a_scan() {
    let disk = Disk::new();
    disk.live(async |life| {
        for n in 0..20 {
            client::put(life.store(), &format!("{n}/a"), "x").await;
        }
        client::put(life.store(), "gone", "x").await;
        client::delete(life.store(), "gone").await;
    });
    disk.write(FOREIGN, "x");
    disk.live(async |life| {
        let names = life.names().await;
        assert_eq!(names.len(), 20, "{names:?}");
        life.quick().await;
        assert!(life.names().await.contains(&FOREIGN.to_owned()));
    });
}

/// Readers see a write that was published and not answered: listings must agree with them.
#[test]
fn a_write_that_was_under_way_when_the_process_was_killed_is_listed_as_readers_see_it() {
    let disk = Disk::new();
    disk.live(async |life| {
        for name in ["replaced", "removed", "kept"] {
            client::put(life.store(), name, "x").await;
        }
        life.killed.cancel();
        let under_way = async {
            let store = &life.opened.store;
            futures_util::join!(
                client::put(&**store, "new/one", "x"),
                client::put(&**store, "replaced", "longer"),
                client::delete(&**store, "removed"),
            )
        };
        let on_disk = until(async || {
            disk.path("new/one").exists()
                && !disk.path("removed").exists()
                && std::fs::read(disk.path("replaced")).expect("read") == b"longer"
        });
        tokio::select! {
            _ = under_way => panic!("the catalog was killed before"),
            () = on_disk => {}
        }
    });
    disk.write(FOREIGN, "x");
    // Killed once more, before anybody has listed.
    disk.live(async |life| drop(client::read(life.store(), "kept").await));
    disk.live(async |life| {
        assert_eq!(life.names().await, ["kept", "new/one", "replaced"]);
        let listed = client::walk(life.store(), ListRequest { limit: 9, ..Default::default() }).await;
        let sizes: Vec<u64> = listed
            .iter()
            .map(|entry| match entry {
                ListEntry::Object(object) => object.size,
                ListEntry::CommonPrefix(_) => panic!("there is no delimiter"),
            })
            .collect();
        assert_eq!(sizes, [1, 1, 6]);
    });
}

#[test]
fn after_a_loss_of_power_every_bucket_is_scanned_before_it_is_listed() {
    let disk = Disk::new();
    disk.live(async |life| client::put(life.store(), "a", "x").await);
    disk.write(FOREIGN, "x");
    // As after a start of the machine: the mark is of another boot.
    let running = disk.own("running");
    let mark = std::fs::read_to_string(&running).expect("a mark");
    let mut lines: Vec<&str> = mark.lines().collect();
    lines[1] = "another boot";
    std::fs::write(&running, lines.join("\n") + "\n").expect("written");
    // This one stops in order, before the bucket was scanned.
    disk.live(async |life| life.stop().await);
    disk.write("foreign/other", "x");
    disk.live(async |_| ());
    disk.live(async |life| assert_eq!(life.names().await, ["a", FOREIGN, "foreign/other"]));
}

#[test]
fn a_clean_stop_leaves_no_mark_of_a_running_process() {
    let disk = Disk::new();
    disk.live(async |life| {
        assert!(disk.own("running").exists() && !disk.own("clean").exists());
        client::put(life.store(), "a", "x").await;
        life.stop().await;
    });
    assert!(!disk.own("running").exists() && disk.own("clean").exists());
    assert_eq!(std::fs::metadata(disk.own("under-way")).expect("a journal").len(), 0);
}
