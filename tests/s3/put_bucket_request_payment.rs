//! PutBucketRequestPayment and GetBucketRequestPayment over the wire, and what they do to requests.

use crate::support::{ADMIN, BOB, Server, failure, is, put, raw::RawRequest};
use aws_sdk_s3::types::{BucketCannedAcl, ObjectCannedAcl, Payer, RequestPayer, RequestPaymentConfiguration};
use std::time::Duration;

async fn set(server: &Server, bucket: &str, payer: Payer) {
    let configuration = RequestPaymentConfiguration::builder().payer(payer).build().expect("a document");
    let client = server.client();
    let put = client.put_bucket_request_payment().bucket(bucket);
    put.request_payment_configuration(configuration).send().await.expect("set");
}

/// A bucket that everybody may read, with a public object.
async fn public(server: &Server) -> String {
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    let acl = client.put_object_acl().bucket(&bucket).key("k").acl(ObjectCannedAcl::PublicRead);
    acl.send().await.expect("set");
    let acl = client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicReadWrite);
    acl.send().await.expect("set");
    bucket
}

fn pays(request: RawRequest) -> RawRequest {
    request.header("x-amz-request-payer", "requester")
}

#[tokio::test]
async fn who_pays_is_kept_and_is_the_owner_at_first() {
    let mut server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    for payer in [Payer::BucketOwner, Payer::Requester, Payer::BucketOwner] {
        set(&server, &bucket, payer.clone()).await;
        server.restart();
        let found = server.client().get_bucket_request_payment().bucket(&bucket).send().await.expect("read");
        assert_eq!(found.payer(), Some(&payer));
    }
    let malformed = "<RequestPaymentConfiguration><Payer>Nobody</Payer></RequestPaymentConfiguration>";
    let reply = server.raw().put(format!("/{bucket}?requestPayment"), malformed).send();
    assert_eq!(reply.failure(), is(400, "MalformedXML"));
    let bob = server.client_of(BOB).get_bucket_request_payment().bucket(&bucket).send().await;
    assert_eq!(failure(bob), is(403, "AccessDenied"));
}

#[tokio::test]
async fn others_than_the_owner_say_that_they_pay_and_are_told_that_they_were_charged() {
    let server = Server::start();
    let bucket = public(&server).await;
    let (key, list, new) =
        (format!("/{bucket}/k"), format!("/{bucket}?list-type=2"), format!("/{bucket}/new"));
    set(&server, &bucket, Payer::Requester).await;
    let bob = server.raw_of(BOB);
    let requests = || {
        [
            bob.get(&key),
            bob.request("HEAD", &key),
            bob.get(&list),
            bob.put(&new, "x"),
            bob.request("DELETE", &new),
        ]
    };
    for request in requests() {
        let reply = request.send();
        assert_eq!((reply.status, reply.header("x-amz-request-charged")), (403, None));
    }
    for request in requests() {
        let reply = pays(request).send();
        assert_eq!(reply.status / 100, 2, "{}", reply.text());
        assert_eq!(reply.header("x-amz-request-charged"), Some("requester"));
    }
    let other = bob.get(&key).header("x-amz-request-payer", "owner").send();
    assert_eq!(other.failure(), is(403, "AccessDenied"));
    let presigned = pays(bob.get(&key)).presigned(Duration::from_secs(60)).send();
    assert_eq!(presigned.header("x-amz-request-charged"), Some("requester"), "{}", presigned.text());
    assert_eq!(bob.get(&key).presigned(Duration::from_secs(60)).send().status, 403);
    assert_eq!(server.raw().get(&key).anonymous().send().failure(), is(403, "AccessDenied"));
    let anonymous = server.raw().get(&key).anonymous().unsigned_header("x-amz-request-payer", "requester");
    assert_eq!(anonymous.send().failure(), is(403, "AccessDenied"), "nobody cannot pay");
    for owner in [server.raw(), server.raw_of(ADMIN)] {
        let reply = pays(owner.get(&key)).send();
        assert_eq!((reply.status, reply.header("x-amz-request-charged")), (200, None));
        assert_eq!(owner.get(&key).send().status, 200);
    }
    set(&server, &bucket, Payer::BucketOwner).await;
    let reply = pays(bob.get(&key)).send();
    assert_eq!((reply.status, reply.header("x-amz-request-charged")), (200, None));
    assert_eq!(server.raw().get(&key).anonymous().send().status, 200);
}

#[tokio::test]
async fn a_copy_out_of_a_bucket_whose_requesters_pay_says_so_too() {
    let server = Server::start();
    let bucket = public(&server).await;
    set(&server, &bucket, Payer::Requester).await;
    let bob = server.client_of(BOB);
    let own = server.bucket(&bob).await;
    let copy = || bob.copy_object().bucket(&own).key("copy").copy_source(format!("{bucket}/k"));
    assert_eq!(failure(copy().send().await), is(403, "AccessDenied"));
    copy().request_payer(RequestPayer::Requester).send().await.expect("copied");
}
