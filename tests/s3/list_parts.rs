//! ListParts over the wire.

use super::uploads::Upload;
use crate::support::{Server, failure, is};
use aws_sdk_s3::types::ChecksumAlgorithm;

#[tokio::test]
async fn parts_are_listed_with_their_digests_page_by_page() {
    let mut server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin_with(&client, &bucket, "k", ChecksumAlgorithm::Crc32C).await;
    for number in [7, 1, 10_000, 3] {
        upload.part(number, number.to_string()).await;
    }
    server.restart();
    let client = server.client();
    let (mut found, mut marker) = (Vec::new(), None);
    loop {
        let request = client.list_parts().bucket(&bucket).key("k").upload_id(&upload.id).max_parts(3);
        let page = request.set_part_number_marker(marker.clone()).send().await.expect("a page");
        assert_eq!(
            (page.bucket(), page.key(), page.upload_id()),
            (Some(bucket.as_str()), Some("k"), Some(upload.id.as_str()))
        );
        assert_eq!(page.checksum_algorithm(), Some(&ChecksumAlgorithm::Crc32C));
        assert_eq!(page.checksum_type().map(|kind| kind.as_str()), Some("COMPOSITE"));
        assert!(page.initiator().is_some() && page.owner().is_some());
        assert_eq!(
            (page.max_parts(), page.part_number_marker()),
            (Some(3), Some(marker.as_deref().unwrap_or("0")))
        );
        found.extend(page.parts().iter().map(|part| {
            assert!(part.checksum_crc32_c().is_some() && part.last_modified().is_some());
            (part.part_number().expect("a number"), part.size().expect("a size"))
        }));
        if page.is_truncated() != Some(true) {
            break;
        }
        marker = page.next_part_number_marker;
    }
    assert_eq!(found, [(1, 1), (3, 1), (7, 1), (10_000, 5)]);
}

#[tokio::test]
async fn markers_and_limits_are_numbers() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin(&client, &bucket, "k").await;
    upload.part(1, "x").await;
    let get = |query: &str| server.raw().get(format!("{}{query}", upload.target())).send();
    for query in ["&max-parts=x", "&max-parts=-1", "&part-number-marker=x", "&part-number-marker=-1"] {
        assert_eq!(get(query).failure(), is(400, "InvalidArgument"), "{query}");
    }
    let beyond = get("&part-number-marker=2147483647");
    assert_eq!((beyond.status, beyond.element("PartNumber")), (200, None));
    assert_eq!(get("&max-parts=5000").element("MaxParts").as_deref(), Some("1000"));
    let none = get("&max-parts=0");
    assert_eq!((none.element("IsTruncated").as_deref(), none.element("PartNumber")), (Some("false"), None));
    // A checksum algorithm that the client did not choose is not shown.
    assert_eq!(none.element("ChecksumAlgorithm"), None);
}

#[tokio::test]
async fn an_upload_is_known_by_its_key_and_id() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin(&client, &bucket, "k").await;
    for (key, id) in [("other", upload.id.as_str()), ("k", "unknown")] {
        assert_eq!(
            failure(client.list_parts().bucket(&bucket).key(key).upload_id(id).send().await),
            is(404, "NoSuchUpload")
        );
    }
}
