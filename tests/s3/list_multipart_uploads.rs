//! ListMultipartUploads over the wire.

use super::uploads::Upload;
use crate::support::{Server, is};
use aws_sdk_s3::types::ChecksumAlgorithm;

#[tokio::test]
async fn uploads_in_progress_are_listed_with_what_they_are() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let begun = [
        Upload::begin_with(&client, &bucket, "a", ChecksumAlgorithm::Sha1).await,
        Upload::begin(&client, &bucket, "b").await,
    ];
    let page = client.list_multipart_uploads().bucket(&bucket).send().await.expect("a list");
    assert_eq!(
        (page.bucket(), page.max_uploads(), page.is_truncated()),
        (Some(bucket.as_str()), Some(1000), Some(false))
    );
    let found: Vec<_> = page
        .uploads()
        .iter()
        .map(|upload| (upload.key().unwrap_or(""), upload.upload_id().unwrap_or("")))
        .collect();
    assert_eq!(found, [("a", begun[0].id.as_str()), ("b", begun[1].id.as_str())]);
    let first = &page.uploads()[0];
    assert_eq!(first.checksum_algorithm(), Some(&ChecksumAlgorithm::Sha1));
    assert_eq!(first.checksum_type().map(|kind| kind.as_str()), Some("COMPOSITE"));
    assert!(first.initiated().is_some() && first.initiator().is_some() && first.owner().is_some());
    let part = begun[0].part(1, "x").await;
    begun[0].complete(&[part]).send().await.expect("complete");
    let page = client.list_multipart_uploads().bucket(&bucket).send().await.expect("a list");
    assert_eq!(page.uploads().iter().filter_map(|upload| upload.key()).collect::<Vec<_>>(), ["b"]);
}

#[tokio::test]
async fn pages_of_any_size_add_up_to_the_whole() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    // Uploads are listed by key; those of one key in the order in which they began.
    let mut begun = Vec::new();
    for key in ["x/a", "x/a", "x/a", "x/b/1", "x/b/2", "x/c", "y"] {
        begun.push((key.to_owned(), Upload::begin(&client, &bucket, key).await.id));
    }
    for limit in 1..=8 {
        for delimiter in [None, Some("/")] {
            let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
            let (mut key_marker, mut id_marker) = (None, None);
            loop {
                let request = client.list_multipart_uploads().bucket(&bucket).prefix("x/").max_uploads(limit);
                let request = request.set_delimiter(delimiter.map(str::to_owned));
                let page = request
                    .set_key_marker(key_marker)
                    .set_upload_id_marker(id_marker)
                    .send()
                    .await
                    .expect("a page");
                assert!(page.uploads().len() + page.common_prefixes().len() <= limit as usize);
                uploads.extend(page.uploads().iter().map(|upload| {
                    (upload.key().expect("a key").to_owned(), upload.upload_id().expect("an id").to_owned())
                }));
                prefixes.extend(
                    page.common_prefixes().iter().filter_map(|prefix| prefix.prefix()).map(str::to_owned),
                );
                (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
                if page.is_truncated != Some(true) {
                    break;
                }
            }
            let grouped = |key: &str| delimiter.is_some() && key.starts_with("x/b/");
            let expected: Vec<_> =
                begun.iter().filter(|(key, _)| key.starts_with("x/") && !grouped(key)).cloned().collect();
            assert_eq!(uploads, expected, "{limit} {delimiter:?}");
            assert_eq!(
                prefixes,
                if delimiter.is_some() { vec!["x/b/"] } else { vec![] },
                "{limit} {delimiter:?}"
            );
        }
    }
}

#[tokio::test]
async fn names_are_encoded_when_asked() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    Upload::begin(&client, &bucket, "a b\u{1}").await;
    let reply = server.raw().get(format!("/{bucket}?uploads&encoding-type=url&key-marker=a%20")).send();
    assert_eq!(reply.element("Key").as_deref(), Some("a%20b%01"));
    assert_eq!(reply.element("KeyMarker").as_deref(), Some("a%20"));
    for query in ["max-uploads=x", "encoding-type=x", "key-marker=a&upload-id-marker=%2F"] {
        assert_eq!(
            server.raw().get(format!("/{bucket}?uploads&{query}")).send().failure(),
            is(400, "InvalidArgument"),
            "{query}"
        );
    }
}
