//! What was stored comes back.

use super::*;
use crate::transfer::{Options, Transfer};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Put { name: usize, seed: u64, length: usize },
    Delete { name: usize },
}

fn name(at: usize) -> String {
    ["a", "a/b", "a/b/c", "a-", "b/é", "z", "a/"][at % 7].to_owned() + &format!("{}", at / 7)
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let length = prop_oneof![6 => 0usize..3000, 1 => 20_000usize..60_000, 1 => Just(0)];
    let put =
        (0usize..150, 0u64..20, length).prop_map(|(name, seed, length)| Step::Put { name, seed, length });
    let step = prop_oneof![5 => put, 1 => (0usize..150).prop_map(|name| Step::Delete { name })];
    proptest::collection::vec(proptest::collection::vec(step, 0..120), 1..4)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn each_snapshot_is_the_source_at_its_time_whatever_changed_since(steps in steps()) {
        runtime().block_on(async {
            let (from, store) = (memory(), memory());
            let source = end(&from, "s");
            let repository = init(&store).await;
            let mut made = Vec::new();
            for step in steps {
                for change in step {
                    match change {
                        Step::Put { name: at, seed, length } => {
                            put(&source, &name(at), bytes(seed, length), &format!("{seed}")).await;
                        }
                        Step::Delete { name: at } => delete(&source, &name(at)).await,
                    }
                }
                let created = created(&source, &repository).await;
                let now = tree(&source).await;
                prop_assert_eq!(created.snapshot.objects, now.len() as u64);
                prop_assert_eq!(created.snapshot.bytes, now.values().map(|(bytes, _)| bytes.len() as u64).sum::<u64>());
                made.push((created.snapshot, now));
            }
            let again = open(&store).await;
            for (snapshot, expected) in &made {
                let view = view(&again, snapshot).await;
                prop_assert_eq!(&tree(&view).await, expected);
                listings_are_those_of_the_names(&view, expected).await?;
            }
            prop_assert_eq!(problems(&again, true).await, Vec::<String>::new());
            Ok(())
        })?;
    }
}

/// Compares pages with prefix, delimiter and marker with what follows from the names.
async fn listings_are_those_of_the_names(view: &End, tree: &Tree) -> std::result::Result<(), TestCaseError> {
    for prefix in ["", "a", "a/", "a/b/", "b/", "x"] {
        for delimiter in [None, Some("/")] {
            let mut expected: Vec<String> = Vec::new();
            for name in tree.keys().filter(|name| name.starts_with(prefix)) {
                let rest = &name[prefix.len()..];
                let cut = delimiter.and_then(|delimiter| rest.find(delimiter));
                let shown = cut.map_or(name.as_str(), |at| &name[..=prefix.len() + at]);
                if expected.last().is_none_or(|last| last != shown) {
                    expected.push(shown.to_owned());
                }
            }
            let (mut listed, mut after) = (Vec::new(), None);
            loop {
                let request = ListRequest {
                    prefix: prefix.to_owned(),
                    after,
                    delimiter: delimiter.map(Into::into),
                    limit: 7,
                };
                let page = view.store.list(request).await.expect("is listed");
                listed.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
                if !page.truncated {
                    break;
                }
                after = listed.last().cloned();
            }
            prop_assert_eq!(&listed, &expected, "{:?} {:?}", prefix, delimiter);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_restore_brings_bytes_metadata_and_tags_back_to_any_store() {
    let (from, store, to) = (memory(), memory(), memory());
    let (source, target) = (end(&from, "s"), end(&to, "t"));
    put(&source, "a/large", bytes(1, 100_000), "1").await;
    put(&source, "a/empty", Bytes::new(), "2").await;
    put(&source, "b", bytes(3, 10), "3").await;
    let repository = init(&store).await;
    let snapshot = created(&source, &repository).await.snapshot;
    let expected = tree(&source).await;
    delete(&source, "b").await;
    let view = view(&repository, &snapshot).await;
    let run = Transfer::new(view, target.clone(), Options::default(), Timestamp::now());
    let summary = run.run().await.expect("runs");
    assert!(summary.is_success() && summary.counts.transferred == 3, "{summary:?}");
    assert_eq!(tree(&target).await, expected);
}

#[tokio::test]
async fn ranges_and_conditions_hold_in_a_snapshot() {
    use crate::{model::ByteRange, store::Selection, store::condition::ETagMatch};
    let (from, store) = (memory(), memory());
    let source = end(&from, "");
    let all = bytes(1, 150_000);
    put(&source, "a", all.clone(), "1").await;
    let repository = init(&store).await;
    let snapshot = created(&source, &repository).await.snapshot;
    let view = view(&repository, &snapshot).await;
    let key = ObjectKey::new("a").expect("a key");
    for (first, last) in [(0, 0), (63, 64), (1000, 99_999), (149_999, 149_999), (70_000, 900_000)] {
        let selection = Selection::Range(ByteRange::FromTo(first, last));
        let request = GetRequest { selection, ..GetRequest::default() };
        let reply = view.store.get(key.current(), request).await.expect("is there");
        let pieces: Vec<Bytes> =
            reply.body.into_stream().map(|piece| piece.expect("is read")).collect().await;
        let last = (last as usize).min(all.len() - 1);
        assert_eq!(pieces.concat(), all[first as usize..=last], "{first}-{last}");
    }
    let mut request = GetRequest::default();
    request.conditions.if_match = Some(ETagMatch::parse("\"other\""));
    assert!(view.store.get(key.current(), request).await.is_err());
    assert!(
        view.store.head(ObjectKey::new("b").expect("a key").current(), &Default::default()).await.is_err()
    );
}

#[tokio::test]
async fn a_second_snapshot_reads_what_changed_and_stores_what_is_new() {
    let (from, store) = (memory(), memory());
    let source = end(&from, "");
    for at in 0..1000 {
        put(&source, &format!("{at:04}"), bytes(at, 1000), "1").await;
    }
    let repository = init(&store).await;
    let first = created(&source, &repository).await;
    assert_eq!((first.read, first.read_bytes), (1000, 1_000_000));
    let second = created(&source, &repository).await;
    assert_eq!((second.read, second.stored_bytes), (0, 0), "nothing changed, and nothing is stored");
    put(&source, "0100", bytes(100, 1001), "1").await;
    put(&source, "new", bytes(2000, 1000), "1").await;
    let third = created(&source, &repository).await;
    assert_eq!(third.read, 2);
    // A little of two objects, two pages of the list, and the page above.
    assert!(third.stored_bytes < 300_000 && first.stored_bytes > 1_300_000, "{third:?}");
    let mut all = create(&source, &repository);
    all.reads_all = true;
    let all = all.run().await.expect("is made");
    assert_eq!((all.read, all.stored_bytes), (1001, 0), "everything is there already");
}

#[tokio::test]
async fn a_cancelled_run_makes_no_snapshot_and_a_repository_is_made_once_and_not_by_itself() {
    let (from, store) = (memory(), memory());
    let source = end(&from, "");
    put(&source, "a", bytes(1, 10), "1").await;
    let repository = init(&store).await;
    let cancelled = create(&source, &repository);
    cancelled.cancel.cancel();
    assert!(matches!(cancelled.run().await, Err(SnapshotError::Cancelled)));
    assert!(files(&store, "snapshots/").await.is_empty());
    assert!(matches!(
        Repository::init(end(&store, "r"), &key_file(), retry()).await,
        Err(SnapshotError::Exists(_))
    ));
    assert!(matches!(
        Repository::open(end(&store, "other"), &key_file(), retry()).await,
        Err(SnapshotError::NoRepository(_))
    ));
}
