//! SigV4A, by the SDK's own signer: headers, presigned URLs, chunks, regions. Whatever holds for a request of
//! SigV4 holds for one of SigV4A.

use super::*;
use crate::s3::SignatureVersion;
use aws_sigv4::sign::v4a::{calculate_signature, generate_signing_key};

const PAYLOAD: &str = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD";
const TRAILER: &str = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER";

fn signer() -> Signer {
    Signer { region_set: Some("us-east-1"), ..Signer::default() }
}

fn get() -> Draft {
    Draft::new("GET", "/bucket/a%20b?versionId=null").header("x-amz-meta-a", "b  c")
}

fn edge_in(region: &str) -> Edge {
    edge_with(EdgeSettings { region: Some(region.to_owned()), ..settings() }, ALICE, SECRET)
}

/// Replaces a part of a header's value.
fn tampered(mut draft: Draft, name: &str, from: &str, to: &str) -> Draft {
    let header = draft.headers.iter_mut().find(|(header, _)| header.eq_ignore_ascii_case(name));
    let (_, value) = header.expect("the header");
    assert!(value.contains(from), "{value}");
    *value = value.replace(from, to);
    draft
}

#[test]
fn a_request_that_is_signed_in_its_header_or_its_query_has_its_identity() {
    let edge = edge();
    for signer in [signer(), Signer { expires: Some(60), ..signer() }] {
        // Twice: the key is derived, then it is known.
        for _ in 0..2 {
            let request = admit_to(&edge, signer.sign(get()).build(), now()).expect("admitted");
            assert!(request.context.principal.identity().is_some());
            let signature = request.context.signature.expect("signed");
            assert_eq!((signature.version, signature.at), (SignatureVersion::FourAsymmetric, Some(now())));
            assert_eq!(request.query.iter().collect::<Vec<_>>(), [("versionId", "null")]);
        }
    }
}

#[test]
fn nothing_that_is_signed_may_change() {
    let signed = signer().sign(get());
    let mismatch = Some(ErrorCode::SignatureDoesNotMatch);
    assert_eq!(refusal_code(tampered(signed.clone(), "x-amz-meta-a", "b", "x")), mismatch);
    assert_eq!(refusal_code(tampered(signed.clone(), "x-amz-region-set", "us-east-1", "*")), mismatch);
    assert_eq!(refusal_code(Draft { method: "DELETE", ..signed.clone() }), mismatch);
    assert_eq!(refusal_code(Draft { path: "/bucket/other".to_owned(), ..signed.clone() }), mismatch);
    assert_eq!(
        refusal_code(tampered(signed.clone(), "authorization", "Signature=30", "Signature=31")),
        mismatch
    );
    assert_eq!(refusal_code(Signer { secret: "other".to_owned(), ..signer() }.sign(get())), mismatch);
    let unsigned = signed.clone().header("x-amz-acl", "public-read");
    assert_eq!(refusal_code(unsigned), Some(ErrorCode::AccessDenied));
    let without = signed.without("x-amz-region-set");
    assert_eq!(refusal_code(without), Some(ErrorCode::AuthorizationHeaderMalformed));
    let unknown = Signer { access_key: "AKIDBOB".to_owned(), ..signer() }.sign(get());
    assert_eq!(refusal_code(unknown), Some(ErrorCode::InvalidAccessKeyId));
}

#[test]
fn time_and_expiry_count_as_with_sigv4() {
    let code = |signer: &Signer, seconds: i64| {
        let at = Timestamp::from_millis((NOW as i64 + seconds) * 1000);
        admit_to(&edge(), signer.sign(get()).build(), at).map_err(|refusal| refusal.error.code).err()
    };
    assert_eq!(code(&signer(), 900), None);
    assert_eq!(code(&signer(), 901), Some(ErrorCode::RequestTimeTooSkewed));
    let presigning = Signer { expires: Some(60), ..signer() };
    assert_eq!(code(&presigning, 59), None);
    assert_eq!(code(&presigning, 60), Some(ErrorCode::AccessDenied));
    let long = Signer { expires: Some(604_801), ..signer() };
    assert_eq!(code(&long, 0), Some(ErrorCode::AuthorizationQueryParametersError));
}

#[test]
fn a_session_token_is_demanded_as_with_sigv4() {
    let edge = edge_for("session", SECRET);
    let code = |token: Option<&str>, expires| {
        let token = token.map(str::to_owned);
        let signer = Signer { access_key: "session".to_owned(), token, expires, ..signer() };
        admit_to(&edge, signer.sign(get()).build(), now()).map_err(|refusal| refusal.error.code).err()
    };
    for expires in [None, Some(60)] {
        assert_eq!(code(Some("token"), expires), None);
        assert_eq!(code(Some("old"), expires), Some(ErrorCode::ExpiredToken));
        assert_eq!(code(None, expires), Some(ErrorCode::InvalidToken));
    }
}

#[test]
fn the_set_must_have_the_region_of_the_gateway() {
    let edge = edge_in("eu-north-1");
    for (set, is_ours) in
        [("eu-north-1", true), ("*", true), ("us-*,eu-*", true), ("us-east-1", false), ("eu-north-*x", false)]
    {
        for expires in [None, Some(60)] {
            let signed = Signer { region_set: Some(set), expires, ..Signer::default() }.sign(get());
            let refused = admit_to(&edge, signed.build(), now()).map_err(|refusal| refusal.error).err();
            assert_eq!(refused.is_none(), is_ours, "{set} {expires:?} {refused:?}");
            if let Some(error) = refused {
                assert!(error.details.contains(&("Region", "eu-north-1".to_owned())), "{error:?}");
            }
        }
    }
    let set = Signer { region_set: Some("mars-1"), ..Signer::default() }.sign(get());
    assert!(admit(set.build()).is_ok(), "without a region in the settings, any will do");
}

/// The algorithm of chunk signatures, on the key derivation of the SDK.
struct Chain {
    previous: String,
    is_padded: bool,
}

impl Chain {
    fn next(&mut self, kind: &str, rest: &str) -> String {
        let scope = "20260102/s3/aws4_request";
        let text =
            format!("AWS4-ECDSA-P256-SHA256-{kind}\n20260102T030405Z\n{scope}\n{}\n{rest}", self.previous);
        self.previous = calculate_signature(generate_signing_key(ALICE, SECRET), text.as_bytes());
        if self.is_padded { format!("{:*<144}", self.previous) } else { self.previous.clone() }
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, bytes))
}

fn upload(mode: &'static str, is_padded: bool) -> Draft {
    let has_trailer = mode == TRAILER;
    let mut draft = Draft::new("PUT", "/bucket/key")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "10");
    if has_trailer {
        draft = draft.header("x-amz-trailer", "x-amz-checksum-crc32");
    }
    let signer = Signer { payload: SignableBody::Precomputed(mode.to_owned()), ..signer() };
    let (draft, seed) = signer.sign_and_tell(draft);
    let mut chain = Chain { previous: seed, is_padded };
    let mut body = Vec::new();
    for chunk in [&b"hello "[..], b"worl", b""] {
        let signature = chain.next("PAYLOAD", &format!("{}\n{}", sha256(b""), sha256(chunk)));
        body.extend_from_slice(format!("{:x};chunk-signature={signature}\r\n", chunk.len()).as_bytes());
        if !chunk.is_empty() {
            body.extend_from_slice(chunk);
            body.extend_from_slice(b"\r\n");
        }
    }
    if has_trailer {
        let mut hasher = crate::model::ChecksumHasher::new(crate::model::ChecksumAlgorithm::Crc32);
        hasher.update(b"hello worl");
        let field = format!("x-amz-checksum-crc32:{}", hasher.finish().to_base64());
        let signature = chain.next("TRAILER", &sha256(format!("{field}\n").as_bytes()));
        body.extend_from_slice(format!("{field}\r\nx-amz-trailer-signature:{signature}\r\n").as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    draft.body(body)
}

#[tokio::test]
async fn chunks_and_trailers_are_verified_with_and_without_padding() {
    let edge = edge();
    for mode in [PAYLOAD, TRAILER] {
        for is_padded in [true, false] {
            let draft = upload(mode, is_padded);
            let request = admit_to(&edge, draft.clone().build(), now()).expect("admitted");
            assert_eq!(read(request).await.as_deref(), Ok(&b"hello worl"[..]), "{mode}");
            let whole = draft.body.to_vec();
            for (at, byte) in whole.iter().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric()) {
                // Each costs a verification.
                if at % 29 == 0 {
                    let mut changed = whole.clone();
                    changed[at] = if *byte == b'1' { b'2' } else { b'1' };
                    let changed = Draft { body: changed.into(), ..draft.clone() };
                    let request = admit_to(&edge, changed.build(), now()).expect("admitted");
                    assert!(read(request).await.is_err(), "{mode}: byte {at} may be changed");
                }
            }
        }
    }
}

#[test]
fn chunks_are_signed_in_the_way_of_their_request() {
    let chunked = |mode: &str, signer: Signer| {
        let draft = Draft::new("PUT", "/bucket/key")
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "0");
        refusal_code(Signer { payload: SignableBody::Precomputed(mode.to_owned()), ..signer }.sign(draft))
    };
    assert_eq!(chunked(PAYLOAD, signer()), None);
    assert_eq!(chunked(PAYLOAD, Signer::default()), Some(ErrorCode::InvalidRequest));
    let symmetric = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    assert_eq!(chunked(symmetric, signer()), Some(ErrorCode::InvalidRequest));
}

#[test]
fn both_secrets_hold_while_one_is_replaced() {
    let edge = edge_for(ALICE, &format!("new replaces {SECRET}"));
    for region_set in [None, Some("*")] {
        for (secret, holds) in [("new", true), (SECRET, true), ("other", false)] {
            let signer = Signer { secret: secret.to_owned(), region_set, ..Signer::default() };
            let signed = signer.sign(get());
            assert_eq!(admit_to(&edge, signed.clone().build(), now()).is_ok(), holds, "{secret}");
            let later = Timestamp::from_millis(now().millis() + 1000);
            let is_current = secret == "new";
            assert_eq!(admit_to(&edge, signed.build(), later).is_ok(), is_current, "{secret}");
        }
    }
}
