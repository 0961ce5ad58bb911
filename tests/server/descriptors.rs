//! More buckets and connections than there are descriptors.

use super::{
    process::{Place, Running, within},
    support::{Who, raw::Raw},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

const ROOT: [(&str, &str); 2] = [("MINIO_ROOT_USER", "root-user"), ("MINIO_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };

#[test]
fn more_buckets_than_descriptors_are_served() {
    let place = Place::new();
    let server = place.serve_with_descriptors(400, &["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    for n in 0..450 {
        assert_eq!(raw.put(format!("/bucket-{n}"), "").send().status, 200, "bucket {n}");
        assert_eq!(raw.put(format!("/bucket-{n}/key"), n.to_string()).send().status, 200, "bucket {n}");
    }
    for n in 0..450 {
        assert_eq!(raw.get(format!("/bucket-{n}/key")).send().text(), n.to_string());
    }
    assert_eq!(server.ask_admin("/-/health/ready").0, 200);
}

const GET: &str = "GET /bucket/key HTTP/1.1\r\nhost: x\r\n\r\n";

/// The status of a reply, on a connection that stays open. `None` if the server closed the connection for
/// another one.
fn ask(stream: &mut TcpStream, request: &str) -> Option<String> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut reply = vec![0; 4096];
    let read = stream.read(&mut reply).ok().filter(|read| *read > 0)?;
    Some(String::from_utf8_lossy(&reply[..read]).get(9..12)?.to_owned())
}

/// Takes all descriptors, until a request on an existing connection finds none. `None` if the server closed
/// that connection because it was idle, which happens on a busy machine.
fn take_all_descriptors(server: &Running) -> Option<Vec<TcpStream>> {
    let mut before = server.connect();
    if ask(&mut before, GET)? != "200" {
        return None;
    }
    // Each request needs a connection and a file; some will get neither.
    let put = format!(
        "PUT /bucket/slow HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n{}",
        "x".repeat(200_000)
    );
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut hog = server.connect();
        hog.set_write_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let _ = hog.write_all(put.as_bytes());
        held.push(hog);
        ask(&mut before, GET)?;
    }
    // Idle connections take the descriptors that are left.
    for _ in 0..500 {
        held.push(server.connect());
        let status = ask(&mut before, GET)?;
        if status == "503" {
            return Some(held);
        }
        assert_eq!(status, "200");
    }
    panic!("descriptors are left after 600 connections")
}

#[test]
fn without_descriptors_requests_are_told_to_slow_down_and_the_administrator_is_heard() {
    let place = Place::new();
    place.write("causeway.toml", "[server]\nmax_connections_per_address = 1000\n");
    let server = place.serve_with_descriptors(128, &["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").header("x-amz-acl", "public-read-write").send().status, 200);
    assert_eq!(raw.put("/bucket/key", "value").header("x-amz-acl", "public-read").send().status, 200);
    let held = within(|| take_all_descriptors(&server));
    for _ in 0..10 {
        assert_eq!(server.ask_admin("/-/health/live").0, 200);
    }
    drop(held);
    within(|| (ask(&mut server.connect(), GET)? == "200").then_some(()));
}
