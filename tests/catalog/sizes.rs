//! Promises about the sizes of buckets: the reported size is the sum over the index.

use super::sample::{bucket, delete, put, row};
use causeway::catalog::{BucketId, BucketSize, BucketSizes, Catalog, IndexChange, NewReplica};
use std::sync::Arc;

/// The name, the number of objects and the bytes of each of the largest buckets, and the number of the other
/// buckets.
async fn sizes(catalog: &dyn Catalog, limit: usize) -> (Vec<(String, u64, u64)>, usize) {
    let BucketSizes { largest, others } = catalog.bucket_sizes(limit).await.expect("read");
    (
        largest
            .into_iter()
            .map(|BucketSize { name, objects, bytes }| (name.to_string(), objects, bytes))
            .collect(),
        others,
    )
}

async fn index(catalog: &dyn Catalog, bucket: BucketId, changes: impl IntoIterator<Item = IndexChange>) {
    for change in changes {
        catalog.index(bucket, change).await.expect("indexed");
    }
}

pub async fn sizes_follow_every_change_of_an_index(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    catalog.set_state(id, "scan", Some("complete".into())).await.expect("set");
    let steps = [
        (put("a", 10), (1, 10)),
        (put("b", 5 << 40), (2, (5 << 40) + 10)),
        (put("a", 10), (2, (5 << 40) + 10)),
        (put("a", (1 << 30) - 1), (2, (5 << 40) + (1 << 30) - 1)),
        (put("a", 1 << 30), (2, (5 << 40) + (1 << 30))),
        (put("empty", 0), (3, (5 << 40) + (1 << 30))),
        (delete("missing"), (3, (5 << 40) + (1 << 30))),
        (delete("b"), (2, 1 << 30)),
        (delete("b"), (2, 1 << 30)),
        (put("a", 7), (2, 7)),
        (delete("a"), (1, 0)),
        (delete("empty"), (0, 0)),
    ];
    assert_eq!(sizes(&*catalog, 9).await.0, [("photos".to_owned(), 0, 0)]);
    for (at, (change, (objects, bytes))) in steps.into_iter().enumerate() {
        catalog.index(id, change).await.expect("indexed");
        assert_eq!(sizes(&*catalog, 9).await.0, [("photos".to_owned(), objects, bytes)], "step {at}");
    }
}

/// A sparse file may have a size of 8 EiB less one byte.
pub async fn no_sum_of_sizes_overflows(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let most = i64::MAX as u64;
    index(&*catalog, id, ["a", "b", "c"].map(|key| IndexChange::Put(row(key, most)))).await;
    assert_eq!(sizes(&*catalog, 9).await.0, [("photos".to_owned(), 3, u64::MAX)]);
    index(&*catalog, id, ["a", "b"].map(delete)).await;
    assert_eq!(sizes(&*catalog, 9).await.0, [("photos".to_owned(), 1, most)]);
}

pub async fn the_largest_buckets_are_told_and_the_others_counted(catalog: Arc<dyn Catalog>) {
    for (name, sizes) in [("few", &[7, 1][..]), ("many", &[1; 8]), ("large", &[100]), ("small", &[1])] {
        let id = bucket(&*catalog, name).await.id;
        index(&*catalog, id, sizes.iter().enumerate().map(|(at, size)| put(&format!("key {at}"), *size)))
            .await;
    }
    let all: Vec<_> = [("large", 1, 100), ("many", 8, 8), ("few", 2, 8), ("small", 1, 1)]
        .map(|(name, n, size)| (name.to_owned(), n, size))
        .into();
    assert_eq!(sizes(&*catalog, 9).await, (all.clone(), 0));
    assert_eq!(sizes(&*catalog, 2).await, (all[..2].to_vec(), 2));
    assert_eq!(sizes(&*catalog, 0).await, (Vec::new(), 4));
}

pub async fn replicas_deleted_buckets_and_those_without_an_index_have_no_size(catalog: Arc<dyn Catalog>) {
    let (gone, replicated) = (bucket(&*catalog, "gone").await.id, bucket(&*catalog, "replicated").await.id);
    let elsewhere = bucket(&*catalog, "elsewhere").await.id;
    // The stored position of a job does not make the bucket an indexed one.
    catalog.set_state(elsewhere, "job.expiry", Some("a/b".into())).await.expect("set");
    let replica = NewReplica { backend: "disk".into(), location: "there".into() };
    let replica = catalog.add_replica(replicated, replica).await.expect("a replica").id;
    for id in [gone, replicated, replica] {
        index(&*catalog, id, [put("a", 3)]).await;
    }
    catalog.delete_bucket(gone).await.expect("deleted");
    drop(catalog.index(gone, put("late", 3)));
    assert_eq!(sizes(&*catalog, 9).await, (vec![("replicated".to_owned(), 1, 3)], 0));
}
