//! Health and metrics.

use super::{
    process::{Place, connect, read_all, within},
    support::{ALICE, Server, Who, raw::Raw},
};
use std::io::Write;

#[test]
fn health_is_told_on_the_admin_listener_and_by_the_command() {
    let place = Place::new();
    let mut server = place.serve(&["--data", "d"], &[]);
    assert_eq!(server.ask_admin("/-/health/live").0, 200);
    let (status, body) = server.ask_admin("/-/health/ready");
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, body["status"].as_str()), (200, Some("ready")));
    assert_eq!(server.ask_admin("/bucket").0, 404);

    let address = server.admin.to_string();
    let health = place.run(&["health", "--address", &address], &[]);
    assert_eq!((health.code, health.out.as_str()), (Some(0), "ready\n"));
    server.signal(rustix::process::Signal::TERM);
    server.wait();
    let health = place.run(&["health", "--address", &address], &[]);
    assert_eq!(health.code, Some(1));
    assert!(health.err.contains("no answer from"), "{}", health.err);
}

#[test]
fn health_paths_are_no_part_of_s3() {
    let place = Place::new();
    let server = place.serve(&["--data", "d"], &[]);
    let mut stream = server.connect();
    stream.write_all(b"GET /-/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
    assert!(!read_all(&mut stream).starts_with("HTTP/1.1 200 "));
}

#[test]
fn metrics_count_requests_by_operation_and_name_no_bucket() {
    let place = Place::new();
    let server = place.serve(&["--data", "d"], &[]);
    for target in ["/some-bucket/some-key", "/some-bucket?replication"] {
        let mut stream = connect(server.s3);
        write!(stream, "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("sent");
        read_all(&mut stream);
    }
    let (status, text) = server.ask_admin("/-/metrics");
    assert_eq!(status, 200);
    assert!(!text.contains("some-bucket") && !text.contains("some-key"), "{text}");
    assert_eq!(server.metric("causeway_requests_total{operation=\"GetObject\",status=\"4xx\"}"), Some(1.0));
    assert_eq!(
        server.metric("causeway_requests_total{operation=\"GetBucketReplication\",status=\"5xx\"}"),
        Some(1.0)
    );
    within(|| (server.metric("causeway_requests_in_flight") == Some(0.0)).then_some(()));
    assert!(server.metric("process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6));
    assert!(server.metric("process_cpu_seconds_total").is_some());
    for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
        let name = line.split(' ').nth(2).expect("a name");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} says what it is");
    }
}

#[test]
fn metrics_count_failed_sign_ins_and_tell_how_much_room_there_is() {
    const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
    let place = Place::new();
    place.write("causeway.toml", "[server]\ndata = 'd'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n");
    let server = place
        .serve(&[], &[("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)]);
    let ask =
        |access_key, secret_key| Raw::new(server.s3, Who { access_key, secret_key }).get("/").send().status;
    assert_eq!(ask(ROOT.access_key, ROOT.secret_key), 200);
    for _ in 0..2 {
        assert_eq!(ask(ROOT.access_key, "a-guess"), 403);
    }
    assert_eq!(ask("nobody", "a-guess"), 403);
    let failed =
        |code: &str| server.metric(&format!("causeway_authentication_failures_total{{code=\"{code}\"}}"));
    let counted = within(|| {
        Some([failed("SignatureDoesNotMatch"), failed("InvalidAccessKeyId")]).filter(|all| all[1].is_some())
    });
    assert_eq!(counted, [Some(2.0), Some(1.0)]);
    let (_, text) = server.ask_admin("/-/metrics");
    assert!(!text.contains("nobody"), "whoever guesses adds no series: {text}");
    // The numbers are measured every few seconds.
    for room in ["causeway_data_free_bytes", "causeway_backend_free_bytes{backend=\"disk\"}"] {
        within(|| server.metric(room).filter(|free| *free > 0.0));
    }
}

#[test]
fn metrics_count_what_each_backend_is_asked() {
    const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
    let upstream = Server::start();
    let place = Place::new();
    place.write(
        "causeway.toml",
        &format!(
            "[default]\nbackend = 'up'\n[backend.up]\ntype = 's3'\nendpoint = 'http://{}'\naccess_key = '{}'\nsecret_key = '{}'\n\
             [backend.disk]\ntype = 'fs'\nroot = 'objects'\n",
            upstream.address(),
            ALICE.access_key,
            ALICE.secret_key
        ),
    );
    let server = place.serve(
        &["--data", "d"],
        &[("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)],
    );
    let raw = Raw::new(server.s3, ROOT);
    assert_eq!(raw.put("/photos", "").send().status, 200);
    assert_eq!(raw.put("/photos/a", "x").send().status, 200);
    let asked = || server.metric("causeway_backend_requests_total{backend=\"up\"}").expect("counted");
    let before = asked();
    assert_eq!(raw.get("/photos/a").send().status, 200);
    assert!(asked() > before);
    // A backend on the local disk sends no requests to another machine.
    assert_eq!(server.metric("causeway_backend_requests_total{backend=\"disk\"}"), None);
    drop(upstream);
    assert_eq!(raw.get("/photos/a").send().status, 503);
    assert!(server.metric("causeway_backend_failures_total{backend=\"up\"}").expect("counted") > 0.0);
    assert!(server.metric("causeway_backend_repeats_total{backend=\"up\"}").expect("counted") > 0.0);
}
