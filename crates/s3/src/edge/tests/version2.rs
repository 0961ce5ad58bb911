//! Signature version 2: what the documentation and boto3 sign is accepted, and nothing else.

use super::*;
use crate::model::SignatureV2;
use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::{prelude::*, sample::Index};
use ring::hmac;

/// An hour after [`NOW`].
const EXPIRES: u64 = NOW + 3600;
/// URLs that boto3 1.43 presigned for these keys, by path and by virtual host: host, method, target.
const BOTO3: [(&str, &str, &str); 8] = [
    (
        HOST,
        "GET",
        "/bucket/a%20b/%C3%A9%2B~.txt?response-content-type=text%2Fplain%3B%20charset%3Dutf-8&versionId=null\
         &AWSAccessKeyId=AKIDALICE&Signature=RveUgiKUpJ3dFRf5MOeF8YLxpC8%3D&Expires=1767326645",
    ),
    (
        "bucket.s3.example.com:9000",
        "GET",
        "/a%20b/%C3%A9%2B~.txt?response-content-type=text%2Fplain%3B%20charset%3Dutf-8&versionId=null\
         &AWSAccessKeyId=AKIDALICE&Signature=RveUgiKUpJ3dFRf5MOeF8YLxpC8%3D&Expires=1767326645",
    ),
    (
        HOST,
        "PUT",
        "/bucket/k?AWSAccessKeyId=AKIDALICE&Signature=DtEYsiws%2F5rW1doMsvX%2F6jxOZnw%3D&content-type=text%2Fplain\
         &x-amz-acl=private&x-amz-meta-a=b%20c&Expires=1767326645",
    ),
    (
        HOST,
        "PUT",
        "/bucket/k?partNumber=1&uploadId=u%2Fid%2Bx&AWSAccessKeyId=AKIDALICE&Signature=Szqg8VYuBurJOUFcCBz4bdulm7c%3D&Expires=1767326645",
    ),
    (
        HOST,
        "GET",
        "/bucket?list-type=2&prefix=p&encoding-type=url&AWSAccessKeyId=AKIDALICE&Signature=a%2BKanbvDX7JnzBtuYg70ZyGA4Bc%3D&Expires=1767326645",
    ),
    (
        "bucket.s3.example.com:9000",
        "GET",
        "/?list-type=2&prefix=p&encoding-type=url&AWSAccessKeyId=AKIDALICE&Signature=a%2BKanbvDX7JnzBtuYg70ZyGA4Bc%3D&Expires=1767326645",
    ),
    (HOST, "GET", "/?AWSAccessKeyId=AKIDALICE&Signature=EBto7hnojJWCNNrIucERAqPKSXo%3D&Expires=1767326645"),
    (
        HOST,
        "GET",
        "/bucket/k?acl&AWSAccessKeyId=AKIDALICE&Signature=eBmYWmAuSk1VXTgxg%2FKjrpaAMko%3D&Expires=1767326645",
    ),
];

fn of_boto3(index: usize) -> Draft {
    let (host, method, target) = BOTO3[index];
    let draft = Draft::new(method, target).header("host", host);
    if method == "PUT" { draft.body("hello") } else { draft }
}

fn edge_taking(signature_v2: SignatureV2) -> Edge {
    edge_with(EdgeSettings { signature_v2, ..settings() }, ALICE, SECRET)
}

fn admit_by(edge: &Edge, draft: Draft, at: Timestamp) -> Result<Request, S3Error> {
    admit_to(edge, draft.build(), at).map_err(|refusal| refusal.error)
}

fn code_by(signature_v2: SignatureV2, draft: Draft) -> Option<ErrorCode> {
    admit_by(&edge_taking(signature_v2), draft, now()).map_err(|error| error.code).err()
}

fn sign(secret: &str, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

/// `rest` is what is signed behind the date: headers and resource.
fn presigned(draft: Draft, md5: &str, content_type: &str, rest: &str) -> Draft {
    let signature = sign(SECRET, &format!("{}\n{md5}\n{content_type}\n{EXPIRES}\n{rest}", draft.method));
    let signature = utf8_percent_encode(&signature, UNRESERVED);
    let pairs = format!("AWSAccessKeyId={ALICE}&Expires={EXPIRES}&Signature={signature}");
    let query = if draft.query.is_empty() { pairs } else { format!("{}&{pairs}", draft.query) };
    Draft { query, ..draft }
}

fn get() -> Draft {
    presigned(Draft::new("GET", "/bucket/key"), "", "", "/bucket/key")
}

/// Signed in a header, with this date.
fn in_header(draft: Draft, date: &str, rest: &str) -> Draft {
    let signature = sign(SECRET, &format!("{}\n\n\n{date}\n{rest}", draft.method));
    draft.header("date", date).header("authorization", &format!("AWS {ALICE}:{signature}"))
}

const DATE: &str = "Fri, 02 Jan 2026 03:04:05 +0000";

#[test]
fn the_documented_requests_are_accepted() {
    // S3 API reference, "Signing and authenticating REST requests", the examples.
    /// Its bucket, method, target, date, headers and signature.
    type Example = (
        &'static str,
        &'static str,
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    const EXAMPLES: [Example; 7] = [
        (
            "awsexamplebucket1",
            "GET",
            "/photos/puppy.jpg",
            "Tue, 27 Mar 2007 19:36:42 +0000",
            &[],
            "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=",
        ),
        (
            "awsexamplebucket1",
            "PUT",
            "/photos/puppy.jpg",
            "Tue, 27 Mar 2007 21:15:45 +0000",
            &[("content-type", "image/jpeg"), ("content-length", "94328")],
            "iqRzw+ileNPu1fhspnRs8nOjjIA=",
        ),
        (
            "awsexamplebucket1",
            "GET",
            "/?prefix=photos&max-keys=50&marker=puppy",
            "Tue, 27 Mar 2007 19:42:41 +0000",
            &[],
            "m0WP8eCtspQl5Ahe6L1SozdX9YA=",
        ),
        (
            "awsexamplebucket1",
            "GET",
            "/?acl",
            "Tue, 27 Mar 2007 19:44:46 +0000",
            &[],
            "82ZHiFIjc+WbcwFKGUVEQspPn+0=",
        ),
        (
            "static.example.com",
            "PUT",
            "/db-backup.dat.gz",
            "Tue, 27 Mar 2007 21:06:08 +0000",
            &[
                ("x-amz-acl", "public-read"),
                ("content-type", "application/x-download"),
                ("content-md5", "4gJE4saaMU4BqNR0kLY+lw=="),
                ("x-amz-meta-reviewedby", "joe@example.com"),
                ("x-amz-meta-reviewedby", "jane@example.com"),
                ("x-amz-meta-filechecksum", "0x02661779"),
                ("x-amz-meta-checksumalgorithm", "crc32"),
                ("content-length", "5913339"),
            ],
            "jtBQa0Aq+DkULFI8qrpwIjGEx0E=",
        ),
        ("", "GET", "/", "Wed, 28 Mar 2007 01:29:59 +0000", &[], "qGdzdERIC03wnaRNKh6OqZehG9s="),
        (
            "",
            "GET",
            "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
            "Wed, 28 Mar 2007 01:49:49 +0000",
            &[],
            "DNEZGsoieTZ92F3bUfSPQcbGmlM=",
        ),
    ];
    let settings = EdgeSettings { signature_v2: SignatureV2::All, ..settings() };
    let edge = edge_with(settings, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    for (bucket, method, target, date, headers, signature) in EXAMPLES {
        let host =
            if bucket.is_empty() { "s3.example.com".to_owned() } else { format!("{bucket}.s3.example.com") };
        let at = Timestamp::parse_http_date(&date.replace("+0000", "GMT")).expect("a date");
        let signed = |method, date, signature| {
            let draft = Draft::new(method, target).header("host", &host).header("date", date);
            let draft = headers.iter().fold(draft, |draft, (name, value)| draft.header(name, value));
            admit_by(
                &edge,
                draft.header("authorization", &format!("AWS AKIAIOSFODNN7EXAMPLE:{signature}")),
                at,
            )
        };
        let request = signed(method, date, signature).unwrap_or_else(|error| panic!("{target}: {error:?}"));
        assert!(request.context.principal.identity().is_some() && !request.context.presigned, "{target}");
        let code = |result: Result<Request, S3Error>| result.map_err(|error| error.code).err();
        assert_eq!(
            code(signed("DELETE", date, signature)),
            Some(ErrorCode::SignatureDoesNotMatch),
            "{target}"
        );
        assert_eq!(
            code(signed(method, date, "frJIUN8DYpKDtOLCwo//yllqDzg=")),
            Some(ErrorCode::SignatureDoesNotMatch),
            "{target}"
        );
    }
}

#[test]
fn urls_of_boto3_are_accepted_as_they_are_made() {
    for (index, (_, _, target)) in BOTO3.iter().enumerate() {
        let request = admit(of_boto3(index).build()).unwrap_or_else(|error| panic!("{target}: {error:?}"));
        assert!(request.context.principal.identity().is_some() && request.context.presigned, "{target}");
        assert!(
            !request.query.has("Signature")
                && !request.query.has("AWSAccessKeyId")
                && !request.query.has("Expires")
        );
    }
    let put = admit(of_boto3(2).build()).expect("admitted");
    let text = |name: &str| put.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(
        (text("content-type"), text("x-amz-acl"), text("x-amz-meta-a")),
        (Some("text/plain"), Some("private"), Some("b c"))
    );
    assert_eq!(put.query.iter().count(), 0);
}

#[test]
fn the_setting_says_where_version_2_is_accepted() {
    let header = || in_header(Draft::new("GET", "/bucket/key"), DATE, "/bucket/key");
    let refused = Some(ErrorCode::InvalidRequest);
    for (setting, by_query, by_header) in [
        (SignatureV2::Off, refused, refused),
        (SignatureV2::Presigned, None, refused),
        (SignatureV2::All, None, None),
    ] {
        assert_eq!(
            (code_by(setting, get()), code_by(setting, header())),
            (by_query, by_header),
            "{setting:?}"
        );
    }
    assert_eq!(SignatureV2::default(), SignatureV2::Presigned);
}

#[test]
fn a_url_holds_until_it_expires() {
    let used_at = |seconds: u64| {
        let result = admit_by(&edge(), get(), Timestamp::from_millis(seconds as i64 * 1000));
        result.map_err(|error| (error.code, error.message)).err()
    };
    assert_eq!(used_at(EXPIRES - 1), None);
    assert_eq!(used_at(EXPIRES), Some((ErrorCode::AccessDenied, "Request has expired".to_owned())));
    for bad in ["", "soon", "-1", "+1767326645", "1e12", "99999999999999999999", "2026-01-02"] {
        let mut draft = get();
        draft.query = draft.query.replace(&EXPIRES.to_string(), bad);
        assert_eq!(refusal_code(draft), Some(ErrorCode::AccessDenied), "{bad}");
    }
}

#[test]
fn clocks_may_be_fifteen_minutes_apart() {
    let dated = |date: &str| {
        code_by(SignatureV2::All, in_header(Draft::new("GET", "/bucket/key"), date, "/bucket/key"))
    };
    assert_eq!(dated("Fri, 02 Jan 2026 03:19:05 GMT"), None);
    assert_eq!(dated("Fri, 02 Jan 2026 02:49:05 +0000"), None);
    assert_eq!(dated("Fri, 02 Jan 2026 03:19:06 GMT"), Some(ErrorCode::RequestTimeTooSkewed));
    assert_eq!(dated("Fri, 02 Jan 2026 02:49:04 GMT"), Some(ErrorCode::RequestTimeTooSkewed));
    assert_eq!(dated("yesterday"), Some(ErrorCode::AccessDenied));
    // The day of the week says nothing.
    assert_eq!(dated("Mon, 02 Jan 2026 03:04:05 GMT"), None);
    assert_eq!(dated("02 Jan 2026 03:04:05 +0000"), None);
    assert_eq!(dated("Tue, 07 Jul 2010 21:53:04 GMT"), Some(ErrorCode::RequestTimeTooSkewed));
    // The other header stands for the date, and is signed as one of its kind.
    let signature = sign(SECRET, &format!("GET\n\n\n\nx-amz-date:{DATE}\n/bucket/key"));
    let draft = Draft::new("GET", "/bucket/key").header("x-amz-date", DATE).header("date", "yesterday");
    assert_eq!(
        code_by(SignatureV2::All, draft.header("authorization", &format!("AWS {ALICE}:{signature}"))),
        None
    );
}

#[test]
fn every_parameter_is_there_once() {
    let pairs: Vec<String> = get().query.split('&').map(str::to_owned).collect();
    for index in 0..pairs.len() {
        let rest: Vec<&str> =
            pairs.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, pair)| pair.as_str()).collect();
        let missing = Draft { query: rest.join("&"), ..get() };
        assert_eq!(refusal_code(missing), Some(ErrorCode::AccessDenied), "{}", pairs[index]);
        let twice = Draft { query: format!("{}&{}", pairs.join("&"), pairs[index]), ..get() };
        assert_eq!(refusal_code(twice), Some(ErrorCode::InvalidArgument), "{}", pairs[index]);
    }
}

#[test]
fn only_one_signature_is_read() {
    let with_query = |more: &str| Draft { query: format!("{}&{more}", get().query), ..get() };
    for more in [
        "X-Amz-Signature=00",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "X-Amz-Date=20260102T030405Z",
        "x-amz-expires=60",
    ] {
        assert_eq!(refusal_code(with_query(more)), Some(ErrorCode::InvalidArgument), "{more}");
    }
    assert_eq!(
        refusal_code(get().header("authorization", "AWS4-HMAC-SHA256 x")),
        Some(ErrorCode::InvalidArgument)
    );
    assert_eq!(refusal_code(get().header("authorization", "AWS a:b")), Some(ErrorCode::InvalidArgument));
    let both = Signer::default().sign(Draft::new("GET", "/bucket/key?Signature=x"));
    assert_eq!(refusal_code(both), Some(ErrorCode::InvalidArgument));
}

#[test]
fn a_parameter_that_is_not_signed_is_refused_unless_it_shapes_a_listing() {
    let object = |more: &str| Draft { query: format!("{}&{more}", get().query), ..get() };
    for more in ["attributes", "prefix=p", "list-type=2", "unknown=1", "events", "expires=1", "website-x"] {
        assert_eq!(refusal_code(object(more)), Some(ErrorCode::AccessDenied), "{more}");
    }
    for more in [
        "acl",
        "tagging",
        "versionId=null",
        "uploadId=u",
        "response-content-type=text%2Fhtml",
        "x-amz-acl=private",
    ] {
        assert_eq!(refusal_code(object(more)), Some(ErrorCode::SignatureDoesNotMatch), "{more}");
    }
    assert_eq!(refusal_code(object("max-parts=1")), None);
    let bucket = |query: &str| presigned(Draft::new("GET", &format!("/bucket?{query}")), "", "", "/bucket");
    assert_eq!(refusal_code(bucket("list-type=2&prefix=p&continuation-token=t")), None);
    assert_eq!(refusal_code(bucket("max-parts=1")), Some(ErrorCode::AccessDenied));
}

#[test]
fn one_parameter_cannot_pass_for_two() {
    let signed = "/bucket/key?response-content-disposition=attachment&versionId=null";
    let two = Draft::new("GET", signed);
    assert_eq!(refusal_code(presigned(two, "", "", signed)), None);
    let one = Draft::new("GET", "/bucket/key?response-content-disposition=attachment%26versionId%3Dnull");
    assert_eq!(refusal_code(presigned(one, "", "", signed)), Some(ErrorCode::AccessDenied));
    let name = "response-content-disposition=attachment; filename=\"a&b.txt\"";
    let harmless = Draft::new(
        "GET",
        "/bucket/key?response-content-disposition=attachment%3B%20filename%3D%22a%26b.txt%22",
    );
    assert_eq!(refusal_code(presigned(harmless, "", "", &format!("/bucket/key?{name}"))), None);
}

#[test]
fn a_header_added_to_a_presigned_put_is_refused() {
    let put = presigned(Draft::new("PUT", "/pub/drop"), "", "", "/pub/drop").body("x");
    assert_eq!(refusal_code(put.clone()), None);
    for (name, value) in [
        ("x-amz-copy-source", "/sec/secret.txt"),
        ("x-amz-acl", "public-read"),
        ("content-type", "text/html"),
        ("content-md5", ""),
    ] {
        let code = refusal_code(put.clone().header(name, value));
        // An empty MD5 is signed as none, and refused for what it is.
        let expected =
            if name == "content-md5" { ErrorCode::InvalidDigest } else { ErrorCode::SignatureDoesNotMatch };
        assert_eq!(code, Some(expected), "{name}");
    }
    for more in [
        "x-amz-copy-source=%2Fsec%2Fsecret.txt",
        "x-amz-acl=public-read%0Ax-amz-meta-a%3A1",
        "Content-Type=text%2Fhtml",
    ] {
        let smuggled = Draft { query: format!("{}&{more}", put.query), ..put.clone() };
        assert_eq!(refusal_code(smuggled), Some(ErrorCode::SignatureDoesNotMatch), "{more}");
    }
}

#[test]
fn lines_of_the_signed_text_cannot_be_made_of_one_parameter() {
    let signed = "x-amz-acl:public-read\nx-amz-meta-a:1\n/bucket/key";
    let two = Draft::new("PUT", "/bucket/key?x-amz-acl=public-read&x-amz-meta-a=1").body("x");
    assert_eq!(refusal_code(presigned(two, "", "", signed)), None);
    let one = Draft::new("PUT", "/bucket/key?x-amz-acl=public-read%0Ax-amz-meta-a%3A1").body("x");
    assert_eq!(refusal_code(presigned(one, "", "", signed)), Some(ErrorCode::InvalidArgument));
}

#[tokio::test]
async fn a_signed_digest_is_held_to_wherever_it_was_written() {
    let md5 = "XUFAKrxLKna5cZ2REBfFkg==";
    let by_header = |body: &'static str| {
        presigned(Draft::new("PUT", "/b/k").header("content-md5", md5), md5, "", "/b/k").body(body)
    };
    let by_query = |body: &'static str| {
        let query = format!("content-md5={}", utf8_percent_encode(md5, UNRESERVED));
        presigned(Draft::new("PUT", &format!("/b/k?{query}")), md5, "", "/b/k").body(body)
    };
    for (right, wrong) in [(by_header("hello"), by_header("hellO")), (by_query("hello"), by_query("hellO"))] {
        assert_eq!(read(admit(right.build()).expect("admitted")).await.as_deref(), Ok(&b"hello"[..]));
        assert!(matches!(
            read(admit(wrong.build()).expect("admitted")).await,
            Err(PayloadError::Md5Mismatch { .. })
        ));
    }
}

#[test]
fn wrong_keys_and_wrong_signatures_have_their_own_codes() {
    let mut stranger = get();
    stranger.query = stranger.query.replace(ALICE, "AKIDMALLORY");
    assert_eq!(refusal_code(stranger), Some(ErrorCode::InvalidAccessKeyId));
    let error = admit(Draft { path: "/bucket/other".to_owned(), ..get() }.build()).expect_err("refused");
    assert_eq!(error.code, ErrorCode::SignatureDoesNotMatch);
    let text = format!("GET\n\n\n{EXPIRES}\n/bucket/other");
    assert!(error.details.contains(&("StringToSign", text)), "{error:?}");
    assert!(!format!("{error:?}").contains(SECRET));
    let token = Draft { query: format!("{}&x-amz-security-token=t", get().query), ..get() };
    assert_eq!(refusal_code(token), Some(ErrorCode::InvalidToken));
    for malformed in ["AWS", "AWS ", "AWS garbage"] {
        let draft = Draft::new("GET", "/bucket/key").header("date", DATE).header("authorization", malformed);
        assert_eq!(code_by(SignatureV2::All, draft), Some(ErrorCode::InvalidArgument), "{malformed}");
    }
}

#[test]
fn a_body_in_signed_chunks_needs_version_4() {
    let kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let draft = Draft::new("PUT", "/b/k")
        .header("x-amz-content-sha256", kind)
        .header("x-amz-decoded-content-length", "5");
    let rest = format!("x-amz-content-sha256:{kind}\nx-amz-decoded-content-length:5\n/b/k");
    assert_eq!(refusal_code(presigned(draft, "", "", &rest).body("x")), Some(ErrorCode::InvalidRequest));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_signed_part_of_a_url_can_change(of in 0..BOTO3.len(), kind in 0usize..5, at in any::<Index>()) {
        let mut draft = of_boto3(of);
        match kind {
            0 => draft.method = if draft.method == "GET" { "DELETE" } else { "GET" },
            1 => draft.path.push_str("%20"),
            2 => draft.headers.push(("x-amz-meta-added".to_owned(), "1".to_owned())),
            3 => draft.query.push_str("&versions"),
            _ => {
                let before = super::super::encoding::parse_query(&draft.query).expect("parses");
                let places: Vec<_> = draft.query.char_indices().filter(|(_, c)| matches!(c, 'a'..='y' | '0'..='8')).map(|(i, _)| i).collect();
                let place = places[at.index(places.len())];
                let next = char::from(draft.query.as_bytes()[place] + 1);
                draft.query.replace_range(place..=place, &next.to_string());
                let after = super::super::encoding::parse_query(&draft.query);
                // What only shapes a listing is not signed, and the case of an escape is none of the text.
                let kept = |pairs: &[(String, String)]| {
                    let of_listing = |name: &str| ["list-type", "prefix", "encoding-type"].contains(&name);
                    pairs.iter().filter(|(name, _)| !of_listing(name)).cloned().collect::<Vec<_>>()
                };
                if after.is_ok_and(|after| kept(&after) == kept(&before)) {
                    return Ok(());
                }
            }
        }
        prop_assert!(admit(draft.build()).is_err());
    }
}

#[test]
fn the_setting_of_an_identity_wins_over_that_of_the_server() {
    use SignatureV2::{All, Off, Presigned};
    for (server, own, by_query, by_header) in [
        (Off, "all", true, true),
        (Off, "presigned", true, false),
        (Presigned, "all", true, true),
        (All, "presigned", true, false),
        (All, "off", false, false),
    ] {
        let access_key = format!("accepts-{own}");
        let edge = edge_with(EdgeSettings { signature_v2: server, ..settings() }, &access_key, SECRET);
        let url = get();
        let url = Draft { query: url.query.replace(ALICE, &access_key), ..url };
        let mut header = in_header(Draft::new("GET", "/bucket/key"), DATE, "/bucket/key");
        for (_, value) in &mut header.headers {
            *value = value.replace(ALICE, &access_key);
        }
        for (draft, is_accepted) in [(url, by_query), (header, by_header)] {
            let code = admit_by(&edge, draft, now()).map_err(|error| error.code).err();
            let expected = (!is_accepted).then_some(ErrorCode::InvalidRequest);
            assert_eq!(code, expected, "{server:?} {own}");
        }
    }
}

#[test]
fn both_secrets_hold_for_version_2_while_one_is_replaced() {
    let edge = edge_for(ALICE, &format!("new replaces {SECRET}"));
    let later = Timestamp::from_millis(now().millis() + 1000);
    assert!(admit_by(&edge, get(), now()).is_ok());
    let late = admit_by(&edge, get(), later).map_err(|error| error.code).err();
    assert_eq!(late, Some(ErrorCode::SignatureDoesNotMatch));
}
