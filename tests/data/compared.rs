//! `diff`, `verify`, `dedupe` and `watch`.

use super::{
    ENVIRONMENT,
    process::{Place, within},
    transfers::tree,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, FileTimes},
    io::{BufRead, BufReader},
    process::Stdio,
};

#[test]
fn a_diff_says_where_what_is() {
    let place = Place::new();
    tree(&place, &[("l/a", "1"), ("l/b", "2"), ("l/c", "3"), ("r/a", "1"), ("r/b", "x"), ("r/d", "4")]);
    let said = place.run(&["diff", "./l", "./r"], &[]).failed(4);
    assert!(said.contains("! b\n< c\n> d\n"), "{said}");
    assert_eq!(place.run(&["diff", "./l", "./r", "--include", "a", "-q"], &[]).succeeded(), "");
}

#[test]
fn an_object_whose_bytes_changed_on_the_disk_is_damaged() {
    let place = Place::new();
    place.write(
        "causeway.toml",
        "[server]\ndata = 'data'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n[bucket.photos]\n",
    );
    for name in ["photos/a", "photos/b/c"] {
        place.run_with_input("hello", &["put", name, "-q"], &ENVIRONMENT).succeeded();
    }
    let said = place.run(&["verify", "photos"], &ENVIRONMENT).succeeded();
    assert_eq!(said, "2 verified (10), 0 damaged, 0 without a checksum of the whole, 0 not read\n");
    let path = place.path("objects/photos/b/c");
    let before = fs::metadata(&path).expect("the file").modified().expect("a time");
    fs::write(&path, "hellO").expect("is written");
    let file = fs::File::options().write(true).open(&path).expect("the file");
    file.set_times(FileTimes::new().set_modified(before)).expect("a time");
    drop(file);
    let said = place.run(&["verify", "photos"], &ENVIRONMENT).failed(4);
    assert!(said.contains("damaged b/c: its ") && said.contains("1 objects are damaged"), "{said}");
    // A local directory has nothing that its files could be compared with.
    tree(&place, &[("d/a", "1")]);
    let said = place.run(&["verify", "./d"], &[]).succeeded();
    assert!(said.starts_with("0 verified (0), 0 damaged, 1 without"), "{said}");
    let said = place.run(&["verify", "./none"], &[]).failed(3);
    assert!(said.contains("there is neither"), "{said}");
}

#[test]
fn copies_are_listed_and_all_but_one_are_removed_or_renamed() {
    let place = Place::new();
    tree(
        &place,
        &[("d/a", "same"), ("d/b/c", "same"), ("d/d", "other"), ("d/e", "same"), ("d/f", ""), ("d/g", "")],
    );
    let run = |more: &[&str]| place.run(&[&["dedupe", "./d", "--keep", "first"], more].concat(), &[]);
    let listed = run(&[]).succeeded();
    assert_eq!(listed, "= a\n+ b/c\n+ e\n1 contents, 2 copies of them (8)\n");
    let said = run(&["--action", "ask"]).failed(2);
    assert!(said.contains("there is no terminal to ask at"), "{said}");
    assert!(run(&["--action", "delete", "--dry-run"]).succeeded().contains("would remove b/c\n"));
    let said = run(&["--action", "rename", "--suffix", "copy"]).succeeded();
    assert!(said.contains("renamed e to e.copy1\n"), "{said}");
    assert_eq!(place.read("d/b/c.copy1"), "same");
    let said = run(&["--action", "delete", "--download"]).succeeded();
    assert!(said.contains("= a\nremoved b/c.copy1\nremoved e.copy1\n"), "{said}");
    let names = place.run(&["ls", "-r", "./d"], &[]).succeeded();
    assert_eq!(names, "a\nd\nf\ng\n");
}

#[test]
fn a_watch_prints_what_changes() {
    let place = Place::new();
    tree(&place, &[("d/a", "1"), ("d/b", "2")]);
    let rounds = ["watch", "./d", "--interval", "1s", "--rounds", "1", "--state", "seen"];
    assert_eq!(place.run(&rounds, &[]).succeeded(), "", "what is there at first is no change");
    fs::remove_file(place.path("d/a")).expect("removed");
    place.write("d/b", "longer").write("d/c", "3");
    assert_eq!(place.run(&rounds, &[]).succeeded(), "- a\n* b\n+ c\n");
    assert_eq!(place.run(&rounds, &[]).succeeded(), "");

    let mut command = place.command(&["watch", "./d", "--interval", "1s", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
    // It may not have seen the directory yet: something new comes until it tells of something.
    let (sender, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(lines.next());
    });
    let mut number = 0;
    let line = within(|| {
        number += 1;
        place.write(&format!("d/new-{number}"), "x");
        told.try_recv().ok()
    });
    let event: serde_json::Value = serde_json::from_str(&line.expect("a line").expect("text")).expect("JSON");
    assert_eq!((&event["event"], &event["size"]), (&"new".into(), &1.into()));
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process")).expect("a process");
    kill_process(pid, Signal::TERM).expect("it runs");
    assert!(child.wait().expect("it ends").success());
}
