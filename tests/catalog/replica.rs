//! Promises about replicas: drivers see a replica as a bucket, and nothing else does.

use super::sample::{self, bucket, key, new_bucket, put};
use causeway::{
    catalog::{
        BucketChange, BucketId, BucketsQuery, Catalog, CatalogErrorKind, Expected, LeftLocation, NewDocument,
        NewReplica, ObjectRow, ReplicaChange, ReplicaRecord, WhichObjects,
    },
    model::Timestamp,
    store::{ListRequest, ListUploadsRequest},
};
use std::sync::Arc;

fn new(backend: &str) -> NewReplica {
    NewReplica { backend: backend.to_owned(), location: format!("{backend}/photos") }
}

async fn add(catalog: &dyn Catalog, to: BucketId, backend: &str) -> ReplicaRecord {
    catalog.add_replica(to, new(backend)).await.expect("a replica")
}

async fn backends(catalog: &dyn Catalog, of: BucketId) -> Vec<String> {
    catalog.replicas(of).await.expect("read").into_iter().map(|replica| replica.backend).collect()
}

/// Stores something of every kind in the bucket.
async fn fill(catalog: &dyn Catalog, bucket: BucketId) {
    catalog.index(bucket, put("a", 1)).await.expect("indexed");
    catalog.set_state(bucket, "scan", Some("half".into())).await.expect("set");
    catalog
        .set_object(
            bucket,
            Expected::Any,
            ObjectRow { key: key("a"), committed: Some("1".into()), pending: None },
        )
        .await
        .expect("set");
    for upload in ["one", "two"] {
        catalog.begin_upload(sample::upload(bucket, upload, "b", 5)).await.expect("begun");
        catalog.put_part(bucket, &sample::upload_id(upload), sample::part(1, "here")).await.expect("put");
    }
    catalog
        .finish_upload(bucket, &sample::upload_id("two"), sample::completed("b", 9))
        .await
        .expect("finished");
}

/// The number of rows of each kind.
async fn held(catalog: &dyn Catalog, bucket: BucketId) -> [usize; 8] {
    let (one, two) = (sample::upload_id("one"), sample::upload_id("two"));
    [
        catalog
            .list(bucket, ListRequest { limit: 9, ..Default::default() })
            .await
            .expect("a page")
            .entries
            .len(),
        catalog.index_rows(bucket, None, 9).await.expect("rows").len(),
        catalog.state(bucket, "scan").await.expect("read").iter().count(),
        catalog.objects(bucket, None, 9, WhichObjects::All).await.expect("rows").len(),
        catalog.upload(bucket, &one).await.expect("read").iter().count(),
        catalog.parts(bucket, &one, 0, 9).await.expect("read").len(),
        catalog.completed_upload(bucket, &two).await.expect("read").iter().count(),
        catalog
            .list_uploads(bucket, ListUploadsRequest { limit: 9, ..Default::default() })
            .await
            .expect("a page")
            .entries
            .len(),
    ]
}

pub async fn the_replicas_of_all_buckets_are_read_at_once(catalog: Arc<dyn Catalog>) {
    let (one, two) = (bucket(&*catalog, "one").await.id, bucket(&*catalog, "two").await.id);
    bucket(&*catalog, "alone").await;
    assert_eq!(catalog.all_replicas().await.expect("read"), []);
    let of_two = [add(&*catalog, two, "b").await, add(&*catalog, two, "a").await];
    let of_one = add(&*catalog, one, "c").await;
    let [first, second] = of_two;
    let expected = [(one, of_one), (two, first), (two, second)];
    assert_eq!(catalog.all_replicas().await.expect("read"), expected);
}

pub async fn a_replica_is_found_as_it_was_added_until_it_has_everything(catalog: Arc<dyn Catalog>) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    let added = add(&*catalog, id, "disk").await;
    let NewReplica { backend, location } = new("disk");
    let ReplicaRecord { id: own, rank, revision, .. } = added;
    assert_eq!(
        added,
        ReplicaRecord {
            id: own,
            backend,
            location,
            rank,
            revision,
            seeded: false,
            refilled: false,
            unmade: false
        }
    );
    assert_eq!(catalog.replicas(id).await.expect("read"), std::slice::from_ref(&added));
    assert_eq!(catalog.replicas(other).await.expect("read"), []);
    let read = Expected::Exactly(revision);
    let revision = catalog.update_replica(added.id, read, ReplicaChange::Seeded).await.expect("changed");
    assert_eq!(
        catalog.replicas(id).await.expect("read"),
        [ReplicaRecord { seeded: true, revision, ..added }]
    );
    for late in [
        catalog.update_replica(own, read, ReplicaChange::Unmade).await.err(),
        catalog.renew_replica(own, read).await.err(),
    ] {
        assert_eq!(late.map(|error| error.kind()), Some(CatalogErrorKind::Conflict));
    }
}

pub async fn a_bucket_has_one_replica_on_a_backend_and_a_replica_has_none(catalog: Arc<dyn Catalog>) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    let gone = bucket(&*catalog, "gone").await.id;
    catalog.delete_bucket(gone).await.expect("deleted");
    let first = add(&*catalog, id, "disk").await;
    let kind = async |of, backend| catalog.add_replica(of, new(backend)).await.expect_err("refused").kind();
    assert_eq!(kind(id, "disk").await, CatalogErrorKind::Exists);
    assert_eq!(kind(gone, "disk").await, CatalogErrorKind::NoSuchBucket);
    assert_eq!(kind(first.id, "lake").await, CatalogErrorKind::NoSuchBucket);
    // A replica of another bucket on the same backend is independent.
    add(&*catalog, other, "disk").await;
    assert_eq!(catalog.replicas(id).await.expect("read"), [first]);
}

pub async fn replicas_come_in_order_of_rank_and_the_newest_ranks_last(catalog: Arc<dyn Catalog>) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    let mut added = Vec::new();
    for backend in ["c", "a", "b"] {
        // Ranks of two buckets are independent.
        add(&*catalog, other, backend).await;
        added.push(add(&*catalog, id, backend).await);
    }
    assert_eq!(backends(&*catalog, id).await, ["c", "a", "b"]);
    for (first, expected) in
        [(2, ["b", "c", "a"]), (1, ["a", "b", "c"]), (1, ["a", "b", "c"]), (0, ["c", "a", "b"])]
    {
        catalog.update_replica(added[first].id, Expected::Any, ReplicaChange::First).await.expect("changed");
        assert_eq!(backends(&*catalog, id).await, expected);
    }
    add(&*catalog, id, "d").await;
    assert_eq!(backends(&*catalog, id).await, ["c", "a", "b", "d"]);
    assert_eq!(backends(&*catalog, other).await, ["c", "a", "b"]);
}

pub async fn a_replica_is_no_bucket_to_whoever_lists_or_makes_buckets(catalog: Arc<dyn Catalog>) {
    let record = bucket(&*catalog, "photos").await;
    for backend in ["disk", "lake", "others"] {
        add(&*catalog, record.id, backend).await;
    }
    let list = async |query| catalog.buckets(query).await.expect("a page");
    let page = list(BucketsQuery { limit: 1, ..Default::default() }).await;
    assert_eq!((page.buckets.as_slice(), page.truncated), ([record.clone()].as_slice(), false));
    let of = BucketsQuery { owner: Some(record.bucket.owner.id.to_string()), limit: 9, ..Default::default() };
    assert_eq!(list(of).await.buckets, std::slice::from_ref(&record));
    // No bucket is found by the name of a backend or of a location.
    for name in ["disk", "lake", "others"] {
        assert_eq!(catalog.bucket(&sample::name(name)).await.expect("read"), None);
        catalog.create_bucket(new_bucket(name)).await.expect("the name is free");
    }
    catalog
        .update_bucket(record.id, Expected::Any, BucketChange::Owner(sample::owner("bob")))
        .await
        .expect("changed");
    assert_eq!(catalog.replicas(record.id).await.expect("read").len(), 3);
}

pub async fn a_renewed_replica_knows_nothing_of_what_was_before_and_keeps_its_rank(
    catalog: Arc<dyn Catalog>,
) {
    let id = bucket(&*catalog, "photos").await.id;
    let (mut disk, mut lake) = (add(&*catalog, id, "disk").await, add(&*catalog, id, "lake").await);
    for replica in [&mut disk, &mut lake] {
        replica.revision =
            catalog.update_replica(replica.id, Expected::Any, ReplicaChange::Seeded).await.expect("changed");
        replica.seeded = true;
        fill(&*catalog, replica.id).await;
    }
    let fresh = catalog.renew_replica(disk.id, Expected::Any).await.expect("renewed");
    assert_ne!(fresh.id, disk.id);
    assert_eq!(
        fresh,
        ReplicaRecord {
            id: fresh.id,
            revision: fresh.revision,
            refilled: true,
            seeded: false,
            ..disk.clone()
        }
    );
    assert_eq!(catalog.replicas(id).await.expect("read"), [fresh.clone(), lake.clone()]);
    assert_eq!((held(&*catalog, disk.id).await, held(&*catalog, fresh.id).await), ([0; 8], [0; 8]));
    assert_eq!(held(&*catalog, lake.id).await, [1; 8]);
    let revision =
        catalog.update_replica(fresh.id, Expected::Any, ReplicaChange::Seeded).await.expect("changed");
    assert_eq!(
        catalog.replicas(id).await.expect("read")[0],
        ReplicaRecord { seeded: true, refilled: false, revision, ..fresh.clone() }
    );
    for no_replica in [id, disk.id] {
        let error = catalog.renew_replica(no_replica, Expected::Any).await.expect_err("no replica");
        assert_eq!(error.kind(), CatalogErrorKind::NoSuchBucket);
    }
}

pub async fn a_bucket_goes_on_as_one_of_its_replicas_with_its_settings(catalog: Arc<dyn Catalog>) {
    let before = bucket(&*catalog, "photos").await;
    let document = NewDocument { kind: "cors".into(), body: "rules".into() };
    catalog.set_document(before.id, Expected::Any, document).await.expect("set");
    let (lake, nas) = (add(&*catalog, before.id, "lake").await, add(&*catalog, before.id, "nas").await);
    for id in [before.id, lake.id, nas.id] {
        fill(&*catalog, id).await;
    }
    let other = bucket(&*catalog, "films").await.id;
    let error = catalog.replace_bucket(other, lake.id).await.expect_err("a replica of another bucket");
    assert_eq!(error.kind(), CatalogErrorKind::NoSuchBucket);
    catalog.replace_bucket(before.id, lake.id).await.expect("replaced");

    let after = catalog.bucket(&before.bucket.name).await.expect("read").expect("there");
    assert_eq!((after.id, after.bucket.backend.as_str()), (lake.id, "lake"));
    assert_eq!(after.bucket.location, lake.location);
    assert_eq!((after.bucket.owner, after.bucket.created), (before.bucket.owner, before.bucket.created));
    assert_ne!(after.revision, before.revision, "who read the bucket before has to read it again");
    let kinds: Vec<_> = after.documents.all.iter().map(|document| document.kind.as_str()).collect();
    assert_eq!(kinds, ["cors"]);
    assert_eq!(catalog.replicas(after.id).await.expect("read"), []);
    let rows = (held(&*catalog, before.id).await, held(&*catalog, lake.id).await);
    assert_eq!((rows, held(&*catalog, nas.id).await), (([0; 8], [1; 8]), [0; 8]));
    catalog.delete_bucket(after.id).await.expect("it is an ordinary bucket");
}

pub async fn a_left_place_is_known_until_it_is_forgotten(catalog: Arc<dyn Catalog>) {
    let left = |backend: &str| LeftLocation {
        backend: backend.into(),
        location: "photos".into(),
        bucket: sample::name("photos"),
    };
    for backend in ["lake", "disk", "disk"] {
        catalog.leave_location(left(backend)).await.expect("written down");
    }
    assert_eq!(catalog.left_locations().await.expect("read"), [left("disk"), left("lake")]);
    assert!(catalog.forget_location("disk", "photos").await.expect("forgotten"));
    assert!(!catalog.forget_location("disk", "photos").await.expect("there is none"));
    assert!(!catalog.forget_location("lake", "others").await.expect("there is none"));
    assert_eq!(catalog.left_locations().await.expect("read"), [left("lake")]);
}

pub async fn only_replicas_are_changed_as_replicas(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let (kept, gone) = (add(&*catalog, id, "disk").await, add(&*catalog, id, "lake").await);
    catalog.delete_bucket(gone.id).await.expect("deleted");
    for change in [ReplicaChange::Seeded, ReplicaChange::First] {
        for of in [id, gone.id] {
            let error = catalog.update_replica(of, Expected::Any, change).await.expect_err("no replica");
            assert_eq!(error.kind(), CatalogErrorKind::NoSuchBucket);
        }
    }
    assert_eq!(catalog.replicas(id).await.expect("read"), [kept]);
}

pub async fn an_id_of_a_replica_is_its_own_and_never_used_again(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let mut seen = vec![id, bucket(&*catalog, "others").await.id];
    for _ in 0..3 {
        for backend in ["disk", "lake"] {
            let replica = add(&*catalog, id, backend).await.id;
            assert!(!seen.contains(&replica));
            seen.push(replica);
            catalog.delete_bucket(replica).await.expect("deleted");
        }
    }
    let (disk, lake) = (add(&*catalog, id, "disk").await.id, add(&*catalog, id, "lake").await.id);
    fill(&*catalog, disk).await;
    assert_eq!(held(&*catalog, disk).await, [1; 8]);
    for other in [id, lake] {
        assert_eq!(held(&*catalog, other).await, [0; 8], "what one holds is none of another's");
    }
}

pub async fn a_removed_replica_takes_only_its_own_with_it(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let (disk, lake) = (add(&*catalog, id, "disk").await, add(&*catalog, id, "lake").await);
    for bucket in [id, disk.id, lake.id] {
        fill(&*catalog, bucket).await;
    }
    catalog.delete_bucket(disk.id).await.expect("deleted");
    assert_eq!(catalog.replicas(id).await.expect("read"), std::slice::from_ref(&lake));
    assert_eq!(held(&*catalog, disk.id).await, [0; 8]);
    for bucket in [id, lake.id] {
        assert_eq!(held(&*catalog, bucket).await, [1; 8]);
    }
    // The backend may get a replica again later, which begins empty.
    let again = add(&*catalog, id, "disk").await;
    assert!(again.rank > lake.rank && again.id != disk.id);
    assert_eq!(held(&*catalog, again.id).await, [0; 8]);
}

pub async fn replicas_go_with_their_bucket_and_all_that_is_known_of_them(catalog: Arc<dyn Catalog>) {
    let (id, other) = (bucket(&*catalog, "photos").await.id, bucket(&*catalog, "others").await.id);
    let (disk, lake, others) = (
        add(&*catalog, id, "disk").await.id,
        add(&*catalog, id, "lake").await.id,
        add(&*catalog, other, "disk").await,
    );
    for bucket in [id, disk, lake, others.id] {
        fill(&*catalog, bucket).await;
    }
    catalog.delete_bucket(id).await.expect("deleted");
    assert_eq!(catalog.replicas(id).await.expect("read"), []);
    for replica in [disk, lake] {
        assert_eq!(held(&*catalog, replica).await, [0; 8]);
        // A write that was in progress has no effect.
        catalog.index(replica, put("late", 1)).await.expect("indexed");
        catalog.set_state(replica, "scan", Some("late".into())).await.expect("set");
        assert_eq!(held(&*catalog, replica).await, [0; 8]);
        let error = catalog.begin_upload(sample::upload(replica, "three", "b", 5)).await.expect_err("gone");
        assert_eq!(error.kind(), CatalogErrorKind::NoSuchBucket);
    }
    assert_eq!(catalog.replicas(other).await.expect("read"), std::slice::from_ref(&others));
    assert_eq!(held(&*catalog, others.id).await, [1; 8]);
    // A new bucket of the same name has no replicas.
    let again = bucket(&*catalog, "photos").await.id;
    assert_eq!(catalog.replicas(again).await.expect("read"), []);
    add(&*catalog, again, "disk").await;
}

pub async fn uploads_of_replicas_are_never_stale(catalog: Arc<dyn Catalog>) {
    let id = bucket(&*catalog, "photos").await.id;
    let disk = add(&*catalog, id, "disk").await.id;
    let ours = sample::upload(id, "u1", "a", 20);
    for record in [sample::upload(disk, "u2", "a", 10), ours.clone(), sample::upload(disk, "u3", "a", 30)] {
        catalog.begin_upload(record).await.expect("begun");
    }
    // They end with the upload that they are part of, and take no room on a page of stale uploads.
    for limit in [1, 9] {
        assert_eq!(
            catalog.stale_uploads(Timestamp::from_millis(99), limit).await.expect("read"),
            std::slice::from_ref(&ours)
        );
    }
}
