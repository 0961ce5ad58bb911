//! Promises about numbered changes of the index: the newer one wins, whatever the order in which they arrive.

use super::{
    sample::{bucket, delete, put, row},
    shared::Two,
    version::version,
};
use causeway::catalog::{BucketId, Catalog, Generation, IndexChange};
use std::sync::Arc;

async fn apply(catalog: &Arc<dyn Catalog>, bucket: BucketId, generation: u64, change: IndexChange) {
    catalog.index_numbered(bucket, Generation(generation), change).await.expect("indexed");
}

/// All orders of `n` items.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let longer =
        |shorter: Vec<usize>| (0..n).map(move |at| [&shorter[..at], &[n - 1], &shorter[at..]].concat());
    orders(n - 1).into_iter().flat_map(longer).collect()
}

pub async fn numbered_changes_end_alike_in_whatever_order_they_arrive(two: Two) {
    let histories = [
        ([put("a", 1), delete("a"), put("a", 3), put("a", 4)], Some(4)),
        ([put("a", 1), put("a", 2), put("a", 3), delete("a")], None),
        ([delete("a"), put("a", 2), delete("a"), put("a", 4)], Some(4)),
        ([put("a", 1), delete("a"), put("a", 3), delete("a")], None),
    ];
    for (at, (changes, last)) in histories.into_iter().enumerate() {
        for (n, order) in orders(changes.len()).into_iter().enumerate() {
            let id = bucket(&*two.one, &format!("bucket-{at}-{n}")).await.id;
            for (arrival, change) in order.iter().enumerate() {
                let catalog = two.both()[(arrival + n) % 2];
                apply(catalog, id, *change as u64 + 1, changes[*change].clone()).await;
                if arrival % 2 == 0 {
                    // A change that is sent again changes nothing.
                    apply(catalog, id, *change as u64 + 1, changes[*change].clone()).await;
                }
            }
            let found = two.one.index_rows(id, None, 9).await.expect("rows");
            assert_eq!(
                found,
                last.map(|size| row("a", size)).into_iter().collect::<Vec<_>>(),
                "{changes:?} as {order:?}"
            );
            let sizes = two.other.bucket_sizes(usize::MAX).await.expect("read").largest;
            let size = sizes.iter().find(|size| size.name.as_str() == format!("bucket-{at}-{n}"));
            let counted = size.map_or((0, 0), |size| (size.objects, size.bytes));
            assert_eq!(counted, (u64::from(last.is_some()), last.unwrap_or_default()));
        }
    }
}

pub async fn a_deletion_is_remembered_until_it_is_forgotten(two: Two) {
    let (id, other) = (bucket(&*two.one, "photos").await.id, bucket(&*two.one, "others").await.id);
    for bucket in [id, other] {
        apply(&two.one, bucket, 5, delete("a")).await;
    }
    two.one.forget_deletions(id, Generation(4)).await.expect("forgotten");
    apply(&two.other, id, 3, put("a", 3)).await;
    assert_eq!(two.one.index_rows(id, None, 9).await.expect("rows"), []);
    two.one.forget_deletions(id, Generation(5)).await.expect("forgotten");
    for bucket in [id, other] {
        apply(&two.other, bucket, 3, put("a", 3)).await;
    }
    assert_eq!(two.one.index_rows(id, None, 9).await.expect("rows"), [row("a", 3)]);
    assert_eq!(two.one.index_rows(other, None, 9).await.expect("rows"), []);
}

pub async fn versions_are_numbered_each_for_itself(two: Two) {
    let id = bucket(&*two.one, "photos").await.id;
    let put_version = |order| IndexChange::PutVersion(version("a", order, false));
    apply(&two.one, id, 9, put("a", 1)).await;
    apply(&two.one, id, 4, put_version(2)).await;
    apply(&two.other, id, 6, IndexChange::DeleteVersion(version("a", 1, false).row.key, 1)).await;
    // The first change is too late; the next ones are in time.
    apply(&two.one, id, 5, put_version(1)).await;
    apply(&two.other, id, 3, IndexChange::DeleteVersion(version("a", 2, false).row.key, 2)).await;
    apply(&two.other, id, 5, put_version(3)).await;
    let versions = two.one.index_versions(id, None, 9).await.expect("a page");
    assert_eq!(versions, [version("a", 3, false), version("a", 2, false)]);
    assert_eq!(two.one.index_rows(id, None, 9).await.expect("rows"), [row("a", 1)]);
}
