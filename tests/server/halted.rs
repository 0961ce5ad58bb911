//! Clients that stop in the middle of a request, over HTTP/1.1, HTTP/2 and TLS; and documents of clients
//! without the right to send them.

use super::{
    h2::{Client, DATA, HEADERS},
    process::{Place, Running, read_all, within},
    support::{Who, raw::Raw},
    tls,
};
use rustix::process::Signal;
use std::{
    io::{Read, Write},
    net::TcpStream,
};

const ROOT: [(&str, &str); 2] = [("MINIO_ROOT_USER", "root-user"), ("MINIO_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn serve(place: &Place, settings: &str) -> Running {
    place.write("causeway.toml", &format!("[server]\n{settings}\n"));
    place.serve(&["--data", "d"], &ROOT)
}

/// A bucket that anyone may write, and one that only its owner may.
fn buckets(server: &Running) -> Raw {
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/public", "").header("x-amz-acl", "public-read-write").send().status, 200);
    assert_eq!(raw.put("/private", "").send().status, 200);
    raw
}

fn in_flight(server: &Running, count: usize) {
    within(|| (server.metric("causeway_requests_in_flight") == Some(count as f64)).then_some(()));
}

fn stops_over_http1(mut stream: impl Read + Write) {
    stream
        .write_all(b"PUT /public/key HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nonly this")
        .expect("sent");
    let reply = read_all(&mut stream);
    assert!(reply.starts_with("HTTP/1.1 400 ") && reply.contains("<Code>RequestTimeout</Code>"), "{reply}");
}

fn stops_over_http2<S: Read + Write>(stream: S, secure: bool) {
    let mut client = Client::begin(stream, secure, 65_535);
    client.request(1, "PUT", "/public/key", Some(1000));
    client.request(3, "PUT", "/public/other", Some(5));
    client.body(3, b"whole");
    client.until(HEADERS, 3);
    let (_, document) = client.until(DATA, 1);
    let document = String::from_utf8_lossy(&document);
    assert!(document.contains("<Code>RequestTimeout</Code>"), "{document}");
    client.request(5, "GET", "/public/other", None);
    client.until(HEADERS, 5);
}

#[test]
fn a_body_that_stops_coming_is_given_up_over_http1_http2_and_tls() {
    let place = Place::new();
    let certificate = tls::certify(&place);
    let server = serve(&place, "body_timeout = '300ms'\nidle_timeout = '10m'");
    let raw = buckets(&server);
    stops_over_http1(server.connect());
    stops_over_http2(server.connect(), false);
    in_flight(&server, 0);
    assert_eq!(raw.get("/public/key").send().status, 404, "nothing of it became an object");
    drop(server);
    let server =
        serve(&place, "body_timeout = '300ms'\nidle_timeout = '10m'\ntls_cert = 'c.pem'\ntls_key = 'k.pem'");
    stops_over_http1(tls::connect(&server, &certificate, &["http/1.1"]).expect("TLS"));
    stops_over_http2(tls::connect(&server, &certificate, &["h2"]).expect("TLS"), true);
    in_flight(&server, 0);
}

#[test]
fn a_tls_handshake_that_does_not_go_on_is_cut_off() {
    let place = Place::new();
    let certificate = tls::certify(&place);
    let server = serve(
        &place,
        "header_timeout = '300ms'\nidle_timeout = '10m'\ntls_cert = 'c.pem'\ntls_key = 'k.pem'",
    );
    // The head of a record that announces more bytes than follow.
    for begun in [&b""[..], b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut stream = server.connect();
        stream.write_all(begun).expect("sent");
        assert_eq!(read_all(&mut stream), "");
    }
    within(|| (server.metric("causeway_connections") == Some(0.0)).then_some(()));
    assert!(tls::connect(&server, &certificate, &[]).is_ok());
}

#[test]
fn idle_connections_give_way_over_tls_and_http2_too() {
    let place = Place::new();
    let certificate = tls::certify(&place);
    let settings =
        "max_connections = 3\nmax_connections_per_address = 10\nidle_timeout = '10m'\nheader_timeout = '10m'";
    let server = serve(&place, &format!("{settings}\ntls_cert = 'c.pem'\ntls_key = 'k.pem'"));
    let mut unsaid = server.connect();
    let mut silent = tls::connect(&server, &certificate, &["http/1.1"]).expect("TLS");
    let mut known = Client::begin(tls::connect(&server, &certificate, &["h2"]).expect("TLS"), true, 65_535);
    known.request(1, "GET", "/", None);
    known.until(HEADERS, 1);
    let newcomers: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = tls::connect(&server, &certificate, &["http/1.1"]).expect("it has a place");
            stream.write_all(GET).expect("sent");
            let mut reply = [0; 12];
            stream.read_exact(&mut reply).expect("a reply");
            assert_eq!(&reply, b"HTTP/1.1 403");
            stream
        })
        .collect();
    assert_eq!((read_all(&mut unsaid), read_all(&mut silent)), (String::new(), String::new()));
    known.until_the_end();
    drop(newcomers);
}

/// Sends the beginning of a request that never continues, and stops the server.
fn begins_and_stops(place: &Place, settings: &str, begun: &[u8]) {
    let settings = format!("header_timeout = '10m'\nidle_timeout = '10m'\ndrain_timeout = '12s'\n{settings}");
    let mut server = serve(place, &settings);
    let mut stream = server.connect();
    stream.write_all(begun).expect("sent");
    within(|| (server.metric("causeway_connections") == Some(1.0)).then_some(()));
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(!place.read("stderr").contains("requests were cut off"), "{}", place.read("stderr"));
}

#[test]
fn stopping_does_not_wait_for_heads_and_handshakes_that_do_not_end() {
    let place = Place::new();
    begins_and_stops(&place, "", b"GET / HT");
    tls::certify(&place);
    begins_and_stops(&place, "tls_cert = 'c.pem'\ntls_key = 'k.pem'", b"\x16\x03\x01\x02\x00\x01");
}

/// Waits until so many requests are in progress, stops the server and checks its exit.
fn stops_in_order(mut server: Running, place: &Place, in_work: usize) {
    in_flight(&server, in_work);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(!place.read("stderr").contains("requests were cut off"), "{}", place.read("stderr"));
}

#[test]
fn stopping_does_not_wait_for_bodies_that_do_not_come() {
    let settings = "body_timeout = '10m'\nidle_timeout = '10m'\ndrain_timeout = '30s'";
    for document in [false, true] {
        let place = Place::new();
        let server = serve(&place, settings);
        buckets(&server);
        let mut stream = server.connect();
        let head = if document {
            "POST /public?delete HTTP/1.1\r\ncontent-md5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\n"
        } else {
            "PUT /public/key HTTP/1.1\r\n"
        };
        write!(stream, "{head}host: localhost\r\ncontent-length: 1000\r\n\r\n<Delete>").expect("sent");
        stops_in_order(server, &place, 1);
        let reply = read_all(&mut stream);
        assert!(
            reply.starts_with("HTTP/1.1 400 ") && reply.contains("<Code>RequestTimeout</Code>"),
            "{reply}"
        );
    }
}

#[test]
fn stopping_does_not_wait_for_bodies_that_do_not_come_over_http2_and_tls() {
    let settings = "body_timeout = '10m'\nidle_timeout = '10m'\ndrain_timeout = '30s'";
    let place = Place::new();
    let certificate = tls::certify(&place);
    let server = serve(&place, settings);
    buckets(&server);
    let mut client = Client::begin(server.connect(), false, 65_535);
    client.request(1, "PUT", "/public/key", Some(1000));
    stops_in_order(server, &place, 1);
    let server = serve(&place, &format!("{settings}\ntls_cert = 'c.pem'\ntls_key = 'k.pem'"));
    let mut client = Client::begin(tls::connect(&server, &certificate, &["h2"]).expect("TLS"), true, 65_535);
    client.request(1, "PUT", "/public/key", Some(1000));
    stops_in_order(server, &place, 1);
}

#[test]
fn no_document_is_read_for_whoever_may_not_send_it() {
    let place = Place::new();
    let server = serve(&place, "body_timeout = '10m'");
    let raw = buckets(&server);
    assert_eq!(raw.put("/private/key", "value").send().status, 200);
    let upload = raw.post("/private/key?uploads", "").send().element("UploadId").expect("an upload");
    let complete = format!("/private/key?uploadId={upload}");
    for (method, target) in [
        ("POST", "/private?delete"),
        ("POST", &complete),
        ("PUT", "/private?acl"),
        ("PUT", "/private/key?acl"),
        ("PUT", "/private/key?tagging"),
        ("PUT", "/another"),
    ] {
        let mut stream = server.connect();
        let head = "host: x\r\ncontent-md5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\ncontent-length: 8388608\r\nconnection: close";
        stream.write_all(format!("{method} {target} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).expect("sent");
        let reply = read_all(&mut stream);
        assert!(
            reply.starts_with("HTTP/1.1 403 ") && reply.contains("<Code>AccessDenied</Code>"),
            "{method} {target}: {reply}"
        );
    }
    in_flight(&server, 0);
}

#[test]
fn what_is_told_of_many_keys_is_in_work_until_it_is_taken() {
    let place = Place::new();
    let server = serve(&place, "idle_timeout = '10m'");
    let raw = buckets(&server);
    // Each quote takes six bytes of the reply.
    let object = |n: usize| format!("<Object><Key>{n:04}{}</Key></Object>", "\"".repeat(1020));
    let document = format!("<Delete>{}</Delete>", (0..1000).map(object).collect::<String>());
    let mut stream = TcpStream::connect(server.s3).expect("a connection");
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4096).expect("a small buffer");
    stream.write_all(&raw.post("/public?delete", document).wire()).expect("sent");
    let mut reply = [0; 12];
    stream.read_exact(&mut reply).expect("it begins");
    assert_eq!(&reply, b"HTTP/1.1 200");
    in_flight(&server, 1);
    drop(stream);
    in_flight(&server, 0);
}
