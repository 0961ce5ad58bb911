//! Promises on what storage cannot keep of its objects.

use super::sample::bucket;
use causeway::{
    catalog::{BucketId, Catalog, CatalogErrorKind, ObjectRow, WhichObjects},
    model::ObjectKey,
};
use std::sync::Arc;

fn row(key: &str, stands: Option<&str>, intended: Option<&str>) -> ObjectRow {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    ObjectRow { key: ObjectKey::new(key).expect("a key"), stands: owned(stands), intended: owned(intended) }
}

async fn set(catalog: &dyn Catalog, bucket: BucketId, row: ObjectRow) {
    catalog.set_object(bucket, row).await.expect("is set");
}

pub async fn a_row_of_an_object_is_found_as_it_was_set_and_one_that_says_nothing_is_forgotten(catalog: Arc<dyn Catalog>) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    for row in [row("a//b", Some("old"), None), row("a//b", Some("old"), Some("new")), row("a//b", None, Some("new"))] {
        set(&*catalog, id, row.clone()).await;
        assert_eq!(catalog.object(id, &row.key).await.expect("answers"), Some(row.clone()));
        assert_eq!(catalog.object(other, &row.key).await.expect("answers"), None);
    }
    let nothing = row("a//b", None, None);
    set(&*catalog, id, nothing.clone()).await;
    assert_eq!(catalog.object(id, &nothing.key).await.expect("answers"), None);
    set(&*catalog, id, nothing).await;
}

pub async fn rows_of_objects_are_read_in_order_all_or_those_that_intend_something(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let rows = [row("B", Some("1"), None), row("a", None, Some("2")), row("a/", Some("3"), Some("4")), row("é", Some("5"), None)];
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
    let late = catalog.set_object(id, row("a", Some("2"), None)).await.expect_err("too late");
    assert_eq!(late.kind(), CatalogErrorKind::NotFound);
}
