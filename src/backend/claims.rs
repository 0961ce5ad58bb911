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
    paths: Mutex<Paths>,
    released: Notify,
    /// How many claims for one's own have ended, by hash of their path.
    ended: [AtomicU64; SHARDS],
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Paths {
    /// Only what somebody has.
    held: HashMap<String, Hold>,
    /// By how many who wait. Whoever does not wait lets them go first.
    wanted: HashMap<String, usize>,
}

#[derive(Debug, Clone, Copy)]
enum Hold {
    Shared(usize),
    Own,
}

impl Default for Claims {
    fn default() -> Self {
        let ended = [const { AtomicU64::new(0) }; SHARDS];
        Self { paths: Mutex::default(), released: Notify::new(), ended, hasher: RandomState::new() }
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
        let own: Vec<String> = own.iter().map(|path| (*path).to_owned()).collect();
        let above = own.iter().flat_map(|path| ancestors(path)).chain(shared.iter().flat_map(|path| ancestors(path)));
        let mut shared: Vec<String> = above.chain(shared.iter().copied()).map(str::to_owned).collect();
        shared.sort_unstable();
        shared.dedup();
        let mut wanting = None;
        loop {
            let released = self.released.notified();
            if self.paths().take(&own, &shared) {
                return Claim { claims: self.clone(), own, shared };
            }
            wanting.get_or_insert_with(|| Wanting::new(self.clone(), own.iter().chain(&shared).cloned().collect()));
            released.await;
        }
    }

    /// As `own`, if it is to be had now and nobody waits for it.
    pub(super) async fn try_own(self: &Arc<Self>, path: &str) -> Option<Claim> {
        let own = vec![path.to_owned()];
        let shared: Vec<String> = ancestors(path).map(str::to_owned).collect();
        let taken = {
            let mut paths = self.paths();
            !paths.wanted.contains_key(path) && paths.take(&own, &shared)
        };
        if !taken {
            // Those who have it may be waiting for this very thread.
            tokio::task::yield_now().await;
        }
        taken.then(|| Claim { claims: self.clone(), own, shared })
    }

    fn paths(&self) -> MutexGuard<'_, Paths> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, path: &str) -> &AtomicU64 {
        &self.ended[self.hasher.hash_one(path) as usize % SHARDS]
    }

    /// To be asked before looking at a path: whether what was seen then can be relied on.
    pub(super) fn watch(self: &Arc<Self>, path: &str) -> Watch {
        let quiet = !matches!(self.paths().held.get(path), Some(Hold::Own));
        Watch { claims: self.clone(), path: path.to_owned(), seen: quiet.then(|| self.ended(path).load(Ordering::SeqCst)) }
    }
}

impl Paths {
    /// All of it, or nothing.
    fn take(&mut self, own: &[String], shared: &[String]) -> bool {
        let is_free = own.iter().all(|path| !self.held.contains_key(path))
            && !shared.iter().any(|path| matches!(self.held.get(path), Some(Hold::Own)));
        if is_free {
            for path in shared {
                match self.held.entry(path.clone()).or_insert(Hold::Shared(0)) {
                    Hold::Shared(count) => *count += 1,
                    Hold::Own => {}
                }
            }
            self.held.extend(own.iter().map(|path| (path.clone(), Hold::Own)));
        }
        is_free
    }
}

/// Says so while it lasts.
struct Wanting {
    claims: Arc<Claims>,
    paths: Vec<String>,
}

impl Wanting {
    fn new(claims: Arc<Claims>, paths: Vec<String>) -> Self {
        let mut all = claims.paths();
        for path in &paths {
            *all.wanted.entry(path.clone()).or_default() += 1;
        }
        drop(all);
        Self { claims, paths }
    }
}

impl Drop for Wanting {
    fn drop(&mut self) {
        let mut all = self.claims.paths();
        for path in &self.paths {
            match all.wanted.get_mut(path) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    all.wanted.remove(path);
                }
            }
        }
    }
}

/// The folders above a path, without the root: it is always there.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

#[derive(Clone)]
pub(super) struct Watch {
    claims: Arc<Claims>,
    path: String,
    /// `None`: somebody was changing it.
    seen: Option<u64>,
}

impl Watch {
    /// Whether nobody here was changing the path from then till now.
    pub(super) fn was_quiet(&self) -> bool {
        let held = matches!(self.claims.paths().held.get(&self.path), Some(Hold::Own));
        !held && self.seen == Some(self.claims.ended(&self.path).load(Ordering::SeqCst))
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
        let mut paths = self.claims.paths();
        for path in &self.own {
            self.claims.ended(path).fetch_add(1, Ordering::SeqCst);
            paths.held.remove(path);
        }
        for path in &self.shared {
            match paths.held.get_mut(path) {
                Some(Hold::Shared(count)) if *count > 1 => *count -= 1,
                _ => {
                    paths.held.remove(path);
                }
            }
        }
        drop(paths);
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
        assert!(claims.try_own("a").await.is_none() && claims.try_own("a/b").await.is_none() && claims.try_own("a/b/c").await.is_none());
        let beside = claims.own(&["a/b/d"]).await;
        drop(below);
        assert!(claims.try_own("a/b").await.is_none(), "the other is still under way");
        let mut waiting = Box::pin(claims.own(&["a"]));
        assert!((&mut waiting).now_or_never().is_none());
        drop(beside);
        let folder = waiting.await;
        let mut waiting = Box::pin(claims.share("a/x"));
        assert!((&mut waiting).now_or_never().is_none());
        drop(folder);
        assert!(claims.try_own("a").await.is_none(), "whoever waits goes first");
        drop(waiting.await);
        let paths = claims.paths();
        assert!(paths.held.is_empty() && paths.wanted.is_empty());
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
