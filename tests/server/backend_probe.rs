//! `causeway backend probe`.

use super::{
    process::{Place, within},
    support::{ALICE, READER, Server, raw::Raw},
};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;

/// A backend on another Causeway, with the credentials of one of its identities.
fn upstream(server: &Server, access_key: &str, secret_key: &str) -> String {
    format!(
        "[backend.up]\ntype = 's3'\nendpoint = 'http://{}'\naccess_key = '{access_key}'\nsecret_key = '{secret_key}'\n",
        server.address()
    )
}

fn outcomes<'d>(document: &'d Value, outcome: &str) -> Vec<&'d str> {
    let steps = document["steps"].as_array().expect("steps").iter();
    steps.filter(|step| step["outcome"] == outcome).filter_map(|step| step["step"].as_str()).collect()
}

/// All files and folders, at any depth.
fn everything(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry")) {
        names.push(entry.path().display().to_string());
        if entry.path().is_dir() {
            names.extend(everything(&entry.path()));
        }
    }
    names.sort();
    names
}

#[test]
fn a_disk_keeps_everything_and_nothing_of_the_trial_stays() {
    let place = Place::new();
    place.write("causeway.toml", "[backend.disk]\ntype = 'fs'\nroot = 'objects'\n");
    std::fs::create_dir_all(place.path("objects/photos")).expect("made");
    place.write("objects/photos/cat.jpg", "meow");
    place.run(&["backend", "probe", "disk"], &[]).succeeded();
    let before = everything(&place.path("objects"));
    for arguments in [&["backend", "probe", "disk"][..], &["backend", "probe", "disk", "--place", "photos"]] {
        let out = place.run(arguments, &[]).succeeded();
        assert!(
            out.contains("ok      of 8 creators one wins") && out.trim_end().ends_with(" ok, 0 no, 0 failed"),
            "{out}"
        );
    }
    assert_eq!(everything(&place.path("objects")), before);
}

#[test]
fn memory_keeps_everything() {
    let place = Place::new();
    place.write("causeway.toml", "[backend.m]\ntype = 'memory'\n");
    let document: Value =
        serde_json::from_str(&place.run(&["backend", "probe", "m", "--json"], &[]).succeeded())
            .expect("JSON");
    assert_eq!((&document["ok"], &document["complete"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(document["promises"]["durability"], "none");
    assert!(outcomes(&document, "no").is_empty() && outcomes(&document, "ok").len() > 30);
}

#[test]
fn an_s3_storage_is_tried_in_its_bucket_and_left_as_it_was() {
    let (server, place) = (Server::start(), Place::new());
    assert_eq!(server.raw().put("/photos", "").send().status, 200);
    server.raw().put("/photos/cat.jpg", "meow").send();
    let configuration = upstream(&server, ALICE.access_key, ALICE.secret_key) + "[bucket.photos]\n";
    place.write("causeway.toml", &configuration);
    let ended = place.run(&["backend", "probe", "up", "--json"], &[]);
    assert!(!ended.out.contains(ALICE.secret_key));
    let document: Value = serde_json::from_str(&ended.succeeded()).expect("JSON");
    assert_eq!(
        (&document["place"], outcomes(&document, "failed"), outcomes(&document, "no")),
        (&"photos".into(), vec![], vec![])
    );
    assert_eq!(document["promises"]["conditional_writes"], "by the storage");

    let below = place.run(&["backend", "probe", "up", "--place", "photos/some/prefix"], &[]).succeeded();
    assert!(below.contains("no      key of 1024 bytes") && below.contains(", 1 no, 0 failed"), "{below}");
    let listing = server.raw().get("/photos?list-type=2").send().text();
    assert!(listing.contains("<KeyCount>1</KeyCount>") && listing.contains("cat.jpg"), "{listing}");
    assert!(!server.raw().get("/photos?uploads").send().text().contains("<Upload>"));
}

#[test]
fn a_storage_that_lets_us_write_nothing_fails_at_that_step() {
    let (server, place) = (Server::start(), Place::new());
    assert_eq!(server.raw().put("/photos", "").send().status, 200);
    place.write(
        "causeway.toml",
        &(upstream(&server, READER.access_key, READER.secret_key) + "[bucket.photos]\n"),
    );
    let said = place.run(&["backend", "probe", "up"], &[]).failed(1);
    assert!(said.contains("failed  reach and list") && said.contains("AccessDenied"), "{said}");
    assert!(said.contains("the rest was not tried") && !said.contains(READER.secret_key), "{said}");
}

#[test]
fn a_storage_that_is_not_there_fails_and_no_secret_is_told() {
    let place = Place::new();
    // Nothing listens on port 1, and no other process may take it.
    let configuration = "[backend.up]\ntype = 's3'\nendpoint = 'http://127.0.0.1:1'\naccess_key = 'a'\nsecret_key = 'hunter2'\nattempts = 1\n";
    place.write("causeway.toml", &format!("{configuration}[bucket.photos]\n"));
    let said = place.run(&["backend", "probe", "up"], &[]).failed(1);
    assert!(
        said.contains("failed  reach and list") && said.contains("connecting to 127.0.0.1:1 failed"),
        "{said}"
    );
    assert!(!said.contains("hunter2"));
}

#[test]
fn without_a_bucket_it_has_to_be_said_where() {
    let place = Place::new();
    place.write(
        "causeway.toml",
        "[backend.up]\ntype = 's3'\nendpoint = 'http://127.0.0.1:1'\nattempts = 1\nanonymous = true\n",
    );
    let said = place.run(&["backend", "probe", "up"], &[]).failed(1);
    assert!(said.contains("--place NAME"), "{said}");
    let said = place.run(&["backend", "probe", "down"], &[]).failed(1);
    assert!(said.contains("the configuration has no backend 'down'; it has up"), "{said}");
}

#[test]
fn a_disk_that_a_server_serves_is_refused_and_says_so() {
    let place = Place::new();
    place.write("causeway.toml", "[backend.disk]\ntype = 'fs'\nroot = 'objects'\n");
    let _server = place.serve(&["--data", "d"], &[]);
    let said = place.run(&["backend", "probe", "disk"], &[]).failed(1);
    assert!(said.contains("backend 'disk' is in use: another process serves objects"), "{said}");
}

#[test]
fn a_visit_leaves_the_mark_of_a_clean_stop_as_it_found_it() {
    let place = Place::new();
    place.write("causeway.toml", "[backend.disk]\ntype = 'fs'\nroot = 'objects'\n");
    let clean = place.path("objects/.causeway/clean");
    let mut server = place.serve(&["--data", "d"], &[]);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    place.run(&["backend", "probe", "disk"], &[]).succeeded();
    assert!(clean.exists(), "after a clean stop");
    let mut server = place.serve(&["--data", "d"], &[]);
    server.signal(Signal::KILL);
    server.wait();
    place.run(&["backend", "probe", "disk"], &[]).succeeded();
    assert!(!clean.exists(), "after a killed server");
}

#[test]
fn an_interrupted_trial_ends_at_once_and_with_1() {
    let place = Place::new();
    // The listener accepts connections and never answers.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = mute.local_addr().expect("an address");
    place.write(
        "causeway.toml",
        &format!("[backend.up]\ntype = 's3'\nendpoint = 'http://{address}'\nanonymous = true\ntimeout = '1h'\n[bucket.photos]\n"),
    );
    let mut command = place.command(&["backend", "probe", "up"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("it runs");
    let _connection = mute.accept().expect("it connects");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::INT).expect("it runs");
    let status = within(|| child.try_wait().expect("a child"));
    let out = super::process::read_all(&mut child.stdout.take().expect("an output"));
    assert_eq!(status.code(), Some(1), "{out}");
    assert!(out.contains("failed  interrupted"), "{out}");
}

#[test]
fn what_is_tried_is_what_clients_then_get() {
    let (server, place) = (Server::start(), Place::new());
    assert_eq!(server.raw().put("/photos", "").send().status, 200);
    let identity = format!(
        "[[identity]]\naccess_key = '{}'\nsecret_key = '{}'\npolicy = 'admin'\n",
        ALICE.access_key, ALICE.secret_key
    );
    place.write(
        "causeway.toml",
        &(identity + &upstream(&server, ALICE.access_key, ALICE.secret_key) + "[bucket.photos]\n"),
    );
    let probed = place.run(&["backend", "probe", "up"], &[]).succeeded();
    assert!(probed.contains("ok      create only if absent"), "{probed}");
    let gateway = place.serve(&["--data", "d"], &[]);
    let put =
        || Raw::new(gateway.s3, ALICE).put("/photos/once", "x").header("if-none-match", "*").send().status;
    assert_eq!((put(), put()), (200, 412));
}
