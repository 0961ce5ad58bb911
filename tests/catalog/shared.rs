//! Promises to two processes that have one catalog open.

use super::{
    document::document,
    sample::{self, bucket, completed, key, name, new_bucket, owner, put, row},
};
use causeway::{
    catalog::{
        BucketChange, Catalog, CatalogErrorKind, Expected, NewReplica, ObjectRow, ReplicaChange, Revision,
    },
    model::Timestamp,
};
use futures_util::future::join_all;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// A clock that only the test moves.
#[derive(Debug, Clone, Default)]
pub struct HeldClock(Arc<AtomicI64>);

impl HeldClock {
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    pub fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

/// Two processes that have one catalog open.
pub struct Two {
    pub one: Arc<dyn Catalog>,
    pub other: Arc<dyn Catalog>,
    pub clock: HeldClock,
}

impl Two {
    pub fn both(&self) -> [&Arc<dyn Catalog>; 2] {
        [&self.one, &self.other]
    }
}

pub async fn what_one_has_committed_the_other_reads(two: Two) {
    let made = bucket(&*two.one, "photos").await;
    assert_eq!(two.other.bucket(&name("photos")).await.expect("read"), Some(made.clone()));
    two.other.set_document(made.id, Expected::Any, document("acl", "public-read")).await.expect("set");
    assert_eq!(
        two.one.document(made.id, "acl").await.expect("read").map(|document| document.body).as_deref(),
        Some("public-read")
    );
    two.one.index(made.id, put("a", 1)).await.expect("indexed");
    two.other.index(made.id, put("b", 1)).await.expect("indexed");
    for catalog in two.both() {
        assert_eq!(catalog.index_rows(made.id, None, 9).await.expect("rows"), [row("a", 1), row("b", 1)]);
    }
    two.other.delete_bucket(made.id).await.expect("deleted");
    assert_eq!(two.one.bucket(&name("photos")).await.expect("read"), None);
    let late = two.one.begin_upload(sample::upload(made.id, "one", "a", 1)).await.expect_err("gone");
    assert_eq!(late.kind(), CatalogErrorKind::NoSuchBucket);
}

pub async fn a_name_that_both_create_is_one_bucket(two: Two) {
    let mut ids = Vec::new();
    for n in 0..16 {
        let of = format!("bucket-{n}");
        let made = join_all(two.both().map(|catalog| catalog.create_bucket(new_bucket(&of)))).await;
        let kinds: Vec<_> =
            made.iter().filter_map(|made| made.as_ref().err().map(|error| error.kind())).collect();
        assert_eq!(kinds, [CatalogErrorKind::Exists]);
        ids.extend(made.into_iter().flatten().map(|record| record.id));
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 16, "each has an id of its own");
}

/// Everything that can be swapped: a bucket, a replica, a document, the row of an object, and that of a
/// version.
pub async fn of_two_who_have_read_the_same_one_writes(two: Two) {
    let made = bucket(&*two.one, "photos").await;
    let new = NewReplica { backend: "disk".into(), location: "there".into() };
    let replica = two.one.add_replica(made.id, new).await.expect("a replica");
    let text = |text: &str| ObjectRow { key: key("a"), committed: Some(text.into()), pending: None };
    let object = two.one.set_object(made.id, Expected::ABSENT, text("1")).await.expect("set");
    for _ in 0..8 {
        let writes = [
            join_all(two.both().map(|catalog| {
                catalog.update_bucket(
                    made.id,
                    Expected::Exactly(made.revision),
                    BucketChange::Owner(owner("bob")),
                )
            }))
            .await,
            join_all(two.both().map(|catalog| {
                catalog.update_replica(replica.id, Expected::Exactly(replica.revision), ReplicaChange::Seeded)
            }))
            .await,
            join_all(
                two.both().map(|catalog| {
                    catalog.set_document(made.id, Expected::ABSENT, document("acl", "private"))
                }),
            )
            .await,
            join_all(
                two.both().map(|catalog| catalog.set_object(made.id, Expected::Exactly(object), text("2"))),
            )
            .await,
            join_all(
                two.both().map(|catalog| catalog.set_object_version(made.id, 1, Expected::ABSENT, text("2"))),
            )
            .await,
        ];
        for (what, outcomes) in writes.into_iter().enumerate() {
            let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            assert!(won <= 1, "{what}");
            let lost = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
            assert!(lost.map(|error| error.kind()).all(|kind| kind == CatalogErrorKind::Conflict), "{what}");
        }
    }
    let stored = two.one.object(made.id, &key("a")).await.expect("read").expect("a row");
    assert_eq!(stored.row, text("2"));
    assert_eq!(
        two.one.bucket(&name("photos")).await.expect("read").expect("a bucket").bucket.owner,
        owner("bob")
    );
    assert!(two.other.replicas(made.id).await.expect("read")[0].seeded);
}

/// Sixteen tasks count in one document.
pub async fn no_change_of_two_who_swap_is_lost(two: Two) {
    const EACH: usize = 20;
    let id = bucket(&*two.one, "photos").await.id;
    let counters = (0..16).map(|n| {
        let catalog = two.both()[n % 2].clone();
        tokio::spawn(async move {
            let mut done = 0;
            while done < EACH {
                let (revision, count) = match catalog.document(id, "count").await.expect("read") {
                    Some(document) => (document.revision, document.body.parse::<usize>().expect("a number")),
                    None => (Revision::NONE, 0),
                };
                let next = document("count", &(count + 1).to_string());
                match catalog.set_document(id, Expected::Exactly(revision), next).await {
                    Ok(_) => done += 1,
                    Err(error) => assert_eq!(error.kind(), CatalogErrorKind::Conflict),
                }
            }
        })
    });
    for counter in join_all(counters.collect::<Vec<_>>()).await {
        counter.expect("no panic");
    }
    let count = two.one.document(id, "count").await.expect("read").expect("a document");
    assert_eq!(count.body, (16 * EACH).to_string());
    assert_eq!(two.other.documents_revision(id).await.expect("read"), Some(count.revision));
}

pub async fn an_upload_that_both_finish_ends_once(two: Two) {
    let id = bucket(&*two.one, "photos").await.id;
    for n in 0..8 {
        let upload = sample::upload_id(&format!("u{n}"));
        two.one.begin_upload(sample::upload(id, upload.as_str(), "a", 1)).await.expect("begun");
        two.other.put_part(id, &upload, sample::part(1, "here")).await.expect("put");
        let ended =
            join_all(two.both().map(|catalog| catalog.finish_upload(id, &upload, completed("a", 9)))).await;
        assert_eq!(ended.iter().filter(|ended| ended.is_ok()).count(), 1);
        assert_eq!(two.other.completed_upload(id, &upload).await.expect("read"), Some(completed("a", 9)));
    }
}
