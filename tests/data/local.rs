//! Local paths: plain files, and nothing else.

use super::process::Place;
use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
};

#[test]
fn files_are_written_listed_read_and_removed_and_nothing_else_is_left() {
    let place = Place::new();
    let run = |arguments: &[&str]| place.run(arguments, &[]).succeeded();
    place.run_with_input("hello\nworld\n", &["put", "./d/a/hello.txt", "-q"], &[]).succeeded();
    place.run_with_input("", &["put", "./d/empty", "-q"], &[]).succeeded();
    place.run_with_input("x", &["put", "./d/a.b", "-q"], &[]).succeeded();
    assert_eq!(run(&["ls", "./d"]), "a.b\na/\nempty\n");
    assert_eq!(run(&["ls", "-r", "./d"]), "a.b\na/hello.txt\nempty\n");
    assert_eq!(run(&["ls", "./d/empty"]), "empty\n");
    assert_eq!(run(&["cat", "./d/a/hello.txt", "./d/a.b"]), "hello\nworld\nx");
    assert_eq!(run(&["cat", "./d/a/hello.txt", "--offset", "6", "--count", "3"]), "wor");
    assert_eq!(run(&["cat", "./d/a/hello.txt", "--offset", "99"]), "");
    assert_eq!(run(&["head", "-n", "1", "./d/a/hello.txt"]), "hello\n");
    assert_eq!(run(&["head", "-c", "2", "./d/a/hello.txt"]), "he");
    assert_eq!(run(&["tree", "./d", "-q"]), "a.b\na/\n  hello.txt\nempty\n");
    assert_eq!(run(&["size", "./d"]), "objects  3\nbytes    13\n");
    assert_eq!(run(&["du", "./d"]), "          12         1  a/\n          13         3  .\n");
    assert_eq!(run(&["find", "./d", "--name", "*.txt"]), "a/hello.txt\n");
    assert_eq!(run(&["find", "./d", "--larger", "1", "--smaller", "5"]), "a.b\n");
    assert_eq!(run(&["find", "./d", "--older", "1h"]), "");
    assert_eq!(run(&["hash", "--md5", "./d/a/hello.txt"]), "0f723ae7f9bf07744445e93ac5595156  hello.txt\n");
    assert_eq!(run(&["rm", "./d/a/hello.txt"]), "removed ./d/a/hello.txt\n");
    assert!(place.path("d/a").exists(), "the folder of a file that is named stays");
    run(&["rm", "-r", "--force", "-q", "./d"]);
    assert_eq!(fs::read_dir(place.path("d")).expect("the named folder stays").count(), 0);
    assert_eq!(place.names(), ["d"], "nothing else was made");
}

#[test]
fn json_has_a_line_for_each_entry_with_names_as_they_are() {
    let place = Place::new();
    place.write("a\u{1b}[2J\n", "x");
    let lines = place.run(&["ls", ".", "--json"], &[]).succeeded();
    let entry: serde_json::Value = serde_json::from_str(&lines).expect("one line of JSON");
    assert_eq!((&entry["name"], &entry["size"]), (&"a\u{1b}[2J\n".into(), &1.into()));
    assert_eq!(place.run(&["ls", "."], &[]).succeeded(), "a\\u{1b}[2J\\n\n");
}

#[test]
fn times_are_those_of_the_files() {
    let place = Place::new();
    place.write("a", "x");
    place.run(&["touch", "./a", "--time", "2020-01-02T03:04:05Z", "-q"], &[]).succeeded();
    let metadata = fs::metadata(place.path("a")).expect("a file");
    assert_eq!((metadata.mtime(), metadata.len()), (1_577_934_245, 1));
    assert_eq!(
        place.run(&["ls", "-l", "./a"], &[]).succeeded(),
        "           1  2020-01-02T03:04:05.000Z  a\n"
    );
    assert_eq!(place.run(&["touch", "./new"], &[]).succeeded(), "made ./new\n");
    let said = place.run(&["touch", "./none", "--no-create"], &[]).failed(3);
    assert!(said.contains("there is no such object"), "{said}");
    assert!(!place.path("none").exists());
}

#[test]
fn links_and_odd_names_are_left_out_with_a_warning_and_never_followed() {
    let place = Place::new();
    fs::create_dir_all(place.path("in")).expect("a folder");
    fs::create_dir_all(place.path("out")).expect("a folder");
    place.write("out/secret", "s").write("in/own", "o");
    symlink("../out", place.path("in/way")).expect("a link");
    let listed = place.run(&["ls", "-r", "./in"], &[]);
    assert_eq!(listed.out, "own\n");
    assert!(listed.err.contains("in/way is left out: it is a symbolic link"), "{}", listed.err);
    assert_eq!(place.run(&["ls", "-r", "./in", "-q"], &[]).err, "");
    // The path that was named may be a link itself.
    assert_eq!(place.run(&["ls", "./in/way"], &[]).succeeded(), "secret\n");
    place.run(&["rm", "-r", "--force", "./in"], &[]).succeeded();
    assert_eq!(place.read("out/secret"), "s");
}

#[test]
fn folders_are_made_and_an_object_does_not_take_the_place_of_one() {
    let place = Place::new();
    assert_eq!(place.run(&["mkdir", "./a/b"], &[]).succeeded(), "made ./a/b\n");
    assert!(place.path("a/b").is_dir());
    assert_eq!(place.run(&["ls", "./a"], &[]).succeeded(), "b/\n");
    let said = place.run_with_input("x", &["put", "./a/b"], &[]).failed(2);
    assert!(said.contains("is a folder"), "{said}");
    place.write("file", "x");
    let said = place.run_with_input("x", &["put", "./file/below"], &[]).failed(2);
    assert!(said.contains("no object"), "{said}");
}

#[test]
fn a_put_that_must_be_new_keeps_what_is_there() {
    let place = Place::new();
    place.write("a", "old");
    place.run_with_input("new", &["put", "./a", "--if-absent"], &[]).failed(1);
    assert_eq!(place.read("a"), "old");
    place.run_with_input("new", &["put", "./b", "--if-absent", "-q"], &[]).succeeded();
    assert_eq!(place.read("b"), "new");
}
