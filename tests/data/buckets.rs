//! Buckets and backends of the configuration: through a running server, and without one.

use super::{ENVIRONMENT, process::Place};
use rustix::process::Signal;

const CONFIGURATION: &str = "[server]\ndata = 'data'\n[default]\nbackend = 'disk'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n\
                             [backend.ram]\ntype = 'memory'\n[bucket.photos]\n[bucket.notes]\nbackend = 'ram'\n";

#[test]
fn without_a_server_a_command_opens_the_bucket_and_a_server_shows_what_it_wrote() {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    let run = |arguments: &[&str]| place.run(arguments, &ENVIRONMENT).succeeded();
    place.run_with_input("hello", &["put", "photos/a/b.txt", "-q"], &ENVIRONMENT).succeeded();
    assert_eq!(run(&["ls", "-r", "photos"]), "a/b.txt\n");
    assert_eq!(run(&["cat", "disk:photos/a/b.txt"]), "hello");
    let server = place.serve(&[], &ENVIRONMENT);
    assert_eq!(run(&["cat", "photos/a/b.txt"]), "hello");
    drop(server);
}

#[test]
fn with_a_server_commands_go_through_it() {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    let mut server = place.serve(&[], &ENVIRONMENT);
    let run = |arguments: &[&str]| place.run(arguments, &[]).succeeded();
    // Only the server has this memory.
    place.run_with_input("hello", &["put", "notes/a.txt", "--content-type", "text/plain"], &[]).succeeded();
    assert_eq!(run(&["cat", "notes/a.txt"]), "hello");
    assert_eq!(run(&["cat", "ram:notes/a.txt"]), "hello");
    let stat: serde_json::Value =
        serde_json::from_str(&run(&["stat", "notes/a.txt", "--json"])).expect("JSON");
    assert_eq!((&stat["content_type"], &stat["size"]), (&"text/plain".into(), &5.into()));
    // A body of more than one part.
    let long = "0123456789abcdef".repeat(3 << 20);
    place.run_with_input(&long, &["put", "photos/long", "-q"], &[]).succeeded();
    assert_eq!(run(&["size", "photos"]), format!("objects  1\nbytes    {}\n", long.len()));
    assert_eq!(run(&["cat", "photos/long", "--offset", "50331640"]), "89abcdef");
    run(&["touch", "photos/long", "-q"]);
    run(&["rm", "-r", "--force", "photos", "-q"]);
    assert_eq!(run(&["ls", "photos"]), "");
    let said = place.run(&["ls", "disk:elsewhere"], &[]).failed(3);
    assert!(said.contains("causeway bucket adopt"), "{said}");
    server.signal(Signal::TERM);
    assert!(server.wait().success());
}

#[test]
fn with_tls_commands_need_no_certificate() {
    let place = Place::new();
    let made = rcgen::generate_simple_self_signed(["s3.example.com".to_owned()]).expect("a certificate");
    place.write("c.pem", &made.cert.pem()).write("k.pem", &made.signing_key.serialize_pem());
    place.write(
        "causeway.toml",
        "[server]\ndata = 'data'\ntls_cert = 'c.pem'\ntls_key = 'k.pem'\n[bucket.photos]\n",
    );
    let _server = place.serve(&[], &ENVIRONMENT);
    place.run_with_input("hello", &["put", "photos/a", "-q"], &[]).succeeded();
    assert_eq!(place.run(&["cat", "photos/a"], &[]).succeeded(), "hello");
}

#[test]
fn a_link_reads_an_object_without_credentials() {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    let server = place.serve(&[], &ENVIRONMENT);
    place.run_with_input("hello", &["put", "photos/a b", "-q"], &[]).succeeded();
    let link = place.run(&["link", "photos/a b", "--expires", "15m"], &[]).succeeded();
    let (_, target) = link.trim().split_once(&server.s3.to_string()).expect("the server's address");
    let mut stream = server.connect();
    let request = format!("GET {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", server.s3);
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("sent");
    let reply = super::process::read_all(&mut stream);
    assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("hello"), "{reply}");
    let other = place.run(&["link", "photos/a b", "--endpoint", "https://s3.example.com"], &[]).succeeded();
    assert!(other.starts_with("https://s3.example.com/photos/a%20b?"), "{other}");
    let said = place.run(&["link", "./causeway.toml"], &[]).failed(2);
    assert!(said.contains("has no links"), "{said}");
    let said = place.run(&["link", "photos/a b", "--expires", "8d"], &[]).failed(2);
    assert!(said.contains("seven days"), "{said}");
}
