//! ListBuckets over the wire.

use crate::support::{ADMIN, ALICE, BOB, Server, failure, is};
use aws_sdk_s3::{Client, operation::list_buckets::ListBucketsOutput};

fn names(page: &ListBucketsOutput) -> Vec<&str> {
    page.buckets().iter().filter_map(|bucket| bucket.name()).collect()
}

async fn create(client: &Client, names: &[&str]) {
    for name in names {
        client.create_bucket().bucket(*name).send().await.expect("a bucket");
    }
}

#[tokio::test]
async fn an_identity_sees_its_own_buckets_and_an_admin_all() {
    let server = Server::start();
    let (alice, bob, admin) = (server.client_of(ALICE), server.client_of(BOB), server.client_of(ADMIN));
    create(&alice, &["alice-2", "alice-1"]).await;
    create(&bob, &["bob-1"]).await;
    let hers = alice.list_buckets().send().await.expect("a list");
    assert_eq!(names(&hers), ["alice-1", "alice-2"]);
    assert_eq!(hers.continuation_token(), None);
    assert!(
        hers.buckets()
            .iter()
            .all(|bucket| bucket.creation_date().is_some() && bucket.bucket_region() == Some("us-east-1"))
    );
    assert!(hers.owner().and_then(|owner| owner.id()).is_some_and(|id| !id.is_empty()));
    assert_eq!(names(&bob.list_buckets().send().await.expect("a list")), ["bob-1"]);
    assert_eq!(names(&admin.list_buckets().send().await.expect("a list")), ["alice-1", "alice-2", "bob-1"]);
}

#[tokio::test]
async fn buckets_are_listed_page_by_page() {
    let server = Server::start();
    let client = server.client();
    let empty = client.list_buckets().max_buckets(1).send().await.expect("a list");
    assert_eq!((names(&empty), empty.continuation_token()), (vec![], None));
    create(&client, &["log-1", "log-2", "log-3", "other"]).await;
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let request = client.list_buckets().max_buckets(2).prefix("log-").set_continuation_token(token);
        let page = request.send().await.expect("a page");
        assert_eq!(page.prefix(), Some("log-"));
        assert!(page.buckets().len() <= 2);
        found.extend(names(&page).into_iter().map(str::to_owned));
        token = page.continuation_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, ["log-1", "log-2", "log-3"]);
}

#[tokio::test]
async fn buckets_are_filtered_by_region() {
    let server = Server::start();
    let client = server.client();
    let raw = server.raw();
    let create = |name: &str, location: &str| {
        let body = format!(
            "<CreateBucketConfiguration><LocationConstraint>{location}</LocationConstraint></CreateBucketConfiguration>"
        );
        assert_eq!(raw.put(format!("/{name}"), body).send().status, 200);
    };
    create("aaa", "eu-north-1");
    create("bbb", "ap-south-1");
    create("ccc", "eu-north-1");
    let first =
        client.list_buckets().bucket_region("eu-north-1").max_buckets(1).send().await.expect("a page");
    assert_eq!(names(&first), ["aaa"]);
    let token = first.continuation_token().expect("there is more");
    let second = client
        .list_buckets()
        .bucket_region("eu-north-1")
        .max_buckets(1)
        .continuation_token(token)
        .send()
        .await
        .expect("a page");
    assert_eq!(names(&second), ["ccc"]);
}

#[tokio::test]
async fn a_bucket_is_shown_with_its_region_and_its_arn() {
    let server = Server::start();
    assert_eq!(server.raw().put("/first", "").send().status, 200);
    let reply = server.raw().get("/").send();
    let told = (reply.element("BucketRegion"), reply.element("BucketArn"));
    assert_eq!(told, (Some("us-east-1".to_owned()), Some("arn:aws:s3:::first".to_owned())));
}

#[tokio::test]
async fn parameters_that_s3_refuses_are_invalid_arguments() {
    let server = Server::start();
    let client = server.client();
    for limit in [0, -1, 10_001] {
        assert_eq!(
            failure(client.list_buckets().max_buckets(limit).send().await),
            is(400, "InvalidArgument"),
            "{limit}"
        );
    }
    assert_eq!(
        failure(client.list_buckets().continuation_token("garbage").send().await),
        is(400, "InvalidArgument")
    );
}

#[tokio::test]
async fn nobody_in_particular_has_no_buckets() {
    let server = Server::start();
    assert_eq!(server.raw().get("/").anonymous().send().failure(), is(403, "AccessDenied"));
}
