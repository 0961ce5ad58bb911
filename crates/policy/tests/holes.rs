//! Cases that implementations of policies are known to get wrong.

mod asking;

use asking::{Asked, BOB, SESSION, bucket, identity, mallory, root};
use causeway_policy::{Decision, Ground, Missing, Policy, Principal, Source};

const OBJECT: &str = "arn:aws:s3:::b/k";

/// An identity policy with one statement: all of S3, under a condition.
fn under(condition: &str) -> Policy {
    identity(&format!(r#"{{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{{{condition}}}}}"#))
}

fn holds(condition: &str, keys: &[(&str, &str)]) -> bool {
    let policy = under(condition);
    Asked { identity: Some(&policy), keys, ..Asked::by(BOB, "s3:GetObject", OBJECT) }.is_allowed()
}

fn matches(resource: &str, asked: &str) -> bool {
    let policy = identity(&format!(r#"{{"Effect":"Allow","Action":"s3:*","Resource":"{resource}"}}"#));
    Asked { identity: Some(&policy), ..Asked::by(BOB, "s3:GetObject", asked) }.is_allowed()
}

#[test]
fn for_all_values_is_true_without_a_value_until_null_is_ruled_out() {
    let condition = r#""ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}"#;
    assert!(holds(condition, &[]));
    assert!(holds(condition, &[("aws:TagKeys", "")]));
    assert!(holds(condition, &[("aws:TagKeys", "a"), ("aws:TagKeys", "b")]));
    assert!(!holds(condition, &[("aws:TagKeys", "a"), ("aws:TagKeys", "c")]));
    let guarded = format!(r#"{condition},"Null":{{"aws:TagKeys":"false"}}"#);
    assert!(!holds(&guarded, &[]));
    assert!(!holds(&guarded, &[("aws:TagKeys", "")]));
    assert!(holds(&guarded, &[("aws:TagKeys", "a")]));
}

#[test]
fn for_any_value_is_false_without_a_value_even_when_negated() {
    for operator in ["StringEquals", "StringNotEquals"] {
        let condition = format!(r#""ForAnyValue:{operator}":{{"aws:TagKeys":["a"]}}"#);
        assert!(!holds(&condition, &[]), "{operator}");
        assert!(!holds(&condition, &[("aws:TagKeys", "")]), "{operator}");
    }
    assert!(holds(
        r#""ForAnyValue:StringNotEquals":{"aws:TagKeys":"a"}"#,
        &[("aws:TagKeys", "a"), ("aws:TagKeys", "b")]
    ));
    assert!(holds(r#""ForAnyValue:StringEqualsIfExists":{"aws:TagKeys":"a"}"#, &[]));
}

#[test]
fn a_missing_key_makes_negated_operators_true_and_all_others_false() {
    for (operator, value) in [
        ("StringNotEquals", "x"),
        ("StringNotEqualsIgnoreCase", "x"),
        ("StringNotLike", "x*"),
        ("NumericNotEquals", "1"),
        ("DateNotEquals", "2020-01-01"),
        ("NotIpAddress", "10.0.0.0/8"),
        ("ArnNotEquals", "arn:aws:s3:::b"),
        ("ArnNotLike", "arn:aws:s3:::*"),
    ] {
        assert!(holds(&format!(r#""{operator}":{{"s3:prefix":"{value}"}}"#), &[]), "{operator}");
        let positive = operator.replace("Not", "");
        assert!(!holds(&format!(r#""{positive}":{{"s3:prefix":"{value}"}}"#), &[]), "{positive}");
        assert!(holds(&format!(r#""{positive}IfExists":{{"s3:prefix":"{value}"}}"#), &[]), "{positive}");
    }
    assert!(!holds(r#""Bool":{"aws:MultiFactorAuthPresent":"false"}"#, &[]));
    assert!(!holds(r#""BinaryEquals":{"s3:prefix":"YQ=="}"#, &[]));
}

#[test]
fn several_values_are_alternatives_and_a_negated_operator_excludes_all_of_them() {
    let keys = &[("s3:prefix", "b")];
    assert!(holds(r#""StringEquals":{"s3:prefix":["a","b"]}"#, keys));
    assert!(!holds(r#""StringNotEquals":{"s3:prefix":["a","b"]}"#, keys));
    assert!(!holds(r#""StringEquals":{"s3:prefix":"b","aws:SourceIp":"b"}"#, keys));
}

#[test]
fn an_empty_prefix_is_a_value_of_its_own() {
    let condition = r#""StringEquals":{"s3:prefix":["","home/"]}"#;
    assert!(holds(condition, &[("s3:prefix", "")]));
    assert!(!holds(condition, &[]));
}

#[test]
fn wildcards_work_in_the_middle_of_an_arn_and_only_within_a_component() {
    assert!(matches("arn:aws:s3:::b/*/secret", "arn:aws:s3:::b/x/y/secret"));
    assert!(!matches("arn:aws:s3:::b/*/secret", "arn:aws:s3:::b/x/y/secret2"));
    assert!(matches("arn:aws:s3:::b/?", "arn:aws:s3:::b/é"));
    assert!(!matches("arn:aws:s3:::b/?", "arn:aws:s3:::b/"));
    assert!(!matches("arn:aws:s3:::b/?", "arn:aws:s3:::b/xy"));
    assert!(matches("arn:aws:s3:*:*:b/k", OBJECT));
    assert!(!matches("arn:aws:s3:::b", OBJECT), "a bucket is not what is in it");
    assert!(!matches("arn:aws:s3:::b/*", "arn:aws:s3:::b"), "what is in a bucket is not the bucket");
    assert!(matches("arn:aws:s3:::b/a:*", "arn:aws:s3:::b/a:b:c"));
    assert!(!matches("arn:aws:s3:::b/K", OBJECT), "keys have case");
}

#[test]
fn keys_are_compared_without_regard_to_case_and_values_are_not() {
    assert!(holds(r#""StringEquals":{"S3:PREFIX":"a"}"#, &[("s3:prefix", "a")]));
    assert!(holds(r#""StringEquals":{"s3:prefix":"a"}"#, &[("S3:Prefix", "a")]));
    assert!(!holds(r#""StringEquals":{"s3:prefix":"a"}"#, &[("s3:prefix", "A")]));
    assert!(holds(r#""StringEquals":{"aws:principalTAG/TEAM":"red"}"#, &[]), "Bob has the tag Team");
}

#[test]
fn version_2008_leaves_variables_as_they_are_written() {
    let policy = |version: &str| {
        let statement = r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}/*"}"#;
        Policy::identity(&format!(r#"{{{version}"Statement":{statement}}}"#)).expect("a policy")
    };
    let asks = |policy: &Policy, key: &str| {
        Asked { identity: Some(policy), ..Asked::by(BOB, "s3:GetObject", &format!("arn:aws:s3:::b/{key}")) }
            .is_allowed()
    };
    for version in ["", r#""Version":"2008-10-17","#] {
        assert!(asks(&policy(version), "${aws:username}/x"));
        assert!(!asks(&policy(version), "bob/x"));
    }
    let new = policy(r#""Version":"2012-10-17","#);
    assert!(asks(&new, "bob/x"));
    assert!(!asks(&new, "${aws:username}/x"));
}

#[test]
fn a_variable_without_a_value_equals_nothing_so_that_only_negated_operators_match() {
    let keys = &[("s3:prefix", "x")];
    assert!(!holds(r#""StringEquals":{"s3:prefix":"${aws:FederatedProvider}"}"#, keys));
    assert!(!holds(r#""StringLike":{"s3:prefix":"*${aws:FederatedProvider}"}"#, keys));
    assert!(holds(r#""StringNotEquals":{"s3:prefix":"${aws:FederatedProvider}"}"#, keys));
    assert!(holds(r#""StringEquals":{"s3:prefix":"${aws:FederatedProvider, 'x'}"}"#, keys));
}

#[test]
fn a_wildcard_in_the_value_of_a_variable_is_a_plain_character() {
    let keys = &[("s3:prefix", "home/alice/"), ("s3:delimiter", "*")];
    assert!(!holds(r#""StringLike":{"s3:prefix":"home/${s3:delimiter}/"}"#, keys));
}

#[test]
fn not_principal_with_deny_needs_the_account_beside_the_user() {
    let denies = |named: &str, sender: Principal<'_>| {
        let deny = bucket(&format!(
            r#"{{"Effect":"Deny","NotPrincipal":{{"AWS":[{named}]}},"Action":"s3:*",
                "Resource":"arn:aws:s3:::b/*"}}"#
        ));
        let asked = Asked { bucket: Some(&deny), ..Asked::by(sender, "s3:GetObject", OBJECT) };
        asked.decision(|decision| matches!(decision, Decision::Deny(_)))
    };
    let (user, account) = (r#""arn:aws:iam::111111111111:user/bob""#, r#""111111111111""#);
    let both = format!("{user},{account}");
    assert!(denies(user, BOB), "without the account, the account is denied");
    assert!(denies(account, BOB), "the account does not stand for its users");
    assert!(!denies(&both, BOB));
    assert!(!denies(account, root()));
    assert!(denies(&both, mallory()));
    assert!(denies(&both, Principal::ANONYMOUS));
    let (role, session) =
        (r#""arn:aws:iam::111111111111:role/r""#, r#""arn:aws:sts::111111111111:assumed-role/r/s""#);
    assert!(denies(&format!("{account},{role}"), SESSION));
    assert!(!denies(&format!("{account},{role},{session}"), SESSION));
}

#[test]
fn not_principal_spares_nobody_who_has_a_permission_boundary() {
    let deny = bucket(
        r#"{"Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::111111111111:user/bob","111111111111"]},
            "Action":"s3:*","Resource":"arn:aws:s3:::b/*"}"#,
    );
    let all = under("");
    let asked = Asked { identity: Some(&all), bucket: Some(&deny), ..Asked::by(BOB, "s3:GetObject", OBJECT) };
    assert!(asked.is_allowed());
    assert!(!Asked { boundary: Some(&all), ..asked }.is_allowed());
}

#[test]
fn the_name_of_a_deleted_user_gives_nothing_to_the_next_one_with_that_name() {
    let allow = bucket(
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:user/bob"},
            "Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#,
    );
    assert_eq!(
        allow.named_principals().into_iter().collect::<Vec<_>>(),
        ["arn:aws:iam::111111111111:user/bob"]
    );
    let is_allowed = |policy: &Policy| {
        Asked { bucket: Some(policy), ..Asked::by(BOB, "s3:GetObject", OBJECT) }.is_allowed()
    };
    assert!(is_allowed(&allow));
    assert!(is_allowed(&allow.clone().pin(|_| Some(BOB.id.to_owned()))));
    assert!(!is_allowed(&allow.clone().pin(|_| Some("AIDAOLDBOB1111111".to_owned()))));
    assert!(!is_allowed(&allow.pin(|_| None)));
    let by_id = bucket(
        r#"{"Effect":"Allow","Principal":{"AWS":"AIDAOLDBOB1111111"},"Action":"s3:GetObject",
            "Resource":"arn:aws:s3:::b/*"}"#,
    );
    assert!(!is_allowed(&by_id));
}

#[test]
fn an_anonymous_request_is_allowed_by_a_bucket_policy_for_everybody_only() {
    let allow = |principal: &str| {
        bucket(&format!(
            r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject",
                "Resource":"arn:aws:s3:::b/*"}}"#
        ))
    };
    let is_allowed = |principal: &str, action: &str| {
        let policy = allow(principal);
        Asked { bucket: Some(&policy), ..Asked::by(Principal::ANONYMOUS, action, OBJECT) }.is_allowed()
    };
    assert!(is_allowed(r#""*""#, "s3:GetObject"));
    assert!(is_allowed(r#"{"AWS":"*"}"#, "s3:GetObject"));
    assert!(!is_allowed(r#"{"AWS":"111111111111"}"#, "s3:GetObject"));
    assert!(!is_allowed(r#""*""#, "s3:GetObjectVersion"), "a version is another action");
    assert!(!Asked::by(Principal::ANONYMOUS, "s3:GetObject", OBJECT).is_allowed());
}

#[test]
fn a_deny_of_the_role_outlives_every_session() {
    let (deny, all) = (
        identity(r#"{"Sid":"No","Effect":"Deny","Action":"s3:GetObject","Resource":"*"}"#),
        bucket(
            r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:sts::111111111111:assumed-role/r/s"},
                "Action":"s3:*","Resource":"arn:aws:s3:::b/*"}"#,
        ),
    );
    let asked =
        Asked { identity: Some(&deny), bucket: Some(&all), ..Asked::by(SESSION, "s3:GetObject", OBJECT) };
    asked.decision(|decision| {
        let Decision::Deny(at) = decision else { panic!("{decision}") };
        assert_eq!((at.source, at.policy, at.number, at.sid), (Source::Identity, "identity", 1, Some("No")));
    });
}

#[test]
fn another_account_needs_the_permission_of_both_accounts() {
    let named = bucket(
        r#"{"Effect":"Allow","Principal":{"AWS":"222222222222"},"Action":"s3:GetObject",
            "Resource":"arn:aws:s3:::b/*"}"#,
    );
    let all = under("");
    let asked = Asked::by(mallory(), "s3:GetObject", OBJECT);
    let by_identity = Asked { identity: Some(&all), ..asked };
    by_identity.decision(|decision| assert_eq!(decision, Decision::Implicit(Missing::Bucket)));
    let by_bucket = Asked { bucket: Some(&named), ..asked };
    by_bucket.decision(|decision| assert_eq!(decision, Decision::Implicit(Missing::Identity)));
    let by_both = Asked { identity: Some(&all), bucket: Some(&named), ..asked };
    by_both.decision(|decision| {
        assert!(matches!(decision, Decision::Allow(Ground::Both { identity: Some(_), .. })), "{decision}");
    });
}

#[test]
fn a_bucket_policy_for_the_own_account_leaves_it_to_identity_policies() {
    let named = bucket(
        r#"{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"s3:GetObject",
            "Resource":"arn:aws:s3:::b/*"}"#,
    );
    assert!(!Asked { bucket: Some(&named), ..Asked::by(BOB, "s3:GetObject", OBJECT) }.is_allowed());
}

#[test]
fn boundaries_and_sessions_narrow_all_but_grants_to_exactly_the_sender() {
    let (all, none) = (under(""), identity(r#"{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}"#));
    let allow = |principal: &str| {
        bucket(&format!(
            r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject",
                "Resource":"arn:aws:s3:::b/*"}}"#
        ))
    };
    let (user, everyone) = (allow(r#"{"AWS":"arn:aws:iam::111111111111:user/bob"}"#), allow(r#""*""#));
    let (role, session) = (
        allow(r#"{"AWS":"arn:aws:iam::111111111111:role/r"}"#),
        allow(r#"{"AWS":"arn:aws:sts::111111111111:assumed-role/r/s"}"#),
    );
    let bob = Asked { identity: Some(&all), boundary: Some(&none), ..Asked::by(BOB, "s3:GetObject", OBJECT) };
    bob.decision(|decision| assert_eq!(decision, Decision::Implicit(Missing::Boundary)));
    assert!(Asked { bucket: Some(&user), ..bob }.is_allowed());
    assert!(!Asked { bucket: Some(&everyone), ..bob }.is_allowed());
    let held =
        Asked { identity: Some(&all), session: Some(&none), ..Asked::by(SESSION, "s3:GetObject", OBJECT) };
    held.decision(|decision| assert_eq!(decision, Decision::Implicit(Missing::Session)));
    assert!(!Asked { bucket: Some(&role), ..held }.is_allowed());
    assert!(Asked { bucket: Some(&session), ..held }.is_allowed());
    // A service account is its user, and what narrows it narrows what a bucket gives to the user.
    let service_account =
        Asked { identity: Some(&all), session: Some(&none), ..Asked::by(BOB, "s3:GetObject", OBJECT) };
    for policy in [&user, &everyone] {
        let asked = Asked { bucket: Some(policy), ..service_account };
        asked.decision(|decision| assert_eq!(decision, Decision::Implicit(Missing::Session)));
    }
}

#[test]
fn the_owner_is_denied_by_its_own_policy_but_can_always_replace_it() {
    let deny = bucket(
        r#"{"Effect":"Deny","Principal":"*","Action":"s3:*",
            "Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}"#,
    );
    let asks =
        |sender, action, resource| Asked { bucket: Some(&deny), ..Asked::by(sender, action, resource) };
    assert!(!asks(root(), "s3:GetObject", OBJECT).is_allowed());
    for action in ["s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy"] {
        assert!(asks(root(), action, "arn:aws:s3:::b").is_allowed(), "{action}");
        assert!(!asks(BOB, action, "arn:aws:s3:::b").is_allowed(), "{action}");
    }
    assert!(Asked::by(root(), "s3:GetObject", OBJECT).is_allowed());
}

#[test]
fn addresses_match_by_their_bits_whatever_their_notation() {
    let from = |range: &str, address: &str| {
        holds(&format!(r#""IpAddress":{{"aws:SourceIp":"{range}"}}"#), &[("aws:SourceIp", address)])
    };
    assert!(from("10.0.0.0/8", "10.255.0.1"));
    assert!(from("10.0.0.0/8", "::ffff:10.0.0.1"));
    assert!(!from("10.0.0.0/8", "11.0.0.1"));
    assert!(from("2001:db8::/32", "2001:0DB8:0:0::1"));
    assert!(!from("0.0.0.0/0", "2001:db8::1"));
    assert!(!from("10.0.0.0/8", "10.0.0.1, 192.0.2.1"), "a list is no address");
    assert!(holds(r#""NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}"#, &[("aws:SourceIp", "192.0.2.1")]));
}

#[test]
fn numbers_and_dates_are_compared_as_such() {
    let number = |operator: &str, wanted: &str, value: &str| {
        holds(&format!(r#""Numeric{operator}":{{"s3:max-keys":{wanted}}}"#), &[("s3:max-keys", value)])
    };
    assert!(number("LessThanEquals", "10", "9"), "not as texts");
    assert!(!number("Equals", "\"9007199254740993\"", "9007199254740992"), "not as floats");
    assert!(number("Equals", "10", "10.0"));
    assert!(!number("LessThan", "10", "many"));
    assert!(!number("LessThan", "10", ""));
    let date = |operator: &str, wanted: &str, value: &str| {
        holds(&format!(r#""Date{operator}":{{"aws:CurrentTime":"{wanted}"}}"#), &[("aws:CurrentTime", value)])
    };
    assert!(date("Equals", "2020-01-01T00:00:00Z", "1577836800"));
    assert!(date("Equals", "2020-01-01T01:30:00+01:30", "2020-01-01T00:00:00Z"));
    assert!(date("LessThan", "2020-01-01", "2019-12-31T23:59:59.999Z"));
    assert!(!date("LessThan", "2020-01-01", "2019-02-29T00:00:00Z"), "there is no such day");
    assert!(date("GreaterThan", "2020-01-01", "9007199254740993"), "any number of seconds is a date");
    assert!(!date("LessThan", "2020-01-01", "-3"), "a negative number is none");
}
