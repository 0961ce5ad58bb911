//! PostObject over the wire: uploads by HTML form.

use crate::support::{ALICE, BOB, READER, Server, form::Form, get, is};
use aws_sdk_s3::{Client, types::BucketCannedAcl};
use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

const ETAG: &str = "\"5d41402abc4b2a76b9719d911017c592\"";

fn range(least: u64, most: u64) -> String {
    format!("[\"content-length-range\", {least}, {most}]")
}

async fn public(server: &Server, client: &Client) -> String {
    let bucket = server.bucket(client).await;
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicReadWrite).send().await.expect("acl");
    bucket
}

#[tokio::test]
async fn an_object_comes_back_with_all_that_its_form_said() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1 &amp; 2</Value></Tag></TagSet></Tagging>";
    let fields = [
        ("key", "user/${filename}"),
        ("Content-Type", "text/plain"),
        ("Cache-Control", "no-store"),
        ("Content-Disposition", "attachment"),
        ("Content-Encoding", "gzip"),
        ("Content-Language", "de"),
        ("Expires", "Thu, 01 Dec 2044 16:00:00 GMT"),
        ("x-amz-meta-Colour", "blue"),
        ("x-amz-website-redirect-location", "/there"),
        ("x-amz-storage-class", "STANDARD"),
        ("acl", "public-read"),
        ("tagging", tags),
    ];
    let reply = Form::signed(ALICE, &bucket, &fields, &[range(1, 100)]).send(&server.raw(), &bucket);
    assert_eq!((reply.status, reply.text()), (204, String::new()));
    assert_eq!(reply.header("etag"), Some(ETAG));
    let url = format!("http://{}/{bucket}/user/a%20b.txt", server.address());
    assert_eq!(reply.header("location"), Some(url.as_str()));
    let read = client.get_object().bucket(&bucket).key("user/a b.txt").send().await.expect("get");
    assert_eq!(read.content_type(), Some("text/plain"));
    assert_eq!(read.cache_control(), Some("no-store"));
    assert_eq!(read.content_disposition(), Some("attachment"));
    assert_eq!(read.content_encoding(), Some("gzip"));
    assert_eq!(read.content_language(), Some("de"));
    assert_eq!(read.expires_string(), Some("Thu, 01 Dec 2044 16:00:00 GMT"));
    assert_eq!(read.website_redirect_location(), Some("/there"));
    assert_eq!(read.metadata().and_then(|all| all.get("colour")).map(String::as_str), Some("blue"));
    assert_eq!(read.body.collect().await.expect("a body").to_vec(), b"hello");
    let kept = client.get_object_tagging().bucket(&bucket).key("user/a b.txt").send().await.expect("tags");
    let kept: Vec<_> = kept.tag_set().iter().map(|tag| (tag.key(), tag.value())).collect();
    assert_eq!(kept, [("a", "1 & 2")]);
    let anybody = server.raw().get(format!("/{bucket}/user/a%20b.txt")).anonymous().send();
    assert_eq!((anybody.status, anybody.text()), (200, "hello".to_owned()), "the ACL counts");
}

#[tokio::test]
async fn a_form_chooses_the_reply() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let reply = |field: &str, value: &str| {
        Form::signed(ALICE, &bucket, &[("key", "a/b"), (field, value)], &[]).send(&server.raw(), &bucket)
    };
    assert_eq!(reply("success_action_status", "200").status, 200);
    assert_eq!(reply("success_action_status", "204").status, 204);
    assert_eq!(reply("success_action_status", "404").status, 204);
    let created = reply("success_action_status", "201");
    assert_eq!(created.status, 201);
    let url = format!("http://{}/{bucket}/a/b", server.address());
    for (element, expected) in [
        ("Location", url.as_str()),
        ("Bucket", &bucket),
        ("Key", "a/b"),
        ("ETag", &ETAG.replace('"', "&quot;")),
    ] {
        assert_eq!(created.element(element).as_deref(), Some(expected), "{element}");
    }
    let object = format!("bucket={bucket}&key=a%2Fb&etag=%225d41402abc4b2a76b9719d911017c592%22");
    for (field, to, expected) in [
        ("success_action_redirect", "http://example.com/done", format!("http://example.com/done?{object}")),
        ("redirect", "http://example.com/?a=b", format!("http://example.com/?a=b&{object}")),
    ] {
        let redirected = reply(field, to);
        assert_eq!((redirected.status, redirected.header("location")), (303, Some(expected.as_str())));
    }
    assert_eq!(reply("success_action_redirect", "not an address").status, 204);
}

#[tokio::test]
async fn what_a_form_may_do_is_what_its_signer_may_do() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let form = |who| Form::signed(who, &bucket, &[("key", "k")], &[]).send(&server.raw(), &bucket);
    assert_eq!(form(BOB).failure(), is(403, "AccessDenied"));
    assert_eq!(form(READER).failure(), is(403, "AccessDenied"));
    let anonymous = Form::anonymous(&[("key", "k")]);
    assert_eq!(anonymous.send(&server.raw(), &bucket).failure(), is(403, "AccessDenied"));
    assert_eq!(get(&client, &bucket, "k").await, None);
    assert_eq!(form(ALICE).status, 204);
    let elsewhere = Form::signed(ALICE, "nowhere", &[("key", "k")], &[]).send(&server.raw(), "nowhere");
    assert_eq!(elsewhere.failure(), is(404, "NoSuchBucket"));
}

#[tokio::test]
async fn anybody_may_send_a_form_to_a_bucket_that_anybody_writes_to() {
    let server = Server::start();
    let client = server.client();
    let bucket = public(&server, &client).await;
    let form = Form::anonymous(&[("key", "k"), ("Content-Type", "text/plain"), ("submit", "Upload")]);
    assert_eq!(form.send(&server.raw(), &bucket).status, 204);
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn a_form_that_its_policy_does_not_cover_leaves_nothing() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let form = Form::signed(ALICE, &bucket, &[("key", "k")], &[]);
    for field in [
        "acl",
        "x-amz-meta-a",
        "success_action_redirect",
        "x-amz-checksum-crc32",
        "x-amz-storage-class",
        "submit",
    ] {
        let reply = form.clone().field(field, "x").send(&server.raw(), &bucket);
        assert_eq!(reply.failure(), is(403, "AccessDenied"), "{field}");
        let message = format!("Invalid according to Policy: Extra input fields: {field}");
        assert_eq!(reply.element("Message"), Some(message));
    }
    let mut moved = form.clone();
    moved.fields.retain(|(name, _)| name != "key");
    let reply = moved.field("key", "other").send(&server.raw(), &bucket);
    assert_eq!(reply.failure(), is(403, "AccessDenied"));
    let message = "Invalid according to Policy: Policy Condition failed: [&quot;eq&quot;, &quot;$key&quot;, &quot;k&quot;]";
    assert_eq!(reply.element("Message").as_deref(), Some(message));
    let other = server.bucket(&client).await;
    assert_eq!(form.send(&server.raw(), &other).failure(), is(403, "AccessDenied"), "another bucket");
    for (bucket, key) in [(&bucket, "k"), (&bucket, "other"), (&other, "k")] {
        assert_eq!(get(&client, bucket, key).await, None, "{key}");
    }
    assert_eq!(form.field("x-ignore-this", "x").send(&server.raw(), &bucket).status, 204);
}

#[tokio::test]
async fn a_file_that_is_too_long_or_too_short_leaves_nothing() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let form = Form::signed(ALICE, &bucket, &[("key", "k")], &[range(10, 300_000)]);
    let short = form.clone().file(vec![b'x'; 9]).send(&server.raw(), &bucket);
    assert_eq!(short.failure(), is(400, "EntityTooSmall"));
    let told = ["ProposedSize", "MinSizeAllowed"].map(|element| short.element(element));
    assert_eq!(told, [Some("9".to_owned()), Some("10".to_owned())]);
    let long = form.clone().file(vec![b'x'; 300_001]).send(&server.raw(), &bucket);
    assert_eq!(
        (long.failure(), long.element("MaxSizeAllowed")),
        (is(400, "EntityTooLarge"), Some("300000".to_owned()))
    );
    assert_eq!(get(&client, &bucket, "k").await, None);
    for fits in [10, 300_000] {
        assert_eq!(form.clone().file(vec![b'x'; fits]).send(&server.raw(), &bucket).status, 204, "{fits}");
        assert_eq!(get(&client, &bucket, "k").await.map(|bytes| bytes.len()), Some(fits));
    }
}

#[tokio::test]
async fn what_a_put_refuses_a_form_refuses() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for (field, value, refused) in [
        ("x-amz-object-lock-mode", "GOVERNANCE", is(501, "NotImplemented")),
        ("x-amz-object-lock-legal-hold", "ON", is(501, "NotImplemented")),
        ("x-amz-server-side-encryption", "AES256", is(501, "NotImplemented")),
        ("x-amz-server-side-encryption-customer-key", "x", is(501, "NotImplemented")),
        ("x-amz-storage-class", "GLACIER", is(501, "NotImplemented")),
        ("x-amz-storage-class", "PLATINUM", is(400, "InvalidStorageClass")),
        ("x-amz-website-redirect-location", "there", is(400, "InvalidRedirectLocation")),
        ("acl", "public-reed", is(400, "InvalidArgument")),
        ("tagging", "<Tagging>", is(400, "MalformedXML")),
        ("x-amz-copy-source", "bucket/secret", is(400, "InvalidArgument")),
        ("x-amz-meta-a", "a\r\nx-amz-acl: public-read", is(400, "InvalidArgument")),
        ("x-amz-expected-bucket-owner", "somebody", is(400, "InvalidBucketOwnerAWSAccountID")),
        ("x-amz-expected-bucket-owner", "000000000000", is(403, "AccessDenied")),
    ] {
        // JSON writes a line end as an escape.
        let covered = format!("[\"starts-with\", \"${field}\", \"\"]");
        let form = Form::signed(ALICE, &bucket, &[("key", "k")], &[covered]).field(field, value);
        assert_eq!(form.send(&server.raw(), &bucket).failure(), refused, "{field}");
    }
    let long = "k".repeat(1025);
    let form = Form::signed(ALICE, &bucket, &[("key", &long)], &[]);
    assert_eq!(form.send(&server.raw(), &bucket).failure(), is(400, "KeyTooLongError"));
    assert_eq!(get(&client, &bucket, "k").await, None);
}

#[tokio::test]
async fn digests_of_a_form_are_verified() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let send = |field: &str, value: &str| {
        Form::signed(ALICE, &bucket, &[("key", "k"), (field, value)], &[]).send(&server.raw(), &bucket)
    };
    let other = STANDARD.encode(Md5::digest("hellO"));
    assert_eq!(send("Content-MD5", &other).failure(), is(400, "BadDigest"));
    assert_eq!(send("x-amz-checksum-crc32", "AAAAAA==").failure(), is(400, "BadDigest"));
    assert_eq!(send("x-amz-checksum-sha256", "sailorjerry").failure(), is(400, "InvalidRequest"));
    assert_eq!(get(&client, &bucket, "k").await, None);
    assert_eq!(send("Content-MD5", &STANDARD.encode(Md5::digest("hello"))).status, 204);
    let crc32 = send("x-amz-checksum-crc32", "NhCmhg==");
    assert_eq!((crc32.status, crc32.header("x-amz-checksum-crc32")), (204, Some("NhCmhg==")));
}

#[tokio::test]
async fn a_body_that_is_no_whole_form_leaves_nothing() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let raw = server.raw();
    let form = Form::signed(ALICE, &bucket, &[("key", "k")], &[]);
    let endless = Form { tail: String::new(), ..form.clone() };
    assert_eq!(
        endless.send(&raw, &bucket).failure(),
        is(400, "MalformedPOSTRequest"),
        "no boundary behind the file"
    );
    let long = Form { tail: format!("{}{}", form.tail, "x".repeat(30_000)), ..form.clone() };
    assert_eq!(long.send(&raw, &bucket).failure(), is(400, "MalformedPOSTRequest"), "much behind the file");
    let cut = form.request(&raw, &bucket).content_length((form.body().len() + 1).to_string()).half_close();
    assert_eq!(cut.send().failure(), is(400, "IncompleteBody"));
    let unknown = form.request(&raw, &bucket).wire();
    let unknown = String::from_utf8(unknown).expect("a text").replace("content-length", "x-length");
    assert_eq!(raw.send(unknown.as_bytes()).failure(), is(411, "MissingContentLength"));
    let fields = form.clone().field("x-ignore-me", &"x".repeat(20_480));
    assert_eq!(fields.send(&raw, &bucket).failure(), is(400, "MaxPostPreDataLengthExceededError"));
    let other = raw.post(format!("/{bucket}"), "key=k").anonymous().send();
    assert_eq!(other.failure(), is(412, "PreconditionFailed"));
    assert_eq!(get(&client, &bucket, "k").await, None);
}

#[tokio::test]
async fn a_form_is_signed_once() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let form = Form::signed(ALICE, &bucket, &[("key", "k")], &[]);
    let both = server.raw().post(format!("/{bucket}"), form.body()).unsigned_header(
        "content-type",
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
    );
    assert_eq!(both.clone().send().failure(), is(400, "InvalidArgument"));
    let presigned = both.presigned(std::time::Duration::from_secs(60));
    assert_eq!(presigned.send().failure(), is(400, "InvalidArgument"));
    assert_eq!(get(&client, &bucket, "k").await, None);
}

#[tokio::test]
async fn what_follows_the_file_is_ignored() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let form = Form::signed(ALICE, &bucket, &[("key", "k")], &[]);
    let boundary = form.tail.trim().trim_end_matches("--").to_owned();
    let tail = format!(
        "\r\n{boundary}\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n{boundary}--\r\n"
    );
    assert_eq!(Form { tail, ..form }.send(&server.raw(), &bucket).status, 204);
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"hello"[..]));
}

/// 64 MiB, which the test does not hold either.
#[tokio::test]
async fn a_large_file_streams_through_little_memory() {
    const PIECE: usize = 1 << 20;
    const PIECES: usize = 64;
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let form = Form::signed(ALICE, &bucket, &[("key", "k")], &[]).file(Vec::new());
    let length = form.body().len() + PIECES * PIECE;
    let wire = form.request(&server.raw(), &bucket).content_length(length.to_string()).wire();
    let (head, tail) = wire.split_at(wire.len() - form.tail.len());
    let before = server.peak_memory();
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    stream.write_all(head).expect("sent");
    let mut sum = Md5::new();
    for nth in 0..PIECES {
        let piece = vec![nth as u8; PIECE];
        sum.update(&piece);
        stream.write_all(&piece).expect("sent");
    }
    stream.write_all(tail).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    assert!(reply.starts_with("HTTP/1.1 204"), "{reply}");
    let grown = server.peak_memory() - before;
    assert!(grown < 32 << 20, "{} MiB", grown >> 20);
    let head = client.head_object().bucket(&bucket).key("k").send().await.expect("head");
    assert_eq!(head.content_length(), Some((PIECES * PIECE) as i64));
    assert_eq!(head.e_tag(), Some(format!("\"{}\"", hex::encode(sum.finalize())).as_str()));
}

/// Storage that speaks S3 is told the length of an object before it gets the first byte. A form does not say
/// it: the file waits in the spool.
#[tokio::test]
async fn a_file_of_any_length_reaches_storage_that_must_know_it_first() {
    let below = Server::start();
    let backend = format!(
        "[backend.up]\ntype = 's3'\nendpoint = 'http://{}'\naccess_key = '{}'\nsecret_key = '{}'\n[default]\nbackend = 'up'\n",
        below.address(),
        ALICE.access_key,
        ALICE.secret_key
    );
    let server = Server::configured("", &backend);
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for length in [0, 5, 128 << 10, (128 << 10) + 1, 3 << 20] {
        let file: Vec<u8> = (0..length).map(|at: usize| (at / 251) as u8).collect();
        let form = Form::signed(ALICE, &bucket, &[("key", "k")], &[range(0, 4 << 20)]).file(file.clone());
        assert_eq!(form.send(&server.raw(), &bucket).status, 204, "{length}");
        assert!(get(&client, &bucket, "k").await == Some(file), "{length}");
    }
    let large = Form::signed(ALICE, &bucket, &[("key", "none")], &[range(0, 1 << 20)]).file(vec![0; 3 << 20]);
    assert_eq!(large.send(&server.raw(), &bucket).failure(), is(400, "EntityTooLarge"));
    let md5 = STANDARD.encode(Md5::digest("other"));
    let wrong =
        Form::signed(ALICE, &bucket, &[("key", "none"), ("Content-MD5", &md5)], &[]).file(vec![0; 1 << 20]);
    assert_eq!(wrong.send(&server.raw(), &bucket).failure(), is(400, "BadDigest"));
    assert_eq!(get(&client, &bucket, "none").await, None);
}
