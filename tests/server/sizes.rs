//! The metrics report the size of each bucket whose listings come from the index.

use super::{
    process::{Place, Running, within},
    support::{Who, raw::Raw},
};

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };

const CONFIGURATION: &str = "[server]\ndata = 'd'\n[backend.disk]\ntype = 'fs'\nroot = 'disk'\n[backend.one]\ntype = 'fs'\nroot = 'one'\n\
     [backend.two]\ntype = 'fs'\nroot = 'two'\n[backend.safe]\ntype = 'replicated'\nbackends = ['one', 'two']\n\
     [backend.memory]\ntype = 'memory'\n[default]\nbackend = 'disk'\n[bucket.safe]\nbackend = 'safe'\n[bucket.fleeting]\n\
     backend = 'memory'\n";

fn sizes(server: &Running, bucket: &str) -> [Option<f64>; 2] {
    ["objects", "bytes"].map(|what| server.metric(&format!("causeway_bucket_{what}{{bucket=\"{bucket}\"}}")))
}

/// Waits for these sizes, which are counted every few seconds.
fn reach(server: &Running, bucket: &str, expected: [Option<f64>; 2]) {
    within(|| (sizes(server, bucket) == expected).then_some(()));
}

#[test]
fn metrics_tell_how_much_each_bucket_with_an_index_holds() {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    let server = place.serve(&[], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    let put = |target: &str, body: &str| assert_eq!(raw.put(target, body).send().status, 200, "{target}");
    put("/photos", "");
    put("/photos/a", "12345");
    put("/photos/deep/er/b", "123");
    put("/photos/a", "1");
    put("/empty", "");
    put("/safe/a", "1234567");
    put("/fleeting/a", "12");
    reach(&server, "photos", [Some(2.0), Some(4.0)]);
    reach(&server, "safe", [Some(1.0), Some(7.0)]);
    reach(&server, "empty", [Some(0.0), Some(0.0)]);
    assert_eq!(sizes(&server, "fleeting"), [None, None], "it has no index");
    let (_, text) = server.ask_admin("/-/metrics");
    let told: Vec<&str> = text.lines().filter(|line| line.starts_with("causeway_bucket_objects{")).collect();
    assert_eq!(told.len(), 3, "replicas are no buckets: {told:?}");
    assert_eq!(server.metric("causeway_bucket_sizes_left_out"), Some(0.0));
    assert!(server.metric("causeway_bucket_sizes_age_seconds").is_some_and(|age| age < 60.0));

    assert_eq!(raw.request("DELETE", "/photos/deep/er/b").send().status, 204);
    assert_eq!(raw.request("DELETE", "/empty").send().status, 204);
    reach(&server, "photos", [Some(1.0), Some(1.0)]);
    reach(&server, "empty", [None, None]);
}

#[test]
fn sizes_are_known_again_after_a_restart_without_a_request() {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    let mut server = place.serve(&[], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    for target in ["/photos", "/photos/a", "/photos/b"] {
        assert_eq!(raw.put(target, if target == "/photos" { "" } else { "12345" }).send().status, 200);
    }
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    let server = place.serve(&[], &ROOT);
    reach(&server, "photos", [Some(2.0), Some(10.0)]);
}
