//! What a connection costs that has nothing to do.

use super::{
    process::{Place, within},
    support::{Who, raw::Raw},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

const ROOT: [(&str, &str); 2] = [("MINIO_ROOT_USER", "root-user"), ("MINIO_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };
const CONNECTIONS: usize = 2_000;
/// An unoptimized build was seen to need 4 to 9 KiB; before connections rested, 38.
const MOST_KIB: f64 = 24.0;
const GET: &[u8] = b"GET /bucket/key HTTP/1.1\r\nhost: x\r\n\r\n";

fn ask(stream: &mut TcpStream) {
    stream.write_all(GET).expect("sent");
    let mut reply = [0; 4096];
    let read = stream.read(&mut reply).expect("a reply");
    assert!(reply[..read].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&reply[..read]));
}

#[test]
fn idle_connections_take_little_memory_and_carry_further_requests() {
    let place = Place::new();
    let settings =
        "[server]\nmax_connections = 5000\nmax_connections_per_address = 5000\nidle_timeout = '10m'\n";
    place.write("causeway.toml", settings);
    let server = place.serve(&["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    assert_eq!(raw.put("/bucket/key", "value").header("x-amz-acl", "public-read").send().status, 200);
    // What the first requests allocate is not the connections'.
    let mut held: Vec<_> = (0..100).map(|_| server.connect()).collect();
    held.iter_mut().for_each(ask);
    let resident = || server.metric("process_resident_memory_bytes").expect("a metric");
    let before = resident();
    for _ in 0..CONNECTIONS {
        let mut stream = server.connect();
        ask(&mut stream);
        held.push(stream);
    }
    // A connection that has been idle for a while gives its buffers back.
    within(|| ((resident() - before) / 1024.0 / CONNECTIONS as f64 <= MOST_KIB).then_some(()));
    held.iter_mut().for_each(ask);
}
