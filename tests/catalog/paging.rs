//! Listings against a naive model: random keys, random queries, and changes between the pages.

use super::sample::{bucket, delete, put};
use causeway::{
    catalog::{BucketId, Catalog},
    store::{ListEntry, ListPage, ListRequest},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{runtime::Handle, task::block_in_place};

#[derive(Debug, Clone)]
struct Case {
    keys: Vec<String>,
    request: ListRequest,
    /// A key that changes between two pages, and whether it is added or removed.
    changes: Vec<(String, bool)>,
}

fn cases() -> impl Strategy<Value = Case> {
    let key = || "[ab/é\u{1}\u{10ffff}]{1,5}";
    let request = ("[ab/]{0,2}", prop::option::of(key()), prop::option::of("(/|a|b/|é)"), 1usize..7)
        .prop_map(|(prefix, after, delimiter, limit)| ListRequest { prefix, after, delimiter, limit });
    let changes = prop::collection::vec((key(), any::<bool>()), 0..20);
    (prop::collection::vec(key(), 0..40), request, changes).prop_map(|(keys, request, changes)| Case {
        keys,
        request,
        changes,
    })
}

pub async fn pages_agree_with_a_model_while_keys_come_and_go(catalog: Arc<dyn Catalog>) {
    let count = AtomicUsize::new(0);
    let run = |case| {
        let name = format!("bucket-{}", count.fetch_add(1, Ordering::Relaxed));
        Handle::current().block_on(async {
            let id = bucket(&*catalog, &name).await.id;
            check(&*catalog, id, case).await
        })
    };
    #[allow(clippy::result_large_err)] // proptest's own, with the failing case in it.
    block_in_place(|| {
        TestRunner::new(Config { failure_persistence: None, ..Config::default() })
            .run(&cases(), run)
            .expect("agree")
    });
}

async fn check(catalog: &dyn Catalog, bucket: BucketId, case: Case) -> Result<(), TestCaseError> {
    let mut model = BTreeMap::new();
    for (size, key) in (0..).zip(case.keys) {
        catalog.index(bucket, put(&key, size)).await.expect("indexed");
        model.insert(key, size);
    }
    let (mut request, mut changes) = (case.request, case.changes.into_iter());
    loop {
        let page = catalog.list(bucket, request.clone()).await.expect("a page");
        prop_assert_eq!(sizes(&page), naive(&model, &request));
        if !page.truncated {
            return Ok(());
        }
        request.after = page.entries.last().map(|entry| entry.name().to_owned());
        for (key, comes) in changes.by_ref().take(3) {
            let change = if comes { put(&key, 1000) } else { delete(&key) };
            catalog.index(bucket, change).await.expect("indexed");
            if comes {
                model.insert(key, 1000)
            } else {
                model.remove(&key)
            };
        }
    }
}

/// The content of a page: names, with sizes for keys, and whether more follow.
type Shown = (Vec<(String, Option<u64>)>, bool);

fn sizes(page: &ListPage) -> Shown {
    let size = |entry: &ListEntry| match entry {
        ListEntry::Object(object) => Some(object.size),
        ListEntry::CommonPrefix(_) => None,
    };
    (page.entries.iter().map(|entry| (entry.name().to_owned(), size(entry))).collect(), page.truncated)
}

fn naive(model: &BTreeMap<String, u64>, request: &ListRequest) -> Shown {
    let mut names = BTreeMap::new();
    for (key, size) in model.iter().filter(|(key, _)| key.starts_with(&request.prefix)) {
        let rest = &key[request.prefix.len()..];
        match request.delimiter.as_ref().and_then(|d| rest.find(d.as_str()).map(|at| at + d.len())) {
            Some(end) => names.insert(format!("{}{}", request.prefix, &rest[..end]), None),
            None => names.insert(key.clone(), Some(*size)),
        };
    }
    let mut above =
        names.into_iter().filter(|(name, _)| request.after.as_ref().is_none_or(|after| name > after));
    let page = above.by_ref().take(request.limit).collect();
    (page, above.next().is_some())
}
