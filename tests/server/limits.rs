//! Clients that ask for too much, or send nothing.

use super::{
    process::{Place, Running, read_all, within},
    support::{Who, raw::Raw},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

const ROOT: [(&str, &str); 2] = [("MINIO_ROOT_USER", "root-user"), ("MINIO_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };

fn serve(place: &Place, limits: &str) -> Running {
    place.write("causeway.toml", &format!("[server]\n{limits}\n"));
    place.serve(&["--data", "d"], &ROOT)
}

/// The request without `connection: close`.
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// The reply to one request on a connection that stays open.
fn ask(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).expect("sent");
    let mut reply = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&reply).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        let n = stream.read(&mut buffer).expect("a reply");
        assert!(n > 0, "the connection ended after {text:?}");
        reply.extend_from_slice(&buffer[..n]);
    }
}

/// Sends the head of a PUT, and returns the connection with the body to send.
fn slow_put(server: &Running, target: &str, size: usize) -> (TcpStream, Vec<u8>) {
    let raw = Raw::new(server.s3, WHO);
    let wire = raw.put(target, vec![b'x'; size]).unsigned_payload().wire();
    let (head, body) = wire.split_at(wire.len() - size);
    let mut stream = server.connect();
    stream.write_all(head).expect("sent");
    (stream, body.to_vec())
}

#[test]
fn a_head_that_never_ends_is_cut_off() {
    let place = Place::new();
    let server = serve(&place, "header_timeout = '300ms'\nidle_timeout = '10m'");
    let begun = Instant::now();
    let mut stream = server.connect();
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    stream.write_all(b"GET / HTTP/1.1\r\n").expect("sent");
    // The client sends one header line every 20 ms, forever.
    let mut buffer = [0; 64];
    within(|| match stream.read(&mut buffer) {
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
        {
            stream.write_all(b"x-slow: loris\r\n").err().map(|_| ())
        }
        _ => Some(()),
    });
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_connection_without_requests_is_closed() {
    let place = Place::new();
    let server = serve(&place, "header_timeout = '10m'\nidle_timeout = '300ms'");
    let begun = Instant::now();
    let mut silent = server.connect();
    assert_eq!(read_all(&mut silent), "");
    let mut idle = server.connect();
    assert!(ask(&mut idle, GET).starts_with("HTTP/1.1 403 "));
    assert!(ask(&mut idle, GET).starts_with("HTTP/1.1 403 "), "kept alive until then");
    assert_eq!(read_all(&mut idle), "");
    assert!(begun.elapsed() < Duration::from_secs(30), "by the server, not by our own timeout");
}

#[test]
fn a_client_that_does_not_take_its_reply_is_given_up() {
    let place = Place::new();
    let server = serve(&place, "idle_timeout = '300ms'");
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    assert_eq!(raw.put("/bucket/large", vec![b'x'; 16 << 20]).unsigned_payload().send().status, 200);
    let mut stream = server.connect();
    stream.write_all(&raw.get("/bucket/large").wire()).expect("sent");
    within(|| (server.metric("causeway_requests_in_flight") == Some(1.0)).then_some(()));
    within(|| (server.metric("causeway_requests_in_flight") == Some(0.0)).then_some(()));
    within(|| (server.metric("causeway_connections") == Some(0.0)).then_some(()));
    assert!(read_all(&mut stream).len() < 16 << 20, "the reply was cut short");
}

#[test]
fn a_slow_client_that_goes_on_is_served_beyond_every_timeout() {
    let place = Place::new();
    let server = serve(&place, "idle_timeout = '400ms'\nheader_timeout = '400ms'");
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    let (mut stream, body) = slow_put(&server, "/bucket/slow", 20);
    for byte in body {
        stream.write_all(&[byte]).expect("taken");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(read_all(&mut stream).starts_with("HTTP/1.1 200 "));
}

#[test]
fn heads_that_are_too_large_are_refused() {
    let place = Place::new();
    let server = serve(&place, "max_header_size = '16KiB'");
    let status = |head: String| {
        let mut stream = server.connect();
        // The server may refuse before it has read everything.
        let _ = stream.write_all(head.as_bytes());
        read_all(&mut stream).split(' ').nth(1).map(str::to_owned)
    };
    let large = |size: usize| {
        format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-large: {}\r\n\r\n", "x".repeat(size))
    };
    let many = |count: usize| {
        format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}\r\n", "a: b\r\n".repeat(count))
    };
    assert_eq!(status(large(8 << 10)).as_deref(), Some("403"));
    assert_eq!(status(large(20 << 10)).as_deref(), Some("431"));
    assert_eq!(status(many(100)).as_deref(), Some("403"));
    assert_eq!(status(many(300)).as_deref(), Some("431"));
}

#[test]
fn too_many_requests_are_told_to_slow_down() {
    let place = Place::new();
    let server = serve(&place, "max_requests = 1");
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    let (mut stream, body) = slow_put(&server, "/bucket/slow", 3);
    within(|| (server.metric("causeway_requests_in_flight") == Some(1.0)).then_some(()));
    let busy = raw.get("/").send();
    assert_eq!(busy.failure(), (503, "SlowDown".to_owned()));
    assert_eq!(busy.header("retry-after"), Some("1"));
    stream.write_all(&body).expect("taken");
    assert!(read_all(&mut stream).starts_with("HTTP/1.1 200 "));
    assert_eq!(raw.get("/").send().status, 200);
    assert_eq!(server.metric("causeway_requests_refused_busy_total"), Some(1.0));
}

#[test]
fn connections_beyond_the_limit_wait_for_a_place() {
    let place = Place::new();
    let server = serve(&place, "max_connections = 1");
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    let (first, _) = slow_put(&server, "/bucket/slow", 3);
    within(|| (server.metric("causeway_requests_in_flight") == Some(1.0)).then_some(()));
    let mut second = server.connect();
    second.write_all(GET).expect("sent");
    second.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    assert!(second.read(&mut [0; 64]).is_err(), "it is not served yet");
    drop(first);
    second.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    assert!(second.read(&mut [0; 64]).is_ok_and(|n| n > 0), "now it is");
}

#[test]
fn idle_connections_give_way_when_there_are_too_few_places() {
    let place = Place::new();
    let server = serve(
        &place,
        "max_connections = 3\nmax_connections_per_address = 10\nidle_timeout = '10m'\nheader_timeout = '10m'",
    );
    let (mut silent, mut half, mut known) = (server.connect(), server.connect(), server.connect());
    half.write_all(b"GET / HT").expect("sent");
    assert!(ask(&mut known, GET).starts_with("HTTP/1.1 403 "));
    for _ in 0..3 {
        let mut next = server.connect();
        assert!(ask(&mut next, GET).starts_with("HTTP/1.1 403 "), "it has a place");
    }
    assert_eq!((read_all(&mut silent), read_all(&mut half)), (String::new(), String::new()));
    drop(known);
}

#[test]
fn garbage_is_survived() {
    let place = Place::new();
    let server = serve(&place, "header_timeout = '500ms'");
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut noise = |length: usize| -> Vec<u8> {
        let next = |_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 56) as u8
        };
        (0..length).map(next).collect()
    };
    let mut all = vec![
        b"\0\0\0\0".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET http://[::1/ HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"GET /%zz%00%ff HTTP/1.1\r\nhost: \xff\r\nconnection: close\r\n\r\n".to_vec(),
        b"PUT /a/b HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec(),
        b"PUT /a/b HTTP/1.1\r\nhost: x\r\ncontent-length: 18446744073709551616\r\n\r\n".to_vec(),
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec(),
        b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\nconnection: close\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), noise(200)].concat(),
    ];
    all.extend((0..20).map(|n| noise(1 << (n % 10))));
    for bytes in all {
        let mut stream = server.connect();
        // The server may close the connection in the middle.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        read_all(&mut stream);
    }
    assert!(ask(&mut server.connect(), GET).starts_with("HTTP/1.1 403 "));
    assert_eq!(server.metric("causeway_panics_total"), Some(0.0));
    assert!(!place.read("stderr").contains("panicked"), "{}", place.read("stderr"));
}

#[test]
fn a_request_whose_body_was_read_leaves_its_connection_open() {
    let place = Place::new();
    let server = serve(&place, "");
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    let wire = String::from_utf8(raw.put("/bucket/key", "value").wire())
        .expect("UTF-8")
        .replace("connection: close\r\n", "");
    let mut stream = server.connect();
    for _ in 0..2 {
        let reply = ask(&mut stream, wire.as_bytes());
        assert!(reply.starts_with("HTTP/1.1 200 ") && !reply.contains("connection: close"), "{reply}");
    }
}
