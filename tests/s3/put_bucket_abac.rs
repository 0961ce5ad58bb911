//! PutBucketAbac and GetBucketAbac over the wire.

use crate::support::{Server, is};

#[tokio::test]
async fn the_status_is_kept_and_is_disabled_at_first() {
    let mut server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    let target = format!("/{bucket}?abac");
    let status = |server: &Server| server.raw().get(&target).send().element("Status");
    let put = |server: &Server, status: &str| {
        server.raw().put(&target, format!("<AbacStatus><Status>{status}</Status></AbacStatus>")).send()
    };
    assert_eq!(status(&server).as_deref(), Some("Disabled"));
    assert_eq!(put(&server, "Enabled").status, 200);
    server.restart();
    assert_eq!(status(&server).as_deref(), Some("Enabled"));
    assert_eq!(put(&server, "On").failure(), is(400, "MalformedXML"));
    assert_eq!(put(&server, "Disabled").status, 200);
    assert_eq!(status(&server).as_deref(), Some("Disabled"));
}
