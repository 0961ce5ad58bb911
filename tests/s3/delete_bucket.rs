//! DeleteBucket over the wire.

use crate::support::{BOB, Server, failure, is, put};

#[tokio::test]
async fn an_empty_bucket_is_deleted_once() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let delete = || client.delete_bucket().bucket(&bucket).send();
    put(&client, &bucket, "k", "x").await;
    assert_eq!(failure(delete().await), is(409, "BucketNotEmpty"));
    client.delete_object().bucket(&bucket).key("k").send().await.expect("deleted");
    delete().await.expect("empty now");
    assert_eq!(failure(delete().await), is(404, "NoSuchBucket"));
    assert_eq!(failure(client.list_objects_v2().bucket(&bucket).send().await), is(404, "NoSuchBucket"));
}

#[tokio::test]
async fn a_bucket_of_the_same_name_begins_empty() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let begun = client.create_multipart_upload().bucket(&bucket).key("k").send().await.expect("begun");
    client.delete_bucket().bucket(&bucket).send().await.expect("deleted");
    client.create_bucket().bucket(&bucket).send().await.expect("created");
    let uploads = client.list_multipart_uploads().bucket(&bucket).send().await.expect("a list");
    assert!(uploads.uploads().is_empty());
    let upload = begun.upload_id().expect("an id");
    let parts = client.list_parts().bucket(&bucket).key("k").upload_id(upload).send().await;
    assert_eq!(failure(parts), is(404, "NoSuchUpload"));
}

#[tokio::test]
async fn only_its_owner_deletes_a_bucket() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    assert_eq!(
        failure(server.client_of(BOB).delete_bucket().bucket(&bucket).send().await),
        is(403, "AccessDenied")
    );
}
