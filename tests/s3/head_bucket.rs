//! HeadBucket over the wire.

use crate::support::{BOB, Server};

#[tokio::test]
async fn a_bucket_names_its_region_and_its_arn() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let reply = server.raw().request("HEAD", format!("/{bucket}")).send();
    assert_eq!((reply.status, reply.header("x-amz-bucket-region")), (200, Some("us-east-1")));
    assert_eq!(reply.header("x-amz-bucket-arn"), Some(format!("arn:aws:s3:::{bucket}").as_str()));
}

#[tokio::test]
async fn failures_have_no_body() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    for (reply, status) in [
        (server.raw().request("HEAD", "/no-such-bucket").send(), 404),
        (server.raw_of(BOB).request("HEAD", format!("/{bucket}")).send(), 403),
        (server.raw().request("HEAD", format!("/{bucket}")).anonymous().send(), 403),
    ] {
        assert_eq!((reply.status, reply.body.len()), (status, 0));
    }
}
