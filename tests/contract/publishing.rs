//! An object becomes visible whole or not at all, and the object that it replaces stays visible until then.

use super::{client::*, storage::Storage};
use bytes::Bytes;
use causeway::{
    model::{Checksum, ChecksumAlgorithm, VersionId},
    store::{
        DeleteRequest, GetRequest, ObjectBody, PutRequest,
        error::StoreErrorKind,
        payload::{Announced, AnnouncedChecksum, Payload, PayloadError},
    },
};
use futures_util::StreamExt;
use md5::{Digest, Md5};
use std::collections::BTreeSet;

/// Larger than any driver buffers before it begins to write.
const BIG: usize = 3 << 20;

pub async fn what_was_put_is_read_back(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    for (name, len) in [("empty", 0), ("one", 1), ("small", 4096), ("odd", 1_000_003), ("big", BIG)] {
        let body = bytes(len as u64, len);
        let written = put(store, name, body.clone()).await;
        assert_eq!(written.etag, etag_of(&body), "{name}");
        assert_eq!(read(store, name).await, body, "{name}");
        let info = head(store, name).await;
        assert_eq!((info.size, info.etag), (len as u64, written.etag), "{name}");
        assert_same_time(info.last_modified, written.last_modified);
        assert!(info.parts.is_empty());
        if let Some(sum) = info.checksum {
            assert_eq!(
                sum.checksum,
                checksum_of(sum.algorithm(), &body),
                "an unasked checksum is right as well"
            );
        }
    }
}

pub async fn an_object_is_visible_only_when_it_is_whole(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let (body, payload) = Dripping::body(Announced { length: Some(BIG as u64 + 1), ..Default::default() });
    let writer = bucket.clone();
    let writing = tokio::spawn(async move { writer.put(&key("new"), request(payload)).await });
    body.send(bytes(1, BIG)).await;
    body.send(Bytes::new()).await;
    body.send(Bytes::new()).await;
    assert_absent(&*bucket, "new").await;
    body.send(Bytes::from_static(b"!")).await;
    drop(body);
    writing.await.expect("no panic").expect("is put");
    assert_eq!(read(&*bucket, "new").await.len(), BIG + 1);
    assert_eq!(names(&*bucket).await, ["new"]);
}

pub async fn what_is_overwritten_stays_until_the_new_is_whole(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    put(&*bucket, "key", "old").await;
    let (body, payload) = Dripping::body(Announced { length: Some(BIG as u64), ..Default::default() });
    let writer = bucket.clone();
    let writing = tokio::spawn(async move { writer.put(&key("key"), request(payload)).await });
    body.send(bytes(1, BIG)).await;
    body.send(Bytes::new()).await;
    body.send(Bytes::new()).await;
    assert_eq!(read(&*bucket, "key").await, b"old");
    assert_eq!(head(&*bucket, "key").await.etag, etag_of(b"old"));
    drop(body);
    writing.await.expect("no panic").expect("is put");
    assert_eq!(read(&*bucket, "key").await, bytes(1, BIG));
    assert_eq!(names(&*bucket).await, ["key"]);
}

/// Begins to read a big object, runs `change`, and reads the rest.
async fn read_while(storage: &Storage, change: impl AsyncFnOnce(&dyn causeway::store::Store)) {
    let store = &*storage.bucket("bucket").await;
    let old = bytes(1, BIG);
    put(store, "key", old.clone()).await;
    let reply = store.get(key("key").current(), GetRequest::default()).await.expect("is there");
    let (mut got, rest) = match reply.body {
        ObjectBody::Full(bytes) => (bytes.to_vec(), None),
        other => {
            let mut stream = other.into_stream();
            let first = stream.next().await.expect("not empty").expect("readable");
            (first.to_vec(), Some(stream))
        }
    };
    change(store).await;
    if let Some(mut stream) = rest {
        while let Some(frame) = stream.next().await {
            got.extend_from_slice(&frame.expect("readable"));
        }
    }
    assert!(got == old, "the reader got something else than it began with");
}

pub async fn a_reader_keeps_the_object_it_began_with_when_it_is_overwritten(storage: &Storage) {
    read_while(storage, async |store| {
        put(store, "key", bytes(2, BIG)).await;
        put(store, "key", "short").await;
        assert_eq!(read(store, "key").await, b"short");
    })
    .await;
}

pub async fn a_reader_keeps_the_object_it_began_with_when_it_is_deleted(storage: &Storage) {
    read_while(storage, async |store| {
        delete(store, "key").await;
        assert_absent(store, "key").await;
    })
    .await;
}

pub async fn a_body_that_fails_leaves_nothing(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    for (error, frames) in
        [(PayloadError::Disconnected, vec![]), (PayloadError::SignatureMismatch, vec![bytes(1, BIG)])]
    {
        let (body, payload) = Dripping::body(Announced { length: Some(BIG as u64), ..Default::default() });
        let writer = bucket.clone();
        let writing = tokio::spawn(async move { writer.put(&key("dir/new"), request(payload)).await });
        for frame in frames {
            body.send(frame).await;
        }
        body.fail(error).await;
        assert_eq!(payload_refused(writing.await.expect("no panic")), error);
        assert_absent(&*bucket, "dir/new").await;
    }
}

pub async fn a_body_that_is_not_what_was_announced_leaves_nothing(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let zero = |algorithm: ChecksumAlgorithm| {
        Checksum::new(algorithm, &vec![0; algorithm.length()]).expect("of that length")
    };
    let sha256 = ring::digest::digest(&ring::digest::SHA256, b"hello");
    let mut cases = vec![
        (Announced { length: Some(4), ..Default::default() }, PayloadError::Incomplete),
        (Announced { length: Some(6), ..Default::default() }, PayloadError::Incomplete),
        (
            Announced { sha256: Some([1; 32]), ..Default::default() },
            PayloadError::Sha256Mismatch {
                announced: [1; 32],
                computed: sha256.as_ref().try_into().expect("32 bytes"),
            },
        ),
        (
            Announced { md5: Some([1; 16]), ..Default::default() },
            PayloadError::Md5Mismatch { announced: [1; 16], computed: Md5::digest(b"hello").into() },
        ),
    ];
    for algorithm in ChecksumAlgorithm::ALL {
        let checksum = AnnouncedChecksum::Header(zero(algorithm));
        cases.push((Announced { checksum, ..Default::default() }, PayloadError::ChecksumMismatch(algorithm)));
    }
    put(store, "old", "old").await;
    for (announced, error) in cases {
        let again = Announced {
            length: announced.length,
            sha256: announced.sha256,
            md5: announced.md5,
            checksum: announced.checksum.clone(),
        };
        for (name, announced) in [("new", announced), ("old", again)] {
            let frames =
                futures_util::stream::iter([Ok(Bytes::from_static(b"he")), Ok(Bytes::from_static(b"llo"))]);
            let result = store.put(&key(name), request(Payload::from_stream(frames, announced))).await;
            assert_eq!(payload_refused(result), error);
        }
        assert_absent(store, "new").await;
        assert_eq!(read(store, "old").await, b"old", "after {error:?}");
    }
}

pub async fn a_writer_that_goes_away_leaves_nothing(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    put(store, "old", "old").await;
    for name in ["new", "old"] {
        let (body, payload) =
            Dripping::body(Announced { length: Some(BIG as u64 + 1), ..Default::default() });
        let target = key(name);
        let feed = async {
            body.send(bytes(1, BIG)).await;
            body.send(Bytes::new()).await;
            body.send(Bytes::new()).await;
        };
        tokio::select! {
            biased;
            _ = store.put(&target, request(payload)) => unreachable!("the body has not ended"),
            () = feed => {}
        }
    }
    assert_absent(store, "new").await;
    assert_eq!(read(store, "old").await, b"old");
}

pub async fn an_announced_checksum_is_kept_with_the_object(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    for algorithm in ChecksumAlgorithm::ALL {
        let right = checksum_of(algorithm, b"hello");
        for checksum in [AnnouncedChecksum::Header(right.clone()), AnnouncedChecksum::Algorithm(algorithm)] {
            let frames = futures_util::stream::iter([Ok(Bytes::from_static(b"hello"))]);
            let payload = Payload::from_stream(frames, Announced { checksum, ..Default::default() });
            let written = store.put(&key("sum"), request(payload)).await.expect("is put");
            assert_eq!(written.checksum.as_ref().map(|sum| &sum.checksum), Some(&right));
            assert_eq!(head(store, "sum").await.checksum, written.checksum);
        }
    }
}

pub async fn the_last_of_many_writers_of_one_key_stands_wholly(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let writers: Vec<_> = (0..16u64)
        .map(|seed| {
            let store = bucket.clone();
            tokio::spawn(async move {
                // Under many concurrent writes, a storage may answer 5xx (moto does). Only the client can
                // know that repeating the write is harmless.
                for _ in 0..9 {
                    if let Ok(written) = store
                        .put(&key("key"), request(Payload::from_bytes(bytes(seed, 20_000 + seed as usize))))
                        .await
                    {
                        return written;
                    }
                }
                put(&*store, "key", bytes(seed, 20_000 + seed as usize)).await
            })
        })
        .collect();
    let mut etags = Vec::new();
    for writer in writers {
        etags.push(writer.await.expect("no panic").etag);
    }
    let (info, body) = get(&*bucket, "key", Default::default()).await.expect("is there");
    assert!(etags.contains(&info.etag));
    assert_eq!((etag_of(&body), body.len() as u64), (info.etag.clone(), info.size));
    let page = list(&*bucket, causeway::store::ListRequest { limit: 10, ..Default::default() }).await;
    match &page.entries[..] {
        [causeway::store::ListEntry::Object(listed)] => {
            assert_eq!((&listed.etag, listed.size), (&info.etag, info.size))
        }
        other => panic!("{other:?}"),
    }
}

pub async fn deleting_what_is_not_there_succeeds(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    delete(store, "never").await;
    put(store, "key", "x").await;
    delete(store, "key").await;
    delete(store, "key").await;
    assert_absent(store, "key").await;
    put(store, "key", "y").await;
    assert_eq!(read(store, "key").await, b"y");
}

pub async fn objects_deleted_together_have_each_its_own_outcome(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let names: Vec<_> = (0..40).map(|n| format!("folder {}/{n}", n % 3)).collect();
    for name in names.iter().map(String::as_str).chain(["kept", "twice"]) {
        put(store, name, "x").await;
    }
    let wanted = |name: &str, version: Option<&str>| DeleteRequest {
        version: version.map(|id| VersionId::parse(id).expect("an id")),
        ..deletion(name)
    };
    let mut requests: Vec<_> = names.iter().map(|name| wanted(name, None)).collect();
    requests.insert(20, wanted("kept", Some("v5n1PPUjOCMHLyyfq0ayjoZ5RZLfVQKA")));
    requests.extend([wanted("never", None), wanted("twice", None), wanted("twice", None)]);
    let outcomes = store.delete_all(requests.clone()).await;
    assert_eq!(outcomes.len(), requests.len());
    for (at, (request, outcome)) in requests.iter().zip(outcomes).enumerate() {
        match (at, outcome) {
            (20, outcome) => assert_eq!(refused(outcome), StoreErrorKind::NoSuchVersion),
            (_, Ok(_)) => {}
            (_, Err(error)) => panic!("deleting {:?}: {error}", request.key),
        }
    }
    assert_eq!(super::client::names(store).await, ["kept"]);
    for name in ["folder 0/0", "folder 2/38", "twice"] {
        assert_absent(store, name).await;
    }
    assert_eq!(store.delete_all(Vec::new()).await.len(), 0);
}

pub async fn buckets_of_one_backend_do_not_share_keys(storage: &Storage) {
    let (one, two) = (storage.bucket("bucket-one").await, storage.bucket("bucket-two").await);
    put(&*one, "key", "one").await;
    assert_absent(&*two, "key").await;
    put(&*two, "key", "two").await;
    delete(&*one, "key").await;
    assert_eq!(read(&*two, "key").await, b"two");
}

pub async fn the_modification_time_of_a_key_does_not_run_backwards(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let mut last = put(store, "key", "0").await.last_modified;
    for n in 1..20 {
        let written = put(store, "key", n.to_string()).await;
        assert!(written.last_modified >= last);
        last = written.last_modified;
    }
    assert_same_time(head(store, "key").await.last_modified, last);
}

pub async fn acknowledged_objects_are_there_after_a_restart(storage: &mut Storage) {
    let body = bytes(5, 70_000);
    let mut written = Vec::new();
    for stop in [super::storage::Stop::Orderly, super::storage::Stop::Killed] {
        {
            let store = &*storage.bucket("bucket").await;
            let name = format!("dir/{stop:?}");
            let object = put_with(store, &name, body.clone(), super::attributes::every(store)).await;
            written.push((name, object));
            put(store, "gone", "x").await;
            delete(store, "gone").await;
        }
        storage.restart(stop).await;
        let store = &*storage.bucket("bucket").await;
        let expected = if storage.is_durable() { written.as_slice() } else { &[] };
        let expected_names: BTreeSet<_> = expected.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names(store).await, expected_names.into_iter().collect::<Vec<_>>());
        for (name, object) in expected {
            let info = head(store, name).await;
            assert_eq!(info.etag, object.etag, "{name}");
            assert_same_time(info.last_modified, object.last_modified);
            assert_eq!(
                (info.checksum, info.attributes),
                (object.checksum.clone(), super::attributes::every(store)),
                "{name}"
            );
            assert_eq!(read(store, name).await, body, "{name}");
        }
        assert_absent(store, "gone").await;
    }
}

pub async fn a_condition_that_fails_leaves_nothing_of_the_body(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    put(store, "key", "old").await;
    let target = key("key");
    let refused_put = |conditions| {
        store.put(&target, PutRequest { conditions, ..request(Payload::from_bytes(bytes(1, BIG))) })
    };
    assert_eq!(refused(refused_put(if_absent()).await), StoreErrorKind::PreconditionFailed);
    assert_eq!(refused(refused_put(if_still(&etag_of(b"other"))).await), StoreErrorKind::PreconditionFailed);
    assert_eq!(read(store, "key").await, b"old");
    assert_eq!(names(store).await, ["key"]);
}
