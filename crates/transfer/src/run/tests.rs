//! Tests of whole runs, between stores in memory.

use super::*;
use crate::{
    compare::Comparison,
    end::Times,
    events::Action,
    model::{Attributes, ETag, ObjectAddress, ObjectInfo, ObjectKey, Tag, TagSet},
    own_time::{MTIME, OwnTime},
    retry::RetryPolicy,
    store::{
        self, GetReply, GetRequest, Layer, ListEntry, ListRequest, PutRequest, Selection, Store,
        payload::Payload,
    },
};
use bytes::Bytes;
use causeway_backend::memory::MemoryStore;
use causeway_layers::faults::{FaultKind, Faults, FaultyStore, Plan};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use tokio::sync::{Notify, mpsc};

#[path = "kills.rs"]
mod kills;

fn memory() -> Arc<MemoryStore> {
    Arc::default()
}

fn end(store: &Arc<impl Store>, prefix: &str) -> End {
    End::new(store.clone(), prefix, &format!("memory:{prefix}"))
}

async fn put_with(end: &End, name: &str, bytes: impl Into<Bytes>, attributes: Attributes) {
    let conditions = Default::default();
    let request = PutRequest { attributes, conditions, payload: Payload::from_bytes(bytes) };
    end.store.put(&end.key(name).expect("a key"), request).await.expect("is written");
}

/// Writes an object with an own time.
async fn put(end: &End, name: &str, bytes: impl Into<Bytes>, time: &str) {
    let user = BTreeMap::from([(MTIME.to_owned(), time.to_owned())]);
    put_with(end, name, bytes, Attributes { user, ..Default::default() }).await;
}

async fn read(end: &End, name: &str) -> (Bytes, Attributes) {
    let key = end.key(name).expect("a key");
    let reply = end.store.get(key.current(), GetRequest::default()).await.expect("is there");
    let (attributes, mut bytes) = (reply.info.attributes, Vec::new());
    let mut stream = reply.body.into_stream();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece.expect("is read"));
    }
    (bytes.into(), attributes)
}

async fn tree(end: &End) -> BTreeMap<String, Bytes> {
    let request = ListRequest { prefix: end.prefix().to_owned(), limit: 1000, ..Default::default() };
    let mut tree = BTreeMap::new();
    for entry in end.store.list(request).await.expect("is listed").entries {
        let ListEntry::Object(object) = entry else { continue };
        let name = end.name(object.key.as_str()).expect("a name").to_owned();
        tree.insert(name.clone(), read(end, &name).await.0);
    }
    tree
}

fn transfer(source: &End, destination: &End, options: Options) -> Transfer {
    Transfer::new(source.clone(), destination.clone(), options, Timestamp::from_millis(0))
}

/// Runs a transfer, and returns its actions, too.
async fn run(mut transfer: Transfer) -> (Result<Summary, TransferError>, Vec<(String, Action)>) {
    let (sender, mut events) = mpsc::channel(1);
    transfer.reporter = Reporter::new(sender);
    let collect = async {
        let mut actions = Vec::new();
        while let Some(event) = events.recv().await {
            if let Event::Planned(deed) | Event::Done(deed) = event {
                actions.push((deed.name, deed.action));
            }
        }
        actions.sort();
        actions
    };
    tokio::join!(transfer.run(), collect)
}

async fn done(transfer: Transfer) -> Vec<(String, Action)> {
    let (summary, actions) = run(transfer).await;
    let summary = summary.expect("runs");
    assert!(summary.is_success(), "{summary:?}");
    actions
}

fn actions(expected: &[(&str, Action)]) -> Vec<(String, Action)> {
    expected.iter().map(|(name, action)| (name.to_string(), *action)).collect()
}

fn sync() -> Options {
    Options { verb: Verb::Sync, ..Default::default() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

#[tokio::test]
async fn a_sync_sends_what_is_missing_or_other_and_deletes_the_rest_and_a_second_one_does_nothing() {
    let (from, to) = (end(&memory(), "a"), end(&memory(), "b"));
    put(&from, "new", "1", "10.5").await;
    put(&from, "same", "22", "11").await;
    put(&to, "same", "22", "11").await;
    put(&from, "other/size", "333", "12").await;
    put(&to, "other/size", "3333", "12").await;
    put(&from, "time", "4444", "13.25").await;
    put(&to, "time", "4444", "99").await;
    put(&from, "bytes", "5555", "14").await;
    put(&to, "bytes", "5556", "15").await;
    put(&to, "extra", "6", "16").await;
    let mut expected = actions(&[
        ("bytes", Action::Replace),
        ("extra", Action::Delete),
        ("new", Action::Copy),
        ("other/size", Action::Replace),
        ("time", Action::SetTime),
    ]);
    let dry = Options { dry_run: true, ..sync() };
    let before = tree(&to).await;
    assert_eq!(done(transfer(&from, &to, dry)).await, expected);
    assert_eq!(tree(&to).await, before);
    assert_eq!(done(transfer(&from, &to, sync())).await, expected);
    assert_eq!(tree(&to).await, tree(&from).await);
    assert_eq!(read(&to, "new").await.1.user[MTIME], "10.5");
    assert_eq!(read(&to, "time").await.1.user[MTIME], "13.25");
    expected.clear();
    assert_eq!(done(transfer(&from, &to, sync())).await, expected);
}

#[tokio::test]
async fn attributes_and_tags_are_kept_and_an_object_without_an_own_time_gets_that_of_its_writing() {
    let (from, to) = (end(&memory(), ""), end(&memory(), ""));
    let tags = TagSet::new(vec![Tag { key: "team".into(), value: "x".into() }]).expect("tags");
    let attributes = Attributes {
        content_type: Some("text/css".into()),
        cache_control: Some("no-cache".into()),
        user: BTreeMap::from([("color".to_owned(), "red".to_owned())]),
        tags,
        ..Default::default()
    };
    put_with(&from, "x", "1", attributes.clone()).await;
    done(transfer(&from, &to, Options::default())).await;
    let mut found = read(&to, "x").await.1;
    assert!(found.user.remove(MTIME).is_some());
    assert_eq!(found, attributes);
    assert_eq!(done(transfer(&from, &to, Options::default())).await, actions(&[]));
}

#[tokio::test]
async fn a_time_in_the_listing_counts_and_the_metadata_has_it_more_exactly() {
    let (from, to) = (end(&memory(), ""), end(&memory(), ""));
    put(&from, "exact", "1", "0").await;
    put(&from, "other", "2", "5").await;
    let listed = async |name| {
        let key = ObjectKey::new(name).expect("a key");
        let info = from.store.head(key.current(), &Default::default()).await.expect("is there");
        OwnTime::from(info.last_modified).text()
    };
    // The store sets the time when it writes. This test is about one whose time is that of the metadata.
    let from_listed = from.clone().timed(Times::Listed, Duration::from_millis(1));
    done(transfer(&from_listed, &to, Options::default())).await;
    assert_eq!(read(&to, "other").await.1.user[MTIME], listed("other").await);
    let info = |user: &str, millis| ObjectInfo {
        size: 0,
        etag: ETag::opaque("e-1"),
        last_modified: Timestamp::from_millis(millis),
        attributes: Attributes {
            user: BTreeMap::from([(MTIME.to_owned(), user.to_owned())]),
            ..Default::default()
        },
        tag_count: 0,
        checksum: None,
        parts: Vec::new(),
        version: None,
        notes: Default::default(),
    };
    let text = |info: &ObjectInfo| OwnTime::of_info(info, Times::Listed).text();
    assert_eq!(text(&info("5.123456789", 5_123)), "5.123456789");
    assert_eq!(text(&info("7", 5_123)), "5.123");
    assert_eq!(done(transfer(&from_listed, &to, Options::default())).await, actions(&[]));
}

#[tokio::test]
async fn options_leave_objects_alone() {
    let (from, to) = (end(&memory(), ""), end(&memory(), ""));
    put(&from, "older", "from", "10").await;
    put(&to, "older", "t", "20").await;
    put(&from, "newer", "from", "20").await;
    put(&to, "newer", "t", "10").await;
    let dry = |options| transfer(&from, &to, Options { dry_run: true, ..options });
    let update = Options { update: true, ..Default::default() };
    assert_eq!(done(dry(update)).await, actions(&[("newer", Action::Replace)]));
    let existing = Options { ignore_existing: true, ..Default::default() };
    assert_eq!(done(dry(existing)).await, actions(&[]));
    let (summary, found) = run(dry(Options { immutable: true, ..Default::default() })).await;
    assert_eq!(found, actions(&[]));
    assert_eq!(summary.expect("runs").counts.failed, 2);
    let size = |compare| Options { compare, ..Default::default() };
    put(&to, "newer", "abcd", "10").await;
    put(&to, "older", "from", "99").await;
    let both = actions(&[("newer", Action::Replace), ("older", Action::Replace)]);
    for (compare, expected) in [
        (Comparison::SizeOnly, actions(&[])),
        (Comparison::Checksum, actions(&[("newer", Action::Replace)])),
        (Comparison::ChecksumOnly, actions(&[("newer", Action::Replace)])),
        (Comparison::Etag, actions(&[("newer", Action::Replace)])),
        (Comparison::Never, both),
    ] {
        assert_eq!(done(dry(size(compare))).await, expected, "{compare:?}");
    }
}

#[tokio::test]
async fn deletions_are_limited_and_the_trash_keeps_what_was_deleted_or_replaced() {
    let (from, to) = (end(&memory(), ""), end(&memory(), ""));
    put(&from, "a", "new", "10").await;
    for name in ["a", "b", "c", "d"] {
        put(&to, name, "old!", "5").await;
    }
    let limited = Options { max_delete: Some(2), ..sync() };
    let (error, found) = run(transfer(&from, &to, limited)).await;
    assert!(matches!(error, Err(TransferError::TooManyDeletions { limit: 2 })), "{error:?}");
    assert_eq!(found.iter().filter(|(_, action)| *action == Action::Delete).count(), 2);
    put(&from, "a", "newer", "11").await;
    let trash = Options { trash: Some(".trash".into()), ..sync() };
    done(transfer(&from, &to, trash.clone())).await;
    let kept: Vec<_> = tree(&to).await.into_keys().collect();
    assert_eq!(kept, [".trash/a", ".trash/d", "a"]);
    assert_eq!(done(transfer(&from, &to, trash)).await, actions(&[]), "the trash takes no part");
}

#[tokio::test]
async fn a_move_deletes_at_the_source_what_has_arrived() {
    let (from, to) = (end(&memory(), ""), end(&memory(), ""));
    put(&from, "a", "1", "10").await;
    put(&from, "b", "2", "10").await;
    put(&to, "b", "2", "10").await;
    put(&from, "time", "4", "10").await;
    put(&to, "time", "4", "11").await;
    put(&to, "c", "3", "10").await;
    let moves = Options { verb: Verb::Move, ..Default::default() };
    let planned = done(transfer(&from, &to, Options { dry_run: true, ..moves.clone() })).await;
    assert_eq!(done(transfer(&from, &to, moves)).await, planned);
    assert!(tree(&from).await.is_empty());
    assert_eq!(tree(&to).await.into_keys().collect::<Vec<_>>(), ["a", "b", "c", "time"]);
    assert_eq!(read(&to, "time").await.1.user[MTIME], "10");
}

#[tokio::test]
async fn ends_that_overlap_are_refused() {
    let store = memory();
    let run = async |from: &str, to: &str| transfer(&end(&store, from), &end(&store, to), sync()).run().await;
    for (from, to) in [("", "a"), ("a/b", "a"), ("a", "a")] {
        assert!(matches!(run(from, to).await, Err(TransferError::Options(_))), "{from} {to}");
    }
    assert!(run("a", "ab").await.is_ok());
}

/// Replaces the object that is read, right before the first GET.
#[derive(Debug)]
struct Changing(Arc<MemoryStore>, AtomicU64);

impl Layer for Changing {
    fn below(&self) -> &dyn Store {
        &*self.0
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> store::Result<GetReply> {
        if self.1.fetch_add(1, Relaxed) == 0 {
            put(&end(&self.0, ""), address.key.as_str(), "changed", "20").await;
        }
        self.0.get(address, request).await
    }
}

#[tokio::test]
async fn a_source_that_changes_while_it_is_read_is_read_again() {
    let below = memory();
    put(&end(&below, ""), "x", "first", "10").await;
    let from = end(&Arc::new(Changing(below, 0.into())), "");
    let to = end(&memory(), "");
    done(transfer(&from, &to, Options::default())).await;
    let (bytes, attributes) = read(&to, "x").await;
    assert_eq!((&bytes[..], attributes.user[MTIME].as_str()), (&b"changed"[..], "20"));
}

#[tokio::test]
async fn a_cancelled_run_says_so_and_leaves_its_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal");
    let (from, to) = (end(&memory(), ""), end(&memory(), ""));
    put(&from, "x", "1", "10").await;
    let mut run = transfer(&from, &to, Options::default());
    run.journal = Journal::open(&path, "a", "b", &run.options).expect("opens");
    run.cancel.cancel();
    let summary = run.run().await.expect("runs");
    assert!(summary.cancelled && !summary.is_success() && path.exists());
    let mut run = transfer(&from, &to, Options::default());
    run.journal = Journal::open(&path, "a", "b", &run.options).expect("opens");
    assert!(run.run().await.expect("runs").is_success() && !path.exists());
}

#[tokio::test]
async fn what_fails_for_good_is_reported_and_then_nothing_is_deleted_after_the_transfers() {
    let (from, to) = (end(&memory(), ""), end(&memory(), &"long".repeat(200)));
    put(&from, &"n".repeat(300), "1", "10").await;
    put(&from, "fine", "2", "10").await;
    put(&to, "extra", "3", "10").await;
    let (summary, found) = run(transfer(&from, &to, sync())).await;
    let summary = summary.expect("runs");
    assert_eq!(found, actions(&[("fine", Action::Copy)]));
    assert_eq!(summary.failures.len(), 1);
    assert!(summary.failures[0].reason.contains("no key at the destination"), "{summary:?}");
    assert!(summary.deletions_left_out);
}

fn trees() -> impl Strategy<Value = BTreeMap<String, (u8, u8)>> {
    prop::collection::btree_map("[ab]{1,2}(/[ab]{1,2}){0,2}", (0..3u8, 0..3u8), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..Default::default() })]
    #[test]
    fn runs_over_storage_that_fails_end_as_the_model_says(
        left in trees(),
        right in trees(),
        seed in any::<u64>(),
        verb in 0..3u8,
        when in 0..3u8,
        rate in 0..3u8,
    ) {
        let verb = [Verb::Copy, Verb::Sync, Verb::Move][usize::from(verb)];
        let delete = [DeleteWhen::Before, DeleteWhen::During, DeleteWhen::After][usize::from(when)];
        runtime().block_on(async {
            let (below_from, below_to) = (memory(), memory());
            let rate = f64::from(rate) * 0.05;
            let plan = Plan::default()
                .with(FaultKind::Unavailable, rate)
                .with(FaultKind::LostReply, rate)
                .with(FaultKind::TornBody, rate)
                .with(FaultKind::Throttled, rate);
            let faulty = |store: &Arc<MemoryStore>, seed| {
                Arc::new(FaultyStore::new(store.clone(), Faults::new(seed, plan.clone())))
            };
            let (plain_from, plain_to) = (end(&below_from, "from"), end(&below_to, ""));
            for (end, tree) in [(&plain_from, &left), (&plain_to, &right)] {
                for (name, (byte, time)) in tree {
                    put(end, name, vec![*byte; 3], &time.to_string()).await;
                }
            }
            let (from, to) = (end(&faulty(&below_from, seed), "from"), end(&faulty(&below_to, seed ^ 1), ""));
            let mut transfer = transfer(&from, &to, Options { verb, delete, ..Default::default() });
            transfer.tuning.retry = RetryPolicy { attempts: 30, ..Default::default() };
            let summary = transfer.run().await.expect("runs");
            assert!(summary.is_success(), "{summary:?}");
            // Equal sizes and times count as equal, as rclone has it.
            let mut expected = right.clone();
            if verb == Verb::Sync {
                expected.retain(|name, _| left.contains_key(name));
            }
            for (name, (byte, time)) in &left {
                match right.get(name) {
                    Some((_, old)) if old == time => {}
                    _ => { expected.insert(name.clone(), (*byte, *time)); }
                }
            }
            let bytes: BTreeMap<_, _> = expected
                .iter()
                .map(|(name, (byte, _))| (name.clone(), Bytes::from(vec![*byte; 3])))
                .collect();
            assert_eq!(tree(&plain_to).await, bytes);
            assert_eq!(tree(&plain_from).await.len(), if verb == Verb::Move { 0 } else { left.len() });
        });
    }
}
