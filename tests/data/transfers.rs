//! Copy, sync, move and check between two ends.

use super::{ENVIRONMENT, aws, borrowed, process::Place, process::within};
use std::fs;

const CONFIGURATION: &str = "[server]\ndata = 'data'\n[bucket.photos]\n[bucket.notes]\n";

/// Writes files.
pub(super) fn tree(place: &Place, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = place.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

#[test]
fn a_tree_goes_to_a_bucket_of_a_server_and_back_and_a_second_copy_sends_nothing() {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    let _server = place.serve(&[], &ENVIRONMENT);
    tree(&place, &[("d/a.txt", "hello"), ("d/b/c.txt", "world"), ("d/b/d.bak", "no")]);
    let run = |arguments: &[&str]| place.run(arguments, &[]).succeeded();
    let said = run(&["copy", "./d", "photos/x", "--exclude", "*.bak", "--no-resume"]);
    assert!(said.contains("copied a.txt\n") && said.contains("2 objects sent (10), 0 unchanged"), "{said}");
    let said = run(&["copy", "./d", "photos/x", "--exclude", "*.bak", "--no-resume"]);
    assert_eq!(said, "0 objects sent (0), 2 unchanged\n");
    run(&["sync", "photos/x", "./back", "-q", "--no-resume"]);
    assert_eq!((place.read("back/a.txt"), place.read("back/b/c.txt")), ("hello".into(), "world".into()));
    run(&["upload-folder", "./d", "photos/y", "-q", "--no-resume"]);
    run(&["download-folder", "photos/y", "./down", "-q", "--no-resume"]);
    assert_eq!(place.read("down/b/d.bak"), "no");
    run(&["copy", "photos/x", "notes", "-q", "--no-resume"]);
    assert_eq!(run(&["ls", "-r", "notes"]), "a.txt\nb/c.txt\n");
    run(&["cp", "photos/x/a.txt", "notes/new.txt", "-q", "--no-resume"]);
    run(&["mv", "./back/a.txt", "notes/there/", "-q", "--no-resume"]);
    assert_eq!(run(&["cat", "notes/new.txt", "notes/there/a.txt"]), "hellohello");
    assert!(!place.path("back/a.txt").exists());
}

#[test]
fn two_buckets_without_a_server_are_two_ends() {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    tree(&place, &[("d/a", "1")]);
    let run = |arguments: &[&str]| place.run(arguments, &ENVIRONMENT);
    run(&["cp", "./d/a", "photos", "-q", "--no-resume"]).succeeded();
    run(&["move", "photos", "notes", "-q", "--no-resume"]).succeeded();
    run(&["copy", "notes", "photos/in", "-q", "--no-resume"]).succeeded();
    assert_eq!(run(&["ls", "-r", "photos"]).succeeded(), "in/a\n");
    let said = run(&["copy", "photos", "photos/in/x"]).failed(2);
    assert!(said.contains("overlap"), "{said}");
}

#[test]
fn a_sync_deletes_what_only_the_destination_has_and_a_dry_run_only_says_so() {
    let place = Place::new();
    tree(&place, &[("from/a", "1"), ("to/a", "2!"), ("to/b", "3")]);
    let sync = |more: &[&str]| place.run(&[&["sync", "./from", "./to", "--no-resume"], more].concat(), &[]);
    let said = sync(&["--dry-run"]).succeeded();
    assert!(said.contains("would replace a\n"), "{said}");
    assert_eq!((place.read("to/a"), place.read("to/b")), ("2!".into(), "3".into()));
    let said = sync(&["--max-delete", "0"]).failed(1);
    assert!(said.contains("limit") && place.path("to/b").exists(), "{said}");
    let said = sync(&["--trash", ".trash"]).succeeded();
    assert!(said.contains("deleted b\n"), "{said}");
    assert_eq!((place.read("to/a"), place.read("to/.trash/b")), ("1".into(), "3".into()));
    assert!(!place.path("to/b").exists());
}

#[test]
fn a_source_with_nothing_below_it_is_refused() {
    let place = Place::new();
    tree(&place, &[("to/a", "1")]);
    for verb in ["sync", "copy", "move", "check"] {
        let said = place.run(&[verb, "./none", "./to"], &[]).failed(3);
        assert!(said.contains("there is no such directory"), "{said}");
    }
    fs::create_dir(place.path("empty")).expect("a folder");
    let said = place.run(&["copy", "./empty", "./to"], &[]).failed(3);
    assert!(said.contains("there is nothing below it"), "{said}");
    assert_eq!(place.read("to/a"), "1");
    place.run(&["sync", "./none", "./to", "--allow-empty-source", "--no-resume"], &[]).succeeded();
    assert!(!place.path("to/a").exists());
}

#[test]
fn wrong_ends_and_options_are_refused() {
    let place = Place::new();
    tree(&place, &[("d/a", "1"), ("d/e/b", "2")]);
    for (arguments, code, words) in [
        (&["cp", "./d", "./x"][..], 2, "--recursive"),
        (&["cp", "./none", "./x"], 3, "there is no such object"),
        (&["cp", "./d/a", "./d/a"], 2, "are the same object"),
        (&["copy", "./d", "./d/e"], 2, "overlap"),
        (&["copy", "./d", "nas:x"], 2, "no backend 'nas'"),
        (&["copy", "./d", "./x", "--include", "[a"], 2, "[a"),
        (&["copy", "./d", "./x", "--trash", "../x"], 2, "folder in the destination"),
    ] {
        let said = place.run(arguments, &[]).failed(code);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn a_check_gives_each_name_its_sign() {
    let place = Place::new();
    tree(&place, &[("l/a", "1"), ("l/b", "2"), ("l/c", "3"), ("r/a", "1"), ("r/b", "x"), ("r/d", "4")]);
    let said = place.run(&["check", "./l", "./r", "--combined", "report"], &[]).failed(4);
    assert!(said.contains("* b\n+ c\n- d\n"), "{said}");
    assert_eq!(place.read("report"), "= a\n* b\n+ c\n- d\n");
    let said =
        place.run(&["check", "./l", "./r", "--one-way", "--include", "a", "--download"], &[]).succeeded();
    assert!(said.starts_with("1 the same"), "{said}");
}

#[test]
fn a_copy_that_was_killed_goes_on_where_it_ended() {
    let (there, here) = (Place::new(), Place::new());
    there.write("causeway.toml", CONFIGURATION);
    let server = there.serve(&[], &ENVIRONMENT);
    let variables = aws(server.s3);
    let environment = borrowed(&variables);
    let text = "0123456789abcdef".repeat(1 << 20);
    tree(&here, &[("d/large", &text)]);
    let state = here.path("state");
    let arguments = ["copy", "./d", "s3://photos/x", "--multipart-from", "5M", "--part-size", "5M", "--json"];
    let mut slow = here.command(&[&arguments[..], &["--bwlimit", "1M", "--transfers", "1"]].concat());
    let mut child =
        slow.envs(environment.iter().copied()).env("XDG_STATE_HOME", &state).spawn().expect("it runs");
    let runs = state.join("causeway/runs");
    within(|| {
        let journal = fs::read_dir(&runs).ok()?.next()?.ok()?.path();
        fs::read_to_string(journal).ok()?.contains("\"part\"").then_some(())
    });
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let mut environment = environment;
    environment.push(("XDG_STATE_HOME", state.to_str().expect("UTF-8")));
    let said = here.run(&arguments, &environment).succeeded();
    let summary: serde_json::Value =
        serde_json::from_str(said.lines().last().expect("a line")).expect("JSON");
    assert!(summary["counts"]["resumed"].as_u64() > Some(0), "{said}");
    assert_eq!(here.run(&["cat", "s3://photos/x/large"], &environment).succeeded(), text);
    assert_eq!(fs::read_dir(&runs).expect("a folder").count(), 0, "the journal is removed");
}
