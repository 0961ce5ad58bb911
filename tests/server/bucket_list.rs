//! `causeway bucket list`.

use super::process::Place;

#[test]
fn buckets_are_listed_with_their_backend_and_place() {
    let place = Place::new();
    place.write(
        "causeway.toml",
        "[backend.disk]\ntype = 'fs'\nroot = '/srv'\n[backend.lake]\ntype = 's3'\nendpoint = 'http://127.0.0.1:1'\nbucket = 'all'\n\
         [default]\nbackend = 'disk'\n[bucket.photos]\n[bucket.films]\nprefix = 'video/films/'\n\
         [bucket.songs]\nbackend = 'lake'\n[bucket.books]\nbackend = 'lake'\nremote = 'there'\nprefix = 'x'\n",
    );
    let out = place.run(&["bucket", "list"], &[]).succeeded();
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "BACKEND", "WHERE"]);
    assert_eq!(rows[1], ["books", "lake", "http://127.0.0.1:1/there/x"]);
    assert_eq!(rows[2], ["films", "disk", "/srv/video/films"]);
    assert_eq!(rows[3], ["photos", "disk", "/srv/photos"]);
    assert_eq!(rows[4], ["songs", "lake", "http://127.0.0.1:1/all/songs"]);
    let document: serde_json::Value =
        serde_json::from_str(&place.run(&["bucket", "list", "--json"], &[]).succeeded()).expect("JSON");
    let songs = serde_json::json!({ "name": "songs", "backend": "lake", "place": "all/songs", "location": "http://127.0.0.1:1/all/songs" });
    assert_eq!(document["buckets"][3], songs);
}

#[test]
fn a_configuration_without_buckets_says_so() {
    assert_eq!(Place::new().run(&["bucket", "list"], &[]).succeeded(), "the configuration has no bucket\n");
}
