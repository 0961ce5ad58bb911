//! GetObjectAttributes over the wire.

use crate::support::{Server, failure, is, put, put_two_parts};
use aws_sdk_s3::types::{ObjectAttributes, StorageClass};

const ALL: [ObjectAttributes; 5] = [
    ObjectAttributes::Etag,
    ObjectAttributes::Checksum,
    ObjectAttributes::ObjectParts,
    ObjectAttributes::StorageClass,
    ObjectAttributes::ObjectSize,
];

#[tokio::test]
async fn what_is_asked_for_is_shown_and_nothing_else() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "k", "123456789").await;
    let ask = || client.get_object_attributes().bucket(&bucket).key("k");
    let all = ask().set_object_attributes(Some(ALL.to_vec())).send().await.expect("attributes");
    assert_eq!((all.e_tag(), all.object_size()), (Some("25f9e794323b453885f5181f1b624d0b"), Some(9)));
    assert_eq!(all.storage_class(), Some(&StorageClass::Standard));
    assert_eq!(all.checksum().and_then(|sum| sum.checksum_crc32()), Some("y/Q5Jg=="));
    assert!(all.object_parts().is_none() && all.last_modified().is_some());
    let size = ask().object_attributes(ObjectAttributes::ObjectSize).send().await.expect("attributes");
    assert_eq!((size.object_size(), size.e_tag(), size.storage_class()), (Some(9), None, None));
    let raw = server.raw();
    assert_eq!(raw.get(format!("/{bucket}/k?attributes")).send().failure(), is(400, "InvalidRequest"));
    let unknown =
        raw.get(format!("/{bucket}/k?attributes")).header("x-amz-object-attributes", "Colour").send();
    assert_eq!(unknown.failure(), is(400, "InvalidArgument"));
    let missing = client
        .get_object_attributes()
        .bucket(&bucket)
        .key("missing")
        .object_attributes(ObjectAttributes::Etag)
        .send()
        .await;
    assert_eq!(failure(missing), is(404, "NoSuchKey"));
}

#[tokio::test]
async fn parts_come_in_pages() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put_two_parts(&client, &bucket, "k").await;
    let ask = || {
        client
            .get_object_attributes()
            .bucket(&bucket)
            .key("k")
            .object_attributes(ObjectAttributes::ObjectParts)
    };
    let parts = ask().send().await.expect("attributes").object_parts.expect("parts");
    assert_eq!(
        (parts.total_parts_count(), parts.is_truncated(), parts.max_parts()),
        (Some(2), Some(false), Some(1000))
    );
    assert_eq!(
        parts.parts().iter().map(|part| (part.part_number(), part.size())).collect::<Vec<_>>(),
        [(Some(1), Some(5 << 20)), (Some(2), Some(3))]
    );
    let first = ask().max_parts(1).send().await.expect("attributes").object_parts.expect("parts");
    assert_eq!((first.is_truncated(), first.next_part_number_marker()), (Some(true), Some("1")));
    let second = ask()
        .max_parts(1)
        .part_number_marker("1")
        .send()
        .await
        .expect("attributes")
        .object_parts
        .expect("parts");
    assert_eq!(
        (second.is_truncated(), second.parts().len(), second.parts()[0].part_number()),
        (Some(false), 1, Some(2))
    );
}
