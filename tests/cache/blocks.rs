//! Cached bytes: they always belong to the current version, are read from the storage once, and are kept only
//! in whole blocks.

use super::{
    client::{bytes, collect, get, key, put, read, read_range, refused},
    watched::{Bed, FRAME, TTL, Tear},
};
use bytes::Bytes;
use causeway::{
    cache::{DataCache, DataSettings, Freshness},
    model::{ByteRange, CacheUse},
    store::{ByteStream, GetRequest, ObjectBody, Selection, Store, error::StoreErrorKind},
};
use futures_util::{StreamExt, TryStreamExt};
use proptest::{prelude::*, test_runner::TestRunner};
use std::sync::Arc;
use tokio::task::{JoinSet, yield_now};

const MIB: usize = 1 << 20;

pub fn in_memory(memory: usize) -> DataSettings {
    DataSettings { memory: memory as u64, disk: None, max_object: 8 << 20 }
}

pub async fn used(store: &dyn Store, name: &str, selection: Selection) -> (Vec<u8>, Option<CacheUse>) {
    let (info, body) = get(store, name, selection).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    (body, info.notes.cache)
}

fn range(from: usize, len: usize) -> Selection {
    Selection::Range(ByteRange::FromTo(from as u64, (from + len - 1) as u64))
}

const HIT: Option<CacheUse> = Some(CacheUse::Hit);
const MISS: Option<CacheUse> = Some(CacheUse::Miss);

#[derive(Debug, Clone)]
enum Step {
    Put {
        seed: u64,
        len: usize,
    },
    /// Another program replaces the object.
    Replace {
        seed: u64,
        len: usize,
    },
    Read {
        from: usize,
        len: usize,
    },
    Whole,
}

fn step() -> impl Strategy<Value = Step> {
    let len = || prop_oneof![0..100usize, 0..(7 * MIB / 2), Just(MIB), Just(2 * MIB), Just(MIB + 1)];
    prop_oneof![
        1 => (any::<u64>(), len()).prop_map(|(seed, len)| Step::Put { seed, len }),
        1 => (any::<u64>(), len()).prop_map(|(seed, len)| Step::Replace { seed, len }),
        5 => (0..(7 * MIB / 2), 1..(2 * MIB)).prop_map(|(from, len)| Step::Read { from, len }),
        2 => Just(Step::Whole),
    ]
}

async fn play(bed: &Bed, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut now = Bytes::from_static(b"first");
    put(&*bed.store, "a", now.clone()).await;
    for step in steps {
        match step {
            Step::Put { seed, len } => {
                now = bytes(seed, len);
                put(&*bed.store, "a", now.clone()).await;
            }
            Step::Replace { seed, len } => {
                now = bytes(seed, len);
                put(&*bed.below, "a", now.clone()).await;
            }
            Step::Read { from, len } => {
                match read_range(&*bed.store, "a", ByteRange::FromTo(from as u64, (from + len - 1) as u64))
                    .await
                {
                    Ok(read) => prop_assert!(read == now[from..now.len().min(from + len)], "{from} {len}"),
                    Err(error) => {
                        prop_assert_eq!(
                            error.kind(),
                            StoreErrorKind::InvalidRange { size: now.len() as u64 }
                        );
                        prop_assert!(from >= now.len());
                    }
                }
            }
            Step::Whole => prop_assert!(read(&*bed.store, "a").await == now),
        }
    }
    Ok(())
}

#[test]
fn what_is_read_are_the_bytes_of_the_object_that_is_there() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let config = ProptestConfig {
        cases: 32,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let result =
        TestRunner::new(config).run(&(any::<u8>(), prop::collection::vec(step(), 1..16)), |(kind, steps)| {
            let directory = tempfile::tempdir().expect("a directory");
            // Variants: memory that is soon full, disk that is soon full, and both.
            let disk = (kind % 3 > 0).then(|| (5 * MIB as u64, directory.path().join("cache")));
            let memory = if kind % 3 == 1 { 0 } else { 3 * MIB as u64 };
            runtime.block_on(async {
                play(&Bed::of_bytes(DataSettings { memory, disk, max_object: 3 * MIB as u64 }).await, steps)
                    .await
            })
        });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cold_herd_makes_one_reading_of_the_storage() {
    let bed = Bed::of_bytes(in_memory(16 * MIB)).await;
    let whole = bytes(1, 5 * MIB + 77);
    put(&*bed.below, "a", whole.clone()).await;
    let mut herd = JoinSet::new();
    for _ in 0..500 {
        let (store, whole) = (bed.store.clone(), whole.clone());
        herd.spawn(async move { read(&*store, "a").await == whole });
    }
    assert!(herd.join_all().await.into_iter().all(|same| same));
    assert_eq!(bed.watch.asked("get"), 1);
    assert_eq!(used(&*bed.store, "a", Selection::Whole).await.1, HIT);
}

#[tokio::test]
async fn with_a_fresh_head_the_storage_is_not_asked_at_all() {
    let freshness = Freshness { ttl: TTL, stale: None };
    let bed = Bed::with(Some(freshness), Some(DataCache::open(in_memory(4 * MIB)).expect("opens"))).await;
    put(&*bed.store, "a", "bytes").await;
    assert_eq!(used(&*bed.store, "a", Selection::Whole).await, (b"bytes".to_vec(), MISS));
    bed.watch.asked("get");
    bed.watch.asked("head");
    assert_eq!(used(&*bed.store, "a", range(1, 2)).await, (b"yt".to_vec(), HIT));
    assert_eq!((bed.watch.asked("get"), bed.watch.asked("head")), (0, 0));
    // Another program replaces the object. Its cached bytes count for as long as its head does; a write
    // through the gateway ends both.
    put(&*bed.below, "a", "other").await;
    assert_eq!(read(&*bed.store, "a").await, b"bytes");
    put(&*bed.store, "a", "ours").await;
    assert_eq!(read(&*bed.store, "a").await, b"ours");
}

#[tokio::test]
async fn a_head_that_is_old_does_not_mislead() {
    let freshness = Freshness { ttl: TTL, stale: None };
    let bed = Bed::with(Some(freshness), Some(DataCache::open(in_memory(4 * MIB)).expect("opens"))).await;
    put(&*bed.below, "a", "first").await;
    bed.store.head(key("a").current(), &Default::default()).await.expect("a head");
    put(&*bed.below, "a", "second").await;
    // The read shows that the object has been replaced.
    assert_eq!(used(&*bed.store, "a", Selection::Whole).await, (b"second".to_vec(), MISS));
    bed.below.delete(key("a").current(), &Default::default()).await.expect("is deleted");
    bed.store.head(key("a").current(), &Default::default()).await.expect("is kept");
    assert_eq!(used(&*bed.store, "a", Selection::Whole).await, (b"second".to_vec(), HIT));
}

#[tokio::test(start_paused = true)]
async fn bytes_are_never_stale() {
    let freshness = Freshness { ttl: TTL, stale: Some(TTL) };
    let bed = Bed::with(Some(freshness), Some(DataCache::open(in_memory(4 * MIB)).expect("opens"))).await;
    put(&*bed.below, "a", "bytes").await;
    read(&*bed.store, "a").await;
    tokio::time::advance(TTL).await;
    bed.watch.fail(StoreErrorKind::Unavailable);
    let head = bed.store.head(key("a").current(), &Default::default()).await.expect("a head");
    assert_eq!(head.notes.cache, Some(CacheUse::Stale));
    assert_eq!(
        refused(bed.store.get(key("a").current(), GetRequest::default()).await),
        StoreErrorKind::Unavailable
    );
}

#[tokio::test]
async fn only_what_is_missing_is_read() {
    let bed = Bed::of_bytes(in_memory(8 * MIB)).await;
    let whole = bytes(1, 4 * MIB);
    put(&*bed.below, "a", whole.clone()).await;
    assert_eq!(used(&*bed.store, "a", range(10, 20)).await, (whole[10..30].to_vec(), MISS));
    assert_eq!(used(&*bed.store, "a", range(MIB - 5, 5)).await, (whole[MIB - 5..MIB].to_vec(), HIT));
    assert_eq!(used(&*bed.store, "a", range(MIB - 5, 10)).await, (whole[MIB - 5..MIB + 5].to_vec(), MISS));
    assert_eq!(bed.watch.asked("get"), 2);
    assert_eq!(used(&*bed.store, "a", range(0, 2 * MIB)).await, (whole[..2 * MIB].to_vec(), HIT));
    assert_eq!(bed.watch.asked("get"), 0);
}

#[tokio::test]
async fn a_reading_of_more_than_is_kept_goes_past() {
    let bed = Bed::of_bytes(in_memory(64 * MIB)).await;
    let whole = bytes(1, 9 * MIB);
    put(&*bed.below, "a", whole.clone()).await;
    for _ in 0..2 {
        assert_eq!(used(&*bed.store, "a", Selection::Whole).await, (whole.to_vec(), None));
    }
    assert_eq!(used(&*bed.store, "a", range(8 * MIB, 10)).await.1, MISS);
    assert_eq!(used(&*bed.store, "a", range(8 * MIB, 10)).await.1, HIT);
}

#[tokio::test]
async fn bytes_go_on_to_the_reader_before_a_block_is_whole() {
    let bed = Bed::of_bytes(in_memory(8 * MIB)).await;
    let whole = bytes(1, 3 * MIB);
    put(&*bed.below, "a", whole.clone()).await;
    bed.watch.hold_frames();
    bed.watch.let_frames(1);
    let reply = bed.store.get(key("a").current(), GetRequest::default()).await.expect("begins");
    let ObjectBody::Stream(mut body) = reply.body else { panic!("not all of it can be there") };
    assert_eq!(body.next().await.expect("a frame").expect("comes"), whole[..FRAME]);
    // A second reader shares the read in progress.
    let ObjectBody::Stream(mut later) =
        bed.store.get(key("a").current(), GetRequest::default()).await.expect("begins").body
    else {
        panic!("not all of it can be there")
    };
    assert_eq!(later.next().await.expect("a frame").expect("comes"), whole[..FRAME]);
    assert!(futures_util::poll!(later.next()).is_pending());
    bed.watch.let_frames(1000);
    let mut rest = Vec::new();
    while let Some(frame) = later.next().await {
        rest.extend_from_slice(&frame.expect("comes"));
    }
    assert_eq!(rest, whole[FRAME..]);
    assert_eq!(bed.watch.asked("get"), 1);
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_up_nobody() {
    let bed = Bed::of_bytes(in_memory(16 * MIB)).await;
    let whole = bytes(1, 7 * MIB);
    put(&*bed.below, "a", whole.clone()).await;
    let idle = bed.store.get(key("a").current(), GetRequest::default()).await.expect("begins");
    assert_eq!(read(&*bed.store, "a").await, whole);
    assert_eq!(bed.watch.asked("get"), 1);
    assert_eq!(collect(idle).await.expect("comes"), whole);
}

#[tokio::test]
async fn a_reader_who_goes_away_ends_what_is_fetched_for_him() {
    let bed = Bed::of_bytes(in_memory(16 * MIB)).await;
    let whole = bytes(1, 7 * MIB);
    put(&*bed.below, "a", whole.clone()).await;
    bed.watch.hold_frames();
    bed.watch.let_frames(3);
    drop(bed.store.get(key("a").current(), GetRequest::default()).await.expect("begins"));
    bed.watch.let_frames(1000);
    assert_eq!(read(&*bed.store, "a").await, whole);
    assert_eq!(bed.watch.asked("get"), 2);
}

#[tokio::test]
async fn a_reply_that_is_torn_leaves_whole_blocks_or_nothing() {
    for (how, frames) in
        [(Tear::Fails, 0), (Tear::JustEnds, 0), (Tear::Fails, 5), (Tear::JustEnds, 20), (Tear::Fails, 31)]
    {
        let bed = Bed::of_bytes(in_memory(16 * MIB)).await;
        let whole = bytes(1, 2 * MIB + 5);
        put(&*bed.below, "a", whole.clone()).await;
        bed.watch.tear(frames, how);
        let torn = match bed.store.get(key("a").current(), GetRequest::default()).await {
            Ok(reply) => collect(reply).await,
            Err(error) => Err(error),
        };
        assert_eq!(refused(torn), StoreErrorKind::Unavailable, "{how:?} {frames}");
        let kept = frames * FRAME / MIB;
        for block in 0..3 {
            let expected = if block < kept { HIT } else { MISS };
            let (read, used) = used(&*bed.store, "a", range(block * MIB, 5)).await;
            assert_eq!(
                (&read[..], used),
                (&whole[block * MIB..block * MIB + 5], expected),
                "{how:?} {frames} {block}"
            );
        }
        assert_eq!(read(&*bed.store, "a").await, whole);
    }
}

#[tokio::test]
async fn nobody_waits_for_a_reading_that_met_a_defect() {
    let bed = Bed::of_bytes(in_memory(4 * MIB)).await;
    put(&*bed.below, "a", bytes(1, MIB)).await;
    bed.watch.tear(2, Tear::Panics);
    bed.watch.hold_frames();
    let one = bed.store.get(key("a").current(), GetRequest::default()).await;
    let other = bed.store.get(key("a").current(), GetRequest::default()).await;
    bed.watch.let_frames(1000);
    for reading in [one, other] {
        assert_eq!(refused(collect(reading.expect("begins")).await), StoreErrorKind::Internal);
    }
    assert_eq!(read(&*bed.store, "a").await, bytes(1, MIB));
}

#[tokio::test]
async fn a_failure_is_told_and_not_kept() {
    let bed = Bed::of_bytes(in_memory(4 * MIB)).await;
    put(&*bed.below, "a", "bytes").await;
    let mut held = bed.watch.hold("get", super::watched::Side::Before);
    let a = key("a");
    let mut reading = bed.store.get(a.current(), GetRequest::default());
    assert!(futures_util::poll!(&mut reading).is_pending());
    held.reached().await;
    bed.watch.fail(StoreErrorKind::Busy);
    held.go_on();
    assert_eq!(refused(reading.await), StoreErrorKind::Busy);
    bed.watch.fail(None);
    assert_eq!(read(&*bed.store, "a").await, b"bytes");
}

#[tokio::test]
async fn an_object_replaced_while_it_is_read_is_read_as_it_was() {
    let bed = Bed::of_bytes(in_memory(16 * MIB)).await;
    let (old, new) = (bytes(1, 6 * MIB), bytes(2, 6 * MIB));
    put(&*bed.below, "a", old.clone()).await;
    let begun = bed.store.get(key("a").current(), GetRequest::default()).await.expect("begins");
    put(&*bed.store, "a", new.clone()).await;
    assert_eq!(read(&*bed.store, "a").await, new);
    assert_eq!(collect(begun).await.expect("comes"), old);
}

async fn begun(bed: &Bed, name: &str) -> (Bytes, ByteStream) {
    let reply = bed.store.get(key(name).current(), GetRequest::default()).await.expect("begins");
    let ObjectBody::Stream(mut body) = reply.body else { panic!("not all of it comes at once") };
    (body.next().await.expect("a frame").expect("comes"), body)
}

async fn to_its_end((first, rest): (Bytes, ByteStream)) -> Vec<u8> {
    let rest: Vec<Bytes> = rest.try_collect().await.expect("comes");
    [&first[..], &rest.concat()].concat()
}

#[tokio::test]
async fn readers_of_one_fetch_keep_their_version_however_far_the_slower_one_is_behind() {
    // The memory is too small for a single block.
    let bed = Bed::of_bytes(in_memory(MIB / 2)).await;
    let (old, new) = (bytes(1, 7 * MIB), bytes(2, 7 * MIB));
    put(&*bed.below, "a", old.clone()).await;
    let slow = begun(&bed, "a").await;
    assert_eq!(read(&*bed.store, "a").await, old);
    put(&*bed.below, "a", new.clone()).await;
    assert_eq!(to_its_end(slow).await, old);
    assert_eq!(read(&*bed.store, "a").await, new);
}

#[tokio::test]
async fn a_reader_that_reads_along_with_a_shorter_fetch_has_the_rest_secured_too() {
    let bed = Bed::of_bytes(in_memory(MIB / 2)).await;
    let (old, new) = (bytes(1, 3 * MIB), bytes(2, 3 * MIB));
    put(&*bed.below, "a", old.clone()).await;
    bed.watch.hold_frames();
    bed.watch.let_frames(1);
    let a = key("a");
    let part = bed
        .store
        .get(a.current(), GetRequest { selection: range(0, MIB), ..Default::default() })
        .await
        .expect("begins");
    let whole = bed.store.get(a.current(), GetRequest::default()).await.expect("begins");
    put(&*bed.below, "a", new).await;
    bed.watch.let_frames(1000);
    assert_eq!(collect(whole).await.expect("comes"), old);
    assert_eq!(collect(part).await.expect("comes"), old[..MIB]);
}

#[tokio::test]
async fn a_reader_has_one_reading_of_the_storage_whatever_is_at_hand() {
    let bed = Bed::of_bytes(in_memory(16 * MIB)).await;
    let whole = bytes(1, 9 * MIB);
    put(&*bed.below, "a", whole.clone()).await;
    for block in [2, 6] {
        used(&*bed.store, "a", range(block * MIB, 100)).await;
    }
    assert_eq!(bed.watch.asked("get"), 2);
    // If one read waited for another, they would deadlock when a writer waits between them.
    let slow = begun(&bed, "a").await;
    assert_eq!(bed.watch.asked("get"), 1);
    assert_eq!(to_its_end(slow).await, whole);
    assert_eq!(bed.watch.asked("get"), 0, "what is missing was there");
}

#[tokio::test]
async fn what_was_at_hand_when_a_reading_began_is_kept_for_it() {
    let bed = Bed::of_bytes(in_memory(4 * MIB)).await;
    let (old, new) = (bytes(1, 3 * MIB), bytes(2, 3 * MIB));
    put(&*bed.below, "a", old.clone()).await;
    read(&*bed.store, "a").await;
    let slow = begun(&bed, "a").await;
    put(&*bed.below, "a", new).await;
    put(&*bed.below, "b", bytes(3, 4 * MIB)).await;
    for _ in 0..20 {
        read(&*bed.store, "b").await;
    }
    assert_eq!(to_its_end(slow).await, old);
}

#[tokio::test]
async fn who_reads_on_is_read_ahead_for() {
    let data = DataCache::open(in_memory(16 * MIB)).expect("opens");
    let bed = Bed::with(None, Some(data.clone())).await;
    let whole = bytes(1, 8 * MIB);
    put(&*bed.below, "a", whole.clone()).await;
    for step in 0..2 {
        used(&*bed.store, "a", range(step * MIB, MIB)).await;
    }
    // Two blocks were requested, and four more are read ahead.
    while data.sizes().0 < 6 * MIB as u64 {
        yield_now().await;
    }
    bed.watch.asked("get");
    for step in 2..6 {
        assert_eq!(
            used(&*bed.store, "a", range(step * MIB, 100)).await,
            (whole[step * MIB..step * MIB + 100].to_vec(), HIT)
        );
    }
}

#[tokio::test]
async fn who_jumps_about_is_not() {
    let data = DataCache::open(in_memory(16 * MIB)).expect("opens");
    let bed = Bed::with(None, Some(data.clone())).await;
    put(&*bed.below, "a", bytes(1, 8 * MIB)).await;
    for block in [7, 0, 5, 2] {
        used(&*bed.store, "a", range(block * MIB, 100)).await;
    }
    assert_eq!(bed.watch.asked("get"), 4);
    assert!(data.sizes().0 < 5 * MIB as u64);
}

#[tokio::test]
async fn memory_stays_within_its_bound() {
    let data = DataCache::open(in_memory(4 * MIB)).expect("opens");
    let bed = Bed::with(None, Some(data.clone())).await;
    for n in 0..12 {
        put(&*bed.below, &n.to_string(), bytes(n, MIB)).await;
        read(&*bed.store, &n.to_string()).await;
    }
    assert!((MIB as u64..=4 * MIB as u64).contains(&data.sizes().0));
}

#[tokio::test]
async fn buckets_and_counts_are_told_apart() {
    let data = DataCache::open(in_memory(4 * MIB)).expect("opens");
    let bed = Bed::with(None, Some(data.clone())).await;
    put(&*bed.below, "a", "bytes").await;
    for _ in 0..3 {
        read(&*bed.store, "a").await;
    }
    let counts: Vec<_> =
        data.counts().into_iter().map(|count| (count.kind.as_str(), count.outcome, count.times)).collect();
    assert_eq!(counts, [("data", CacheUse::Hit, 2), ("data", CacheUse::Miss, 1)]);
    let same: Arc<dyn Store> = bed.backend.open(&bed.record).await.expect("opens").store;
    assert_eq!(used(&*same, "a", Selection::Whole).await.1, HIT);
    assert_eq!(data.counts().len(), 2);
}
