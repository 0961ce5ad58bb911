//! AbortMultipartUpload over the wire.

use super::uploads::Upload;
use crate::support::{BOB, Server, failure, get, is, put};

#[tokio::test]
async fn an_aborted_upload_is_gone_and_the_object_untouched() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "before").await;
    let upload = Upload::begin(&client, &bucket, "k").await;
    let part = upload.part(1, "x").await;
    let abort = || client.abort_multipart_upload().bucket(&bucket).key("k").upload_id(&upload.id).send();
    assert_eq!(server.raw().request("DELETE", upload.target()).send().status, 204);
    assert_eq!(failure(abort().await), is(404, "NoSuchUpload"));
    assert_eq!(failure(upload.complete(&[part]).send().await), is(404, "NoSuchUpload"));
    let parts = client.list_parts().bucket(&bucket).key("k").upload_id(&upload.id).send().await;
    assert_eq!(failure(parts), is(404, "NoSuchUpload"));
    assert!(
        client.list_multipart_uploads().bucket(&bucket).send().await.expect("a list").uploads().is_empty()
    );
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"before"[..]));
}

#[tokio::test]
async fn only_who_may_write_aborts_an_upload_that_is_there() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin(&client, &bucket, "k").await;
    let bob = server.client_of(BOB).abort_multipart_upload().bucket(&bucket).key("k").upload_id(&upload.id);
    assert_eq!(failure(bob.send().await), is(403, "AccessDenied"));
    for (key, id) in [("k", "56788"), ("k", "../../etc"), ("other", &upload.id)] {
        let abort = client.abort_multipart_upload().bucket(&bucket).key(key).upload_id(id);
        assert_eq!(failure(abort.send().await), is(404, "NoSuchUpload"), "{key} {id}");
    }
    assert_eq!(
        client.list_multipart_uploads().bucket(&bucket).send().await.expect("a list").uploads().len(),
        1
    );
}
