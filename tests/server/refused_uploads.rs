//! Uploads that are refused before their body was read: the reply must reach a client that first sends the
//! whole body and then reads, as most clients do.

use super::{
    process::{Place, Running, within},
    support::{Who, raw::Raw},
    tls,
};
use rustls_pki_types::CertificateDer;
use std::io::{Read, Write};

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };
const STRANGER: Who = Who { secret_key: "not-the-password", ..WHO };
/// More than the buffers of two sockets hold.
const SIZE: usize = 20 << 20;

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// A server that serves one request at a time, over TLS if there is a certificate.
struct Gateway {
    running: Running,
    certificate: Option<CertificateDer<'static>>,
}

impl Gateway {
    fn connect(&self) -> Box<dyn Stream> {
        match &self.certificate {
            None => Box::new(self.running.connect()),
            Some(certificate) => {
                Box::new(tls::connect(&self.running, certificate, &["http/1.1"]).expect("TLS"))
            }
        }
    }

    /// The head of a PUT on a connection that the client would keep open.
    fn head(&self, who: Who, target: &str, size: usize, headers: &[(&str, &str)], expects: bool) -> Vec<u8> {
        let put = Raw::new(self.running.s3, who).put(target, vec![b'x'; size]).unsigned_payload();
        let put = headers.iter().fold(put, |put, (name, value)| put.header(name, *value));
        let put = if expects { put.unsigned_header("expect", "100-continue") } else { put };
        let wire = put.wire();
        let head = String::from_utf8(wire[..wire.len() - size].to_vec()).expect("UTF-8");
        head.replace("connection: close\r\n", "").into_bytes()
    }

    fn send_then_read(&self, head: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(head).expect("the head is taken");
        stream.write_all(&vec![b'x'; SIZE]).expect("the body is taken, although nobody wants it");
        stream.flush().expect("all of it");
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).expect("an orderly end, not a reset");
        String::from_utf8(reply).expect("UTF-8")
    }
}

#[track_caller]
fn refused(reply: &str, status: u16, code: &str) {
    assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
    assert!(
        reply.contains(&format!("<Code>{code}</Code>")) && reply.contains("connection: close\r\n"),
        "{reply}"
    );
    assert!(reply.ends_with("</Error>"), "all of it came: {reply}");
}

fn every_refusal_can_be_read(tls: bool) {
    let place = Place::new();
    let certificate = tls.then(|| tls::certify(&place));
    let files = if tls { "tls_cert = 'c.pem'\ntls_key = 'k.pem'\n" } else { "" };
    place.write("causeway.toml", &format!("[server]\nmax_requests = 1\n{files}"));
    let gateway = Gateway { running: place.serve(&["--data", "d"], &ROOT), certificate };
    let mut stream = gateway.connect();
    stream.write_all(&Raw::new(gateway.running.s3, WHO).put("/bucket", "").wire()).expect("sent");
    stream.read_to_end(&mut Vec::new()).expect("a bucket");

    let customer_key = [("x-amz-server-side-encryption-customer-algorithm", "AES256")];
    for expects in [false, true] {
        let head = gateway.head(STRANGER, "/bucket/key", SIZE, &[], expects);
        refused(&gateway.send_then_read(&head), 403, "SignatureDoesNotMatch");
        let head = gateway.head(WHO, "/bucket/key", SIZE, &customer_key, expects);
        refused(&gateway.send_then_read(&head), 501, "NotImplemented");
    }

    let mut slow = gateway.connect();
    slow.write_all(&gateway.head(WHO, "/bucket/slow", 3, &[], false)).expect("sent");
    slow.flush().expect("all of it");
    within(|| (gateway.running.metric("causeway_requests_in_flight") == Some(1.0)).then_some(()));
    for expects in [false, true] {
        let reply = gateway.send_then_read(&gateway.head(WHO, "/bucket/key", SIZE, &[], expects));
        refused(&reply, 503, "SlowDown");
        assert!(reply.contains("retry-after: 1\r\n"), "{reply}");
    }
    slow.write_all(b"xxx").expect("sent");
    slow.flush().expect("all of it");
    let mut status = [0; 12];
    slow.read_exact(&mut status).expect("a reply");
    assert_eq!(String::from_utf8_lossy(&status), "HTTP/1.1 200");
}

#[test]
fn a_refusal_reaches_a_client_that_sends_its_whole_body_first() {
    every_refusal_can_be_read(false);
}

#[test]
fn a_refusal_reaches_a_client_that_sends_its_whole_body_first_over_tls() {
    every_refusal_can_be_read(true);
}
