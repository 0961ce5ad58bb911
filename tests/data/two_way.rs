//! Two-way runs as commands: `bisync`, and `sync --two-way` in a directory.

use super::{
    ENVIRONMENT, aws, borrowed,
    process::{Place, within},
    ssh,
    sshd::Sshd,
    transfers::tree,
};
use std::fs;

/// Returns the environment of a user whose state is in the test's directory.
fn environment(place: &Place) -> [(&'static str, String); 1] {
    [("XDG_STATE_HOME", place.path("kept").to_str().expect("UTF-8").to_owned())]
}

#[test]
fn changes_of_both_ends_arrive_at_the_other_one_and_a_conflict_keeps_both() {
    let place = Place::new();
    tree(&place, &[("l/a", "1"), ("l/b", "2"), ("l/old", "moved"), ("r/c", "3")]);
    let variables = environment(&place);
    let run = |more: &[&str]| place.run(&[&["bisync", "./l", "./r"], more].concat(), &borrowed(&variables));
    let said = run(&["--dry-run"]).succeeded();
    assert!(said.contains("would copy a at the destination\n"), "{said}");
    assert!(said.contains("4 steps would be taken, and nothing was changed"), "{said}");
    assert!(!place.path("r/a").exists());
    run(&[]).succeeded();
    assert_eq!(run(&[]).succeeded(), "0 objects sent (0), 4 unchanged\n");

    fs::rename(place.path("l/old"), place.path("l/new")).expect("renamed");
    fs::remove_file(place.path("r/c")).expect("removed");
    place.write("l/a", "mine!").write("r/a", "yours").write("r/b", "20");
    let said = run(&[]).succeeded();
    for words in [
        "renamed old to new at the destination\n",
        "deleted c at the source\n",
        "replaced b at the source\n",
        "conflict a: both are kept: the source's as a.conflict1, the destination's as a.conflict2\n",
        "kept a as a.conflict1 at the source\n",
        "1 renamed, 1 changed at both ends",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    for end in ["l", "r"] {
        let read = |name: &str| place.read(&format!("{end}/{name}"));
        assert_eq!(["a.conflict1", "a.conflict2", "b", "new"].map(read), ["mine!", "yours", "20", "moved"]);
        assert_eq!(fs::read_dir(place.path(end)).expect("a folder").count(), 4);
    }
    place.write("l/b", "left").write("r/b", "longer");
    let said = run(&["--conflict", "fail"]).failed(1);
    assert!(
        said.contains("1 objects were changed at both ends: nothing was changed. --conflict says"),
        "{said}"
    );
    let said = run(&["--conflict", "larger", "--loser", "overwrite", "--json"]).succeeded();
    assert!(said.contains(r#""resolution":"the destination's version wins""#), "{said}");
    assert_eq!((place.read("l/b"), place.read("r/b")), ("longer".into(), "longer".into()));
}

#[test]
fn limits_locks_and_senseless_requests_are_told() {
    let place = Place::new();
    tree(&place, &[("l/a", "1"), ("l/b", "2")]);
    let variables = environment(&place);
    let run = |more: &[&str]| place.run(&[&["bisync", "./l", "./r"], more].concat(), &borrowed(&variables));
    run(&["-q", "--state", "state"]).succeeded();
    let run = |more: &[&str]| run(&[&["--state", "state"], more].concat());
    let lock = fs::File::open(place.path("state/lock")).expect("the lock");
    lock.lock().expect("is locked");
    place.write("state/lock", "process 7 of me on nas\n");
    let said = run(&[]).failed(1);
    assert!(said.contains("another run has this pair: process 7 of me on nas"), "{said}");
    drop(lock);
    fs::remove_file(place.path("l/a")).expect("removed");
    let said = run(&["--max-delete", "10%"]).failed(1);
    assert!(
        said.contains("1 of 2 objects would be deleted at ./r") && said.contains("--force does it"),
        "{said}"
    );
    fs::remove_dir_all(place.path("l")).expect("removed");
    let said = run(&[]).failed(1);
    assert!(said.contains("./l has nothing at all") && said.contains("Is it mounted"), "{said}");
    assert!(place.path("r/a").exists());
    let said = run(&["--conflict", "ask"]).failed(2);
    assert!(said.contains("there is no terminal to ask at"), "{said}");
    let said = place.run(&["bisync", "./r", "./l", "--state", "state"], &[]).failed(1);
    assert!(said.contains("it is of the ends") && said.contains("resync"), "{said}");
    let said = place.run(&["bisync", "./l", "./r"], &[]).failed(2);
    assert!(said.contains("no place for the state of a pair"), "{said}");
    let said = place.run(&["bisync", "./r", "./r/x", "--state", "state"], &[]).failed(2);
    assert!(said.contains("overlap"), "{said}");
}

#[test]
fn a_directory_remembers_its_pair() {
    let place = Place::new();
    place.write("causeway.toml", "[server]\ndata = 'data'\n[bucket.photos]\n");
    tree(&place, &[("d/a", "1"), ("d/in/b", "2"), ("d/c.tmp", "3")]);
    let variables = environment(&place);
    let mut environment = borrowed(&variables);
    environment.extend(ENVIRONMENT);
    let run = |arguments: &[&str]| place.run(arguments, &environment);
    let said = run(&["sync", "--two-way"]).failed(3);
    assert!(said.contains("no pair is known") && said.contains("name both ends once"), "{said}");
    run(&["sync", "--two-way", "./d", "photos/x", "--exclude", "*.tmp", "-q"]).succeeded();
    assert_eq!(run(&["ls", "-r", "photos"]).succeeded(), "x/a\nx/in/b\n");
    run(&["rm", "photos/x/a", "-q"]).succeeded();
    // The configuration is not in this directory, and the filter is that of the time before.
    let mut command = place.command(&["sync", "--two-way"]);
    let output =
        command.current_dir(place.path("d/in")).envs(environment.iter().copied()).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!place.path("d/a").exists() && place.path("d/c.tmp").exists());
    let mut command = place.command(&["sync", "--two-way", "--conflict", "newer"]);
    let output =
        command.current_dir(place.path("d")).envs(environment.iter().copied()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    for (arguments, words) in [
        (&["sync", "./d", "photos", "--resync"][..], "need --two-way"),
        (&["sync", "./d", "photos", "--max-delete", "5%"], "is for --two-way"),
        (&["sync", "--two-way", "./d", "photos", "--update"], "are for one direction"),
        (&["sync", "--two-way", "./d"], "name both folders"),
    ] {
        let said = run(arguments).failed(2);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn a_run_that_was_killed_is_gone_on_with() {
    let (there, here) = (Place::new(), Place::new());
    there.write("causeway.toml", "[server]\ndata = 'data'\n[bucket.photos]\n");
    let server = there.serve(&[], &ENVIRONMENT);
    let mut variables = aws(server.s3);
    variables.extend(environment(&here));
    let environment = borrowed(&variables);
    let files: Vec<(String, String)> =
        (0..20).map(|number| (format!("d/{number:02}"), format!("{number}").repeat(1 << 18))).collect();
    tree(&here, &files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>());
    let arguments = ["bisync", "./d", "s3://photos/x", "--transfers", "1"];
    let mut slow = here.command(&[&arguments[..], &["--bwlimit", "1M"]].concat());
    let mut child = slow.envs(environment.iter().copied()).spawn().expect("it runs");
    within(|| {
        let listed = here.run(&["ls", "s3://photos/x"], &environment);
        (listed.out.lines().count() >= 2).then_some(())
    });
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    // Meanwhile somebody changes what has arrived, and what is to be sent.
    here.write("d/00", "changed").write("d/19", "changed, too");
    let said = here.run(&arguments, &environment).succeeded();
    assert!(said.contains("replaced 00 at the destination\n") && !said.contains("conflict"), "{said}");
    assert!(!said.contains(" 01 at"), "what has arrived is not sent again: {said}");
    assert_eq!(here.run(&["check", "./d", "s3://photos/x", "-q"], &environment).succeeded(), "");
    assert_eq!(here.run(&arguments, &environment).succeeded(), "0 objects sent (0), 20 unchanged\n");
}

#[test]
fn files_of_an_sftp_server_are_known_again_by_a_later_process() {
    let (place, sshd) = (Place::new(), Sshd::start());
    let there = format!("{}/photos", ssh(&place, &sshd));
    fs::create_dir(sshd.root().join("photos")).expect("a folder");
    let large = "x".repeat(3 << 20);
    tree(&place, &[("d/a", "1"), ("d/b", "2"), ("d/large", &large)]);
    let home = place.path("").to_str().expect("UTF-8").to_owned();
    let run = || place.run(&["bisync", "./d", &there, "--max-delete", "1"], &[("HOME", &home)]);
    run().succeeded();
    assert_eq!(run().succeeded(), "0 objects sent (0), 3 unchanged\n");
    fs::write(sshd.root().join("photos/a"), "changed there").expect("is written");
    fs::remove_file(place.path("d/b")).expect("removed");
    let said = run().succeeded();
    assert!(said.contains("replaced a at the source\n"), "{said}");
    assert!(said.contains("deleted b at the destination\n"), "{said}");
    assert!(!sshd.root().join("photos/b").exists() && place.read("d/a") == "changed there");
    assert_eq!(run().succeeded(), "0 objects sent (0), 2 unchanged\n");
}
