//! Promises about closing the catalog.

use super::sample::{bucket, completed, key, name, new_bucket, owner, part, put, upload, upload_id};
use causeway::{
    catalog::{BucketChange, BucketsQuery, Catalog, CatalogError, CatalogErrorKind, Expected, NewDocument},
    model::{AccessKey, Timestamp},
    store::{ListRequest, ListUploadsRequest},
};
use std::{sync::Arc, time::Duration};

pub async fn what_was_called_before_closing_is_committed_and_what_comes_later_fails(
    catalog: Arc<dyn Catalog>,
) {
    let id = bucket(&*catalog, "photos").await.id;
    let one = upload_id("one");
    let early: Vec<_> = (0..200).map(|n| catalog.index(id, put(&format!("{n}"), 1))).collect();
    catalog.close().await.expect("closed");
    for commit in early {
        commit.await.expect("committed");
    }
    fn is_closed<T>(outcome: Result<T, CatalogError>) {
        assert_eq!(outcome.err().map(|error| error.kind()), Some(CatalogErrorKind::Closed));
    }
    is_closed(catalog.create_bucket(new_bucket("others")).await);
    is_closed(catalog.bucket(&name("photos")).await);
    is_closed(catalog.buckets(BucketsQuery { limit: 1, ..Default::default() }).await);
    is_closed(catalog.update_bucket(id, Expected::Any, BucketChange::Owner(owner("bob"))).await);
    is_closed(catalog.delete_bucket(id).await);
    is_closed(catalog.documents(id).await);
    is_closed(
        catalog
            .set_document(id, Expected::Any, NewDocument { kind: "acl".into(), body: String::new() })
            .await,
    );
    is_closed(catalog.delete_document(id, "acl", Expected::Any).await);
    is_closed(catalog.identities().await);
    is_closed(catalog.remove_identity(&AccessKey("alice".into()), Expected::Any).await);
    is_closed(catalog.iam().await);
    is_closed(catalog.change_iam(Vec::new(), Expected::Any).await);
    is_closed(catalog.acquire_lease("scan", "me", Duration::from_secs(1)).await);
    is_closed(catalog.index(id, put("a", 1)).await);
    is_closed(catalog.index_versions(id, None, 1).await);
    is_closed(catalog.list(id, ListRequest { limit: 1, ..Default::default() }).await);
    is_closed(catalog.index_rows(id, None, 1).await);
    is_closed(catalog.index_lookup(id, vec![key("a")]).await);
    is_closed(catalog.state(id, "scan").await);
    is_closed(catalog.set_state(id, "scan", None).await);
    is_closed(catalog.begin_upload(upload(id, "one", "a", 1)).await);
    is_closed(catalog.upload(id, &one).await);
    is_closed(catalog.list_uploads(id, ListUploadsRequest { limit: 1, ..Default::default() }).await);
    is_closed(catalog.put_part(id, &one, part(1, "here")).await);
    is_closed(catalog.parts(id, &one, 0, 1).await);
    is_closed(catalog.finish_upload(id, &one, completed("a", 1)).await);
    is_closed(catalog.completed_upload(id, &one).await);
    is_closed(catalog.abort_upload(id, &one).await);
    is_closed(catalog.stale_uploads(Timestamp::from_millis(1), 1).await);
    is_closed(catalog.forget_completed(Timestamp::from_millis(1)).await);
    is_closed(catalog.close().await);
}
