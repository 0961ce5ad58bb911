//! `causeway replicate status --keys`: the objects that each replica lacks, with the last error, for the
//! causes that operators meet.
//!
//! The test of a full replica is in `full.rs`.

use super::{
    process::{Place, Running, within},
    support::{Who, raw::Raw, sshd::Sshd},
};
use serde_json::Value;

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
const KEYS: [&str; 3] = ["k0", "k1", "k2"];

/// An S3 server over a directory.
fn remote() -> (Place, Running, Raw) {
    let place = Place::new();
    place.write(
        "causeway.toml",
        "[server]\ndata = 'd'\nscan_interval = 'off'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n",
    );
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    (place, server, raw)
}

/// Replicas on local disk and on a remote server. One of them is enough for a write.
fn configure(place: &Place, remote: &Running, secret: &str, more: &str) {
    place.write(
        "causeway.toml",
        &format!(
            "[server]\ndata = 'd'\nscan_interval = 'off'\n[default]\nbackend = 'safe'\n[backend.disk]\ntype = 'fs'\nroot = 'disk'\n\
             [backend.remote]\ntype = 's3'\nendpoint = 'http://{}'\naccess_key = '{}'\nsecret_key = '{secret}'\n{more}\
             [backend.safe]\ntype = 'replicated'\nbackends = ['disk', 'remote']\nwrite = 'quorum'\nquorum = 1\n",
            remote.s3, ROOT.access_key,
        ),
    );
}

fn serve(place: &Place) -> (Running, Raw) {
    let server = place.serve(&[], &ENVIRONMENT);
    let raw = Raw::new(server.s3, ROOT);
    (server, raw)
}

fn stop(mut server: Running) {
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
}

#[track_caller]
fn put(raw: &Raw, target: &str, body: &str) {
    let reply = raw.put(target, body).send();
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
}

/// A bucket `photos` with an object `a` that both replicas have.
fn begun(place: &Place, raw: &Raw) {
    put(raw, "/photos", "");
    put(raw, "/photos/a", "x");
    settled(place);
    // An object that is still being written does not count as lacking.
    within(|| {
        (raw.request("HEAD", "/photos/a").send().header("x-amz-replication-status") == Some("COMPLETED"))
            .then_some(())
    });
}

/// A server whose remote replica, with these settings of its backend, has every object.
fn with_all(upstream: &Running, more: &str) -> (Place, Running, Raw) {
    let place = Place::new();
    configure(&place, upstream, ROOT.secret_key, more);
    let (server, raw) = serve(&place);
    begun(&place, &raw);
    (place, server, raw)
}

fn settled(place: &Place) {
    within(|| (place.run(&["replicate", "status", "photos"], &[]).code == Some(0)).then_some(()));
}

/// All lacking objects, each with its backend, its key and the reason.
fn lacks(place: &Place) -> Vec<[String; 3]> {
    let said = place.run(&["replicate", "status", "photos", "--keys", "--json"], &[]);
    let document: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("no JSON: {said:?}"));
    let lacks = document["lacks"].as_array().expect("a list").iter();
    lacks
        .map(|lack| ["backend", "key", "why"].map(|name| lack[name].as_str().expect("a text").to_owned()))
        .collect()
}

/// Puts three objects that the remote replica does not get, and waits until the status names each of them
/// with these words.
fn told_of_each_key(place: &Place, raw: &Raw, words: &str) {
    for key in KEYS {
        put(raw, &format!("/photos/{key}"), key);
    }
    let told = within(|| {
        Some(lacks(place))
            .filter(|told| told.len() == KEYS.len() && told.iter().all(|[.., why]| why.contains(words)))
    });
    for ([backend, key, _], expected) in told.iter().zip(KEYS) {
        assert_eq!((backend.as_str(), key.as_str()), ("remote", expected));
    }
    let said = place.run(&["replicate", "status", "photos", "--keys"], &[]).failed(1);
    let lines = said
        .lines()
        .filter(|line| KEYS.iter().any(|key| line.starts_with(&format!("remote lacks \"{key}\": "))));
    assert_eq!(lines.filter(|line| line.contains(words)).count(), KEYS.len(), "{said}");
    assert!(
        said.lines()
            .any(|line| line.starts_with("remote   photos") || line.starts_with("remote   lake/photos")),
        "{said}"
    );
    assert!(
        !place.run(&["replicate", "status", "photos"], &[]).out.contains("lacks \"k0\""),
        "keys are told when asked for"
    );
}

/// How often the log has these words.
fn logged(place: &Place, words: &str) -> usize {
    place.read("stderr").matches(words).count()
}

/// Waits until a storage was asked so many times more, so that a repeated action must have happened again.
fn asked_again(server: &Running, backend: &str, times: f64) {
    let asked = || {
        server
            .metric(&format!("causeway_backend_requests_total{{backend=\"{backend}\"}}"))
            .unwrap_or_default()
    };
    let before = asked();
    within(|| (asked() >= before + times).then_some(()));
}

/// Removes all objects of a bucket, and the bucket, directly on the storage.
fn remove(raw: &Raw, bucket: &str) {
    let listed = raw.get(format!("/{bucket}?list-type=2")).send().text();
    for key in listed.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next()) {
        assert_eq!(raw.request("DELETE", format!("/{bucket}/{key}")).send().status, 204, "{key}");
    }
    let removed = raw.request("DELETE", format!("/{bucket}")).send();
    assert_eq!(removed.status, 204, "{}", removed.text());
}

#[test]
fn refused_credentials_are_told_of_each_key() {
    let (_there, upstream, _) = remote();
    let (place, server, _) = with_all(&upstream, "");
    stop(server);

    configure(&place, &upstream, "hunter2", "");
    let (_server, raw) = serve(&place);
    told_of_each_key(&place, &raw, "the storage refuses our credentials: 403");
    assert!(lacks(&place).iter().all(|[.., why]| !why.contains("hunter2")));
}

#[test]
fn an_unreachable_storage_is_told_of_each_key() {
    let (_there, upstream, _) = remote();
    let (place, server, _) = with_all(&upstream, "");
    stop(server);

    let address = upstream.s3;
    drop(upstream);
    let (_server, raw) = serve(&place);
    // A write does not wait until the connection has failed: at first, the replica is only late.
    told_of_each_key(&place, &raw, &format!("connecting to {address} failed"));
}

/// The storage answers a HEAD as if only that key were missing. Once, this made the replica go out, come back
/// and go out again.
#[test]
fn a_shared_bucket_that_is_gone_is_told_of_each_key_and_the_replica_stays_out_until_it_is_back() {
    let (_there, upstream, beyond) = remote();
    put(&beyond, "/lake", "");
    let (place, server, raw) = with_all(&upstream, "bucket = 'lake'\n");

    remove(&beyond, "lake");
    told_of_each_key(&place, &raw, "the storage does not have the bucket");
    within(|| (logged(&place, "a replica is taken out until it answers again") > 0).then_some(()));
    asked_again(&server, "remote", 8.0);
    assert_eq!(logged(&place, "a replica answers again"), 0);

    put(&beyond, "/lake", "");
    settled(&place);
    assert!(lacks(&place).is_empty());
    let turns = ["a replica is taken out until it answers again", "a replica answers again"]
        .map(|words| logged(&place, words));
    assert_eq!(turns, [1, 1]);
}

#[test]
fn a_bucket_directory_that_a_remote_lost_is_told_of_each_key_and_the_replica_stays_out() {
    let (there, upstream, _) = remote();
    let (place, server, raw) = with_all(&upstream, "");

    std::fs::remove_dir_all(there.path("objects/photos")).expect("removed");
    told_of_each_key(&place, &raw, "the storage refused: 503");
    within(|| (logged(&place, "a replica is taken out until it answers again") > 0).then_some(()));
    asked_again(&server, "remote", 8.0);
    assert_eq!(logged(&place, "a replica answers again"), 0);
}

#[test]
fn a_bucket_of_its_own_that_is_gone_is_made_again_and_filled() {
    let (_there, upstream, beyond) = remote();
    let (place, _server, raw) = with_all(&upstream, "");

    remove(&beyond, "photos");
    for key in KEYS {
        put(&raw, &format!("/photos/{key}"), key);
    }
    settled(&place);
    within(|| (beyond.get("/photos/a").send().text() == "x").then_some(()));
    for key in KEYS {
        assert_eq!(beyond.get(format!("/photos/{key}")).send().text(), key);
    }
}

#[test]
fn a_replica_that_cannot_be_filled_because_its_directory_is_wrong_says_so_and_the_log_once() {
    let (sshd, place) = (Sshd::start(), Place::new());
    std::fs::write(sshd.root().join("file"), "x").expect("a file");
    let wrong = sshd.root().join("file/photos");
    place.write(
        "causeway.toml",
        &format!(
            "[server]\ndata = 'd'\nscan_interval = 'off'\n[default]\nbackend = 'safe'\n[backend.disk]\ntype = 'fs'\nroot = 'disk'\n\
             [backend.nas]\ntype = 'sftp'\nhost = '127.0.0.1'\nport = {}\nuser = '{}'\nprivate_key = {{ file = {:?} }}\nhost_key = '{}'\n\
             root = {wrong:?}\n[backend.safe]\ntype = 'replicated'\nbackends = ['disk', 'nas']\nwrite = 'quorum'\nquorum = 1\n",
            sshd.address().port(),
            Sshd::user(),
            sshd.key_file(),
            sshd.fingerprint(),
        ),
    );
    let (server, raw) = serve(&place);
    put(&raw, "/photos", "");
    put(&raw, "/photos/a", "x");
    let words = "which failed and is tried again: SFTP: ";
    let said = within(|| {
        Some(place.run(&["replicate", "status", "photos"], &[]).failed(1)).filter(|said| said.contains(words))
    });
    assert!(
        said.contains(&format!("the folder {}", wrong.display())),
        "the wrong directory is named: {said}"
    );
    // A repair that came before the first attempt to create the location has no reason to give yet.
    let is_explained =
        |lacking: &Vec<[String; 3]>| lacking.len() == 1 && lacking[0][2].contains("cannot be made");
    let lacking = within(|| Some(lacks(&place)).filter(is_explained));
    assert!(lacking[0][0] == "nas" && lacking[0][1] == "a", "{lacking:?}");
    asked_again(&server, "nas", 60.0);
    assert_eq!(logged(&place, "a replica could not be scanned"), 1, "{}", place.read("stderr"));
}
