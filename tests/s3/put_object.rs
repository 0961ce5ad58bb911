//! PutObject over the wire.

use crate::support::{ALICE, BOB, READER, Server, failure, get, is, put, raw::RawRequest};
use aws_sdk_s3::{
    primitives::ByteStream,
    types::{BucketCannedAcl, ChecksumAlgorithm, ChecksumMode, ChecksumType},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters to encode in a path, as SigV4 requires.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[tokio::test]
async fn an_object_comes_back_with_all_it_was_given() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let put = client.put_object().bucket(&bucket).key("k").body(ByteStream::from_static(b"hello"));
    let put = put
        .content_type("text/plain")
        .cache_control("no-store")
        .content_disposition("attachment")
        .content_encoding("gzip");
    let put = put
        .content_language("de")
        .metadata("Colour", "blue")
        .tagging("a=1&b=2")
        .website_redirect_location("/there");
    let written = put.send().await.expect("put");
    let read = client.get_object().bucket(&bucket).key("k").send().await.expect("get");
    assert_eq!(written.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(read.e_tag(), written.e_tag());
    assert_eq!(read.content_type(), Some("text/plain"));
    assert_eq!(read.cache_control(), Some("no-store"));
    assert_eq!(read.content_disposition(), Some("attachment"));
    assert_eq!(read.content_encoding(), Some("gzip"));
    assert_eq!(read.content_language(), Some("de"));
    assert_eq!(read.website_redirect_location(), Some("/there"));
    assert_eq!(read.metadata().and_then(|all| all.get("colour")).map(String::as_str), Some("blue"));
    assert_eq!(read.tag_count(), Some(2));
    assert_eq!(read.body.collect().await.expect("a body").to_vec(), b"hello");
}

#[tokio::test]
async fn every_checksum_algorithm_is_verified_and_shown() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let algorithms = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ];
    for algorithm in algorithms {
        let put = client.put_object().bucket(&bucket).key("k").checksum_algorithm(algorithm.clone());
        let written = put.body(ByteStream::from_static(b"hello")).send().await.expect("put");
        assert_eq!(written.checksum_type(), Some(&ChecksumType::FullObject), "{algorithm}");
        let head = client
            .head_object()
            .bucket(&bucket)
            .key("k")
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .expect("head");
        let of_put = [
            written.checksum_crc32(),
            written.checksum_crc32_c(),
            written.checksum_crc64_nvme(),
            written.checksum_sha1(),
            written.checksum_sha256(),
        ];
        let of_head = [
            head.checksum_crc32(),
            head.checksum_crc32_c(),
            head.checksum_crc64_nvme(),
            head.checksum_sha1(),
            head.checksum_sha256(),
        ];
        assert_eq!(of_put.iter().flatten().count(), 1, "{algorithm}");
        assert_eq!(of_put, of_head, "{algorithm}");
    }
}

#[tokio::test]
async fn a_put_without_a_checksum_is_given_crc64nvme() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let reply = server.raw().put(format!("/{bucket}/k"), "123456789").send();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("x-amz-checksum-crc64nvme"), Some("rosUhgp5mIg="));
    assert_eq!(reply.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
}

/// Each body is refused with its code, and nothing of it is stored.
#[tokio::test]
async fn a_body_that_is_not_as_announced_is_rejected_and_leaves_nothing() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let raw = server.raw();
    let request = || raw.put(format!("/{bucket}/k"), "hello");
    let other_md5 = STANDARD.encode(Md5::digest("hellO"));
    let cases: [(&str, RawRequest, (u16, &str)); 9] = [
        ("crc32", request().header("x-amz-checksum-crc32", "AAAAAA=="), (400, "BadDigest")),
        ("crc32c", request().header("x-amz-checksum-crc32c", "AAAAAA=="), (400, "BadDigest")),
        ("crc64nvme", request().header("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="), (400, "BadDigest")),
        ("sha1", request().header("x-amz-checksum-sha1", STANDARD.encode([0; 20])), (400, "BadDigest")),
        ("sha256", request().header("x-amz-checksum-sha256", STANDARD.encode([0; 32])), (400, "BadDigest")),
        ("md5", request().header("content-md5", other_md5), (400, "BadDigest")),
        ("no md5", request().header("content-md5", "nonsense"), (400, "InvalidDigest")),
        ("payload", tampered(&request(), b"hello", b"hellO"), (400, "XAmzContentSHA256Mismatch")),
        ("chunk", tampered(&request().chunked(8), b"hello", b"hellO"), (403, "SignatureDoesNotMatch")),
    ];
    for (name, case, (status, code)) in cases {
        assert_eq!(case.send().failure(), is(status, code), "{name}");
        assert_eq!(get(&client, &bucket, "k").await, None, "{name}");
    }
}

/// The encodings are those of S3: the computed MD5 in base64, the announced one in hexadecimal.
#[tokio::test]
async fn a_wrong_digest_is_told_with_the_one_that_was_computed() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let raw = server.raw();
    let request = || raw.put(format!("/{bucket}/k"), "hello");
    let md5 = request().header("content-md5", STANDARD.encode(Md5::digest("hellO"))).send();
    assert_eq!(md5.element("ExpectedDigest"), Some(hex::encode(Md5::digest("hellO"))));
    assert_eq!(md5.element("CalculatedDigest"), Some(STANDARD.encode(Md5::digest("hello"))));
    let payload = tampered(&request(), b"hello", b"hellO").send();
    let sha256 = |text: &str| hex::encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()));
    assert_eq!(payload.element("ClientComputedContentSHA256"), Some(sha256("hello")));
    assert_eq!(payload.element("S3ComputedContentSHA256"), Some(sha256("hellO")));
    let checksum = request().header("x-amz-checksum-crc32", "AAAAAA==").send();
    assert_eq!((checksum.code().as_deref(), checksum.element("CalculatedDigest")), (Some("BadDigest"), None));
}

#[tokio::test]
async fn a_checksum_that_is_none_is_told_from_one_that_is_wrong() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let raw = server.raw();
    let cases: [(&str, &[(&str, &str)]); 6] = [
        ("no base64", &[("x-amz-checksum-crc32", "nonsense!")]),
        ("too short", &[("x-amz-checksum-sha256", "AAAAAA==")]),
        ("two of them", &[("x-amz-checksum-crc32", "NhCmhg=="), ("x-amz-checksum-crc32c", "mnG7TA==")]),
        (
            "another algorithm",
            &[("x-amz-sdk-checksum-algorithm", "SHA256"), ("x-amz-checksum-crc32", "NhCmhg==")],
        ),
        ("no algorithm", &[("x-amz-sdk-checksum-algorithm", "MD4")]),
        ("a trailer too", &[("x-amz-trailer", "x-amz-checksum-crc32"), ("x-amz-checksum-crc32", "NhCmhg==")]),
    ];
    for (name, headers) in cases {
        let request =
            headers.iter().fold(raw.put(format!("/{bucket}/k"), "hello"), |request, (name, value)| {
                request.header(name, *value)
            });
        assert_eq!(request.send().failure(), is(400, "InvalidRequest"), "{name}");
        assert_eq!(get(&client, &bucket, "k").await, None, "{name}");
    }
}

/// Each defect of a body in chunks is answered as S3 answers it.
#[tokio::test]
async fn a_body_in_chunks_is_whole_and_has_the_trailer_that_was_announced() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let raw = server.raw();
    let framed = |body: &str| {
        raw.put(format!("/{bucket}/k"), body).framed().header("x-amz-decoded-content-length", "5")
    };
    let with_trailer = |trailer: &str| {
        let body = format!("5\r\nhello\r\n0\r\n{trailer}\r\n");
        framed(&body).header("x-amz-trailer", "x-amz-checksum-crc32")
    };
    let right = "x-amz-checksum-crc32:NhCmhg==\r\n";
    let unknown_length = raw.put(format!("/{bucket}/k"), "5\r\nhello\r\n0\r\n\r\n").framed();
    let cases: [(&str, RawRequest, (u16, &str)); 13] = [
        ("cut in a chunk", framed("5\r\nhel").content_length("20").half_close(), (400, "IncompleteBody")),
        ("ended in a chunk", framed("5\r\nhel"), (400, "IncompleteBody")),
        ("ended before the last chunk", framed("5\r\nhello\r\n"), (400, "IncompleteBody")),
        ("a chunk shorter than its size", framed("8\r\nhello\r\n0\r\n\r\n"), (400, "IncompleteBody")),
        ("a chunk longer than its size", framed("3\r\nhello\r\n0\r\n\r\n"), (400, "IncompleteBody")),
        ("a size that is none", framed("five\r\nhello\r\n0\r\n\r\n"), (400, "IncompleteBody")),
        ("no decoded length", unknown_length, (411, "MissingContentLength")),
        ("no trailer", with_trailer(""), (400, "MalformedTrailerError")),
        ("a trailer twice", with_trailer(&right.repeat(2)), (400, "MalformedTrailerError")),
        ("another trailer", with_trailer("x-amz-checksum-sha1:AAAA\r\n"), (400, "MalformedTrailerError")),
        (
            "a trailer that nobody announced",
            framed(&format!("5\r\nhello\r\n0\r\n{right}\r\n")),
            (400, "MalformedTrailerError"),
        ),
        (
            "a trailer that is no checksum",
            with_trailer("x-amz-checksum-crc32:nonsense\r\n"),
            (400, "InvalidRequest"),
        ),
        ("a trailer that is wrong", with_trailer("x-amz-checksum-crc32:AAAAAA==\r\n"), (400, "BadDigest")),
    ];
    for (name, case, (status, code)) in cases {
        assert_eq!(case.send().failure(), is(status, code), "{name}");
        assert_eq!(get(&client, &bucket, "k").await, None, "{name}");
    }
    assert_eq!(with_trailer(right).send().status, 200);
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"hello"[..]));
}

/// The same request with other bytes than the signed ones.
fn tampered(request: &RawRequest, from: &'static [u8], to: &'static [u8]) -> RawRequest {
    request.clone().tamper(from, to)
}

#[tokio::test]
async fn a_body_shorter_than_declared_is_rejected_and_leaves_nothing() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let raw = server.raw();
    let cut = raw.put(format!("/{bucket}/k"), "hello").content_length("9").half_close();
    assert_eq!(cut.send().failure(), is(400, "IncompleteBody"));
    let lied = raw
        .put(format!("/{bucket}/k"), "hello")
        .chunked(8)
        .header("x-amz-decoded-content-length", "9")
        .send();
    assert_eq!(lied.status / 100, 4, "{}", lied.text());
    assert_eq!(get(&client, &bucket, "k").await, None);
}

#[tokio::test]
async fn signed_chunks_are_put_together() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let body: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    assert_eq!(server.raw().put(format!("/{bucket}/k"), &body).chunked(64 * 1024).send().status, 200);
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&body[..]));
    let head = client.head_object().bucket(&bucket).key("k").send().await.expect("head");
    assert_eq!(head.content_encoding(), None);
}

#[tokio::test]
async fn if_none_match_star_creates_and_never_replaces() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let create = |body: &'static str| {
        client
            .put_object()
            .bucket(&bucket)
            .key("k")
            .if_none_match("*")
            .body(ByteStream::from_static(body.as_bytes()))
            .send()
    };
    assert!(create("first").await.is_ok());
    assert_eq!(failure(create("second").await), is(412, "PreconditionFailed"));
    // Clients such as s3fs for Python conclude that the object exists only if they read this name.
    let refused = server.raw().put(format!("/{bucket}/k"), "x").header("if-none-match", "*").send();
    assert_eq!(refused.element("Condition").as_deref(), Some("If-None-Match"));
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"first"[..]));
}

#[tokio::test]
async fn bodies_that_arrive_at_once_have_their_own_etags_and_a_wrong_one_is_found() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let body = |n: usize| -> Vec<u8> {
        (0..100_000 + n * 33_333).map(|at| (at.wrapping_mul(31) ^ n) as u8).collect()
    };
    let puts = (0..24).map(|n| {
        let put = client.put_object().bucket(&bucket).key(format!("k{n}")).body(body(n).into());
        // Every eighth one announces the digest of another body.
        let announced = if n % 8 == 7 { body(n - 1) } else { body(n) };
        put.content_md5(STANDARD.encode(Md5::digest(announced))).send()
    });
    for (n, put) in futures_util::future::join_all(puts).await.into_iter().enumerate() {
        let etag = format!("\"{}\"", hex::encode(Md5::digest(body(n))));
        match n % 8 {
            7 => assert_eq!(failure(put), is(400, "BadDigest"), "{n}"),
            _ => assert_eq!(put.expect("put").e_tag(), Some(&*etag), "{n}"),
        }
    }
}

#[tokio::test]
async fn of_32_concurrent_creators_one_wins() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for round in 0..10 {
        let key = format!("k{round}");
        let writers = (0..32).map(|writer| {
            let put = client
                .put_object()
                .bucket(&bucket)
                .key(&key)
                .if_none_match("*")
                .body(writer.to_string().into_bytes().into());
            async move { (writer, put.send().await) }
        });
        let outcomes = futures_util::future::join_all(writers).await;
        let mut winners = Vec::new();
        for (writer, outcome) in outcomes {
            match outcome {
                Ok(_) => winners.push(writer),
                Err(error) => assert_eq!(failure::<(), _>(Err(error)), is(412, "PreconditionFailed")),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(get(&client, &bucket, &key).await, Some(winners[0].to_string().into_bytes()));
    }
}

#[tokio::test]
async fn if_match_replaces_only_what_the_client_knows() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let swap = |etag: &str| {
        client
            .put_object()
            .bucket(&bucket)
            .key("k")
            .if_match(etag)
            .body(ByteStream::from_static(b"new"))
            .send()
    };
    assert_eq!(failure(swap("\"5d41402abc4b2a76b9719d911017c592\"").await), is(404, "NoSuchKey"));
    put(&client, &bucket, "k", "hello").await;
    assert_eq!(failure(swap("\"00000000000000000000000000000000\"").await), is(412, "PreconditionFailed"));
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"hello"[..]));
    assert!(swap("\"5d41402abc4b2a76b9719d911017c592\"").await.is_ok());
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"new"[..]));
}

#[tokio::test]
async fn what_we_cannot_promise_is_refused_and_nothing_stored() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let raw = server.raw();
    let cases = [
        ("x-amz-server-side-encryption", "AES256", (501, "NotImplemented")),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256", (501, "NotImplemented")),
        ("x-amz-object-lock-mode", "COMPLIANCE", (501, "NotImplemented")),
        ("x-amz-grant-read", "id=somebody", (400, "InvalidArgument")),
        ("x-amz-grant-list", "id=somebody", (501, "NotImplemented")),
        ("x-amz-write-offset-bytes", "5", (501, "NotImplemented")),
        ("x-amz-storage-class", "GLACIER", (501, "NotImplemented")),
        ("x-amz-storage-class", "PLATINUM", (400, "InvalidStorageClass")),
        ("if-none-match", "\"5d41402abc4b2a76b9719d911017c592\"", (501, "NotImplemented")),
        ("if-unmodified-since", "Mon, 12 Oct 2009 17:50:30 GMT", (501, "NotImplemented")),
        ("x-amz-expected-bucket-owner", "123456789012", (403, "AccessDenied")),
        ("x-amz-expected-bucket-owner", "somebody", (400, "InvalidBucketOwnerAWSAccountID")),
        ("x-amz-acl", "everyone", (400, "InvalidArgument")),
        ("x-amz-tagging", "a=1&a=2", (400, "InvalidArgument")),
        ("x-amz-website-redirect-location", "there", (400, "InvalidRedirectLocation")),
    ];
    for (name, value, (status, code)) in cases {
        assert_eq!(
            raw.put(format!("/{bucket}/k"), "x").header(name, value).send().failure(),
            is(status, code),
            "{name}: {value}"
        );
    }
    let big = raw.put(format!("/{bucket}/k"), "x").header("x-amz-meta-a", "v".repeat(2048)).send();
    assert_eq!(big.failure(), is(400, "MetadataTooLarge"));
    for query in ["retention", "legal-hold", "versionId=null", "unknown=1", "cors"] {
        assert_eq!(
            raw.put(format!("/{bucket}/k?{query}"), "x").send().failure(),
            is(501, "NotImplemented"),
            "{query}"
        );
    }
    assert_eq!(get(&client, &bucket, "k").await, None);
}

#[tokio::test]
async fn more_than_5_gib_are_refused_before_they_are_sent() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let reply = server
        .raw()
        .put(format!("/{bucket}/k"), "")
        .unsigned_payload()
        .content_length(((5u64 << 30) + 1).to_string())
        .send();
    assert_eq!(reply.failure(), is(400, "EntityTooLarge"));
    assert_eq!(reply.element("MaxSizeAllowed").as_deref(), Some("5368709120"));
}

#[tokio::test]
async fn any_text_is_a_key() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let long = "k".repeat(1024);
    let segment = format!("s/{}", "é".repeat(200));
    let keys = [
        "a",
        "a/b",
        "a/b/",
        "a//b",
        "/a",
        "x/",
        "..",
        "../..",
        "a/../b",
        ".",
        "./a",
        " ",
        "a b",
        "ä/ö",
        "a%20b",
        "a+b",
        "?x",
        "#",
        "\u{1}",
        "\n",
        "\\",
        "a\\b",
        ".causeway/x",
        "CON",
        "a.",
        "日本語",
        "🦀",
        &segment,
        &long,
    ];
    // SDKs refuse to send some of these keys.
    let (raw, path) = (server.raw(), |key: &str| format!("/{bucket}/{}", utf8_percent_encode(key, ESCAPED)));
    for key in keys {
        assert_eq!(raw.put(path(key), key).send().status, 200, "{key:?}");
    }
    for key in keys {
        assert_eq!(raw.get(path(key)).send().body, key.as_bytes(), "{key:?}");
    }
    let too_long = client.put_object().bucket(&bucket).key("k".repeat(1025)).send().await;
    assert_eq!(failure(too_long), is(400, "KeyTooLongError"));
    assert!(!server.data().join("..").join("b").exists(), "nothing is written outside the data directory");
}

#[tokio::test]
async fn only_those_who_may_write() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let bucket = server.bucket(&alice).await;
    assert_eq!(failure(bob.put_object().bucket(&bucket).key("k").send().await), is(403, "AccessDenied"));
    assert_eq!(
        server.raw().put(format!("/{bucket}/k"), "x").anonymous().send().failure(),
        is(403, "AccessDenied")
    );
    alice.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicReadWrite).send().await.expect("acl");
    assert_eq!(server.raw().put(format!("/{bucket}/k"), "x").anonymous().send().status, 200);
    assert_eq!(
        failure(alice.put_object().bucket("no-such-bucket").key("k").send().await),
        is(404, "NoSuchBucket")
    );
}

#[tokio::test]
async fn a_read_only_identity_writes_nowhere_even_where_anybody_may() {
    let server = Server::start();
    let alice = server.client();
    let bucket = server.bucket(&alice).await;
    put(&alice, &bucket, "k", "x").await;
    alice.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicReadWrite).send().await.expect("acl");
    let (reader, denied) = (server.raw_of(READER), is(403, "AccessDenied"));
    assert_eq!(reader.get(format!("/{bucket}")).send().status, 200, "it reads as anybody does");
    assert_eq!(reader.put(format!("/{bucket}/k"), "y").send().failure(), denied);
    assert_eq!(reader.request("DELETE", format!("/{bucket}/k")).send().failure(), denied);
    assert_eq!(reader.post(format!("/{bucket}/k?uploads"), "").send().failure(), denied);
    let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
    assert_eq!(reader.post(format!("/{bucket}?delete"), delete).send().failure(), denied);
    assert_eq!(get(&alice, &bucket, "k").await.as_deref(), Some(&b"x"[..]));
}
