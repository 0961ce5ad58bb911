//! Presigned URLs.

use super::*;

fn get() -> Draft {
    Draft::new("GET", "/bucket/key?response-content-type=text%2Fplain&versionId=null")
}

/// Signed now, used after so many seconds.
fn used_after(expires: u64, seconds: i64) -> Option<(ErrorCode, String)> {
    let at = Timestamp::from_millis((NOW as i64 + seconds) * 1000);
    let request = Signer::presigning(expires).sign(get()).build();
    admit_to(&edge(), request, at).map_err(|refusal| (refusal.error.code, refusal.error.message)).err()
}

#[test]
fn a_presigned_request_has_its_identity_and_only_its_own_parameters() {
    let request = admit(Signer::presigning(60).sign(get()).build()).expect("admitted");
    assert!(request.context.presigned && request.context.principal.identity().is_some());
    assert_eq!(
        request.query.iter().collect::<Vec<_>>(),
        [("response-content-type", "text/plain"), ("versionId", "null")]
    );
}

#[test]
fn a_url_holds_from_fifteen_minutes_before_until_it_expires() {
    let denied = |message: &str| Some((ErrorCode::AccessDenied, message.to_owned()));
    assert_eq!(used_after(60, -900), None);
    assert_eq!(used_after(60, 59), None);
    assert_eq!(used_after(604_800, 604_799), None);
    assert_eq!(used_after(60, 60), denied("Request has expired"));
    assert_eq!(used_after(0, 0), denied("Request has expired"));
    assert_eq!(used_after(60, -901), denied("Request is not yet valid"));
}

#[test]
fn a_url_lasts_at_most_seven_days() {
    assert_eq!(
        used_after(604_801, 0).map(|(code, _)| code),
        Some(ErrorCode::AuthorizationQueryParametersError)
    );
    for bad in ["-7", "soon", "", "1e3"] {
        let mut draft = Signer::presigning(60).sign(get());
        draft.query = draft.query.replace("X-Amz-Expires=60", &format!("X-Amz-Expires={bad}"));
        assert_eq!(refusal_code(draft), Some(ErrorCode::AuthorizationQueryParametersError), "{bad}");
    }
}

#[test]
fn every_parameter_is_there_once() {
    let signed = Signer::presigning(60).sign(Draft::new("GET", "/bucket/key"));
    let pairs: Vec<&str> = signed.query.split('&').collect();
    assert_eq!(pairs.len(), 6);
    for index in 0..pairs.len() {
        let mut missing = signed.clone();
        missing.query = pairs
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != index)
            .map(|(_, pair)| *pair)
            .collect::<Vec<_>>()
            .join("&");
        assert_eq!(
            refusal_code(missing),
            Some(ErrorCode::AuthorizationQueryParametersError),
            "{}",
            pairs[index]
        );
        let mut twice = signed.clone();
        twice.query = format!("{}&{}", signed.query, pairs[index]);
        assert_eq!(
            refusal_code(twice),
            Some(ErrorCode::AuthorizationQueryParametersError),
            "{}",
            pairs[index]
        );
    }
}

#[test]
fn a_copy_source_added_to_a_presigned_put_is_refused() {
    let draft = Signer::presigning(60).sign(Draft::new("PUT", "/pub/drop")).body("x");
    assert_eq!(refusal_code(draft.clone()), None);
    for (name, value) in
        [("x-amz-copy-source", "/sec/secret.txt"), ("x-amz-acl", "public-read"), ("x-amz-meta-a", "b")]
    {
        assert_eq!(refusal_code(draft.clone().header(name, value)), Some(ErrorCode::AccessDenied), "{name}");
    }
    let mut smuggled = draft;
    smuggled.query.push_str("&x-amz-copy-source=%2Fsec%2Fsecret.txt");
    assert_eq!(refusal_code(smuggled), Some(ErrorCode::SignatureDoesNotMatch));
}

#[test]
fn headers_within_the_query_are_headers() {
    let draft = Draft::new("PUT", "/bucket/key?x-amz-acl=public-read&x-amz-meta-a=1%202&x-id=PutObject");
    let request = admit(Signer::presigning(60).sign(draft).body("x").build()).expect("admitted");
    let text = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!((text("x-amz-acl"), text("x-amz-meta-a")), (Some("public-read"), Some("1 2")));
    assert_eq!(request.query.iter().collect::<Vec<_>>(), [("x-id", "PutObject")]);
}

#[tokio::test]
async fn a_checksum_of_the_body_within_the_query_is_no_promise() {
    // As the AWS SDK for JavaScript presigns a PUT: the checksum is that of an empty body.
    let query = "x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32&x-id=PutObject";
    let draft = Draft::new("PUT", &format!("/bucket/key?{query}"));
    let request = admit(Signer::presigning(60).sign(draft).body("hello").build()).expect("admitted");
    assert_eq!(request.payload.checksum_algorithm(), None);
    assert!(!request.headers.contains_key("x-amz-checksum-crc32"));
    assert_eq!(read(request).await.as_deref(), Ok(&b"hello"[..]));

    let promised = Draft::new("PUT", "/bucket/key").header("x-amz-checksum-crc32", "AAAAAA==");
    let request = admit(Signer::presigning(60).sign(promised).body("hello").build()).expect("admitted");
    assert_eq!(
        read(request).await,
        Err(PayloadError::ChecksumMismatch(crate::model::ChecksumAlgorithm::Crc32))
    );
}

#[test]
fn a_checksum_of_the_object_within_the_query_is_kept() {
    let draft = Draft::new(
        "POST",
        "/bucket/key?uploadId=u&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-checksum-type=FULL_OBJECT",
    );
    let request = admit(Signer::presigning(60).sign(draft).body("<CompleteMultipartUpload/>").build())
        .expect("admitted");
    assert_eq!(
        request.headers.get("x-amz-checksum-crc32").and_then(|value| value.to_str().ok()),
        Some("AAAAAA==")
    );
    assert!(request.headers.contains_key("x-amz-checksum-type"));
}

#[test]
fn a_header_within_the_query_does_not_contradict_a_header() {
    let draft = |value| Draft::new("PUT", "/bucket/key?x-amz-acl=private").header("x-amz-acl", value);
    assert_eq!(
        refusal_code(Signer::presigning(60).sign(draft("public-read")).body("x")),
        Some(ErrorCode::InvalidRequest)
    );
    assert_eq!(refusal_code(Signer::presigning(60).sign(draft("private")).body("x")), None);
}

#[tokio::test]
async fn a_digest_within_the_query_is_part_of_what_was_signed() {
    let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, b"hello"));
    let signer = Signer { payload: SignableBody::Precomputed(digest.clone()), ..Signer::presigning(60) };
    let signed = signer.sign(Draft::new("PUT", &format!("/bucket/key?X-Amz-Content-Sha256={digest}")));
    let right = admit(signed.clone().body("hello").build()).expect("admitted");
    assert_eq!(read(right).await.as_deref(), Ok(&b"hello"[..]));
    let wrong = admit(signed.body("hellO").build()).expect("admitted");
    assert!(matches!(read(wrong).await, Err(PayloadError::Sha256Mismatch { .. })));
}

#[test]
fn the_day_of_the_credential_is_that_of_the_url() {
    let mut draft = Signer::presigning(60).sign(get());
    draft.query = draft.query.replace("%2F20260102%2F", "%2F20260103%2F");
    assert_eq!(refusal_code(draft), Some(ErrorCode::AuthorizationQueryParametersError));
}

#[test]
fn an_anonymous_query_makes_no_headers() {
    let request = admit(Draft::new("GET", "/bucket?x-amz-acl=public-read").build()).expect("admitted");
    assert!(request.query.has("x-amz-acl") && !request.headers.contains_key("x-amz-acl"));
}

#[test]
fn a_parameter_that_is_said_twice_is_refused_however_it_is_signed() {
    for query in [
        "prefix=a&prefix=b",
        "prefix=b&prefix=a",
        "versionId=null&versionId=null",
        "marker&x=1&marker",
        "a%62=1&ab=2",
    ] {
        let target = format!("/bucket?{query}");
        let drafts = [
            Signer::presigning(60).sign(Draft::new("GET", &target)),
            Signer::default().sign(Draft::new("GET", &target)),
            Draft::new("GET", &target),
        ];
        for draft in drafts {
            assert_eq!(refusal_code(draft), Some(ErrorCode::InvalidArgument), "{query}");
        }
    }
    assert_eq!(refusal_code(Draft::new("GET", "/bucket?prefix=a&Prefix=b&list-type=2")), None);
}

#[test]
fn values_of_one_parameter_may_be_signed_in_the_order_in_which_they_were_sent() {
    // The SDK sorts them, so `a` and `b` are signed as sent, and `b` and `a` as sorted.
    let swapped = |sent: &str, signed: &str| {
        let signed = format!(
            "GET\n/bucket\n{signed}\nhost:{HOST}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:20260102T030405Z\n\n\
                              host;x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD"
        );
        let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, signed.as_bytes()));
        let text =
            format!("AWS4-HMAC-SHA256\n20260102T030405Z\n20260102/us-east-1/s3/aws4_request\n{digest}");
        let key = aws_sigv4::sign::v4::generate_signing_key(
            SECRET,
            UNIX_EPOCH + Duration::from_secs(NOW),
            "us-east-1",
            "s3",
        );
        let signature = aws_sigv4::sign::v4::calculate_signature(key, text.as_bytes());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={ALICE}/20260102/us-east-1/s3/aws4_request,\
             SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={signature}"
        );
        let draft =
            Draft::new("GET", &format!("/bucket?{sent}")).header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        refusal_code(draft.header("x-amz-date", "20260102T030405Z").header("authorization", &authorization))
    };
    let (ab, ba) = ("events=a&events=b&ping=10", "events=b&events=a&ping=10");
    assert_eq!(swapped("ping=10&events=b&events=a", ba), None, "as it was sent");
    assert_eq!(swapped("ping=10&events=b&events=a", ab), None, "sorted");
    assert_eq!(swapped("ping=10&events=a&events=b", ba), Some(ErrorCode::SignatureDoesNotMatch));
}
