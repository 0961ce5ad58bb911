//! PutBucketAccelerateConfiguration and GetBucketAccelerateConfiguration over the wire.

use crate::support::{Server, failure, is};
use aws_sdk_s3::types::{AccelerateConfiguration, BucketAccelerateStatus};

#[tokio::test]
async fn the_status_is_kept_once_it_was_set() {
    let mut server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let found = server.client().get_bucket_accelerate_configuration().bucket(&bucket).send().await;
    assert_eq!(found.expect("read").status(), None);
    for status in [BucketAccelerateStatus::Enabled, BucketAccelerateStatus::Suspended] {
        let configuration = AccelerateConfiguration::builder().status(status.clone()).build();
        let client = server.client();
        let put = client.put_bucket_accelerate_configuration().bucket(&bucket);
        put.accelerate_configuration(configuration).send().await.expect("set");
        server.restart();
        let found = server.client().get_bucket_accelerate_configuration().bucket(&bucket).send().await;
        assert_eq!(found.expect("read").status(), Some(&status));
    }
}

#[tokio::test]
async fn a_name_with_dots_and_an_unknown_status_are_refused() {
    let server = Server::start();
    let client = server.client();
    client.create_bucket().bucket("with.dots").send().await.expect("a bucket");
    let enabled = AccelerateConfiguration::builder().status(BucketAccelerateStatus::Enabled).build();
    let put = client.put_bucket_accelerate_configuration().bucket("with.dots");
    let refused = put.accelerate_configuration(enabled).send().await;
    assert_eq!(failure(refused), is(400, "InvalidRequest"));
    for status in ["Unset", "enabled", ""] {
        let document =
            format!("<AccelerateConfiguration><Status>{status}</Status></AccelerateConfiguration>");
        let reply = server.raw().put("/with.dots?accelerate", document).send();
        assert_eq!(reply.failure(), is(400, "MalformedXML"), "{status}");
    }
}
