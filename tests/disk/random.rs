//! Random changes of a tree, by clients and by others, between scans, stops and kills: after a quick scan,
//! listings show what is on the disk.

use super::{client, life::Disk};
use causeway::store::payload::Payload;
use proptest::prelude::*;
use std::{collections::BTreeSet, path::Path};

#[derive(Debug, Clone)]
enum Deed {
    Put(String),
    Delete(String),
    /// Another program writes, removes or moves.
    Write(String),
    Remove(String),
    Move(String, String),
    Scan,
    Stop,
    Kill,
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(|names| names.join("/"))
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => path().prop_map(Deed::Put),
        2 => path().prop_map(Deed::Delete),
        3 => path().prop_map(Deed::Write),
        2 => path().prop_map(Deed::Remove),
        2 => (path(), path()).prop_map(|(from, to)| Deed::Move(from, to)),
        2 => Just(Deed::Scan),
        1 => Just(Deed::Stop),
        1 => Just(Deed::Kill),
    ]
}

/// The keys of the files on the disk.
fn files(at: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(at).into_iter().flatten() {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        if entry.path().is_dir() {
            files(&entry.path(), &format!("{prefix}{name}/"), found);
        } else {
            let name = name.strip_prefix(".cw~o").unwrap_or(&name);
            found.insert(format!("{prefix}{name}"));
        }
    }
}

/// What another program does. It may fail: nothing is promised about that.
fn meddle(disk: &Disk, deed: &Deed) {
    let _ = match deed {
        Deed::Write(name) => {
            let path = disk.path(name);
            let made = std::fs::create_dir_all(path.parent().expect("a folder"));
            made.and_then(|()| std::fs::write(path, "theirs"))
        }
        Deed::Remove(name) => {
            let path = disk.path(name);
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
        }
        Deed::Move(from, to) => std::fs::rename(disk.path(from), disk.path(to)),
        _ => Ok(()),
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn listings_show_what_is_on_the_disk_after_a_quick_scan(deeds in prop::collection::vec(deed(), 1..60)) {
        let disk = Disk::new();
        let mut deeds = deeds.into_iter();
        let mut is_over = false;
        while !is_over {
            is_over = disk.live(async |life| {
                loop {
                    match deeds.next() {
                        None => break true,
                        Some(Deed::Kill) => break false,
                        Some(Deed::Stop) => {
                            life.stop().await;
                            break false;
                        }
                        Some(Deed::Scan) => drop(life.quick().await),
                        // A file of others may be where a folder is needed.
                        Some(Deed::Put(name)) => {
                            let payload = client::request(Payload::from_bytes("our"));
                            let _ = life.store().put(&client::key(&name), payload).await;
                        }
                        Some(Deed::Delete(name)) => {
                            let _ = life.store().delete(client::key(&name).current(), &Default::default()).await;
                        }
                        Some(deed) => meddle(&disk, &deed),
                    }
                }
            });
        }
        let shown = disk.live(async |life| {
            life.quick().await;
            life.names().await
        });
        let mut expected = BTreeSet::new();
        files(&disk.path(""), "", &mut expected);
        prop_assert_eq!(shown, expected.into_iter().collect::<Vec<_>>());
    }
}
