//! Runs that are killed at any moment.

use super::*;
use crate::{
    model::ObjectAddress,
    store::{self, Deleted, GetReply, Layer, ListPage, Written},
};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::Notify;

/// A store that is cut off at a step: before or after its call.
#[derive(Debug, Default)]
struct Cut {
    below: Arc<MemoryStore>,
    steps: AtomicU64,
    at: AtomicU64,
    cut: Notify,
}

impl Cut {
    async fn step(&self) {
        if self.steps.fetch_add(1, Relaxed) + 1 >= self.at.load(Relaxed) {
            self.cut.notify_one();
            std::future::pending::<()>().await;
        }
    }

    fn after(&self, steps: u64) {
        self.steps.store(0, Relaxed);
        self.at.store(steps, Relaxed);
    }

    /// Runs until the end, or until the store is cut off. Returns whether the end came.
    async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.cut.notified() => None,
        }
    }
}

impl Layer for Cut {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> store::Result<Written> {
        self.step().await;
        let written = self.below.put(key, request).await;
        self.step().await;
        written
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> store::Result<GetReply> {
        self.step().await;
        self.below.get(address, request).await
    }

    async fn delete(
        &self,
        address: ObjectAddress<'_>,
        conditions: &WriteConditions,
    ) -> store::Result<Deleted> {
        self.step().await;
        let deleted = self.below.delete(address, conditions).await;
        self.step().await;
        deleted
    }

    async fn list(&self, request: ListRequest) -> store::Result<ListPage> {
        self.step().await;
        self.below.list(request).await
    }
}

/// Returns after how many steps runs are killed: more and more, because what a killed run leaves makes the next
/// one longer.
fn moments() -> impl Iterator<Item = u64> {
    (1..).scan(0, |steps, attempt: u64| {
        *steps += 1 + attempt / 8;
        Some(*steps)
    })
}

#[tokio::test]
async fn runs_that_are_killed_at_every_step_leave_every_snapshot_whole_and_only_garbage_beside() {
    let from = memory();
    let source = end(&from, "");
    let store = Arc::new(Cut { at: u64::MAX.into(), ..Cut::default() });
    let repository = init(&store).await;
    let calm = open(&store.below).await;
    let mut made: Vec<(Snapshot, Tree)> = Vec::new();
    let (mut killed, mut days) = (0, 0);
    for round in 0..2u64 {
        for at in 0..3 {
            put(&source, &format!("{at}"), bytes(at * round, 1500), &format!("{round}")).await;
        }
        for steps in moments() {
            store.after(steps);
            let ended = store.run(create(&source, &repository).run()).await;
            store.after(u64::MAX);
            // A record may have been written although the run was killed.
            let all = Snapshot::all(&calm).await.expect("are read");
            let now = tree(&source).await;
            let known: Vec<_> = made.iter().map(|(snapshot, _)| snapshot.name).collect();
            made.extend(
                all.into_iter().filter(|one| !known.contains(&one.name)).map(|one| (one, now.clone())),
            );
            assert_eq!(problems(&calm, true).await, Vec::<String>::new());
            match ended {
                Some(ended) => {
                    ended.expect("is made");
                    break;
                }
                None => killed += 1,
            }
        }
        for steps in moments() {
            days += 2;
            store.after(steps);
            let keep = Some(Keep { last: 2, ..Keep::default() });
            let ended = store.run(prune(&repository, keep, days)).await;
            store.after(u64::MAX);
            let all = Snapshot::all(&calm).await.expect("are read");
            made.retain(|(one, _)| all.iter().any(|found| found.name == one.name));
            for (snapshot, expected) in &made {
                assert_eq!(&tree(&view(&calm, snapshot).await).await, expected, "{steps} steps");
            }
            assert_eq!(problems(&calm, true).await, Vec::<String>::new(), "{steps} steps");
            match ended {
                Some(ended) => {
                    ended.expect("prunes");
                    break;
                }
                None => killed += 1,
            }
        }
    }
    assert!(killed > 30, "only {killed} kills");
    for _ in 0..4 {
        days += 2;
        prune(&calm, None, days).await.expect("prunes");
    }
    let checked = check(&calm, true, |_| {}).await.expect("is checked");
    assert_eq!((checked.unlisted, checked.problems), (0, 0), "no garbage is left");
}
