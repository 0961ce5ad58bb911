//! Who is changing what in a tree of files, within this process: for storage where removing a folder removes what is in it,
//! and where replacing a file has a moment without one.
//!
//! A claim on a path shares the folders above it, so whoever claims one of those for itself waits for it, and it for them:
//! no folder is removed, and no file becomes a folder, while something is on its way to below. All of a claim is taken at
//! once or nothing of it, so there is no cycle.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

const SHARDS: usize = 64;

#[derive(Debug)]
pub(super) struct Claims {
    /// Only of paths that somebody has.
    held: Mutex<HashMap<String, Hold>>,
    released: Notify,
    /// How many claims for one's own have ended, by hash of their path.
    ended: [AtomicU64; SHARDS],
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
enum Hold {
    Shared(usize),
    Own,
}

impl Default for Claims {
    fn default() -> Self {
        let ended = [const { AtomicU64::new(0) }; SHARDS];
        Self { held: Mutex::default(), released: Notify::new(), ended, hasher: RandomState::new() }
    }
}

impl Claims {
    /// The file or folder of a path, to be changed by nobody else.
    pub(super) async fn own(self: &Arc<Self>, paths: &[&str]) -> Claim {
        self.claim(paths, &[]).await
    }

    /// A path, to be there while this lasts.
    pub(super) async fn share(self: &Arc<Self>, path: &str) -> Claim {
        self.claim(&[], &[path]).await
    }

    async fn claim(self: &Arc<Self>, own: &[&str], shared: &[&str]) -> Claim {
        loop {
            let released = self.released.notified();
            if let Some(claim) = self.try_claim(own, shared) {
                return claim;
            }
            released.await;
        }
    }

    /// As `own`, if it is to be had now.
    pub(super) fn try_own(self: &Arc<Self>, path: &str) -> Option<Claim> {
        self.try_claim(&[path], &[])
    }

    fn try_claim(self: &Arc<Self>, own: &[&str], shared: &[&str]) -> Option<Claim> {
        let mut held = self.held();
        let above = own.iter().flat_map(|path| ancestors(path)).chain(shared.iter().flat_map(|path| ancestors(path)));
        let mut shared: Vec<String> = above.chain(shared.iter().copied()).map(str::to_owned).collect();
        shared.sort_unstable();
        shared.dedup();
        let free = own.iter().all(|path| !held.contains_key(*path)) && !shared.iter().any(|path| matches!(held.get(path), Some(Hold::Own)));
        if !free {
            return None;
        }
        for path in &shared {
            match held.entry(path.clone()).or_insert(Hold::Shared(0)) {
                Hold::Shared(count) => *count += 1,
                Hold::Own => {}
            }
        }
        held.extend(own.iter().map(|path| ((*path).to_owned(), Hold::Own)));
        Some(Claim { claims: self.clone(), own: own.iter().map(|path| (*path).to_owned()).collect(), shared })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Hold>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, path: &str) -> &AtomicU64 {
        &self.ended[self.hasher.hash_one(path) as usize % SHARDS]
    }

    /// To be asked before looking at a path: whether what was seen then can be relied on.
    pub(super) fn watch<'c>(&'c self, path: &'c str) -> Watch<'c> {
        let quiet = !matches!(self.held().get(path), Some(Hold::Own));
        Watch { claims: self, path, seen: quiet.then(|| self.ended(path).load(Ordering::SeqCst)) }
    }
}

/// The folders above a path, without the root: it is always there.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

pub(super) struct Watch<'c> {
    claims: &'c Claims,
    path: &'c str,
    /// `None`: somebody was changing it.
    seen: Option<u64>,
}

impl Watch<'_> {
    /// Whether nobody here was changing the path from then till now.
    pub(super) fn was_quiet(&self) -> bool {
        let held = matches!(self.claims.held().get(self.path), Some(Hold::Own));
        !held && self.seen == Some(self.claims.ended(self.path).load(Ordering::SeqCst))
    }
}

/// Given back when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Arc<Claims>,
    own: Vec<String>,
    shared: Vec<String>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut held = self.claims.held();
        for path in &self.own {
            self.claims.ended(path).fetch_add(1, Ordering::SeqCst);
            held.remove(path);
        }
        for path in &self.shared {
            match held.get_mut(path) {
                Some(Hold::Shared(count)) if *count > 1 => *count -= 1,
                _ => {
                    held.remove(path);
                }
            }
        }
        drop(held);
        self.claims.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_folder_is_nobodys_own_while_something_is_on_its_way_below() {
        let claims = Arc::new(Claims::default());
        let below = claims.own(&["a/b/c"]).await;
        assert!(claims.try_own("a").is_none() && claims.try_own("a/b").is_none() && claims.try_own("a/b/c").is_none());
        let beside = claims.own(&["a/b/d"]).await;
        drop(below);
        assert!(claims.try_own("a/b").is_none(), "the other is still under way");
        let mut waiting = Box::pin(claims.own(&["a"]));
        assert!((&mut waiting).now_or_never().is_none());
        drop(beside);
        let folder = waiting.await;
        assert!(claims.share("a/x").now_or_never().is_none());
        drop(folder);
        assert!(claims.held().is_empty());
    }

    #[tokio::test]
    async fn a_look_is_unreliable_if_somebody_was_changing_the_path_meanwhile() {
        let claims = Arc::new(Claims::default());
        let watch = claims.watch("a");
        assert!(watch.was_quiet());
        let claim = claims.own(&["a"]).await;
        assert!(!watch.was_quiet() && !claims.watch("a").was_quiet());
        let during = claims.watch("a");
        drop(claim);
        assert!(!watch.was_quiet() && !during.was_quiet() && claims.watch("a").was_quiet());
    }
}
