//! ListObjectVersions over the wire.

use crate::support::{Server, is, put};

#[tokio::test]
async fn every_object_is_its_own_latest_version() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for body in ["first", "second"] {
        put(&client, &bucket, "k", body).await;
    }
    let page = client.list_object_versions().bucket(&bucket).send().await.expect("a page");
    assert!(page.delete_markers().is_empty());
    let [version] = page.versions() else { panic!("one version: {page:?}") };
    assert_eq!(
        (version.key(), version.version_id(), version.is_latest()),
        (Some("k"), Some("null"), Some(true))
    );
    assert_eq!((version.size(), version.e_tag()), (Some(6), Some("\"a9f0e61a137d86aa9db53465e0801612\"")));
    assert!(version.owner().is_some() && version.last_modified().is_some());
    let named =
        client.get_object().bucket(&bucket).key("k").version_id("null").send().await.expect("by its version");
    assert_eq!(named.body.collect().await.expect("a body").to_vec(), b"second");
}

#[tokio::test]
async fn pages_go_on_from_both_markers() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    for key in ["a", "b/1", "b/2", "c"] {
        put(&client, &bucket, key, "x").await;
    }
    let (mut found, mut key_marker, mut version_marker) = (Vec::new(), None, None);
    loop {
        let request = client.list_object_versions().bucket(&bucket).delimiter("/").max_keys(1);
        let page = request
            .set_key_marker(key_marker)
            .set_version_id_marker(version_marker)
            .send()
            .await
            .expect("a page");
        found.extend(page.versions().iter().filter_map(|version| version.key()).map(str::to_owned));
        found.extend(page.common_prefixes().iter().filter_map(|prefix| prefix.prefix()).map(str::to_owned));
        (key_marker, version_marker) = (page.next_key_marker, page.next_version_id_marker);
        assert_eq!(page.is_truncated, Some(key_marker.is_some()));
        if key_marker.is_none() {
            break;
        }
    }
    assert_eq!(found, ["a", "b/", "c"]);
}

#[tokio::test]
async fn version_markers_that_name_nothing_are_refused() {
    let server = Server::start();
    let bucket = server.bucket(&server.client()).await;
    for query in ["version-id-marker=null", "key-marker=a&version-id-marker=3L4kqtJlcpXroDTDmJ", "max-keys=x"]
    {
        let reply = server.raw().get(format!("/{bucket}?versions&{query}")).send();
        assert_eq!(reply.failure(), is(400, "InvalidArgument"), "{query}");
    }
    assert_eq!(
        server.raw().get(format!("/{bucket}?versions&key-marker=a&version-id-marker=null")).send().status,
        200
    );
}
