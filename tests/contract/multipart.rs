//! Multipart uploads: parts in any order, one object at the end; Complete may be repeated.

use super::{
    attributes::every,
    client::*,
    storage::{Stop, Storage},
};
use bytes::Bytes;
use causeway::{
    model::{Attributes, ByteRange, ETag},
    store::{
        BeginUpload, CompleteUpload, Keeping, PartWritten, Result, Selection, Store,
        error::StoreErrorKind::{
            Conflict, EntityTooSmall, InvalidPart, InvalidPartNumber, InvalidRequest, NoSuchKey,
            NoSuchUpload, PreconditionFailed,
        },
        payload::{Announced, Payload, PayloadError},
    },
};
use md5::{Digest, Md5};
use std::{collections::BTreeMap, sync::Arc};

/// S3's ETag of an object whose parts have these ETags.
fn multipart_etag<'e>(parts: impl ExactSizeIterator<Item = &'e ETag>) -> ETag {
    let count = parts.len();
    let digests: Vec<u8> = parts.flat_map(|etag| etag.as_md5().expect("an MD5")).collect();
    ETag::multipart(Md5::digest(digests).into(), count)
}

/// Uploads the parts in the given order, and expects an object of the parts in order of their numbers.
async fn assert_becomes(store: &dyn Store, sent: &[(u16, Bytes)]) {
    let mut upload = Uploading::begin(store, "key").await;
    let mut etags = BTreeMap::new();
    for (n, body) in sent {
        let written = upload.part(*n, body.clone()).await;
        etags.insert(n, etag_of(body));
        assert_eq!(written.etag, etags[n]);
    }
    let written = upload.complete().await;
    // If a part was sent twice, the later one counts.
    let parts: BTreeMap<u16, &[u8]> = sent.iter().map(|(n, body)| (*n, &body[..])).collect();
    let whole = parts.values().copied().collect::<Vec<_>>().concat();
    let keeps_parts = store.capabilities().parts == Keeping::Kept;
    if keeps_parts {
        assert_eq!(written.etag, multipart_etag(etags.values()));
    }
    let (_, body) = get(store, "key", Selection::Whole).await.expect("is there");
    let info = head(store, "key").await;
    assert!(body == whole, "the object is not its parts");
    assert_eq!((info.size, &info.etag), (whole.len() as u64, &written.etag));
    assert_same_time(info.last_modified, written.last_modified);
    if !keeps_parts {
        return;
    }
    let shown: Vec<_> = info.parts.iter().map(|part| (part.number, part.size)).collect();
    assert_eq!(shown, parts.iter().map(|(n, body)| (*n, body.len() as u64)).collect::<Vec<_>>());
    let mut start = 0u64;
    for (n, part) in &parts {
        let (_, body) = get(store, "key", Selection::Part(number(*n))).await.expect("is a part");
        assert!(body == *part, "part {n}");
        let end = start + part.len() as u64;
        if end < info.size && start > 0 {
            let across =
                read_range(store, "key", ByteRange::FromTo(start - 1, end)).await.expect("lies inside");
            assert!(across == whole[start as usize - 1..=end as usize], "across part {n}");
        }
        start = end;
    }
}

pub async fn parts_make_an_object_in_order_of_their_numbers(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let end = Bytes::from_static(b"end");
    assert_becomes(store, &[(1, Bytes::from_static(b"one small part"))]).await;
    assert_becomes(store, &[(1, Bytes::new())]).await;
    assert_becomes(store, &[(1, large(0)), (2, large(1)), (3, end.clone())]).await;
    assert_becomes(store, &[(3, end.clone()), (2, large(1)), (1, large(0))]).await;
    assert_becomes(store, &[(2, large(1)), (3, large(2)), (1, large(0))]).await;
}

pub async fn part_numbers_may_have_gaps(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    assert_becomes(store, &[(7, large(0)), (9, large(1)), (10_000, Bytes::from_static(b"end"))]).await;
    assert_becomes(store, &[(10_000, Bytes::from_static(b"end")), (2, large(1))]).await;
    assert_becomes(store, &[(500, Bytes::from_static(b"alone"))]).await;
}

pub async fn parts_may_have_any_sizes(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let sized = |seed, len| bytes(seed, len);
    assert_becomes(
        store,
        &[(1, sized(1, LARGE + 1)), (2, sized(2, LARGE)), (3, sized(3, LARGE + 100)), (4, sized(4, 1))],
    )
    .await;
    assert_becomes(store, &[(1, large(0)), (2, sized(5, LARGE + 7)), (3, large(1))]).await;
    // The last part is the largest; the last part is sent first.
    assert_becomes(store, &[(2, sized(6, 2 * LARGE)), (1, large(0))]).await;
    assert_becomes(store, &[(3, sized(7, 17)), (1, large(0)), (2, large(1))]).await;
    assert_becomes(store, &[(1, large(0)), (2, Bytes::new())]).await;
}

pub async fn a_part_sent_again_replaces_the_first(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let end = Bytes::from_static(b"end");
    assert_becomes(store, &[(1, large(0)), (2, end.clone()), (1, large(3))]).await;
    assert_becomes(store, &[(1, large(0)), (2, large(1)), (3, end.clone()), (2, bytes(8, LARGE + 9))]).await;
    assert_becomes(store, &[(1, bytes(8, LARGE + 9)), (2, large(1)), (3, end.clone()), (1, large(2))]).await;
    assert_becomes(store, &[(1, large(0)), (2, bytes(4, 50)), (2, bytes(5, 20))]).await;
    assert_becomes(store, &[(1, Bytes::from_static(b"long, then")), (1, Bytes::from_static(b"short"))]).await;
    let mut upload = Uploading::begin(store, "key").await;
    let old = upload.part(1, "old").await;
    upload.part(1, "new").await;
    let mut request = upload.request();
    request.parts[0].etag = old.etag;
    assert_eq!(refused(upload.try_complete(request).await), InvalidPart);
    upload.complete().await;
    assert_eq!(read(store, "key").await, b"new");
}

pub async fn parts_that_are_not_named_are_left_out(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    for left_out in [1, 2, 3] {
        let mut upload = Uploading::begin(store, "key").await;
        for n in 1..=3u16 {
            upload.part(n, large(n as usize - 1)).await;
        }
        upload.done.retain(|part| part.number != number(left_out));
        upload.complete().await;
        let expected =
            (1..=3).filter(|n| *n != left_out).map(|n| large(n as usize - 1)).collect::<Vec<_>>().concat();
        assert!(read(store, "key").await == expected, "without part {left_out}");
        assert!(store.capabilities().parts == Keeping::NotKept || head(store, "key").await.parts.len() == 2);
    }
}

pub async fn parts_come_at_once(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let mut upload = Uploading::begin(&*bucket, "key").await;
    let sending: Vec<_> = (1..=5u16)
        .rev()
        .map(|n| {
            let (store, key, id) = (bucket.clone(), upload.key.clone(), upload.id.clone());
            let body = if n == 5 { bytes(8, 77) } else { large(n as usize % 4) };
            tokio::spawn(
                async move { (n, store.put_part(&key, &id, number(n), Payload::from_bytes(body)).await) },
            )
        })
        .collect();
    for part in sending {
        let (n, written) = part.await.expect("no panic");
        upload.sent(n, &written.expect("a part is put"));
    }
    upload.complete().await;
    let expected = [large(1), large(2), large(3), large(0), bytes(8, 77)].concat();
    assert!(read(&*bucket, "key").await == expected);
}

pub async fn of_one_part_sent_many_times_at_once_one_stands_wholly(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let mut upload = Uploading::begin(&*bucket, "key").await;
    let sending: Vec<_> = (0..8u64)
        .map(|seed| {
            let (store, key, id) = (bucket.clone(), upload.key.clone(), upload.id.clone());
            let body = bytes(seed, 100_000 + seed as usize);
            tokio::spawn(async move { store.put_part(&key, &id, number(1), Payload::from_bytes(body)).await })
        })
        .collect();
    for part in sending {
        part.await.expect("no panic").expect("a part is put");
    }
    let page = bucket.list_parts(&upload.key, &upload.id, 0, 10).await.expect("is there");
    let [listed] = &page.parts[..] else { panic!("{:?}", page.parts) };
    let written = causeway::store::PartWritten {
        etag: listed.etag.clone(),
        checksum: None,
        last_modified: listed.last_modified,
    };
    upload.sent(1, &written);
    upload.complete().await;
    let body = read(&*bucket, "key").await;
    assert_eq!((etag_of(&body), body.len() as u64), (listed.etag.clone(), listed.size));
}

pub async fn the_key_holds_what_it_held_until_the_upload_completes(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let request = BeginUpload { attributes: every(store), ..plain_upload() };
    let mut upload = Uploading::begin_with(store, "key", request).await;
    upload.part(1, "new").await;
    assert_absent(store, "key").await;
    put(store, "key", "old").await;
    upload.part(1, "newer").await;
    assert_eq!(read(store, "key").await, b"old");
    upload.complete().await;
    assert_eq!(read(store, "key").await, b"newer");
    assert_eq!(head(store, "key").await.attributes, every(store), "those the upload began with");
    put(store, "key", "plain").await;
    assert_eq!(head(store, "key").await.attributes, Attributes::default());
}

pub async fn uploads_of_one_key_do_not_disturb_each_other(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let (mut one, mut two, mut three) = (
        Uploading::begin(store, "key").await,
        Uploading::begin(store, "key").await,
        Uploading::begin(store, "key").await,
    );
    one.part(1, "one").await;
    two.part(1, large(2)).await;
    three.part(1, "three").await;
    two.part(2, "two").await;
    three.abort().await.expect("is there");
    one.complete().await;
    assert_eq!(read(store, "key").await, b"one");
    two.complete().await;
    assert!(read(store, "key").await == [&large(2)[..], b"two"].concat());
    assert_eq!(refused(three.try_complete(three.request()).await), NoSuchUpload);
}

pub async fn an_aborted_upload_is_gone(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let mut upload = Uploading::begin(store, "key").await;
    upload.part(1, "x").await;
    upload.abort().await.expect("is there");
    assert_eq!(refused(upload.abort().await), NoSuchUpload);
    assert_eq!(refused(upload.try_complete(upload.request()).await), NoSuchUpload);
    assert_eq!(refused(store.list_parts(&upload.key, &upload.id, 0, 10).await), NoSuchUpload);
    let late = store.put_part(&upload.key, &upload.id, number(2), Payload::from_bytes("y")).await;
    assert_eq!(refused(late), NoSuchUpload);
    assert!(
        store
            .list_uploads(causeway::store::ListUploadsRequest { limit: 10, ..Default::default() })
            .await
            .expect("lists")
            .entries
            .is_empty()
    );
    assert_absent(store, "key").await;
}

pub async fn an_upload_belongs_to_its_key(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let mut upload = Uploading::begin(store, "key").await;
    upload.part(1, "x").await;
    let other = key("other");
    assert_eq!(
        refused(store.put_part(&other, &upload.id, number(1), Payload::from_bytes("y")).await),
        NoSuchUpload
    );
    assert_eq!(refused(store.list_parts(&other, &upload.id, 0, 10).await), NoSuchUpload);
    assert_eq!(refused(store.complete_upload(&other, &upload.id, upload.request()).await), NoSuchUpload);
    assert_eq!(refused(store.abort_upload(&other, &upload.id).await), NoSuchUpload);
    upload.complete().await;
    assert_eq!(
        refused(store.complete_upload(&other, &upload.id, upload.request()).await),
        NoSuchUpload,
        "nor when it has ended"
    );
    assert_eq!(names(store).await, ["key"]);
}

pub async fn a_repeated_complete_is_answered_alike(storage: &mut Storage) {
    let (name, id, request, written) = {
        let store = &*storage.bucket("bucket").await;
        let mut upload = Uploading::begin(store, "key").await;
        upload.part(1, large(0)).await;
        upload.part(2, "end").await;
        let written = upload.complete().await;
        assert_eq!(upload.try_complete(upload.request()).await.expect("again"), written);
        let conditional = CompleteUpload { conditions: if_absent(), ..upload.request() };
        assert_eq!(
            upload.try_complete(conditional).await.expect("the condition held when it was published"),
            written
        );
        let late = store.put_part(&upload.key, &upload.id, number(3), Payload::from_bytes("late")).await;
        assert_eq!(refused(late), NoSuchUpload);
        assert_eq!(refused(upload.abort().await), NoSuchUpload);
        put(store, "key", "newer").await;
        assert_eq!(upload.try_complete(upload.request()).await.expect("again"), written);
        assert_eq!(read(store, "key").await, b"newer", "a repetition publishes nothing");
        (upload.key.clone(), upload.id.clone(), upload.request(), written)
    };
    if storage.is_durable() {
        storage.restart(Stop::Killed).await;
        let store = &*storage.bucket("bucket").await;
        assert_eq!(store.complete_upload(&name, &id, request).await.expect("again"), written);
        assert_eq!(read(store, "key").await, b"newer");
    }
}

pub async fn of_many_completes_at_once_all_are_answered_alike(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let mut upload = Uploading::begin(&*bucket, "key").await;
    upload.part(1, large(0)).await;
    upload.part(2, "end").await;
    let completing: Vec<_> = (0..6)
        .map(|_| {
            let (store, key, id, request) =
                (bucket.clone(), upload.key.clone(), upload.id.clone(), upload.request());
            tokio::spawn(async move { store.complete_upload(&key, &id, request).await })
        })
        .collect();
    let mut answers = Vec::new();
    for complete in completing {
        answers.push(complete.await.expect("no panic").expect("is completed"));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(read(&*bucket, "key").await == [&large(0)[..], b"end"].concat());
}

pub async fn a_complete_that_is_refused_leaves_the_upload_as_it_was(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let mut upload = Uploading::begin(store, "key").await;
    upload.part(1, "too small").await;
    upload.part(2, large(1)).await;
    assert_eq!(refused(upload.try_complete(upload.request()).await), EntityTooSmall);
    upload.part(1, large(0)).await;
    let changed = |change: &dyn Fn(&mut CompleteUpload)| {
        let mut request = upload.request();
        change(&mut request);
        request
    };
    let wrong_etag = changed(&|request| request.parts[1].etag = etag_of(b"other"));
    let unknown = changed(&|request| request.parts[1].number = number(3));
    let wrong_size = changed(&|request| request.size = Some(1));
    assert_eq!(refused(upload.try_complete(wrong_etag).await), InvalidPart);
    assert_eq!(refused(upload.try_complete(unknown).await), InvalidPart);
    assert_eq!(refused(upload.try_complete(wrong_size).await), InvalidRequest);
    assert_absent(store, "key").await;
    assert_eq!(store.list_parts(&upload.key, &upload.id, 0, 10).await.expect("is there").parts.len(), 2);
    upload
        .try_complete(changed(&|request| request.size = Some(2 * LARGE as u64)))
        .await
        .expect("is completed");
    assert!(read(store, "key").await == [large(0), large(1)].concat());
}

pub async fn conditions_of_a_complete_look_at_the_moment_of_publishing(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let mut upload = Uploading::begin(store, "key").await;
    upload.part(1, "multi").await;
    let with = |conditions| upload.try_complete(CompleteUpload { conditions, ..upload.request() });
    assert_eq!(refused(with(if_still(&etag_of(b"x"))).await), NoSuchKey);
    put(store, "key", "old").await;
    assert_eq!(refused(with(if_absent()).await), PreconditionFailed);
    assert_eq!(refused(with(if_still(&etag_of(b"x"))).await), PreconditionFailed);
    assert_eq!(read(store, "key").await, b"old");
    with(if_still(&etag_of(b"old"))).await.expect("is the one");
    assert_eq!(read(store, "key").await, b"multi");
}

pub async fn of_many_uploads_that_want_the_key_absent_one_wins(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let mut completing = Vec::new();
    for n in 0..8 {
        let mut upload = Uploading::begin(&*bucket, "key").await;
        upload.part(1, format!("upload {n}")).await;
        let (store, key, id) = (bucket.clone(), upload.key.clone(), upload.id.clone());
        let request = CompleteUpload { conditions: if_absent(), ..upload.request() };
        completing.push(tokio::spawn(async move { store.complete_upload(&key, &id, request).await }));
    }
    let mut winners = Vec::new();
    for complete in completing {
        match complete.await.expect("no panic") {
            Ok(written) => winners.push(written),
            Err(error) => assert!(matches!(error.kind(), PreconditionFailed | Conflict), "{error}"),
        }
    }
    let [winner] = &winners[..] else { panic!("{} winners", winners.len()) };
    assert_eq!(head(&*bucket, "key").await.etag, winner.etag);
}

pub async fn a_part_whose_body_fails_leaves_the_one_before(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let mut upload = Uploading::begin(&*bucket, "key").await;
    upload.part(1, large(0)).await;
    upload.part(2, "end").await;
    let bad = |body: Bytes| {
        let announced =
            Announced { md5: Some([0; 16]), length: Some(body.len() as u64), ..Default::default() };
        Payload::from_stream(futures_util::stream::iter([Ok(body)]), announced)
    };
    for (n, body) in [(1, large(1)), (2, bytes(1, 40)), (3, large(2)), (1, bytes(2, 9))] {
        let result = bucket.put_part(&upload.key, &upload.id, number(n), bad(body)).await;
        assert!(
            matches!(payload_refused(result), PayloadError::Md5Mismatch { announced, .. } if announced == [0; 16])
        );
    }
    let cut = Payload::from_stream(
        futures_util::stream::iter([Ok(large(3)), Err(PayloadError::Disconnected)]),
        Announced { length: Some(2 * LARGE as u64), ..Default::default() },
    );
    assert_eq!(
        payload_refused(bucket.put_part(&upload.key, &upload.id, number(1), cut).await),
        PayloadError::Disconnected
    );
    let listed = bucket.list_parts(&upload.key, &upload.id, 0, 10).await.expect("is there").parts;
    assert_eq!(
        listed.iter().map(|part| (part.number.get(), part.size)).collect::<Vec<_>>(),
        [(1, LARGE as u64), (2, 3)]
    );
    upload.complete().await;
    assert!(read(&*bucket, "key").await == [&large(0)[..], b"end"].concat());
}

pub async fn a_part_on_its_way_when_the_upload_ends_changes_nothing(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    // A part that is sent again, a new part after the object's end, and a part between existing ones.
    for (late, last) in [(1, 2), (3, 2), (2, 3)] {
        let mut upload = Uploading::begin(&*bucket, "key").await;
        upload.part(1, large(0)).await;
        upload.part(last, "end").await;
        let (body, sending) = late_part(&bucket, &upload, late).await;
        upload.complete().await;
        body.send(large(1).slice(LARGE - 1..)).await;
        drop(body);
        assert_eq!(refused(sending.await.expect("no panic")), NoSuchUpload, "part {late}");
        assert!(read(&*bucket, "key").await == [&large(0)[..], b"end"].concat(), "part {late}");
        assert_eq!(head(&*bucket, "key").await.size, LARGE as u64 + 3, "part {late}");
    }
}

pub async fn a_part_that_is_sent_again_while_it_hangs_is_the_one_that_counts(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let mut upload = Uploading::begin(&*bucket, "key").await;
    upload.part(1, large(0)).await;
    // A client that gave up waiting sends the part again; the first connection continues later.
    let (body, sending) = late_part(&bucket, &upload, 2).await;
    upload.part(2, large(2)).await;
    upload.complete().await;
    body.send(large(1).slice(LARGE - 1..)).await;
    drop(body);
    assert_eq!(refused(sending.await.expect("no panic")), NoSuchUpload);
    assert!(read(&*bucket, "key").await == [&large(0)[..], &large(2)[..]].concat());
}

type Sending = tokio::task::JoinHandle<Result<PartWritten>>;

/// Sends a part except for its last byte.
async fn late_part(bucket: &Arc<dyn Store>, upload: &Uploading<'_>, n: u16) -> (Dripping, Sending) {
    let (body, payload) = Dripping::body(Announced { length: Some(LARGE as u64), ..Default::default() });
    let (store, key, id) = (bucket.clone(), upload.key.clone(), upload.id.clone());
    let sending = tokio::spawn(async move { store.put_part(&key, &id, number(n), payload).await });
    body.send(large(1).slice(..LARGE - 1)).await;
    body.send(Bytes::new()).await;
    (body, sending)
}

pub async fn an_upload_goes_on_after_a_restart(storage: &mut Storage) {
    if !storage.is_durable() {
        return;
    }
    for stop in [Stop::Orderly, Stop::Killed] {
        let (key, id, done) = {
            let store = &*storage.bucket("bucket").await;
            let request = BeginUpload { attributes: every(store), ..plain_upload() };
            let mut upload = Uploading::begin_with(store, "key", request).await;
            upload.part(1, large(0)).await;
            upload.part(3, "end").await;
            (upload.key, upload.id, upload.done)
        };
        storage.restart(stop).await;
        let store = &*storage.bucket("bucket").await;
        let mut upload = Uploading { store, key, id, done };
        upload.part(2, large(1)).await;
        upload.complete().await;
        assert!(
            read(store, "key").await == [&large(0)[..], &large(1)[..], b"end"].concat(),
            "after {stop:?}"
        );
        assert_eq!(head(store, "key").await.attributes, every(store));
        delete(store, "key").await;
    }
}

pub async fn a_part_number_the_object_does_not_have_is_refused(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let mut upload = Uploading::begin(store, "key").await;
    upload.part(2, large(0)).await;
    upload.part(5, "end").await;
    upload.complete().await;
    for n in [1, 3, 6] {
        assert_eq!(
            refused(get(store, "key", Selection::Part(number(n))).await),
            InvalidPartNumber { parts: 2 }
        );
    }
}
