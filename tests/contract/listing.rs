//! Listing: byte order, prefix, delimiter, marker, limit, and pages that stay right while keys come and go.

use super::{client::*, storage::Storage};
use causeway::store::{ListEntry, ListRequest, Store};
use std::collections::BTreeSet;

const KEYS: [&str; 19] = [
    "0",
    "A/x",
    "a",
    "a b",
    "a!",
    "a-b",
    "a.txt",
    "a/",
    "a/b",
    "a/b/c",
    "a/b/d",
    "a/c",
    "ab",
    "b//",
    "b//c",
    "b/c",
    "zz",
    "é/ü",
    "\u{10348}",
];

async fn fill(store: &dyn Store) {
    // The order is neither ascending nor descending.
    for at in 0..KEYS.len() {
        let name = KEYS[at * 7 % KEYS.len()];
        put(store, name, name.to_owned()).await;
    }
}

/// A listing as S3's documentation defines it, implemented word by word.
fn naive(request: &ListRequest) -> Vec<String> {
    let mut names = BTreeSet::new();
    for key in KEYS.iter().filter(|key| key.starts_with(&request.prefix)) {
        let rest = &key[request.prefix.len()..];
        let group =
            request.delimiter.as_ref().and_then(|delimiter| Some(rest.find(delimiter)? + delimiter.len()));
        names.insert(group.map_or(*key, |end| &key[..request.prefix.len() + end]).to_owned());
    }
    names.into_iter().filter(|name| request.after.as_ref().is_none_or(|after| name > after)).collect()
}

pub async fn every_listing_is_what_the_documentation_says(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    fill(store).await;
    let texts = ["", "a", "a/", "a/b", "b//", "é", "x", "zz", "zzz", "a/b/c/", "\u{10348}"];
    for prefix in texts {
        for delimiter in [None, Some("/"), Some("b"), Some("//"), Some("/b/"), Some("é")] {
            for after in [None, Some("a"), Some("a/"), Some("a/b/"), Some("a/bb"), Some("b/"), Some("zz")] {
                let request = ListRequest {
                    prefix: prefix.into(),
                    after: after.map(str::to_owned),
                    delimiter: delimiter.map(str::to_owned),
                    limit: 1000,
                };
                let expected = naive(&request);
                let page = list(store, request.clone()).await;
                assert!(!page.truncated);
                assert_eq!(
                    page.entries.iter().map(ListEntry::name).collect::<Vec<_>>(),
                    expected,
                    "{request:?}"
                );
                for limit in [1, 3] {
                    let pages = walk(store, ListRequest { limit, ..request.clone() }).await;
                    assert_eq!(
                        pages.iter().map(ListEntry::name).collect::<Vec<_>>(),
                        expected,
                        "{limit} at a time: {request:?}"
                    );
                }
            }
        }
    }
}

pub async fn a_page_is_truncated_only_if_there_is_more(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let empty = list(store, ListRequest { limit: 1, ..Default::default() }).await;
    assert_eq!((empty.entries, empty.truncated), (Vec::new(), false));
    for name in ["a", "b/1", "b/2"] {
        put(store, name, "").await;
    }
    for (limit, delimiter, count, truncated) in [
        (3, None, 3, false),
        (2, None, 2, true),
        (2, Some("/"), 2, false),
        (1, Some("/"), 1, true),
        (0, None, 0, false),
    ] {
        let page =
            list(store, ListRequest { limit, delimiter: delimiter.map(str::to_owned), ..Default::default() })
                .await;
        assert_eq!((page.entries.len(), page.truncated), (count, truncated), "{limit} {delimiter:?}");
    }
}

pub async fn an_entry_says_what_head_says(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    put(store, "empty", "").await;
    put(store, "key", bytes(3, 5000)).await;
    put(store, "key", bytes(4, 6000)).await;
    let mut upload = Uploading::begin(store, "multi").await;
    upload.part(1, large(0)).await;
    upload.part(2, "end").await;
    upload.complete().await;
    for entry in list(store, ListRequest { limit: 10, ..Default::default() }).await.entries {
        let ListEntry::Object(listed) = entry else { panic!("{entry:?}") };
        let info = head(store, listed.key.as_str()).await;
        assert_eq!((listed.size, listed.etag), (info.size, info.etag));
        assert!(is_same_moment(listed.last_modified, info.last_modified));
        assert_eq!(
            listed.checksum.map(|sum| (sum.algorithm, sum.kind)),
            info.checksum.map(|sum| (sum.algorithm(), sum.kind))
        );
    }
}

pub async fn what_is_acknowledged_is_in_the_next_listing(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    for n in 0..10 {
        let name = format!("dir/{n}");
        put(store, &name, "x").await;
        assert!(names(store).await.contains(&name));
        if n % 2 == 0 {
            delete(store, &name).await;
            assert!(!names(store).await.contains(&name));
        }
    }
}

pub async fn deletes_between_pages_neither_skip_nor_repeat(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let all: Vec<String> = (0..40).map(|n| format!("k{n:02}/x")).collect();
    for name in &all {
        put(store, name, "").await;
    }
    for delimiter in [None, Some("/".to_owned())] {
        let mut request = ListRequest { limit: 4, delimiter: delimiter.clone(), ..Default::default() };
        let (mut seen, mut gone) = (Vec::new(), BTreeSet::new());
        loop {
            let page = list(store, request.clone()).await;
            seen.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
            if !page.truncated {
                break;
            }
            // The marker itself, and a key that is still to come.
            let last = seen.last().expect("a full page").clone();
            let at = all.iter().position(|name| name.starts_with(&last)).expect("one of ours");
            for doomed in [at, at + 2] {
                if let Some(name) = all.get(doomed) {
                    delete(store, name).await;
                    gone.insert(name.clone());
                }
            }
            request.after = Some(last);
        }
        let shown = |name: &String| if delimiter.is_some() { name[..4].to_owned() } else { name.clone() };
        let mut sorted = seen.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(seen, sorted, "in order and once");
        for name in all.iter().filter(|name| !gone.contains(*name)) {
            assert!(seen.contains(&shown(name)), "{name} was skipped");
        }
        for name in &gone {
            put(store, name, "").await;
        }
    }
}

pub async fn keys_written_while_one_lists_do_not_disturb_the_others(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let stable: Vec<String> = (0..20).map(|n| format!("{n:02}-stable")).collect();
    for name in &stable {
        put(&*bucket, name, "").await;
    }
    let writer = {
        let store = bucket.clone();
        tokio::spawn(async move {
            for n in 0..40 {
                let name = format!("{:02}-moving", n % 20);
                put(&*store, &name, "").await;
                delete(&*store, &name).await;
            }
        })
    };
    while !writer.is_finished() {
        let seen = names(&*bucket).await;
        assert_eq!(
            seen.iter().filter(|name| name.ends_with("stable")).collect::<Vec<_>>(),
            stable.iter().collect::<Vec<_>>()
        );
    }
    writer.await.expect("no panic");
    assert_eq!(names(&*bucket).await, stable);
}
