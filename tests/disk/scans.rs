//! What a scan looks at, and what it finds.

use super::{
    client,
    life::{Disk, until},
};
use causeway::backend::Depth;

/// A bucket of ten folders with ten files each, all of them scanned, and its keys.
fn scanned() -> (Disk, Vec<String>) {
    let disk = Disk::new();
    let names: Vec<String> =
        (0..10).flat_map(|folder| (0..10).map(move |file| format!("{folder}/{file}"))).collect();
    names.iter().for_each(|name| disk.write(name, "x"));
    disk.live(async |life| {
        life.settle().await;
        assert_eq!(life.names().await, names);
        life.stop().await;
    });
    (disk, names)
}

#[test]
fn after_a_stop_nothing_is_read_that_has_not_changed() {
    let (disk, names) = scanned();
    disk.live(async |life| {
        let counts = life.quick().await;
        assert_eq!((counts.folders, counts.objects), (0, 0), "neither a folder is read nor a file looked at");
        assert_eq!(life.names().await, names);
        life.stop().await;
    });
    disk.write("3/new", "x");
    disk.live(async |life| {
        let counts = life.quick().await;
        assert_eq!((counts.folders, counts.objects, counts.changed), (1, 11, 1), "the folder that changed");
        assert_eq!(life.names().await.len(), 101);
    });
}

#[test]
fn after_a_kill_nothing_is_read_that_has_not_changed() {
    let (disk, names) = scanned();
    disk.live(async |_| ());
    disk.live(async |life| {
        assert_eq!(life.names().await, names, "listings are served at once");
        let counts = life.quick().await;
        assert_eq!((counts.folders, counts.objects), (0, 0));
    });
}

#[test]
fn a_bucket_that_did_not_change_costs_one_read_of_the_catalog_and_no_change_of_it() {
    let (disk, _) = scanned();
    disk.live(async |life| {
        life.quick().await;
        let before = life.catalog.calls();
        life.quick().await;
        assert_eq!(life.catalog.calls() - before, 1, "the known folders");
    });
}

#[test]
fn only_a_full_scan_finds_what_was_changed_in_place() {
    let (disk, _) = scanned();
    disk.live(async |life| {
        std::fs::write(disk.path("3/4"), "longer").expect("written");
        assert_eq!(life.quick().await.changed, 0, "no folder looks different");
        let counts = life.scan(Depth::Everything).await;
        // The bucket's own folder counts.
        assert_eq!((counts.folders, counts.objects, counts.changed), (11, 100, 1));
    });
}

#[test]
fn folders_that_others_remove_or_move_are_found_wherever_they_are() {
    let (disk, _) = scanned();
    disk.live(async |life| {
        // The index knows these folders from the write alone.
        client::put(life.store(), "deep/er/est/a", "x").await;
        client::put(life.store(), "deep/er/b", "x").await;
        std::fs::remove_dir_all(disk.path("deep/er")).expect("removed");
        std::fs::remove_dir_all(disk.path("3")).expect("removed");
        std::fs::rename(disk.path("4"), disk.path("5/below")).expect("moved");
        life.quick().await;
        let names = life.names().await;
        assert!(!names.iter().any(|name| ["deep/", "3/", "4/"].iter().any(|gone| name.starts_with(gone))));
        assert_eq!(names.iter().filter(|name| name.starts_with("5/below/")).count(), 10);
        assert_eq!(names.len(), 90);
        life.settle().await;
        std::fs::rename(disk.path("5/below"), disk.path("4")).expect("moved back");
        life.quick().await;
        assert_eq!(life.names().await.iter().filter(|name| name.starts_with("4/")).count(), 10);
        assert_eq!(life.names().await.len(), 90);
    });
}

#[test]
fn a_folder_whose_times_were_set_back_is_read() {
    let (disk, _) = scanned();
    disk.live(async |life| {
        let before = std::fs::metadata(disk.path("3")).expect("a folder").modified().expect("a time");
        disk.write("3/new", "x");
        let folder = std::fs::File::open(disk.path("3")).expect("opens");
        folder.set_modified(before).expect("set");
        assert_eq!(life.quick().await.changed, 1);
    });
}

#[test]
fn keys_that_are_no_paths_are_swept_like_others() {
    let disk = Disk::new();
    let long = "l".repeat(600);
    let keys =
        ["a//b", "x/", "/", "../..", ".causeway/x", &long, &format!("a/{long}"), &format!("{long}/b"), "a"];
    disk.live(async |life| {
        for key in keys {
            client::put(life.store(), key, "x").await;
        }
        let mut expected: Vec<_> = keys.map(str::to_owned).into();
        expected.sort();
        life.quick().await;
        assert_eq!(life.names().await, expected, "nothing is taken for missing");
        life.scan(Depth::Everything).await;
        assert_eq!(life.names().await, expected);
        for entry in std::fs::read_dir(disk.path("")).expect("lists") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
                .expect("removed");
        }
        life.quick().await;
        assert_eq!(life.names().await, Vec::<String>::new());
        until(async || life.quick().await.folders == 0).await;
    });
}
