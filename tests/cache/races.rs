//! Answers and writes that overtake each other, step by step.

use super::{
    client::{Uploading, copy, delete, deletion, etag_of, key, list, put, read, refused, request},
    watched::{Bed, Side},
};
use causeway::{
    model::{CannedAcl, ETag},
    store::{Change, ListRequest, Store, error::StoreErrorKind, payload::Payload},
};
use futures_util::poll;
use std::time::Duration;

async fn etag(store: &dyn Store, name: &str) -> ETag {
    store
        .head(key(name).current(), &Default::default())
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .etag
}

fn page() -> ListRequest {
    ListRequest { limit: 10, ..Default::default() }
}

async fn listed(store: &dyn Store) -> Vec<String> {
    list(store, page()).await.entries.iter().map(|entry| entry.name().to_owned()).collect()
}

#[tokio::test]
async fn a_head_from_before_a_write_is_not_kept_when_it_comes_after() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "old").await;
    let mut held = bed.watch.hold("head", Side::After);
    let (a, all) = (key("a"), Default::default());
    let mut late = bed.store.head(a.current(), &all);
    assert!(poll!(&mut late).is_pending());
    held.reached().await;
    put(&*bed.store, "a", "new").await;
    held.go_on();
    assert_eq!(late.await.expect("a head").etag, etag_of(b"old"), "it began before the write had ended");
    assert_eq!(etag(&*bed.store, "a").await, etag_of(b"new"));
}

#[tokio::test]
async fn who_asks_after_a_write_does_not_wait_for_an_answer_from_before() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "old").await;
    let mut held = bed.watch.hold("head", Side::After);
    let (a, all) = (key("a"), Default::default());
    let mut late = bed.store.head(a.current(), &all);
    assert!(poll!(&mut late).is_pending());
    held.reached().await;
    put(&*bed.store, "a", "new").await;
    assert_eq!(etag(&*bed.store, "a").await, etag_of(b"new"));
    held.go_on();
    assert_eq!(late.await.expect("a head").etag, etag_of(b"old"));
    assert_eq!(etag(&*bed.store, "a").await, etag_of(b"new"));
}

#[tokio::test]
async fn an_absence_from_before_a_write_is_not_kept() {
    let bed = Bed::new().await;
    let mut held = bed.watch.hold("get", Side::After);
    let a = key("a");
    let mut late = bed.store.get(a.current(), Default::default());
    assert!(poll!(&mut late).is_pending());
    held.reached().await;
    put(&*bed.store, "a", "new").await;
    held.go_on();
    assert_eq!(refused(late.await), StoreErrorKind::NoSuchKey);
    assert_eq!(read(&*bed.store, "a").await, b"new");
    assert_eq!(etag(&*bed.store, "a").await, etag_of(b"new"));
}

#[tokio::test]
async fn a_page_from_before_a_write_is_not_kept() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "old").await;
    let mut held = bed.watch.hold("list", Side::After);
    let mut late = bed.store.list(page());
    assert!(poll!(&mut late).is_pending());
    held.reached().await;
    put(&*bed.store, "b", "new").await;
    held.go_on();
    assert_eq!(late.await.expect("a page").entries.len(), 1);
    assert_eq!(listed(&*bed.store).await, ["a", "b"]);
}

#[tokio::test]
async fn what_is_seen_while_a_write_is_on_its_way_is_not_kept() {
    for side in [Side::Before, Side::After] {
        let bed = Bed::new().await;
        put(&*bed.below, "a", "old").await;
        let mut held = bed.watch.hold("put", side);
        let a = key("a");
        let mut write = bed.store.put(&a, request(Payload::from_bytes("new")));
        assert!(poll!(&mut write).is_pending());
        held.reached().await;
        let now = if side == Side::Before { etag_of(b"old") } else { etag_of(b"new") };
        assert_eq!(etag(&*bed.store, "a").await, now, "the storage knows");
        assert_eq!(listed(&*bed.store).await, ["a"]);
        held.go_on();
        write.await.expect("is put");
        assert_eq!(etag(&*bed.store, "a").await, etag_of(b"new"));
        let page = list(&*bed.store, page()).await;
        assert!(format!("{page:?}").contains(etag_of(b"new").as_str()), "{page:?}");
    }
}

#[tokio::test]
async fn of_two_writes_at_once_the_one_that_ends_first_does_not_let_old_answers_in() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "old").await;
    let mut held = bed.watch.hold("put", Side::Before);
    let a = key("a");
    let mut slow = bed.store.put(&a, request(Payload::from_bytes("slow")));
    assert!(poll!(&mut slow).is_pending());
    held.reached().await;
    put(&*bed.store, "a", "quick").await;
    assert_eq!(etag(&*bed.store, "a").await, etag_of(b"quick"));
    held.go_on();
    slow.await.expect("is put");
    assert_eq!(etag(&*bed.store, "a").await, etag_of(b"slow"));
}

#[tokio::test(start_paused = true)]
async fn a_write_given_up_half_way_is_not_taken_for_undone() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "old").await;
    assert_eq!(etag(&*bed.store, "a").await, etag_of(b"old"));
    let mut held = bed.watch.hold("put", Side::Before);
    let a = key("a");
    let mut write = bed.store.put(&a, request(Payload::from_bytes("new")));
    assert!(poll!(&mut write).is_pending());
    held.reached().await;
    drop(write);
    bed.watch.asked("head");
    assert_eq!(etag(&*bed.store, "a").await, etag_of(b"old"));
    assert_eq!(listed(&*bed.store).await, ["a"]);
    // The storage makes the change although no caller waits for it any more.
    tokio::time::advance(Duration::from_secs(30)).await;
    put(&*bed.below, "a", "new").await;
    put(&*bed.below, "b", "new").await;
    assert_eq!(etag(&*bed.store, "a").await, etag_of(b"new"));
    assert_eq!(listed(&*bed.store).await, ["a", "b"]);
    assert_eq!(bed.watch.asked("head"), 2);
    // After this time, no late change is expected any more.
    tokio::time::advance(Duration::from_secs(31)).await;
    etag(&*bed.store, "a").await;
    etag(&*bed.store, "a").await;
    assert_eq!(bed.watch.asked("head"), 1);
}

#[tokio::test]
async fn a_write_the_storage_did_not_answer_is_not_taken_for_undone() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "old").await;
    etag(&*bed.store, "a").await;
    bed.watch.fail(StoreErrorKind::Unavailable);
    assert_eq!(
        refused(bed.store.put(&key("a"), request(Payload::from_bytes("new"))).await),
        StoreErrorKind::Unavailable
    );
    bed.watch.fail(None);
    etag(&*bed.store, "a").await;
    put(&*bed.below, "a", "new").await;
    assert_eq!(etag(&*bed.store, "a").await, etag_of(b"new"));
}

#[tokio::test]
async fn every_write_is_seen_at_once() {
    let bed = Bed::new().await;
    let store = &*bed.store;
    let absent = async || {
        assert_eq!(
            refused(store.head(key("a").current(), &Default::default()).await),
            StoreErrorKind::NoSuchKey
        )
    };
    absent().await;
    assert!(listed(store).await.is_empty());

    put(store, "a", "put").await;
    assert_eq!((etag(store, "a").await, listed(store).await), (etag_of(b"put"), vec!["a".to_owned()]));

    put(store, "b", "copied").await;
    listed(store).await;
    copy(store, "a", &bed.store, "b").await.expect("is copied");
    assert_eq!(etag(store, "a").await, etag_of(b"copied"));

    store.update(key("a").current(), Change::Acl(CannedAcl::PublicRead.into())).await.expect("is changed");
    assert_eq!(
        store.head(key("a").current(), &Default::default()).await.expect("a head").attributes.acl,
        CannedAcl::PublicRead.into()
    );

    delete(store, "a").await;
    absent().await;
    assert_eq!(listed(store).await, ["b"]);

    let mut upload = Uploading::begin(store, "a").await;
    upload.part(1, "part").await;
    absent().await;
    let written = upload.complete().await;
    assert_eq!((etag(store, "a").await, listed(store).await.len()), (written.etag, 2));
}

#[tokio::test]
async fn a_bucket_opened_twice_knows_of_all_its_writes() {
    let bed = Bed::new().await;
    let other = bed.backend.open(&bed.record).await.expect("opens").store;
    put(&*bed.store, "a", "old").await;
    assert_eq!(etag(&*other, "a").await, etag_of(b"old"));
    assert_eq!(listed(&*other).await, ["a"]);
    put(&*bed.store, "a", "new").await;
    assert_eq!(etag(&*other, "a").await, etag_of(b"new"));
    delete(&*other, "a").await;
    assert!(listed(&*bed.store).await.is_empty());
}

#[tokio::test]
async fn nothing_is_kept_of_objects_that_are_being_deleted_together_nor_of_their_lists() {
    for side in [Side::Before, Side::After] {
        let bed = Bed::new().await;
        for name in ["a", "b", "kept"] {
            put(&*bed.store, name, "old").await;
            etag(&*bed.store, name).await;
        }
        assert_eq!(listed(&*bed.store).await, ["a", "b", "kept"]);
        let mut held = bed.watch.hold("delete_all", side);
        let mut deletions = bed.store.delete_all(["a", "b"].map(deletion).to_vec());
        assert!(poll!(&mut deletions).is_pending());
        held.reached().await;
        let is_there = side == Side::Before;
        for name in ["a", "b"] {
            let seen = bed.store.head(key(name).current(), &Default::default()).await;
            assert_eq!(seen.is_ok(), is_there, "the storage knows");
        }
        assert_eq!(listed(&*bed.store).await.len(), if is_there { 3 } else { 1 });
        held.go_on();
        assert!(deletions.await.iter().all(Result::is_ok));
        for name in ["a", "b"] {
            let gone = bed.store.head(key(name).current(), &Default::default()).await;
            assert_eq!(refused(gone), StoreErrorKind::NoSuchKey);
        }
        assert_eq!(listed(&*bed.store).await, ["kept"]);
        assert_eq!(bed.watch.asked("delete_all"), 1, "they reach the storage by one call");
    }
}
