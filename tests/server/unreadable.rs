//! Files and folders that cannot be read: each is refused alone, and everything around it is served.
//!
//! The server runs without the capabilities by which root bypasses modes. If the tests do not run as root, it
//! runs as their user.

use super::{
    process::{Place, Running},
    support::{Who, raw::Raw, sshd::Sshd},
};
use std::{
    ffi::OsStr,
    fs::{Permissions, create_dir_all, set_permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
};

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
/// The server scans only on request.
const CONFIGURATION: &str = "[server]\ndata = 'data'\nscan_interval = 'off'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n\
     [bucket.photos]\n[bucket.locked]\n";

fn mode(place: &Place, name: &str, mode: u32) {
    set_permissions(place.path(name), Permissions::from_mode(mode)).expect("its mode is set");
}

/// A configuration with a bucket that existed before.
fn place(folders: &[&str], files: &[&str]) -> Place {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    for folder in folders {
        create_dir_all(place.path(&format!("objects/{folder}"))).expect("a folder");
    }
    for file in files {
        place.write(&format!("objects/{file}"), "theirs");
    }
    place
}

fn keys(raw: &Raw, target: &str) -> Vec<String> {
    let reply = raw.get(target).send();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text().split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once('<')?.0.to_owned())).collect()
}

fn denied(raw: &Raw, method: &str, target: &str) {
    let reply = raw.request(method, target).body(if method == "PUT" { "x" } else { "" }).send();
    assert_eq!(reply.status, 403, "{method} {target}: {}", reply.text());
    assert!(
        method == "HEAD" || reply.code().as_deref() == Some("AccessDenied"),
        "{method} {target}: {}",
        reply.text()
    );
}

fn unreadable(server: &Running) -> Option<f64> {
    // The numbers are measured every few seconds.
    server.metric("causeway_backend_unreadable_entries{backend=\"disk\"}")
}

#[test]
fn a_file_that_may_not_be_read_is_refused_alone_and_listed() {
    let place = place(&["photos/closed"], &["photos/bad", "photos/good", "photos/closed/x"]);
    mode(&place, "objects/photos/bad", 0o000);
    mode(&place, "objects/photos/closed", 0o000);
    let server = place.serve_bound_by_modes(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    // The content of the closed folder is unknown.
    assert_eq!(keys(&raw, "/photos?list-type=2"), ["bad", "good"]);
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        denied(&raw, method, "/photos/bad");
    }
    for (method, key) in [("GET", "x"), ("HEAD", "x"), ("PUT", "y"), ("DELETE", "x")] {
        denied(&raw, method, &format!("/photos/closed/{key}"));
    }
    assert_eq!(raw.get("/photos/good").send().text(), "theirs");
    assert_eq!(raw.put("/photos/new", "ours").send().status, 200);
    assert_eq!(
        std::fs::metadata(place.path("objects/photos/bad")).expect("a file").len(),
        6,
        "nobody has replaced it"
    );

    // Other programs create and remove files, and a scan handles all of it.
    place.write("objects/photos/later", "theirs");
    mode(&place, "objects/photos/later", 0o000);
    std::fs::remove_file(place.path("objects/photos/good")).expect("removed");
    for _ in 0..2 {
        place.run(&["bucket", "scan", "photos"], &[]).succeeded();
    }
    assert_eq!(keys(&raw, "/photos?list-type=2"), ["bad", "later", "new"]);
    super::process::within(|| (unreadable(&server) == Some(3.0)).then_some(()));
    let log = place.read("stderr");
    let told = |path: &str| {
        log.lines()
            .filter(|line| line.contains("cannot be read") && line.contains(&format!("path=\"{path}\"")))
            .count()
    };
    assert_eq!(["bad", "closed", "later", "new"].map(told), [1, 1, 1, 0], "{log}");
    assert!(!log.contains("ERROR"), "{log}");

    mode(&place, "objects/photos/bad", 0o644);
    mode(&place, "objects/photos/closed", 0o755);
    mode(&place, "objects/photos/later", 0o644);
    assert_eq!(raw.get("/photos/bad").send().text(), "theirs");
    place.run(&["bucket", "scan", "photos"], &[]).succeeded();
    assert_eq!(keys(&raw, "/photos?list-type=2"), ["bad", "closed/x", "later", "new"]);
    super::process::within(|| (unreadable(&server) == Some(0.0)).then_some(()));
}

#[test]
fn a_name_that_is_no_text_is_left_out_and_its_folder_is_named_once() {
    let sshd = Sshd::start();
    let (host, port, root) = (sshd.address().ip(), sshd.address().port(), sshd.root());
    let place = Place::new();
    place.write(
        "causeway.toml",
        &format!(
            "[server]\ndata = 'data'\nscan_interval = 'off'\n[default]\nbackend = 'disk'\n[backend.disk]\ntype = 'sftp'\nhost = '{host}'\n\
             port = {port}\nuser = '{}'\nprivate_key = {{ file = {:?} }}\nhost_key = '{}'\nroot = {root:?}\n[bucket.photos]\n",
            Sshd::user(),
            sshd.key_file(),
            sshd.fingerprint(),
        ),
    );
    create_dir_all(root.join("photos/sub")).expect("a folder");
    std::fs::write(root.join("photos/sub/good"), "theirs").expect("a file");
    let odd = root.join("photos/sub").join(OsStr::from_bytes(b"o\xffd"));
    std::fs::write(&odd, "theirs").expect("a file");
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(keys(&raw, "/photos?list-type=2"), ["sub/good"]);
    for _ in 0..2 {
        place.run(&["bucket", "scan", "photos"], &[]).succeeded();
    }
    super::process::within(|| (unreadable(&server) == Some(1.0)).then_some(()));
    let log = place.read("stderr");
    let told =
        log.lines().filter(|line| line.contains("path=\"sub\"") && line.contains("is no text")).count();
    assert_eq!(told, 1, "{log}");
    std::fs::remove_file(odd).expect("removed");
    place.run(&["bucket", "scan", "photos"], &[]).succeeded();
    super::process::within(|| (unreadable(&server) == Some(0.0)).then_some(()));
}

#[test]
fn a_bucket_that_may_not_be_entered_stops_nobody_else() {
    let place = place(&["photos", "locked"], &["photos/a", "locked/b"]);
    mode(&place, "objects/locked", 0o000);
    let server = place.serve_bound_by_modes(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(keys(&raw, "/photos?list-type=2"), ["a"]);
    for (method, target) in [
        ("GET", "/locked?list-type=2"),
        ("GET", "/locked/b"),
        ("HEAD", "/locked/b"),
        ("PUT", "/locked/c"),
        ("DELETE", "/locked/b"),
    ] {
        denied(&raw, method, target);
    }
    mode(&place, "objects/locked", 0o755);
    assert_eq!(keys(&raw, "/locked?list-type=2"), ["b"]);
}

#[test]
fn what_a_known_object_became_is_refused_and_stays_listed() {
    let place = place(&["photos"], &[]);
    let server = place.serve_bound_by_modes(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    for key in ["a", "d/b"] {
        assert_eq!(raw.put(format!("/photos/{key}"), "ours").send().status, 200);
    }
    mode(&place, "objects/photos/a", 0o000);
    mode(&place, "objects/photos/d", 0o000);
    denied(&raw, "GET", "/photos/a");
    denied(&raw, "GET", "/photos/d/b");
    place.run(&["bucket", "scan", "photos"], &[]).succeeded();
    assert_eq!(keys(&raw, "/photos?list-type=2"), ["a", "d/b"]);
    mode(&place, "objects/photos/d", 0o755);
    assert_eq!(raw.get("/photos/d/b").send().text(), "ours");
}

#[test]
fn links_that_lead_out_or_in_circles_are_the_clients_affair() {
    let place = place(&["photos", "elsewhere"], &[]);
    let photos = |name: &str| place.path(&format!("objects/photos/{name}"));
    symlink(place.path("objects/elsewhere"), photos("out")).expect("a link");
    symlink("../elsewhere", photos("up")).expect("a link");
    symlink("circle", photos("circle")).expect("a link");
    symlink("/dev/null", photos("device")).expect("a link");
    place.write("objects/elsewhere/secret", "secret");
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    for key in ["out/x", "up/x", "circle/x", "device/x"] {
        let reply = raw.put(format!("/photos/{key}"), "x").send();
        assert!((400..500).contains(&reply.status), "{key}: {} {}", reply.status, reply.text());
        assert_eq!(raw.get(format!("/photos/{key}")).send().status, 404, "{key}");
        assert_eq!(raw.request("DELETE", format!("/photos/{key}")).send().status, 204, "{key}");
    }
    assert_eq!(raw.get("/photos/out/secret").send().status, 404);
    assert_eq!(keys(&raw, "/photos?list-type=2"), Vec::<String>::new());
    // A link under the key itself is replaced, and its target is not.
    assert_eq!(raw.put("/photos/circle", "ours").send().status, 200);
    assert_eq!(raw.get("/photos/circle").send().text(), "ours");
    let log = place.read("stderr");
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn a_file_that_may_not_be_read_is_no_source_of_a_copy_and_keeps_no_other_from_being_deleted() {
    let place = place(&["photos"], &["photos/bad", "photos/good"]);
    mode(&place, "objects/photos/bad", 0o000);
    let server = place.serve_bound_by_modes(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    let copy = raw.put("/photos/copy", "").header("x-amz-copy-source", "/photos/bad").send();
    assert_eq!(copy.failure(), (403, "AccessDenied".to_owned()));
    let document = "<Delete><Object><Key>bad</Key></Object><Object><Key>good</Key></Object></Delete>";
    let told = raw.post("/photos?delete", document).send();
    assert_eq!(told.status, 200, "{}", told.text());
    let told = told.text();
    assert!(told.contains("<Deleted><Key>good</Key></Deleted>"), "{told}");
    assert!(told.contains("<Error><Key>bad</Key><Code>AccessDenied</Code>"), "{told}");
    assert_eq!(keys(&raw, "/photos?list-type=2"), ["bad"]);
}

#[test]
fn an_error_of_the_system_about_an_entry_says_whose_affair_it_is() {
    use causeway::store::error::{StoreError, StoreErrorKind as Kind};
    use rustix::io::Errno;
    for (errno, kind) in [
        (Errno::ACCESS, Kind::AccessDenied),
        (Errno::PERM, Kind::AccessDenied),
        (Errno::XDEV, Kind::AccessDenied),
        (Errno::LOOP, Kind::AccessDenied),
        (Errno::NAMETOOLONG, Kind::KeyTooLong),
        (Errno::NOTDIR, Kind::InvalidRequest),
        (Errno::ISDIR, Kind::InvalidRequest),
        (Errno::STALE, Kind::Unavailable),
        (Errno::IO, Kind::Broken),
        (Errno::NOSPC, Kind::StorageFull),
        (Errno::DQUOT, Kind::StorageFull),
        (Errno::MFILE, Kind::Busy),
        (Errno::NFILE, Kind::Busy),
    ] {
        assert_eq!(StoreError::of_entry("reading a", errno).kind(), kind, "{errno:?}");
    }
}
