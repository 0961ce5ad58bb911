//! Tests of listing in step: against a naive model, with faults, and with many keys.

use super::*;
use crate::{
    end::{End, Walk},
    filter::{Filter, FilterOptions, Scope},
    model::{ETag, ObjectKey, Timestamp},
    retry::{Retry, RetryPolicy},
    store::{
        self, Layer, ListEntry, ListPage, ListRequest, ListedObject, PutRequest, Store,
        error::StoreErrorKind,
        operation::{Operation, Operations},
        payload::Payload,
    },
};
use causeway_backend::memory::MemoryStore;
use causeway_layers::faults::{FaultKind, Faults, FaultyStore, Plan};
use proptest::prelude::*;
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

async fn filled(prefix: &str, names: &BTreeSet<String>) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::default());
    for name in names {
        let key = ObjectKey::new(format!("{prefix}{name}")).expect("a key");
        let (attributes, conditions) = Default::default();
        let payload = Payload::from_bytes("x");
        store.put(&key, PutRequest { attributes, conditions, payload }).await.expect("is written");
    }
    store
}

fn pairs(source: End, destination: End, options: &FilterOptions) -> Pairs {
    let filter = Arc::new(Filter::new(options, Timestamp::from_millis(0)).expect("a filter"));
    let retry = Arc::new(Retry::new(RetryPolicy::default(), 1));
    let scope = || Scope::new(filter.clone(), &source, &retry);
    Pairs::new(
        Listing::begin(source.clone(), scope(), retry.clone()),
        Listing::begin(destination, scope(), retry.clone()),
    )
}

async fn all(mut pairs: Pairs) -> Result<Vec<(String, bool, bool)>, TransferError> {
    let mut all = Vec::new();
    while let Some(pair) = pairs.next().await? {
        let (source, destination) = match &pair {
            Pair::Source(_) => (true, false),
            Pair::Destination(_) => (false, true),
            Pair::Both(..) => (true, true),
        };
        all.push((pair.name().to_owned(), source, destination));
    }
    Ok(all)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

fn names() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("[abä]{1,2}([/!0-]{1}[abä]{0,2}){0,3}", 0..60)
}

proptest! {
    #[test]
    fn pairs_equal_those_of_two_sets(
        left in names(),
        right in names(),
        folders in any::<bool>(),
        exclude in prop::sample::select(vec!["", "a/", "/b/**", "*b", "/ab/a/"]),
    ) {
        let walk = if folders { Walk::Folders } else { Walk::Flat };
        let mut options = FilterOptions::default();
        if !exclude.is_empty() {
            options.names.exclude = vec![exclude.to_owned()];
        }
        let filtered = {
            let exclude = exclude.to_owned();
            move |name: &str| match exclude.as_str() {
                "" => false,
                "a/" => name.starts_with("a/") || name.contains("/a/"),
                "/b/**" => name.starts_with("b/"),
                "*b" => name.ends_with('b'),
                _ => name.starts_with("ab/a/"),
            }
        };
        let expected: Vec<_> = left.union(&right).filter(|name| !filtered(name))
            .map(|name| (name.clone(), left.contains(name), right.contains(name))).collect();
        let found = runtime().block_on(async {
            let source = End::new(filled("from/", &left).await, "from", "a:").walked(walk);
            let destination = End::new(filled("", &right).await, "", "b:").walked(walk);
            all(pairs(source, destination, &options)).await.expect("is listed")
        });
        prop_assert_eq!(found, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn pages_that_fail_for_a_while_are_asked_for_again_and_others_end_the_run() {
    let names: BTreeSet<String> = (0..3000).map(|n| format!("{n:05}")).collect();
    let faults = Faults::new(5, Plan::default().with(FaultKind::Unavailable, 0.3));
    let store = Arc::new(FaultyStore::new(filled("", &names).await, faults.clone()));
    let (source, destination) = (End::new(store.clone(), "", "a:"), End::new(store, "", "b:"));
    let options = FilterOptions::default();
    let found = all(pairs(source.clone(), destination.clone(), &options)).await.expect("is listed");
    assert_eq!(found.len(), 3000);
    assert!(found.iter().all(|(_, source, destination)| *source && *destination));
    faults.set(Plan::down().on(Operations::of(&[Operation::List])));
    let error = all(pairs(source, destination, &options)).await.expect_err("is down");
    assert!(
        matches!(error, TransferError::Listing { source, .. } if source.kind() == StoreErrorKind::Unavailable)
    );
}

/// A store with keys that nobody holds, and a record of its listings.
#[derive(Debug)]
struct Endless {
    below: MemoryStore,
    keys: u64,
    key: fn(u64) -> String,
    pages: AtomicU64,
}

impl Endless {
    fn new(keys: u64, key: fn(u64) -> String) -> Arc<Self> {
        Arc::new(Self { below: MemoryStore::default(), keys, key, pages: 0.into() })
    }
}

impl Layer for Endless {
    fn below(&self) -> &dyn Store {
        &self.below
    }

    async fn list(&self, request: ListRequest) -> store::Result<ListPage> {
        self.pages.fetch_add(1, Relaxed);
        let after = request.after.unwrap_or_default();
        // Keys ascend with their numbers.
        let (mut first, mut end) = (0, self.keys);
        while first < end {
            let middle = (first + end) / 2;
            if (self.key)(middle) <= after { first = middle + 1 } else { end = middle }
        }
        let last = self.keys.min(first + request.limit as u64);
        let object = |n| ListedObject {
            key: ObjectKey::new((self.key)(n)).expect("a key"),
            size: n,
            etag: ETag::opaque("e-1"),
            last_modified: Timestamp::from_millis(0),
            checksum: None,
            storage_class: None,
            owner: None,
        };
        let entries = (first..last).map(|n| ListEntry::Object(object(n))).collect();
        Ok(ListPage { entries, truncated: last < self.keys, cache: None })
    }
}

#[tokio::test]
async fn many_keys_are_listed_page_by_page_and_never_far_ahead() {
    let key = |n| format!("folder-{:04}/file-{n:08}", n / 100);
    let (left, right) = (Endless::new(200_000, key), Endless::new(200_000, key));
    let options = FilterOptions::default();
    let mut pairs = pairs(End::new(left.clone(), "", "a:"), End::new(right.clone(), "", "b:"), &options);
    let mut count = 0;
    while let Some(pair) = pairs.next().await.expect("is listed") {
        assert!(matches!(pair, Pair::Both(..)));
        count += 1;
        for store in [&left, &right] {
            let ahead = store.pages.load(Relaxed) * 1000 - count / 1000 * 1000;
            assert!(ahead <= 4000, "{ahead} entries are ahead of {count}");
        }
    }
    assert_eq!((count, left.pages.load(Relaxed)), (200_000, 200));
}

#[tokio::test]
async fn an_excluded_folder_costs_one_page() {
    // The folder `m/` has a million keys.
    let key = |n| match n {
        0 => "a".to_owned(),
        1_000_001 => "z".to_owned(),
        n => format!("m/{:04}/{n:08}", n / 1000),
    };
    let (left, right) = (Endless::new(1_000_002, key), Endless::new(0, key));
    let mut options = FilterOptions::default();
    options.names.exclude = vec!["/m/".into()];
    let found = all(pairs(End::new(left.clone(), "", "a:"), End::new(right, "", "b:"), &options)).await;
    let found: Vec<_> = found.expect("is listed").into_iter().map(|(name, ..)| name).collect();
    assert_eq!(found, ["a", "z"]);
    assert_eq!(left.pages.load(Relaxed), 2);
}

#[tokio::test]
async fn a_walk_over_folders_never_lists_an_excluded_one() {
    let names = ["a/x", "b/x", "b/node_modules/y/z", "c"].map(str::to_owned).into();
    #[derive(Debug)]
    struct Watched(Arc<MemoryStore>, Mutex<Vec<String>>);
    impl Layer for Watched {
        fn below(&self) -> &dyn Store {
            &*self.0
        }
        async fn list(&self, request: ListRequest) -> store::Result<ListPage> {
            self.1.lock().expect("no panic").push(request.prefix.clone());
            self.0.list(request).await
        }
    }
    let store = Arc::new(Watched(filled("", &names).await, Mutex::default()));
    let mut options = FilterOptions::default();
    options.names.exclude = vec!["node_modules/".into()];
    let empty = End::new(Arc::new(MemoryStore::default()), "", "b:");
    let found = all(pairs(End::new(store.clone(), "", "a:").walked(Walk::Folders), empty, &options)).await;
    assert_eq!(found.expect("is listed").len(), 3);
    assert_eq!(*store.1.lock().expect("no panic"), ["", "a/", "b/"]);
}

#[tokio::test]
async fn keys_in_another_order_end_the_run() {
    let store = Endless::new(2000, |n| if n == 1500 { "0000".into() } else { format!("{n:08}") });
    let empty = End::new(Arc::new(MemoryStore::default()), "", "b:");
    let error = all(pairs(End::new(store, "", "a:"), empty, &FilterOptions::default())).await;
    let error = error.expect_err("the order is wrong");
    assert!(
        matches!(error, TransferError::Listing { source, .. } if source.kind() == StoreErrorKind::Broken)
    );
}
