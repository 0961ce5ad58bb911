//! Stopping: requests in progress end, and everything else ends at once.

use super::{
    process::{Place, Running, read_all, within},
    support::{Who, raw::Raw},
};
use rustix::process::Signal;
use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

const ROOT: [(&str, &str); 2] = [("MINIO_ROOT_USER", "root-user"), ("MINIO_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };
/// The body of a request has a sixth of the drain timeout to arrive.
const PATIENT: &str = "[server]\ndrain_timeout = '10m'\n";

/// A PUT in progress whose body has not been sent yet.
fn slow_put(server: &Running) -> (TcpStream, Vec<u8>) {
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    let wire = raw.put("/bucket/slow", "slow").unsigned_payload().wire();
    let (head, body) = wire.split_at(wire.len() - 4);
    let mut stream = server.connect();
    stream.write_all(head).expect("sent");
    within(|| (server.metric("causeway_requests_in_flight") == Some(1.0)).then_some(()));
    (stream, body.to_vec())
}

#[test]
fn sigterm_lets_a_request_in_work_end_and_then_the_server_exits_with_0() {
    let place = Place::new();
    place.write("causeway.toml", PATIENT);
    let mut server = place.serve(&["--data", "d"], &ROOT);
    let (mut stream, body) = slow_put(&server);
    server.signal(Signal::TERM);
    within(|| (server.ask_admin("/-/health/ready").0 == 503).then_some(()));
    assert!(server.ask_admin("/-/health/ready").1.contains("draining"));
    within(|| TcpStream::connect(server.s3).err());
    stream.write_all(&body).expect("taken");
    assert!(read_all(&mut stream).starts_with("HTTP/1.1 200 "));
    assert_eq!(server.wait().code(), Some(0), "{}", place.read("stderr"));
    assert!(!place.path("addresses").exists(), "a server that has stopped has no address");

    let server = place.serve(&["--data", "d"], &ROOT);
    assert_eq!(Raw::new(server.s3, WHO).get("/bucket/slow").send().text(), "slow");
}

#[test]
fn connections_without_a_request_do_not_delay_the_stop() {
    let place = Place::new();
    let mut server = place.serve(&["--data", "d"], &ROOT);
    let silent = server.connect();
    let mut idle = server.connect();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
    assert!(std::io::Read::read(&mut idle, &mut [0; 4096]).is_ok_and(|n| n > 0));
    let begun = Instant::now();
    server.signal(Signal::INT);
    assert_eq!(server.wait().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(20), "the drain timeout is 30 s");
    drop(silent);
}

#[test]
fn a_request_that_takes_longer_than_the_drain_timeout_is_cut_off() {
    let place = Place::new();
    let stuck = "[backend.memory]\ntype = 'memory'\n[backend.stuck]\ntype = 'faulty'\nbackend = 'memory'\nhang = 1\noperations = 'get'\n";
    place.write(
        "causeway.toml",
        &format!("[server]\ndrain_timeout = '200ms'\n{stuck}[default]\nbackend = 'stuck'\n"),
    );
    let mut server = place.serve(&["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    assert_eq!(raw.put("/bucket/key", "value").send().status, 200);
    let mut stream = server.connect();
    stream.write_all(&raw.get("/bucket/key").wire()).expect("sent");
    within(|| (server.metric("causeway_requests_in_flight") == Some(1.0)).then_some(()));
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(read_all(&mut stream), "");
    assert!(place.read("stderr").contains("requests were cut off"));
}

#[test]
fn a_second_signal_stops_at_once() {
    let place = Place::new();
    place.write("causeway.toml", PATIENT);
    let mut server = place.serve(&["--data", "d"], &ROOT);
    let (_stream, _) = slow_put(&server);
    server.signal(Signal::TERM);
    within(|| (server.ask_admin("/-/health/ready").0 == 503).then_some(()));
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(1));
    assert!(place.read("stderr").contains("stopped at once by a second signal"));
}
