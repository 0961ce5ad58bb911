//! A backend that injects faults, as the configuration says.

use super::{
    process::Place,
    support::{Who, raw::Raw},
};

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };

const SHAKY: &str = "[backend.disk]\ntype = 'memory'\n[backend.shaky]\ntype = 'faulty'\nbackend = 'disk'\n";

fn check(keys: &str) -> (Option<i32>, String, String) {
    let place = Place::new();
    place.write("causeway.toml", &format!("{SHAKY}{keys}[default]\nbackend = 'shaky'\n"));
    let ended = place.run(&["config", "check", "--config", "causeway.toml"], &[]);
    (ended.code, ended.out, ended.err)
}

#[test]
fn faults_are_checked_and_shown_as_they_were_meant() {
    let keys = "unavailable = 0.05\ntorn_body = '2.5%'\nhang = 1\nlatency = '50ms'\noperations = ['reads', 'put']\nup = '10s'\ndown = '1s'\n";
    let (code, out, err) = check(keys);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for line in [
        "unavailable = 0.05",
        "torn_body = 0.025",
        "hang = 1",
        "late = 0",
        "latency = \"50ms\"",
        "operations = [\"reads\", \"put\"]",
        "up = \"10s\"",
    ] {
        assert!(out.lines().any(|shown| shown == line), "{line} is not in\n{out}");
    }
}

#[test]
fn faults_that_make_no_sense_are_refused() {
    for (keys, problem) in [
        ("late = 1.5", "causeway.toml:6: backend.shaky.late must be a share such as 0.05 or 5%, not 1.5"),
        ("late = '5'", "causeway.toml:6: backend.shaky.late must be a share such as 0.05 or 5%, not '5'"),
        ("up = '1s'", "causeway.toml:3: backend.shaky.up and backend.shaky.down go together"),
        (
            "operations = 'fetch'",
            "causeway.toml:6: backend.shaky.operations must be all, reads, lists, writes, upkeep, the name of an operation such as put or \
             complete_upload, or a list of them, not 'fetch'",
        ),
    ] {
        let (code, _, err) = check(&format!("{keys}\n"));
        assert_eq!((code, err.trim_end()), (Some(2), format!("causeway: {problem}").as_str()));
    }
    let (code, _, err) =
        check("[bucket.one]\nbackend = 'disk'\nprefix = 'a'\n[bucket.two]\nprefix = 'a/b'\n");
    assert!(
        code == Some(2) && err.contains("the locations of bucket 'one' and bucket 'two' overlap"),
        "it stands before the same disk: {err}"
    );
    let place = Place::new();
    place.write("causeway.toml", "[backend.shaky]\ntype = 'faulty'\nbackend = 'shaky'\n");
    let ended = place.run(&["config", "check", "--config", "causeway.toml"], &[]);
    assert_eq!(
        (ended.code, ended.err.trim_end()),
        (Some(2), "causeway: causeway.toml:1: backend.shaky consists of itself")
    );
}

#[test]
fn clients_meet_the_faults_and_the_log_says_that_they_are_on_purpose() {
    let place = Place::new();
    let keys = "unavailable = 1\noperations = 'put'\n";
    place.write("causeway.toml", &format!("{SHAKY}{keys}[default]\nbackend = 'shaky'\n"));
    let server = place.serve(&["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    let put = raw.put("/bucket/a", "1").send();
    assert_eq!((put.status, put.header("retry-after")), (503, Some("1")));
    assert!(put.text().contains("<Code>ServiceUnavailable</Code>"), "{}", put.text());
    assert_eq!(raw.get("/bucket/a").send().status, 404, "nothing happened, and reading is no put");
    let log = place.read("stderr");
    assert!(log.contains("WARN") && log.contains("fails on purpose") && log.contains("shaky"), "{log}");
}
