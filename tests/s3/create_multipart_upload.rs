//! CreateMultipartUpload over the wire.

use super::uploads::Upload;
use crate::support::{BOB, Server, failure, get, is};
use aws_sdk_s3::types::{BucketCannedAcl, ChecksumAlgorithm, ChecksumType, ObjectCannedAcl};

#[tokio::test]
async fn an_upload_gives_its_object_all_it_was_begun_with() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let begin = client
        .create_multipart_upload()
        .bucket(&bucket)
        .key("k")
        .content_type("text/plain")
        .cache_control("no-store")
        .website_redirect_location("/there");
    let begin = begin.metadata("colour", "blue").tagging("a=1&b=2").acl(ObjectCannedAcl::PublicRead);
    let begun = begin.send().await.expect("begun");
    assert_eq!((begun.bucket(), begun.key()), (Some(bucket.as_str()), Some("k")));
    assert_eq!(get(&client, &bucket, "k").await, None);
    let upload = Upload {
        id: begun.upload_id.expect("an id"),
        client: client.clone(),
        bucket: bucket.clone(),
        key: "k".into(),
        algorithm: None,
    };
    let part = upload.part(1, "hello").await;
    upload.complete(&[part]).send().await.expect("complete");
    let read = client.get_object().bucket(&bucket).key("k").send().await.expect("get");
    assert_eq!((read.content_type(), read.cache_control()), (Some("text/plain"), Some("no-store")));
    assert_eq!(read.metadata().and_then(|all| all.get("colour")).map(String::as_str), Some("blue"));
    assert_eq!(read.website_redirect_location(), Some("/there"));
    assert_eq!(read.tag_count(), Some(2));
    assert_eq!(server.raw().get(format!("/{bucket}/k")).anonymous().send().body, b"hello");
}

#[tokio::test]
async fn the_checksum_asked_for_is_confirmed_with_its_type() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let begin = |algorithm, kind| {
        let begin = client.create_multipart_upload().bucket(&bucket).key("k");
        begin.set_checksum_algorithm(algorithm).set_checksum_type(kind).send()
    };
    for (algorithm, kind, confirmed) in [
        (ChecksumAlgorithm::Sha256, None, ChecksumType::Composite),
        (ChecksumAlgorithm::Sha1, Some(ChecksumType::Composite), ChecksumType::Composite),
        (ChecksumAlgorithm::Crc32, None, ChecksumType::Composite),
        (ChecksumAlgorithm::Crc32C, Some(ChecksumType::FullObject), ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc64Nvme, None, ChecksumType::FullObject),
    ] {
        let begun = begin(Some(algorithm.clone()), kind).await.expect("begun");
        assert_eq!((begun.checksum_algorithm(), begun.checksum_type()), (Some(&algorithm), Some(&confirmed)));
    }
    for (algorithm, kind) in [
        (Some(ChecksumAlgorithm::Sha256), ChecksumType::FullObject),
        (Some(ChecksumAlgorithm::Crc64Nvme), ChecksumType::Composite),
        (None, ChecksumType::Composite),
    ] {
        assert_eq!(failure(begin(algorithm, Some(kind)).await), is(400, "InvalidRequest"));
    }
    let plain = server.raw().post(format!("/{bucket}/k?uploads"), "").send();
    assert_eq!((plain.status, plain.header("x-amz-checksum-algorithm")), (200, None));
    let unknown = server
        .raw()
        .post(format!("/{bucket}/k?uploads"), "")
        .header("x-amz-checksum-algorithm", "MD4")
        .send();
    assert_eq!(unknown.failure(), is(400, "InvalidRequest"));
}

#[tokio::test]
async fn what_we_cannot_promise_begins_no_upload() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for (name, value, (status, code)) in [
        ("x-amz-server-side-encryption", "AES256", (501, "NotImplemented")),
        ("if-none-match", "*", (501, "NotImplemented")),
        ("x-amz-object-lock-mode", "COMPLIANCE", (501, "NotImplemented")),
        ("x-amz-storage-class", "GLACIER", (501, "NotImplemented")),
        ("x-amz-acl", "everyone", (400, "InvalidArgument")),
    ] {
        let reply = server.raw().post(format!("/{bucket}/k?uploads"), "").header(name, value).send();
        assert_eq!(reply.failure(), is(status, code), "{name}");
    }
    assert!(
        client.list_multipart_uploads().bucket(&bucket).send().await.expect("a list").uploads().is_empty()
    );
}

#[tokio::test]
async fn only_who_may_write_begins_an_upload() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let begin = || server.client_of(BOB).create_multipart_upload().bucket(&bucket).key("k").send();
    assert_eq!(failure(begin().await), is(403, "AccessDenied"));
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicReadWrite).send().await.expect("set");
    begin().await.expect("begun");
    assert_eq!(server.raw().post(format!("/{bucket}/k?uploads"), "").anonymous().send().status, 200);
    let uploads = client.list_multipart_uploads().bucket(&bucket).send().await.expect("a list");
    let initiators: std::collections::BTreeSet<_> =
        uploads.uploads().iter().filter_map(|upload| upload.initiator()?.display_name()).collect();
    assert_eq!(initiators.len(), 2, "{initiators:?}");
}
