//! UploadPart over the wire.

use super::uploads::Upload;
use crate::support::{Server, get, is};
use aws_sdk_s3::types::ChecksumAlgorithm;
use md5::{Digest, Md5};

#[tokio::test]
async fn a_part_is_acknowledged_with_its_digests() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin_with(&client, &bucket, "k", ChecksumAlgorithm::Sha256).await;
    let part = upload.part(1, "hello").await;
    assert_eq!(part.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert_eq!(part.checksum_sha256(), Some("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="));
    let plain = Upload::begin(&client, &bucket, "k").await;
    let reply = server.raw().put(plain.target() + "&partNumber=1", "123456789").send();
    assert_eq!((reply.status, reply.header("x-amz-checksum-crc64nvme")), (200, Some("rosUhgp5mIg=")));
}

#[tokio::test]
async fn parts_that_arrive_at_once_have_their_own_etags() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin(&client, &bucket, "k").await;
    let body = |number: i32| vec![number as u8; 200_000 + 7_777 * number as usize];
    let parts = (1..=16).map(|number| upload.part(number, body(number)));
    for (part, number) in futures_util::future::join_all(parts).await.into_iter().zip(1..) {
        let etag = format!("\"{}\"", hex::encode(Md5::digest(body(number))));
        assert_eq!(part.e_tag(), Some(&*etag), "{number}");
    }
}

#[tokio::test]
async fn a_part_sent_again_replaces_the_first() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin(&client, &bucket, "k").await;
    let old = upload.part(1, "old").await;
    let new = upload.part(1, "newer").await;
    assert_eq!(crate::support::failure(upload.complete(&[old]).send().await), is(400, "InvalidPart"));
    upload.complete(&[new]).send().await.expect("complete");
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"newer"[..]));
}

#[tokio::test]
async fn a_part_that_is_not_as_announced_is_rejected_and_leaves_nothing() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin_with(&client, &bucket, "k", ChecksumAlgorithm::Crc32).await;
    let request = || server.raw().put(upload.target() + "&partNumber=1", "hello");
    for (name, request, (status, code)) in [
        ("crc32", request().header("x-amz-checksum-crc32", "AAAAAA=="), (400, "BadDigest")),
        ("another algorithm", request().header("x-amz-checksum-crc32c", "mnG7TA=="), (400, "InvalidRequest")),
        ("md5", request().header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="), (400, "BadDigest")),
        ("payload", request().tamper("hello", "hellO"), (400, "XAmzContentSHA256Mismatch")),
        ("chunk", request().chunked(8).tamper("hello", "hellO"), (403, "SignatureDoesNotMatch")),
        ("short", request().content_length("9").half_close(), (400, "IncompleteBody")),
    ] {
        assert_eq!(request.send().failure(), is(status, code), "{name}");
        let parts =
            client.list_parts().bucket(&bucket).key("k").upload_id(&upload.id).send().await.expect("a list");
        assert!(parts.parts().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn parts_that_cannot_be_are_refused() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin(&client, &bucket, "k").await;
    let put = |target: String| server.raw().put(target, "x").send().failure();
    for number in ["0", "10001", "-1", "one", ""] {
        assert_eq!(
            put(format!("{}&partNumber={number}", upload.target())),
            is(400, "InvalidArgument"),
            "{number}"
        );
    }
    assert_eq!(put(upload.target()), is(400, "InvalidArgument"));
    assert_eq!(put(format!("/{bucket}/k?partNumber=1")), is(400, "InvalidArgument"));
    assert_eq!(put(format!("/{bucket}/k?partNumber=1&uploadId=unknown")), is(404, "NoSuchUpload"));
    assert_eq!(put(format!("/{bucket}/other?partNumber=1&uploadId={}", upload.id)), is(404, "NoSuchUpload"));
    let big = server.raw().put(upload.target() + "&partNumber=1", "").unsigned_payload();
    assert_eq!(
        big.content_length(((5u64 << 30) + 1).to_string()).send().failure(),
        is(400, "EntityTooLarge")
    );
    assert_eq!(get(&client, &bucket, "k").await, None);
}
