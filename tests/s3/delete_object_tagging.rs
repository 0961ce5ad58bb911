//! DeleteObjectTagging over the wire.

use crate::support::{Server, get};

#[tokio::test]
async fn tags_go_and_the_object_stays() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    client.put_object().bucket(&bucket).key("k").tagging("a=1").send().await.expect("put");
    for _ in 0..2 {
        assert_eq!(server.raw().request("DELETE", format!("/{bucket}/k?tagging")).send().status, 204);
        let tags = client.get_object_tagging().bucket(&bucket).key("k").send().await.expect("tags");
        assert!(tags.tag_set().is_empty());
    }
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b""[..]));
    assert_eq!(server.raw().request("DELETE", format!("/{bucket}/missing?tagging")).send().status, 404);
}
