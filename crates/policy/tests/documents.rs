//! Which documents are accepted, where the others are wrong, and which are public.

use causeway_policy::{Flaw, MAX_BUCKET_POLICY_BYTES, MalformedPolicy, Policy};

const GOOD: &str =
    r#""Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#;

fn bucket(text: &str) -> Result<Policy, MalformedPolicy> {
    Policy::bucket(text, "b")
}

/// Where and how a bucket policy of one statement is wrong.
fn flaw(statement: &str) -> (Flaw, String) {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{{{statement}}}]}}"#);
    let error = bucket(&text).expect_err(statement);
    assert!(!error.message.is_empty());
    (error.flaw, error.at)
}

#[test]
fn a_policy_is_accepted_with_one_statement_or_a_list_of_them() {
    let policy = bucket(&format!(r#"{{"Id":"x","Statement":{{{GOOD}}}}}"#)).expect("a policy");
    assert_eq!((policy.id(), policy.statements().len()), (Some("x"), 1));
    let two =
        format!(r#"{{"Version":"2008-10-17","Statement":[{{"Sid":"a",{GOOD}}},{{"Sid":"b",{GOOD}}}]}}"#);
    assert_eq!(bucket(&two).expect("a policy").statements()[1].sid(), Some("b"));
}

#[test]
fn the_document_itself_is_checked() {
    let wrong = |text: &str| {
        let error = bucket(text).expect_err(text);
        (error.flaw, error.at)
    };
    assert_eq!(wrong("{"), (Flaw::Syntax, String::new()));
    assert_eq!(wrong("{} x"), (Flaw::Syntax, String::new()));
    assert_eq!(wrong("[]"), (Flaw::Type, String::new()));
    assert_eq!(wrong("{}"), (Flaw::Elements, String::new()));
    assert_eq!(wrong(r#"{"Statement":[]}"#), (Flaw::Value, "Statement".into()));
    assert_eq!(wrong(r#"{"Statement":"x"}"#), (Flaw::Type, "Statement".into()));
    assert_eq!(wrong(r#"{"Version":"2020-01-01","Statement":[]}"#), (Flaw::Value, "Version".into()));
    assert_eq!(wrong(r#"{"Version":2012,"Statement":[]}"#), (Flaw::Type, "Version".into()));
    assert_eq!(wrong(r#"{"statement":[]}"#), (Flaw::UnknownElement, String::new()));
    let twice = format!(r#"{{"Statement":[{{"Effect":"Deny",{GOOD}}}]}}"#);
    assert_eq!(wrong(&twice), (Flaw::Syntax, String::new()), "an element that is there twice");
    let same = format!(r#"{{"Statement":[{{"Sid":"a",{GOOD}}},{{"Sid":"a",{GOOD}}}]}}"#);
    assert_eq!(wrong(&same), (Flaw::Value, "Statement[1].Sid".into()));
    let deep = "[".repeat(100_000);
    assert_eq!(wrong(&deep[..MAX_BUCKET_POLICY_BYTES]).0, Flaw::Syntax);
}

#[test]
fn a_document_may_be_as_long_as_s3_allows_and_no_longer() {
    let with = |length: usize| {
        let text = format!(r#"{{"Statement":{{{GOOD}}},"Id":""}}"#);
        text.replace(r#""Id":"""#, &format!(r#""Id":"{}""#, "x".repeat(length - text.len())))
    };
    assert!(bucket(&with(MAX_BUCKET_POLICY_BYTES)).is_ok());
    assert_eq!(bucket(&with(MAX_BUCKET_POLICY_BYTES + 1)).expect_err("long").flaw, Flaw::Size);
    assert_eq!(Policy::identity(&with(MAX_BUCKET_POLICY_BYTES)).expect_err("long").flaw, Flaw::Size);
}

#[test]
fn each_element_of_a_statement_is_checked_and_the_error_says_where() {
    let at = |name: &str| format!("Statement[0]{name}");
    let with = |from: &str, to: &str| {
        assert!(GOOD.contains(from));
        flaw(&GOOD.replace(from, to))
    };
    assert_eq!(flaw(&format!("{GOOD},\"Foo\":1")), (Flaw::UnknownElement, at("")));
    assert_eq!(flaw(&format!("{GOOD},\"Sid\":1")), (Flaw::Type, at(".Sid")));
    assert_eq!(with(r#""Allow""#, r#""allow""#), (Flaw::Value, at(".Effect")));
    assert_eq!(with(r#""Effect":"Allow","#, ""), (Flaw::Elements, at("")));
    assert_eq!(with(r#""Principal":"*","#, ""), (Flaw::Elements, at("")));
    assert_eq!(with(r#""Action":"s3:GetObject","#, ""), (Flaw::Elements, at("")));
    assert_eq!(flaw(&format!(r#"{GOOD},"NotAction":"s3:*""#)), (Flaw::Elements, at("")));
    assert_eq!(flaw(&format!(r#"{GOOD},"NotResource":"*""#)), (Flaw::Elements, at("")));
    assert_eq!(with(r#""s3:GetObject""#, "[]"), (Flaw::Value, at(".Action")));
    assert_eq!(with(r#""s3:GetObject""#, "[1]"), (Flaw::Type, at(".Action")));
    assert_eq!(with(r#""s3:GetObject""#, r#""s3:GetObjekt""#), (Flaw::Action, at(".Action")));
    assert_eq!(with(r#""s3:GetObject""#, r#""iam:*""#), (Flaw::Action, at(".Action")));
    assert_eq!(with(r#""s3:GetObject""#, r#""s3:ListBucket""#), (Flaw::Resource, at(".Resource")));
    assert_eq!(with("s3:::b/*", "s3:::c/*"), (Flaw::Resource, at(".Resource")));
    assert_eq!(with("s3:::b/*", "s3:::b/${x"), (Flaw::Resource, at(".Resource")));
    assert_eq!(with("s3:::b/*", "s3:${x}::b/*"), (Flaw::Resource, at(".Resource")));
    assert_eq!(with("arn:aws:s3:::b/*", "b/*"), (Flaw::Resource, at(".Resource")));
}

#[test]
fn principals_are_named_as_a_whole() {
    let with = |principal: &str| {
        let text = format!(
            r#"{{"Statement":[{{{}}}]}}"#,
            GOOD.replace(r#""Principal":"*""#, &format!(r#""Principal":{principal}"#))
        );
        bucket(&text).map(|_| ()).map_err(|error| error.flaw)
    };
    for good in [
        r#"{"AWS":"*"}"#,
        r#"{"AWS":["111111111111","arn:aws:iam::111111111111:root"]}"#,
        r#"{"AWS":"arn:aws:iam::111111111111:user/path/bob"}"#,
        r#"{"AWS":"arn:aws:sts::111111111111:assumed-role/r/s","Service":"logging.s3.amazonaws.com"}"#,
        r#"{"AWS":"AIDABOB1111111111","CanonicalUser":"0123abcd","Federated":"accounts.example.org"}"#,
    ] {
        assert_eq!(with(good), Ok(()), "{good}");
    }
    for bad in [
        r#""111111111111""#,
        r#"{"AWS":"bob"}"#,
        r#"{"AWS":"arn:aws:iam::111111111111:user/*"}"#,
        r#"{"AWS":"arn:aws:iam::*:root"}"#,
        r#"{"AWS":"arn:aws:iam:::user/bob"}"#,
        r#"{"AWS":"arn:aws:iam::111111111111:group/g"}"#,
        r#"{"AWS":"arn:aws:s3:::b"}"#,
        r#"{"Service":"*"}"#,
        r#"{"User":"x"}"#,
        "{}",
    ] {
        assert_eq!(with(bad), Err(Flaw::Principal), "{bad}");
    }
    assert_eq!(with("[\"*\"]"), Err(Flaw::Type));
    let not = GOOD.replace("Principal", "NotPrincipal");
    assert_eq!(flaw(&not), (Flaw::Principal, "Statement[0].NotPrincipal".into()));
    assert!(Policy::identity(&format!(r#"{{"Statement":{{{GOOD}}}}}"#)).is_err());
}

#[test]
fn conditions_are_checked_with_their_values() {
    let with = |condition: &str| flaw(&format!(r#"{GOOD},"Condition":{condition}"#));
    for (condition, at) in [
        (r#"{"StringIs":{"s3:prefix":"a"}}"#, ".StringIs.s3:prefix"),
        (r#"{"ForSome:StringEquals":{"s3:prefix":"a"}}"#, ".ForSome:StringEquals.s3:prefix"),
        (r#"{"NullIfExists":{"s3:prefix":"true"}}"#, ".NullIfExists.s3:prefix"),
        (r#"{"Null":{"s3:prefix":["true","false"]}}"#, ".Null.s3:prefix"),
        (r#"{"Bool":{"aws:SecureTransport":"yes"}}"#, ".Bool.aws:SecureTransport"),
        (r#"{"NumericEquals":{"s3:max-keys":"1e3"}}"#, ".NumericEquals.s3:max-keys"),
        (r#"{"DateEquals":{"aws:CurrentTime":"yesterday"}}"#, ".DateEquals.aws:CurrentTime"),
        (r#"{"BinaryEquals":{"s3:prefix":"?"}}"#, ".BinaryEquals.s3:prefix"),
        (r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}}"#, ".IpAddress.aws:SourceIp"),
        (r#"{"ArnLike":{"aws:SourceArn":"bucket"}}"#, ".ArnLike.aws:SourceArn"),
        (r#"{"StringEquals":{"aws:Nothing":"a"}}"#, ".StringEquals.aws:Nothing"),
        (r#"{"StringEquals":{"aws:SourceVpce":"vpce-1"}}"#, ".StringEquals.aws:SourceVpce"),
    ] {
        assert_eq!(with(condition), (Flaw::Condition, format!("Statement[0].Condition{at}")), "{condition}");
    }
    assert_eq!(with("[]").0, Flaw::Type);
    assert_eq!(with(r#"{"StringEquals":{"s3:prefix":[]}}"#).0, Flaw::Value);
    assert_eq!(with(r#"{"StringEquals":{"s3:prefix":null}}"#).0, Flaw::Type);
    let own = r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*",
        "Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1"}}}}"#;
    assert_eq!(Policy::identity(own).expect_err("a key that never has a value").flaw, Flaw::Condition);
    assert!(Policy::identity(&own.replace("aws:SourceVpce", "ec2:Region")).is_ok());
}

#[test]
fn a_policy_is_public_unless_fixed_values_say_who_or_from_where() {
    let is_public = |changed: &str, condition: &str| {
        let text =
            format!(r#"{{"Version":"2012-10-17","Statement":[{{{changed},"Condition":{{{condition}}}}}]}}"#);
        bucket(&text).expect(condition).is_public()
    };
    assert!(is_public(GOOD, ""));
    assert!(is_public(&GOOD.replace(r#""*""#, r#"{"AWS":["111111111111","*"]}"#), ""));
    assert!(!is_public(&GOOD.replace(r#""*""#, r#"{"AWS":"111111111111"}"#), ""));
    assert!(!is_public(&GOOD.replace("Allow", "Deny"), ""));
    for condition in [
        r#""StringEquals":{"aws:PrincipalOrgID":"o-1"}"#,
        r#""StringLike":{"aws:userid":"AROA1"}"#,
        r#""IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}"#,
        r#""ArnLike":{"aws:SourceArn":"arn:aws:s3:::c"}"#,
        r#""ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-east-1:111111111111:accesspoint/*"}"#,
        r#""StringEquals":{"aws:SourceAccount":"111111111111","s3:prefix":"*"}"#,
    ] {
        assert!(!is_public(GOOD, condition), "{condition}");
    }
    for condition in [
        r#""StringLike":{"aws:PrincipalOrgID":"o-*"}"#,
        r#""StringLike":{"aws:userid":"AROA1:*"}"#,
        r#""StringEquals":{"aws:PrincipalArn":"${aws:PrincipalArn}"}"#,
        r#""StringNotEquals":{"aws:PrincipalAccount":"111111111111"}"#,
        r#""StringEqualsIfExists":{"aws:PrincipalAccount":"111111111111"}"#,
        r#""ForAllValues:StringEquals":{"aws:PrincipalAccount":"111111111111"}"#,
        r#""IpAddress":{"aws:SourceIp":["10.0.0.0/8","0.0.0.0/1"]}"#,
        r#""IpAddress":{"aws:SourceIp":"2000::/3"}"#,
        r#""ArnLike":{"aws:SourceArn":"arn:aws:s3:::c*"}"#,
        r#""ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-east-1:*:accesspoint/a"}"#,
        r#""StringEquals":{"s3:prefix":"a"}"#,
        r#""Bool":{"aws:SecureTransport":"true"}"#,
    ] {
        assert!(is_public(GOOD, condition), "{condition}");
    }
}
