//! Objects of the fake of Google Cloud Storage.

use crate::{
    gcs::FakeGcs,
    support::{
        ALICE,
        raw::{Raw, RawReply, RawRequest},
    },
};

/// The fake with one bucket, and requests that carry its token.
pub struct Gcs {
    pub fake: FakeGcs,
}

impl Gcs {
    pub fn start() -> Self {
        let gcs = Self { fake: FakeGcs::start() };
        let made = gcs.request("PUT", "/bucket").unsigned_header("x-goog-project-id", "project").send();
        assert_eq!(made.status, 200);
        gcs.fake.take_requests();
        gcs
    }

    pub fn anonymous(&self, method: &str, target: &str) -> RawRequest {
        Raw::new(self.fake.address(), ALICE).request(method, target).anonymous()
    }

    pub fn request(&self, method: &str, target: &str) -> RawRequest {
        self.anonymous(method, target)
            .unsigned_header("authorization", format!("Bearer {}", self.fake.token()))
    }

    pub fn get(&self, target: &str) -> RawReply {
        self.request("GET", target).send()
    }

    pub fn put(&self, target: &str, body: &str) -> RawReply {
        self.request("PUT", target).body(body).send()
    }
}

pub fn generation(reply: &RawReply) -> String {
    reply.header("x-goog-generation").expect("a generation").to_owned()
}

fn hashes(reply: &RawReply) -> Vec<&str> {
    reply.headers.iter().filter(|(name, _)| name == "x-goog-hash").map(|(_, value)| value.as_str()).collect()
}

#[test]
fn an_object_comes_back_with_its_metadata_hashes_and_generation() {
    let gcs = Gcs::start();
    let put = gcs.request("PUT", "/bucket/a%20b").body("123456789").unsigned_header("content-type", "text/x");
    let put = put.unsigned_header("x-goog-meta-colour", "blue").send();
    assert_eq!((put.status, put.header("etag")), (200, Some("\"25f9e794323b453885f5181f1b624d0b\"")));
    // The published check value of CRC32C is e3069283.
    assert_eq!(hashes(&put), ["crc32c=4waSgw==", "md5=JfnnlDI7RTiF9RgfG2JNCw=="]);
    for method in ["GET", "HEAD"] {
        let got = gcs.request(method, "/bucket/a%20b").send();
        assert_eq!(
            (got.status, got.header("content-type"), got.header("x-goog-meta-colour")),
            (200, Some("text/x"), Some("blue"))
        );
        assert_eq!((generation(&got), got.header("x-goog-metageneration")), (generation(&put), Some("1")));
        assert_eq!((hashes(&got), got.header("content-length")), (hashes(&put), Some("9")));
        assert_eq!(got.text(), if method == "GET" { "123456789" } else { "" });
    }
    assert_eq!(gcs.fake.requests(), ["PUT /bucket/a%20b", "GET /bucket/a%20b", "HEAD /bucket/a%20b"]);
}

#[test]
fn who_has_no_token_or_an_old_one_is_refused() {
    let gcs = Gcs::start();
    assert_eq!(gcs.anonymous("GET", "/bucket").send().failure(), (401, "AuthenticationRequired".into()));
    let old = gcs.request("GET", "/bucket");
    gcs.fake.rotate_token();
    assert_eq!(old.send().status, 401);
    assert_eq!(gcs.get("/bucket").status, 200);
    let given = gcs
        .anonymous("GET", "/computeMetadata/v1/instance/service-accounts/default/token")
        .unsigned_header("metadata-flavor", "Google");
    assert!(given.send().text().contains(&format!("\"access_token\":\"{}\"", gcs.fake.token())));
}

#[test]
fn the_two_families_of_headers_do_not_mix() {
    let gcs = Gcs::start();
    let signed = || {
        gcs.anonymous("PUT", "/bucket/key")
            .unsigned_header("authorization", "AWS4-HMAC-SHA256 Credential=k, Signature=s")
    };
    let mixed = signed()
        .unsigned_header("x-amz-date", "now")
        .unsigned_header("x-goog-if-generation-match", "0")
        .send();
    assert_eq!(mixed.failure(), (400, "ExcessHeaderValues".into()));
    let put = signed()
        .unsigned_header("x-amz-date", "now")
        .unsigned_header("x-amz-meta-colour", "blue")
        .body("x")
        .send();
    assert_eq!(put.status, 200);
    assert_eq!(gcs.get("/bucket/key").header("x-goog-meta-colour"), Some("blue"));
    let copy = gcs.request("PUT", "/bucket/copy").unsigned_header("x-amz-copy-source", "bucket/key").send();
    assert_eq!(copy.failure(), (400, "InvalidArgument".into()));
}

#[test]
fn generations_decide_whether_a_write_happens() {
    let gcs = Gcs::start();
    let conditional = |method: &str, wanted: &str| {
        gcs.request(method, "/bucket/key")
            .unsigned_header("x-goog-if-generation-match", wanted)
            .body("new")
            .send()
    };
    assert_eq!(conditional("PUT", "7").failure(), (412, "PreconditionFailed".into()));
    let first = generation(&conditional("PUT", "0"));
    assert_eq!(conditional("PUT", "0").status, 412);
    let second = conditional("PUT", &first);
    assert_eq!(second.status, 200);
    assert_eq!(conditional("DELETE", &first).status, 412);
    assert_eq!(conditional("DELETE", &generation(&second)).status, 204);
    assert_eq!(gcs.request("DELETE", "/bucket/key").send().failure(), (404, "NoSuchKey".into()));
}

#[test]
fn of_32_writers_that_want_generation_0_one_wins() {
    let gcs = Gcs::start();
    let request =
        gcs.request("PUT", "/bucket/key").unsigned_header("x-goog-if-generation-match", "0").body("mine");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..32).map(|_| scope.spawn(|| request.clone().send().status)).collect();
        writers.into_iter().map(|writer| writer.join().expect("a status")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 31, "{statuses:?}");
}

#[test]
fn etags_decide_reads_and_are_ignored_by_writes() {
    let gcs = Gcs::start();
    let etag = gcs.put("/bucket/key", "old").header("etag").expect("an etag").to_owned();
    let read =
        |name: &str, value: &str| gcs.request("GET", "/bucket/key").unsigned_header(name, value).send();
    assert_eq!(read("if-match", &etag).status, 200);
    assert_eq!(read("if-match", "\"other\"").failure(), (412, "PreconditionFailed".into()));
    let unchanged = read("if-none-match", &etag);
    assert_eq!(
        (unchanged.status, unchanged.header("etag"), unchanged.body.len()),
        (304, Some(etag.as_str()), 0)
    );
    assert_eq!(read("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT").status, 304);
    assert_eq!(read("if-unmodified-since", "Thu, 01 Jan 2015 00:00:00 GMT").status, 412);
    let put = gcs.request("PUT", "/bucket/key").unsigned_header("if-none-match", "*").body("new").send();
    assert_eq!((put.status, gcs.get("/bucket/key").text()), (200, "new".to_owned()));
}

#[test]
fn ranges_yield_their_bytes() {
    let gcs = Gcs::start();
    gcs.put("/bucket/key", "0123456789");
    for (range, body, content_range) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
    ] {
        let got = gcs.request("GET", "/bucket/key").unsigned_header("range", range).send();
        assert_eq!(
            (got.status, got.text().as_str(), got.header("content-range")),
            (206, body, Some(content_range))
        );
    }
    let beyond = gcs.request("GET", "/bucket/key").unsigned_header("range", "bytes=10-").send();
    assert_eq!(beyond.failure(), (416, "InvalidRange".into()));
}

#[test]
fn a_body_that_is_short_or_not_what_was_announced_stores_nothing() {
    let gcs = Gcs::start();
    let fake = gcs.fake.address();
    let head = format!(
        "PUT /bucket/key HTTP/1.1\r\nhost: {fake}\r\nauthorization: Bearer {}\r\ncontent-length: 10\r\n\r\n",
        gcs.fake.token()
    );
    let mut stream = std::net::TcpStream::connect(fake).expect("a connection");
    std::io::Write::write_all(&mut stream, format!("{head}short").as_bytes()).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    for (name, value) in [
        ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("x-goog-hash", "crc32c=AAAAAA=="),
        ("x-goog-hash", "md5=AAAA"),
    ] {
        let put = gcs.request("PUT", "/bucket/key").unsigned_header(name, value).body("x").send();
        assert_eq!(put.failure(), (400, "BadDigest".into()), "{name}: {value}");
    }
    assert_eq!(gcs.fake.object("bucket", "key"), None);
    assert_eq!(
        gcs.request("PUT", "/bucket/key")
            .unsigned_header("x-goog-hash", "crc32c=AAAAAA==,md5=1B2M2Y8AsgTpgAmY7PhCfg==")
            .send()
            .status,
        200
    );
}

#[test]
fn a_copy_keeps_or_replaces_metadata_and_looks_at_both_generations() {
    let gcs = Gcs::start();
    let put =
        gcs.request("PUT", "/bucket/a+b%25").body("x").unsigned_header("x-goog-meta-colour", "blue").send();
    let copy = |target: &str, headers: &[(&str, &str)]| {
        let request = gcs.request("PUT", target).unsigned_header("x-goog-copy-source", "/bucket/a+b%25");
        headers.iter().fold(request, |request, (name, value)| request.unsigned_header(name, *value)).send()
    };
    let made = copy(
        "/bucket/copy",
        &[("x-goog-if-generation-match", "0"), ("x-goog-copy-source-if-generation-match", &generation(&put))],
    );
    assert_eq!((made.status, made.element("ETag").as_deref()), (200, put.header("etag")));
    assert_eq!(gcs.get("/bucket/copy").header("x-goog-meta-colour"), Some("blue"));
    assert_eq!(copy("/bucket/copy", &[("x-goog-if-generation-match", "0")]).status, 412);
    assert_eq!(copy("/bucket/copy", &[("x-goog-copy-source-if-generation-match", "1")]).status, 412);
    assert_eq!(copy("/bucket/a+b%25", &[]).failure(), (400, "InvalidArgument".into()));
    let replaced =
        copy("/bucket/a+b%25", &[("x-goog-metadata-directive", "REPLACE"), ("x-goog-meta-size", "large")]);
    assert_ne!(generation(&replaced), generation(&put));
    let got = gcs.get("/bucket/a+b%25");
    assert_eq!(
        (got.header("x-goog-meta-colour"), got.header("x-goog-meta-size"), got.text().as_str()),
        (None, Some("large"), "x")
    );
}

#[test]
fn what_is_not_offered_is_refused() {
    let gcs = Gcs::start();
    gcs.put("/bucket/key", "x");
    for (method, target) in [
        ("PUT", "/bucket/key?tagging"),
        ("GET", "/bucket/key?acl"),
        ("GET", "/bucket?policy"),
        ("POST", "/bucket?delete"),
    ] {
        assert_eq!(
            gcs.request(method, target).send().failure(),
            (501, "NotImplemented".into()),
            "{method} {target}"
        );
    }
    for name in [".", "..", "a%0Ab", ".well-known/acme-challenge/x", &"k".repeat(1025)] {
        assert_eq!(
            gcs.put(&format!("/bucket/{name}"), "x").failure(),
            (400, "InvalidArgument".into()),
            "{name}"
        );
    }
    let zipped =
        gcs.request("PUT", "/bucket/zipped").unsigned_header("content-encoding", "gzip").body("x").send();
    assert_eq!(zipped.status, 200);
    assert_eq!(gcs.get("/bucket/zipped").status, 501);
    assert_eq!(
        gcs.request("GET", "/bucket/zipped").unsigned_header("accept-encoding", "gzip").send().text(),
        "x"
    );
}

#[test]
fn it_fails_as_often_as_it_is_told_and_counts_that_too() {
    let gcs = Gcs::start();
    for (status, code) in [(429, "SlowDown"), (500, "InternalError"), (503, "ServiceUnavailable")] {
        gcs.fake.fail_next(1, status);
        assert_eq!(gcs.put("/bucket/key", "x").failure(), (status, code.into()));
    }
    assert_eq!(gcs.put("/bucket/key", "x").status, 200);
    assert_eq!((gcs.fake.count("PUT"), gcs.fake.count("GET")), (4, 0));
}
