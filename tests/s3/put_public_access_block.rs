//! PutPublicAccessBlock, GetPublicAccessBlock and DeletePublicAccessBlock over the wire.

use super::put_bucket_policy::policy;
use crate::support::{Server, failure, is, put};
use aws_sdk_s3::{
    Client,
    types::{BucketCannedAcl, ObjectCannedAcl, PublicAccessBlockConfiguration},
};

async fn block(client: &Client, bucket: &str, rules: PublicAccessBlockConfiguration) {
    client
        .put_public_access_block()
        .bucket(bucket)
        .public_access_block_configuration(rules)
        .send()
        .await
        .expect("set");
}

fn rules() -> aws_sdk_s3::types::builders::PublicAccessBlockConfigurationBuilder {
    PublicAccessBlockConfiguration::builder()
}

#[tokio::test]
async fn a_block_is_shown_as_it_was_set_and_survives_a_restart_until_it_is_deleted() {
    let mut server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let missing = is(404, "NoSuchPublicAccessBlockConfiguration");
    assert_eq!(failure(client.get_public_access_block().bucket(&bucket).send().await), missing);
    block(&client, &bucket, rules().block_public_acls(true).restrict_public_buckets(true).build()).await;
    server.restart();
    let client = server.client();
    let shown = client.get_public_access_block().bucket(&bucket).send().await.expect("shown");
    let expected = rules()
        .block_public_acls(true)
        .ignore_public_acls(false)
        .block_public_policy(false)
        .restrict_public_buckets(true)
        .build();
    assert_eq!(shown.public_access_block_configuration, Some(expected));
    for _ in 0..2 {
        client.delete_public_access_block().bucket(&bucket).send().await.expect("deleted");
        assert_eq!(failure(client.get_public_access_block().bucket(&bucket).send().await), missing);
    }
    let malformed =
        "<PublicAccessBlockConfiguration><BlockAll>true</BlockAll></PublicAccessBlockConfiguration>";
    let refused = server.raw().put(format!("/{bucket}?publicAccessBlock"), malformed).send();
    assert_eq!(refused.failure(), is(400, "MalformedXML"));
}

#[tokio::test]
async fn public_acls_cannot_be_set_where_they_are_blocked() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "hello").await;
    block(&client, &bucket, rules().block_public_acls(true).build()).await;
    let denied = is(403, "AccessDenied");
    for acl in
        [BucketCannedAcl::PublicRead, BucketCannedAcl::PublicReadWrite, BucketCannedAcl::AuthenticatedRead]
    {
        assert_eq!(
            failure(client.put_bucket_acl().bucket(&bucket).acl(acl.clone()).send().await),
            denied,
            "{acl}"
        );
    }
    let public = ObjectCannedAcl::PublicRead;
    assert_eq!(
        failure(client.put_object_acl().bucket(&bucket).key("k").acl(public.clone()).send().await),
        denied
    );
    assert_eq!(
        failure(client.put_object().bucket(&bucket).key("k").acl(public.clone()).send().await),
        denied
    );
    let copy = client.copy_object().bucket(&bucket).key("copy").copy_source(format!("{bucket}/k"));
    assert_eq!(failure(copy.acl(public.clone()).send().await), denied);
    let upload = client.create_multipart_upload().bucket(&bucket).key("k").acl(public);
    assert_eq!(failure(upload.send().await), denied);
    let document = server.raw().get(format!("/{bucket}?acl")).send().text().replace(
        "<AccessControlList>",
        "<AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\">\
         <URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>",
    );
    assert_eq!(server.raw().put(format!("/{bucket}?acl"), document).send().failure(), denied);
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::Private).send().await.expect("private");
}

#[tokio::test]
async fn public_acls_that_are_ignored_grant_nothing_and_count_again_later() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    client.put_object().bucket(&bucket).key("k").acl(ObjectCannedAcl::PublicRead).send().await.expect("put");
    client.put_bucket_acl().bucket(&bucket).acl(BucketCannedAcl::PublicRead).send().await.expect("set");
    let statuses = || {
        [format!("/{bucket}"), format!("/{bucket}/k")]
            .map(|target| server.raw().get(target).anonymous().send().status)
    };
    assert_eq!(statuses(), [200, 200]);
    block(&client, &bucket, rules().ignore_public_acls(true).build()).await;
    assert_eq!(statuses(), [403, 403]);
    client.delete_public_access_block().bucket(&bucket).send().await.expect("deleted");
    assert_eq!(statuses(), [200, 200]);
}

#[tokio::test]
async fn public_policies_cannot_be_set_where_they_are_blocked() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    block(&client, &bucket, rules().block_public_policy(true).build()).await;
    let put = |text: String| client.put_bucket_policy().bucket(&bucket).policy(text).send();
    let public = policy(&bucket, "Allow", "s3:GetObject", "");
    assert_eq!(failure(put(public.clone()).await), is(403, "AccessDenied"));
    put(policy(&bucket, "Deny", "s3:GetObject", "")).await.expect("a policy that is not public");
    block(&client, &bucket, rules().build()).await;
    put(public).await.expect("a public policy");
}
