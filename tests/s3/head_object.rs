//! HeadObject over the wire: the headers of GetObject, without the bytes.

use crate::support::{Server, failure, put, put_two_parts};

#[tokio::test]
async fn head_says_what_get_says() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "0123456789").await;
    let raw = server.raw();
    let same = "\"781e5e245d69b566979b86e28d23f2c7\"";
    for headers in [
        &[][..],
        &[("range", "bytes=2-4")],
        &[("range", "bytes=-1")],
        &[("range", "bytes=10-")],
        &[("range", "bytes=0-1"), ("if-range", "\"other\"")],
        &[("if-none-match", same)],
        &[("if-match", "\"other\"")],
        &[("x-amz-checksum-mode", "ENABLED")],
        &[("x-amz-expected-bucket-owner", "123456789012")],
    ] {
        let ask = |method: &str| {
            let request = headers
                .iter()
                .fold(raw.request(method, format!("/{bucket}/k")), |r, (name, value)| r.header(name, *value));
            let mut reply = request.send();
            reply
                .headers
                .retain(|(name, _)| !matches!(name.as_str(), "date" | "x-amz-request-id" | "x-amz-id-2"));
            reply
        };
        let (head, get) = (ask("HEAD"), ask("GET"));
        assert_eq!(head.status, get.status, "{headers:?}");
        assert!(head.body.is_empty(), "{headers:?}");
        if head.status < 300 {
            assert_eq!(head.headers, get.headers, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn a_part_has_its_own_length() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put_two_parts(&client, &bucket, "k").await;
    let whole = client.head_object().bucket(&bucket).key("k").send().await.expect("head");
    assert_eq!((whole.content_length(), whole.parts_count()), (Some(5_242_883), None));
    let part = client.head_object().bucket(&bucket).key("k").part_number(1).send().await.expect("head");
    assert_eq!((part.content_length(), part.parts_count()), (Some(5_242_880), Some(2)));
    assert_eq!(part.e_tag(), whole.e_tag());
    assert_eq!(failure(client.head_object().bucket(&bucket).key("k").part_number(9).send().await).0, 416);
}

#[tokio::test]
async fn what_is_missing_has_a_status_and_no_body() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let reply = server.raw().request("HEAD", format!("/{bucket}/missing")).send();
    assert_eq!((reply.status, reply.body.len()), (404, 0));
    assert!(reply.header("x-amz-request-id").is_some());
}
