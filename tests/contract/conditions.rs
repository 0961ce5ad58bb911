//! Conditions are checked at the moment of publishing.

use super::{client::*, storage::Storage};
use bytes::Bytes;
use causeway::{
    model::Timestamp,
    store::{
        GetRequest, PutRequest, Result, Written,
        condition::{ETagMatch, ReadConditions, WriteConditions},
        error::StoreErrorKind::{Conflict, NoSuchKey, NotModified, PreconditionFailed},
        payload::{Announced, Arrived, BodySource, Payload, PayloadError},
    },
};
use std::{
    pin::Pin,
    task::{Context, Poll},
};

pub async fn of_32_writers_that_want_the_key_absent_one_wins(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    for round in 0..5u64 {
        let name = format!("round/{round}");
        let writers: Vec<_> = (0..32u64)
            .map(|n| {
                let (store, name) = (bucket.clone(), name.clone());
                tokio::spawn(
                    async move { put_if(&*store, &name, bytes(n, 3000 + n as usize), if_absent()).await },
                )
            })
            .collect();
        let mut winners: Vec<Written> = Vec::new();
        for writer in writers {
            match writer.await.expect("no panic") {
                Ok(written) => winners.push(written),
                Err(error) => assert!(matches!(error.kind(), PreconditionFailed | Conflict), "{error}"),
            }
        }
        let [winner] = &winners[..] else { panic!("{} winners in round {round}", winners.len()) };
        assert_eq!(etag_of(&read(&*bucket, &name).await), winner.etag);
    }
}

pub async fn a_counter_swapped_by_its_etag_loses_no_step(storage: &Storage) {
    const WORKERS: usize = 8;
    const STEPS: usize = 8;
    let bucket = storage.bucket("bucket").await;
    put(&*bucket, "counter", "0").await;
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let store = bucket.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while done < STEPS {
                    let (info, body) = get(&*store, "counter", Default::default()).await.expect("is there");
                    let count: usize = String::from_utf8(body).expect("a text").parse().expect("a number");
                    match put_if(&*store, "counter", (count + 1).to_string(), if_still(&info.etag)).await {
                        Ok(_) => done += 1,
                        Err(error) => {
                            assert!(matches!(error.kind(), PreconditionFailed | Conflict), "{error}")
                        }
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("no panic");
    }
    assert_eq!(read(&*bucket, "counter").await, (WORKERS * STEPS).to_string().into_bytes());
}

/// Starts a PUT under `conditions`; `meanwhile` runs while its body is being sent.
async fn put_while(
    storage: &Storage,
    conditions: WriteConditions,
    meanwhile: impl AsyncFnOnce(&dyn causeway::store::Store),
) -> Result<Written> {
    let bucket = storage.bucket("bucket").await;
    let (body, payload) = Dripping::body(Announced::default());
    let writer = bucket.clone();
    let put = PutRequest { conditions, ..request(payload) };
    let writing = tokio::spawn(async move { writer.put(&key("key"), put).await });
    body.send(Bytes::from_static(b"slow")).await;
    body.send(Bytes::new()).await;
    meanwhile(&*bucket).await;
    drop(body);
    writing.await.expect("no panic")
}

pub async fn a_key_taken_while_the_body_came_is_not_absent(storage: &Storage) {
    let result = put_while(storage, if_absent(), async |store| drop(put(store, "key", "quick").await)).await;
    assert!(matches!(refused(result), PreconditionFailed | Conflict));
    assert_eq!(read(&*storage.bucket("bucket").await, "key").await, b"quick");
}

pub async fn a_key_emptied_while_the_body_came_is_absent(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    put(store, "key", "old").await;
    // The condition does not hold at first. A driver may refuse early, but it must not accept early.
    match put_while(storage, if_absent(), async |store| drop(delete(store, "key").await)).await {
        Ok(_) => assert_eq!(read(store, "key").await, b"slow"),
        Err(error) => assert_eq!(error.kind(), PreconditionFailed),
    }
}

pub async fn an_object_replaced_while_the_body_came_does_not_match(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let old = put(store, "key", "old").await;
    let result =
        put_while(storage, if_still(&old.etag), async |store| drop(put(store, "key", "quick").await)).await;
    assert!(matches!(refused(result), PreconditionFailed | Conflict));
    assert_eq!(read(store, "key").await, b"quick");
}

pub async fn write_conditions_look_at_the_object_that_is_there(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    assert_eq!(refused(put_if(store, "key", "x", if_still(&etag_of(b"old"))).await), NoSuchKey);
    assert_absent(store, "key").await;
    let old = put_if(store, "key", "old", if_absent()).await.expect("was absent");
    assert_eq!(refused(put_if(store, "key", "new", if_absent()).await), PreconditionFailed);
    assert_eq!(refused(put_if(store, "key", "new", if_still(&etag_of(b"new"))).await), PreconditionFailed);
    let unless_old = WriteConditions {
        if_none_match: Some(ETagMatch::OneOf(vec![old.etag.clone()])),
        ..Default::default()
    };
    assert_eq!(refused(put_if(store, "key", "new", unless_old).await), PreconditionFailed);
    let any = WriteConditions { if_match: Some(ETagMatch::Any), ..Default::default() };
    put_if(store, "key", "newer", any).await.expect("is there");
    let new = head(store, "key").await;
    put_if(store, "key", "newest", if_still(&new.etag)).await.expect("is still the one");
    assert_eq!(read(store, "key").await, b"newest");
}

pub async fn a_conditional_delete_removes_only_what_it_means(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let written = put(store, "key", "four").await;
    let earlier = Timestamp::from_millis(written.last_modified.millis() - 5_000);
    let conditions = |change: &dyn Fn(&mut WriteConditions)| {
        let mut conditions = WriteConditions::default();
        change(&mut conditions);
        conditions
    };
    for wrong in [
        if_still(&etag_of(b"other")),
        conditions(&|c| c.size = Some(5)),
        conditions(&|c| c.last_modified = Some(earlier)),
    ] {
        assert_eq!(
            refused(store.delete(key("key").current(), &wrong).await),
            PreconditionFailed,
            "{wrong:?}"
        );
        assert_eq!(read(store, "key").await, b"four");
    }
    let right = WriteConditions {
        size: Some(4),
        last_modified: Some(written.last_modified),
        ..if_still(&written.etag)
    };
    store.delete(key("key").current(), &right).await.expect("is the one");
    assert_absent(store, "key").await;
    assert_eq!(refused(store.delete(key("key").current(), &right).await), NoSuchKey);
}

pub async fn of_many_conditional_deletes_one_wins(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let written = put(&*bucket, "key", "x").await;
    let deletes: Vec<_> = (0..8)
        .map(|_| {
            let (store, conditions) = (bucket.clone(), if_still(&written.etag));
            tokio::spawn(async move { store.delete(key("key").current(), &conditions).await })
        })
        .collect();
    let mut won = 0;
    for delete in deletes {
        match delete.await.expect("no panic") {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error.kind(), NoSuchKey | Conflict), "{error}"),
        }
    }
    // Storage may report that an object was deleted although another request deleted it. At least one request
    // deleted it.
    assert!(if storage.is_remote() { won >= 1 } else { won == 1 });
    assert_absent(&*bucket, "key").await;
}

pub async fn read_conditions_hold_for_head_and_get(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let written = put(store, "key", "x").await;
    let (this, other) =
        (ETagMatch::OneOf(vec![written.etag.clone()]), ETagMatch::OneOf(vec![etag_of(b"other")]));
    let shifted = |by: i64| Some(Timestamp::from_millis(written.last_modified.millis() + by));
    let none = ReadConditions::default;
    let cases = [
        (none(), None),
        (ReadConditions { if_match: Some(this.clone()), ..none() }, None),
        (ReadConditions { if_match: Some(other.clone()), ..none() }, Some(PreconditionFailed)),
        (ReadConditions { if_none_match: Some(this), ..none() }, Some(NotModified)),
        (ReadConditions { if_none_match: Some(other), ..none() }, None),
        (ReadConditions { if_modified_since: shifted(-5_000), ..none() }, None),
        (ReadConditions { if_modified_since: shifted(5_000), ..none() }, Some(NotModified)),
        (ReadConditions { if_unmodified_since: shifted(-5_000), ..none() }, Some(PreconditionFailed)),
        (ReadConditions { if_unmodified_since: shifted(5_000), ..none() }, None),
    ];
    for (conditions, expected) in cases {
        let head = store.head(key("key").current(), &conditions).await;
        assert_eq!(head.err().map(kind), expected, "HEAD {conditions:?}");
        let get = store
            .get(key("key").current(), GetRequest { conditions: conditions.clone(), ..Default::default() })
            .await;
        assert_eq!(get.err().map(kind), expected, "GET {conditions:?}");
        if !conditions.is_empty() {
            let absent = store.head(key("absent").current(), &conditions).await;
            assert_eq!(absent.err().map(kind), Some(NoSuchKey), "{conditions:?}");
        }
    }
}

pub async fn a_conditional_put_of_nothing_is_a_put(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    store
        .put(&key("lock"), PutRequest { conditions: if_absent(), ..request(Payload::from_bytes("")) })
        .await
        .expect("is taken");
    assert!(matches!(refused(put_if(store, "lock", "", if_absent()).await), PreconditionFailed));
    delete(store, "lock").await;
    put_if(store, "lock", "", if_absent()).await.expect("is free again");
}

/// A body that another component verifies, and whose end brings conditions.
struct Ending {
    frames: Vec<Bytes>,
    arrived: Arrived,
}

impl BodySource for Ending {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Bytes, PayloadError>>> {
        Poll::Ready(self.frames.pop().map(Ok))
    }

    fn foretold(&self) -> Option<Arrived> {
        Some(self.arrived.clone())
    }
}

fn ending(body: &Bytes, conditions: WriteConditions) -> Payload {
    let arrived = Arrived {
        size: body.len() as u64,
        md5: etag_of(body).as_md5(),
        checksum: None,
        conditions: Some(conditions),
    };
    Payload::foretold(Ending { frames: vec![body.clone()], arrived }, Default::default())
}

pub async fn conditions_that_come_with_the_end_of_a_body_are_those_that_count(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    if !store.capabilities().late_conditions {
        // A caller that reads the capabilities sends such a store no late conditions.
        return;
    }
    for (name, len) in [("short", 100), ("long", 300_000)] {
        let [first, second, third] = [1, 2, 3].map(|seed| bytes(seed, len));
        // The first conditions would be refused, and must not be checked.
        let late = |body: &Bytes, conditions| PutRequest {
            conditions: if_still(&etag_of(b"?")),
            ..request(ending(body, conditions))
        };
        store.put(&key(name), late(&first, if_absent())).await.expect("is absent");
        let taken = store.put(&key(name), late(&second, if_absent())).await;
        assert_eq!(taken.err().map(kind), Some(PreconditionFailed), "{name}");
        assert_eq!(read(store, name).await, first, "{name}");
        store.put(&key(name), late(&second, if_still(&etag_of(&first)))).await.expect("is still the first");
        let replaced = store.put(&key(name), late(&third, if_still(&etag_of(&first)))).await;
        assert_eq!(replaced.err().map(kind), Some(PreconditionFailed), "{name}");
        store.put(&key(name), late(&third, WriteConditions::default())).await.expect("nothing is asked");
        assert_eq!(read(store, name).await, third, "{name}");
    }
}
