//! Signatures of requests, independent of the operation: presigned URLs as tools generate them.

use crate::support::{ALICE, Server, Who, get, is, raw::RawRequest};
use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MINUTE: Duration = Duration::from_secs(60);

fn sign_by_version_2(text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, ALICE.secret_key.as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

/// A URL with a signature of version 2 that is valid for a minute from now, or was valid until a minute ago.
fn presigned_by_version_2(server: &Server, method: &str, path: &str, body: &str, holds: bool) -> RawRequest {
    let now = SystemTime::now();
    let end = if holds { now + MINUTE } else { now - MINUTE };
    let expires = end.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let signature = sign_by_version_2(&format!("{method}\n\n\n{expires}\n{path}"));
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    let query = format!("AWSAccessKeyId={}&Signature={signature}&Expires={expires}", ALICE.access_key);
    server.raw().request(method, format!("{path}?{query}")).body(body).anonymous()
}

fn signed_by_version_2(server: &Server, method: &str, path: &str) -> RawRequest {
    let date = httpdate::fmt_http_date(SystemTime::now());
    let signature = sign_by_version_2(&format!("{method}\n\n\n{date}\n{path}"));
    let request = server.raw().request(method, path).anonymous().unsigned_header("date", date);
    request.unsigned_header("authorization", format!("AWS {}:{signature}", ALICE.access_key))
}

#[tokio::test]
async fn urls_that_are_presigned_by_version_2_are_served_until_they_expire() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let path = format!("/{bucket}/a%20b");
    let presigned =
        |method: &str, body: &str, holds| presigned_by_version_2(&server, method, &path, body, holds).send();
    assert_eq!(presigned("PUT", "hello", true).status, 200);
    assert_eq!(get(&client, &bucket, "a b").await.as_deref(), Some(&b"hello"[..]));
    let read = presigned("GET", "", true);
    assert_eq!((read.status, read.text()), (200, "hello".to_owned()));
    let late = presigned("GET", "", false);
    assert_eq!(late.failure(), is(403, "AccessDenied"));
    assert_eq!(late.element("Message").as_deref(), Some("Request has expired"));
    assert_eq!(signed_by_version_2(&server, "GET", &path).send().failure(), is(400, "InvalidRequest"));
}

#[tokio::test]
async fn version_2_is_accepted_as_far_as_the_settings_say() {
    let server = Server::configured("signature_v2 = \"all\"", "");
    let bucket = server.bucket(&server.client()).await;
    let path = format!("/{bucket}/");
    assert_eq!(signed_by_version_2(&server, "GET", &path).send().status, 200);
    assert_eq!(presigned_by_version_2(&server, "GET", &path, "", true).send().status, 200);
    let server = Server::configured("signature_v2 = \"off\"", "");
    assert_eq!(signed_by_version_2(&server, "GET", "/").send().failure(), is(400, "InvalidRequest"));
    assert_eq!(
        presigned_by_version_2(&server, "GET", "/", "", true).send().failure(),
        is(400, "InvalidRequest")
    );
}

#[tokio::test]
async fn a_url_that_the_sdk_for_javascript_presigned_takes_any_body() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let query = "x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32&x-id=PutObject";
    let put = server.raw().put(format!("/{bucket}/k?{query}"), "hello").presigned(MINUTE).send();
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn without_a_region_in_the_settings_any_region_will_do_also_none() {
    let server = Server::start();
    for region in ["", "mars-north-7", "us-east-1"] {
        assert_eq!(server.raw().get("/").region(region).send().status, 200, "{region}");
        assert_eq!(server.raw().get("/").region(region).presigned(MINUTE).send().status, 200, "{region}");
    }
}

#[tokio::test]
async fn a_region_in_the_settings_is_the_only_one_and_errors_name_it() {
    let server = Server::configured("region = \"eu-north-1\"", "");
    let raw = server.raw();
    let refused = raw.get("/").region("us-east-1").send();
    assert_eq!(refused.failure(), is(400, "AuthorizationHeaderMalformed"));
    assert_eq!(refused.element("Region").as_deref(), Some("eu-north-1"));
    let refused = raw.get("/").region("").presigned(MINUTE).send();
    assert_eq!(refused.failure(), is(400, "AuthorizationQueryParametersError"));
    assert_eq!(refused.element("Region").as_deref(), Some("eu-north-1"));

    let create = |bucket: &str, location: &str| {
        let body = format!(
            "<CreateBucketConfiguration><LocationConstraint>{location}</LocationConstraint></CreateBucketConfiguration>"
        );
        raw.put(format!("/{bucket}"), body).region("eu-north-1").send()
    };
    assert_eq!(create("here", "eu-north-1").status, 200);
    assert_eq!(create("there", "eu-west-1").failure(), is(400, "IllegalLocationConstraintException"));

    let server = Server::configured("region = \"eu-north-1\"\naccept_any_region = true", "");
    assert_eq!(server.raw().get("/").region("us-east-1").send().status, 200);
}

#[tokio::test]
async fn a_watch_on_a_bucket_is_told_that_there_are_none() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let events = "events=s3%3AObjectCreated%3A%2A&events=s3%3AObjectAccessed%3A%2A&ping=10&prefix=&suffix=";
    let watched = server.raw().get(format!("/{bucket}?{events}")).send();
    assert_eq!(watched.failure(), is(501, "NotImplemented"));
}

#[tokio::test]
async fn requests_that_are_signed_with_sigv4a_are_served_by_header_and_by_url() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let raw = server.raw();
    let path = format!("/{bucket}/a%20b");
    let put = raw.put(&*path, "hello").region_set("*").send();
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(get(&client, &bucket, "a b").await.as_deref(), Some(&b"hello"[..]));
    let read = raw.get(&*path).region_set("us-east-1,eu-*").presigned(MINUTE).send();
    assert_eq!((read.status, read.text()), (200, "hello".to_owned()));
    let tampered = raw.put(&*path, "hello").region_set("*").tamper("hello", "jello").send();
    assert_eq!(tampered.failure(), is(400, "XAmzContentSHA256Mismatch"));
    let stranger = Who { secret_key: "other", ..ALICE };
    let wrong = server.raw_of(stranger).get(&*path).region_set("*");
    assert_eq!(wrong.send().failure(), is(403, "SignatureDoesNotMatch"));
    let identity =
        raw.post("/", "Action=GetCallerIdentity&Version=2011-06-15").service("sts").region_set("*");
    let identity = identity.header("content-type", "application/x-www-form-urlencoded").send();
    assert_eq!(identity.status, 200, "{}", identity.text());
}

#[tokio::test]
async fn a_set_of_regions_without_that_of_the_settings_is_refused() {
    let server = Server::configured("region = \"eu-north-1\"", "");
    let raw = server.raw();
    for (set, status) in [("eu-north-1", 200), ("eu-*,us-east-1", 200), ("us-*", 400)] {
        for request in [raw.get("/"), raw.get("/").presigned(MINUTE)] {
            let reply = request.region_set(set).send();
            assert_eq!(reply.status, status, "{set}: {}", reply.text());
            if status == 400 {
                assert_eq!(reply.element("Region").as_deref(), Some("eu-north-1"));
            }
        }
    }
}
