//! Two gateways in front of one container: each knows of the other's changes only from the storage.

use crate::{
    client::*,
    gateway::{Gateway, new_container},
    raw,
};
use causeway::store::{CompleteUpload, error::StoreErrorKind};
use std::collections::BTreeMap;

#[tokio::test]
async fn uploads_of_one_key_through_two_gateways_keep_their_parts() {
    let (container, one, two) = (new_container(), Gateway::new(), Gateway::new());
    let (here, there) = (one.bucket(&container).await, two.open(&container).await);
    let (mut first, mut second) =
        (Uploading::begin(&*here, "key").await, Uploading::begin(&*there, "key").await);
    first.part(1, large(0)).await;
    second.part(1, large(1)).await;
    first.part(2, "first").await;
    put(&*there, "key", "between").await;
    put(&*here, "key", bytes(1, 300_000)).await;
    first.complete().await;
    assert!(read(&*there, "key").await == [&large(0)[..], b"first"].concat());
    second.part(2, "second").await;
    delete(&*here, "key").await;
    second.complete().await;
    assert!(read(&*here, "key").await == [&large(1)[..], b"second"].concat());
    assert_eq!(raw::blobs(&container), ["key"], "nothing is left of either");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_32_writers_through_two_gateways_that_want_the_key_absent_one_wins() {
    let (container, one, two) = (new_container(), Gateway::new(), Gateway::new());
    let stores = [one.bucket(&container).await, two.open(&container).await];
    // Short objects are written by Put Blob, long ones by Put Block List.
    for size in [3_000, 200_000] {
        let name = format!("key/{size}");
        let writers: Vec<_> = (0..32u64)
            .map(|n| {
                let (store, name) = (stores[n as usize % 2].clone(), name.clone());
                tokio::spawn(
                    async move { put_if(&*store, &name, bytes(n, size + n as usize), if_absent()).await },
                )
            })
            .collect();
        let mut winners = Vec::new();
        for writer in writers {
            match writer.await.expect("no panic") {
                Ok(written) => winners.push(written.etag),
                Err(error) => assert!(
                    matches!(error.kind(), StoreErrorKind::PreconditionFailed | StoreErrorKind::Conflict),
                    "{error}"
                ),
            }
        }
        assert_eq!(winners, [etag_of(&read(&*stores[0], &name).await)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uploads_through_two_gateways_that_want_the_key_absent_have_one_winner() {
    let (container, one, two) = (new_container(), Gateway::new(), Gateway::new());
    let stores = [one.bucket(&container).await, two.open(&container).await];
    let mut completing = Vec::new();
    for n in 0..8 {
        let store = stores[n % 2].clone();
        let mut upload = Uploading::begin(&*store, "key").await;
        upload.part(1, format!("upload {n}")).await;
        let (key, id) = (upload.key.clone(), upload.id.clone());
        let request = CompleteUpload { conditions: if_absent(), ..upload.request() };
        completing.push(tokio::spawn({
            let store = store.clone();
            async move { store.complete_upload(&key, &id, request).await }
        }));
    }
    let mut winners = Vec::new();
    for complete in completing {
        match complete.await.expect("no panic") {
            Ok(written) => winners.push(written.etag),
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::PreconditionFailed, "{error}"),
        }
    }
    assert_eq!(winners, [head(&*stores[0], "key").await.etag]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn long_objects_written_at_once_to_one_key_all_succeed_and_one_stands_wholly() {
    let (container, one, two) = (new_container(), Gateway::new(), Gateway::new());
    let stores = [one.bucket(&container).await, two.open(&container).await];
    for round in 0..4u64 {
        let bodies: BTreeMap<_, _> = (0..6u64)
            .map(|n| bytes(10 * round + n, 400_000 + n as usize))
            .map(|body| (etag_of(&body).as_str().to_owned(), body))
            .collect();
        let writers: Vec<_> = bodies
            .values()
            .cloned()
            .enumerate()
            .map(|(n, body)| {
                let store = stores[n % 2].clone();
                tokio::spawn(async move { put(&*store, "key", body).await })
            })
            .collect();
        for writer in writers {
            writer.await.expect("all succeed");
        }
        let (info, body) = get(&*stores[0], "key", Default::default()).await.expect("is there");
        assert_eq!(
            bodies.get(info.etag.as_str()).map(|body| &body[..]),
            Some(&body[..]),
            "what stands is one of them"
        );
    }
}

#[tokio::test]
async fn a_counter_swapped_through_two_gateways_loses_no_step() {
    let (container, one, two) = (new_container(), Gateway::new(), Gateway::new());
    let stores = [one.bucket(&container).await, two.open(&container).await];
    put(&*stores[0], "counter", "0").await;
    let workers = stores.map(|store| {
        tokio::spawn(async move {
            let mut done = 0;
            while done < 10 {
                let (info, body) = get(&*store, "counter", Default::default()).await.expect("is there");
                let count: usize = String::from_utf8(body).expect("a text").parse().expect("a number");
                done += usize::from(
                    put_if(&*store, "counter", (count + 1).to_string(), if_still(&info.etag)).await.is_ok(),
                );
            }
        })
    });
    for worker in workers {
        worker.await.expect("no panic");
    }
    assert_eq!(read(&*Gateway::new().open(&container).await, "counter").await, b"20");
}

#[tokio::test]
async fn what_one_gateway_wrote_the_other_describes_alike() {
    let (container, one, two) = (new_container(), Gateway::new(), Gateway::new());
    let (here, there) = (one.bucket(&container).await, two.open(&container).await);
    let mut upload = Uploading::begin(&*here, "multi").await;
    upload.part(2, large(0)).await;
    upload.part(9, "end").await;
    upload.complete().await;
    assert_eq!(head(&*here, "multi").await, head(&*there, "multi").await);
    assert_eq!(head(&*there, "multi").await.parts.len(), 2);
}
