//! PutBucketPolicy, GetBucketPolicy and DeleteBucketPolicy over the wire.

use crate::support::{ALICE, BOB, READER, Server, failure, get, is, put};

/// A policy with one statement, for the objects of a bucket.
pub fn policy(bucket: &str, effect: &str, action: &str, more: &str) -> String {
    format!(
        r#"{{ "Version": "2012-10-17", "Statement": [{{ "Sid": "the only one", "Effect": "{effect}", "Principal": "*", "Action": "{action}", "Resource": ["arn:aws:s3:::{bucket}", "arn:aws:s3:::{bucket}/*"]{more} }}] }}"#
    )
}

#[tokio::test]
async fn a_policy_is_returned_as_it_was_written_and_is_in_force_until_it_is_deleted() {
    let mut server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let text = policy(&bucket, "Allow", "s3:GetObject", "");
    let read = |server: &Server| server.raw().get(format!("/{bucket}/k")).anonymous().send().status;
    assert_eq!(
        failure(client.get_bucket_policy().bucket(&bucket).send().await),
        is(404, "NoSuchBucketPolicy")
    );
    assert_eq!(read(&server), 403);
    let set = server.raw().put(format!("/{bucket}?policy"), &text).send();
    assert_eq!((set.status, set.text()), (204, String::new()));
    assert_eq!(read(&server), 200);
    server.restart();
    assert_eq!(read(&server), 200);
    let got = server.raw().get(format!("/{bucket}?policy")).send();
    assert_eq!((got.status, got.text(), got.header("content-type")), (200, text, Some("application/json")));
    let client = server.client();
    for _ in 0..2 {
        client.delete_bucket_policy().bucket(&bucket).send().await.expect("deleted");
        assert_eq!(read(&server), 403);
    }
}

#[tokio::test]
async fn a_policy_that_is_not_understood_is_refused_and_the_one_in_force_stays() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let good = policy(&bucket, "Allow", "s3:GetObject", "");
    assert_eq!(server.raw().put(format!("/{bucket}?policy"), &good).send().status, 204);
    let long = format!("{good}{}", " ".repeat(20 * 1024));
    for bad in [
        String::new(),
        "<Policy/>".to_owned(),
        "{}".to_owned(),
        policy("another", "Allow", "s3:GetObject", ""),
        policy(&bucket, "Allow", "s3:GetTheObject", ""),
        policy(&bucket, "Perhaps", "s3:GetObject", ""),
        policy(&bucket, "Allow", "s3:GetObject", r#", "Condition": {"StringLike": {"s3:nothing": "x"}}"#),
        policy(
            &bucket,
            "Deny",
            "s3:GetObject",
            r#", "Condition": {"StringEquals": {"aws:SourceVpce": "x"}}"#,
        ),
        long,
    ] {
        let refused = server.raw().put(format!("/{bucket}?policy"), &bad).send();
        assert_eq!(refused.failure(), is(400, "MalformedPolicy"), "{bad}");
    }
    assert_eq!(
        server.raw().put(format!("/{bucket}?policy"), [0xff, 0xfe]).send().failure(),
        is(400, "MalformedPolicy")
    );
    assert_eq!(server.raw().get(format!("/{bucket}?policy")).send().text(), good);
    assert_eq!(server.raw().get(format!("/{bucket}/k")).anonymous().send().status, 200);
}

#[tokio::test]
async fn a_policy_lets_other_accounts_in_as_far_as_their_roles_let_them() {
    let server = Server::start();
    let (client, bob, reader) = (server.client(), server.client_of(BOB), server.client_of(READER));
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    client
        .put_bucket_policy()
        .bucket(&bucket)
        .policy(policy(&bucket, "Allow", "s3:*", ""))
        .send()
        .await
        .expect("set");
    put(&bob, &bucket, "of-bob", "hi").await;
    assert_eq!(get(&reader, &bucket, "k").await.as_deref(), Some(&b"hello"[..]));
    // The policy opens the objects of the owner of the bucket. Others have owners of their own.
    let of_bob = failure(reader.get_object().bucket(&bucket).key("of-bob").send().await);
    assert_eq!(of_bob, is(403, "AccessDenied"));
    assert_eq!(
        failure(reader.delete_object().bucket(&bucket).key("k").send().await),
        is(403, "AccessDenied")
    );
    // Whoever has the permission, and is not of the owner's account, is told that it is no matter of permissions.
    assert_eq!(failure(bob.get_bucket_policy().bucket(&bucket).send().await), is(405, "MethodNotAllowed"));
}

#[tokio::test]
async fn only_the_connection_says_where_a_request_comes_from() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let by_address = |network: &str| {
        let condition = format!(r#", "Condition": {{"IpAddress": {{"aws:SourceIp": "{network}"}}}}"#);
        policy(&bucket, "Allow", "s3:GetObject", &condition)
    };
    let read = || {
        let request = server.raw().get(format!("/{bucket}/k")).anonymous();
        request
            .unsigned_header("x-forwarded-for", "10.1.2.3")
            .unsigned_header("x-forwarded-proto", "https")
            .send()
    };
    for (text, expected) in [
        (by_address("10.0.0.0/8"), 403),
        (by_address("127.0.0.1/32"), 200),
        (
            policy(
                &bucket,
                "Allow",
                "s3:GetObject",
                r#", "Condition": {"Bool": {"aws:SecureTransport": "true"}}"#,
            ),
            403,
        ),
    ] {
        client.put_bucket_policy().bucket(&bucket).policy(&text).send().await.expect("set");
        assert_eq!(read().status, expected, "{text}");
    }
}

#[tokio::test]
async fn a_listed_proxy_says_where_a_request_comes_from() {
    let server = Server::configured("trusted_proxies = [\"127.0.0.1\"]", "");
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let condition = r#", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "Bool": {"aws:SecureTransport": "true"}}"#;
    let text = policy(&bucket, "Allow", "s3:GetObject", condition);
    client.put_bucket_policy().bucket(&bucket).policy(text).send().await.expect("set");
    let read = |forwarded: &str, protocol: &str| {
        let request = server.raw().get(format!("/{bucket}/k")).anonymous();
        let request = request.unsigned_header("x-forwarded-for", forwarded);
        request.unsigned_header("x-forwarded-proto", protocol).send().status
    };
    assert_eq!(read("10.1.2.3", "https"), 200);
    assert_eq!(read("10.1.2.3", "http"), 403);
    assert_eq!(read("192.168.1.1", "https"), 403);
    // A client cannot put an address in front of its own.
    assert_eq!(read("10.1.2.3, 192.168.1.1", "https"), 403);
}

#[tokio::test]
async fn how_a_request_is_signed_is_a_condition() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let by_header = || server.raw_of(ALICE).get(format!("/{bucket}/k")).send().status;
    let by_query = || {
        let presigned =
            server.raw_of(ALICE).get(format!("/{bucket}/k")).presigned(std::time::Duration::from_secs(60));
        presigned.send().status
    };
    for (condition, header, query) in [
        (r#"{"StringNotEquals": {"s3:authType": "REST-HEADER"}}"#, 200, 403),
        (r#"{"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}"#, 403, 403),
        (r#"{"NumericGreaterThan": {"s3:signatureAge": "600000"}}"#, 200, 200),
        (r#"{"StringEquals": {"s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD"}}"#, 200, 403),
    ] {
        let text = policy(&bucket, "Deny", "s3:GetObject", &format!(r#", "Condition": {condition}"#));
        client.put_bucket_policy().bucket(&bucket).policy(text).send().await.expect("set");
        assert_eq!((by_header(), by_query()), (header, query), "{condition}");
    }
}

#[tokio::test]
async fn the_log_says_which_statement_denied_and_the_reply_does_not() {
    let server = Server::configured("log_level = \"debug\"", "");
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let text = policy(&bucket, "Deny", "s3:GetObject", "");
    client.put_bucket_policy().bucket(&bucket).policy(text).send().await.expect("set");
    let denied = server.raw().get(format!("/{bucket}/k")).send();
    assert_eq!(denied.failure(), is(403, "AccessDenied"));
    assert!(
        !denied.text().contains("the only one") && !denied.text().contains("statement"),
        "{}",
        denied.text()
    );
    let log = server.log();
    let line = log.lines().find(|line| line.contains("access was denied")).expect("a line");
    assert!(line.contains("statement 1 (the only one) of bucket policy"), "{line}");
    assert!(line.contains("s3:GetObject") && line.contains(&format!("arn:aws:s3:::{bucket}/k")), "{line}");
    assert!(!log.contains(ALICE.secret_key), "{log}");
}
