//! Promises about buckets.

use super::sample::{self, bucket, delete, key, name, new_bucket, owner, put};
use causeway::{
    catalog::{
        BackendLocation, BucketChange, BucketsQuery, Catalog, CatalogErrorKind, Expected, NewBucket,
        NewReplica, Revision,
    },
    model::{TenantId, Timestamp},
    store::{ListRequest, ListUploadsRequest},
};
use futures_util::future::join_all;
use std::sync::Arc;

pub async fn a_bucket_is_found_as_it_was_created(catalog: Arc<dyn Catalog>) {
    let created = bucket(&*catalog, "photos").await;
    assert_eq!(created.bucket, new_bucket("photos"));
    assert_eq!(catalog.bucket(&name("photos")).await.expect("read"), Some(created));
    assert_eq!(catalog.bucket(&name("others")).await.expect("read"), None);
}

pub async fn of_many_who_create_one_name_one_succeeds(catalog: Arc<dyn Catalog>) {
    let outcomes = join_all((0..32).map(|_| catalog.create_bucket(new_bucket("photos")))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let errors = outcomes.into_iter().filter_map(Result::err);
    assert!(errors.map(|error| error.kind()).all(|kind| kind == CatalogErrorKind::Exists));
}

pub async fn a_bucket_apart_from_others_shares_no_place_with_them_or_their_replicas(
    catalog: Arc<dyn Catalog>,
) {
    let at = |name: &str, backend: &str, location: &str| NewBucket {
        backend: backend.into(),
        location: location.into(),
        ..new_bucket(name)
    };
    let known = catalog.create_bucket(at("known", "disk", "a/b")).await.expect("a bucket");
    let replica = NewReplica { backend: "lake".into(), location: "r".into() };
    catalog.add_replica(known.id, replica).await.expect("a replica");
    let apart = async |backend: &str, location: &str| {
        let from = vec![
            BackendLocation { backend: "none".into(), location: "x".into() },
            BackendLocation { backend: backend.into(), location: location.into() },
        ];
        match catalog.create_bucket_apart(new_bucket("new"), Vec::new(), from).await {
            Ok(made) => catalog.delete_bucket(made.id).await.map(|()| true),
            Err(error) if error.kind() == CatalogErrorKind::Overlaps => Ok(false),
            Err(error) => Err(error),
        }
    };
    for (backend, location) in [
        ("disk", "a/b"),
        ("disk", "a"),
        ("disk", ""),
        ("disk", "a/b/c"),
        ("disk", "a/b/c/d"),
        ("lake", "r"),
        ("lake", "r/s"),
    ] {
        assert!(!apart(backend, location).await.expect("answers"), "{backend} {location}");
    }
    for (backend, location) in
        [("disk", "a/bc"), ("disk", "a/b-"), ("disk", "b"), ("disk", "a/c"), ("lake", "a/b"), ("other", "")]
    {
        assert!(apart(backend, location).await.expect("answers"), "{backend} {location}");
    }
    let inside = vec![BackendLocation { backend: "disk".into(), location: "a".into() }];
    let taken = catalog.create_bucket_apart(new_bucket("known"), Vec::new(), inside).await;
    assert_eq!(taken.expect_err("is there").kind(), CatalogErrorKind::Exists);
}

pub async fn buckets_are_listed_in_pages_by_owner_and_prefix(catalog: Arc<dyn Catalog>) {
    for (of, whose) in [("b.2", "alice"), ("a-1", "bob"), ("b-3", "bob"), ("c44", "alice"), ("b01", "alice")]
    {
        let bucket = causeway::catalog::NewBucket { owner: owner(whose), ..new_bucket(of) };
        catalog.create_bucket(bucket).await.expect("a bucket");
    }
    let list = async |query: BucketsQuery| {
        let page = catalog.buckets(query).await.expect("a page");
        (page.buckets.iter().map(|b| b.bucket.name.to_string()).collect::<Vec<_>>().join(" "), page.truncated)
    };
    let all = || BucketsQuery { limit: 10, ..Default::default() };
    let page = |names: &str, truncated| (names.to_owned(), truncated);
    assert_eq!(list(all()).await, page("a-1 b-3 b.2 b01 c44", false));
    assert_eq!(list(BucketsQuery { limit: 5, ..all() }).await, page("a-1 b-3 b.2 b01 c44", false));
    assert_eq!(list(BucketsQuery { limit: 2, ..all() }).await, page("a-1 b-3", true));
    assert_eq!(
        list(BucketsQuery { limit: 2, after: Some("b-3".into()), ..all() }).await,
        page("b.2 b01", true)
    );
    assert_eq!(list(BucketsQuery { limit: 2, after: Some("b01".into()), ..all() }).await, page("c44", false));
    assert_eq!(list(BucketsQuery { limit: 0, ..all() }).await, page("", false));
    assert_eq!(list(BucketsQuery { prefix: "b".into(), limit: 2, ..all() }).await, page("b-3 b.2", true));
    assert_eq!(
        list(BucketsQuery { prefix: "b".into(), after: Some("a".into()), ..all() }).await,
        page("b-3 b.2 b01", false)
    );
    assert_eq!(list(BucketsQuery { owner: Some("alice".into()), ..all() }).await, page("b.2 b01 c44", false));
    let alices = BucketsQuery {
        owner: Some("alice".into()),
        prefix: "b".into(),
        after: Some("b.2".into()),
        limit: 1,
        ..Default::default()
    };
    assert_eq!(list(alices).await, page("b01", false));
    assert_eq!(list(BucketsQuery { owner: Some("carol".into()), ..all() }).await, page("", false));
    let besides = |names: &[&str]| BucketsQuery {
        owner: Some("alice".into()),
        besides: names.iter().map(|besides| name(besides)).collect(),
        ..all()
    };
    assert_eq!(list(besides(&["a-1", "missing"])).await, page("a-1 b.2 b01 c44", false));
    assert_eq!(list(BucketsQuery { limit: 2, ..besides(&["b-3", "b01"]) }).await, page("b-3 b.2", true));
    assert_eq!(
        list(BucketsQuery { after: Some("b.2".into()), prefix: "b".into(), ..besides(&["a-1", "b-3"]) })
            .await,
        page("b01", false)
    );
}

pub async fn a_bucket_that_was_given_away_is_its_new_owners(catalog: Arc<dyn Catalog>) {
    let mut record = bucket(&*catalog, "photos").await;
    let read = Expected::Exactly(record.revision);
    record.revision =
        catalog.update_bucket(record.id, read, BucketChange::Owner(owner("bob"))).await.expect("changed");
    assert_ne!(read, Expected::Exactly(record.revision));
    record.bucket.owner = owner("bob");
    assert_eq!(catalog.bucket(&name("photos")).await.expect("read"), Some(record));
    let page = catalog
        .buckets(BucketsQuery { owner: Some("bob".into()), limit: 9, ..Default::default() })
        .await
        .expect("a page");
    assert_eq!(page.buckets.len(), 1);
}

pub async fn a_name_is_one_tenants_own(catalog: Arc<dyn Catalog>) {
    let acme = TenantId::parse("acme").expect("a tenant");
    let ours = bucket(&*catalog, "photos").await;
    let theirs = NewBucket { tenant: acme.clone(), location: "acme/photos".into(), ..new_bucket("photos") };
    let theirs = catalog.create_bucket(theirs).await.expect("the name is free");
    assert_ne!(ours.id, theirs.id);
    assert_eq!(catalog.bucket(&name("photos")).await.expect("read"), Some(ours.clone()));
    assert_eq!(catalog.bucket_of(&acme, &name("photos")).await.expect("read"), Some(theirs.clone()));
    let list = async |tenant: &TenantId, owner: Option<&str>| {
        let query = BucketsQuery {
            tenant: tenant.clone(),
            owner: owner.map(str::to_owned),
            limit: 9,
            ..Default::default()
        };
        catalog.buckets(query).await.expect("a page").buckets
    };
    let default = TenantId::default();
    // The same owner id in another tenant is another owner.
    for owner in [None, Some("alice")] {
        assert_eq!(
            (list(&default, owner).await, list(&acme, owner).await),
            (vec![ours.clone()], vec![theirs.clone()])
        );
    }
    let taken = catalog
        .create_bucket(NewBucket { tenant: acme.clone(), ..new_bucket("photos") })
        .await
        .expect_err("theirs");
    assert_eq!(taken.kind(), CatalogErrorKind::Exists);
    catalog.delete_bucket(ours.id).await.expect("deleted");
    assert_eq!(catalog.bucket_of(&acme, &name("photos")).await.expect("read"), Some(theirs));
}

pub async fn changing_a_bucket_that_is_gone_is_not_found(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    catalog.delete_bucket(id).await.expect("deleted");
    for expected in [Expected::Any, Expected::Exactly(Revision(1))] {
        let error =
            catalog.update_bucket(id, expected, BucketChange::Owner(owner("bob"))).await.expect_err("gone");
        assert_eq!(error.kind(), CatalogErrorKind::NoSuchBucket);
    }
}

pub async fn an_id_is_never_used_again(catalog: Arc<dyn Catalog>) {
    let mut seen = Vec::new();
    for _ in 0..3 {
        let id = bucket(&*catalog, "photos").await.id;
        assert!(!seen.contains(&id));
        seen.push(id);
        catalog.delete_bucket(id).await.expect("deleted");
    }
}

pub async fn a_deleted_bucket_takes_everything_with_it(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let other = bucket(&*catalog, "others").await.id;
    for bucket in [id, other] {
        catalog.index(bucket, put("a", 1)).await.expect("indexed");
        catalog.set_state(bucket, "scan", Some("half".into())).await.expect("set");
        for upload in ["one", "two"] {
            catalog.begin_upload(sample::upload(bucket, upload, "b", 5)).await.expect("begun");
            catalog.put_part(bucket, &sample::upload_id(upload), sample::part(1, "here")).await.expect("put");
        }
        catalog
            .finish_upload(bucket, &sample::upload_id("two"), sample::completed("b", 9))
            .await
            .expect("finished");
    }
    catalog.delete_bucket(id).await.expect("deleted");
    // A write that was in progress has no effect.
    catalog.index(id, put("late", 1)).await.expect("indexed");
    catalog.index(id, delete("a")).await.expect("indexed");
    catalog.set_state(id, "late", Some("whole".into())).await.expect("set");
    for (bucket, left) in [(id, 0), (other, 1)] {
        let one = sample::upload_id("one");
        assert_eq!(
            catalog
                .list(bucket, ListRequest { limit: 9, ..Default::default() })
                .await
                .expect("a page")
                .entries
                .len(),
            left
        );
        assert_eq!(catalog.index_rows(bucket, None, 9).await.expect("rows").len(), left);
        assert_eq!(catalog.index_lookup(bucket, vec![key("a")]).await.expect("rows")[0].iter().count(), left);
        assert_eq!(catalog.state(bucket, "scan").await.expect("read").iter().count(), left);
        assert_eq!(catalog.state(bucket, "late").await.expect("read"), None);
        assert_eq!(catalog.upload(bucket, &one).await.expect("read").iter().count(), left);
        assert_eq!(catalog.parts(bucket, &one, 0, 9).await.expect("read").len(), left);
        assert_eq!(
            catalog.completed_upload(bucket, &sample::upload_id("two")).await.expect("read").iter().count(),
            left
        );
        let request = ListUploadsRequest { limit: 9, ..Default::default() };
        assert_eq!(catalog.list_uploads(bucket, request).await.expect("a page").entries.len(), left);
    }
    assert_eq!(catalog.stale_uploads(Timestamp::from_millis(10), 9).await.expect("read").len(), 1);
    let error =
        catalog.put_part(id, &sample::upload_id("one"), sample::part(1, "here")).await.expect_err("gone");
    assert_eq!(error.kind(), CatalogErrorKind::NoSuchUpload);
    let again = bucket(&*catalog, "photos").await;
    assert!(again.id != id);
}

pub async fn a_big_index_of_a_deleted_bucket_is_out_of_sight_at_once(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let other = bucket(&*catalog, "others").await.id;
    let rows: Vec<_> = (0..5000).map(|n| catalog.index(id, put(&format!("{n}"), 1))).collect();
    join_all(rows).await.into_iter().collect::<Result<(), _>>().expect("indexed");
    catalog.delete_bucket(id).await.expect("deleted");
    assert_eq!(catalog.index_rows(id, None, 9).await.expect("rows"), []);
    // Changes of another bucket are committed meanwhile, and none is lost.
    for n in 0..20 {
        catalog.index(other, put(&format!("{n}"), 1)).await.expect("indexed");
        assert_eq!(catalog.index_rows(id, None, 9).await.expect("rows"), []);
    }
    assert_eq!(catalog.index_rows(other, None, 99).await.expect("rows").len(), 20);
}

pub async fn deleting_a_bucket_twice_is_harmless(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    for _ in 0..2 {
        catalog.delete_bucket(id).await.expect("deleted");
    }
    assert_eq!(catalog.bucket(&name("photos")).await.expect("read"), None);
}
