//! GetBucketVersioning over the wire.

use crate::support::{Server, is};

#[tokio::test]
async fn a_bucket_was_never_versioned_and_cannot_be() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let versioning = client.get_bucket_versioning().bucket(&bucket).send().await.expect("a document");
    assert_eq!((versioning.status(), versioning.mfa_delete()), (None, None));
    let enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(
        server.raw().put(format!("/{bucket}?versioning"), enable).send().failure(),
        is(501, "NotImplemented")
    );
}
