//! UploadPartCopy over the wire.

use super::uploads::{MIN_PART, Upload};
use crate::support::{ALICE, BOB, Server, failure, get, is, put};
use aws_sdk_s3::{
    operation::upload_part_copy::builders::UploadPartCopyFluentBuilder,
    types::{ChecksumAlgorithm, CompletedPart},
};

fn copy(upload: &Upload, number: i32, source: impl Into<String>) -> UploadPartCopyFluentBuilder {
    let copy = upload.client.upload_part_copy().bucket(&upload.bucket).key(&upload.key).upload_id(&upload.id);
    copy.part_number(number).copy_source(source)
}

async fn copied(number: i32, copy: UploadPartCopyFluentBuilder) -> CompletedPart {
    let result = copy.send().await.expect("copied").copy_part_result.expect("a result");
    assert!(result.last_modified().is_some());
    CompletedPart::builder().part_number(number).set_e_tag(result.e_tag).build()
}

#[tokio::test]
async fn parts_come_from_objects_and_ranges_of_them() {
    let server = Server::start();
    let client = server.client();
    let (from, to) = (server.bucket(&client).await, server.bucket(&client).await);
    let big: Vec<u8> = (0..MIN_PART + 100).map(|n| (n / 7) as u8).collect();
    put(&client, &from, "big", &big).await;
    put(&client, &from, "ä ?+", "tail").await;
    let upload = Upload::begin(&client, &to, "k").await;
    let range = format!("bytes=100-{}", MIN_PART + 99);
    let first = copied(1, copy(&upload, 1, format!("{from}/big")).copy_source_range(range)).await;
    let second = copied(2, copy(&upload, 2, format!("/{from}/%C3%A4%20%3F%2B"))).await;
    upload.complete(&[first, second]).send().await.expect("complete");
    let expected = [&big[100..], b"tail"].concat();
    assert!(get(&client, &to, "k").await == Some(expected));
}

#[tokio::test]
async fn a_plus_in_a_source_is_a_blank() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "a b", "blank").await;
    put(&client, &bucket, "a+b", "plus").await;
    for (source, body) in [("a+b", "blank"), ("a%2Bb", "plus")] {
        let upload = Upload::begin(&client, &bucket, "k").await;
        let part = copied(1, copy(&upload, 1, format!("{bucket}/{source}"))).await;
        upload.complete(&[part]).send().await.expect("complete");
        assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(body.as_bytes()), "{source}");
    }
}

#[tokio::test]
async fn a_copied_part_has_the_checksum_of_its_upload() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "from", "hello").await;
    let upload = Upload::begin_with(&client, &bucket, "k", ChecksumAlgorithm::Sha256).await;
    let result = copy(&upload, 1, format!("{bucket}/from"))
        .send()
        .await
        .expect("copied")
        .copy_part_result
        .expect("a result");
    assert_eq!(result.checksum_sha256(), Some("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="));
    assert_eq!(result.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
}

#[tokio::test]
async fn ranges_must_lie_inside_the_source() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "from", "hello").await;
    let upload = Upload::begin(&client, &bucket, "k").await;
    let copy = |range: &str| copy(&upload, 1, format!("{bucket}/from")).copy_source_range(range).send();
    let beyond = server
        .raw()
        .put(upload.target() + "&partNumber=1", "")
        .header("x-amz-copy-source", format!("{bucket}/from"));
    let beyond = beyond.header("x-amz-copy-source-range", "bytes=0-21").send();
    assert_eq!(
        beyond.element("Message").as_deref(),
        Some("Range specified is not valid for source object of size: 5")
    );
    assert_eq!(beyond.element("ArgumentName").as_deref(), Some("x-amz-copy-source-range"));
    for range in [
        "bytes=0-21",
        "bytes=5-5",
        "0-2",
        "bytes=0",
        "bytes=hello-world",
        "bytes=0-bar",
        "bytes=hello-",
        "bytes=0-2,3-5",
        "bytes=2-",
        "bytes=-2",
    ] {
        assert_eq!(failure(copy(range).await), is(400, "InvalidArgument"), "{range}");
    }
    assert!(copy("bytes=1-4").await.is_ok());
}

#[tokio::test]
async fn sources_that_are_missing_or_not_as_wanted_are_refused() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "from", "hello").await;
    let upload = Upload::begin(&client, &bucket, "k").await;
    let missing = server
        .raw()
        .put(upload.target() + "&partNumber=1", "")
        .header("x-amz-copy-source", format!("/{bucket}/gone"))
        .send();
    assert_eq!((missing.failure(), missing.element("Key")), (is(404, "NoSuchKey"), Some("gone".to_owned())));
    assert_eq!(failure(copy(&upload, 1, "no-such-bucket/k").send().await), is(404, "NoSuchBucket"));
    assert_eq!(failure(copy(&upload, 1, "nonsense").send().await), is(400, "InvalidArgument"));
    let source = || copy(&upload, 1, format!("{bucket}/from"));
    let (same, other) = ("\"5d41402abc4b2a76b9719d911017c592\"", "\"00000000000000000000000000000000\"");
    assert_eq!(failure(source().copy_source_if_match(other).send().await), is(412, "PreconditionFailed"));
    assert_eq!(failure(source().copy_source_if_none_match(same).send().await), is(412, "PreconditionFailed"));
    let changed = server
        .raw()
        .put(upload.target() + "&partNumber=1", "")
        .header("x-amz-copy-source", format!("{bucket}/from"));
    let changed = changed.header("x-amz-copy-source-if-none-match", same).send();
    assert_eq!(changed.element("Condition").as_deref(), Some("x-amz-copy-source-If-None-Match"));
    assert!(source().copy_source_if_match(same).send().await.is_ok());
    let unknown = Upload { id: "unknown".into(), ..upload.clone() };
    assert_eq!(failure(copy(&unknown, 1, format!("{bucket}/from")).send().await), is(404, "NoSuchUpload"));
}

#[tokio::test]
async fn nobody_copies_what_they_may_not_read() {
    let server = Server::start();
    let (alice, bob) = (server.client_of(ALICE), server.client_of(BOB));
    let (hers, his) = (server.bucket(&alice).await, server.bucket(&bob).await);
    put(&alice, &hers, "k", "secret").await;
    let upload = Upload::begin(&bob, &his, "k").await;
    assert_eq!(failure(copy(&upload, 1, format!("{hers}/k")).send().await), is(403, "AccessDenied"));
    let parts = bob.list_parts().bucket(&his).key("k").upload_id(&upload.id).send().await.expect("a list");
    assert!(parts.parts().is_empty());
}
