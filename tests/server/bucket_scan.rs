//! `causeway bucket scan`.

use super::{
    process::{Place, within},
    support::{Who, raw::Raw},
};

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
/// The server scans only on request.
const CONFIGURATION: &str = "[server]\ndata = 'data'\nscan_interval = 'off'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n[bucket.photos]\n";

fn keys(raw: &Raw) -> String {
    raw.get("/photos?list-type=2")
        .send()
        .text()
        .split("<Key>")
        .skip(1)
        .filter_map(|rest| rest.split_once('<'))
        .map(|(key, _)| key)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_running_server_looks_at_once_for_what_others_changed() {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(raw.put("/photos/ours.jpg", "x").send().status, 200);
    assert_eq!(keys(&raw), "ours.jpg");
    // The one scan of the start must not find what follows.
    within(|| place.run(&["jobs", "upkeep"], &[]).succeeded().contains("done").then_some(()));
    std::fs::create_dir_all(place.path("objects/photos/a")).expect("a folder");
    place.write("objects/photos/a/theirs.jpg", "y").write("objects/photos/ours.jpg", "changed in place");

    let said = place.run(&["bucket", "scan", "photos"], &[]).succeeded();
    assert_eq!(said, "bucket photos: 2 objects in 2 folders, 2 were not as listed\n");
    assert_eq!(keys(&raw), "a/theirs.jpg ours.jpg");
    let full = place.run(&["bucket", "scan", "photos", "--full", "--json"], &[]).succeeded();
    let again: serde_json::Value = serde_json::from_str(&full).expect("JSON");
    assert_eq!(
        again,
        serde_json::json!({ "bucket": "photos", "indexed": true, "scanned": { "folders": 2, "objects": 2, "changed": 0 } })
    );
    assert_eq!(
        place.run(&["bucket", "scan", "films"], &[]).failed(1),
        "causeway: bucket 'films': no such bucket\n"
    );
}

#[test]
fn without_a_server_the_command_looks_itself() {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    std::fs::create_dir_all(place.path("objects/photos")).expect("a folder");
    place.write("objects/photos/theirs.jpg", "y");
    let said = place.run(&["bucket", "scan", "photos"], &[]).succeeded();
    assert_eq!(said, "bucket photos: 1 objects in 1 folders, 1 were not as listed\n");
    let server = place.serve(&[], &ENVIRONMENT);
    assert_eq!(keys(&Raw::new(server.s3, ROOT)), "theirs.jpg");
}

#[test]
fn nobody_else_can_ask_a_running_server() {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    let mut server = place.serve(&[], &ENVIRONMENT);
    assert_eq!(place.mode("data/.causeway"), 0o700);
    assert_eq!(place.mode("data/.causeway/control.sock"), 0o600);
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    assert!(!place.path("data/.causeway/control.sock").exists());
}
