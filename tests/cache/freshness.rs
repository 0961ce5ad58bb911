//! How long an answer is fresh, and what ends it earlier.

use super::{
    client::{key, list, put, put_with, read, refused},
    watched::{Bed, TTL, record},
};
use causeway::{
    backend::{Backend, Depth, OpenedBucket, Progress},
    cache::{CachedBackend, Freshness, MetadataCache},
    catalog::{Catalog, sqlite::SqliteCatalog},
    drivers::fs::{FsBackend, FsSettings},
    model::{Attributes, CacheUse, ETag, PartNumber, Tag, TagSet},
    store::{
        Durability, GetRequest, ListRequest, Selection, Store,
        condition::{ETagMatch, ReadConditions},
        error::StoreErrorKind,
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::advance;

async fn head(store: &dyn Store, name: &str) -> (u64, Option<CacheUse>) {
    let info = store
        .head(key(name).current(), &Default::default())
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    (info.size, info.notes.cache)
}

async fn listed(store: &dyn Store) -> (usize, Option<CacheUse>) {
    let page = list(store, ListRequest { limit: 10, ..Default::default() }).await;
    (page.entries.len(), page.cache)
}

const HIT: Option<CacheUse> = Some(CacheUse::Hit);
const MISS: Option<CacheUse> = Some(CacheUse::Miss);

#[tokio::test(start_paused = true)]
async fn what_others_write_is_seen_when_the_time_to_live_has_passed() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "1").await;
    let absent = async || refused(bed.store.head(key("b").current(), &Default::default()).await);
    assert_eq!(head(&*bed.store, "a").await, (1, MISS));
    assert_eq!(listed(&*bed.store).await, (1, MISS));
    assert_eq!(absent().await, StoreErrorKind::NoSuchKey);
    put(&*bed.below, "a", "22").await;
    put(&*bed.below, "b", "22").await;
    advance(TTL - Duration::from_millis(1)).await;
    assert_eq!(head(&*bed.store, "a").await, (1, HIT));
    assert_eq!(listed(&*bed.store).await, (1, HIT));
    assert_eq!(absent().await, StoreErrorKind::NoSuchKey);
    advance(Duration::from_millis(1)).await;
    assert_eq!(head(&*bed.store, "a").await, (2, MISS));
    assert_eq!(listed(&*bed.store).await, (2, MISS));
    assert_eq!(head(&*bed.store, "b").await, (2, MISS));
}

#[tokio::test]
async fn pages_are_kept_by_all_that_was_asked() {
    let bed = Bed::new().await;
    for name in ["a/1", "a/2", "b"] {
        put(&*bed.below, name, "x").await;
    }
    let all = ListRequest { limit: 10, ..Default::default() };
    let requests = [
        (all.clone(), 3),
        (ListRequest { prefix: "a/".into(), ..all.clone() }, 2),
        (ListRequest { after: Some("a/1".into()), ..all.clone() }, 2),
        (ListRequest { delimiter: Some("/".into()), ..all.clone() }, 2),
        (ListRequest { limit: 1, ..all }, 1),
    ];
    for used in [MISS, HIT] {
        for (request, entries) in &requests {
            let page = list(&*bed.store, request.clone()).await;
            assert_eq!((page.entries.len(), page.cache), (*entries, used), "{request:?}");
        }
    }
    assert_eq!(bed.watch.asked("list"), requests.len());
}

#[tokio::test]
async fn conditions_are_judged_by_what_is_kept() {
    let bed = Bed::new().await;
    let written = put(&*bed.below, "a", "x").await;
    let tag = |etag: &ETag| Some(ETagMatch::OneOf(vec![etag.clone()]));
    let same = ReadConditions { if_none_match: tag(&written.etag), ..Default::default() };
    let other = ReadConditions { if_match: tag(&ETag::opaque("other")), ..Default::default() };
    let get = async |conditions: &ReadConditions| {
        bed.store
            .get(key("a").current(), GetRequest { conditions: conditions.clone(), ..Default::default() })
            .await
    };
    head(&*bed.store, "a").await;
    bed.watch.asked("head");
    assert_eq!(refused(bed.store.head(key("a").current(), &same).await), StoreErrorKind::NotModified);
    assert_eq!(refused(bed.store.head(key("a").current(), &other).await), StoreErrorKind::PreconditionFailed);
    assert_eq!(refused(get(&same).await), StoreErrorKind::NotModified);
    assert_eq!(refused(get(&other).await), StoreErrorKind::PreconditionFailed);
    assert_eq!((bed.watch.asked("head"), bed.watch.asked("get")), (0, 0));
    let holds = ReadConditions { if_match: tag(&written.etag), ..Default::default() };
    assert!(get(&holds).await.is_ok());
    assert_eq!(bed.watch.asked("get"), 1);
}

#[tokio::test]
async fn what_is_known_to_be_missing_is_not_read() {
    let bed = Bed::new().await;
    assert_eq!(
        refused(bed.store.get(key("a").current(), Default::default()).await),
        StoreErrorKind::NoSuchKey
    );
    assert_eq!(
        refused(bed.store.get(key("a").current(), Default::default()).await),
        StoreErrorKind::NoSuchKey
    );
    assert_eq!(
        refused(bed.store.describe(key("a").current(), &Default::default()).await),
        StoreErrorKind::NoSuchKey
    );
    assert_eq!((bed.watch.asked("get"), bed.watch.asked("head"), bed.watch.asked("describe")), (1, 0, 0));
}

#[tokio::test]
async fn a_reading_tells_what_a_head_would() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "12345").await;
    read(&*bed.store, "a").await;
    assert_eq!(head(&*bed.store, "a").await, (5, HIT));
    assert_eq!(bed.watch.asked("head"), 0);
}

#[tokio::test]
async fn tags_are_known_only_once_they_were_asked_for() {
    let bed = Bed::new().await;
    let tags = TagSet::new(vec![Tag { key: "k".into(), value: "v".into() }]).expect("tags");
    put_with(&*bed.below, "a", "x", Attributes { tags: tags.clone(), ..Default::default() }).await;
    let part = GetRequest {
        selection: Selection::Part(PartNumber::new(1).expect("a number")),
        ..Default::default()
    };
    bed.store.get(key("a").current(), part).await.map(drop).expect("is read");
    let described =
        async || bed.store.describe(key("a").current(), &Default::default()).await.expect("is described");
    assert_eq!(described().await.attributes.tags, tags);
    assert_eq!(described().await.notes.cache, HIT);
    // A description contains all that a head says, and a read of the same object removes nothing from it.
    assert_eq!(head(&*bed.store, "a").await, (1, HIT));
    read(&*bed.store, "a").await;
    assert_eq!((described().await.attributes.tags, described().await.notes.cache), (tags, HIT));
    assert_eq!((bed.watch.asked("describe"), bed.watch.asked("head")), (1, 0));
}

#[tokio::test]
async fn a_reading_that_meets_another_object_ends_what_was_known() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "1").await;
    head(&*bed.store, "a").await;
    listed(&*bed.store).await;
    put(&*bed.below, "a", "22").await;
    assert_eq!(read(&*bed.store, "a").await, b"22");
    assert_eq!(head(&*bed.store, "a").await, (2, HIT));
    assert_eq!(listed(&*bed.store).await, (1, MISS));
    // A read that finds no object ends the listing, too.
    listed(&*bed.store).await;
    bed.below.delete(key("a").current(), &Default::default()).await.expect("is deleted");
    assert_eq!(
        refused(bed.store.get(key("a").current(), Default::default()).await),
        StoreErrorKind::NoSuchKey
    );
    assert_eq!(listed(&*bed.store).await, (0, MISS));
}

#[tokio::test]
async fn what_a_driver_may_have_learned_ends_what_was_known() {
    let bed = Bed::new().await;
    for round in ["maintain", "follow"] {
        put(&*bed.below, "a", "1").await;
        bed.upkeep.maintain().await.expect("is tended");
        assert_eq!(head(&*bed.store, "a").await, (1, MISS));
        assert_eq!(listed(&*bed.store).await, (1, MISS));
        put(&*bed.below, "a", "22").await;
        assert_eq!(head(&*bed.store, "a").await, (1, HIT));
        match round {
            "maintain" => bed.upkeep.maintain().await.expect("is tended"),
            _ => bed.upkeep.read_changes().await.expect("is followed"),
        }
        assert_eq!(head(&*bed.store, "a").await, (2, MISS), "{round}");
        assert_eq!(listed(&*bed.store).await, (1, MISS), "{round}");
    }
}

#[tokio::test]
async fn a_walk_ends_what_was_known_if_it_found_anything() {
    let directory = tempfile::tempdir().expect("a directory");
    let catalog: Arc<dyn Catalog> =
        Arc::new(SqliteCatalog::open(directory.path(), Durability::Relaxed).expect("the catalog opens"));
    let settings = FsSettings::new(directory.path().join("root"), Durability::Relaxed);
    let below = Arc::new(FsBackend::open(settings, catalog.clone()).expect("the backend opens"));
    let freshness = Freshness { ttl: TTL, stale: None };
    let backend = CachedBackend::new(below, "nas", Some((MetadataCache::new(1 << 20), freshness)), None);
    let bucket = record("bucket").bucket;
    let record = catalog.create_bucket(bucket).await.expect("a bucket");
    backend.create(&record).await.expect("a place");
    let OpenedBucket { store, upkeep, .. } = backend.open(&record).await.expect("opens");
    let walk = async || upkeep.scan(Depth::Everything, &Progress::default()).await.expect("walks");
    put(&*store, "a", "1").await;
    assert!(walk().await);
    assert_eq!(listed(&*store).await, (1, MISS));
    assert!(walk().await);
    assert_eq!(listed(&*store).await, (1, HIT));
    std::fs::write(directory.path().join("root/bucket/b"), "2").expect("a file of somebody else's");
    assert!(walk().await);
    assert_eq!(listed(&*store).await, (2, MISS));
}

#[tokio::test]
async fn counts_say_who_knew_what() {
    let bed = Bed::new().await;
    put(&*bed.store, "a", "1").await;
    for _ in 0..3 {
        head(&*bed.store, "a").await;
    }
    listed(&*bed.store).await;
    let counts = bed.cache.counts();
    let of = |kind: &str, outcome| {
        let mut found = counts.iter().filter(|count| count.kind.as_str() == kind && count.outcome == outcome);
        let count = found.next().map(|count| (count.times, &*count.backend, count.bucket.as_str()));
        assert!(found.next().is_none());
        count
    };
    assert_eq!(of("head", CacheUse::Hit), Some((2, "nas", "bucket")));
    assert_eq!(of("head", CacheUse::Miss), Some((1, "nas", "bucket")));
    assert_eq!(of("list", CacheUse::Miss), Some((1, "nas", "bucket")));
    assert_eq!(of("list", CacheUse::Hit), None);
    assert!(bed.cache.size() > 0);
}
