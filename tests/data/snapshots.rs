//! Snapshots of a directory and of a bucket, in a repository on a local path and in a bucket.

use super::{ENVIRONMENT, aws, borrowed, process::Place};
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

const CONFIGURATION: &str = "[server]\ndata = 'data'\n[bucket.photos]\n[bucket.backups]\n";

fn tree(place: &Place, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = place.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

/// Returns the files below a folder of a place.
fn files(place: &Place, folder: &str) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![place.path(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

#[test]
fn a_directory_comes_back_from_a_repository_on_a_local_path_as_it_was() {
    let place = Place::new();
    let large = "0123456789abcdef".repeat(400_000);
    tree(&place, &[("d/a.txt", "hello"), ("d/b/c.txt", "world"), ("d/large", &large)]);
    let run = |arguments: &[&str]| place.run(&[arguments, &["--key-file", "key"]].concat(), &[]);
    let said = run(&["snapshot", "init", "./repo"]).succeeded();
    assert!(said.contains("keep a copy"), "{said}");
    let mode = fs::metadata(place.path("key")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only its owner reads the key");
    assert!(run(&["snapshot", "init", "./repo"]).failed(2).contains("already"));

    let first = run(&["snapshot", "create", "./d", "./repo"]).succeeded();
    assert!(first.contains("3 objects (6.1MiB), 3 read"), "{first}");
    let again = run(&["snapshot", "create", "./d", "./repo"]).succeeded();
    assert!(again.contains("0 read (0), 0 stored"), "{again}");
    tree(&place, &[("d/a.txt", "changed")]);
    fs::remove_file(place.path("d/b/c.txt")).expect("a file");
    let third = run(&["snapshot", "create", "./d", "./repo", "--exclude", "none"]).succeeded();
    assert!(third.contains("2 objects") && third.contains("1 read (7)"), "{third}");

    let listed = run(&["snapshot", "list", "./repo"]).succeeded();
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let name = &listed[..12];
    run(&["snapshot", "restore", "./repo", name, "./old", "-q"]).succeeded();
    assert_eq!((place.read("old/a.txt"), place.read("old/b/c.txt")), ("hello".into(), "world".into()));
    let time = |path: &str| fs::metadata(place.path(path)).and_then(|data| data.modified()).expect("a time");
    assert_eq!(time("old/large"), time("d/large"), "times are those of the files");
    run(&["snapshot", "restore", "./repo", "latest", "./new", "-q"]).succeeded();
    assert_eq!((place.read("new/a.txt"), place.read("new/large")), ("changed".into(), large.clone()));
    assert!(!place.path("new/b").exists());
    run(&["snapshot", "restore", "./repo", name, "./part", "--path", "b", "-q"]).succeeded();
    assert_eq!(place.read("part/c.txt"), "world");
    let only = ["snapshot", "restore", "./repo", name, "./only", "--include", "a.*", "-q"];
    run(&only).succeeded();
    assert_eq!(files(&place, "only").len(), 1);
    let said = run(&["snapshot", "check", "./repo", "--read-data"]).succeeded();
    assert!(said.starts_with("3 snapshots") && said.contains("0 problems\n"), "{said}");
    for path in files(&place, "repo") {
        let bytes = fs::read(&path).expect("a file");
        let shows = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        assert!(
            !shows(b"a.txt") && !shows(b"0123456789abcdef0123"),
            "{} shows what it holds",
            path.display()
        );
    }
}

#[test]
fn a_bucket_comes_back_from_a_repository_in_a_bucket_with_its_metadata() {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    let server = place.serve(&[], &ENVIRONMENT);
    let run = |arguments: &[&str]| place.run(&[arguments, &["--key-file", "key"]].concat(), &[]);
    let put = ["put", "photos/2024/a.txt", "-q", "--content-type", "text/plain", "--metadata", "by=me"];
    place.run_with_input("hello", &put, &[]).succeeded();
    place.run_with_input("other", &["put", "photos/b", "-q"], &[]).succeeded();
    run(&["snapshot", "init", "backups/photos"]).succeeded();
    run(&["snapshot", "create", "photos", "backups/photos", "-q"]).succeeded();
    place.run(&["rm", "photos/2024/a.txt", "-q"], &[]).succeeded();
    run(&["snapshot", "restore", "backups/photos", "latest", "photos/back", "-q"]).succeeded();
    assert_eq!(place.run(&["cat", "photos/back/2024/a.txt"], &[]).succeeded(), "hello");
    let shown = place.run(&["stat", "photos/back/2024/a.txt", "--json"], &[]).succeeded();
    assert!(shown.contains("text/plain") && shown.contains("\"metadata_by\":\"me\""), "{shown}");

    // The same repository by its URL, from elsewhere.
    let here = Place::new();
    fs::copy(place.path("key"), here.path("key")).expect("a file");
    let variables = aws(server.s3);
    let environment = borrowed(&variables);
    let there = |arguments: &[&str]| here.run(&[arguments, &["--key-file", "key"]].concat(), &environment);
    there(&["snapshot", "restore", "s3://backups/photos", "latest", "./d", "-q"]).succeeded();
    assert_eq!(fs::read_to_string(here.path("d/b")).expect("a file"), "other");
    let said = there(&["snapshot", "check", "s3://backups/photos", "--read-data"]).succeeded();
    assert!(said.contains("0 problems"), "{said}");
}

#[test]
fn snapshots_are_forgotten_and_the_space_is_freed_in_two_steps() {
    let place = Place::new();
    tree(&place, &[("d/a", "1")]);
    let run = |arguments: &[&str]| place.run(&[arguments, &["--key-file", "key"]].concat(), &[]);
    run(&["snapshot", "init", "./repo", "-q"]).succeeded();
    for text in ["22", "333", "4444"] {
        tree(&place, &[("d/a", text)]);
        run(&["snapshot", "create", "./d", "./repo", "-q"]).succeeded();
    }
    let packs = || files(&place, "repo/packs").len();
    let before = packs();
    let said = run(&["snapshot", "prune", "./repo", "--keep-last", "1", "--dry-run"]).succeeded();
    assert_eq!(said.matches("would forget").count(), 2, "{said}");
    let said = run(&["snapshot", "prune", "./repo", "--keep-last", "2"]).succeeded();
    assert!(said.contains("forgot ") && said.contains("0 packs (0) condemned"), "{said}");
    assert_eq!(packs(), before, "packs of the last day stay");
    let listed = run(&["snapshot", "list", "./repo"]).succeeded();
    let name = listed.lines().next().expect("a line")[..12].to_owned();
    run(&["snapshot", "forget", "./repo", &name, "-q"]).succeeded();
    run(&["snapshot", "prune", "./repo", "--grace", "0s", "-q"]).succeeded();
    assert!(packs() < before);
    assert_eq!(run(&["snapshot", "list", "./repo"]).succeeded().lines().count(), 1);
    run(&["snapshot", "restore", "./repo", "latest", "./back", "-q"]).succeeded();
    assert_eq!(place.read("back/a"), "4444");
}

#[test]
fn what_is_wrong_with_a_repository_is_said() {
    let place = Place::new();
    tree(&place, &[("d/a", "1")]);
    let run = |arguments: &[&str]| place.run(&[&["snapshot"], arguments].concat(), &[]);
    run(&["init", "./repo", "--key-file", "key", "-q"]).succeeded();
    run(&["init", "./repo2", "--key-file", "key2", "-q"]).succeeded();
    run(&["create", "./d", "./repo", "--key-file", "key", "-q"]).succeeded();
    for (arguments, code, words) in [
        (&["list", "./repo", "--key-file", "key2"][..], 2, "does not open the repository"),
        (&["list", "./repo", "--key-file", "none"], 2, "reading the key file none"),
        (&["list", "./repo", "--key-file", "d/a"], 2, "it is no key file"),
        (&["list", "./repo"], 2, "--key-file"),
        (&["list", "./other", "--key-file", "key"], 3, "there is no repository"),
        (&["create", "./none", "./repo", "--key-file", "key"], 3, "there is no such directory"),
        (&["create", ".", "./repo", "--key-file", "key"], 2, "overlap"),
        (&["restore", "./repo", "77", "./x", "--key-file", "key"], 3, "no snapshot '77'"),
        (&["restore", "./repo", "latest", "./x", "--path", "z", "--key-file", "key"], 3, "nothing below"),
        (&["restore", "./repo", "latest", "./repo/x", "--key-file", "key"], 2, "overlap"),
    ] {
        let said = run(arguments).failed(code);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let pack = files(&place, "repo/packs").remove(0);
    let bytes = fs::read(&pack).expect("a pack");
    fs::write(&pack, &bytes[..bytes.len() - 1]).expect("a pack");
    let said = run(&["check", "./repo", "--key-file", "key"]).failed(1);
    assert!(said.contains("its size is not that in the index"), "{said}");
    assert!(said.contains("the repository is damaged"), "{said}");
    run(&["prune", "./repo", "--key-file", "key"]).failed(1);
}
