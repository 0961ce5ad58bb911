//! Both evaluators decide alike about random policies and requests.
//!
//! `CAUSEWAY_POLICY_CASES` is how many are compared, `CAUSEWAY_POLICY_SEED` where they begin.

mod case;
mod oracle;
mod values;

use case::{Case, Kind, Random, Sender};
use causeway_policy::{
    Action, Attached, Context, Decision, Ground, Late, MalformedPolicy, Policies, Policy, Principal,
    PrincipalKind, Request, Tag, decide_federated,
};
use oracle::Verdict;
use std::time::Instant;

const CASES: usize = 20_000;
const SEED: u64 = 0x00ca_05e7_a711_ce00;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn principal<'a>(sender: &'a Sender, tags: &'a [Tag]) -> Principal<'a> {
    let kind = match sender.kind {
        Kind::Anonymous => PrincipalKind::Anonymous,
        Kind::Root => PrincipalKind::Root,
        Kind::User => PrincipalKind::User,
        Kind::Session => PrincipalKind::Session,
        Kind::Service => PrincipalKind::Service,
    };
    Principal {
        kind,
        account: &sender.account,
        canonical_id: &sender.canonical,
        arn: &sender.arn,
        id: &sender.id,
        name: &sender.name,
        role_arn: &sender.role,
        provider: &sender.provider,
        tags,
    }
}

struct Parsed {
    identity: Vec<(String, Policy)>,
    boundary: Option<Policy>,
    session: Option<Vec<(String, Policy)>>,
    bucket: Option<Policy>,
}

fn parse(case: &Case) -> Result<Parsed, MalformedPolicy> {
    let named = |kind: &str, policies: &[serde_json::Value]| {
        let parse = |(number, policy): (usize, &serde_json::Value)| {
            Ok((format!("{kind}{number}"), Policy::identity(&policy.to_string())?))
        };
        policies.iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()
    };
    let bucket = case.bucket.as_ref().map(|policy| Policy::bucket(&policy.to_string(), "b")).transpose()?;
    let pinned = |policy: Policy| match &case.pins {
        Some(pins) => {
            policy.pin(|arn| pins.iter().find(|(other, _)| other == arn).and_then(|(_, id)| id.clone()))
        }
        None => policy,
    };
    Ok(Parsed {
        identity: named("identity", &case.identity)?,
        boundary: case.boundary.as_ref().map(|policy| Policy::identity(&policy.to_string())).transpose()?,
        session: case.session.as_ref().map(|policies| named("session", policies)).transpose()?,
        bucket: bucket.map(pinned),
    })
}

/// What both say of a case, or what was refused.
fn compare(case: &Case) -> Result<&'static str, MalformedPolicy> {
    let parsed = parse(case)?;
    fn attached(all: &[(String, Policy)]) -> Vec<Attached<'_>> {
        all.iter().map(|(name, policy)| Attached { name, policy }).collect()
    }
    let (identity, session) = (attached(&parsed.identity), parsed.session.as_deref().map(attached));
    let policies = Policies {
        identity: &identity,
        boundary: parsed.boundary.as_ref().map(|policy| Attached { name: "boundary", policy }),
        session: session.as_deref(),
        bucket: parsed.bucket.as_ref().map(|policy| Attached { name: "bucket", policy }),
        owner: Some(&case.owner),
    };
    let tags: Vec<Tag> =
        case.sender.tags.iter().map(|(key, value)| (key.clone().into(), value.clone().into())).collect();
    let mut context = Context::new();
    for (key, value) in &case.context {
        context.add(key.as_str(), value.as_str());
    }
    let action = Action::new(&case.action);
    let under = |context| Request::new(principal(&case.sender, &tags), &action, &case.resource, context);
    let request = under(context);
    let decision = policies.decide(&request);
    let own = verdict(&decision);
    compare_late(case, &parsed, &policies, &own, under);
    compare_trust(case, &policies, &request)?;
    let wanted = oracle::decide(case);
    assert_eq!(own, wanted, "{decision}\n{case:#?}");
    let grounds = match decision {
        Decision::Allow(Ground::Statement(at)) => vec![at],
        Decision::Allow(Ground::Both { identity, bucket }) => identity.into_iter().chain([bucket]).collect(),
        _ => vec![],
    };
    for at in grounds {
        assert!(oracle::allows(case, at.policy, at.number), "{decision}\n{case:#?}");
    }
    if let (Some(policy), Some(json)) = (&parsed.bucket, &case.bucket) {
        assert_eq!(policy.is_public(), oracle::is_public(json), "public\n{json:#}");
    }
    Ok(match own {
        Verdict::Allow => "allowed",
        Verdict::Deny(..) => "denied",
        Verdict::Implicit => "denied implicitly",
    })
}

fn verdict(decision: &Decision<'_>) -> Verdict {
    match decision {
        Decision::Allow(_) => Verdict::Allow,
        Decision::Deny(at) => Verdict::Deny(at.policy.to_owned(), at.number),
        Decision::Implicit(_) => Verdict::Implicit,
    }
}

/// A trust policy decides about taking on a role, by a sender with an account or by one that a provider
/// vouches for.
fn compare_trust(case: &Case, policies: &Policies<'_>, request: &Request<'_>) -> Result<(), MalformedPolicy> {
    let case = case::with_trust(case);
    let trust = case.bucket.as_ref().map(|policy| Policy::trust(&policy.to_string())).transpose()?;
    let pinned = |policy: Policy| match &case.pins {
        Some(pins) => {
            policy.pin(|arn| pins.iter().find(|(other, _)| other == arn).and_then(|(_, id)| id.clone()))
        }
        None => policy,
    };
    let trust = trust.map(pinned);
    let bucket = trust.as_ref().map(|policy| Attached { name: "bucket", policy });
    let decision = Policies { bucket, ..*policies }.decide_trust(request);
    assert_eq!(verdict(&decision), oracle::decide_trust(&case), "trust: {decision}\n{case:#?}");
    if case.boundary.is_none()
        && let Some(trust) = &bucket
    {
        let decision = decide_federated(trust, request);
        assert_eq!(verdict(&decision), oracle::decide_federated(&case), "federated: {decision}\n{case:#?}");
    }
    Ok(())
}

/// Keys that are known late, with a value that no case has.
const LATE: [(Late, &[&str]); 4] = [
    (Late::ExistingObjectTag, &["s3:ExistingObjectTag/team"]),
    (Late::RequestObjectTag, &["s3:RequestObjectTag/team", "s3:RequestObjectTagKeys"]),
    (Late::RequestTag, &["aws:RequestTag/team", "aws:TagKeys"]),
    (Late::LocationConstraint, &["s3:LocationConstraint"]),
];

/// Where no policy says that it reads a late key, a decision is the same with any value of it.
fn compare_late<'c>(
    case: &'c Case,
    parsed: &Parsed,
    policies: &Policies<'_>,
    before: &Verdict,
    under: impl Fn(Context<'c>) -> Request<'c>,
) {
    let named = parsed.identity.iter().chain(parsed.session.iter().flatten()).map(|(_, policy)| policy);
    let all: Vec<&Policy> = named.chain(&parsed.boundary).chain(&parsed.bucket).collect();
    for (late, keys) in LATE {
        if all.iter().any(|policy| policy.reads(late)) {
            continue;
        }
        let mut context = Context::new();
        let known = |key: &str| keys.iter().any(|late| late.eq_ignore_ascii_case(key));
        for (key, value) in case.context.iter().filter(|(key, _)| !known(key)) {
            context.add(key.as_str(), value.as_str());
        }
        keys.iter().for_each(|key| context.add(*key, "late"));
        let later = policies.decide(&under(context));
        assert_eq!(verdict(&later), *before, "{late:?} changes the decision\n{case:#?}");
    }
}

#[test]
fn both_evaluators_decide_alike() {
    let cases =
        number("CAUSEWAY_POLICY_CASES").map_or(CASES, |cases| usize::try_from(cases).expect("a count"));
    let seed = number("CAUSEWAY_POLICY_SEED").unwrap_or(SEED);
    println!("{cases} cases, CAUSEWAY_POLICY_SEED={seed}");
    let began = Instant::now();
    let (mut random, mut compared, mut refused) = (Random(seed), 0, 0);
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    while compared < cases {
        match compare(&case::case(&mut random)) {
            Ok(verdict) => {
                compared += 1;
                *counts.entry(verdict).or_default() += 1;
            }
            // What a bucket policy may not say is generated now and then: it is tested elsewhere.
            Err(_) => refused += 1,
        }
    }
    println!("{counts:?}, {refused} refused, {:.1} s", began.elapsed().as_secs_f64());
    assert!(counts.len() == 3 && counts.values().all(|count| *count > cases / 50), "{counts:?}");
    assert!(refused < compared * 2, "{refused} of {compared} cases were refused");
}
