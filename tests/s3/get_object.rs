//! GetObject over the wire.

use crate::support::{ALICE, BOB, Server, failure, get, is, put, put_two_parts};
use aws_sdk_s3::{
    primitives::{ByteStream, DateTime},
    types::{ChecksumMode, ObjectCannedAcl},
};
use std::time::Duration;

#[tokio::test]
async fn ranges_are_answered_with_their_bytes_and_place() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "0123456789").await;
    let raw = server.raw();
    for (range, status, place, body) in [
        ("bytes=2-4", 206, Some("bytes 2-4/10"), "234"),
        ("bytes=4-", 206, Some("bytes 4-9/10"), "456789"),
        ("bytes=-3", 206, Some("bytes 7-9/10"), "789"),
        ("bytes=-30", 206, Some("bytes 0-9/10"), "0123456789"),
        ("bytes=8-99", 206, Some("bytes 8-9/10"), "89"),
        ("bytes=0-0,2-3", 200, None, "0123456789"),
        ("bytes= -1", 200, None, "0123456789"),
        ("bytes=1 -3", 200, None, "0123456789"),
        ("bytes=4-2", 200, None, "0123456789"),
        ("lines=1-2", 200, None, "0123456789"),
    ] {
        let reply = raw.get(format!("/{bucket}/k")).header("range", range).send();
        assert_eq!(
            (reply.status, reply.header("content-range"), reply.text().as_str()),
            (status, place, body),
            "{range}"
        );
        assert_eq!(reply.header("content-length"), Some(body.len().to_string().as_str()), "{range}");
    }
    let outside = raw.get(format!("/{bucket}/k")).header("range", "bytes=10-").send();
    assert_eq!(outside.failure(), is(416, "InvalidRange"));
    assert_eq!(outside.header("content-range"), Some("bytes */10"));
    let told = (outside.element("RangeRequested"), outside.element("ActualObjectSize"));
    assert_eq!(told, (Some("bytes=10-".to_owned()), Some("10".to_owned())));
    put(&client, &bucket, "empty", "").await;
    assert_eq!(
        raw.get(format!("/{bucket}/empty")).header("range", "bytes=0-").send().failure(),
        is(416, "InvalidRange")
    );
}

#[tokio::test]
async fn if_range_sends_the_whole_of_another_object() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let raw = server.raw();
    let ask = |range: &str, validator: &str| {
        let reply =
            raw.get(format!("/{bucket}/k")).header("range", range).header("if-range", validator).send();
        (reply.status, reply.text())
    };
    let (same, other) = ("\"5d41402abc4b2a76b9719d911017c592\"", "\"00000000000000000000000000000000\"");
    assert_eq!(ask("bytes=0-1", same), (206, "he".into()));
    assert_eq!(ask("bytes=0-1", other), (200, "hello".into()));
    assert_eq!(ask("bytes=9-", other), (200, "hello".into()));
    assert_eq!(ask("bytes=9-", same).0, 416);
}

#[tokio::test]
async fn parts_are_read_by_their_number() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put_two_parts(&client, &bucket, "k").await;
    let part = client.get_object().bucket(&bucket).key("k").part_number(2).send().await.expect("a part");
    assert_eq!((part.parts_count(), part.content_length()), (Some(2), Some(3)));
    assert_eq!(part.content_range(), Some("bytes 5242880-5242882/5242883"));
    assert_eq!(part.body.collect().await.expect("a body").to_vec(), b"bbb");
    let beyond = client.get_object().bucket(&bucket).key("k").part_number(3).send().await;
    assert_eq!(failure(beyond), is(416, "InvalidPartNumber"));
    let beyond = server.raw().get(format!("/{bucket}/k?partNumber=3")).send();
    let told = (beyond.element("PartNumberRequested"), beyond.element("ActualPartCount"));
    assert_eq!(told, (Some("3".to_owned()), Some("2".to_owned())));
    put(&client, &bucket, "single", "x").await;
    let single =
        client.get_object().bucket(&bucket).key("single").part_number(1).send().await.expect("the whole");
    assert_eq!((single.parts_count(), single.content_range()), (None, Some("bytes 0-0/1")));
    let raw = server.raw();
    assert_eq!(raw.get(format!("/{bucket}/k?partNumber=0")).send().failure(), is(400, "InvalidArgument"));
    let both = raw.get(format!("/{bucket}/k?partNumber=1")).header("range", "bytes=0-1").send();
    assert_eq!(both.failure(), is(400, "InvalidRequest"));
}

#[tokio::test]
async fn conditions_decide_between_200_304_and_412() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let raw = server.raw();
    let (same, other) = ("\"5d41402abc4b2a76b9719d911017c592\"", "\"00000000000000000000000000000000\"");
    let (past, future) = ("Mon, 12 Oct 2009 17:50:30 GMT", "Sun, 12 Oct 2098 17:50:30 GMT");
    for (headers, status) in [
        (&[("if-match", same)][..], 200),
        (&[("if-match", other)], 412),
        (&[("if-none-match", same)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", other)], 200),
        (&[("if-modified-since", past)], 200),
        (&[("if-modified-since", future)], 304),
        (&[("if-unmodified-since", future)], 200),
        (&[("if-unmodified-since", past)], 412),
        (&[("if-modified-since", "soon")], 200),
        (&[("if-match", same), ("if-unmodified-since", past)], 200),
        (&[("if-none-match", other), ("if-modified-since", future)], 200),
    ] {
        let request = headers
            .iter()
            .fold(raw.get(format!("/{bucket}/k")), |request, (name, value)| request.header(name, *value));
        let reply = request.send();
        assert_eq!(reply.status, status, "{headers:?}");
        if status == 304 {
            assert_eq!((reply.header("etag"), reply.body.len()), (Some(same), 0), "{headers:?}");
            assert!(reply.header("last-modified").is_some(), "{headers:?}");
        }
        if status == 412 {
            let condition = if headers[0].0 == "if-match" { "If-Match" } else { "If-Unmodified-Since" };
            assert_eq!(reply.element("Condition").as_deref(), Some(condition), "{headers:?}");
        }
    }
}

#[tokio::test]
async fn the_query_overrides_headers_but_not_for_anonymous_readers() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let public = client.put_object().bucket(&bucket).key("k").acl(ObjectCannedAcl::PublicRead);
    public.body(ByteStream::from_static(b"x")).send().await.expect("put");
    let query = "response-cache-control=no-cache&response-content-disposition=bla&response-content-encoding=aaa\
                 &response-content-language=esperanto&response-content-type=foo%2Fbar&response-expires=123";
    let reply = server.raw().get(format!("/{bucket}/k?{query}")).send();
    for (name, value) in [
        ("cache-control", "no-cache"),
        ("content-disposition", "bla"),
        ("content-encoding", "aaa"),
        ("content-language", "esperanto"),
        ("content-type", "foo/bar"),
        ("expires", "123"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{name}");
    }
    assert_eq!(server.raw().get(format!("/{bucket}/k")).anonymous().send().text(), "x");
    let anonymous =
        server.raw().get(format!("/{bucket}/k?response-content-type=text%2Fhtml")).anonymous().send();
    assert_eq!(anonymous.failure(), is(400, "InvalidRequest"));
    let split = server.raw().get(format!("/{bucket}/k?response-content-type=a%0D%0Ab:%20c")).send();
    assert_eq!(split.failure(), is(400, "InvalidArgument"));
    let unknown = server.raw().get(format!("/{bucket}/k?response-etag=x")).send();
    assert_eq!(
        (unknown.failure(), unknown.element("ArgumentName").as_deref()),
        (is(400, "InvalidArgument"), Some("response-etag"))
    );
}

#[tokio::test]
async fn a_checksum_is_shown_when_asked_for_and_only_of_the_whole() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "123456789").await;
    let plain = server.raw().get(format!("/{bucket}/k")).send();
    assert!(!plain.headers.iter().any(|(name, _)| name.starts_with("x-amz-checksum-")));
    let asked = client
        .get_object()
        .bucket(&bucket)
        .key("k")
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .expect("get");
    assert_eq!(asked.checksum_crc32(), Some("y/Q5Jg=="));
    let ranged = server
        .raw()
        .get(format!("/{bucket}/k"))
        .header("x-amz-checksum-mode", "ENABLED")
        .header("range", "bytes=0-1")
        .send();
    assert!(!ranged.headers.iter().any(|(name, _)| name.starts_with("x-amz-checksum-")));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    assert_eq!(
        failure(client.get_object().bucket(&bucket).key("missing").send().await),
        is(404, "NoSuchKey")
    );
    assert_eq!(
        failure(client.get_object().bucket("no-such-bucket").key("k").send().await),
        is(404, "NoSuchBucket")
    );
    assert!(client.get_object().bucket(&bucket).key("k").version_id("null").send().await.is_ok());
    let version = |id: &str| server.raw().get(format!("/{bucket}/k?versionId={id}")).send();
    let unknown = version("v5n1PPUjOCMHLyyfq0ayjoZ5RZLfVQKA");
    assert_eq!(
        (unknown.failure(), unknown.element("VersionId").as_deref()),
        (is(404, "NoSuchVersion"), Some("v5n1PPUjOCMHLyyfq0ayjoZ5RZLfVQKA"))
    );
    let junk = version("junk");
    assert_eq!(
        (junk.failure(), junk.element("ArgumentName").as_deref()),
        (is(400, "InvalidArgument"), Some("versionId"))
    );
    let missing = server.raw().get(format!("/{bucket}/miss%20ing")).send();
    assert_eq!(missing.element("Key").as_deref(), Some("miss ing"));
    assert_eq!(missing.element("RequestId").as_deref(), missing.header("x-amz-request-id"));
}

#[tokio::test]
async fn an_unknown_version_says_nothing_of_an_object_to_those_who_may_not_read_it() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    let asked = |path: &str| server.raw().get(format!("/{bucket}/{path}")).anonymous().send();
    for key in ["k", "missing"] {
        let unknown = asked(&format!("{key}?versionId=v5n1PPUjOCMHLyyfq0ayjoZ5RZLfVQKA"));
        assert_eq!(unknown.failure(), is(404, "NoSuchVersion"), "{key}");
        assert_eq!(asked(&format!("{key}?versionId=null")).failure(), is(403, "AccessDenied"), "{key}");
    }
}

#[tokio::test]
async fn sub_resources_of_buckets_are_none_of_keys() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    for (method, name) in [
        ("GET", "uploads"),
        ("PUT", "uploads"),
        ("DELETE", "uploads"),
        ("GET", "versions"),
        ("PUT", "versions"),
    ] {
        let refused = server.raw().request(method, format!("/{bucket}/k?{name}")).send();
        assert_eq!(refused.failure(), is(400, "InvalidRequest"), "{method} ?{name}");
    }
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"x"[..]));
}

#[tokio::test]
async fn unset_headers_have_their_defaults() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    assert_eq!(server.raw().put(format!("/{bucket}/k"), "x").send().status, 200);
    let reply = server.raw().get(format!("/{bucket}/k")).send();
    assert_eq!(reply.header("content-type"), Some("binary/octet-stream"));
    assert_eq!(reply.header("accept-ranges"), Some("bytes"));
    for absent in [
        "cache-control",
        "content-encoding",
        "expires",
        "x-amz-tagging-count",
        "x-amz-mp-parts-count",
        "content-range",
    ] {
        assert_eq!(reply.header(absent), None, "{absent}");
    }
}

#[tokio::test]
async fn expires_and_metadata_are_kept_verbatim() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let put = server
        .raw()
        .put(format!("/{bucket}/k"), "x")
        .header("expires", "whenever")
        .header("x-amz-meta-a", "a  b=?");
    assert_eq!(put.send().status, 200);
    let reply = server.raw().get(format!("/{bucket}/k")).send();
    assert_eq!((reply.header("expires"), reply.header("x-amz-meta-a")), (Some("whenever"), Some("a  b=?")));
    let dated =
        client.put_object().bucket(&bucket).key("k").expires(DateTime::from_secs(4_000_000_000)).send();
    dated.await.expect("put");
    let reply = server.raw().get(format!("/{bucket}/k")).send();
    assert_eq!(reply.header("expires"), Some("Tue, 02 Oct 2096 07:06:40 GMT"));
}

/// S3 does the same: a header is ASCII, and many clients refuse to read any other.
#[tokio::test]
async fn metadata_outside_ascii_goes_out_as_encoded_words() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let shown = |value: &str| {
        let put = server.raw().put(format!("/{bucket}/k"), "x").header("x-amz-meta-a", value);
        assert_eq!(put.send().status, 200, "{value}");
        let replies =
            ["GET", "HEAD"].map(|method| server.raw().request(method, format!("/{bucket}/k")).send());
        let shown = replies.map(|reply| reply.header("x-amz-meta-a").map(str::to_owned));
        assert_eq!(shown[0], shown[1], "{value}");
        shown[0].clone().expect("a value")
    };
    let snowman = "=?UTF-8?B?bmHDr3ZlIOKAlCDimIM=?=";
    for value in ["naïve — ☃", snowman, "=?utf-8?Q?na=C3=AFve_=E2=80=94_=E2=98=83?="] {
        assert_eq!(shown(value), snowman, "{value}");
    }
    assert_eq!(shown("=?ISO-8859-1?Q?caf=E9?="), "=?UTF-8?B?Y2Fmw6k=?=");
    assert_eq!(shown("=?UTF-8?B?bad?="), "=?UTF-8?B?bad?=");
    let long = shown(&"é".repeat(500));
    assert!(long.split(' ').all(|word| word.len() <= 75), "{long}");
    assert_eq!(shown(&long), long, "what went out comes in again");
    let copy = client.copy_object().bucket(&bucket).key("k").copy_source(format!("{bucket}/k"));
    let copy = copy.metadata_directive(aws_sdk_s3::types::MetadataDirective::Replace).metadata("a", snowman);
    copy.send().await.expect("copied");
    let head = client.head_object().bucket(&bucket).key("k").send().await.expect("head");
    assert_eq!(head.metadata().and_then(|all| all.get("a")).map(String::as_str), Some(snowman));
}

#[tokio::test]
async fn readers_are_those_whom_the_acl_names() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let bucket = server.bucket(&alice).await;
    let raw = server.raw();
    for (acl, other, anyone) in [
        (ObjectCannedAcl::Private, 403, 403),
        (ObjectCannedAcl::AuthenticatedRead, 200, 403),
        (ObjectCannedAcl::PublicRead, 200, 200),
    ] {
        alice.put_object().bucket(&bucket).key("k").acl(acl.clone()).send().await.expect("put");
        let by_bob = bob.get_object().bucket(&bucket).key("k").send().await;
        assert_eq!(failure(by_bob).0, other, "{acl}");
        assert_eq!(raw.get(format!("/{bucket}/k")).anonymous().send().status, anyone, "{acl}");
    }
    // A client without the right to list must not learn which keys are missing.
    assert_eq!(
        failure(bob.get_object().bucket(&bucket).key("missing").send().await),
        is(403, "AccessDenied")
    );
}

#[tokio::test]
async fn a_presigned_url_reads_without_further_credentials() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "a b", "x").await;
    let reply = server.raw().get(format!("/{bucket}/a%20b")).presigned(Duration::from_secs(60)).send();
    assert_eq!((reply.status, reply.text().as_str()), (200, "x"));
}
