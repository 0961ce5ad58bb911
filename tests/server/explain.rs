//! `causeway policy explain`: why a running server allowed or denied a request.

use super::{
    process::{Ended, Place},
    support::{
        Who, is,
        raw::{Raw, RawReply},
    },
};
use serde_json::Value;

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
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

fn id(reply: &RawReply) -> String {
    reply.header("x-amz-request-id").expect("an id").to_owned()
}

fn explained(place: &Place, id: &str) -> Vec<Value> {
    let said = run(place, &["policy", "explain", id, "--json"]).succeeded();
    serde_json::from_str(&said).expect("a list")
}

#[test]
fn an_operator_sees_which_role_statement_or_acl_decided_about_a_request() {
    let place = place();
    let server = place.serve(&[], &ENVIRONMENT);
    let root = Raw::new(server.s3, ROOT);
    assert_eq!(root.put("/photos", "").send().status, 200);
    let put = root.put("/photos/a.jpg", "hello").send();
    assert_eq!(put.status, 200);
    let by_role = explained(&place, &id(&put));
    let first = &by_role[0];
    assert_eq!(
        (by_role.len(), &first["allowed"], &first["operation"]),
        (1, &Value::Bool(true), &"PutObject".into())
    );
    assert_eq!(first["why"], "allowed: the sender is an administrator");
    assert_eq!(first["access_key"], ROOT.access_key);
    assert_eq!(
        (&first["action"], &first["resource"]),
        (&"s3:PutObject".into(), &"arn:aws:s3:::photos/a.jpg".into())
    );

    let nobody = || root.get("/photos/a.jpg").anonymous().send();
    let denied = explained(&place, &id(&nobody()));
    assert_eq!(denied.last().expect("a denial")["why"], "denied: no role, grant or ACL allows it");
    assert_eq!(denied.last().expect("a denial")["access_key"], Value::Null);

    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Sid":"Readers","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"},
        {"Sid":"NoSecrets","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::photos/secret/*"}]}"#;
    assert_eq!(root.put("/photos?policy", policy).send().status, 204);
    let allowed = nobody();
    assert_eq!(allowed.status, 200);
    let allowed = explained(&place, &id(&allowed));
    assert_eq!(allowed[0]["why"], "allowed by statement 1 (Readers) of bucket policy \"bucket policy\"");
    let secret = root.get("/photos/secret/a").send();
    assert_eq!(secret.failure(), is(403, "AccessDenied"));
    let said = run(&place, &["policy", "explain", &id(&secret)]).succeeded();
    let expected =
        "s3:GetObject on arn:aws:s3:::photos/secret/a: denied by statement 2 (NoSecrets) of bucket policy";
    assert!(said.contains(expected) && said.contains("GetObject by test-root"), "{said}");
    assert!(!said.contains(ROOT.secret_key), "{said}");
}

#[test]
fn a_user_is_named_with_the_statement_of_its_own_policy() {
    let place = place();
    let server = place.serve(&[], &ENVIRONMENT);
    assert_eq!(Raw::new(server.s3, ROOT).put("/photos", "").send().status, 200);
    run(&place, &["user", "create", "bob"]).succeeded();
    place.write(
        "read.json",
        r#"{"Version":"2012-10-17","Statement":{"Sid":"Lists","Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}}"#,
    );
    run(&place, &["user", "put-policy", "bob", "lister", "read.json"]).succeeded();
    let key: Value =
        serde_json::from_str(&run(&place, &["user", "add-key", "bob", "--json"]).succeeded()).expect("JSON");
    let text = |name: &str| &*Box::leak(key[name].as_str().expect(name).to_owned().into_boxed_str());
    let bob = Who { access_key: text("AccessKeyId"), secret_key: text("SecretAccessKey") };
    let list = Raw::new(server.s3, bob).get("/photos").send();
    assert_eq!(list.status, 200);
    let listed = explained(&place, &id(&list));
    assert_eq!(listed[0]["why"], "allowed by statement 1 (Lists) of identity policy \"lister of user bob\"");
    assert!(listed[0]["arn"].as_str().is_some_and(|arn| arn.ends_with(":user/bob")), "{listed:?}");
    let put = Raw::new(server.s3, bob).put("/photos/k", "hello").send();
    assert_eq!(put.failure(), is(403, "AccessDenied"));
    assert_eq!(explained(&place, &id(&put))[0]["why"], "denied: no policy allows it");
}

#[test]
fn a_request_that_is_not_known_or_was_never_decided_about_is_an_error() {
    let place = place();
    let said = run(&place, &["policy", "explain", "id"]).failed(1);
    assert!(said.contains("decisions are kept only while one does"), "{said}");
    let server = place.serve(&[], &ENVIRONMENT);
    let wrong = Who { access_key: ROOT.access_key, secret_key: "wrong" };
    let refused = Raw::new(server.s3, wrong).get("/").send();
    assert_eq!(refused.failure(), is(403, "SignatureDoesNotMatch"));
    for id in [id(&refused).as_str(), "unheard-of"] {
        let said = run(&place, &["policy", "explain", id]).failed(1);
        assert!(said.contains(&format!("no decision about a request '{id}' is kept")), "{said}");
    }
}
