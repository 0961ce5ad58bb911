//! The listener for websites: its protocols, its place in the log, and its settings. What websites show is in
//! the tests of S3.

use super::{
    h2,
    process::{Place, Running, connect, read_all, within},
    support::{Who, raw::Raw},
    tls,
};
use std::io::Write;

const LISTENERS: &str = "[server]\nlisten = '127.0.0.1:0'\n[website]\nlisten = '127.0.0.1:0'\n";

fn get(server: &Running, host: &str) -> String {
    let mut stream = connect(server.website.expect("a listener for websites"));
    write!(stream, "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").expect("sent");
    read_all(&mut stream)
}

#[test]
fn a_website_has_the_protocols_and_the_certificate_of_s3() {
    let place = Place::new();
    let certificate = tls::certify(&place);
    place.write(
        "causeway.toml",
        &LISTENERS.replace("[website]", "tls_cert = 'c.pem'\ntls_key = 'k.pem'\n[website]"),
    );
    let server = place.serve(&["--data", "d"], &[]);
    let website = server.website.expect("a listener for websites");
    assert!(place.read("stdout").contains(&format!("websites on https://{website}\n")));
    let open =
        |protocols: &[&str]| tls::connect_over(connect(website), &certificate, protocols).expect("TLS");

    let page = h2::get_root(&mut open(&["h2"]), true, None);
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<li>Code: NoSuchBucket</li>"), "{page}");
    let mut stream = open(&["http/1.1"]);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("sent");
    let page = read_all(&mut stream);
    assert!(page.starts_with("HTTP/1.1 404 ") && page.contains("<li>BucketName: localhost</li>"), "{page}");
    // The other listener is that of S3.
    let document = h2::get_root(&mut tls::connect(&server, &certificate, &["h2"]).expect("TLS"), true, None);
    assert!(document.contains("<Code>AccessDenied</Code>"), "{document}");
}

#[test]
fn http2_is_spoken_with_prior_knowledge() {
    let place = Place::new();
    place.write("causeway.toml", LISTENERS);
    let server = place.serve(&["--data", "d"], &[]);
    let mut stream = connect(server.website.expect("a listener for websites"));
    let page = h2::get_root(&mut stream, false, Some("AWS4-HMAC-SHA256 Signature=x"));
    assert!(page.contains("<li>Code: NoSuchBucket</li>"), "{page}");
}

#[test]
fn an_index_is_shown_over_both_protocols() {
    const OWNER: Who = Who { access_key: "owner", secret_key: "owner-secret" };
    let place = Place::new();
    let identity = "[[identity]]\naccess_key = 'owner'\nsecret_key = 'owner-secret'\n";
    place.write("causeway.toml", &format!("{LISTENERS}{identity}"));
    let server = place.serve(&["--data", "d"], &[]);
    let raw = Raw::new(server.s3, OWNER);
    let website =
        "<WebsiteConfiguration><IndexDocument><Suffix>start</Suffix></IndexDocument></WebsiteConfiguration>";
    assert_eq!(raw.put("/localhost", "").send().status, 200);
    assert_eq!(raw.put("/localhost?website", website).send().status, 200);
    let index = raw.put("/localhost/start", "hello").header("x-amz-acl", "public-read");
    assert_eq!(index.send().status, 200);
    let page = get(&server, "localhost");
    assert!(page.starts_with("HTTP/1.1 200 ") && page.ends_with("\r\n\r\nhello"), "{page}");
    let mut stream = connect(server.website.expect("a listener for websites"));
    assert_eq!(h2::get_root(&mut stream, false, None), "hello");
}

#[test]
fn requests_for_pages_are_counted_and_logged_like_those_for_objects() {
    let place = Place::new();
    place.write("causeway.toml", LISTENERS);
    let server = place.serve(&["--data", "d"], &[("CAUSEWAY_LOG", "info,access=debug")]);
    assert!(get(&server, "no-such-bucket").starts_with("HTTP/1.1 404 "));
    let line = within(|| {
        let log = place.read("stderr");
        log.lines().find(|line| line.contains("no-such-bucket")).map(str::to_owned)
    });
    for part in ["GetObject", "NoSuchBucket", "404"] {
        assert!(line.contains(part), "{line}");
    }
    let (_, metrics) = server.ask_admin("/-/metrics");
    let counted = metrics.lines().any(|line| line.contains("operation=\"GetObject\",status=\"4xx\""));
    assert!(counted, "{metrics}");
}

#[test]
fn connections_for_pages_and_for_s3_have_one_limit() {
    let place = Place::new();
    let limited = LISTENERS.replace("[website]", "max_connections_per_address = 1\n[website]");
    place.write("causeway.toml", &limited);
    let server = place.serve(&["--data", "d"], &[]);
    let mut first = server.connect();
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
    let mut byte = [0];
    std::io::Read::read_exact(&mut first, &mut byte).expect("an answer");
    assert_eq!(get(&server, "localhost"), "", "the address has its connection open");
    drop(first);
    within(|| get(&server, "localhost").starts_with("HTTP/1.1 404 ").then_some(()));
}

#[test]
fn settings_of_websites_wait_for_the_next_start() {
    let place = Place::new();
    place.write("causeway.toml", LISTENERS);
    let server = place.serve(&["--data", "d"], &[]);
    place.write("causeway.toml", &format!("{LISTENERS}domain = 'web.example.com'\n"));
    server.signal(rustix::process::Signal::HUP);
    within(|| (server.metric("causeway_config_settings_waiting") == Some(1.0)).then_some(()));
    let log = place.read("stderr");
    assert!(log.contains("`website.domain` was changed: it takes effect at the next start"), "{log}");
}

#[test]
fn a_domain_is_that_of_s3_or_that_of_websites() {
    let place = Place::new();
    place.write(
        "causeway.toml",
        "[server]\ndomain = 'a.example.com'\n[website]\ndomain = ['web.example.com', 'A.example.com']\n",
    );
    let said = place.run(&["config", "check", "--config", "causeway.toml"], &[]).failed(2);
    assert!(
        said.contains("website.domain and server.domain must differ, and both have 'a.example.com'"),
        "{said}"
    );
    place.write("causeway.toml", "[website]\ndomain = 'web.example.com'\nlisten = ':8080'\n");
    let shown = place.run(&["config", "check", "--config", "causeway.toml"], &[]).succeeded();
    assert!(shown.contains("[website]\nlisten = \":8080\"\ndomain = \"web.example.com\"\n"), "{shown}");
}
