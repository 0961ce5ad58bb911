//! The proxy: what it forwards, and how it fails.

use crate::{
    gcs_objects::Gcs,
    proxy::{Direction, Proxy},
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// A connection to `address` whose reads time out.
fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream
}

fn rest(mut stream: TcpStream) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return all,
            Ok(n) => all.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return all,
            Err(error) => panic!("{error}"),
        }
    }
}

fn get(gcs: &Gcs, key: &str, connection: &str) -> String {
    let token = gcs.fake.token();
    format!(
        "GET /bucket/{key} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: {connection}\r\n\r\n"
    )
}

#[test]
fn requests_pass_and_are_counted_on_a_connection_that_is_kept() {
    let gcs = Gcs::start();
    let proxy = Proxy::to(gcs.fake.address());
    let token = gcs.fake.token();
    let chunked =
        "transfer-encoding: chunked\r\n\r\n5;x=y\r\nGET /\r\n3\r\n\r\n\r\r\n0\r\ntrailer: x\r\n\r\n";
    let put = format!("PUT /bucket/key HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{chunked}");
    let sized = format!(
        "PUT /bucket/two HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 12\r\n\r\nGET / HTTP\r\n"
    );
    let mut stream = connect(proxy.address());
    // The bytes are sent one by one, so that no piece is a whole line or header.
    for byte in format!("{put}{sized}{}", get(&gcs, "key", "close")).bytes() {
        stream.write_all(&[byte]).expect("sent");
    }
    let answers = String::from_utf8(rest(stream)).expect("text");
    assert!(answers.ends_with("GET /\r\n\r"), "{answers}");
    assert_eq!(proxy.requests(), 3);
    assert_eq!(gcs.fake.requests(), ["PUT /bucket/key", "PUT /bucket/two", "GET /bucket/key"]);
    assert_eq!(
        proxy.bytes(Direction::Up),
        (put.len() + sized.len() + get(&gcs, "key", "close").len()) as u64
    );
    assert_eq!(proxy.bytes(Direction::Down), answers.len() as u64);
}

#[test]
fn what_is_no_http_passes_uncounted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let proxy = Proxy::to(listener.local_addr().expect("an address"));
    let mut client = connect(proxy.address());
    client.write_all(b"\x16\x03\x01 hello").expect("sent");
    client.shutdown(std::net::Shutdown::Write).expect("half closed");
    let (mut upstream, _) = listener.accept().expect("a connection");
    let mut heard = Vec::new();
    upstream.read_to_end(&mut heard).expect("all of it");
    upstream.write_all(b"bye").expect("sent");
    drop(upstream);
    assert_eq!(
        (heard.as_slice(), rest(client).as_slice(), proxy.requests()),
        (&b"\x16\x03\x01 hello"[..], &b"bye"[..], 0)
    );
}

#[test]
fn refused_connections_are_taken_again_on_the_same_port() {
    let gcs = Gcs::start();
    gcs.put("/bucket/key", "x");
    let proxy = Proxy::to(gcs.fake.address());
    let open = connect(proxy.address());
    for _ in 0..3 {
        proxy.refuse();
        assert_eq!(
            TcpStream::connect(proxy.address()).map(drop).map_err(|error| error.kind()),
            Err(ErrorKind::ConnectionRefused)
        );
        proxy.accept();
        let mut stream = connect(proxy.address());
        stream.write_all(get(&gcs, "key", "close").as_bytes()).expect("sent");
        assert!(rest(stream).starts_with(b"HTTP/1.1 200"));
    }
    assert!(rest(open).is_empty(), "what was open has ended");
}

#[test]
fn a_hanging_proxy_lets_nothing_through_until_it_resumes() {
    let gcs = Gcs::start();
    gcs.put("/bucket/key", "x");
    let proxy = Proxy::to(gcs.fake.address());
    proxy.hang();
    let mut stream = connect(proxy.address());
    stream.write_all(get(&gcs, "key", "close").as_bytes()).expect("sent");
    stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    assert!(matches!(
        stream.read(&mut [0; 1]).map_err(|error| error.kind()),
        Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)
    ));
    assert_eq!((proxy.requests(), gcs.fake.count("GET")), (0, 0));
    proxy.resume();
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    assert!(rest(stream).starts_with(b"HTTP/1.1 200"));
}

#[test]
fn connections_are_cut_to_the_byte_as_often_as_was_said() {
    let gcs = Gcs::start();
    gcs.put("/bucket/key", &"x".repeat(100_000));
    let proxy = Proxy::to(gcs.fake.address());
    let ask = || {
        let mut stream = connect(proxy.address());
        stream.write_all(get(&gcs, "key", "close").as_bytes()).expect("sent");
        rest(stream).len()
    };
    let whole = ask();
    assert!(whole > 100_000);
    proxy.cut(Direction::Down, 70_000, 2);
    assert_eq!([ask(), ask(), ask()], [70_000, 70_000, whole]);
    let before = gcs.fake.count("GET");
    proxy.cut(Direction::Up, 10, 1);
    assert_eq!((ask(), gcs.fake.count("GET") - before), (0, 0));
    assert_eq!(ask(), whole);
}

#[test]
fn throttled_requests_do_not_reach_the_upstream() {
    let gcs = Gcs::start();
    gcs.put("/bucket/key", "x");
    let proxy = Proxy::to(gcs.fake.address());
    proxy.answer_next(1, 503, Some(7));
    let mut stream = connect(proxy.address());
    let body = vec![b'x'; 3 << 20];
    let head = format!("PUT /bucket/key HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    // The whole request can be sent: a client that first writes and then reads gets the answer, too.
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).expect("sent");
    let answer = String::from_utf8(rest(stream)).expect("text");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 7\r\n"), "{answer}");
    assert_eq!((gcs.fake.count("PUT"), proxy.requests()), (1, 1));
    let mut stream = connect(proxy.address());
    stream.write_all(get(&gcs, "key", "close").as_bytes()).expect("sent");
    assert!(rest(stream).ends_with(b"\r\n\r\nx"));
}

#[test]
fn another_target_takes_the_connections_that_come_later() {
    let (old, new) = (Gcs::start(), Gcs::start());
    new.put("/bucket/key", "new");
    let proxy = Proxy::to(old.fake.address());
    proxy.retarget(new.fake.address());
    let mut stream = connect(proxy.address());
    stream.write_all(get(&new, "key", "close").as_bytes()).expect("sent");
    assert!(rest(stream).ends_with(b"new"));
    assert_eq!(old.fake.count("GET"), 0);
}
