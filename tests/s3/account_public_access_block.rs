//! PutPublicAccessBlock, GetPublicAccessBlock and DeletePublicAccessBlock of the control plane, over the wire.

use super::put_bucket_policy::policy;
use crate::support::{
    ALICE, BOB, READER, Server, Who, failure, is, put,
    raw::{RawReply, RawRequest},
};
use aws_sdk_s3::types::{BucketCannedAcl, ObjectCannedAcl};
use causeway::{model::account_id, xml};
use serde::Deserialize;
use std::collections::BTreeMap;

const TARGET: &str = "/v20180820/configuration/publicAccessBlock";

/// The 12 digits of an account.
pub(super) fn account(server: &Server, who: Who) -> String {
    account_id(&server.canonical_id(who)).to_string()
}

/// The code of an error of the control plane, which has an envelope.
pub(super) fn refusal(reply: &RawReply) -> (u16, String) {
    let document = xml::parse(reply.text().as_bytes(), "ErrorResponse").expect("an envelope");
    let error = document.child("Error").expect("an error");
    assert!(document.value("RequestId").is_some_and(|id| !id.is_empty()), "{}", reply.text());
    (reply.status, error.value("Code").expect("a code").to_owned())
}

fn ask(server: &Server, who: Who, method: &str, body: &str) -> RawRequest {
    let request = server.raw_of(who).request(method, TARGET).body(body);
    request.header("x-amz-account-id", account(server, who))
}

fn rules(names: &[&str]) -> String {
    let rules: String = names.iter().map(|name| format!("<{name}>true</{name}>")).collect();
    format!(
        "<PublicAccessBlockConfiguration xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\">{rules}\
         </PublicAccessBlockConfiguration>"
    )
}

fn block(server: &Server, who: Who, names: &[&str]) {
    assert_eq!(ask(server, who, "PUT", &rules(names)).send().status, 200);
}

#[test]
fn a_block_of_an_account_is_shown_as_it_was_set_and_survives_a_restart_until_it_is_deleted() {
    let mut server = Server::start();
    let get = |server: &Server| ask(server, ALICE, "GET", "").send();
    let missing = is(404, "NoSuchPublicAccessBlockConfiguration");
    assert_eq!(refusal(&get(&server)), missing);
    block(&server, ALICE, &["BlockPublicAcls", "RestrictPublicBuckets"]);
    server.restart();
    let shown = get(&server);
    let document = xml::parse(shown.text().as_bytes(), "PublicAccessBlockConfiguration").expect("a document");
    for (rule, expected) in [
        ("BlockPublicAcls", "true"),
        ("IgnorePublicAcls", "false"),
        ("BlockPublicPolicy", "false"),
        ("RestrictPublicBuckets", "true"),
    ] {
        assert_eq!(document.value(rule), Some(expected), "{rule}");
    }
    // Another account has none.
    assert_eq!(refusal(&ask(&server, BOB, "GET", "").send()), missing);
    for _ in 0..2 {
        assert_eq!(ask(&server, ALICE, "DELETE", "").send().status, 204);
        assert_eq!(refusal(&get(&server)), missing);
    }
    let malformed = ask(&server, ALICE, "PUT", &rules(&["BlockAll"])).send();
    assert_eq!(refusal(&malformed), is(400, "MalformedXML"));
}

#[test]
fn nobody_asks_about_another_account_and_a_reader_changes_nothing() {
    let server = Server::start();
    let denied = is(403, "AccessDenied");
    let of_alice = |who: Who, method: &str| {
        let request = server.raw_of(who).request(method, TARGET).body(rules(&[]));
        request.header("x-amz-account-id", account(&server, ALICE))
    };
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(refusal(&of_alice(BOB, method).send()), denied, "{method}");
        assert_eq!(refusal(&of_alice(ALICE, method).anonymous().send()), denied, "{method}");
    }
    assert_eq!(refusal(&ask(&server, READER, "PUT", &rules(&[])).send()), denied);
    assert_eq!(ask(&server, READER, "GET", "").send().status, 404);
    let wrong = server.raw_of(ALICE).get(TARGET).header("x-amz-account-id", "alice").send();
    assert_eq!(refusal(&wrong), is(400, "InvalidRequest"));
    // Without an account the path is that of an object.
    assert_eq!(server.raw_of(ALICE).get(TARGET).send().failure(), is(404, "NoSuchBucket"));
    let unsigned =
        server.raw_of(ALICE).get(TARGET).unsigned_header("x-amz-account-id", account(&server, ALICE));
    assert_eq!(refusal(&unsigned.send()).0, 403);
}

#[tokio::test]
async fn a_rule_of_the_account_holds_for_all_of_its_buckets_whatever_they_say() {
    let server = Server::start();
    let client = server.client_of(ALICE);
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicRead).send().await.expect("set");
    let list = || server.raw().get(format!("/{bucket}")).anonymous().send().status;
    assert_eq!(list(), 200);

    block(&server, ALICE, &["IgnorePublicAcls"]);
    assert_eq!(list(), 403);
    block(&server, ALICE, &["BlockPublicAcls", "BlockPublicPolicy"]);
    assert_eq!(list(), 200);
    let denied = is(403, "AccessDenied");
    let public = BucketCannedAcl::PublicReadWrite;
    assert_eq!(failure(client.put_bucket_acl().bucket(&bucket).acl(public.clone()).send().await), denied);
    let object = client.put_object().bucket(&bucket).key("k").acl(ObjectCannedAcl::PublicRead);
    assert_eq!(failure(object.send().await), denied);
    assert_eq!(failure(client.create_bucket().bucket("made-public").acl(public).send().await), denied);
    let text = policy(&bucket, "Allow", "s3:GetObject", "");
    let put_policy = || client.put_bucket_policy().bucket(&bucket).policy(text.clone()).send();
    assert_eq!(failure(put_policy().await), denied);

    block(&server, ALICE, &[]);
    put_policy().await.expect("set");
    let get = || server.raw().get(format!("/{bucket}/k")).anonymous().send().status;
    assert_eq!(get(), 200);
    block(&server, ALICE, &["RestrictPublicBuckets"]);
    assert_eq!(get(), 403);
    assert_eq!(server.raw_of(ALICE).get(format!("/{bucket}/k")).send().status, 200);

    // A block of another account changes nothing here.
    assert_eq!(ask(&server, ALICE, "DELETE", "").send().status, 204);
    block(&server, BOB, &["IgnorePublicAcls", "RestrictPublicBuckets"]);
    assert_eq!(get(), 200);
}

/// An operation of the service model of the control plane.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    method: String,
    uri: String,
}

/// The names of those that are served.
const SERVED: [&str; 6] = [
    "DeletePublicAccessBlock",
    "GetPublicAccessBlock",
    "ListTagsForResource",
    "PutPublicAccessBlock",
    "TagResource",
    "UntagResource",
];

#[test]
fn every_other_operation_of_the_control_plane_of_the_newest_sdk_is_refused_by_its_name() {
    let server = Server::start();
    let account = account(&server, ALICE);
    let model: BTreeMap<String, Model> =
        toml::from_str(include_str!("../../conformance/control-operations.toml")).expect("a model");
    assert!(model.len() >= 97 && SERVED.iter().all(|name| model.contains_key(*name)));
    for (name, Model { method, uri }) in model.iter().filter(|(name, _)| !SERVED.contains(&name.as_str())) {
        // Each parameter of a path is one segment here.
        let pieces = uri.split('/').map(|piece| if piece.starts_with('{') { "a" } else { piece });
        let target = pieces.collect::<Vec<_>>().join("/");
        let reply = server.raw_of(ALICE).request(method, target).header("x-amz-account-id", &*account).send();
        assert_eq!(refusal(&reply), is(501, "NotImplemented"), "{name}");
        assert!(reply.text().contains(&format!("{name} is not implemented")), "{}", reply.text());
    }
}
