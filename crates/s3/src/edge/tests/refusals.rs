//! Each rule of authentication by header, and of HTTP before it.

use super::*;
use crate::model::Principal;
use http::Version;

fn get() -> Draft {
    Draft::new("GET", "/bucket/key")
}

fn put(body: &'static str) -> Draft {
    Draft::new("PUT", "/bucket/key").body(body)
}

fn signed(draft: Draft) -> Draft {
    Signer::default().sign(draft)
}

fn replace_authorization(draft: Draft, from: &str, to: &str) -> Draft {
    let mut draft = draft;
    for (name, value) in &mut draft.headers {
        if name == "authorization" {
            assert!(value.contains(from), "{value}");
            *value = value.replace(from, to);
        }
    }
    draft
}

#[test]
fn a_signed_request_has_its_identity_and_loses_its_signature() {
    let request = admit(signed(put("hello").header("x-amz-meta-a", "b")).build()).expect("admitted");
    assert_eq!(
        request.context.principal.identity().map(|identity| identity.access_key.as_str()),
        Some(ALICE)
    );
    assert_eq!(
        (request.target.bucket.as_deref(), request.target.key.as_deref()),
        (Some("bucket"), Some("key"))
    );
    assert_eq!(request.headers.get("authorization"), None);
    assert!(request.headers.contains_key("x-amz-meta-a"));
    assert!(!request.context.presigned);
    assert_eq!(request.payload.length(), Some(5));
}

#[test]
fn a_request_without_credentials_is_anonymous() {
    let request = admit(get().build()).expect("admitted");
    assert_eq!(request.context.principal, Principal::Anonymous);
}

#[test]
fn a_request_that_fails_to_authenticate_is_never_anonymous() {
    let failing = [
        (get().header("authorization", ""), ErrorCode::AccessDenied),
        (get().header("authorization", "garbage"), ErrorCode::InvalidArgument),
        (get().header("authorization", "AWS AKID:c2ln"), ErrorCode::InvalidRequest),
        (get().header("authorization", "AWS4-HMAC-SHA256 garbage"), ErrorCode::AuthorizationHeaderMalformed),
        (
            get().header("authorization", "AWS4-ECDSA-P256-SHA256 Credential=a"),
            ErrorCode::AuthorizationHeaderMalformed,
        ),
        (Draft::new("GET", "/b/k?AWSAccessKeyId=a&Expires=1&Signature=x"), ErrorCode::AccessDenied),
        (Draft::new("GET", "/b/k?Signature=x"), ErrorCode::AccessDenied),
        (Draft::new("GET", "/b/k?X-Amz-Signature=00"), ErrorCode::AuthorizationQueryParametersError),
        (
            Draft::new("GET", "/b/k?X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256"),
            ErrorCode::AuthorizationQueryParametersError,
        ),
    ];
    for (draft, code) in failing {
        assert_eq!(refusal_code(draft.clone()), Some(code), "{draft:?}");
    }
}

#[test]
fn wrong_keys_and_wrong_signatures_have_their_own_codes() {
    let stranger = Signer { access_key: "AKIDMALLORY".to_owned(), ..Signer::default() };
    assert_eq!(refusal_code(stranger.sign(get())), Some(ErrorCode::InvalidAccessKeyId));
    let guess = Signer { secret: "guess".to_owned(), ..Signer::default() };
    let error = admit(guess.sign(get()).build()).expect_err("refused");
    assert_eq!(error.code, ErrorCode::SignatureDoesNotMatch);
    let named = |name: &str| {
        error.details.iter().find(|(element, _)| *element == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(named("AWSAccessKeyId"), Some(ALICE));
    assert!(
        named("StringToSign").is_some_and(
            |text| text.starts_with("AWS4-HMAC-SHA256\n20260102T030405Z\n20260102/us-east-1/s3/")
        )
    );
    assert!(named("CanonicalRequest").is_some_and(|text| text.starts_with("GET\n/bucket/key\n\nhost:")));
    assert_eq!(named("SignatureProvided").map(str::len), Some(64));
    assert!(!format!("{error:?}").contains(SECRET));
}

#[test]
fn any_region_is_ours_but_no_other_service() {
    for (region, expires) in [("mars-north-7", None), ("", None), ("", Some(60))] {
        let elsewhere = Signer { region: region.to_owned(), expires, ..Signer::default() };
        assert_eq!(refusal_code(elsewhere.sign(get())), None, "{region}");
    }
    let other = Signer { service: "ec2", ..Signer::default() };
    assert_eq!(refusal_code(other.sign(get())), Some(ErrorCode::AuthorizationHeaderMalformed));
}

#[test]
fn with_a_region_of_its_own_the_gateway_accepts_no_other_and_says_which() {
    let edge = edge_with(EdgeSettings { region: Some("eu-north-1".to_owned()), ..settings() }, ALICE, SECRET);
    let judged = |region: &str, expires| {
        let draft = Signer { region: region.to_owned(), expires, ..Signer::default() }.sign(get());
        let admitted = admit_to(&edge, draft.build(), now());
        admitted.map_err(|refusal| (refusal.error.code, refusal.error.message, refusal.error.details)).err()
    };
    for expires in [None, Some(60)] {
        assert_eq!(judged("eu-north-1", expires), None);
    }
    let details = vec![("Region", "eu-north-1".to_owned())];
    let message =
        "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-north-1'.";
    let expected = (ErrorCode::AuthorizationHeaderMalformed, message.to_owned(), details.clone());
    assert_eq!(judged("us-east-1", None), Some(expected));
    let message =
        "Error parsing the X-Amz-Credential parameter; the region '' is wrong; expecting 'eu-north-1'";
    let expected = (ErrorCode::AuthorizationQueryParametersError, message.to_owned(), details);
    assert_eq!(judged("", Some(60)), Some(expected));
}

#[test]
fn clocks_may_be_fifteen_minutes_apart() {
    for (offset, code) in [
        (-900, None),
        (900, None),
        (-901, Some(ErrorCode::RequestTimeTooSkewed)),
        (901, Some(ErrorCode::RequestTimeTooSkewed)),
    ] {
        let at = UNIX_EPOCH + Duration::from_secs(NOW.saturating_add_signed(offset));
        assert_eq!(refusal_code(Signer { at, ..Signer::default() }.sign(get())), code, "{offset}");
    }
}

#[test]
fn the_day_of_the_credential_is_that_of_the_request() {
    let draft = replace_authorization(signed(get()), "/20260102/", "/20260101/");
    assert_eq!(refusal_code(draft), Some(ErrorCode::AuthorizationHeaderMalformed));
}

#[test]
fn a_request_without_a_usable_date_is_denied() {
    assert_eq!(refusal_code(signed(get()).without("x-amz-date")), Some(ErrorCode::AccessDenied));
    let broken = signed(get()).without("x-amz-date").header("x-amz-date", "yesterday");
    assert_eq!(refusal_code(broken), Some(ErrorCode::AccessDenied));
}

#[test]
fn a_date_header_stands_for_x_amz_date() {
    // The SDK always sends x-amz-date, so the signature is made from the published algorithm.
    let text = |date: &str| {
        let canonical = format!(
            "GET\n/bucket/key\n\ndate:{date}\nhost:{HOST}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n\ndate;host;x-amz-content-sha256\nUNSIGNED-PAYLOAD"
        );
        let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, canonical.as_bytes()));
        format!("AWS4-HMAC-SHA256\n20260102T030405Z\n20260102/us-east-1/s3/aws4_request\n{digest}")
    };
    for date in ["Fri, 02 Jan 2026 03:04:05 GMT", "20260102T030405Z"] {
        let key = aws_sigv4::sign::v4::generate_signing_key(
            SECRET,
            UNIX_EPOCH + Duration::from_secs(NOW),
            "us-east-1",
            "s3",
        );
        let signature = aws_sigv4::sign::v4::calculate_signature(key, text(date).as_bytes());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={ALICE}/20260102/us-east-1/s3/aws4_request,SignedHeaders=date;host;x-amz-content-sha256,Signature={signature}"
        );
        let draft = get()
            .header("date", date)
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
            .header("authorization", &authorization);
        assert_eq!(refusal_code(draft), None, "{date}");
    }
}

#[test]
fn an_unsigned_amz_header_is_refused_and_named() {
    let draft = signed(put("x")).header("x-amz-copy-source", "/sec/secret.txt");
    let error = admit(draft.build()).expect_err("refused");
    assert_eq!(
        (error.code, error.message.as_str()),
        (ErrorCode::AccessDenied, "There were headers present in the request which were not signed")
    );
    assert_eq!(error.details, [("HeadersNotSigned", "x-amz-copy-source".to_owned())]);
    let selective = Signer { not_signed: vec!["x-amz-acl"], ..Signer::default() };
    assert_eq!(
        refusal_code(selective.sign(put("x").header("x-amz-acl", "public-read"))),
        Some(ErrorCode::AccessDenied)
    );
}

#[test]
fn an_unsigned_host_is_refused() {
    let signer = Signer { not_signed: vec!["host"], ..Signer::default() };
    let error = admit(signer.sign(get()).build()).expect_err("refused");
    assert_eq!(
        (error.code, error.details.as_slice()),
        (ErrorCode::AccessDenied, &[("HeadersNotSigned", "host".to_owned())][..])
    );
}

#[test]
fn a_signed_header_that_does_not_come_is_refused() {
    let draft = signed(get().header("range", "bytes=0-1")).without("range");
    assert_eq!(refusal_code(draft), Some(ErrorCode::AccessDenied));
}

#[test]
fn a_header_cannot_be_given_a_second_value_after_signing() {
    let draft = signed(put("x").header("x-amz-meta-a", "1")).header("x-amz-meta-a", "2");
    assert_eq!(refusal_code(draft), Some(ErrorCode::SignatureDoesNotMatch));
}

#[test]
fn credentials_come_once_and_in_one_place() {
    let twice = signed(get()).header("authorization", "AWS4-HMAC-SHA256 x");
    assert_eq!(refusal_code(twice), Some(ErrorCode::InvalidRequest));
    let both = Signer::presigning(60).sign(get()).header("authorization", "AWS4-HMAC-SHA256 x");
    assert_eq!(refusal_code(both), Some(ErrorCode::InvalidArgument));
}

#[test]
fn a_session_token_of_another_identity_is_refused() {
    let signer = |expires| Signer { token: Some("token".to_owned()), expires, ..Signer::default() };
    assert_eq!(refusal_code(signer(None).sign(get())), Some(ErrorCode::InvalidToken));
    assert_eq!(refusal_code(signer(Some(60)).sign(get())), Some(ErrorCode::InvalidToken));
}

#[test]
fn temporary_credentials_need_their_token_wherever_the_signature_is() {
    for expires in [None, Some(60)] {
        let signer = |token: Option<&str>| Signer {
            access_key: "session".to_owned(),
            token: token.map(str::to_owned),
            expires,
            ..Signer::default()
        };
        let edge = edge_for("session", SECRET);
        let code = |token: Option<&str>| {
            let request = signer(token).sign(get()).build();
            admit_to(&edge, request, now()).map_err(|refusal| refusal.error.code).err()
        };
        assert_eq!(code(Some("token")), None, "{expires:?}");
        assert_eq!(code(Some("old")), Some(ErrorCode::ExpiredToken));
        assert_eq!(code(Some("other")), Some(ErrorCode::InvalidToken));
        assert_eq!(code(None), Some(ErrorCode::InvalidToken));
    }
}

#[test]
fn a_header_signed_request_says_what_its_payload_is() {
    let error = admit(signed(get()).without("x-amz-content-sha256").build()).expect_err("refused");
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    assert_eq!(error.message, "Missing required header for this request: x-amz-content-sha256");
    let odd = Signer { payload: SignableBody::Precomputed("SOMETHING".to_owned()), ..Signer::default() };
    assert_eq!(refusal_code(odd.sign(put("x"))), Some(ErrorCode::InvalidArgument));
}

#[test]
fn what_stores_bytes_says_how_many() {
    let draft = |method, path| Draft::new(method, path);
    assert_eq!(refusal_code(signed(draft("PUT", "/bucket/key"))), Some(ErrorCode::MissingContentLength));
    assert_eq!(
        refusal_code(signed(draft("PUT", "/bucket/key?partNumber=1&uploadId=u"))),
        Some(ErrorCode::MissingContentLength)
    );
    assert_eq!(refusal_code(signed(draft("PUT", "/bucket"))), None);
    assert_eq!(refusal_code(signed(draft("PUT", "/bucket/key?acl"))), None);
    assert_eq!(refusal_code(signed(draft("PUT", "/bucket/key").header("x-amz-copy-source", "/b/k"))), None);
    assert_eq!(refusal_code(signed(draft("POST", "/bucket?delete"))), None);
}

#[test]
fn the_end_of_a_body_is_found_in_one_way_only() {
    let both = get().header("content-length", "3").header("transfer-encoding", "chunked");
    assert_eq!(refusal_code(both), Some(ErrorCode::BadRequest));
    let two = get().header("content-length", "3").header("content-length", "4");
    assert_eq!(refusal_code(two), Some(ErrorCode::BadRequest));
    let same = get().header("content-length", "3").header("content-length", "3");
    assert_eq!(refusal_code(same), None);
    for bad in ["-1", "+3", "0x3", "3, 3", ""] {
        assert_eq!(refusal_code(get().header("content-length", bad)), Some(ErrorCode::BadRequest), "{bad}");
    }
}

#[test]
fn a_body_that_was_coded_on_its_way_is_refused_and_not_stored_so() {
    let coded = |codings: &[&str]| {
        codings.iter().fold(get(), |draft, coding| draft.header("transfer-encoding", coding))
    };
    for codings in
        [&["gzip, chunked"][..], &["gzip", "chunked"], &["deflate"], &["chunked, identity"], &["x"], &[""]]
    {
        assert_eq!(refusal_code(coded(codings)), Some(ErrorCode::NotImplemented), "{codings:?}");
    }
    for codings in [&["chunked"][..], &["Chunked "]] {
        assert_eq!(refusal_code(coded(codings)), None, "{codings:?}");
    }
}

#[test]
fn the_host_is_one_and_the_one_that_was_signed() {
    assert_eq!(
        refusal_code(signed(get()).header("host", "other.example.com")),
        Some(ErrorCode::SignatureDoesNotMatch)
    );
    assert_eq!(refusal_code(get().header("host", "a").header("host", "a")), Some(ErrorCode::BadRequest));
    let mut nameless = get().build();
    nameless.headers_mut().remove("host");
    assert_eq!(admit(nameless).map_err(|error| error.code).err(), Some(ErrorCode::BadRequest));
    let mut two_faced = get().build();
    *two_faced.uri_mut() = "http://other.example.com/bucket/key".parse().expect("a URI");
    assert_eq!(admit(two_faced).map_err(|error| error.code).err(), Some(ErrorCode::BadRequest));
}

#[test]
fn the_authority_of_http_2_is_its_host() {
    let mut request = signed(get()).build();
    request.headers_mut().remove("host");
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = format!("http://{HOST}/bucket/key").parse().expect("a URI");
    assert!(admit(request).expect("admitted").context.principal.identity().is_some());
}

#[test]
fn a_bucket_in_the_host_is_signed_with_it() {
    let host = "photos.s3.example.com:9000";
    let draft = signed(Draft::new("GET", "/a%20b").header("host", host));
    let request = admit(draft.build()).expect("admitted");
    assert_eq!(
        (request.target.bucket.as_deref(), request.target.key.as_deref()),
        (Some("photos"), Some("a b"))
    );
    let moved = signed(Draft::new("GET", "/a%20b").header("host", host))
        .without("host")
        .header("host", "other.s3.example.com:9000");
    assert_eq!(refusal_code(moved), Some(ErrorCode::SignatureDoesNotMatch));
}

#[test]
fn an_expectation_that_nobody_knows_is_ignored_as_on_s3() {
    for value in ["", "100-Continue", "200"] {
        assert_eq!(refusal_code(put("x").header("expect", value)), None, "{value}");
    }
}

#[test]
fn a_preflight_is_answered_before_any_signature() {
    let options = Draft::new("OPTIONS", "/bucket/key");
    assert_eq!(refusal_code(Signer::presigning(60).sign(options.clone())), Some(ErrorCode::BadRequest));
    let asked =
        options.header("origin", "https://example.com").header("access-control-request-method", "PUT");
    let preflight = preflight(asked.header("authorization", "nonsense").build());
    assert_eq!((preflight.wanted.as_str(), preflight.target.key.as_deref()), ("PUT", Some("key")));
}

#[test]
fn a_refusal_knows_what_was_addressed() {
    let refusal = admit_to(&edge(), get().header("authorization", "x").build(), now()).expect_err("refused");
    assert_eq!(
        (refusal.target.bucket.as_deref(), refusal.target.key.as_deref()),
        (Some("bucket"), Some("key"))
    );
    let refusal = admit_to(&edge(), Draft::new("GET", "/bucket/%zz").build(), now()).expect_err("refused");
    assert_eq!((refusal.error.code, refusal.target.bucket), (ErrorCode::InvalidURI, None));
}
