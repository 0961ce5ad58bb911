//! DeleteObjects over the wire.

use crate::support::{ALICE, BOB, Server, failure, get, is, put};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};

fn object(key: &str) -> ObjectIdentifier {
    ObjectIdentifier::builder().key(key).build().expect("a key")
}

fn delete(objects: Vec<ObjectIdentifier>, quiet: bool) -> Delete {
    Delete::builder().set_objects(Some(objects)).quiet(quiet).build().expect("objects")
}

#[tokio::test]
async fn each_key_has_its_own_outcome_in_the_order_asked() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for key in ["a", "b&<>", "keep"] {
        put(&client, &bucket, key, "hello").await;
    }
    let guarded = ObjectIdentifier::builder().key("keep").e_tag("\"other\"").build().expect("a key");
    let version = ObjectIdentifier::builder()
        .key("keep")
        .version_id("v5n1PPUjOCMHLyyfq0ayjoZ5RZLfVQKA")
        .build()
        .expect("a key");
    let long = "k".repeat(1025);
    let objects = vec![object("b&<>"), guarded, object("missing"), version, object("a"), object(&long)];
    for quiet in [false, true] {
        let reply = client
            .delete_objects()
            .bucket(&bucket)
            .delete(delete(objects.clone(), quiet))
            .send()
            .await
            .expect("a reply");
        let deleted: Vec<_> = reply.deleted().iter().filter_map(|deleted| deleted.key()).collect();
        assert_eq!(deleted, if quiet { vec![] } else { vec!["b&<>", "missing", "a"] });
        let errors: Vec<_> = reply
            .errors()
            .iter()
            .map(|error| (error.key().unwrap_or(""), error.code().unwrap_or("")))
            .collect();
        assert_eq!(
            errors,
            [("keep", "PreconditionFailed"), ("keep", "NoSuchVersion"), (long.as_str(), "KeyTooLongError")]
        );
    }
    assert_eq!(get(&client, &bucket, "a").await, None);
    assert_eq!(get(&client, &bucket, "b&<>").await, None);
    assert!(get(&client, &bucket, "keep").await.is_some());
}

#[tokio::test]
async fn a_thousand_keys_go_at_once_and_no_more() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k999", "x").await;
    let objects = |count: usize| (0..count).map(|n| object(&format!("k{n}"))).collect::<Vec<_>>();
    let over = client.delete_objects().bucket(&bucket).delete(delete(objects(1001), false)).send().await;
    assert_eq!(failure(over), is(400, "MalformedXML"));
    assert!(get(&client, &bucket, "k999").await.is_some());
    let all = client
        .delete_objects()
        .bucket(&bucket)
        .delete(delete(objects(1000), false))
        .send()
        .await
        .expect("deleted");
    assert_eq!((all.deleted().len(), all.errors().len()), (1000, 0));
    assert_eq!(get(&client, &bucket, "k999").await, None);
}

#[tokio::test]
async fn a_document_without_a_digest_or_with_a_wrong_one_deletes_nothing() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "x").await;
    let raw = server.raw();
    let document = "<Delete><Object><Key>k</Key></Object></Delete>";
    let request = || raw.post(format!("/{bucket}?delete"), document).unsigned_payload();
    assert_eq!(request().send().failure(), is(400, "InvalidRequest"));
    assert_eq!(
        request().header("content-md5", STANDARD.encode(Md5::digest("other"))).send().failure(),
        is(400, "BadDigest")
    );
    let (deep, wide) = ("<Delete>".repeat(10_000), format!("<Delete>{}</Delete>", "<a/>".repeat(200_000)));
    for (document, code) in [
        (deep.as_str(), "MalformedXML"),
        (&wide, "MalformedXML"),
        ("", "MissingRequestBodyError"),
        ("<Delete/>", "MalformedXML"),
        ("<Delete><Object><Key>k</Key>", "MalformedXML"),
        ("<Delete><Object><Key>k</Key><Size>large</Size></Object></Delete>", "MalformedXML"),
        ("<!DOCTYPE d [<!ENTITY k \"k\">]><Delete><Object><Key>&k;</Key></Object></Delete>", "MalformedXML"),
    ] {
        assert_eq!(
            raw.post(format!("/{bucket}?delete"), document).send().failure(),
            is(400, code),
            "{}",
            &document[..document.len().min(80)]
        );
    }
    assert!(get(&client, &bucket, "k").await.is_some());
    assert_eq!(request().header("content-md5", STANDARD.encode(Md5::digest(document))).send().status, 200);
    assert_eq!(get(&client, &bucket, "k").await, None);
}

#[tokio::test]
async fn nobody_deletes_what_is_not_theirs() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let bucket = server.bucket(&alice).await;
    put(&alice, &bucket, "k", "x").await;
    let theirs = bob.delete_objects().bucket(&bucket).delete(delete(vec![object("k")], false)).send().await;
    assert_eq!(failure(theirs), is(403, "AccessDenied"));
    assert!(get(&alice, &bucket, "k").await.is_some());
}
