//! The keys of a bucket that are changing at this moment.
//!
//! A writer announces a change before any reader can see it, and ends it when listings show its result. So a
//! listing can wait for all changes that a reader may have seen already.
//!
//! This module owns no lock and decides nothing: the order of changes to one key comes from the key's lock.
//!
//! Invariant: dropping a change ends it, in every case.

use crate::{
    model::ObjectKey,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How long a listing waits for changes before it answers SlowDown. No change that succeeds takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
pub struct Changes(Mutex<ChangesState>);

#[derive(Debug, Default)]
struct ChangesState {
    next: u64,
    active: BTreeMap<ObjectKey, Vec<Active>>,
}

/// One change that has not ended.
#[derive(Debug)]
struct Active {
    number: u64,
    /// Created by the first listing that waits for this change.
    ended: Option<CancellationToken>,
}

/// A change of one key; it ends when this is dropped.
#[derive(Debug)]
#[must_use = "a change ends when its guard is dropped"]
pub struct Changing {
    changes: Arc<Changes>,
    key: ObjectKey,
    number: u64,
}

impl Changes {
    /// Announces a change of `key`. It must be called under the key's lock, before the change is visible.
    pub fn begin(self: &Arc<Self>, key: &ObjectKey) -> Changing {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.active.entry(key.clone()).or_default().push(Active { number, ended: None });
        Changing { changes: self.clone(), key: key.clone(), number }
    }

    /// Waits until all changes of keys with `prefix` that were announced before this call have ended. Later
    /// ones are ignored, so a key that changes all the time delays no listing.
    pub async fn wait(&self, prefix: &str) -> Result<()> {
        let ends: Vec<CancellationToken> = {
            let mut state = self.state();
            let active = state.active.iter_mut().filter(|(key, _)| key.as_str().starts_with(prefix));
            active
                .flat_map(|(_, changes)| changes)
                .map(|change| change.ended.get_or_insert_default().clone())
                .collect()
        };
        if ends.is_empty() {
            return Ok(());
        }
        let all = async {
            for ended in &ends {
                ended.cancelled().await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.map_err(|_| {
            let why = format!(
                "{} changes under this prefix have not ended after {} s: try again",
                ends.len(),
                PATIENCE.as_secs()
            );
            StoreError::new(StoreErrorKind::Busy, why)
        })
    }

    fn state(&self) -> MutexGuard<'_, ChangesState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        let mut state = self.changes.state();
        let Some(active) = state.active.get_mut(&self.key) else { return };
        let ended =
            active.iter().position(|change| change.number == self.number).map(|at| active.swap_remove(at));
        if active.is_empty() {
            state.active.remove(&self.key);
        }
        drop(state);
        if let Some(Active { ended: Some(ended), .. }) = ended {
            ended.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(name).expect("a key")
    }

    #[tokio::test]
    async fn a_listing_waits_for_the_changes_that_were_announced_before_it_and_for_no_others() {
        let changes = Arc::new(Changes::default());
        let [first, elsewhere] = [changes.begin(&key("a/1")), changes.begin(&key("b/1"))];
        let waiting = changes.wait("a/");
        tokio::pin!(waiting);
        assert!((&mut waiting).now_or_never().is_none());
        let later = changes.begin(&key("a/1"));
        drop(first);
        waiting.now_or_never().expect("the first has ended").expect("in time");
        drop((later, elsewhere));
        changes.wait("").now_or_never().expect("nothing is on its way").expect("in time");
        assert!(changes.state().active.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_never_ends_makes_a_listing_say_so() {
        let changes = Arc::new(Changes::default());
        let _stuck = changes.begin(&key("k"));
        assert_eq!(changes.wait("").await.map_err(|error| error.kind()), Err(StoreErrorKind::Busy));
    }
}
