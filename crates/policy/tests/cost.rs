//! What a decision costs. The figure is printed; only a release build is held to it, and by hand:
//! `cargo test --release -p causeway-policy --test cost -- --nocapture`.

use causeway_policy::{Action, Attached, Context, Policies, Policy, Principal, PrincipalKind, Request};
use std::{borrow::Cow, hint::black_box, time::Instant};

/// Short rounds, of which some are not interrupted on a busy machine.
const ROUNDS: usize = 2_000;
const DECISIONS: u32 = 50;

const BOB: Principal<'static> = Principal {
    kind: PrincipalKind::User,
    account: "111111111111",
    canonical_id: "canonical1",
    arn: "arn:aws:iam::111111111111:user/bob",
    id: "AIDABOB1111111111",
    name: "bob",
    role_arn: "",
    provider: "",
    tags: &[(Cow::Borrowed("Team"), Cow::Borrowed("red"))],
};

/// Ten statements of an identity and twenty of a bucket: prefixes, variables and conditions, as people write
/// them. The last ones allow.
fn policies() -> (Policy, Policy) {
    let own = |number: usize| {
        format!(
            r#"{{"Sid":"own{number}","Effect":"Allow",
            "Action":["s3:GetObject","s3:PutObject","s3:ListBucket"],
            "Resource":["arn:aws:s3:::other{number}","arn:aws:s3:::b/home{number}/${{aws:username}}/*"],
            "Condition":{{"StringLike":{{"s3:prefix":["a{number}/*","b{number}/*"]}}}}}}"#
        )
    };
    let of_bucket = |number: usize| {
        let (effect, principal) = match number % 4 {
            0 => ("Deny", r#""*""#.to_owned()),
            1 => ("Allow", r#"{"AWS":["arn:aws:iam::222222222222:root","333333333333"]}"#.to_owned()),
            2 => ("Allow", r#"{"AWS":"arn:aws:iam::111111111111:user/bob"}"#.to_owned()),
            _ => ("Allow", r#""*""#.to_owned()),
        };
        format!(
            r#"{{"Sid":"s{number}","Effect":"{effect}","Principal":{principal},
            "Action":["s3:GetObject","s3:GetObjectTagging"],
            "Resource":["arn:aws:s3:::b/logs{number}/*","arn:aws:s3:::b/home/*/data"],
            "Condition":{{"NotIpAddress":{{"aws:SourceIp":["10.0.0.0/8","192.168.0.0/16"]}},
            "Bool":{{"aws:SecureTransport":"false"}},
            "StringEquals":{{"s3:ExistingObjectTag/team":"red"}}}}}}"#
        )
    };
    let last = r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::b/home/${aws:username}/*",
        "Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"Bool":{"aws:SecureTransport":"true"},
        "StringEquals":{"aws:PrincipalTag/Team":"red"},"NumericLessThan":{"s3:signatureAge":600000}}}"#;
    let identity: Vec<_> = (0..9).map(own).chain([last.to_owned()]).collect();
    let bucket: Vec<_> = (0..20).map(of_bucket).collect();
    let document = |statements: &[String]| {
        format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
    };
    (
        Policy::identity(&document(&identity)).expect("an identity policy"),
        Policy::bucket(&document(&bucket), "b").expect("a bucket policy"),
    )
}

fn context() -> Context<'static> {
    let mut context = Context::new();
    for (key, value) in [
        ("aws:currenttime", "2026-01-01T00:00:00Z"),
        ("aws:epochtime", "1767225600"),
        ("aws:securetransport", "true"),
        ("aws:sourceip", "10.1.2.3"),
        ("aws:useragent", "aws-cli/2"),
        ("s3:authtype", "REST-HEADER"),
        ("s3:existingobjecttag/team", "red"),
        ("s3:resourceaccount", "111111111111"),
        ("s3:signatureage", "1200"),
        ("s3:signatureversion", "AWS4-HMAC-SHA256"),
        ("s3:tlsversion", "1.3"),
        ("s3:x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ] {
        context.add(key, value);
    }
    context
}

#[test]
fn a_decision_about_thirty_statements_costs_little() {
    let (identity, bucket) = policies();
    let identity = [Attached { name: "own", policy: &identity }];
    let policies = Policies {
        identity: &identity,
        bucket: Some(Attached { name: "bucket", policy: &bucket }),
        owner: Some("111111111111"),
        ..Policies::default()
    };
    let (action, key) = (Action::new("s3:GetObject"), "arn:aws:s3:::b/home/bob/data");
    let request = || Request::new(BOB, &action, black_box(key), context());
    let prepared = request();
    assert!(policies.decide(&prepared).is_allowed());
    // The least of many rounds: what other processes do to this one is not the subject.
    let least = |work: &dyn Fn()| {
        let round = || {
            let began = Instant::now();
            (0..DECISIONS).for_each(|_| work());
            began.elapsed() / DECISIONS
        };
        (0..ROUNDS).map(|_| round()).min().expect("a round")
    };
    let decision = least(&|| assert!(policies.decide(black_box(&prepared)).is_allowed()));
    let whole = least(&|| assert!(policies.decide(&request()).is_allowed()));
    println!("a decision: {decision:?}; with the request's condition keys: {whole:?}");
}
