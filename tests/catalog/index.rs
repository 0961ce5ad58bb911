//! Promises about the key index.

use super::sample::{bucket, delete, key, put, row};
use causeway::{
    catalog::{BucketId, Catalog, IndexChange, IndexRow},
    model::{CanonicalId, ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ETag, MAX_KEY_BYTES},
    store::{ListEntry, ListRequest, ListedObject},
};
use futures_util::future::join_all;
use std::sync::Arc;

pub async fn keys(catalog: &dyn Catalog, bucket: BucketId) -> Vec<String> {
    let page = catalog.list(bucket, ListRequest { limit: 1000, ..Default::default() }).await.expect("a page");
    assert!(!page.truncated);
    page.entries.iter().map(|entry| entry.name().to_owned()).collect()
}

pub async fn a_row_comes_back_as_it_was_put(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let spec = |algorithm, kind| Some(ChecksumSpec { algorithm, kind });
    let rows = [
        IndexRow { fingerprint: Vec::new(), ..row("\u{0}", 0) },
        IndexRow {
            etag: ETag::multipart([1; 16], 12),
            checksum: spec(ChecksumAlgorithm::Sha1, ChecksumKind::Composite),
            ..row("a//b/../", 1)
        },
        IndexRow { etag: ETag::opaque("not-known-yet"), ..row(&"k".repeat(MAX_KEY_BYTES), 5 << 40) },
        IndexRow {
            checksum: spec(ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject),
            owner: CanonicalId::parse("42b0"),
            ..row("é\u{10ffff}", 3)
        },
    ];
    for row in &rows {
        catalog.index(id, put(row.key.as_str(), 99)).await.expect("indexed");
        catalog.index(id, IndexChange::Put(row.clone())).await.expect("indexed");
    }
    assert_eq!(catalog.index_rows(id, None, 10).await.expect("rows"), rows);
    let page = catalog.list(id, ListRequest { limit: 10, ..Default::default() }).await.expect("a page");
    let listed = rows.iter().cloned().map(|row| {
        let IndexRow { key, size, etag, last_modified, checksum, owner, .. } = row;
        ListEntry::Object(ListedObject {
            key,
            size,
            etag,
            last_modified,
            checksum,
            storage_class: None,
            owner,
        })
    });
    assert_eq!(page.entries, listed.collect::<Vec<_>>());
}

pub async fn changes_of_a_key_take_effect_in_the_order_of_their_calls(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    for round in 0..50u64 {
        let mut commits = Vec::new();
        for n in 0..20 {
            commits.push(catalog.index(id, if n % 3 == 0 { delete("a") } else { put("a", round + n) }));
            commits.push(catalog.index(id, if n % 3 == 0 { put("b", round + n) } else { delete("b") }));
        }
        // The commits are awaited in reverse order.
        for commit in commits.into_iter().rev() {
            commit.await.expect("indexed");
        }
        let found = catalog.index_lookup(id, vec![key("a"), key("b")]).await.expect("rows");
        assert_eq!(found, [Some(row("a", round + 19)), None]);
    }
}

pub async fn a_change_whose_future_is_dropped_is_made(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    drop(catalog.index(id, put("a", 1)));
    catalog.index(id, put("b", 1)).await.expect("indexed");
    assert_eq!(keys(&*catalog, id).await, ["a", "b"]);
}

pub async fn concurrent_changes_are_all_made(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let tasks = (0..16).map(|task| {
        let catalog = catalog.clone();
        tokio::spawn(async move {
            for n in 0..40 {
                catalog.index(id, put(&format!("{task:02}/{n:02}"), n)).await.expect("indexed");
                // A committed change is visible to the caller.
                assert!(
                    catalog.index_lookup(id, vec![key(&format!("{task:02}/{n:02}"))]).await.expect("rows")[0]
                        .is_some()
                );
            }
        })
    });
    for task in join_all(tasks).await {
        task.expect("no panic");
    }
    assert_eq!(keys(&*catalog, id).await.len(), 640);
}

pub async fn keys_are_listed_in_the_order_of_their_bytes(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let mut names = [
        "b",
        "B",
        "a",
        "a/",
        "a/b",
        "a0",
        "a-",
        "é",
        "z",
        "\u{1}",
        "a\u{0}b",
        "\u{ffff}",
        "\u{10000}",
        "~",
        "10",
        "9",
    ];
    for name in names {
        catalog.index(id, put(name, 1)).await.expect("indexed");
    }
    names.sort_by_key(|name| name.as_bytes());
    assert_eq!(keys(&*catalog, id).await, names);
}

pub async fn rows_are_read_above_a_key_and_looked_up_in_the_order_asked(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    for name in ["c", "a", "d", "b"] {
        catalog.index(id, put(name, 1)).await.expect("indexed");
    }
    let rows =
        async |after: Option<&str>, limit| catalog.index_rows(id, after.map(key), limit).await.expect("rows");
    assert_eq!(rows(None, 2).await, [row("a", 1), row("b", 1)]);
    assert_eq!(rows(Some("b"), 2).await, [row("c", 1), row("d", 1)]);
    assert_eq!(rows(Some("bb"), 1).await, [row("c", 1)]);
    assert_eq!(rows(Some("d"), 2).await, []);
    assert_eq!(rows(None, 0).await, []);
    let found = catalog.index_lookup(id, ["d", "x", "a", "d"].map(key).to_vec()).await.expect("rows");
    assert_eq!(found, [Some(row("d", 1)), None, Some(row("a", 1)), Some(row("d", 1))]);
    assert_eq!(catalog.index_lookup(id, Vec::new()).await.expect("rows"), []);
}

pub async fn a_bucket_does_not_see_the_keys_of_another(catalog: Arc<dyn Catalog>) {
    let (one, two) = (bucket(&*catalog, "one").await.id, bucket(&*catalog, "two").await.id);
    for (id, size) in [(one, 1), (two, 2)] {
        catalog.index(id, put("same", size)).await.expect("indexed");
    }
    catalog.index(one, put("zzz", 1)).await.expect("indexed");
    catalog.index(two, delete("zzz")).await.expect("indexed");
    assert_eq!(keys(&*catalog, one).await, ["same", "zzz"]);
    assert_eq!(catalog.index_rows(two, None, 9).await.expect("rows"), [row("same", 2)]);
}

pub async fn state_is_set_replaced_and_forgotten(catalog: Arc<dyn Catalog>) {
    let (one, two) = (bucket(&*catalog, "one").await.id, bucket(&*catalog, "two").await.id);
    let state = async |id, name| catalog.state(id, name).await.expect("read");
    assert_eq!(state(one, "scan").await, None);
    for value in ["begun", "", "done"] {
        catalog.set_state(one, "scan", Some(value.into())).await.expect("set");
        assert_eq!(state(one, "scan").await.as_deref(), Some(value));
    }
    catalog.set_state(one, "seen", Some("7".into())).await.expect("set");
    assert_eq!(state(two, "scan").await, None);
    catalog.set_state(one, "scan", None).await.expect("forgotten");
    assert_eq!(state(one, "scan").await, None);
    assert_eq!(state(one, "seen").await.as_deref(), Some("7"));
}
