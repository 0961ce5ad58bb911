//! A data directory that another release wrote.

use super::{
    process::Place,
    support::{Who, raw::Raw},
};
use rusqlite::Connection;

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
const CONFIGURATION: &str =
    "[server]\ndata = 'data'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\nadopt = false\n";

/// A data directory in the last formats before documents, tenants, revisions and versions were added.
fn older() -> Place {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    std::fs::create_dir_all(place.path("objects/some/where/photos")).expect("made");
    std::fs::create_dir_all(place.path("data/.causeway")).expect("made");
    for (file, golden) in [
        ("catalog.sqlite", include_str!("../golden/catalog-v6.sql")),
        ("index.sqlite", include_str!("../golden/index-v2.sql")),
    ] {
        let path = place.path("data/.causeway").join(file);
        Connection::open(path).and_then(|db| db.execute_batch(golden)).expect("a golden file");
    }
    place
}

#[test]
fn buckets_of_an_older_release_keep_owner_acl_and_location() {
    let place = older();
    let mut server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    let location = raw.get("/photos?location").send().text();
    assert!(location.contains(">eu-west-1</LocationConstraint>"), "{location}");
    let acl = raw.get("/photos?acl").send().text();
    assert!(acl.contains("AllUsers") && acl.contains("READ") && acl.contains("<ID>alice</ID>"), "{acl}");
    assert_eq!(raw.put("/photos?acl", "").header("x-amz-acl", "private").send().status, 200);
    let acl = raw.get("/photos?acl").send().text();
    assert!(!acl.contains("AllUsers"), "{acl}");
    let listed = raw.get("/").send().text();
    assert!(
        listed.contains("<BucketRegion>eu-west-1</BucketRegion>") && listed.contains("<Name>plain</Name>"),
        "{listed}"
    );

    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert!(raw.get("/photos?location").send().text().contains(">eu-west-1</LocationConstraint>"));
    assert!(!raw.get("/photos?acl").send().text().contains("AllUsers"), "as it was set after the upgrade");
}

#[test]
fn a_catalog_of_a_later_release_is_refused_and_left_alone() {
    let place = older();
    let path = place.path("data/.causeway/catalog.sqlite");
    Connection::open(&path).and_then(|db| db.pragma_update(None, "user_version", 99)).expect("changed");
    let before = std::fs::read(&path).expect("read");
    let said = place
        .run(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"], &ENVIRONMENT)
        .failed(1);
    for words in
        ["has format version 99", "knows versions up to 9", "use the release that wrote it, or a later one"]
    {
        assert!(said.contains(words), "{said}");
    }
    assert!(std::fs::read(&path).expect("read") == before);
}
