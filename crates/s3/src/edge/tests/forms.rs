//! Uploads by HTML form: who signed them, what their fields become, and how their file ends.

use super::*;
use crate::{
    edge::form::MAX_FORM,
    model::{Principal, SignatureV2},
    s3::{FormReply, FormStatus, Operation},
};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::StreamBody;
use std::convert::Infallible;

const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";
const SCOPE: &str = "20260102/us-east-1/s3/aws4_request";

/// The form of a test.
#[derive(Debug, Clone)]
struct Page {
    fields: Vec<(String, String)>,
    file: Vec<u8>,
    /// What follows the file.
    tail: String,
}

impl Page {
    /// A form without a signature.
    fn new(fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { fields, file: b"hello".to_vec(), tail: format!("\r\n--{BOUNDARY}--\r\n") }
    }

    /// A form whose policy has these conditions besides those that every policy has, signed by alice.
    fn signed(conditions: &str, fields: &[(&str, &str)]) -> Self {
        let credential = format!("{ALICE}/{SCOPE}");
        let json = format!(
            r#"{{"expiration": "2026-01-02T04:00:00Z", "conditions": [{{"bucket": "bucket"}},
                ["starts-with", "$key", "user/"], {{"x-amz-algorithm": "AWS4-HMAC-SHA256"}},
                {{"x-amz-credential": "{credential}"}}, {{"x-amz-date": "20260102T030405Z"}} {conditions}]}}"#
        );
        let policy = STANDARD.encode(json);
        let at = UNIX_EPOCH + Duration::from_secs(NOW);
        let key = generate_signing_key(SECRET, at, "us-east-1", "s3");
        let signature = calculate_signature(key, policy.as_bytes());
        let own = [
            ("policy", policy.as_str()),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", "20260102T030405Z"),
            ("X-Amz-Signature", &signature),
        ];
        Self::new(&[&own[..], fields].concat())
    }

    /// With another value of a field.
    fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    fn file(mut self, file: impl Into<Vec<u8>>) -> Self {
        self.file = file.into();
        self
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in &self.fields {
            let part =
                format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\a.txt\"\r\nContent-Type: text/html\r\n\r\n"
        );
        [body, head.into_bytes(), self.file.clone(), self.tail.clone().into_bytes()].concat()
    }

    fn draft(&self) -> Draft {
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        Draft::new("POST", "/bucket").header("content-type", &content_type).body(self.body())
    }

    async fn open(&self) -> Result<Request, S3Error> {
        open(&edge(), self.draft().build()).await
    }

    async fn code(&self) -> Option<ErrorCode> {
        self.open().await.err().map(|error| error.code)
    }
}

async fn open<B>(edge: &Edge, request: http::Request<B>) -> Result<Request, S3Error>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
{
    match edge.admit(request, arrival(now())).map_err(|refusal| refusal.error)? {
        Admitted::Form(form) => edge.open(form).await.map_err(|refusal| refusal.error),
        other => panic!("{other:?}"),
    }
}

fn names(request: &Request) -> Vec<&str> {
    let mut names: Vec<&str> = request.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names
}

fn owner(request: &Request) -> Option<&str> {
    request.context.principal.identity().map(|identity| identity.access_key.as_str())
}

#[tokio::test]
async fn a_form_becomes_a_request_whose_headers_are_its_fields() {
    let conditions =
        r#", ["starts-with", "$Content-Type", ""], {"acl": "private"}, {"success_action_status": "201"}"#;
    let fields = [
        ("key", "user/${filename}"),
        ("Content-Type", "text/plain"),
        ("acl", "private"),
        ("success_action_status", "201"),
    ];
    let request = Page::signed(conditions, &fields).open().await.expect("admitted");
    assert_eq!(request.context.operation, Some(Operation::PostObject));
    assert_eq!(owner(&request), Some(ALICE));
    assert_eq!(request.target.key.as_deref(), Some("user/a.txt"));
    assert_eq!(names(&request), ["content-type", "host", "x-amz-acl"]);
    assert_eq!(request.headers["content-type"], "text/plain");
    assert_eq!(request.form, Some(FormReply { redirect: None, status: FormStatus::Created }));
    assert_eq!((request.payload.length(), read(request).await), (None, Ok(Bytes::from_static(b"hello"))));
}

#[tokio::test]
async fn the_documented_example_is_verified() {
    // S3 API reference, "Example: browser-based upload using HTTP POST".
    let policy = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";
    let redirect = "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html";
    let page = Page::new(&[
        ("key", "user/user1/${filename}"),
        ("acl", "public-read"),
        ("success_action_redirect", redirect),
        ("Content-Type", "image/jpeg"),
        ("x-amz-meta-uuid", "14365123651274"),
        ("x-amz-server-side-encryption", "AES256"),
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Date", "20151229T000000Z"),
        ("x-amz-meta-tag", ""),
        ("Policy", policy),
        ("X-Amz-Signature", "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"),
    ]);
    let edge = edge_for("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let at = |time: &str| arrival(Timestamp::parse_iso8601(time).expect("a time"));
    let admitted = |time: &str| match edge
        .admit(Draft { path: "/sigv4examplebucket".to_owned(), ..page.draft() }.build(), at(time))
    {
        Ok(Admitted::Form(form)) => form,
        other => panic!("{other:?}"),
    };
    let request = edge.open(admitted("2015-12-29T12:00:00Z")).await.expect("admitted");
    assert_eq!(owner(&request), Some("AKIAIOSFODNN7EXAMPLE"));
    assert_eq!(
        request.form,
        Some(FormReply { redirect: Some(redirect.to_owned()), status: FormStatus::NoContent })
    );
    let late = edge.open(admitted("2015-12-30T12:00:00Z")).await.expect_err("expired").error;
    assert_eq!(
        (late.code, &*late.message),
        (ErrorCode::AccessDenied, "Invalid according to Policy: Policy expired.")
    );
}

#[tokio::test]
async fn a_form_that_anybody_changed_is_refused() {
    let page = Page::signed("", &[("key", "user/a")]);
    assert_eq!(page.code().await, None);
    let other = STANDARD.encode(r#"{"expiration": "2026-01-02T04:00:00Z", "conditions": []}"#);
    let zeros = "0".repeat(64);
    let stranger = format!("AKIDMALLORY/{SCOPE}");
    for (name, value, code) in [
        ("policy", other.as_str(), ErrorCode::SignatureDoesNotMatch),
        ("X-Amz-Signature", &zeros, ErrorCode::SignatureDoesNotMatch),
        ("X-Amz-Credential", &stranger, ErrorCode::InvalidAccessKeyId),
        ("x-amz-security-token", "token", ErrorCode::InvalidToken),
        ("key", "home/a", ErrorCode::AccessDenied),
        ("acl", "public-read", ErrorCode::AccessDenied),
        ("bucket", "other", ErrorCode::InvalidArgument),
        ("key", "", ErrorCode::AccessDenied),
        ("x-amz-copy-source", "bucket/secret", ErrorCode::AccessDenied),
    ] {
        assert_eq!(page.clone().with(name, value).code().await, Some(code), "{name}");
    }
    for missing in ["policy", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Date"] {
        assert_eq!(page.clone().without(missing).code().await, Some(ErrorCode::InvalidArgument), "{missing}");
    }
    let elsewhere = Draft { path: "/other".to_owned(), ..page.draft() };
    let error = open(&edge(), elsewhere.build()).await.expect_err("another bucket");
    assert_eq!(error.code, ErrorCode::AccessDenied);
}

#[tokio::test]
async fn a_covered_field_still_cannot_say_what_a_request_is() {
    for field in
        ["x-amz-copy-source", "x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer"]
    {
        let page = Page::signed(&format!(r#", {{"{field}": "x"}}"#), &[("key", "user/a"), (field, "x")]);
        assert_eq!(page.code().await, Some(ErrorCode::InvalidArgument), "{field}");
    }
}

#[tokio::test]
async fn a_form_without_a_signature_is_anonymous() {
    let request = Page::new(&[("key", "a"), ("anything", "else")]).open().await.expect("admitted");
    assert!(matches!(request.context.principal, Principal::Anonymous));
    assert_eq!(Page::new(&[("acl", "private")]).code().await, Some(ErrorCode::InvalidArgument), "no key");
    assert_eq!(Page::new(&[("key", "")]).code().await, Some(ErrorCode::InvalidArgument), "an empty key");
}

#[tokio::test]
async fn a_second_signature_beside_the_form_is_refused() {
    let page = Page::signed("", &[("key", "user/a")]);
    let presigned = Signer::presigning(60).sign(page.draft());
    for draft in [
        Signer::default().sign(page.draft()),
        presigned,
        Draft { query: "AWSAccessKeyId=a&Signature=b&Expires=9999999999".to_owned(), ..page.draft() },
    ] {
        let error = open(&edge(), draft.build()).await.expect_err("refused");
        assert_eq!(error.code, ErrorCode::InvalidArgument);
    }
}

#[tokio::test]
async fn headers_of_the_request_say_nothing_about_the_object() {
    let page = Page::new(&[("key", "a")]);
    let draft =
        page.draft().header("cache-control", "max-age=0").header("expires", "0").header("origin", "http://x");
    let request = open(&edge(), draft.build()).await.expect("admitted");
    assert_eq!(names(&request), ["host", "origin"]);
    for name in ["x-amz-acl", "x-amz-meta-a", "x-amz-content-sha256", "content-md5", "content-encoding"] {
        let error = open(&edge(), page.draft().header(name, "x").build()).await.expect_err("refused");
        assert_eq!(error.code, ErrorCode::NotImplemented, "{name}");
    }
}

#[tokio::test]
async fn version_2_signs_forms_where_the_settings_allow_it() {
    let policy = STANDARD.encode(
        r#"{"expiration": "2026-01-02T04:00:00Z", "conditions": [{"bucket": "bucket"}, ["starts-with", "$key", ""]]}"#,
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
    let signature = STANDARD.encode(ring::hmac::sign(&key, policy.as_bytes()));
    let page =
        Page::new(&[("key", "a"), ("AWSAccessKeyId", ALICE), ("Policy", &policy), ("Signature", &signature)]);
    for (signature_v2, refused) in [
        (SignatureV2::Off, Some(ErrorCode::InvalidRequest)),
        (SignatureV2::Presigned, None),
        (SignatureV2::All, None),
    ] {
        let edge = edge_with(EdgeSettings { signature_v2, ..settings() }, ALICE, SECRET);
        let opened = open(&edge, page.draft().build()).await;
        assert_eq!(opened.err().map(|error| error.code), refused, "{signature_v2:?}");
    }
    // The setting of an identity wins.
    for (server, own, refused) in
        [(SignatureV2::Off, "presigned", None), (SignatureV2::All, "off", Some(ErrorCode::InvalidRequest))]
    {
        let access_key = format!("accepts-{own}");
        let edge = edge_with(EdgeSettings { signature_v2: server, ..settings() }, &access_key, SECRET);
        let page = page.clone().with("AWSAccessKeyId", &access_key);
        let opened = open(&edge, page.draft().build()).await;
        assert_eq!(opened.err().map(|error| error.code), refused, "{server:?} {own}");
    }
    let forged = page.with("Signature", &STANDARD.encode([0; 20]));
    assert_eq!(forged.code().await, Some(ErrorCode::SignatureDoesNotMatch));
}

#[tokio::test]
async fn both_secrets_sign_forms_while_one_is_replaced() {
    let page = Page::signed("", &[("key", "user/a")]);
    for (secret, refused) in [
        (format!("new replaces {SECRET}"), None),
        ("new replaces other".to_owned(), Some(ErrorCode::SignatureDoesNotMatch)),
    ] {
        let opened = open(&edge_for(ALICE, &secret), page.draft().build()).await;
        assert_eq!(opened.err().map(|error| error.code), refused);
    }
}

#[tokio::test]
async fn a_form_for_another_region_is_refused_where_there_is_only_one() {
    let edge = edge_with(EdgeSettings { region: Some("eu-north-1".to_owned()), ..settings() }, ALICE, SECRET);
    let page = Page::signed("", &[("key", "user/a")]);
    let error = open(&edge, page.draft().build()).await.expect_err("refused");
    assert_eq!(error.code, ErrorCode::AuthorizationQueryParametersError);
}

#[tokio::test]
async fn a_body_needs_its_length_and_a_boundary() {
    let page = Page::new(&[("key", "a")]);
    let code = |draft: Draft| async move { open(&edge(), draft.build()).await.err().map(|error| error.code) };
    assert_eq!(code(page.draft().without("content-length")).await, Some(ErrorCode::MissingContentLength));
    let without = page.draft().without("content-type").header("content-type", "multipart/form-data");
    assert_eq!(code(without).await, Some(ErrorCode::MalformedPOSTRequest));
    let huge = page.draft().without("content-length").header("content-length", "5368750081");
    assert_eq!(code(huge).await, Some(ErrorCode::EntityTooLarge));
    let long = Page::new(&[("key", "a"), ("x-amz-meta-a", &"x".repeat(MAX_FORM))]);
    assert_eq!(long.code().await, Some(ErrorCode::MaxPostPreDataLengthExceededError));
    let fileless = Page { tail: String::new(), ..page.clone() };
    let body = String::from_utf8(fileless.body()).expect("a text");
    let cut = body.find("hello").expect("a file") - 4;
    let draft = page.draft().without("content-length").body(body[..cut].to_owned());
    assert_eq!(code(draft).await, Some(ErrorCode::MalformedPOSTRequest));
}

#[tokio::test]
async fn a_file_outside_its_range_ends_in_an_error() {
    let page = Page::signed(r#", ["content-length-range", 3, 5]"#, &[("key", "user/a")]);
    for (file, outcome) in [
        ("ab", Err(PayloadError::FileTooSmall { length: 2, least: 3 })),
        ("abc", Ok("abc".into())),
        ("abcde", Ok("abcde".into())),
        ("abcdef", Err(PayloadError::FileTooLarge { length: 6, most: 5 })),
    ] {
        let request = page.clone().file(file).open().await.expect("admitted");
        assert_eq!(read(request).await, outcome, "{file}");
    }
}

#[tokio::test]
async fn what_follows_the_file_is_ignored_and_a_file_without_its_end_is_no_object() {
    let page = Page::new(&[("key", "a")]);
    let submit = format!(
        "\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"acl\"\r\n\r\npublic-read\r\n--{BOUNDARY}--\r\n"
    );
    let request = Page { tail: submit, ..page.clone() }.open().await.expect("admitted");
    assert_eq!(names(&request), ["host"]);
    assert_eq!(read(request).await, Ok("hello".into()));
    for tail in ["", "\r\n", "\r\n--", &format!("\r\n--{}", &BOUNDARY[..10]), &format!("\r\n--{BOUNDARY}")] {
        let request = Page { tail: tail.to_owned(), ..page.clone() }.open().await.expect("admitted");
        assert!(matches!(read(request).await, Err(PayloadError::Form(_))), "{tail:?}");
    }
}

#[tokio::test]
async fn checksums_of_a_form_are_of_its_file() {
    let with = |name: &'static str, value: &'static str| async move {
        let request = Page::new(&[("key", "a"), (name, value)]).open().await?;
        request.payload.collect(usize::MAX).await.map_err(S3Error::from)
    };
    let code = |outcome: Result<Bytes, S3Error>| outcome.err().map(|error| error.code);
    assert_eq!(code(with("content-md5", "XUFAKrxLKna5cZ2REBfFkg==").await), None);
    assert_eq!(code(with("content-md5", "XUFAKrxLKna5cZ2REBfFkw==").await), Some(ErrorCode::BadDigest));
    assert_eq!(code(with("x-amz-checksum-crc32", "NhCmhg==").await), None);
    assert_eq!(code(with("x-amz-checksum-crc32", "NhCmhw==").await), Some(ErrorCode::BadDigest));
    assert_eq!(code(with("x-amz-checksum-sha256", "sailorjerry").await), Some(ErrorCode::InvalidRequest));
}

#[tokio::test]
async fn a_form_may_arrive_in_any_pieces() {
    let page = Page::signed("", &[("key", "user/a")]).file(b"a\r\n--b\r\n".repeat(40));
    let body = page.body();
    for size in [1, 2, 7, 64, 4096] {
        let frames: Vec<_> = body
            .chunks(size)
            .map(|frame| Ok::<_, Infallible>(http_body::Frame::data(Bytes::copy_from_slice(frame))))
            .collect();
        let stream = StreamBody::new(futures_util::stream::iter(frames));
        let request = page.draft().build().map(|_| stream);
        let request = open(&edge(), request).await.expect("admitted");
        assert_eq!(read(request).await, Ok(page.file.clone().into()), "{size}");
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_leaves_no_object() {
    let page = Page::new(&[("key", "a")]);
    let whole = page.body();
    for cut in [10, whole.len() - page.tail.len() - 2] {
        let frames = vec![
            Ok(http_body::Frame::data(Bytes::copy_from_slice(&whole[..cut]))),
            Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
        ];
        let request = page.draft().build().map(|_| StreamBody::new(futures_util::stream::iter(frames)));
        let outcome = match open(&edge(), request).await {
            Ok(request) => read(request).await.map_err(S3Error::from).err(),
            Err(error) => Some(error),
        };
        assert_eq!(outcome.map(|error| error.code), Some(ErrorCode::IncompleteBody), "{cut}");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_no_redirect() {
    for (to, expected) in [
        ("https://example.com/done?a=b", Some("https://example.com/done?a=b")),
        ("javascript:alert(1)", None),
        ("/done", None),
        ("//example.com", None),
        ("", None),
    ] {
        let request = Page::new(&[("key", "a"), ("redirect", to)]).open().await.expect("admitted");
        assert_eq!(request.form.and_then(|form| form.redirect).as_deref(), expected, "{to}");
    }
}

#[test]
fn a_post_that_is_no_form_is_an_ordinary_request() {
    let posts = [
        Draft::new("POST", "/bucket?delete")
            .header("content-type", "multipart/form-data; boundary=x")
            .body(""),
        Draft::new("POST", "/bucket")
            .header("content-type", "application/x-www-form-urlencoded")
            .body("key=a"),
        Draft::new("POST", "/bucket/key?uploads").header("content-type", "multipart/form-data").body(""),
    ];
    for draft in posts {
        let request = admit(draft.clone().build()).expect("admitted");
        assert!(request.form.is_none(), "{draft:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_stops_within_the_fields_or_the_file_is_not_waited_for() {
    let pace = Pace { stall: Duration::from_secs(1), window: Duration::from_secs(2), minimum: 1 };
    let paces = crate::edge::Paces { usual: pace, ..Default::default() };
    let edge = edge_with(EdgeSettings { paces, ..settings() }, ALICE, SECRET);
    let page = Page::new(&[("key", "a")]);
    let whole = page.body();
    for cut in [10, whole.len() - page.tail.len() - 2] {
        let begun = Ok::<_, Infallible>(http_body::Frame::data(Bytes::copy_from_slice(&whole[..cut])));
        let frames = futures_util::StreamExt::chain(
            futures_util::stream::iter([begun]),
            futures_util::stream::pending(),
        );
        let request = page.draft().build().map(|_| StreamBody::new(frames));
        let outcome = match open(&edge, request).await {
            Ok(request) => read(request).await.map_err(S3Error::from).err(),
            Err(error) => Some(error),
        };
        assert_eq!(outcome.map(|error| error.code), Some(ErrorCode::RequestTimeout), "{cut}");
    }
}
