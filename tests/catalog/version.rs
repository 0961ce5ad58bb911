//! Promises about versions in the key index, beside the rows that LIST shows.

use super::{
    index::keys,
    sample::{bucket, key, put, row},
};
use causeway::{
    catalog::{BucketId, BucketSize, Catalog, IndexChange, IndexRow, RowVersion, VersionRow},
    model::CanonicalId,
};
use futures_util::future::join_all;
use std::sync::Arc;

pub fn version(of: &str, order: u64, is_marker: bool) -> VersionRow {
    let version = RowVersion { id: Some(format!("id-{order}").into()), order };
    VersionRow { row: IndexRow { version, ..row(of, order) }, is_marker }
}

async fn put_all(catalog: &dyn Catalog, bucket: BucketId, versions: &[VersionRow]) {
    for version in versions {
        catalog.index(bucket, IndexChange::PutVersion(version.clone())).await.expect("indexed");
    }
}

pub async fn versions_are_listed_by_key_and_of_one_key_the_newest_first(catalog: Arc<dyn Catalog>) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    let mut null = version("a", 2, false);
    null.row.version.id = None;
    null.row.owner = CanonicalId::parse("42b0");
    let all = [
        version("a", 9, true),
        version("a", 7, false),
        null,
        version("a/b", u64::from(u32::MAX), false),
        version("a/b", 0, false),
        version("b", 8, false),
    ];
    put_all(&*catalog, id, &[version("a", 7, true), all[4].clone(), all[1].clone(), all[3].clone()]).await;
    put_all(&*catalog, id, &[all[5].clone(), all[2].clone(), all[0].clone()]).await;
    put_all(&*catalog, other, &[version("a", 5, false)]).await;
    for limit in 1..8 {
        let (mut after, mut listed) = (None, Vec::new());
        loop {
            let page = catalog.index_versions(id, after.take(), limit).await.expect("a page");
            assert!(page.len() <= limit);
            listed.extend_from_slice(&page);
            let Some(last) = page.last() else { break };
            after = Some((last.row.key.clone(), last.row.version.order));
        }
        assert_eq!(listed, all, "{limit}");
    }
    catalog.index(id, IndexChange::DeleteVersion(key("a"), 7)).await.expect("deleted");
    catalog.index(id, IndexChange::DeleteVersion(key("a"), 6)).await.expect("there is none");
    let left = catalog.index_versions(id, None, 3).await.expect("a page");
    assert_eq!(left, [all[0].clone(), all[2].clone(), all[3].clone()]);
}

pub async fn versions_change_nothing_of_what_list_shows(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let current = IndexRow { version: RowVersion { id: Some("id-9".into()), order: 9 }, ..row("a", 3) };
    catalog.index(id, IndexChange::Put(current.clone())).await.expect("indexed");
    catalog.index(id, put("c", 1)).await.expect("indexed");
    put_all(&*catalog, id, &[version("a", 7, false), version("b", 8, true), version("c", 1, false)]).await;
    assert_eq!(keys(&*catalog, id).await, ["a", "c"]);
    assert_eq!(catalog.index_rows(id, None, 9).await.expect("rows"), [current.clone(), row("c", 1)]);
    assert_eq!(
        catalog.index_lookup(id, ["b", "a"].map(key).to_vec()).await.expect("rows"),
        [None, Some(current)]
    );
    let sizes = catalog.bucket_sizes(9).await.expect("read").largest;
    assert_eq!(
        sizes.iter().map(|BucketSize { objects, bytes, .. }| (*objects, *bytes)).collect::<Vec<_>>(),
        [(2, 4)]
    );
    catalog.index(id, IndexChange::DeleteVersion(key("c"), 1)).await.expect("deleted");
    assert_eq!(keys(&*catalog, id).await, ["a", "c"]);
}

pub async fn versions_go_with_their_bucket(catalog: Arc<dyn Catalog>) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    let many = (0..2500).map(|order| catalog.index(id, IndexChange::PutVersion(version("a", order, false))));
    join_all(many.collect::<Vec<_>>()).await.into_iter().collect::<Result<(), _>>().expect("indexed");
    put_all(&*catalog, other, &[version("a", 1, false)]).await;
    catalog.delete_bucket(id).await.expect("deleted");
    assert_eq!(catalog.index_versions(id, None, 9).await.expect("a page"), []);
    put_all(&*catalog, id, &[version("late", 1, false)]).await;
    assert_eq!(catalog.index_versions(id, None, 9).await.expect("a page"), []);
    assert_eq!(catalog.index_versions(other, None, 9).await.expect("a page"), [version("a", 1, false)]);
}
