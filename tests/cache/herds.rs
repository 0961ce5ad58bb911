//! Many identical requests at the same time.

use super::{
    client::{key, names, put, refused},
    watched::{Bed, Side},
};
use causeway::{
    model::CacheUse,
    store::{ListRequest, Store, error::StoreErrorKind},
};
use std::sync::Arc;
use tokio::task::JoinSet;

const HERD: usize = 500;

/// Sends `HERD` identical requests at once, and holds the first at the storage until all of them wait.
async fn herd<T: Send + 'static>(
    store: &Arc<dyn Store>,
    ask: impl AsyncFn(Arc<dyn Store>) -> T,
    bed: &Bed,
    call: &'static str,
) -> Vec<T> {
    let mut held = bed.watch.hold(call, Side::Before);
    let (mut asking, mut done) = (Vec::new(), Vec::new());
    for _ in 0..HERD {
        asking.push(Box::pin(ask(store.clone())));
    }
    // After one poll each request is waiting, because it waits for nothing else.
    for one in &mut asking {
        assert!(futures_util::poll!(one).is_pending());
    }
    held.reached().await;
    held.go_on();
    for one in asking {
        done.push(one.await);
    }
    done
}

#[tokio::test]
async fn heads_of_one_object_at_once_ask_the_storage_once() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "bytes").await;
    let ask = async |store: Arc<dyn Store>| {
        store.head(key("a").current(), &Default::default()).await.map(|info| info.size)
    };
    for size in herd(&bed.store, ask, &bed, "head").await {
        assert_eq!(size.expect("a head"), 5);
    }
    assert_eq!(bed.watch.asked("head"), 1);
}

#[tokio::test]
async fn heads_of_what_is_not_there_ask_the_storage_once() {
    let bed = Bed::new().await;
    let ask = async |store: Arc<dyn Store>| {
        store.head(key("a").current(), &Default::default()).await.map(|info| info.size)
    };
    for answer in herd(&bed.store, ask, &bed, "head").await {
        assert_eq!(refused(answer), StoreErrorKind::NoSuchKey);
    }
    assert_eq!(bed.watch.asked("head"), 1);
}

#[tokio::test]
async fn the_same_page_at_once_asks_the_storage_once() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "bytes").await;
    let ask = async |store: Arc<dyn Store>| store.list(ListRequest { limit: 10, ..Default::default() }).await;
    for page in herd(&bed.store, ask, &bed, "list").await {
        assert_eq!(page.expect("a page").entries.len(), 1);
    }
    assert_eq!(bed.watch.asked("list"), 1);
}

#[tokio::test]
async fn all_who_wait_hear_of_the_same_failure_and_it_is_not_kept() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "bytes").await;
    bed.watch.fail(StoreErrorKind::Unavailable);
    let ask = async |store: Arc<dyn Store>| {
        store.head(key("a").current(), &Default::default()).await.map(|info| info.size)
    };
    for answer in herd(&bed.store, ask, &bed, "head").await {
        assert_eq!(refused(answer), StoreErrorKind::Unavailable);
    }
    bed.watch.fail(None);
    assert_eq!(bed.watch.asked("head"), 1);
    assert_eq!(bed.store.head(key("a").current(), &Default::default()).await.expect("a head").size, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_herd_on_many_threads_asks_the_storage_once() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "bytes").await;
    let mut herd = JoinSet::new();
    for _ in 0..HERD {
        let store = bed.store.clone();
        herd.spawn(async move {
            store.head(key("a").current(), &Default::default()).await.expect("a head").notes.cache
        });
    }
    let used = herd.join_all().await;
    assert!(used.contains(&Some(CacheUse::Miss)));
    assert_eq!(bed.watch.asked("head"), 1);
    assert_eq!(names(&*bed.store).await, ["a"]);
}

#[tokio::test]
async fn one_who_gives_up_does_not_take_the_answer_from_the_others() {
    let bed = Bed::new().await;
    put(&*bed.below, "a", "bytes").await;
    let mut held = bed.watch.hold("head", Side::Before);
    let all = Default::default();
    let (a, b) = (key("a"), key("a"));
    let mut first = bed.store.head(a.current(), &all);
    let second = bed.store.head(b.current(), &all);
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut second = second;
    assert!(futures_util::poll!(&mut second).is_pending());
    held.reached().await;
    drop(first);
    held.go_on();
    assert_eq!(second.await.expect("a head").size, 5);
    assert_eq!(bed.watch.asked("head"), 1);
}
