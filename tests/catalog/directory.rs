//! Promises about the directories that scans record.

use super::sample::{bucket, put};
use causeway::catalog::{Catalog, DirectoryRow};
use std::sync::Arc;

fn row(path: &str, seen: &[u8]) -> DirectoryRow {
    DirectoryRow { path: path.into(), seen: seen.into() }
}

pub async fn directories_are_found_as_they_were_seen_in_the_order_of_their_paths(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let other = bucket(&*catalog, "others").await.id;
    let rows = [row("", b"\xff\0"), row("a", b""), row("a-b", b"1"), row("a/b", b"2"), row("é", b"3")];
    let mut unordered = rows.to_vec();
    unordered.reverse();
    catalog.set_directories(id, unordered, Vec::new()).await.expect("recorded");
    catalog.set_directories(other, vec![row("a", b"other")], Vec::new()).await.expect("recorded");
    assert_eq!(catalog.directories(id, None, 9).await.expect("read"), rows);
    assert_eq!(catalog.directories(id, None, 2).await.expect("read"), rows[..2]);
    assert_eq!(catalog.directories(id, Some(String::new()), 2).await.expect("read"), rows[1..3]);
    assert_eq!(catalog.directories(id, Some("a-b".into()), 9).await.expect("read"), rows[3..]);
    let found = catalog.directory_lookup(id, ["a/b", "b", ""].map(str::to_owned).into()).await.expect("read");
    assert_eq!(found, [Some(b"2".to_vec()), None, Some(b"\xff\0".to_vec())]);

    let gone = ["a", "not there"].map(str::to_owned).into();
    catalog.set_directories(id, vec![row("a/b", b"4")], gone).await.expect("recorded");
    let left = [rows[0].clone(), rows[2].clone(), row("a/b", b"4"), rows[4].clone()];
    assert_eq!(catalog.directories(id, None, 9).await.expect("read"), left);
    assert_eq!(catalog.directories(other, None, 9).await.expect("read"), [row("a", b"other")]);
}

pub async fn directories_go_with_their_bucket(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let other = bucket(&*catalog, "others").await.id;
    for bucket in [id, other] {
        catalog.set_directories(bucket, vec![row("a", b"1")], Vec::new()).await.expect("recorded");
    }
    catalog.delete_bucket(id).await.expect("deleted");
    // A scan that was in progress has no effect.
    catalog.set_directories(id, vec![row("late", b"1")], Vec::new()).await.expect("no effect");
    catalog.index(other, put("a", 1)).await.expect("indexed");
    assert_eq!(catalog.directories(id, None, 9).await.expect("read"), []);
    assert_eq!(catalog.directory_lookup(id, vec!["a".into()]).await.expect("read"), [None]);
    assert_eq!(catalog.directories(other, None, 9).await.expect("read"), [row("a", b"1")]);
}
