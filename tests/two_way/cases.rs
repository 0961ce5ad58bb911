//! What single runs do, told one by one.

use super::{end, memory};
use bytes::Bytes;
use causeway::{
    model::{Attributes, ETag, ObjectAddress, ObjectInfo, Timestamp},
    store::{
        self, GetRequest, Layer, ListEntry, ListPage, ListRequest, PutRequest, Store,
        condition::ReadConditions, payload::Payload,
    },
    transfer::{
        End, Side, TransferError, TwoWay, TwoWayOptions,
        events::{Action, Deed, Event, Reporter, Summary},
        filter::{FilterOptions, RuleTexts},
        two_way::{DeleteLimit, Policy},
    },
};
use futures_util::StreamExt;
use std::{collections::BTreeMap, sync::Arc};
use tempfile::TempDir;
use tokio::sync::mpsc;

struct Pair {
    source: End,
    destination: End,
    state: TempDir,
}

fn pair() -> Pair {
    of(memory(), memory())
}

fn of(source: Arc<dyn Store>, destination: Arc<dyn Store>) -> Pair {
    let state = tempfile::tempdir().expect("a folder");
    Pair { source: end(source, "a", "source"), destination: end(destination, "", "destination"), state }
}

async fn put(end: &End, name: &str, bytes: impl Into<Bytes>) {
    let (attributes, conditions) = (Attributes::default(), Default::default());
    let request = PutRequest { attributes, conditions, payload: Payload::from_bytes(bytes) };
    end.store.put(&end.key(name).expect("a key"), request).await.expect("is written");
}

async fn delete(end: &End, name: &str) {
    let key = end.key(name).expect("a key");
    end.store.delete(key.current(), &Default::default()).await.expect("is deleted");
}

async fn tree(end: &End) -> BTreeMap<String, String> {
    let request = ListRequest { prefix: end.prefix().to_owned(), limit: 1000, ..Default::default() };
    let mut tree = BTreeMap::new();
    for entry in end.store.list(request).await.expect("is listed").entries {
        let ListEntry::Object(object) = entry else { continue };
        let reply = end.store.get(object.key.current(), GetRequest::default()).await.expect("is there");
        let mut bytes = Vec::new();
        let mut stream = reply.body.into_stream();
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece.expect("is read"));
        }
        let name = end.name(object.key.as_str()).expect("a name").to_owned();
        tree.insert(name, String::from_utf8(bytes).expect("text"));
    }
    tree
}

impl Pair {
    fn run(&self, options: TwoWayOptions) -> TwoWay {
        let now = Timestamp::from_millis(0);
        TwoWay::new(self.source.clone(), self.destination.clone(), options, self.state.path().into(), now)
    }

    async fn done(&self, options: TwoWayOptions) -> (Result<Summary, TransferError>, Vec<Deed>) {
        let mut run = self.run(options);
        let (sender, mut events) = mpsc::channel(8);
        run.reporter = Reporter::new(sender);
        let heard = async {
            let mut deeds = Vec::new();
            while let Some(event) = events.recv().await {
                if let Event::Done(deed) | Event::Planned(deed) = event {
                    deeds.push(deed);
                }
            }
            deeds
        };
        tokio::join!(run.run(), heard)
    }

    async fn succeeds(&self) -> Vec<Deed> {
        let (summary, deeds) = self.done(TwoWayOptions::default()).await;
        let summary = summary.expect("runs");
        assert!(summary.is_success(), "{summary:?}");
        deeds
    }

    async fn trees(&self) -> [BTreeMap<String, String>; 2] {
        [tree(&self.source).await, tree(&self.destination).await]
    }
}

#[tokio::test]
async fn a_first_run_deletes_nothing_and_sends_no_equal_bytes() {
    let pair = pair();
    put(&pair.source, "both", "same").await;
    put(&pair.destination, "both", "same").await;
    put(&pair.source, "only-source", "1").await;
    put(&pair.destination, "only-destination", "2").await;
    let mut deeds = pair.succeeds().await;
    deeds.sort_by(|left, right| left.name.cmp(&right.name));
    let expected = [
        Deed::new("only-destination", Action::Copy, 1).at(Side::Source),
        Deed::new("only-source", Action::Copy, 1).at(Side::Destination),
    ];
    assert_eq!(deeds, expected);
    let [source, destination] = pair.trees().await;
    assert_eq!(source, destination);
}

#[tokio::test]
async fn a_rename_at_one_end_is_a_rename_at_the_other_end_unless_it_is_ambiguous() {
    let pair = pair();
    for (name, text) in [("a", "one"), ("b", "two"), ("c", "two")] {
        put(&pair.source, name, text).await;
    }
    pair.succeeds().await;
    put(&pair.source, "new/a", "one").await;
    delete(&pair.source, "a").await;
    let run = pair.run(TwoWayOptions::default());
    let progress = run.progress.clone();
    run.run().await.expect("runs");
    let counts = progress.snapshot();
    assert_eq!((counts.renamed, counts.read_bytes, counts.transferred, counts.deleted), (1, 0, 0, 0));
    // Both `b` and `c` could be what `d` is now.
    put(&pair.source, "d", "two").await;
    delete(&pair.source, "b").await;
    delete(&pair.source, "c").await;
    let actions: Vec<_> = pair.succeeds().await.into_iter().map(|deed| deed.action).collect();
    assert_eq!(actions, [Action::Delete, Action::Delete, Action::Copy]);
    let [source, destination] = pair.trees().await;
    assert_eq!(source, destination);
}

#[tokio::test]
async fn too_many_deletions_and_an_end_without_anything_are_refused_before_anything_is_done() {
    let pair = pair();
    for number in 0..8 {
        put(&pair.source, &format!("{number}"), format!("text {number}")).await;
    }
    pair.succeeds().await;
    put(&pair.destination, "new", "x").await;
    delete(&pair.source, "1").await;
    delete(&pair.source, "2").await;
    let before = pair.trees().await;
    for limit in [DeleteLimit::Count(1), DeleteLimit::Percent(24)] {
        let (error, deeds) = pair.done(TwoWayOptions { limit, ..Default::default() }).await;
        let error = error.expect_err("is refused").to_string();
        assert!(error.contains("2 of 8 objects would be deleted at destination"), "{error}");
        assert_eq!((deeds, pair.trees().await), (Vec::new(), before.clone()));
    }
    for number in 0..8 {
        delete(&pair.source, &format!("{number}")).await;
    }
    let before = pair.trees().await;
    let (error, _) = pair.done(TwoWayOptions::default()).await;
    assert!(matches!(error, Err(TransferError::EmptyEnd { known: 8, .. })), "{error:?}");
    assert_eq!(pair.trees().await, before);
    let (summary, _) = pair.done(TwoWayOptions { force: true, ..Default::default() }).await;
    assert_eq!(summary.expect("runs").counts.deleted, 8);
    let left = BTreeMap::from([("new".to_owned(), "x".to_owned())]);
    assert_eq!(pair.trees().await, [left.clone(), left]);
}

#[tokio::test]
async fn a_resync_brings_back_what_one_end_has_deleted() {
    let pair = pair();
    put(&pair.source, "a", "1").await;
    put(&pair.source, "b", "2").await;
    pair.succeeds().await;
    delete(&pair.source, "a").await;
    let dry = TwoWayOptions { resync: true, dry_run: true, ..Default::default() };
    let (_, planned) = pair.done(dry).await;
    let (summary, deeds) = pair.done(TwoWayOptions { resync: true, ..Default::default() }).await;
    assert!(summary.expect("runs").is_success());
    assert_eq!(deeds, [Deed::new("a", Action::Copy, 1).at(Side::Source)]);
    assert_eq!(planned, deeds);
}

#[tokio::test]
async fn what_the_filter_leaves_out_is_not_deleted_and_is_known_when_the_filter_is_gone() {
    let pair = pair();
    for name in ["a.txt", "b.tmp", "c"] {
        put(&pair.source, name, name).await;
    }
    pair.succeeds().await;
    delete(&pair.source, "b.tmp").await;
    put(&pair.source, "c", "this has grown beyond the limit").await;
    let names = RuleTexts { exclude: vec!["*.tmp".into()], ..Default::default() };
    let filter = FilterOptions { names, max_size: Some(10), ..Default::default() };
    let (summary, deeds) = pair.done(TwoWayOptions { filter, ..Default::default() }).await;
    assert!(summary.expect("runs").is_success());
    assert_eq!(deeds, []);
    let mut deeds = pair.succeeds().await;
    deeds.sort_by(|left, right| left.name.cmp(&right.name));
    let expected = [
        Deed::new("b.tmp", Action::Delete, 5).at(Side::Destination),
        Deed::new("c", Action::Replace, 31).at(Side::Destination),
    ];
    assert_eq!(deeds, expected);
}

#[tokio::test]
async fn large_objects_are_sent_in_parts_and_both_versions_of_a_conflict_are_kept() {
    const LARGE: usize = 11 << 20;
    let pair = pair();
    put(&pair.source, "large", vec![b'1'; LARGE]).await;
    put(&pair.destination, "large", vec![b'2'; LARGE]).await;
    let mut run = pair.run(TwoWayOptions { policy: Policy::Both, ..Default::default() });
    run.tuning.multipart_from = Some(5 << 20);
    run.tuning.part_size = 5 << 20;
    let summary = run.run().await.expect("runs");
    assert!(summary.is_success() && summary.counts.conflicts == 1, "{summary:?}");
    let [source, destination] = pair.trees().await;
    assert_eq!(source.keys().collect::<Vec<_>>(), ["large.conflict1", "large.conflict2"]);
    assert!(source == destination && source["large.conflict1"].starts_with('1'));
    let left: Vec<_> = std::fs::read_dir(pair.state.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .filter(|name| !matches!(name.as_str(), "lock" | "state"))
        .collect();
    assert_eq!(left, [""; 0], "neither a plan nor a journal is left");
}

/// Files in folders, as a new process sees them: ETags are provisional until the bytes were read.
#[derive(Debug)]
struct Folders {
    below: Arc<dyn Store>,
    /// HEAD reads the bytes of small files.
    are_small: bool,
}

impl Folders {
    fn provisional(modified: Timestamp) -> ETag {
        ETag::opaque(format!("{:032x}-0", modified.millis()))
    }
}

impl Layer for Folders {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn head(&self, address: ObjectAddress<'_>, _: &ReadConditions) -> store::Result<ObjectInfo> {
        let info = self.below.head(address, &Default::default()).await?;
        let etag = if self.are_small { info.etag } else { Self::provisional(info.last_modified) };
        Ok(ObjectInfo { etag, checksum: None, ..info })
    }

    async fn list(&self, request: ListRequest) -> store::Result<ListPage> {
        let mut page = self.below.list(request).await?;
        for entry in &mut page.entries {
            if let ListEntry::Object(object) = entry {
                object.etag = Self::provisional(object.last_modified);
            }
        }
        Ok(page)
    }
}

#[tokio::test]
async fn files_whose_etags_are_not_known_any_more_are_not_sent_again() {
    for are_small in [true, false] {
        let below = memory();
        let pair = of(memory(), Arc::new(Folders { below: below.clone(), are_small }));
        put(&pair.source, "a", "one").await;
        put(&pair.source, "b", "two").await;
        assert_eq!(pair.succeeds().await.len(), 2);
        assert_eq!(pair.succeeds().await, [], "small: {are_small}");
        let plain = end(below, "", "destination");
        put(&plain, "a", "other").await;
        delete(&pair.source, "b").await;
        if are_small {
            assert_eq!(pair.succeeds().await.len(), 2);
            let expected = BTreeMap::from([("a".to_owned(), "other".to_owned())]);
            assert_eq!(pair.trees().await, [expected.clone(), expected]);
        }
    }
}
