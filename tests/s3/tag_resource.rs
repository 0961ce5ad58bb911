//! TagResource, UntagResource and ListTagsForResource of the control plane, over the wire.

use super::account_public_access_block::{account, refusal};
use crate::support::{ALICE, BOB, Server, Who, failure, is, raw::RawReply};
use aws_sdk_s3::types::{Tag, Tagging};
use causeway::xml;

/// As SDKs send it: the colons of the ARN are escaped.
fn target(bucket: &str) -> String {
    format!("/v20180820/tags/{}", escaped(&format!("arn:aws:s3:::{bucket}")))
}

fn escaped(arn: &str) -> String {
    arn.replace(':', "%3A")
}

fn send(server: &Server, who: Who, method: &str, target: &str, body: &str) -> RawReply {
    let request = server.raw_of(who).request(method, target).body(body);
    request.header("x-amz-account-id", account(server, ALICE)).send()
}

fn document(tags: &[(&str, &str)]) -> String {
    let tags: String = tags
        .iter()
        .map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"))
        .collect();
    format!("<TagResourceRequest><Tags>{tags}</Tags></TagResourceRequest>")
}

fn tag(server: &Server, bucket: &str, tags: &[(&str, &str)]) -> RawReply {
    send(server, ALICE, "POST", &target(bucket), &document(tags))
}

fn listed(server: &Server, bucket: &str) -> Vec<(String, String)> {
    let reply = send(server, ALICE, "GET", &target(bucket), "");
    let document = xml::parse(reply.text().as_bytes(), "ListTagsForResourceResult").expect("a list");
    let text = |tag: &xml::Element, name: &str| tag.value(name).expect(name).to_owned();
    let tags = document.child("Tags").expect("tags");
    tags.all("Tag").map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn set_abac(server: &Server, bucket: &str, status: &str) {
    let document = format!("<AbacStatus><Status>{status}</Status></AbacStatus>");
    assert_eq!(server.raw_of(ALICE).put(format!("/{bucket}?abac"), document).send().status, 200);
}

#[tokio::test]
async fn tags_are_added_replaced_and_removed_by_key_and_are_those_of_put_bucket_tagging() {
    let mut server = Server::start();
    let client = server.client_of(ALICE);
    let bucket = server.bucket(&client).await;
    assert_eq!(listed(&server, &bucket), []);
    assert_eq!(tag(&server, &bucket, &[("team", "red"), ("cost", "1")]).status, 204);
    assert_eq!(tag(&server, &bucket, &[("team", "blue"), ("stage", "test")]).status, 204);
    server.restart();
    let client = server.client_of(ALICE);
    assert_eq!(listed(&server, &bucket), pairs(&[("cost", "1"), ("stage", "test"), ("team", "blue")]));
    let seen = client.get_bucket_tagging().bucket(&bucket).send().await.expect("tags").tag_set;
    assert_eq!(seen.len(), 3);

    let untag =
        |keys: &str| send(&server, ALICE, "DELETE", &format!("{}?{keys}", target(&bucket)), "").status;
    assert_eq!(untag("tagKeys=team&tagKeys=cost&tagKeys=missing"), 204);
    assert_eq!(listed(&server, &bucket), pairs(&[("stage", "test")]));
    let tags = Tagging::builder().tag_set(Tag::builder().key("a").value("b").build().expect("a tag")).build();
    client.put_bucket_tagging().bucket(&bucket).tagging(tags.expect("tags")).send().await.expect("set");
    assert_eq!(listed(&server, &bucket), pairs(&[("a", "b")]));
    assert_eq!(untag("tagKeys=a"), 204);
    assert_eq!(failure(client.get_bucket_tagging().bucket(&bucket).send().await), is(404, "NoSuchTagSet"));
}

#[tokio::test]
async fn tags_that_are_wrong_and_resources_that_have_none_are_refused() {
    let server = Server::start();
    let bucket = server.bucket(&server.client_of(ALICE)).await;
    let refused = |tags: &[(&str, &str)]| refusal(&tag(&server, &bucket, tags));
    assert_eq!(refused(&[("aws:a", "b")]), is(400, "InvalidTag"));
    assert_eq!(refused(&[("a", "b"), ("a", "c")]), is(400, "InvalidTag"));
    let many: Vec<(String, String)> = (0..50).map(|n| (n.to_string(), String::new())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(tag(&server, &bucket, &many).status, 204);
    assert_eq!(refused(&[("one more", "")]), is(400, "InvalidTag"));
    let malformed = send(&server, ALICE, "POST", &target(&bucket), "<Tagging/>");
    assert_eq!(refusal(&malformed), is(400, "MalformedXML"));
    let missing = send(&server, ALICE, "GET", &target("missing"), "");
    assert_eq!(refusal(&missing), is(404, "NoSuchResource"));
    for arn in ["arn:aws:s3:us-east-1:123456789012:accesspoint/a", "arn:aws:s3:::bucket/key"] {
        let other = send(&server, ALICE, "GET", &format!("/v20180820/tags/{}", escaped(arn)), "");
        assert_eq!(refusal(&other), is(501, "NotImplemented"), "{arn}");
    }
}

#[tokio::test]
async fn only_the_account_of_the_bucket_tags_it() {
    let server = Server::start();
    let bucket = server.bucket(&server.client_of(ALICE)).await;
    let denied = is(403, "AccessDenied");
    for (method, body) in
        [("GET", String::new()), ("POST", document(&[("a", "b")])), ("DELETE", String::new())]
    {
        assert_eq!(refusal(&send(&server, BOB, method, &target(&bucket), &body)), denied, "{method}");
        let elsewhere = server.raw_of(ALICE).request(method, target(&bucket)).body(&body);
        let elsewhere = elsewhere.header("x-amz-account-id", account(&server, BOB)).send();
        assert_eq!(refusal(&elsewhere), denied, "{method}");
    }
    assert_eq!(listed(&server, &bucket), []);
}

#[tokio::test]
async fn policies_decide_by_the_tags_of_a_bucket_where_access_control_by_tags_is_on() {
    let server = Server::start();
    let client = server.client_of(ALICE);
    let bucket = server.bucket(&client).await;
    client
        .put_object()
        .bucket(&bucket)
        .key("k")
        .body("hello".to_owned().into_bytes().into())
        .send()
        .await
        .expect("put");
    for key in ["aws:ResourceTag/team", "s3:BucketTag/team"] {
        set_abac(&server, &bucket, "Disabled");
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
            "Resource":"arn:aws:s3:::{bucket}/*","Condition":{{"StringEquals":{{"{key}":"red"}}}}}}]}}"#
        );
        client.put_bucket_policy().bucket(&bucket).policy(text).send().await.expect("set");
        let get = || server.raw().get(format!("/{bucket}/k")).anonymous().send().status;
        assert_eq!(tag(&server, &bucket, &[("team", "red")]).status, 204);
        assert_eq!(get(), 403, "{key}: the tags count for nothing yet");
        set_abac(&server, &bucket, "Enabled");
        assert_eq!(get(), 200, "{key}");
        assert_eq!(tag(&server, &bucket, &[("team", "blue")]).status, 204);
        assert_eq!(get(), 403, "{key}");
    }
}

#[tokio::test]
async fn tags_that_control_access_are_not_replaced_as_a_whole() {
    let server = Server::start();
    let client = server.client_of(ALICE);
    let bucket = server.bucket(&client).await;
    set_abac(&server, &bucket, "Enabled");
    let tags = Tagging::builder().tag_set(Tag::builder().key("a").value("b").build().expect("a tag")).build();
    let put = client.put_bucket_tagging().bucket(&bucket).tagging(tags.expect("tags")).send().await;
    assert_eq!(failure(put), is(405, "MethodNotAllowed"));
    let deleted = client.delete_bucket_tagging().bucket(&bucket).send().await;
    assert_eq!(failure(deleted), is(405, "MethodNotAllowed"));
    assert_eq!(tag(&server, &bucket, &[("a", "b")]).status, 204);
    assert_eq!(client.get_bucket_tagging().bucket(&bucket).send().await.expect("tags").tag_set.len(), 1);
}

#[tokio::test]
async fn policies_decide_by_the_tags_that_a_request_sets_or_removes() {
    let server = Server::start();
    let client = server.client_of(ALICE);
    let bucket = server.bucket(&client).await;
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[
        {{"Effect":"Deny","Principal":"*","Action":"s3:TagResource","Resource":"arn:aws:s3:::{bucket}",
          "Condition":{{"StringNotEquals":{{"aws:RequestTag/stage":"test"}}}}}},
        {{"Effect":"Deny","Principal":"*","Action":"s3:UntagResource","Resource":"arn:aws:s3:::{bucket}",
          "Condition":{{"ForAnyValue:StringEquals":{{"aws:TagKeys":"stage"}}}}}}]}}"#
    );
    client.put_bucket_policy().bucket(&bucket).policy(text).send().await.expect("set");
    let denied = is(403, "AccessDenied");
    assert_eq!(refusal(&tag(&server, &bucket, &[("team", "red")])), denied);
    assert_eq!(refusal(&tag(&server, &bucket, &[("stage", "live")])), denied);
    assert_eq!(tag(&server, &bucket, &[("stage", "test"), ("team", "red")]).status, 204);
    let untag = |key: &str| send(&server, ALICE, "DELETE", &format!("{}?tagKeys={key}", target(&bucket)), "");
    assert_eq!(refusal(&untag("stage")), denied);
    assert_eq!(untag("team").status, 204);
}
