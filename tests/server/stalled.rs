//! Clients that do not read their replies, and clients that take all resources: over HTTP/1.1, HTTP/2 and
//! TLS.

use super::{
    h2::{Client, DATA, END, HEADERS, RESET},
    process::{Place, Running, read_all, within},
    support::{
        Who,
        raw::{Raw, connect_from},
    },
    tls,
};
use rustix::process::Signal;
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

const ROOT: [(&str, &str); 2] = [("MINIO_ROOT_USER", "root-user"), ("MINIO_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };
/// More than the buffers of sockets hold.
const LARGE: usize = 16 << 20;

fn serve(place: &Place, settings: &str) -> Running {
    place.write("causeway.toml", &format!("[server]\n{settings}\n"));
    place.serve(&["--data", "d"], &ROOT)
}

/// A bucket that anyone may read and write, with a large object in it.
fn public(server: &Running) -> Raw {
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").header("x-amz-acl", "public-read-write").send().status, 200);
    let large =
        raw.put("/bucket/large", vec![b'x'; LARGE]).header("x-amz-acl", "public-read").unsigned_payload();
    assert_eq!(large.send().status, 200);
    raw
}

fn in_flight(server: &Running, count: usize) {
    within(|| (server.metric("causeway_requests_in_flight") == Some(count as f64)).then_some(()));
}

/// A stream of a connection is reset because the client does not read its reply; another stream, whose
/// request takes long, continues.
fn one_stream_ends<S: Read + Write>(server: &Running, stream: S, secure: bool, window: u32) {
    let mut client = Client::begin(stream, secure, window);
    client.request(1, "PUT", "/bucket/slow", Some(4));
    client.request(3, "GET", "/bucket/large", None);
    let (_, reason) = client.until(RESET, 3);
    assert_eq!(reason, 8_u32.to_be_bytes(), "CANCEL");
    in_flight(server, 1);
    client.body(1, b"slow");
    client.until(HEADERS, 1);
    in_flight(server, 0);
}

#[test]
fn a_reply_behind_a_closed_window_ends_and_its_connection_goes_on() {
    let place = Place::new();
    let server = serve(&place, "idle_timeout = '300ms'");
    public(&server);
    for window in [0, 1, 100_000] {
        one_stream_ends(&server, server.connect(), false, window);
    }
}

#[test]
fn a_reply_over_tls_behind_a_closed_window_ends_and_its_connection_goes_on() {
    let place = Place::new();
    let certificate = tls::certify(&place);
    // A server without TLS creates the object.
    public(&serve(&place, ""));
    let server = serve(&place, "idle_timeout = '300ms'\ntls_cert = 'c.pem'\ntls_key = 'k.pem'");
    let stream = tls::connect(&server, &certificate, &["h2"]).expect("TLS");
    one_stream_ends(&server, stream, true, 0);
}

#[test]
fn over_tls_and_http1_a_client_that_does_not_take_its_reply_is_given_up() {
    let place = Place::new();
    let certificate = tls::certify(&place);
    public(&serve(&place, ""));
    let server = serve(&place, "idle_timeout = '300ms'\ntls_cert = 'c.pem'\ntls_key = 'k.pem'");
    let mut stream = tls::connect(&server, &certificate, &["http/1.1"]).expect("TLS");
    stream.write_all(b"GET /bucket/large HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("sent");
    in_flight(&server, 1);
    in_flight(&server, 0);
    within(|| (server.metric("causeway_connections") == Some(0.0)).then_some(()));
}

#[test]
fn a_connection_ends_when_what_is_queued_for_a_stream_stays() {
    let place = Place::new();
    let server = serve(&place, "idle_timeout = '300ms'");
    let mut client = Client::begin(server.connect(), false, 1);
    // A refusal is short enough to be queued with its end of stream.
    client.request(1, "GET", "/", None);
    client.until(HEADERS, 1);
    client.until_the_end();
    in_flight(&server, 0);
}

#[test]
fn replies_that_nobody_takes_keep_nobody_else_out() {
    let place = Place::new();
    let server = serve(&place, "idle_timeout = '10m'\nmax_requests = 8\nbody_memory = '1MiB'");
    let raw = public(&server);
    let mut held: Vec<_> = (0..4).map(|_| Client::begin(server.connect(), false, 0)).collect();
    for client in &mut held {
        for stream in 0..50 {
            client.request(2 * stream + 1, "GET", "/", None);
        }
        for stream in 0..50 {
            client.until(HEADERS, 2 * stream + 1);
        }
    }
    for client in &mut held {
        for stream in 50..60 {
            client.request(2 * stream + 1, "GET", "/bucket/large", None);
        }
    }
    in_flight(&server, 240);
    assert_eq!(raw.get("/bucket").from([127, 0, 0, 2].into()).send().status, 200);
    assert_eq!(raw.get("/bucket/large").from([127, 0, 0, 2].into()).send().body.len(), LARGE);
}

/// Reads a piece of a reply now and then, until the test reports that others were served, and then the rest.
/// Returns the number of bytes.
fn takes_slowly(mut client: Client<TcpStream>, others: &Receiver<()>) -> usize {
    let (mut taken, mut allowed) = (0, 0);
    let mut is_waiting = true;
    while taken < LARGE {
        is_waiting = is_waiting
            && matches!(others.recv_timeout(Duration::from_millis(20)), Err(RecvTimeoutError::Timeout));
        if taken == allowed {
            client.allow(1, 16 << 10);
            allowed += 16 << 10;
        }
        taken += client.until(DATA, 1).1.len();
    }
    taken
}

/// Two of the addresses use HTTP/1.1, the others HTTP/2.
#[test]
fn replies_at_many_addresses_that_nobody_takes_give_way_to_others() {
    let place = Place::new();
    let server = serve(&place, "idle_timeout = '10m'\nbody_memory = '8MiB'");
    let raw = public(&server);
    let from = |last: u8| connect_from([127, 0, 0, last].into(), server.s3);
    let mut slow = Client::begin(from(2), false, 0);
    slow.request(1, "GET", "/bucket/large", None);
    slow.until(HEADERS, 1);
    let mut plain: Vec<_> = (0..4)
        .map(|n| {
            let mut stream = from(3 + n % 2);
            stream
                .write_all(b"GET /bucket/large HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                .expect("sent");
            stream.read_exact(&mut [0; 12]).expect("it begins");
            stream
        })
        .collect();
    let mut held: Vec<_> = (5..15).map(|last| Client::begin(from(last), false, 0)).collect();
    for client in &mut held {
        for stream in 0..20 {
            client.request(2 * stream + 1, "GET", "/bucket/large", None);
        }
    }
    // Some of the requests may have been ended already.
    within(|| server.metric("causeway_requests_in_flight").filter(|count| *count >= 100.0));
    let (done, others) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let slow = scope.spawn(move || takes_slowly(slow, &others));
        let other = [127, 0, 0, 99].into();
        for _ in 0..3 {
            assert_eq!(raw.get("/bucket/large").from(other).send().body.len(), LARGE);
            assert_eq!(
                raw.put("/bucket/new", vec![b'x'; 1 << 20]).unsigned_payload().from(other).send().status,
                200
            );
            let document = "<Delete><Object><Key>new</Key></Object></Delete>";
            assert_eq!(raw.post("/bucket?delete", document).from(other).send().status, 200);
        }
        let _ = done.send(());
        assert_eq!(slow.join().expect("it gets on"), LARGE, "whoever takes something keeps its reply");
    });
    drop(held);
    let sent = plain.iter_mut().map(|stream| std::io::copy(stream, &mut std::io::sink()).unwrap_or(0));
    assert!(
        sent.filter(|sent| *sent < LARGE as u64).count() > 0,
        "those of HTTP/1.1 had made no progress for longest"
    );
}

#[test]
fn stopping_does_not_wait_for_replies_that_nobody_takes() {
    let place = Place::new();
    let mut server = serve(&place, "idle_timeout = '10m'\ndrain_timeout = '30s'");
    public(&server);
    let mut client = Client::begin(server.connect(), false, 0);
    client.request(1, "GET", "/bucket/large", None);
    client.until(HEADERS, 1);
    let mut plain = server.connect();
    plain.write_all(b"GET /bucket/large HTTP/1.1\r\nhost: localhost\r\n\r\n").expect("sent");
    in_flight(&server, 2);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(!place.read("stderr").contains("requests were cut off"), "{}", place.read("stderr"));
}

#[test]
fn stopping_does_not_wait_for_streams_that_wait_for_others() {
    let place = Place::new();
    let mut server = serve(&place, "idle_timeout = '10m'\ndrain_timeout = '30s'\nbody_memory = '1MiB'");
    public(&server);
    let mut client = Client::begin(server.connect(), false, 0);
    for stream in 0..50 {
        client.request(2 * stream + 1, "GET", "/bucket/large", None);
    }
    in_flight(&server, 50);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(!place.read("stderr").contains("requests were cut off"), "{}", place.read("stderr"));
}

#[test]
fn streams_beyond_their_number_are_refused_before_anything_of_them_is_done() {
    let place = Place::new();
    // The memory suffices for all requests; otherwise, some would be ended for others.
    let server = serve(&place, "idle_timeout = '10m'\nbody_memory = '4GiB'");
    let raw = public(&server);
    let mut held: Vec<_> = (0..32).map(|_| Client::begin(server.connect(), false, 0)).collect();
    for client in &mut held {
        for stream in 0..128 {
            client.request(2 * stream + 1, "GET", "/", None);
        }
    }
    in_flight(&server, 4096);
    let mut client = Client::begin(server.connect(), false, 0);
    client.request(1, "DELETE", "/bucket/large", None);
    let (_, reason) = client.until(RESET, 1);
    assert_eq!(reason, 7_u32.to_be_bytes(), "REFUSED_STREAM: it may be sent again");
    assert_eq!(raw.get("/bucket/large").send().status, 200, "over HTTP/1.1, from the same address");
    let mut other = Client::begin(connect_from([127, 0, 0, 2].into(), server.s3), false, 65_535);
    other.request(1, "GET", "/", None);
    other.until(HEADERS, 1);
}

#[test]
fn streams_of_one_connection_share_its_place_and_wait_for_it() {
    let place = Place::new();
    let server = serve(&place, "max_requests = 1\nbody_memory = '64KiB'");
    public(&server);
    let mut client = Client::begin(server.connect(), false, 65_535);
    let streams: Vec<u32> = (0..50).map(|n| 2 * n + 1).collect();
    for stream in &streams {
        client.request(*stream, "PUT", &format!("/bucket/{stream}"), Some(1000));
    }
    in_flight(&server, 50);
    let mut second = Client::begin(server.connect(), false, 65_535);
    second.request(1, "GET", "/bucket/large", None);
    for stream in &streams {
        client.body(*stream, &[b'x'; 1000]);
    }
    for stream in &streams {
        // An error would have a body.
        assert_eq!(client.until(HEADERS, *stream).0 & END, END, "stream {stream}");
    }
    drop(client);
    let (_, body) = second.until(DATA, 1);
    assert!(body.iter().all(|byte| *byte == b'x'), "it has had its turn");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_streams_of_many_connections_are_served_with_little_memory() {
    use http_body_util::Full;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let place = Place::new();
    let server = serve(&place, "max_requests = 8\nbody_memory = '1MiB'");
    public(&server);
    let body = bytes::Bytes::from(vec![b'x'; 128 << 10]);
    let mut all = Vec::new();
    for connection in 0..4 {
        let stream = tokio::net::TcpStream::connect(server.s3).await.expect("a connection");
        let (sender, driver) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("HTTP/2");
        tokio::spawn(driver);
        for stream in 0..200 {
            let (mut sender, body) = (sender.clone(), body.clone());
            all.push(tokio::spawn(async move {
                let uri = format!("http://localhost/bucket/{connection}/{stream}");
                let request = http::Request::put(uri).body(Full::new(body)).expect("a request");
                sender.ready().await.expect("a stream");
                sender.send_request(request).await.map(|reply| reply.status())
            }));
        }
    }
    for stream in all {
        assert_eq!(stream.await.expect("ends").expect("a reply"), 200);
    }
    assert_eq!(server.metric("causeway_requests_total{operation=\"PutObject\",status=\"2xx\"}"), Some(801.0));
}

#[test]
fn one_address_cannot_take_all_connections() {
    let place = Place::new();
    let server = serve(&place, "max_connections_per_address = 2");
    let get = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let held = [server.connect(), server.connect()];
    within(|| (server.metric("causeway_connections") == Some(2.0)).then_some(()));
    let mut third = server.connect();
    let _ = third.write_all(get);
    assert_eq!(read_all(&mut third), "");
    assert_eq!(server.metric("causeway_connections_refused_total"), Some(1.0));
    let mut other = connect_from([127, 0, 0, 2].into(), server.s3);
    other.write_all(get).expect("sent");
    assert!(read_all(&mut other).starts_with("HTTP/1.1 403 "));
    drop(held);
    within(|| (server.metric("causeway_connections") == Some(0.0)).then_some(()));
    let mut again = server.connect();
    again.write_all(get).expect("sent");
    assert!(read_all(&mut again).starts_with("HTTP/1.1 403 "));
}

/// A PUT in progress whose body has not been sent.
fn slow_put(server: &Running, key: &str, client: &str) -> TcpStream {
    let mut stream = server.connect();
    write!(
        stream,
        "PUT /bucket/{key} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: {client}\r\ncontent-length: 3\r\n\r\n"
    )
    .expect("sent");
    stream
}

#[test]
fn one_address_cannot_take_all_requests() {
    let place = Place::new();
    let server = serve(&place, "max_requests = 4");
    let raw = public(&server);
    let held: Vec<_> = (0..2).map(|n| slow_put(&server, &n.to_string(), "198.51.100.1")).collect();
    in_flight(&server, 2);
    assert_eq!(raw.get("/bucket").send().failure(), (503, "SlowDown".to_owned()));
    assert_eq!(raw.get("/bucket").from([127, 0, 0, 2].into()).send().status, 200);
    drop(held);
    in_flight(&server, 0);
    assert_eq!(raw.get("/bucket").send().status, 200);
}

#[test]
fn clients_behind_a_trusted_proxy_have_their_own_limits() {
    let place = Place::new();
    let settings =
        "max_requests_per_address = 1\nmax_connections_per_address = 1\ntrusted_proxies = '127.0.0.0/24'";
    let server = serve(&place, settings);
    let raw = public(&server);
    let get = |client: &str| raw.get("/bucket").unsigned_header("x-forwarded-for", client).send();
    let held = slow_put(&server, "slow", "203.0.113.9, 198.51.100.1");
    in_flight(&server, 1);
    assert_eq!(get("198.51.100.1").failure(), (503, "SlowDown".to_owned()));
    assert_eq!(get("198.51.100.2").status, 200);
    assert_eq!(get("198.51.100.1, 198.51.100.2").status, 200, "what a client says of itself does not count");
    drop(held);
}

#[test]
fn a_list_of_parts_is_not_read_for_an_upload_that_does_not_exist() {
    let place = Place::new();
    let server = serve(&place, "");
    let raw = public(&server);
    let wire = raw.post("/bucket/key?uploadId=nothing", vec![b' '; 8 << 20]).unsigned_payload().wire();
    let mut stream = server.connect();
    stream.write_all(&wire[..wire.len() - (8 << 20)]).expect("sent");
    let reply = read_all(&mut stream);
    assert!(reply.starts_with("HTTP/1.1 404 ") && reply.contains("<Code>NoSuchUpload</Code>"), "{reply}");
}

#[test]
fn what_a_client_sends_is_not_sent_back_at_any_length() {
    let place = Place::new();
    let server = serve(&place, "");
    let raw = public(&server);
    let document = format!("<Delete><Object><Key>{}</Key></Object></Delete>", "\"".repeat(100_000));
    let reply = raw.post("/bucket?delete", document).send();
    assert!(reply.text().contains("<Code>KeyTooLongError</Code>"), "{}", &reply.text()[..200]);
    assert!(reply.body.len() < 20_000, "{} bytes", reply.body.len());
}

#[test]
fn documents_that_never_end_take_no_more_than_their_memory() {
    let place = Place::new();
    let server = serve(&place, "body_memory = '256KiB'");
    let raw = public(&server);
    let object = format!("<Object><Key>{}</Key></Object>", "k".repeat(1000));
    let document = format!("<Delete>{}", object.repeat(900));
    let head = |length: usize| {
        format!(
            "POST /bucket?delete HTTP/1.1\r\nhost: x\r\ncontent-md5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let held: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(head(document.len() + 10).as_bytes()).expect("sent");
            // The server may refuse before it has read the whole document.
            let _ = stream.write_all(document.as_bytes());
            stream
        })
        .collect();
    within(|| {
        let refused = server.metric("causeway_requests_total{operation=\"DeleteObjects\",status=\"5xx\"}");
        refused.filter(|refused| *refused >= 7.0)
    });
    assert_eq!(raw.get("/bucket").from([127, 0, 0, 2].into()).send().status, 200);
    drop(held);
    in_flight(&server, 0);
    assert_eq!(raw.get("/bucket").send().status, 200);
}
