//! A client may disconnect at any moment. Its operation is done wholly or not at all, and can be tried again.

use super::{
    attributes::{every, tags},
    client::*,
    storage::Storage,
};
use causeway::{
    model::Attributes,
    store::{Change, ListEntry, ListRequest, Store, payload::Payload},
};
use std::{future::Future, pin::pin};

/// How often an operation is polled before it is dropped: from never to most likely until it is done.
const PATIENCE: [usize; 12] = [0, 1, 2, 3, 5, 8, 20, 50, 150, 500, 2_000, 20_000];

/// Drops `operation` after so many polls. Returns its outcome if it ended before.
async fn given_up<T>(operation: impl Future<Output = T>, patience: usize) -> Option<T> {
    let mut operation = pin!(operation);
    for _ in 0..patience {
        tokio::select! {
            biased;
            outcome = &mut operation => return Some(outcome),
            () = tokio::task::yield_now() => {}
        }
    }
    None
}

/// An operation may continue for a while after it was dropped. Waits until the listing and the object agree,
/// and returns what the key then holds.
async fn settled(store: &dyn Store, name: &str) -> Option<(String, Vec<u8>, Attributes)> {
    for _ in 0..2_000 {
        let listed = list(store, ListRequest { prefix: name.to_owned(), limit: 1, ..Default::default() })
            .await
            .entries
            .pop();
        let found = get(store, name, Default::default()).await.ok();
        match (listed, found) {
            (None, None) => return None,
            (Some(ListEntry::Object(listed)), Some((info, body)))
                if listed.etag == info.etag && is_same_moment(listed.last_modified, info.last_modified) =>
            {
                assert_eq!((listed.size, info.size), (body.len() as u64, body.len() as u64));
                return Some((info.etag.as_str().to_owned(), body, info.attributes));
            }
            _ => tokio::task::yield_now().await,
        }
    }
    panic!("the listing and the object of {name} do not come to agree");
}

pub async fn a_put_given_up_leaves_the_old_or_the_new(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    for old in [None, Some("old")] {
        for (n, patience) in PATIENCE.into_iter().enumerate() {
            // Each round has its own key, because background work of one round must not affect the next.
            let name = format!("{old:?}/{n}");
            if let Some(old) = old {
                put_with(store, &name, old, every(store)).await;
            }
            let new = bytes(n as u64, 300_000);
            let (key, request) = (key(&name), request(Payload::from_bytes(new.clone())));
            let done = given_up(store.put(&key, request), patience).await;
            match settled(store, &name).await {
                Some((etag, body, attributes)) if body == new => {
                    assert_eq!((etag.as_str(), attributes), (etag_of(&new).as_str(), Attributes::default()));
                }
                Some((_, body, attributes)) => {
                    assert!(
                        done.is_none() && old.is_some_and(|old| old.as_bytes() == body),
                        "neither old nor new"
                    );
                    assert_eq!(attributes, every(store));
                }
                None => assert!(done.is_none() && old.is_none()),
            }
        }
    }
}

pub async fn a_delete_given_up_leaves_all_or_nothing(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    for (n, patience) in PATIENCE.into_iter().enumerate() {
        let name = format!("folder/{n}");
        put(store, &name, "x").await;
        let (key, conditions) = (key(&name), Default::default());
        let done = given_up(store.delete(key.current(), &conditions), patience).await;
        match settled(store, &name).await {
            Some((_, body, _)) => assert!(done.is_none() && body == b"x"),
            None => assert_absent(store, &name).await,
        }
        delete(store, &name).await;
    }
}

pub async fn an_update_given_up_leaves_the_old_tags_or_the_new(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    for (n, patience) in PATIENCE.into_iter().enumerate() {
        let name = format!("key/{n}");
        put_with(store, &name, "x", every(store)).await;
        let new = tags(&[("n", "1")]);
        let key = key(&name);
        let done = given_up(store.update(key.current(), Change::Tags(new.clone())), patience).await;
        let (_, body, attributes) = settled(store, &name).await.expect("is there");
        assert_eq!(body, b"x");
        assert!(
            attributes == Attributes { tags: new.clone(), ..every(store) }
                || (done.is_none() && attributes == every(store))
        );
        store.update(key.current(), Change::Tags(new)).await.expect("can be tried again");
    }
}

pub async fn a_part_given_up_can_be_sent_again(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    for (n, patience) in PATIENCE.into_iter().enumerate() {
        let mut upload = Uploading::begin(store, &format!("key/{n}")).await;
        upload.part(1, bytes(1, 200_000)).await;
        let again = bytes(2, 150_000 + n);
        drop(
            given_up(
                store.put_part(&upload.key, &upload.id, number(1), Payload::from_bytes(again.clone())),
                patience,
            )
            .await,
        );
        upload.part(1, again.clone()).await;
        upload.complete().await;
        assert!(read(store, upload.key.as_str()).await == again);
    }
}

pub async fn a_complete_given_up_can_be_repeated(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    for (n, patience) in PATIENCE.into_iter().enumerate() {
        let mut upload = Uploading::begin(store, &format!("key/{n}")).await;
        let body = bytes(n as u64, 200_000);
        upload.part(1, body.clone()).await;
        let first = given_up(upload.try_complete(upload.request()), patience).await;
        let again = upload.complete().await;
        if let Some(first) = first {
            assert_eq!(first.expect("is completed"), again);
        }
        let (etag, got, _) = settled(store, upload.key.as_str()).await.expect("is there");
        assert!(got == body);
        assert_eq!(etag, again.etag.as_str());
    }
}
