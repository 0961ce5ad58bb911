//! CopyObject over the wire.

use crate::support::{
    ALICE, BOB, Server, failure, get, is, put,
    quirks::{Mannered, Quirks},
    upstream::Upstream,
};
use aws_sdk_s3::{
    Client,
    primitives::ByteStream,
    types::{ChecksumAlgorithm, MetadataDirective, ObjectCannedAcl, TaggingDirective},
};
use std::time::Duration;

/// Puts the object `from` with every kind of attribute.
async fn put_adorned(client: &Client, bucket: &str) {
    let put = client
        .put_object()
        .bucket(bucket)
        .key("from")
        .body(ByteStream::from_static(b"hello"))
        .content_type("text/plain");
    let put = put
        .cache_control("no-store")
        .metadata("colour", "blue")
        .tagging("a=1")
        .website_redirect_location("/there");
    put.acl(ObjectCannedAcl::PublicRead).send().await.expect("put");
}

#[tokio::test]
async fn a_copy_has_what_its_source_has_but_for_acl_and_redirect() {
    let server = Server::start();
    let client = server.client();
    let (bucket, other) = (server.bucket(&client).await, server.bucket(&client).await);
    put_adorned(&client, &bucket).await;
    let copy = client
        .copy_object()
        .bucket(&other)
        .key("to")
        .copy_source(format!("{bucket}/from"))
        .send()
        .await
        .expect("copied");
    let result = copy.copy_object_result().expect("a result");
    assert_eq!(result.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert!(result.last_modified().is_some());
    let head = client.head_object().bucket(&other).key("to").send().await.expect("head");
    assert_eq!((head.content_type(), head.cache_control()), (Some("text/plain"), Some("no-store")));
    assert_eq!(head.metadata().and_then(|all| all.get("colour")).map(String::as_str), Some("blue"));
    assert_eq!(head.website_redirect_location(), None);
    let tags = client.get_object_tagging().bucket(&other).key("to").send().await.expect("tags");
    assert_eq!(tags.tag_set().len(), 1);
    assert_eq!(server.raw().get(format!("/{other}/to")).anonymous().send().status, 403);
    assert_eq!(get(&client, &other, "to").await.as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn directives_replace_metadata_and_tags_each_for_itself() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put_adorned(&client, &bucket).await;
    let copy = || client.copy_object().bucket(&bucket).key("to").copy_source(format!("/{bucket}/from"));
    let replaced = copy()
        .metadata_directive(MetadataDirective::Replace)
        .content_type("a/b")
        .metadata("size", "big")
        .send()
        .await;
    replaced.expect("copied");
    let head = client.head_object().bucket(&bucket).key("to").send().await.expect("head");
    assert_eq!((head.content_type(), head.cache_control(), head.tag_count()), (Some("a/b"), None, Some(1)));
    assert_eq!(head.metadata().map(|all| all.len()), Some(1));
    let tagged = copy().tagging_directive(TaggingDirective::Replace).tagging("x=1&y=2").send().await;
    tagged.expect("copied");
    let head = client.head_object().bucket(&bucket).key("to").send().await.expect("head");
    assert_eq!((head.content_type(), head.tag_count()), (Some("text/plain"), Some(2)));
    for directive in ["x-amz-metadata-directive", "x-amz-tagging-directive"] {
        let request = server
            .raw()
            .put(format!("/{bucket}/to"), "")
            .header("x-amz-copy-source", format!("{bucket}/from"));
        assert_eq!(
            request.header(directive, "REPLACED").send().failure(),
            is(400, "InvalidArgument"),
            "{directive}"
        );
    }
}

#[tokio::test]
async fn an_object_is_copied_onto_itself_only_to_change_it() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put_adorned(&client, &bucket).await;
    let copy = || client.copy_object().bucket(&bucket).key("from").copy_source(format!("{bucket}/from"));
    assert_eq!(failure(copy().send().await), is(400, "InvalidRequest"));
    copy()
        .metadata_directive(MetadataDirective::Replace)
        .metadata("colour", "red")
        .send()
        .await
        .expect("changed");
    let head = client.head_object().bucket(&bucket).key("from").send().await.expect("head");
    assert_eq!(head.metadata().and_then(|all| all.get("colour")).map(String::as_str), Some("red"));
    assert_eq!(get(&client, &bucket, "from").await.as_deref(), Some(&b"hello"[..]));
}

#[tokio::test]
async fn conditions_hold_on_the_source_and_on_the_target() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "from", "hello").await;
    let copy = || client.copy_object().bucket(&bucket).key("to").copy_source(format!("{bucket}/from"));
    let (same, other) = ("\"5d41402abc4b2a76b9719d911017c592\"", "\"00000000000000000000000000000000\"");
    let refused = is(412, "PreconditionFailed");
    assert_eq!(failure(copy().copy_source_if_match(other).send().await), refused);
    assert_eq!(failure(copy().copy_source_if_none_match(same).send().await), refused);
    assert_eq!(failure(copy().if_match(same).send().await), is(404, "NoSuchKey"));
    assert_eq!(get(&client, &bucket, "to").await, None);
    assert!(copy().copy_source_if_match(same).if_none_match("*").send().await.is_ok());
    assert_eq!(failure(copy().if_none_match("*").send().await), refused);
    assert_eq!(failure(copy().if_match(other).send().await), refused);
    assert!(copy().if_match(same).copy_source_if_none_match(other).send().await.is_ok());
}

/// The name of the condition tells a client whether the source or the target does not meet it.
#[tokio::test]
async fn a_412_names_the_condition_that_was_broken() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "from", "hello").await;
    put(&client, &bucket, "to", "there").await;
    let (same, other) = ("\"5d41402abc4b2a76b9719d911017c592\"", "\"00000000000000000000000000000000\"");
    let past = "Mon, 12 Oct 2009 17:50:30 GMT";
    for (headers, condition) in [
        (&[("x-amz-copy-source-if-match", other)][..], "x-amz-copy-source-If-Match"),
        (
            &[("x-amz-copy-source-if-none-match", same), ("if-match", other)],
            "x-amz-copy-source-If-None-Match",
        ),
        (&[("x-amz-copy-source-if-unmodified-since", past)], "x-amz-copy-source-If-Unmodified-Since"),
        (&[("x-amz-copy-source-if-match", same), ("if-none-match", "*")], "If-None-Match"),
        (&[("if-match", other)], "If-Match"),
    ] {
        let request = server
            .raw()
            .put(format!("/{bucket}/to"), "")
            .header("x-amz-copy-source", format!("{bucket}/from"));
        let refused =
            headers.iter().fold(request, |request, (name, value)| request.header(name, *value)).send();
        assert_eq!(
            (refused.failure(), refused.element("Condition").as_deref()),
            (is(412, "PreconditionFailed"), Some(condition))
        );
    }
    assert_eq!(get(&client, &bucket, "to").await.as_deref(), Some(&b"there"[..]));
}

#[tokio::test]
async fn any_key_is_a_source() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for (key, encoded) in [
        ("a b", "a%20b"),
        // The header is decoded like a query: a `+` is a blank.
        ("a b", "a+b"),
        ("a+b", "a%2Bb"),
        ("a%20b", "a%2520b"),
        ("?versionId", "%3FversionId"),
        ("ä/ö", "%C3%A4/%C3%B6"),
    ] {
        put(&client, &bucket, key, key).await;
        let copy = client
            .copy_object()
            .bucket(&bucket)
            .key("to")
            .copy_source(format!("{bucket}/{encoded}"))
            .send()
            .await;
        copy.expect("copied");
        assert_eq!(get(&client, &bucket, "to").await.as_deref(), Some(key.as_bytes()), "{key}");
    }
    let copy = |source: String| client.copy_object().bucket(&bucket).key("to").copy_source(source).send();
    assert!(copy(format!("{bucket}/a+b?versionId=null")).await.is_ok());
    assert_eq!(
        failure(copy(format!("{bucket}/a+b?versionId=v5n1PPUjOCMHLyyfq0ayjoZ5RZLfVQKA")).await),
        is(404, "NoSuchVersion")
    );
    assert_eq!(failure(copy(format!("{bucket}/a+b?versionId=junk")).await), is(400, "InvalidArgument"));
    assert_eq!(failure(copy(format!("{bucket}/missing")).await), is(404, "NoSuchKey"));
    assert_eq!(failure(copy("no-such-bucket/k".into()).await), is(404, "NoSuchBucket"));
    assert_eq!(failure(copy("nonsense".into()).await), is(400, "InvalidArgument"));
}

#[tokio::test]
async fn a_copy_has_the_checksum_asked_for_or_its_sources() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let put = client.put_object().bucket(&bucket).key("from").checksum_algorithm(ChecksumAlgorithm::Sha1);
    let written = put.body(ByteStream::from_static(b"hello")).send().await.expect("put");
    let copy = || client.copy_object().bucket(&bucket).key("to").copy_source(format!("{bucket}/from"));
    let kept = copy().send().await.expect("copied").copy_object_result.expect("a result");
    assert_eq!(kept.checksum_sha1(), written.checksum_sha1());
    let asked = copy()
        .checksum_algorithm(ChecksumAlgorithm::Crc32C)
        .send()
        .await
        .expect("copied")
        .copy_object_result
        .expect("a result");
    assert_eq!((asked.checksum_crc32_c(), asked.checksum_sha1()), (Some("mnG7TA=="), None));
}

#[tokio::test]
async fn nobody_copies_what_they_may_not_read() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let (hers, his) = (server.bucket(&alice).await, server.bucket(&bob).await);
    put(&alice, &hers, "k", "secret").await;
    let copy = || bob.copy_object().bucket(&his).key("k").copy_source(format!("{hers}/k")).send();
    assert_eq!(failure(copy().await), is(403, "AccessDenied"));
    let smuggled = server.raw_of(BOB).put(format!("/{his}/k"), "").presigned(Duration::from_secs(60));
    assert_eq!(smuggled.unsigned_header("x-amz-copy-source", format!("/{hers}/k")).send().status, 403);
    assert_eq!(get(&bob, &his, "k").await, None);
    alice
        .put_object_acl()
        .bucket(&hers)
        .key("k")
        .acl(ObjectCannedAcl::AuthenticatedRead)
        .send()
        .await
        .expect("acl");
    assert!(copy().await.is_ok());
    let owner =
        server.raw_of(BOB).put(format!("/{his}/k"), "").header("x-amz-copy-source", format!("/{hers}/k"));
    assert_eq!(
        owner.header("x-amz-source-expected-bucket-owner", "123456789012").send().failure(),
        is(403, "AccessDenied")
    );
}

/// MinIO locks both objects of a copy, so two concurrent copies in opposite directions would deadlock there.
#[tokio::test]
async fn a_copy_waits_for_one_in_the_other_direction_and_for_no_other() {
    let upstream = Upstream::causeway();
    let storage = Mannered::before(upstream.address, Quirks { locks_copies: true, ..Default::default() });
    let sections = format!(
        "[backend.lake]\ntype = \"s3\"\nendpoint = \"http://{}\"\naccess_key = \"{}\"\nsecret_key = \"{}\"\n\
         [default]\nbackend = \"lake\"\n",
        storage.address(),
        upstream.access_key,
        upstream.secret_key
    );
    let server = Server::configured("", &sections);
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "a", "of a").await;
    put(&client, &bucket, "b", "of b").await;
    let copy = |source: &'static str, target: &'static str| {
        let copy = client.copy_object().bucket(&bucket).key(target).copy_source(format!("{bucket}/{source}"));
        tokio::spawn(async move { copy.send().await.map(drop) })
    };
    let there = copy("a", "b");
    storage.copies(1).await;
    let back = copy("b", "a");
    let (beside, from_target) = (copy("a", "c"), copy("b", "d"));
    storage.copies(3).await;
    storage.let_copies_end();
    for copied in [there, back, beside, from_target] {
        copied.await.expect("no panic").expect("is copied");
    }
    for key in ["a", "b", "c"] {
        assert_eq!(get(&client, &bucket, key).await.as_deref(), Some(&b"of a"[..]), "{key}");
    }
}
