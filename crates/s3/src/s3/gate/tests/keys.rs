//! Condition keys that come from the server and from what a sender signs with.

use super::fixture::*;
use crate::{
    model::{Identity, Principal, Role, Timestamp},
    s3::{Operation, Request, TlsVersion},
};
use std::sync::Arc;

/// Alice, who owns the bucket, with temporary credentials or with a lasting key.
fn alice(issued: Option<Timestamp>) -> Principal {
    let Principal::Identity(identity) = account("alice", Role::ReadWrite) else { panic!("an identity") };
    Principal::Identity(Arc::new(Identity { issued, ..(*identity).clone() }))
}

async fn denies(fixture: &Fixture, condition: &str, request: impl Fn() -> Request) -> bool {
    let condition = format!(r#", "Condition": {condition}"#);
    fixture.policy(&statement("Deny", r#""*""#, r#""s3:GetObject""#, EVERYTHING, &condition)).await;
    fixture.status(request()).await == 403
}

#[tokio::test]
async fn temporary_credentials_have_a_time_and_lasting_keys_have_none() {
    let fixture = Fixture::new().await;
    let issued = Timestamp::parse_iso8601("2026-01-01T00:00:00Z").expect("a time");
    let get = |issued| move || ask(Operation::GetObject, &alice(issued));
    for (condition, of_session, of_key) in [
        (r#"{"DateLessThan": {"aws:TokenIssueTime": "2026-01-01T00:00:01Z"}}"#, true, false),
        (r#"{"DateLessThan": {"aws:TokenIssueTime": "2025-12-31T23:59:59Z"}}"#, false, false),
        (r#"{"Null": {"aws:TokenIssueTime": "true"}}"#, false, true),
        (r#"{"Bool": {"aws:MultiFactorAuthPresent": "false"}}"#, true, false),
        (r#"{"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}"#, true, true),
        (r#"{"Null": {"aws:MultiFactorAuthAge": "true"}}"#, true, true),
    ] {
        assert_eq!(denies(&fixture, condition, get(Some(issued))).await, of_session, "{condition}");
        assert_eq!(denies(&fixture, condition, get(None)).await, of_key, "{condition}");
    }
}

#[tokio::test]
async fn the_region_is_that_of_the_server_and_tls_has_a_version_where_it_ends_here() {
    let fixture = Fixture::new().await;
    let get = |tls| {
        move || {
            let mut request = ask(Operation::GetObject, &alice(None));
            request.context.arrival.tls = tls;
            request
        }
    };
    for (condition, tls, denied) in [
        (r#"{"StringEquals": {"aws:RequestedRegion": "r"}}"#, None, true),
        (r#"{"StringNotEquals": {"aws:RequestedRegion": "r"}}"#, None, false),
        (r#"{"NumericLessThan": {"s3:TlsVersion": "1.3"}}"#, Some(TlsVersion::Tls12), true),
        (r#"{"NumericLessThan": {"s3:TlsVersion": "1.3"}}"#, Some(TlsVersion::Tls13), false),
        (r#"{"NumericLessThan": {"s3:TlsVersion": "1.3"}}"#, None, false),
        (r#"{"Null": {"s3:TlsVersion": "true"}}"#, None, true),
        (r#"{"Bool": {"aws:ViaAWSService": "false"}}"#, None, true),
    ] {
        assert_eq!(denies(&fixture, condition, get(tls)).await, denied, "{condition} {tls:?}");
    }
}
