//! Upstream servers: they start, answer S3, and end with the process that started them.

use crate::{
    support::{
        Who,
        raw::{Raw, RawReply},
    },
    upstream::Upstream,
};
use std::time::Duration;

fn put_and_get(upstream: &Upstream, bucket: &str) -> RawReply {
    let raw =
        Raw::new(upstream.address, Who { access_key: upstream.access_key, secret_key: upstream.secret_key });
    assert_eq!(raw.put(format!("/{bucket}"), "").send().status, 200);
    assert_eq!(raw.put(format!("/{bucket}/key"), "value").send().status, 200);
    raw.get(format!("/{bucket}/key")).send()
}

#[test]
fn causeway_serves_as_an_upstream() {
    assert_eq!(put_and_get(Upstream::causeway(), "doubles-one").text(), "value");
    assert!(std::ptr::eq(Upstream::causeway(), Upstream::causeway()), "one for all tests");
    let other = Upstream::new_causeway();
    assert_ne!(other.address, Upstream::causeway().address);
    assert_eq!(put_and_get(&other, "doubles-one").text(), "value");
}

#[test]
fn moto_serves_as_an_upstream() {
    assert_eq!(put_and_get(Upstream::moto(), "doubles-two").text(), "value");
}

#[test]
fn a_paused_upstream_answers_once_it_goes_on_and_a_killed_one_never() {
    let upstream = Upstream::new_causeway();
    let address = upstream.address;
    upstream.pause();
    let waiting = std::thread::spawn(move || {
        Raw::new(address, crate::support::ALICE).get("/").anonymous().send().status
    });
    std::thread::sleep(Duration::from_millis(200));
    assert!(!waiting.is_finished());
    upstream.resume();
    assert_eq!(waiting.join().expect("an answer"), 403);
    upstream.kill();
    assert!(std::net::TcpStream::connect(address).is_err());
}
