//! Objects in files of this machine, which the kernel sends by itself on plain connections of HTTP/1.1.

use super::{
    process::{Place, Running},
    support::{Who, raw::Raw},
    tls,
};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };
/// More than the system keeps of a reply that is not read.
const LARGE: usize = 48 << 20;

/// Bytes that tell where in the object they are.
fn content(length: usize, seed: u32) -> Vec<u8> {
    (0..length as u32 / 4 + 1).flat_map(|at| (at ^ seed).to_le_bytes()).take(length).collect()
}

fn serve(place: &Place) -> (Running, Raw) {
    let server = place.serve(&["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    (server, raw)
}

/// The request on a connection that stays.
fn kept(wire: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(wire).expect("text");
    assert!(text.contains("connection: close\r\n"));
    text.replace("connection: close\r\n", "").into_bytes()
}

/// Reads one reply, and returns its status and its body.
fn reply(stream: &mut impl Read) -> (u16, Vec<u8>) {
    let (status, length) = head(stream);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("the whole body");
    (status, body)
}

/// Reads the head of a reply, and returns its status and the length of the body.
fn head(stream: &mut impl Read) -> (u16, usize) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    (head[9..12].parse().expect("a status"), length.parse().expect("a number"))
}

/// Begins to read the large object, and returns the connection and the first bytes.
fn begin(server: &Running, raw: &Raw) -> (TcpStream, Vec<u8>) {
    let mut stream = server.connect();
    stream.write_all(&raw.get("/bucket/key").wire()).expect("sent");
    assert_eq!(head(&mut stream), (200, LARGE));
    let mut first = vec![0; 1000];
    stream.read_exact(&mut first).expect("a beginning");
    (stream, first)
}

#[test]
fn objects_and_ranges_of_any_length_arrive_on_one_connection_whether_or_not_replies_are_awaited() {
    let place = Place::new();
    let (server, raw) = serve(&place);
    let lengths = [1, 16 << 10, (16 << 10) + 1, 128 << 10, (1 << 20) - 1, (1 << 20) + 1, (3 << 20) + 5];
    let mut stream = server.connect();
    for length in lengths {
        let whole = content(length, 7);
        assert_eq!(raw.put(format!("/bucket/{length}"), &whole).send().status, 200);
        let last = length - 1;
        let ranges = [(0, last), (0, 0), (last, last), (length / 3, last), (length / 3, length / 2)];
        let requests: Vec<u8> = ranges
            .iter()
            .flat_map(|(from, to)| {
                let range = format!("bytes={from}-{to}");
                kept(raw.get(format!("/bucket/{length}")).header("range", range).wire())
            })
            .collect();
        let mut sent = stream.try_clone().expect("a handle");
        std::thread::scope(|scope| {
            scope.spawn(move || sent.write_all(&requests).expect("sent"));
            for (from, to) in ranges {
                let (status, body) = reply(&mut stream);
                assert_eq!(status, 206);
                assert!(body == whole[from..=to], "{length}: {from} to {to}");
            }
        });
    }
}

#[test]
fn the_same_bytes_arrive_over_tls() {
    let place = Place::new();
    let certificate = tls::certify(&place);
    let (server, raw) = serve(&place);
    let whole = content((2 << 20) + 3, 9);
    assert_eq!(raw.put("/bucket/key", &whole).send().status, 200);
    drop(server);
    place.write("causeway.toml", "[server]\ntls_cert = 'c.pem'\ntls_key = 'k.pem'\n");
    let server = place.serve(&["--data", "d"], &ROOT);
    let mut stream = tls::connect(&server, &certificate, &["http/1.1"]).expect("TLS");
    for _ in 0..2 {
        let request = kept(Raw::new(server.s3, WHO).get("/bucket/key").wire());
        stream.write_all(&request).expect("sent");
        assert!(reply(&mut stream) == (200, whole.clone()));
    }
}

#[test]
fn an_object_that_is_replaced_while_it_is_sent_arrives_as_it_was() {
    let place = Place::new();
    let (server, raw) = serve(&place);
    let (old, new) = (content(LARGE, 1), content(LARGE, 2));
    assert_eq!(raw.put("/bucket/key", &old).send().status, 200);
    let (mut stream, mut received) = begin(&server, &raw);
    assert_eq!(raw.put("/bucket/key", &new).send().status, 200);
    stream.read_to_end(&mut received).expect("the rest");
    assert!(received == old);
    assert!(raw.get("/bucket/key").send().body == new);
}

#[test]
fn a_file_that_another_program_cuts_short_ends_the_reply_before_its_length() {
    let place = Place::new();
    let (server, raw) = serve(&place);
    let whole = content(LARGE, 3);
    assert_eq!(raw.put("/bucket/key", &whole).send().status, 200);
    let (mut stream, mut received) = begin(&server, &raw);
    let file = std::fs::File::options().write(true).open(place.path("d/bucket/key")).expect("the file");
    file.set_len(LARGE as u64 / 2).expect("cut");
    // The connection may be reset: what came before counts.
    let _ = stream.read_to_end(&mut received);
    assert!(received.len() <= LARGE / 2, "{}", received.len());
    assert!(whole.starts_with(&received), "only bytes of the object were sent");
    assert_eq!(raw.put("/bucket/other", "bytes").send().status, 200, "the server serves on");
}

#[test]
fn a_client_that_leaves_in_the_middle_costs_other_requests_nothing() {
    let place = Place::new();
    let (server, raw) = serve(&place);
    let whole = content(LARGE, 4);
    assert_eq!(raw.put("/bucket/key", &whole).send().status, 200);
    for _ in 0..20 {
        drop(begin(&server, &raw));
    }
    assert!(raw.get("/bucket/key").send().body == whole);
    super::process::within(|| (server.metric("causeway_requests_in_flight") == Some(0.0)).then_some(()));
}
