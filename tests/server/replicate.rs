//! `causeway replicate`: its output, and its exit code.

use super::{
    process::{Ended, Place, Running, within},
    replicated::{AWAY, DIRECTORIES, put, serve, three},
    support::raw::Raw,
};
use serde_json::{Value, json};
use std::{fs::File, io::Write, path::Path};

fn replicate(place: &Place, arguments: &[&str]) -> Ended {
    place.run(&[&["replicate"], arguments].concat(), &[])
}

fn document(ended: Ended) -> (Option<i32>, Value) {
    (ended.code, serde_json::from_str(&ended.out).expect("JSON"))
}

/// Waits until the status has exit code 0.
fn settled(place: &Place, bucket: &str) {
    within(|| (replicate(place, &["status", bucket]).code == Some(0)).then_some(()));
}

fn stop(mut server: Running) {
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
}

/// The content of a key in each replica.
fn held(place: &Place, key: &str) -> [Vec<u8>; 3] {
    DIRECTORIES.map(|directory| std::fs::read(place.path(directory).join(key)).unwrap_or_default())
}

/// Replaces the bytes by others of the same number and time: only reading detects it.
fn rot(path: &Path) {
    let modified = path.metadata().and_then(|metadata| metadata.modified()).expect("a time");
    let rotten: Vec<u8> = std::fs::read(path).expect("read").into_iter().map(|byte| !byte).collect();
    let mut file = File::options().write(true).open(path).expect("a file");
    file.write_all(&rotten).and_then(|()| file.set_modified(modified)).expect("changed in place");
}

/// A server with this configuration, and a replicated bucket.
fn photos(config: &str) -> (Place, Running, Raw) {
    let place = Place::new();
    let (server, raw) = serve(&place, config);
    put(&raw, "/photos", "");
    (place, server, raw)
}

fn upload(raw: &Raw, target: &str, part: &[u8]) {
    let upload = raw.post(format!("{target}?uploads"), "").send().element("UploadId").expect("an upload");
    let etag = raw
        .put(format!("{target}?partNumber=1&uploadId={upload}"), part)
        .send()
        .header("etag")
        .expect("a part")
        .to_owned();
    let parts = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let completed = raw.post(format!("{target}?uploadId={upload}"), parts).send();
    assert_eq!(completed.status, 200, "{}", completed.text());
}

#[test]
fn status_shows_what_each_replica_lacks_and_fails_while_any_does() {
    let (place, server, raw) = photos(&three(""));
    put(&raw, "/photos/changed", "before");
    put(&raw, "/photos/gone", "before");
    settled(&place, "photos");
    let said = replicate(&place, &["status", "photos"]).succeeded();
    assert_eq!(
        said,
        "backend  place   lacks  state\ndisk     photos  0      up\nlake     photos  0      up\nnas      photos  0      up\n"
    );
    stop(server);

    let (server, raw) = serve(&place, &three(AWAY));
    put(&raw, "/photos/changed", "after");
    assert_eq!(raw.request("DELETE", "/photos/gone").send().status, 204);
    // The server finds out by itself. A write is acknowledged by a quorum, so that a replica that is up may
    // get it a moment later.
    let is_settled = |said: &String| said.contains("out: ") && said.matches("photos  0 ").count() == 2;
    let said = within(|| Some(replicate(&place, &["status", "photos"]).failed(1)).filter(is_settled));
    let rows: Vec<&str> = said.lines().collect();
    assert_eq!(
        rows[..3],
        ["backend  place   lacks  state", "disk     photos  0      up", "lake     photos  0      up"]
    );
    assert!(rows.len() == 4 && rows[3].starts_with("nas      photos  2      out: "), "{said}");
    let (code, said) = document(replicate(&place, &["status", "photos", "--json"]));
    let well = |backend| json!({ "backend": backend, "place": "photos", "down": null, "seeded": true, "pending": 0 });
    let nas = &said["replicas"][2];
    assert_eq!((code, &said["bucket"], &said["counts"]), (Some(1), &json!("photos"), &Value::Null));
    assert_eq!(said["replicas"].as_array().map(Vec::len), Some(3));
    assert_eq!((&said["replicas"][0], &said["replicas"][1]), (&well("disk"), &well("lake")));
    assert_eq!((&nas["backend"], &nas["pending"], &nas["seeded"]), (&json!("nas"), &json!(2), &json!(true)));
    assert!(nas["down"].is_string(), "{nas}");
    stop(server);
    // Without a server, the command reports the same.
    let (code, said) = document(replicate(&place, &["status", "photos", "--json"]));
    assert_eq!((code, &said["replicas"][2]["pending"]), (Some(1), &json!(2)));
}

#[test]
fn repair_and_scrub_fail_while_a_replica_is_away_and_bring_what_it_lacks_when_it_is_back() {
    let (place, server, raw) = photos(&three(""));
    put(&raw, "/photos/changed", "before");
    put(&raw, "/photos/gone", "before");
    settled(&place, "photos");
    stop(server);

    let (server, raw) = serve(&place, &three(AWAY));
    put(&raw, "/photos/changed", "after");
    assert_eq!(raw.request("DELETE", "/photos/gone").send().status, 204);
    within(|| replicate(&place, &["status", "photos"]).failed(1).contains("out: ").then_some(()));
    let said = replicate(&place, &["repair", "photos"]).failed(1);
    assert!(said.ends_with("\n0 objects looked at, 0 new, 0 differed, 0 copied, 2 left\n"), "{said}");
    let said = replicate(&place, &["scrub", "photos"]).failed(1);
    assert!(said.starts_with("causeway: bucket 'photos': "), "{said}");
    stop(server);
    assert_eq!(held(&place, "photos/changed"), [&b"after"[..], b"after", b"before"]);

    // Without a server, the command repairs.
    place.write("causeway.toml", &three(""));
    let (code, said) = document(replicate(&place, &["repair", "photos", "--json"]));
    assert_eq!((code, &said["counts"]["failed"]), (Some(0), &json!(0)), "{said}");
    assert_eq!(held(&place, "photos/changed"), [b"after"; 3]);
    assert_eq!(held(&place, "photos/gone"), [b""; 3]);
    replicate(&place, &["status", "photos"]).succeeded();
    let said = replicate(&place, &["scrub", "photos"]).succeeded();
    assert!(said.ends_with("\n3 objects looked at, 0 new, 0 differed, 0 copied, 0 left\n"), "{said}");
}

#[test]
fn what_rots_under_a_right_etag_is_found_by_a_scrub_of_bytes_only_and_healed() {
    let (place, _server, raw) = photos(&three(""));
    put(&raw, "/photos/whole", "as it was written");
    upload(&raw, "/photos/parts", b"as its part was");
    put(&raw, "/photos/other", "never rots");
    settled(&place, "photos");
    for (directory, key) in [("lake", "photos/whole"), ("far", "photos/parts")] {
        rot(&place.path(directory).join(key));
    }
    let rotten = || {
        (
            place.read("far/photos/parts") != "as its part was",
            place.read("lake/photos/whole") != "as it was written",
        )
    };
    assert_eq!(rotten(), (true, true));

    let said = replicate(&place, &["scrub", "photos"]).succeeded();
    assert!(said.ends_with("\n9 objects looked at, 0 new, 0 differed, 0 copied, 0 left\n"), "{said}");
    assert_eq!(rotten(), (true, true), "it did not look");
    let (code, said) = document(replicate(&place, &["scrub", "photos", "--bytes", "--json"]));
    let counts = &said["counts"];
    // Either the scrub repairs an object or the worker that it wakes.
    assert_eq!(
        (code, &counts["objects"], &counts["differing"], &counts["failed"]),
        (Some(0), &json!(9), &json!(2), &json!(0))
    );
    assert_eq!(held(&place, "photos/whole"), [b"as it was written"; 3]);
    assert_eq!(held(&place, "photos/parts"), [b"as its part was"; 3]);
    let said = replicate(&place, &["scrub", "photos", "--bytes"]).succeeded();
    assert!(said.ends_with("\n9 objects looked at, 0 new, 0 differed, 0 copied, 0 left\n"), "{said}");
    assert_eq!(raw.get("/photos/whole").send().text(), "as it was written");
}

#[test]
fn what_has_rotted_is_not_trusted_after_a_change_of_tags_either() {
    let (place, server, raw) = photos(&three(""));
    put(&raw, "/photos/a", "as it was written");
    settled(&place, "photos");
    stop(server);
    let config = three("operations = 'writes'\nunavailable = 1\n")
        .replace("data = 'd'", "data = 'd'\nscan_interval = 'off'");
    let (server, raw) = serve(&place, &config);
    rot(&place.path("far/photos/a"));
    let (code, said) = document(replicate(&place, &["scrub", "photos", "--bytes", "--json"]));
    assert_eq!((code, &said["counts"]["differing"]), (Some(1), &json!(1)), "{said}");
    // The object had no tags before, so they stay the same.
    put(&raw, "/photos/a?tagging", "<Tagging><TagSet></TagSet></Tagging>");
    stop(server);
    let (_server, _) = serve(&place, &three(""));
    settled(&place, "photos");
    assert_eq!(held(&place, "photos/a"), [b"as it was written"; 3]);
}

#[test]
fn the_only_copy_there_is_cannot_be_healed_and_a_scrub_says_so() {
    let (place, _server, raw) = photos(&three("").replace("['disk', 'lake', 'nas']", "['disk']"));
    put(&raw, "/photos/a", "as it was written");
    rot(&place.path("disk/photos/a"));
    for _ in 0..2 {
        let said = replicate(&place, &["scrub", "photos", "--bytes"]).failed(1);
        assert!(said.ends_with("\n1 objects looked at, 0 new, 1 differed, 0 copied, 1 left\n"), "{said}");
    }
}

#[test]
fn what_has_rotted_in_one_replica_is_not_copied_to_another() {
    let (place, server, raw) = photos(&three(""));
    put(&raw, "/photos/a", "before");
    settled(&place, "photos");
    stop(server);
    let (server, raw) = serve(&place, &three(AWAY));
    put(&raw, "/photos/a", "after");
    stop(server);
    // This replica is the first to be read, and so the first source of a copy.
    rot(&place.path("disk/photos/a"));
    let (_server, raw) = serve(&place, &three(""));
    settled(&place, "photos");
    within(|| (held(&place, "photos/a") == [b"after"; 3]).then_some(()));
    assert_eq!(raw.get("/photos/a").send().text(), "after");
}

#[test]
fn replicas_are_added_promoted_and_removed_while_the_server_runs() {
    let config = three("").replace("['disk', 'lake', 'nas']", "['disk', 'lake']");
    let (place, server, raw) = photos(&config);
    for n in 0..5 {
        put(&raw, &format!("/photos/{n}"), "x");
    }
    settled(&place, "photos");
    let (code, said) = document(replicate(&place, &["add", "photos", "nas", "--json"]));
    assert_eq!((code, &said["counts"]["failed"]), (Some(0), &json!(0)), "{said}");
    put(&raw, "/photos/5", "x");
    settled(&place, "photos");
    for n in 0..6 {
        assert_eq!(held(&place, &format!("photos/{n}")), [b"x"; 3]);
    }
    assert_eq!(
        replicate(&place, &["add", "photos", "nas"]).failed(1),
        "causeway: bucket 'photos': there is a replica on backend 'nas' already\n"
    );

    let order = |raw: &Raw| {
        raw.request("HEAD", "/photos/0").send().header("x-causeway-replicas").expect("replicas").to_owned()
    };
    assert_eq!(order(&raw), "disk=current, lake=current, nas=current");
    let said = replicate(&place, &["promote", "photos", "nas"]).succeeded();
    assert!(said.lines().nth(1).is_some_and(|first| first.starts_with("nas ")), "{said}");
    assert_eq!(order(&raw), "nas=current, disk=current, lake=current");
    stop(server);
    let (_server, raw) = serve(&place, &config);
    assert_eq!(order(&raw), "nas=current, disk=current, lake=current", "it is known for good");

    let said = replicate(&place, &["remove", "photos", "disk"]).failed(1);
    assert!(said.contains("backend 'disk' is in the configuration of 'safe'"), "{said}");
    let said = replicate(&place, &["remove", "photos", "nas"]).succeeded();
    assert_eq!(said.lines().count(), 3, "{said}");
    put(&raw, "/photos/0", "y");
    assert_eq!(order(&raw), "disk=current, lake=current");
    settled(&place, "photos");
    assert_eq!(held(&place, "photos/0"), [&b"y"[..], b"y", b"x"], "what was there stays there");
}

#[test]
fn a_replica_is_added_on_a_backend_upon_another_whatever_they_are_called() {
    let (place, _server, raw) =
        photos(&three("").replace("['disk', 'lake', 'nas']", "['disk', 'lake']").replace("nas", "zone"));
    put(&raw, "/photos/0", "x");
    replicate(&place, &["add", "photos", "zone"]).succeeded();
    assert_eq!(held(&place, "photos/0"), [b"x"; 3]);
}

#[test]
fn what_cannot_be_done_is_said() {
    let place = Place::new();
    place.write(
        "causeway.toml",
        &(three("")
            + "[bucket.plain]\nbackend = 'disk'\nprefix = 'plain'\n[bucket.photos]\nprefix = 'photos'\n"),
    );
    for (arguments, why) in [
        (&["status", "films"][..], "bucket 'films': no such bucket"),
        (&["status", "plain"], "bucket 'plain' is on backend 'disk', which is not replicated"),
        (&["promote", "photos", "moon"], "bucket 'photos': there is no replica on backend 'moon'"),
        (&["remove", "photos", "moon"], "bucket 'photos': there is no replica on backend 'moon'"),
        (
            &["add", "photos", "moon"],
            "bucket 'photos': there is no backend 'moon' that a replica could be on",
        ),
        (
            &["add", "photos", "safe"],
            "bucket 'photos': there is no backend 'safe' that a replica could be on",
        ),
    ] {
        assert_eq!(replicate(&place, arguments).failed(1), format!("causeway: {why}\n"), "{arguments:?}");
    }
}

#[test]
fn what_others_put_into_a_replica_is_counted_and_shown_once_a_scan_takes_it_in() {
    let (place, _server, raw) = photos(&three(""));
    put(&raw, "/photos/ours", "x");
    settled(&place, "photos");
    place.write("lake/photos/theirs", "y");
    let said = replicate(&place, &["scrub", "photos"]).succeeded();
    let counted = "0 new, 0 differed, 0 copied, 0 left, 1 that nobody knows: 'causeway bucket scan --full' takes them in\n";
    assert!(said.ends_with(counted), "{said}");
    let listed = || raw.get("/photos?list-type=2").send().text();
    assert!(!listed().contains("theirs"));
    assert_eq!(raw.get("/photos/theirs").send().status, 404);

    place.run(&["bucket", "scan", "photos", "--full"], &[]).succeeded();
    assert!(listed().contains("<Key>theirs</Key>"));
    assert_eq!(raw.get("/photos/theirs").send().text(), "y");
    settled(&place, "photos");
    assert_eq!(held(&place, "photos/theirs"), [b"y"; 3]);
    assert!(replicate(&place, &["scrub", "photos"]).succeeded().ends_with("0 differed, 0 copied, 0 left\n"));
}

#[test]
fn a_backend_that_the_configuration_comes_to_name_is_filled_without_a_command() {
    let (place, server, raw) = photos(&three("").replace("['disk', 'lake', 'nas']", "['disk', 'lake']"));
    for n in 0..20 {
        put(&raw, &format!("/photos/{n}"), n.to_string());
    }
    stop(server);
    let (_server, _raw) = serve(&place, &three(""));
    settled(&place, "photos");
    for n in 0..20 {
        assert_eq!(held(&place, &format!("photos/{n}")), [n.to_string().as_bytes(); 3]);
    }
    assert_eq!(replicate(&place, &["status", "photos"]).succeeded().lines().count(), 4);
}

#[test]
fn without_its_records_the_newest_of_each_key_counts() {
    let (place, server, raw) = photos(&three(""));
    for key in ["same", "differs", "one"] {
        put(&raw, &format!("/photos/{key}"), "before");
    }
    settled(&place, "photos");
    stop(server);
    std::fs::remove_dir_all(place.path("d")).expect("removed");
    place.write("lake/photos/differs", "later");
    for directory in ["disk", "far"] {
        std::fs::remove_file(place.path(directory).join("photos/one")).expect("removed");
    }

    let (_server, raw) = serve(&place, &three(""));
    for (key, newest) in [("same", "before"), ("differs", "later"), ("one", "before")] {
        assert_eq!(raw.get(format!("/photos/{key}")).send().text(), newest, "{key}");
    }
    settled(&place, "photos");
    for (key, newest) in [("same", "before"), ("differs", "later"), ("one", "before")] {
        assert_eq!(raw.get(format!("/photos/{key}")).send().text(), newest, "{key}");
        assert_eq!(held(&place, &format!("photos/{key}")), [newest.as_bytes(); 3], "{key}");
    }
    let said = replicate(&place, &["scrub", "photos", "--bytes"]).succeeded();
    assert!(said.ends_with("\n9 objects looked at, 0 new, 0 differed, 0 copied, 0 left\n"), "{said}");
}

#[test]
fn records_that_move_to_another_data_directory_say_what_replicas_lack() {
    let (place, server, raw) = photos(&three(""));
    assert_eq!(raw.put("/photos/tagged", "x").header("x-amz-tagging", "k=v").send().status, 200);
    put(&raw, "/photos/changed", "before");
    put(&raw, "/photos/gone", "before");
    settled(&place, "photos");
    stop(server);
    let (server, raw) = serve(&place, &three(AWAY));
    put(&raw, "/photos/changed", "after");
    assert_eq!(raw.request("DELETE", "/photos/gone").send().status, 204);
    place.run(&["catalog", "export", "moved.jsonl"], &[]).succeeded();
    stop(server);

    let config = three("").replace("data = 'd'", "data = 'moved'");
    place.write("causeway.toml", &config);
    place.run(&["catalog", "import", "moved.jsonl"], &[]).succeeded();
    let (_server, raw) = serve(&place, &config);
    settled(&place, "photos");
    assert_eq!(
        raw.get("/photos/gone").send().status,
        404,
        "a replica that missed a deletion does not undo it"
    );
    assert!(
        raw.get("/photos/tagged?tagging").send().text().contains("<Tag><Key>k</Key><Value>v</Value></Tag>")
    );
    assert_eq!(held(&place, "photos/tagged"), [b"x"; 3]);
    assert_eq!(held(&place, "photos/changed"), [b"after"; 3]);
    assert_eq!(held(&place, "photos/gone"), [b""; 3]);
    let said = replicate(&place, &["scrub", "photos", "--bytes"]).succeeded();
    assert!(said.ends_with("\n6 objects looked at, 0 new, 0 differed, 0 copied, 0 left\n"), "{said}");
}
