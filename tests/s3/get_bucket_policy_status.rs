//! GetBucketPolicyStatus over the wire.

use super::put_bucket_policy::policy;
use crate::support::{Server, failure, is};

#[tokio::test]
async fn a_policy_is_public_if_it_lets_in_everybody_from_everywhere() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let status = async || client.get_bucket_policy_status().bucket(&bucket).send().await;
    assert_eq!(failure(status().await), is(404, "NoSuchBucketPolicy"));
    let from = |network: &str| format!(r#", "Condition": {{"IpAddress": {{"aws:SourceIp": "{network}"}}}}"#);
    for (text, expected) in [
        (policy(&bucket, "Allow", "s3:GetObject", ""), true),
        (policy(&bucket, "Deny", "s3:GetObject", ""), false),
        (policy(&bucket, "Allow", "s3:GetObject", &from("10.0.0.0/8")), false),
    ] {
        client.put_bucket_policy().bucket(&bucket).policy(&text).send().await.expect("set");
        let status = status().await.expect("a status").policy_status.expect("a status");
        assert_eq!(status.is_public, Some(expected), "{text}");
    }
}
