//! The root on the server: from our paths to the server's, the folders in them, and repeating what was lost.
//!
//! Invariants:
//! - no request is made for a path with a link in it: a link may lead out of the root. The protocol has no
//!   way to say "and do not follow", so folders are checked before, and again after a few seconds: users who
//!   can make links on the server itself can still win that race, clients of ours cannot make any;
//! - only what is harmless to repeat goes through `repeat`.

use super::{
    SftpSettings,
    failure::Failure,
    packet::{self, Request},
    pool::{Lease, Pool},
    requests::{present, stat},
};
use crate::{
    backend::{
        Traffic,
        tree::{files::Kind, late::Late},
        wire::pause,
    },
    store::Result,
};
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long a folder is taken for one without looking again.
const TRUSTED: Duration = Duration::from_secs(5);
/// Folders remembered; more are forgotten all at once.
const REMEMBERED: usize = 4096;
/// Folders that others remove while we make them: as often as this is no accident.
pub(super) const ROUNDS: usize = 10;

#[derive(Debug)]
pub(super) struct Remote {
    pub(super) pool: Pool,
    /// With a slash at its end, unless it is empty.
    root: String,
    folders: Mutex<HashMap<String, Instant>>,
    /// Held where a server needs a check and then a change, in two requests.
    pub(super) one_by_one: tokio::sync::Mutex<()>,
    /// Drafts that could not be removed.
    pub(super) late: Arc<Late>,
}

/// The state of the folders in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Folders.
    Clear,
    Missing,
    File,
    /// A link, or what is neither file nor folder.
    Barred,
}

impl Remote {
    pub(super) fn traffic(&self) -> Traffic {
        self.pool.meter.traffic()
    }

    pub(super) fn new(settings: SftpSettings) -> Result<Arc<Self>> {
        let root = match settings.root.trim_end_matches('/') {
            "" if settings.root.starts_with('/') => "/".to_owned(),
            "" | "." => String::new(),
            root => format!("{root}/"),
        };
        let pool = Pool::new(settings)?;
        let (folders, one_by_one) = (Mutex::new(HashMap::new()), tokio::sync::Mutex::new(()));
        Ok(Arc::new(Self { pool, root, folders, one_by_one, late: Arc::default() }))
    }

    /// Returns the path as the server takes it.
    pub(super) fn at(&self, path: &str) -> Vec<u8> {
        // The root may be a link: its own `.` is none.
        format!("{}{}", self.root, if path.is_empty() { "." } else { path }).into_bytes()
    }

    /// Does what may be done again, until it was not lost on the way.
    pub(super) async fn repeat<'r, T, F, D>(&'r self, what: &str, act: F) -> Result<T>
    where
        F: Fn(Lease, bool) -> D,
        D: Future<Output = std::result::Result<T, Failure>> + Send + 'r,
    {
        for attempt in 1.. {
            let lease = self.pool.lease().await?;
            match act(lease, attempt > 1).await {
                Err(Failure::Lost(why)) if attempt < self.pool.settings().attempts => {
                    tracing::debug!(why, what, attempt, "a request to a backend was lost; it is repeated");
                    tokio::time::sleep(pause(attempt, Duration::ZERO)).await;
                }
                result => return result.map_err(|failure| failure.told(what)),
            }
        }
        Err(Failure::Lost("it has no attempts").told(what))
    }

    /// Returns the state of a folder and those above it. The root is accepted as it is.
    pub(super) async fn way(&self, lease: &Lease, folder: &str) -> std::result::Result<Way, Failure> {
        match self.look(lease, folder).await {
            // Refused, as below a path that was a folder at the last check.
            Err(Failure::Refused(_)) => {
                self.forget_way(folder);
                self.look(lease, folder).await
            }
            looked => looked,
        }
    }

    async fn look(&self, lease: &Lease, folder: &str) -> std::result::Result<Way, Failure> {
        let mut asked = Vec::new();
        for part in prefixes(folder).filter(|part| !self.is_trusted(part)) {
            asked.push((part, lease.send(Request::new(packet::LSTAT).text(&self.at(part))).await?));
        }
        // Entries behind something that is no folder are not used.
        for (part, answer) in asked {
            match present(answer.await.and_then(stat))?.map(|stat| stat.kind) {
                Some(Kind::Folder) => self.trust(part),
                Some(Kind::File) => return Ok(Way::File),
                Some(Kind::Other | Kind::Nameless) => return Ok(Way::Barred),
                None => return Ok(Way::Missing),
            }
        }
        Ok(Way::Clear)
    }

    /// Makes a folder and those above it, the root too. `Missing`: others remove them as fast.
    pub(super) async fn make_folders(
        &self,
        lease: &Lease,
        folder: &str,
    ) -> std::result::Result<Way, Failure> {
        let mut last = Ok(Way::Missing);
        for _ in 0..ROUNDS {
            match self.make_each(lease, folder).await {
                // Others may have made it, and removed it before we looked.
                unmade @ (Ok(Way::Missing) | Err(Failure::Refused(_))) => last = unmade,
                made => return made,
            }
            self.forget_way(folder);
        }
        last
    }

    async fn make_each(&self, lease: &Lease, folder: &str) -> std::result::Result<Way, Failure> {
        for part in prefixes(folder) {
            if self.is_trusted(part) {
                continue;
            }
            match lease.make_folder(&self.at(part)).await {
                Ok(()) => self.trust(part),
                Err(Failure::Missing) if !part.contains('/') => {
                    self.make_root(lease).await?;
                    // Another task may have made it first: the next check decides.
                    let _ = lease.make_folder(&self.at(part)).await;
                }
                Err(Failure::Missing) => return Ok(Way::Missing),
                Err(failure @ (Failure::Lost(_) | Failure::BadName | Failure::Full)) => return Err(failure),
                // Servers do not report that it exists: checking decides.
                Err(failure) => match self.way(lease, part).await? {
                    Way::Clear => {}
                    Way::Missing => return Err(failure),
                    other => return Ok(other),
                },
            }
        }
        self.way(lease, folder).await
    }

    pub(super) async fn make_root(&self, lease: &Lease) -> std::result::Result<(), Failure> {
        let root = self.root.trim_end_matches('/').as_bytes();
        let ends = root
            .iter()
            .enumerate()
            .filter(|(at, c)| **c == b'/' && *at > 0)
            .map(|(at, _)| at)
            .chain([root.len()]);
        for end in ends {
            // A folder that cannot be made exists, or its absence fails the next step.
            if let Err(failure @ Failure::Lost(_)) = lease.make_folder(&root[..end]).await {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Forgets a folder that may not be one any more, and all folders below it.
    pub(super) fn forget(&self, folder: &str) {
        let below = |path: &str| {
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.folders().retain(|path, _| !below(path));
    }

    /// Forgets all folders on the way to one.
    pub(super) fn forget_way(&self, folder: &str) {
        if let Some(first) = prefixes(folder).next() {
            self.forget(first);
        }
    }

    fn is_trusted(&self, folder: &str) -> bool {
        self.folders().get(folder).is_some_and(|since| since.elapsed() < TRUSTED)
    }

    fn trust(&self, folder: &str) {
        let mut folders = self.folders();
        if folders.len() >= REMEMBERED {
            folders.clear();
        }
        folders.insert(folder.to_owned(), Instant::now());
    }

    fn folders(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `a`, `a/b` and `a/b/c` of `a/b/c`.
fn prefixes(folder: &str) -> impl Iterator<Item = &str> {
    let ends =
        folder.match_indices('/').map(|(at, _)| at).chain((!folder.is_empty()).then_some(folder.len()));
    ends.map(|end| &folder[..end])
}

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
