//! One lock per key, held while what the key names changes.
//!
//! Order: whoever holds the lock of a key may take the lock of a shorter key that is its ancestor, never the other way;
//! so there is no cycle. Locks of keys nobody holds cost nothing.

use crate::model::ObjectKey;
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OwnedMutexGuard;

type Shard = Mutex<HashMap<ObjectKey, Arc<tokio::sync::Mutex<()>>>>;

#[derive(Debug)]
pub(super) struct KeyLocks {
    shards: Box<[Shard]>,
    hasher: RandomState,
}

impl Default for KeyLocks {
    fn default() -> Self {
        Self { shards: (0..64).map(|_| Shard::default()).collect(), hasher: RandomState::new() }
    }
}

impl KeyLocks {
    pub(super) async fn lock(self: &Arc<Self>, key: &ObjectKey) -> KeyGuard {
        let lock = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default().clone();
        KeyGuard { held: Some(lock.lock_owned().await), key: key.clone(), locks: self.clone() }
    }

    fn shard(&self, key: &ObjectKey) -> &Shard {
        &self.shards[self.hasher.hash_one(key) as usize % self.shards.len()]
    }
}

/// Releases on drop, wherever that happens.
#[derive(Debug)]
pub(super) struct KeyGuard {
    held: Option<OwnedMutexGuard<()>>,
    key: ObjectKey,
    locks: Arc<KeyLocks>,
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        self.held = None;
        let mut shard = self.locks.shard(&self.key).lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits holds a clone, taken under this shard's lock.
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
        let locks = Arc::new(KeyLocks::default());
        let key = ObjectKey::new("k").expect("a key");
        let first = locks.lock(&key).await;
        let waiting = tokio::spawn({
            let (locks, key) = (locks.clone(), key.clone());
            async move { drop(locks.lock(&key).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.expect("gets the lock");
        assert!(locks.shards.iter().all(|shard| shard.lock().expect("not poisoned").is_empty()));
    }
}
