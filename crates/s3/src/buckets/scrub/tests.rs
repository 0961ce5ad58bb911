//! A scrub of a bucket that clients use meanwhile.

use super::*;
use crate::{
    backend::{Backend, memory::MemoryBackend},
    catalog::{BucketId, BucketRecord, NewBucket},
    model::{Attributes, BucketName, Owner},
    store::{PutRequest, payload::Payload},
};

async fn bucket() -> Arc<dyn Store> {
    let backend = MemoryBackend::new();
    let bucket = NewBucket {
        name: BucketName::parse("bucket").expect("a name"),
        owner: Owner { id: "owner".into(), display_name: "owner".into() },
        created: Timestamp::now(),
        tenant: Default::default(),
        backend: "memory".to_owned(),
        location: "bucket".to_owned(),
    };
    backend.open(&BucketRecord::new(BucketId(1), bucket)).await.expect("opens").store
}

async fn put(store: &dyn Store, name: &str, body: String) {
    let key = ObjectKey::new(name.to_owned()).expect("a key");
    let request = PutRequest {
        attributes: Attributes::default(),
        conditions: Default::default(),
        payload: Payload::from_bytes(body),
    };
    store.put(&key, request).await.expect("is put");
}

#[tokio::test]
async fn what_clients_change_meanwhile_is_no_difference() {
    let store = bucket().await;
    for n in 0..PAGE + 10 {
        put(&*store, &format!("{n:04}"), n.to_string()).await;
    }
    let (ending, mut end) = tokio::sync::oneshot::channel::<()>();
    let clients = async {
        let mut n = 0usize;
        while end.try_recv().is_err() {
            n += 1;
            let name = format!("{:04}", n * 7 % (PAGE + 10));
            match n % 3 {
                0 => drop(
                    store
                        .delete(ObjectKey::new(name).expect("a key").current(), &Default::default())
                        .await
                        .expect("is deleted"),
                ),
                _ => put(&*store, &name, "x".repeat(n % 100)).await,
            }
            tokio::task::yield_now().await;
        }
    };
    let scrubs = async {
        let (findings, mut found) = mpsc::channel(16);
        let mut looked = 0;
        for _ in 0..5 {
            let counts = Mutex::default();
            let done =
                scrub(store.clone(), Depth::Bytes, &counts, &findings).await.expect("comes to its end");
            assert_eq!((done.differing, done.failed), (0, 0), "{:?}", found.try_recv());
            looked += done.objects;
        }
        ending.send(()).expect("the clients are still there");
        looked
    };
    let (_, looked) = tokio::join!(clients, scrubs);
    assert!(looked > PAGE as u64, "more than a page each time");
}

#[tokio::test]
async fn every_object_of_every_page_is_looked_at_once() {
    let store = bucket().await;
    for n in 0..2 * PAGE {
        put(&*store, &format!("{n:04}"), "ten bytes.".to_owned()).await;
    }
    let (counts, (findings, _found)) = (Mutex::default(), mpsc::channel(16));
    let done = scrub(store, Depth::Bytes, &counts, &findings).await.expect("comes to its end");
    let objects = 2 * PAGE as u64;
    assert_eq!(done, ScrubCounts { objects, bytes: objects * 10, ..Default::default() });
}
