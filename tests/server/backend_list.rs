//! `causeway backend list`.

use super::process::Place;

/// Backends that cannot be reached: the list connects to none of them.
const CONFIGURATION: &str = "\
[backend.disk]
type = 'fs'
root = '/srv/objects'
[backend.lake]
type = 's3'
endpoint = 'http://127.0.0.1:1'
bucket = 'all'
access_key = 'a'
secret_key = 'hunter2'
[backend.aws]
type = 's3'
region = 'eu-west-3'
[default]
backend = 'disk'
[bucket.photos]
[bucket.films]
backend = 'lake'
[bucket.songs]
backend = 'lake'
";

#[test]
fn backends_are_listed_with_type_place_and_buckets_and_without_any_network() {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    let out = place.run(&["backend", "list"], &[]).succeeded();
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "TYPE", "WHERE", "BUCKETS"]);
    assert_eq!(rows[1], ["aws", "s3", "AWS", "eu-west-3", "0"]);
    assert_eq!(rows[2], ["disk", "fs", "/srv/objects", "1", "default"]);
    assert_eq!(rows[3], ["lake", "s3", "http://127.0.0.1:1/all", "2"]);
    assert!(!out.contains("hunter2"));
    assert_eq!(place.names(), ["causeway.toml"], "nothing was made");
}

#[test]
fn the_list_is_also_json() {
    let place = Place::new();
    place.write("other.toml", CONFIGURATION);
    let out = place.run(&["backend", "list", "--config", "other.toml", "--json"], &[]).succeeded();
    let document: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let lake = serde_json::json!({ "name": "lake", "type": "s3", "location": "http://127.0.0.1:1/all", "buckets": 2, "default": false });
    assert_eq!(document["backends"][2], lake);
}

#[test]
fn without_a_configuration_there_is_the_disk() {
    let place = Place::new();
    let out = place.run(&["backend", "list"], &[]).succeeded();
    assert!(out.lines().nth(1).is_some_and(|line| line.starts_with("disk  fs    ./causeway-data")), "{out}");
    let said = place.run(&["backend", "list", "--config", "missing.toml"], &[]).failed(2);
    assert!(said.contains("cannot read missing.toml"), "{said}");
}
