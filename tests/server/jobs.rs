//! `causeway jobs`: what a running server does in the background.

use super::{
    process::{Place, Running, within},
    replicated::{AWAY, put, serve, three},
    support::{Who, raw::Raw},
};
use causeway::work::{Interruption, kind::KINDS};
use serde_json::{Value, json};
use std::path::Path;

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];

/// A server with these settings, and defaults for everything else.
fn started(server: &str, rest: &str) -> (Place, Running) {
    let place = Place::new();
    place.write("causeway.toml", &format!("[server]\ndata = 'data'\n{server}\n{rest}"));
    let running = place.serve(&[], &ENVIRONMENT);
    (place, running)
}

const DISK: &str = "[backend.disk]\ntype = 'fs'\nroot = 'objects'\n[bucket.photos]\n";

/// The jobs that the command prints with these arguments.
fn jobs(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let said = place.run(&[&["jobs", "--json"], arguments].concat(), &[]).succeeded();
    let mut said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["left_out"], json!(0));
    said["jobs"].take().as_array().expect("jobs").clone()
}

fn find<'j>(jobs: &'j [Value], job: &str, bucket: Option<&str>) -> Option<&'j Value> {
    jobs.iter().find(|shown| shown["job"] == job && shown["bucket"].as_str() == bucket)
}

#[test]
fn every_job_of_the_server_is_shown_with_its_last_run_and_its_next() {
    let (place, _server) = started("", DISK);
    let all = within(|| {
        let all = jobs(&place, &[]);
        let upkeep = find(&all, "upkeep", None).expect("it is there from the beginning");
        (upkeep["state"] == "waiting" && !upkeep["ended"].is_null() && upkeep["progress"]["buckets"] == 1)
            .then_some(all)
    });
    for job in ["upkeep", "change-feed", "upload-expiry", "contact"] {
        let shown = find(&all, job, None).unwrap_or_else(|| panic!("{job}: {all:?}"));
        assert!(shown["error"].is_null() && shown["backend"].is_null(), "{shown}");
    }
    let upkeep = find(&all, "upkeep", None).expect("shown");
    assert!(
        upkeep["next"].as_str() > upkeep["ended"].as_str()
            && upkeep["ended"].as_str() >= upkeep["began"].as_str(),
        "{upkeep}"
    );
    assert_eq!(
        (&upkeep["interruption"], &upkeep["progress"]),
        (&json!("resumes"), &json!({ "buckets": 1, "failed": 0 }))
    );

    let table = place.run(&["jobs"], &[]).succeeded();
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().expect("headings"), ["job", "of", "state", "since", "next", "progress", "error"]);
    assert!(lines.any(|line| line[..3] == ["upload-expiry", "all", "buckets"]), "{table}");
    let one = place.run(&["jobs", "upload-expiry"], &[]).succeeded();
    assert_eq!(one.lines().count(), 2, "{one}");
    assert!(one.contains("waiting") && one.contains(" min "), "{one}");
}

#[test]
fn a_bucket_whose_directory_is_gone_shows_why_its_upkeep_fails_and_keeps_no_other_waiting() {
    let (place, server) = started("scan_interval = '1s'", DISK);
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(raw.put("/photos/a", "x").send().status, 200);
    assert_eq!(raw.put("/films", "").send().status, 200);
    std::fs::remove_dir_all(place.path("objects/photos")).expect("removed");

    let failed = within(|| {
        find(&jobs(&place, &["upkeep"]), "upkeep", Some("photos"))
            .filter(|job| job["state"] == "failed")
            .cloned()
    });
    assert!(failed["error"].as_str().is_some_and(|error| error.contains("is gone")), "{failed}");
    assert!(!failed["ended"].is_null(), "{failed}");
    let round = within(|| {
        find(&jobs(&place, &["upkeep"]), "upkeep", None)
            .filter(|job| job["progress"]["buckets"] == 2)
            .cloned()
    });
    assert_eq!(
        (&round["progress"]["failed"], &round["error"]),
        (&json!(1), &Value::Null),
        "the others are looked after"
    );
    assert_eq!(find(&jobs(&place, &["--bucket", "films"]), "upkeep", Some("photos")), None);

    // A scan on request fails, too.
    place.run(&["bucket", "scan", "photos"], &[]).failed(1);
    let scans = jobs(&place, &["scan"]);
    assert_eq!(
        (scans.len(), &scans[0]["bucket"], &scans[0]["state"]),
        (1, &json!("photos"), &json!("failed"))
    );
    let table = place.run(&["jobs", "scan"], &[]).succeeded();
    assert!(table.contains("photos") && table.contains("failed") && table.contains("is gone"), "{table}");
    place.run(&["bucket", "scan", "films", "--full"], &[]).succeeded();
    let scans = jobs(&place, &["scan", "--bucket", "films"]);
    assert_eq!(
        (&scans[0]["state"], &scans[0]["progress"]),
        (&json!("done"), &json!({ "folders": 1, "objects": 0, "changed": 0 }))
    );
}

/// A storage that never answers keeps upkeep and a scan running.
#[test]
fn a_job_that_runs_shows_since_when_and_how_far_it_is_and_another_scan_of_the_bucket_is_refused() {
    let held = "[backend.disk]\ntype = 'fs'\nroot = 'objects'\n[backend.shaky]\ntype = 'faulty'\nbackend = 'disk'\nhang = 1\n\
                operations = 'upkeep'\n[bucket.first]\nbackend = 'disk'\n[bucket.second]\nbackend = 'shaky'\n";
    let (place, mut server) = started("drain_timeout = '60s'", held);
    let (round, second) = within(|| {
        let all = jobs(&place, &["upkeep"]);
        Some((find(&all, "upkeep", None)?.clone(), find(&all, "upkeep", Some("second"))?.clone()))
    });
    assert_eq!(
        (&round["state"], &round["progress"]),
        (&json!("running"), &json!({ "buckets": 1, "failed": 0 }))
    );
    assert_eq!((&second["state"], &second["ended"]), (&json!("running"), &Value::Null));
    assert!(second["began"].is_string() && second["next"].is_null(), "{second}");

    let mut asking = place.command(&["bucket", "scan", "second"]).spawn().expect("it runs");
    within(|| {
        find(&jobs(&place, &["scan"]), "scan", Some("second"))
            .filter(|job| job["state"] == "running")
            .map(drop)
    });
    let refused = place.run(&["bucket", "scan", "second"], &[]).failed(1);
    assert_eq!(
        refused,
        "causeway: bucket 'second' is being scanned already: 'causeway jobs scan' shows how far that is\n"
    );
    // When the command that asked for the scan is killed, the scan ends.
    asking.kill().and_then(|()| asking.wait()).expect("it ends");
    let ended = within(|| {
        find(&jobs(&place, &["scan"]), "scan", Some("second")).filter(|job| job["state"] == "failed").cloned()
    });
    assert_eq!(ended["error"], "it was interrupted before its end");

    // A hanging job does not keep the server from stopping.
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
}

#[test]
fn repair_of_a_replica_that_is_away_says_what_is_left_and_that_it_is_tried_again() {
    let place = Place::new();
    let (_server, raw) = serve(&place, &three(AWAY));
    put(&raw, "/photos", "");
    put(&raw, "/photos/a", "x");
    let repair = within(|| {
        let all = jobs(&place, &["replica-repair", "--bucket", "photos"]);
        find(&all, "replica-repair", Some("photos"))
            .filter(|job| job["progress"]["left"] == 1 && !job["next"].is_null())
            .cloned()
    });
    assert_eq!(repair["state"], "waiting", "{repair}");
    let all = jobs(&place, &[]);
    assert!(
        find(&all, "replica-care", Some("photos")).is_some()
            && find(&all, "replica-scrub", Some("photos")).is_some(),
        "{all:?}"
    );
    let left = find(&all, "left-locations", None).expect("shown");
    assert_eq!(left["backend"], "safe");
    assert_eq!(raw.request("DELETE", "/photos/a").send().status, 204);
}

#[test]
fn what_there_is_not_is_said() {
    let (place, mut server) = started("scan_interval = 'off'", DISK);
    let said = place.run(&["jobs", "laundry"], &[]).failed(1);
    assert!(
        said.starts_with("causeway: there is no job 'laundry'; there are upkeep, change-feed, "),
        "{said}"
    );
    assert_eq!(
        place.run(&["jobs", "--bucket", "films"], &[]).failed(1),
        "causeway: bucket 'films': no such bucket\n"
    );
    assert_eq!(place.run(&["jobs", "scrub"], &[]).succeeded(), "there are no such jobs now\n");
    let once = within(|| {
        find(&jobs(&place, &["upkeep"]), "upkeep", None).filter(|job| job["state"] == "done").cloned()
    });
    assert_eq!(once["next"], Value::Null);
    assert_eq!(jobs(&place, &["change-feed"]), [Value::Null; 0], "there is none without scans");
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    assert_eq!(
        place.run(&["jobs"], &[]).failed(1),
        "causeway: no server uses data: jobs run only while one does\n"
    );
}

#[test]
fn the_guide_has_the_table_of_jobs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/jobs.md");
    let guide = std::fs::read_to_string(&path).expect("the guide");
    for kind in KINDS {
        let interruption = match kind.interruption {
            Interruption::Harmless => "begins anew",
            Interruption::Resumes => "goes on where it was",
        };
        let row = format!("| `{}` | {} | {} | {interruption} |", kind.name, kind.does, kind.pace);
        assert!(guide.contains(&row), "docs/guide/jobs.md lacks the row\n{row}");
    }
}
