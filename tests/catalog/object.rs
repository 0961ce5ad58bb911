//! Promises about the metadata that storage cannot keep of its objects.

use super::sample::bucket;
use causeway::{
    catalog::{BucketId, Catalog, CatalogErrorKind, Expected, ObjectRow, Revision, WhichObjects},
    model::ObjectKey,
};
use std::sync::Arc;

fn row(key: &str, committed: Option<&str>, pending: Option<&str>) -> ObjectRow {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    ObjectRow {
        key: ObjectKey::new(key).expect("a key"),
        committed: owned(committed),
        pending: owned(pending),
    }
}

async fn set(catalog: &dyn Catalog, bucket: BucketId, row: ObjectRow) {
    catalog.set_object(bucket, Expected::Any, row).await.expect("is set");
}

pub async fn a_row_of_an_object_is_found_as_it_was_set_and_one_that_says_nothing_is_forgotten(
    catalog: Arc<dyn Catalog>,
) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    for row in [
        row("a//b", Some("old"), None),
        row("a//b", Some("old"), Some("new")),
        row("a//b", None, Some("new")),
    ] {
        set(&*catalog, id, row.clone()).await;
        assert_eq!(
            catalog.object(id, &row.key).await.expect("answers").map(|stored| stored.row),
            Some(row.clone())
        );
        assert_eq!(catalog.object(other, &row.key).await.expect("answers"), None);
    }
    let nothing = row("a//b", None, None);
    set(&*catalog, id, nothing.clone()).await;
    assert_eq!(catalog.object(id, &nothing.key).await.expect("answers"), None);
    set(&*catalog, id, nothing).await;
}

pub async fn rows_of_objects_are_read_in_order_all_or_those_that_intend_something(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let rows = [
        row("B", Some("1"), None),
        row("a", None, Some("2")),
        row("a/", Some("3"), Some("4")),
        row("é", Some("5"), None),
    ];
    for row in rows.iter().rev() {
        set(&*catalog, id, row.clone()).await;
    }
    let all = catalog.objects(id, None, 9, WhichObjects::All).await.expect("answers");
    assert_eq!(all, rows);
    let after = Some(rows[0].key.clone());
    assert_eq!(catalog.objects(id, after, 2, WhichObjects::All).await.expect("answers"), rows[1..3]);
    assert_eq!(catalog.objects(id, None, 9, WhichObjects::Unsettled).await.expect("answers"), rows[1..3]);
    let after = Some(rows[1].key.clone());
    assert_eq!(catalog.objects(id, after, 9, WhichObjects::Unsettled).await.expect("answers"), rows[2..3]);
}

pub async fn rows_of_objects_go_with_their_bucket_and_come_to_no_other(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    set(&*catalog, id, row("a", Some("1"), None)).await;
    catalog.delete_bucket(id).await.expect("is deleted");
    assert_eq!(catalog.objects(id, None, 9, WhichObjects::All).await.expect("answers"), []);
    let late = catalog.set_object(id, Expected::Any, row("a", Some("2"), None)).await.expect_err("too late");
    assert_eq!(late.kind(), CatalogErrorKind::NoSuchBucket);
}

pub async fn a_row_is_swapped_only_for_what_was_read(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let swap = async |expected, row: ObjectRow| {
        catalog.set_object(id, expected, row).await.map_err(|error| error.kind())
    };
    let one = swap(Expected::ABSENT, row("a", Some("1"), None)).await.expect("nothing was there");
    assert_eq!(swap(Expected::ABSENT, row("a", Some("2"), None)).await, Err(CatalogErrorKind::Conflict));
    let two = swap(Expected::Exactly(one), row("a", Some("2"), None)).await.expect("swapped");
    for old in [row("a", Some("3"), None), row("a", None, None)] {
        assert_eq!(swap(Expected::Exactly(one), old).await, Err(CatalogErrorKind::Conflict));
    }
    let stored = catalog.object(id, &row("a", None, None).key).await.expect("answers").expect("a row");
    assert_eq!((stored.row, stored.revision), (row("a", Some("2"), None), two));
    assert_eq!(swap(Expected::Exactly(two), row("a", None, None)).await, Ok(Revision::NONE));
    // A row that is created again gets a new revision, even with the same content.
    let again = swap(Expected::ABSENT, row("a", Some("2"), None)).await.expect("nothing was there");
    assert!(again != two && again != one);
    assert_eq!(
        swap(Expected::Exactly(two), row("a", Some("4"), None)).await,
        Err(CatalogErrorKind::Conflict)
    );
}

pub async fn versions_behind_a_row_come_newest_first_and_leave_it_alone(catalog: Arc<dyn Catalog>) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    set(&*catalog, id, row("a", Some("now"), None)).await;
    let set_version = async |order, expected, row: ObjectRow| {
        catalog.set_object_version(id, order, expected, row).await.map_err(|error| error.kind())
    };
    for (order, says) in [(5, "five"), (9, "nine"), (7, "seven")] {
        set_version(order, Expected::ABSENT, row("a", Some(says), None)).await.expect("set");
    }
    set_version(6, Expected::ABSENT, row("b", Some("another key's"), None)).await.expect("set");
    let versions = async || {
        let versions = catalog.object_versions(id, &row("a", None, None).key).await.expect("answers");
        versions
            .into_iter()
            .map(|version| {
                (version.order, version.stored.row.committed.expect("words"), version.stored.revision)
            })
            .collect()
    };
    let found: Vec<(u64, String, Revision)> = versions().await;
    assert_eq!(
        found.iter().map(|(order, says, _)| (*order, says.as_str())).collect::<Vec<_>>(),
        [(9, "nine"), (7, "seven"), (5, "five")]
    );
    assert_eq!(
        set_version(7, Expected::ABSENT, row("a", Some("x"), None)).await,
        Err(CatalogErrorKind::Conflict)
    );
    assert_eq!(set_version(7, Expected::Exactly(found[1].2), row("a", None, None)).await, Ok(Revision::NONE));
    assert_eq!(versions().await, [found[0].clone(), found[2].clone()]);
    assert_eq!(
        catalog.objects(id, None, 9, WhichObjects::All).await.expect("answers"),
        [row("a", Some("now"), None)]
    );
    assert_eq!(catalog.object_versions(other, &row("a", None, None).key).await.expect("answers"), []);
    catalog.delete_bucket(id).await.expect("deleted");
    assert_eq!(catalog.object_versions(id, &row("a", None, None).key).await.expect("answers"), []);
}
