//! More of everything than there are descriptors for.

use super::{
    process::{Place, within},
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

/// The head of a reply, on a connection that stays open.
fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("sent");
    let mut reply = vec![0; 4096];
    let read = stream.read(&mut reply).expect("a reply");
    String::from_utf8_lossy(&reply[..read]).into_owned()
}

#[test]
fn without_descriptors_requests_are_told_to_slow_down_and_the_administrator_is_heard() {
    let place = Place::new();
    place.write("causeway.toml", "[server]\nmax_connections_per_address = 1000\n");
    let server = place.serve_with_descriptors(128, &["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").header("x-amz-acl", "public-read-write").send().status, 200);
    assert_eq!(raw.put("/bucket/key", "value").header("x-amz-acl", "public-read").send().status, 200);
    let get = "GET /bucket/key HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut open = server.connect();
    assert!(ask(&mut open, get).starts_with("HTTP/1.1 200 "));
    // Each has a connection and a file; some will find neither.
    let put = format!("PUT /bucket/slow HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n{}", "x".repeat(200_000));
    let hogs: Vec<_> = (0..100)
        .map(|_| {
            let mut hog = server.connect();
            hog.set_write_timeout(Some(Duration::from_millis(100))).expect("a timeout");
            let _ = hog.write_all(put.as_bytes());
            hog
        })
        .collect();
    // Whatever is left is taken by connections that do nothing.
    let mut silent = Vec::new();
    within(|| {
        silent.push(server.connect());
        ask(&mut open, get).starts_with("HTTP/1.1 503 ").then_some(())
    });
    for _ in 0..10 {
        assert_eq!(server.ask_admin("/-/health/live").0, 200);
    }
    drop((hogs, silent));
    within(|| ask(&mut open, get).starts_with("HTTP/1.1 200 ").then_some(()));
}
