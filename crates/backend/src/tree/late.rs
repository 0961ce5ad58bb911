//! Drafts that could not be removed, mostly because their storage was unreachable. They are removed when it
//! can be reached again.
//!
//! This module owns the list of their names, and one task while the list is not empty. The driver knows how a
//! draft is removed. Drafts that are never removed here are left to the next start, which cleans up after
//! earlier runs.
//!
//! Invariants:
//! - a backend sends one removal at a time, with a pause after each failure;
//! - memory is bounded, and so is the time for which an unreachable storage is tried.

use futures_util::future::BoxFuture;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The maximum number of names. Further ones are left to the next start.
const MOST: usize = 10_000;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The number of failures in a row after which the rest is left to the next start: about an hour.
const PATIENCE: u32 = 240;

#[derive(Debug, Default)]
pub struct Late(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    names: VecDeque<String>,
    /// A task is removing them.
    is_attended: bool,
}

impl Late {
    /// Removes `name` later. `remove` returns whether it is gone.
    pub fn remove<F>(self: &Arc<Self>, name: String, remove: F)
    where
        F: Fn(String) -> BoxFuture<'static, bool> + Send + Sync + 'static,
    {
        let mut waiting = self.waiting();
        if waiting.names.len() < MOST {
            waiting.names.push_back(name);
        }
        if !std::mem::replace(&mut waiting.is_attended, true) {
            tokio::spawn(self.clone().attend(remove));
        }
    }

    async fn attend(self: Arc<Self>, remove: impl Fn(String) -> BoxFuture<'static, bool>) {
        let (mut pause, mut failed) = (FIRST_PAUSE, 0);
        while let Some(name) = self.next(failed < PATIENCE) {
            tokio::time::sleep(pause).await;
            if remove(name.clone()).await {
                (pause, failed) = (Duration::ZERO, 0);
            } else {
                // The name goes to the end of the list, so that a draft that can never be removed does not
                // block the others.
                self.waiting().names.push_back(name);
                (pause, failed) = ((pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE), failed + 1);
            }
        }
    }

    /// Returns the next name. If there is none, the task ends.
    fn next(&self, is_patient: bool) -> Option<String> {
        let mut waiting = self.waiting();
        if !is_patient {
            tracing::warn!(
                drafts = waiting.names.len(),
                "drafts could not be removed: they stay until the next start"
            );
            waiting.names.clear();
        }
        let next = waiting.names.pop_front();
        waiting.is_attended = next.is_some();
        next
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        collections::BTreeSet,
        sync::atomic::{AtomicUsize, Ordering},
    };

    #[derive(Default)]
    struct Storage {
        asked: AtomicUsize,
        /// The number of removals that fail before the storage is reachable again.
        away_for: usize,
        removed: Mutex<BTreeSet<String>>,
    }

    impl Storage {
        fn remove(self: Arc<Self>) -> impl Fn(String) -> BoxFuture<'static, bool> + Send + Sync + 'static {
            move |name| {
                let storage = self.clone();
                Box::pin(async move {
                    let is_back = storage.asked.fetch_add(1, Ordering::Relaxed) >= storage.away_for;
                    is_back && name != "stuck" && storage.removed.lock().expect("no panic").insert(name)
                })
            }
        }
    }

    async fn ended(late: &Late) {
        while late.waiting().is_attended {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_removed_is_removed_when_the_storage_is_back() {
        let storage = Arc::new(Storage { away_for: 7, ..Default::default() });
        let late = Arc::new(Late::default());
        for name in ["one", "stuck", "two"] {
            late.remove(name.to_owned(), storage.clone().remove());
        }
        ended(&late).await;
        assert_eq!(
            *storage.removed.lock().expect("no panic"),
            BTreeSet::from(["one".to_owned(), "two".to_owned()])
        );
        late.remove("three".to_owned(), storage.clone().remove());
        ended(&late).await;
        assert_eq!(storage.removed.lock().expect("no panic").len(), 3, "after a pause it works on");
    }

    #[tokio::test(start_paused = true)]
    async fn a_storage_that_stays_away_is_not_asked_for_ever_and_no_more_names_wait_than_there_is_room_for() {
        let storage = Arc::new(Storage { away_for: usize::MAX, ..Default::default() });
        let late = Arc::new(Late::default());
        for n in 0..MOST + 5 {
            late.remove(n.to_string(), storage.clone().remove());
        }
        assert_eq!(late.waiting().names.len(), MOST);
        ended(&late).await;
        assert_eq!(storage.asked.load(Ordering::Relaxed), PATIENCE as usize);
    }
}
