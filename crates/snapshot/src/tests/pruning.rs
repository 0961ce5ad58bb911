//! Pruning against a naive model of what is needed, and beside runs that go on.

use super::*;
use crate::{
    content::{Content, read_run},
    files::{Id, Kind},
    index::{Index, parse},
    list::{Lists, Page},
    reader::Reader,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Returns the identities of all chunks that snapshots need, without sharing any work.
async fn needed(repository: &Arc<Repository>, snapshots: &[Snapshot]) -> BTreeSet<Id> {
    let reader = Arc::new(Reader::load(repository.clone()).await.expect("opens"));
    let lists = Lists::new(reader.clone());
    let mut needed = BTreeSet::new();
    for snapshot in snapshots {
        let mut pages = vec![(snapshot.list.depth, snapshot.list.page)];
        while let Some((depth, id)) = pages.pop() {
            needed.insert(id);
            match &*lists.page(&id, depth).await.expect("is read") {
                Page::Items(items) => pages.extend(items.iter().map(|item| (depth - 1, item.page))),
                Page::Objects(objects) => {
                    for object in objects {
                        content(&reader, &object.content, &mut needed).await;
                    }
                }
            }
        }
    }
    needed
}

async fn content(reader: &Reader, content: &Content, needed: &mut BTreeSet<Id>) {
    let mut runs = vec![(content.depth, content.parts.clone())];
    while let Some((depth, parts)) = runs.pop() {
        for part in parts {
            needed.insert(part.id);
            if depth > 0 {
                runs.push((depth - 1, read_run(reader, &part.id).await.expect("is read")));
            }
        }
    }
}

/// Checks that what is stored is what the model needs, as far as packs of which a half is needed allow.
async fn is_what_the_model_needs(store: &Arc<MemoryStore>, repository: &Arc<Repository>) {
    let snapshots = Snapshot::all(repository).await.expect("is listed");
    let needed = needed(repository, &snapshots).await;
    let index = Index::load(repository).await.expect("is read");
    assert!(needed.iter().all(|id| index.find_lasting(id).is_some()), "all that is needed stays");
    let mut packs = BTreeMap::new();
    for file in repository.list(Kind::Index).await.expect("is listed") {
        let contents =
            repository.read_sealed(Kind::Index, file.name).await.expect("is read").expect("is there");
        packs.extend(
            parse(file.name, &contents).expect("is an index").into_iter().map(|pack| (pack.name, pack)),
        );
    }
    for pack in packs.values() {
        let rows = |all: bool| -> u64 {
            let rows = pack.rows.iter().filter(|row| all || needed.contains(&row.id));
            rows.map(|row| u64::from(row.length)).sum()
        };
        assert!(rows(false) * 3 >= rows(true), "{}: {} of {}", pack.name, rows(false), rows(true));
    }
    assert_eq!(packs.len(), files(store, "packs/").await.len(), "no pack is beside the index");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn pruning_removes_what_no_snapshot_needs_and_nothing_else(
        rounds in proptest::collection::vec(
            (proptest::collection::vec((0usize..60, 0u64..500, 0usize..4000), 0..40), 0u32..3), 1..6
        )
    ) {
        runtime().block_on(async {
            let (from, store) = (memory(), memory());
            let source = end(&from, "");
            let repository = init(&store).await;
            let (mut made, mut days) = (Vec::new(), 0);
            for (changes, forgets) in rounds {
                for (at, seed, length) in changes {
                    put(&source, &format!("{at}"), bytes(seed, length), "1").await;
                }
                made.push((created(&source, &repository).await.snapshot, tree(&source).await));
                if forgets > 0 {
                    days += 1;
                    let keep = Keep { last: forgets, ..Keep::default() };
                    let pruned = prune(&repository, Some(keep), days).await.expect("prunes");
                    let gone: Vec<_> = pruned.forgotten.iter().map(|snapshot| snapshot.name).collect();
                    made.retain(|(snapshot, _)| !gone.contains(&snapshot.name));
                }
                for (snapshot, expected) in &made {
                    prop_assert_eq!(&tree(&view(&repository, snapshot).await).await, expected);
                }
                prop_assert_eq!(problems(&repository, true).await, Vec::<String>::new());
            }
            // What was condemned is deleted when the grace is over.
            for _ in 0..4 {
                days += 2;
                prune(&repository, None, days).await.expect("prunes");
            }
            is_what_the_model_needs(&store, &repository).await;
            for (snapshot, expected) in &made {
                prop_assert_eq!(&tree(&view(&repository, snapshot).await).await, expected);
            }
            Ok(())
        })?;
    }
}

/// Returns a repository whose one snapshot shares nothing with the source any more.
async fn outlived() -> (Arc<MemoryStore>, Arc<Repository>, End, Snapshot) {
    let (from, store) = (memory(), memory());
    let source = end(&from, "");
    let repository = init(&store).await;
    put(&source, "a", bytes(1, 50_000), "1").await;
    let first = created(&source, &repository).await.snapshot;
    put(&source, "a", bytes(2, 50_000), "1").await;
    (store, repository, source, first)
}

#[tokio::test]
async fn nothing_is_deleted_before_its_grace_is_over() {
    let (store, repository, source, first) = outlived().await;
    let second = created(&source, &repository).await.snapshot;
    first.forget(&repository).await.expect("is forgotten");
    let before = files(&store, "packs/").await;
    let young = prune(&repository, None, 0).await.expect("prunes");
    assert_eq!((young.condemned, young.deleted), (0, 0), "the packs are younger than the grace");
    let condemned = prune(&repository, None, 2).await.expect("prunes");
    assert!(condemned.condemned > 0 && condemned.deleted == 0, "{condemned:?}");
    assert_eq!(files(&store, "packs/").await, before);
    let deleted = prune(&repository, None, 3).await.expect("prunes");
    assert_eq!((deleted.condemned, deleted.deleted), (0, condemned.condemned));
    assert!(files(&store, "condemned/").await.is_empty());
    assert_eq!(tree(&view(&repository, &second).await).await, tree(&source).await);
    assert_eq!(problems(&repository, true).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_run_that_relied_on_a_condemned_pack_makes_no_snapshot_and_the_next_one_does() {
    let (_, repository, source, first) = outlived().await;
    // The source has again what only the first snapshot needs.
    put(&source, "a", bytes(1, 50_000), "1").await;
    let index = Arc::new(std::sync::RwLock::new(Index::load_stored(&repository).await.expect("is read").0));
    let writer = writer::Writer::new(repository.clone(), index);
    let object = bytes(1, 50_000);
    let mut chunker = chunker::Chunker::new(SMALL, repository.keys.seed);
    chunker.push(&object);
    while let Some(chunk) = chunker.chunk().or_else(|| chunker.last()) {
        writer.put(writer::Stream::Data, &chunk).await.expect("is stored");
    }
    assert_eq!(writer.finish().await.expect("is stored"), 0, "all chunks are there");
    writer.confirm().await.expect("nothing was condemned");
    first.forget(&repository).await.expect("is forgotten");
    prune(&repository, None, 2).await.expect("condemns");
    assert!(matches!(writer.confirm().await, Err(SnapshotError::Pruned)));
    // A run that begins now stores the chunks again, and so does not rely on what is condemned.
    let made = created(&source, &repository).await;
    assert!(made.stored_bytes > 50_000);
    prune(&repository, None, 4).await.expect("deletes");
    assert!(matches!(writer.confirm().await, Err(SnapshotError::Pruned)), "also after the list is gone");
    assert_eq!(tree(&view(&repository, &made.snapshot).await).await, tree(&source).await);
    assert_eq!(problems(&repository, true).await, Vec::<String>::new());
}

#[tokio::test]
async fn without_a_grace_packs_are_deleted_at_once() {
    let (store, repository, source, first) = outlived().await;
    let second = created(&source, &repository).await.snapshot;
    first.forget(&repository).await.expect("is forgotten");
    let (grace, now) = (Duration::ZERO, Timestamp::now());
    let dry = Prune { repository: repository.clone(), keep: None, grace, now, dry_run: true };
    let before = files(&store, "").await;
    assert!(dry.run().await.expect("prunes").condemned > 0);
    assert_eq!(files(&store, "").await, before, "a dry run changes nothing");
    let run = Prune { repository: repository.clone(), keep: None, grace, now, dry_run: false };
    let pruned = run.run().await.expect("prunes");
    assert_eq!(pruned.deleted, pruned.condemned);
    assert_eq!(tree(&view(&repository, &second).await).await, tree(&source).await);
    is_what_the_model_needs(&store, &repository).await;
}

#[tokio::test]
async fn an_object_that_is_a_copy_of_a_page_does_not_hide_what_the_page_names() {
    let (from, other, store) = (memory(), memory(), memory());
    let (source, copies) = (end(&from, ""), end(&other, ""));
    // With these sizes an object as short as the page is one chunk.
    let made = Repository::init_with(end(&store, "r"), &key_file(), retry(), Sizes::default()).await;
    let repository = Arc::new(made.expect("is made"));
    put(&source, "a", bytes(1, 5000), "1").await;
    let snapshot = created(&source, &repository).await.snapshot;
    let reader = Reader::load(repository.clone()).await.expect("opens");
    put(&copies, "page", reader.read(&snapshot.list.page).await.expect("is read"), "1").await;
    let mut copy = create(&copies, &repository);
    // It is visited first.
    (copy.identity, copy.now) = ("copies".into(), Timestamp::from_millis(0));
    let copy = copy.run().await.expect("is made").snapshot;
    for days in [2, 4, 6] {
        prune(&repository, None, days).await.expect("prunes");
    }
    assert_eq!(tree(&view(&repository, &copy).await).await, tree(&copies).await);
    assert_eq!(tree(&view(&repository, &snapshot).await).await, tree(&source).await);
}
