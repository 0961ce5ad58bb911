//! Claims on paths in a tree of files, within this process. They are needed for storage where removing a
//! folder removes its content, or where the file is missing for a moment while it is replaced.
//!
//! An exclusive claim on a path also announces that its file changes ([`Watches`]).
//!
//! A claim on a path shares the folders above it. A task that claims one of those folders exclusively waits
//! for that claim, and the reverse: no folder is removed, and no file becomes a folder, while a change below
//! it is in progress. All paths of a claim are taken at once or none, so claims cannot deadlock.

use super::watches::{Change, Watch, Watches};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub struct Claims {
    paths: Mutex<Paths>,
    released: Notify,
    watches: Arc<Watches<String>>,
}

#[derive(Debug, Default)]
struct Paths {
    /// The paths that are claimed. The map is ordered, because paths have common prefixes and a claim
    /// contains all of them.
    held: BTreeMap<String, Hold>,
    /// The number of waiters for each path. `try_own` fails while there are any.
    wanted: BTreeMap<String, usize>,
}

#[derive(Debug, Clone, Copy)]
enum Hold {
    Shared(usize),
    Own,
}

impl Claims {
    /// Claims the file or folder of a path exclusively.
    pub async fn own(self: &Arc<Self>, paths: &[&str]) -> Claim {
        self.claim(paths, &[]).await
    }

    /// Claims a path as shared: it is neither removed nor replaced while the claim lasts.
    pub async fn share(self: &Arc<Self>, path: &str) -> Claim {
        self.claim(&[], &[path]).await
    }

    async fn claim(self: &Arc<Self>, own: &[&str], shared: &[&str]) -> Claim {
        let own: Vec<String> = own.iter().map(|path| (*path).to_owned()).collect();
        let above =
            own.iter().flat_map(|path| ancestors(path)).chain(shared.iter().flat_map(|path| ancestors(path)));
        let mut shared: Vec<String> = above.chain(shared.iter().copied()).map(str::to_owned).collect();
        shared.sort_unstable();
        shared.dedup();
        let mut wanting = None;
        loop {
            let released = self.released.notified();
            if self.paths().take(&own, &shared) {
                return self.taken(own, shared);
            }
            wanting.get_or_insert_with(|| {
                Wanting::new(self.clone(), own.iter().chain(&shared).cloned().collect())
            });
            released.await;
        }
    }

    /// Claims a path like `own`, but only if it is free now and has no waiter.
    pub async fn try_own(self: &Arc<Self>, path: &str) -> Option<Claim> {
        let own = vec![path.to_owned()];
        let shared: Vec<String> = ancestors(path).map(str::to_owned).collect();
        let taken = {
            let mut paths = self.paths();
            !paths.wanted.contains_key(path) && paths.take(&own, &shared)
        };
        if !taken {
            // The holders may need this thread to continue.
            tokio::task::yield_now().await;
        }
        taken.then(|| self.taken(own, shared))
    }

    fn taken(self: &Arc<Self>, own: Vec<String>, shared: Vec<String>) -> Claim {
        let changes = own.iter().map(|path| self.watches.change(path)).collect();
        Claim { claims: self.clone(), own, shared, _changes: changes }
    }

    fn paths(&self) -> MutexGuard<'_, Paths> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Must be called before a path is checked. The watch then shows whether the result is reliable.
    pub fn watch(&self, path: &str) -> Watch<String> {
        self.watches.watch(&path.to_owned())
    }
}

impl Paths {
    /// Takes all of these paths, or none of them.
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

/// Counts as a waiter for these paths while it lives.
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

/// Returns the folders above a path, without the root, which always exists.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

/// A claim, released when it is dropped.
#[derive(Debug)]
pub struct Claim {
    claims: Arc<Claims>,
    own: Vec<String>,
    shared: Vec<String>,
    _changes: Vec<Change<String>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut paths = self.claims.paths();
        for path in &self.own {
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
        assert!(
            claims.try_own("a").await.is_none()
                && claims.try_own("a/b").await.is_none()
                && claims.try_own("a/b/c").await.is_none()
        );
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
        assert!(watch.is_unchanged());
        let claim = claims.own(&["a"]).await;
        assert!(!watch.is_unchanged() && !claims.watch("a").is_unchanged());
        let during = claims.watch("a");
        drop(claim);
        assert!(!watch.is_unchanged() && !during.is_unchanged() && claims.watch("a").is_unchanged());
    }
}
