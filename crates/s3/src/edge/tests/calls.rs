//! Calls of IAM and STS through the edge.

use super::*;
use crate::{
    iam::query::{Call, Code, MAX_BODY, QueryError, Service},
    store::memory::Memory,
};
use ring::digest::{SHA256, digest};

const FORM: &str = "Action=ListUsers&Version=2010-05-08";

fn post(body: &str) -> Draft {
    Draft::new("POST", "/")
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .body(body.to_owned())
}

/// Like SDKs: these services get no `x-amz-content-sha256`.
fn signed_for(service: &'static str, draft: Draft) -> Draft {
    let payload = SignableBody::Precomputed(hex::encode(digest(&SHA256, &draft.body)));
    Signer { service, payload, ..Signer::default() }.sign(draft)
}

async fn admit_call(edge: &Edge, draft: Draft) -> Result<Call, QueryError> {
    let request = draft.build();
    assert!(edge.is_call(&request), "{request:?}");
    edge.admit_call(request, arrival(now()), &Memory::new(1 << 20)).await
}

async fn code_of(draft: Draft) -> Option<Code> {
    admit_call(&edge(), draft).await.map_err(|error| error.code).err()
}

#[tokio::test]
async fn a_form_is_a_call_of_the_service_that_it_is_signed_for() {
    let call = admit_call(&edge(), signed_for("iam", post(FORM))).await.expect("admitted");
    assert_eq!(call.caller.as_ref().map(|caller| caller.access_key.as_str()), Some(ALICE));
    assert_eq!((call.service, call.form.get("Action")), (Some(Service::Iam), Some("ListUsers")));
    let anonymous = admit_call(&edge(), post("Action=AssumeRoleWithWebIdentity")).await.expect("admitted");
    assert_eq!((anonymous.caller, anonymous.service), (None, None));
}

#[tokio::test]
async fn the_signature_of_a_call_covers_its_body() {
    let draft = signed_for("sts", post(FORM));
    let other = Draft { body: Bytes::from(FORM.replace("List", "Kist")), ..draft };
    assert_eq!(code_of(other).await, Some(Code::SignatureDoesNotMatch));
    let stranger = Signer { service: "iam", access_key: "AKIDMALLORY".to_owned(), ..Signer::default() };
    assert_eq!(code_of(stranger.sign(post(FORM))).await, Some(Code::InvalidClientTokenId));
    assert_eq!(code_of(signed_for("s3", post(FORM))).await, Some(Code::IncompleteSignature));
    let large = format!("Action=CreatePolicy&PolicyDocument={}", "x".repeat(MAX_BODY));
    assert_eq!(code_of(post(&large)).await, Some(Code::RequestEntityTooLarge));
}

#[test]
fn requests_of_s3_are_no_calls_and_calls_no_requests_of_s3() {
    let is_call = |draft: Draft| edge().is_call(&draft.build());
    for draft in [
        Draft::new("GET", "/"),
        Draft::new("POST", "/"),
        Draft::new("GET", "/bucket?Action=ListUsers"),
        Draft { path: "/bucket".to_owned(), ..post(FORM) },
        post(FORM).header("host", "bucket.s3.example.com"),
        Draft { method: "PUT", ..post(FORM) },
    ] {
        assert!(!is_call(draft.clone()), "{draft:?}");
    }
    assert!(is_call(Draft::new("GET", "/?Action=GetCallerIdentity&Version=2011-06-15")));
    // The scope of a signature for one is none for the other.
    for service in ["iam", "sts"] {
        let draft = Signer { service, ..Signer::default() }.sign(Draft::new("GET", "/bucket/key"));
        assert_eq!(refusal_code(draft), Some(ErrorCode::AuthorizationHeaderMalformed));
    }
}
