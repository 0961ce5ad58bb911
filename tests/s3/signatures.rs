//! How requests are signed, whatever they ask for: presigned URLs of tools as they make them.

use crate::support::{Server, get};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_url_that_the_sdk_for_javascript_presigned_takes_any_body() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let query = "x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32&x-id=PutObject";
    let put = server.raw().put(format!("/{bucket}/k?{query}"), "hello").presigned(MINUTE).send();
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"hello"[..]));
}
