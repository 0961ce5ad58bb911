//! One lock per key (or any other name), held while the thing with that name changes.
//!
//! Order: the holder of a key's lock may take the lock of a shorter key that is its ancestor, never the
//! reverse, so locks cannot deadlock. Whoever takes the locks of several keys in another order waits for none of
//! them (`try_lock`). Locks that are not held use no memory.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::OwnedMutexGuard;

type Entries<K> = HashMap<K, Arc<tokio::sync::Mutex<()>>>;

#[derive(Debug)]
pub struct Locks<K> {
    shards: Box<[Mutex<Entries<K>>]>,
    hasher: RandomState,
}

impl<K> Default for Locks<K> {
    fn default() -> Self {
        Self { shards: (0..64).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl<K: Clone + Eq + Hash> Locks<K> {
    pub async fn lock(self: &Arc<Self>, key: &K) -> Guard<K> {
        let lock = self.shard(key).entry(key.clone()).or_default().clone();
        Guard { held: Some(lock.lock_owned().await), key: key.clone(), locks: self.clone() }
    }

    /// Returns the lock if nobody holds it or waits for it.
    pub fn try_lock(self: &Arc<Self>, key: &K) -> Option<Guard<K>> {
        let mut shard = self.shard(key);
        // Tried under the shard's lock: a holder that goes meanwhile would take this clone for a waiter.
        let held = shard.entry(key.clone()).or_default().clone().try_lock_owned().ok()?;
        Some(Guard { held: Some(held), key: key.clone(), locks: self.clone() })
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Entries<K>> {
        let shard = &self.shards[self.hasher.hash_one(key) as usize % self.shards.len()];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lock that is held. It is released when it is dropped.
pub struct Guard<K: Clone + Eq + Hash> {
    held: Option<OwnedMutexGuard<()>>,
    key: K,
    locks: Arc<Locks<K>>,
}

impl<K: Clone + Eq + Hash> fmt::Debug for Guard<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash> Drop for Guard<K> {
    fn drop(&mut self) {
        self.held = None;
        let mut shard = self.locks.shard(&self.key);
        // Each waiter holds a clone, which it took under this shard's lock.
        if shard.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            shard.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_is_held_by_one_and_forgotten_after_the_last() {
        let locks = Arc::new(Locks::default());
        let key = "k".to_owned();
        let first = locks.lock(&key).await;
        let waiting = tokio::spawn({
            let (locks, key) = (locks.clone(), key.clone());
            async move { drop(locks.lock(&key).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        assert!(locks.try_lock(&key).is_none(), "somebody holds it");
        drop(first);
        waiting.await.expect("gets the lock");
        drop(locks.try_lock(&key).expect("nobody holds it"));
        assert!(locks.shards.iter().all(|shard| shard.lock().expect("not poisoned").is_empty()));
    }
}
