//! What is served while the storage does not answer.

use super::{
    client::{copy, key, list, put, read_range, refused, request},
    watched::{Bed, TTL},
};
use causeway::{
    cache::Freshness,
    model::{ByteRange, CacheUse},
    store::{
        GetRequest, ListRequest, Result,
        condition::{ETagMatch, ReadConditions},
        error::StoreErrorKind,
        payload::Payload,
    },
};
use std::time::Duration;
use tokio::time::advance;

const STALE: Duration = Duration::from_secs(600);

/// A bucket with an object and a page of a listing that were cached a minute ago.
async fn old() -> Bed {
    let bed = Bed::keeping(Freshness { ttl: TTL, stale: Some(STALE) }).await;
    put(&*bed.below, "a", "1").await;
    bed.store.describe(key("a").current(), &Default::default()).await.expect("is described");
    list(&*bed.store, page()).await;
    assert_eq!(
        refused(bed.store.head(key("b").current(), &Default::default()).await),
        StoreErrorKind::NoSuchKey
    );
    advance(TTL).await;
    bed
}

fn page() -> ListRequest {
    ListRequest { limit: 10, ..Default::default() }
}

async fn head(bed: &Bed, name: &str) -> Result<(u64, Option<CacheUse>)> {
    bed.store.head(key(name).current(), &Default::default()).await.map(|info| (info.size, info.notes.cache))
}

#[tokio::test(start_paused = true)]
async fn heads_and_listings_may_be_stale_when_the_storage_does_not_answer() {
    for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Busy] {
        let bed = old().await;
        bed.watch.fail(kind);
        assert_eq!(head(&bed, "a").await.expect("a head"), (1, Some(CacheUse::Stale)));
        let listed = list(&*bed.store, page()).await;
        assert_eq!((listed.entries.len(), listed.cache), (1, Some(CacheUse::Stale)));
        advance(STALE).await;
        assert_eq!(refused(head(&bed, "a").await), kind);
        assert_eq!(refused(bed.store.list(page()).await), kind);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_it_already_may_hear_so_from_what_is_stale() {
    let bed = old().await;
    let (_, etag) = (0, bed.below.head(key("a").current(), &Default::default()).await.expect("a head").etag);
    bed.watch.fail(StoreErrorKind::Unavailable);
    let tag = || Some(ETagMatch::OneOf(vec![etag.clone()]));
    let has_it = ReadConditions { if_none_match: tag(), ..Default::default() };
    let get = async |conditions| {
        bed.store.get(key("a").current(), GetRequest { conditions, ..Default::default() }).await
    };
    assert_eq!(refused(get(has_it).await), StoreErrorKind::NotModified);
    // The cache has no bytes here, and a copy may depend on a 412.
    assert_eq!(
        refused(get(ReadConditions { if_match: tag(), ..Default::default() }).await),
        StoreErrorKind::Unavailable
    );
    let other = ReadConditions { if_match: Some(ETagMatch::parse("other")), ..Default::default() };
    assert_eq!(refused(get(other).await), StoreErrorKind::Unavailable);
    assert_eq!(
        refused(read_range(&*bed.store, "a", ByteRange::FromTo(0, 0)).await),
        StoreErrorKind::Unavailable
    );
}

#[tokio::test(start_paused = true)]
async fn other_failures_are_told() {
    let bed = old().await;
    bed.watch.fail(StoreErrorKind::Internal);
    assert_eq!(refused(head(&bed, "a").await), StoreErrorKind::Internal);
    assert_eq!(refused(bed.store.list(page()).await), StoreErrorKind::Internal);
}

#[tokio::test(start_paused = true)]
async fn what_is_fresh_needs_no_storage_and_what_is_missing_is_never_stale() {
    let bed = old().await;
    assert_eq!(head(&bed, "a").await.expect("a head"), (1, Some(CacheUse::Miss)));
    bed.watch.fail(StoreErrorKind::Unavailable);
    assert_eq!(head(&bed, "a").await.expect("a head"), (1, Some(CacheUse::Hit)));
    assert_eq!(refused(head(&bed, "b").await), StoreErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_write_depends_on_is_stale() {
    let bed = old().await;
    bed.watch.fail(StoreErrorKind::Unavailable);
    // A copy takes its tags from `describe`.
    assert_eq!(
        refused(bed.store.describe(key("a").current(), &Default::default()).await),
        StoreErrorKind::Unavailable
    );
    assert_eq!(refused(copy(&*bed.store, "c", &bed.store, "a").await), StoreErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn nothing_from_before_a_write_of_ours_is_ever_stale() {
    let bed = old().await;
    bed.watch.fail(StoreErrorKind::Unavailable);
    assert_eq!(
        refused(bed.store.put(&key("a"), request(Payload::from_bytes("22"))).await),
        StoreErrorKind::Unavailable
    );
    assert_eq!(refused(head(&bed, "a").await), StoreErrorKind::Unavailable);
    assert_eq!(refused(bed.store.list(page()).await), StoreErrorKind::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn what_a_driver_cannot_learn_any_more_may_be_stale() {
    let bed = old().await;
    assert_eq!(head(&bed, "a").await.expect("a head"), (1, Some(CacheUse::Miss)));
    bed.watch.fail(StoreErrorKind::Unavailable);
    assert_eq!(refused(bed.upkeep.read_changes().await), StoreErrorKind::Unavailable);
    assert_eq!(head(&bed, "a").await.expect("a head"), (1, Some(CacheUse::Stale)));
}

#[tokio::test(start_paused = true)]
async fn by_default_nothing_is_stale() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "1").await;
    head(&bed, "a").await.expect("a head");
    advance(TTL).await;
    bed.watch.fail(StoreErrorKind::Unavailable);
    assert_eq!(refused(head(&bed, "a").await), StoreErrorKind::Unavailable);
}
