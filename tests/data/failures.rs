//! What a person reads who does something wrong, and the exit codes.

use super::{ENVIRONMENT, aws, borrowed, process::Place};
use std::{io::Read, net::TcpListener, process::Stdio};

#[test]
fn what_is_not_there_is_told_with_what_to_write_instead() {
    let place = Place::new();
    place.write("causeway.toml", "[server]\ndata = 'data'\n[bucket.photos]\n").write("films", "x");
    for (arguments, code, words) in [
        (&["ls", "./none"][..], 3, "neither an object nor a folder of that name"),
        (&["cat", "./none"], 3, "there is no such object"),
        (&["rm", "./none"], 3, "there is no such object"),
        (&["rm", "-r", "--force", "./none"], 3, "there is nothing below it"),
        (&["ls", "films"], 3, "write ./films for it"),
        (&["ls", "films-2024"], 3, "the configuration has photos"),
        (&["cat", "photos"], 2, "names no object"),
        (&["ls", "Films"], 2, "For a local path write ./Films"),
        (&["ls", "nas:photos"], 2, "no backend 'nas'; it has disk"),
        (&["ls", "s3://"], 2, "names no bucket"),
        (&["ls", "smb://nas/photos"], 2, "no kind of storage known here"),
        (&["ls", "sftp://me:hunter2@nas/"], 2, "holds a password"),
        (&["ls", "gdrive://photos"], 2, "[backend.NAME]"),
        (&["put", "./"], 2, "is a folder"),
        (&["rm", "./"], 2, "--recursive"),
        (&["find", ".", "--larger", "10X"], 2, "no unit of sizes"),
        (&["find", ".", "--newer", "soon"], 2, "is no age"),
        (&["find", ".", "--name", "[a"], 2, "the pattern \"[a\""),
        (&["mkdir", "films-2024/a"], 3, "'causeway bucket add' makes one"),
    ] {
        let said = place.run(arguments, &ENVIRONMENT).failed(code);
        assert!(said.contains(words) && !said.contains("hunter2"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_wrong_configuration_is_told_only_to_who_needs_one() {
    let place = Place::new();
    place.write("causeway.toml", "[server]\nnonsense = 1\n");
    place.run(&["ls", "."], &[]).succeeded();
    let said = place.run(&["ls", "photos"], &[]).failed(2);
    assert!(said.contains("causeway.toml:2") && said.contains("nonsense"), "{said}");
}

#[test]
fn wrong_credentials_and_unreachable_hosts_are_told_apart() {
    let (there, here) = (Place::new(), Place::new());
    there.write("causeway.toml", "[server]\ndata = 'data'\n[bucket.photos]\n");
    let server = there.serve(&[], &ENVIRONMENT);
    let mut variables = aws(server.s3);
    variables[2].1 = "wrong".to_owned();
    let said = here.run(&["ls", "s3://photos"], &borrowed(&variables)).failed(1);
    assert!(said.contains("listing 's3://photos'") && said.contains("credentials"), "{said}");
    // Without any credentials, nobody waits for a metadata service that is not there.
    let said = here.run(&["ls", "s3://photos"], &borrowed(&variables[..1])).failed(1);
    assert!(said.contains("credentials"), "{said}");
    let said = here.run(&["ls", "s3://photos", "--anonymous"], &borrowed(&variables[..1])).failed(1);
    assert!(said.contains("listing 's3://photos'"), "{said}");

    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let said = here.run(&["ls", "s3://photos"], &borrowed(&aws(free))).failed(1);
    assert!(said.contains("Check the address, the network"), "{said}");
}

#[test]
fn nobody_is_asked_where_there_is_no_terminal() {
    let place = Place::new();
    std::fs::create_dir(place.path("d")).expect("a folder");
    place.write("d/a", "x");
    let said = place.run(&["rm", "-r", "./d"], &[]).failed(2);
    assert!(said.contains("--force removes it, --dry-run shows it"), "{said}");
    assert_eq!(place.run(&["rm", "-r", "./d", "--dry-run"], &[]).succeeded(), "would remove a\n");
    assert_eq!(place.run(&["rm", "./d/a", "--dry-run"], &[]).succeeded(), "would remove ./d/a\n");
    assert_eq!(place.read("d/a"), "x");
}

#[test]
fn a_reader_that_stops_is_no_failure() {
    let place = Place::new();
    place.write("long", &"0123456789abcdef".repeat(1 << 18));
    let mut child = place
        .command(&["cat", "./long"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut first = [0; 16];
    child.stdout.take().expect("an output").read_exact(&mut first).expect("some bytes");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
