//! `causeway user | group | role | policy`, on a running server and without one.

use super::{
    process::{Ended, Place},
    support::{Who, is, raw::Raw},
};

const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "test-root"), ("CAUSEWAY_ROOT_PASSWORD", "test-root-secret")];
const CONFIGURATION: &str =
    "[server]\ndata = 'data'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n[default]\nbackend = 'disk'\n";

fn place() -> Place {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    place
}

fn run(place: &Place, arguments: &[&str]) -> Ended {
    place.run(arguments, &ENVIRONMENT)
}

fn json(place: &Place, arguments: &[&str]) -> serde_json::Value {
    let said = run(place, &[arguments, &["--json"]].concat()).succeeded();
    serde_json::from_str(&said).expect("JSON")
}

#[test]
fn a_user_of_the_command_line_signs_requests_of_a_running_server_at_once() {
    let place = place();
    let server = place.serve(&[], &ENVIRONMENT);
    assert_eq!(run(&place, &["user", "list"]).succeeded(), "there is no user\n");
    run(&place, &["user", "create", "bob", "--path", "/team/"]).succeeded();
    let key = json(&place, &["user", "add-key", "bob"]);
    let text = |name: &str| &*Box::leak(key[name].as_str().expect(name).to_owned().into_boxed_str());
    let bob = Who { access_key: text("AccessKeyId"), secret_key: text("SecretAccessKey") };
    assert_eq!(Raw::new(server.s3, bob).get("/").send().failure(), is(403, "AccessDenied"));
    run(&place, &["user", "disable-key", "bob", bob.access_key]).succeeded();
    assert_eq!(Raw::new(server.s3, bob).get("/").send().failure(), is(403, "InvalidAccessKeyId"));
    let listed = run(&place, &["user", "keys", "bob"]).succeeded();
    assert!(listed.contains(bob.access_key) && listed.contains("Inactive"), "{listed}");
    let said = run(&place, &["user", "delete", "bob"]).failed(1);
    assert!(said.contains("must delete access keys first"), "{said}");
    run(&place, &["user", "remove-key", "bob", bob.access_key]).succeeded();
    run(&place, &["user", "delete", "bob"]).succeeded();
}

#[test]
fn groups_roles_and_policies_are_kept_without_a_server_and_tried_out() {
    let place = place();
    run(&place, &["user", "create", "bob"]).succeeded();
    run(&place, &["group", "create", "staff"]).succeeded();
    run(&place, &["group", "add-user", "staff", "bob"]).succeeded();
    assert_eq!(json(&place, &["group", "users", "staff"])[0]["UserName"], "bob");
    let statement = |effect: &str, action: &str, resource: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"S","Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}]}}"#
        )
    };
    place.write("read.json", &statement("Allow", "s3:GetObject", "arn:aws:s3:::photos/*"));
    place.write("deny.json", &statement("Deny", "s3:*", "arn:aws:s3:::photos/secret/*"));
    run(&place, &["policy", "create", "read", "read.json"]).succeeded();
    let arn = json(&place, &["policy", "list"])
        .as_array()
        .and_then(|all| all.iter().find(|policy| policy["PolicyName"] == "read").cloned())
        .expect("the policy")["Arn"]
        .as_str()
        .expect("an ARN")
        .to_owned();
    run(&place, &["group", "attach", "staff", &arn]).succeeded();
    run(&place, &["user", "put-policy", "bob", "no-secrets", "deny.json"]).succeeded();
    let policies = json(&place, &["user", "policies", "bob"]);
    assert_eq!(policies, serde_json::json!({ "own": ["no-secrets"], "managed": [] }));

    let simulate =
        |resource: &str| run(&place, &["policy", "simulate", "s3:GetObject", resource, "--user", "bob"]);
    let said = simulate("arn:aws:s3:::photos/a.jpg").succeeded();
    assert_eq!(said, format!("allowed by statement 1 (S) of identity policy \"{arn}\"\n"));
    let said = simulate("arn:aws:s3:::photos/secret/a.jpg").failed(1);
    assert!(said.contains("denied by statement 1 (S)"), "{said}");
    assert_eq!(simulate("arn:aws:s3:::others/a.jpg").failed(1), "denied: no policy allows it\n");

    place
        .write("trust.json", r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#);
    run(&place, &["role", "create", "worker", "--trust", "trust.json", "--max-session", "7200"]).succeeded();
    run(&place, &["role", "attach", "worker", "arn:aws:iam::aws:policy/AmazonS3FullAccess"]).succeeded();
    let allowed =
        json(&place, &["policy", "simulate", "s3:PutObject", "arn:aws:s3:::b/k", "--role", "worker"]);
    assert_eq!(allowed["allowed"], true);
    let said = run(&place, &["role", "delete", "worker"]).failed(1);
    assert!(said.contains("must detach all policies first"), "{said}");
    let said = run(&place, &["user", "create", "x", "--account", "nobody"]).failed(1);
    assert!(said.contains("no account has the access key 'nobody'"), "{said}");
}

#[test]
fn a_service_account_is_narrowed_by_its_policy_rotated_and_shown() {
    let place = place();
    let server = place.serve(&[], &ENVIRONMENT);
    let root = Who { access_key: "test-root", secret_key: "test-root-secret" };
    assert_eq!(Raw::new(server.s3, root).put("/photos", "").send().status, 200);
    run(&place, &["user", "create", "bob", "--sigv2", "off"]).succeeded();
    run(&place, &["user", "attach", "bob", "arn:aws:iam::aws:policy/AmazonS3FullAccess"]).succeeded();
    let only =
        r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}}"#;
    place.write("only.json", only);
    let made = json(
        &place,
        &[
            "user",
            "add-key",
            "bob",
            "--service-account",
            "backup",
            "--policy",
            "only.json",
            "--expires",
            "30d",
        ],
    );
    let leaked = |value: &serde_json::Value, name: &str| {
        &*Box::leak(value[name].as_str().expect(name).to_owned().into_boxed_str())
    };
    let backup =
        Who { access_key: leaked(&made, "AccessKeyId"), secret_key: leaked(&made, "SecretAccessKey") };
    let whole = json(&place, &["user", "add-key", "bob"]);
    let bob =
        Who { access_key: leaked(&whole, "AccessKeyId"), secret_key: leaked(&whole, "SecretAccessKey") };
    assert_eq!(Raw::new(server.s3, bob).put("/photos/a", "meow").send().status, 200);
    assert_eq!(Raw::new(server.s3, backup).get("/photos/a").send().text(), "meow");
    let denied = is(403, "AccessDenied");
    assert_eq!(Raw::new(server.s3, backup).put("/photos/a", "x").send().failure(), denied);
    assert_eq!(Raw::new(server.s3, backup).get("/photos?list-type=2").send().failure(), denied);
    let listed = json(&place, &["user", "keys", "bob"]);
    let shown =
        listed.as_array().and_then(|all| all.iter().find(|key| key["AccessKeyId"] == backup.access_key));
    let shown = shown.expect("listed");
    assert_eq!(shown["ServiceAccountName"], "backup");
    assert!(shown["Expires"].as_str().is_some() && shown["PolicyDocument"].as_str().is_some(), "{shown}");
    let used = json(&place, &["user", "last-use", backup.access_key]);
    assert_eq!(used["AccessKeyLastUsed"]["ServiceName"], "s3");
    let rotated = json(&place, &["user", "rotate-key", "bob", backup.access_key, "--keep", "1h"]);
    let new = Who { secret_key: leaked(&rotated, "SecretAccessKey"), ..backup };
    for who in [backup, new] {
        assert_eq!(Raw::new(server.s3, who).get("/photos/a").send().text(), "meow");
    }
    place.write("empty.json", "\n");
    run(&place, &["user", "set-key", "bob", backup.access_key, "--policy", "empty.json"]).succeeded();
    assert_eq!(Raw::new(server.s3, new).put("/photos/b", "x").send().status, 200);
    let said = run(&place, &["user", "add-key", "bob", "--policy", "only.json"]).failed(2);
    assert!(said.contains("--service-account"), "{said}");
    let shown = run(&place, &["user", "keys", "bob"]).succeeded();
    assert!(shown.contains("SERVICE ACCOUNT") && shown.contains("backup"), "{shown}");
    run(&place, &["user", "set", "bob", "--sigv2", "default"]).succeeded();
}

#[test]
fn the_block_of_public_access_of_an_account_is_set_shown_and_removed() {
    let place = place();
    let shown = || run(&place, &["policy", "public-access"]).succeeded();
    assert_eq!(shown(), "the account has no block of public access\n");
    run(&place, &["policy", "public-access", "--set", "BlockPublicAcls,IgnorePublicAcls"]).succeeded();
    let all = json(&place, &["policy", "public-access"]);
    assert_eq!((&all["BlockPublicAcls"], &all["BlockPublicPolicy"]), (&true.into(), &false.into()));
    assert!(shown().contains("IgnorePublicAcls"));
    let said = run(&place, &["policy", "public-access", "--set", "everything"]).failed(2);
    assert!(said.contains("BlockPublicAcls, IgnorePublicAcls"), "{said}");
    let all = json(&place, &["policy", "public-access", "--set", "all"]);
    assert!(all.as_object().expect("rules").values().all(|is_on| *is_on == true), "{all}");
    run(&place, &["policy", "public-access", "--remove"]).succeeded();
    assert_eq!(shown(), "the account has no block of public access\n");
}
