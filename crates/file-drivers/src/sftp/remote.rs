//! The root on the server: mapping paths to those of the server, checking and creating folders, and repeating
//! what was lost.
//!
//! Invariants:
//! - no request is sent for a path that contains a symbolic link, because it may lead out of the root. The
//!   protocol cannot forbid the server to follow links, so folders are checked before, and again after a few
//!   seconds. Users who can create links on the server can still win that race; S3 clients cannot create any;
//! - only operations that are harmless to repeat go through `repeat`.

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
        tree::{files::EntryKind, late::Late},
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

/// How long the check of a folder stays valid.
const TRUSTED: Duration = Duration::from_secs(5);
/// The number of remembered folders. Beyond it, all of them are forgotten at once.
const REMEMBERED: usize = 4096;
/// How often folders are created again when another program removes them at the same time.
pub(super) const ROUNDS: usize = 10;

#[derive(Debug)]
pub(super) struct Remote {
    pub(super) pool: Pool,
    /// The root, with a slash at its end unless it is empty.
    root: String,
    folders: Mutex<HashMap<String, Instant>>,
    /// Held where a change takes two requests: a check and then the change.
    pub(super) one_by_one: tokio::sync::Mutex<()>,
    /// Drafts that could not be removed yet.
    pub(super) late: Arc<Late>,
}

/// The state of the folders in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FolderPath {
    /// All of them are folders.
    Clear,
    Missing,
    File,
    /// One of them is a link, or something that is neither file nor folder.
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

    /// Returns the path in the form that is sent to the server.
    pub(super) fn at(&self, path: &str) -> Vec<u8> {
        // The root itself may be a symbolic link; `ROOT/.` is the folder that it leads to.
        format!("{}{}", self.root, if path.is_empty() { "." } else { path }).into_bytes()
    }

    /// Runs an operation that may be repeated, until its connection is not lost or the attempts are used up.
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
                result => return result.map_err(|failure| failure.during(what)),
            }
        }
        Err(Failure::Lost("it has no attempts").during(what))
    }

    /// Returns the state of a folder and those above it. The root is not checked.
    pub(super) async fn way(&self, lease: &Lease, folder: &str) -> std::result::Result<FolderPath, Failure> {
        match self.look(lease, folder).await {
            // The check was refused, for example below a path that was a folder at the last check.
            Err(Failure::Refused(_)) => {
                self.forget_way(folder);
                self.look(lease, folder).await
            }
            looked => looked,
        }
    }

    async fn look(&self, lease: &Lease, folder: &str) -> std::result::Result<FolderPath, Failure> {
        let mut asked = Vec::new();
        for part in prefixes(folder).filter(|part| !self.is_trusted(part)) {
            asked.push((part, lease.send(Request::new(packet::LSTAT).text(&self.at(part))).await?));
        }
        // Results below the first path that is not a folder are ignored.
        for (part, answer) in asked {
            match present(answer.await.and_then(stat))?.map(|stat| stat.kind) {
                Some(EntryKind::Folder) => self.trust(part),
                Some(EntryKind::File) => return Ok(FolderPath::File),
                Some(EntryKind::Other | EntryKind::Nameless) => return Ok(FolderPath::Barred),
                None => return Ok(FolderPath::Missing),
            }
        }
        Ok(FolderPath::Clear)
    }

    /// Creates a folder and those above it, including the root. `Missing`: another program removes them each
    /// time.
    pub(super) async fn make_folders(
        &self,
        lease: &Lease,
        folder: &str,
    ) -> std::result::Result<FolderPath, Failure> {
        let mut last = Ok(FolderPath::Missing);
        for _ in 0..ROUNDS {
            match self.make_each(lease, folder).await {
                // Another program may have created the folder and removed it before it was checked.
                unmade @ (Ok(FolderPath::Missing) | Err(Failure::Refused(_))) => last = unmade,
                made => return made,
            }
            self.forget_way(folder);
        }
        last
    }

    async fn make_each(&self, lease: &Lease, folder: &str) -> std::result::Result<FolderPath, Failure> {
        for part in prefixes(folder) {
            if self.is_trusted(part) {
                continue;
            }
            match lease.make_folder(&self.at(part)).await {
                Ok(()) => self.trust(part),
                Err(Failure::Missing) if !part.contains('/') => {
                    self.make_root(lease).await?;
                    // Another task may have created it first: the next check decides.
                    let _ = lease.make_folder(&self.at(part)).await;
                }
                Err(Failure::Missing) => return Ok(FolderPath::Missing),
                Err(failure @ (Failure::Lost(_) | Failure::BadName | Failure::Full)) => return Err(failure),
                // Servers do not report that a folder exists: a check decides.
                Err(failure) => match self.way(lease, part).await? {
                    FolderPath::Clear => {}
                    FolderPath::Missing => return Err(failure),
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
            // Refusals are ignored: the folder exists already, or the next step fails because it is missing.
            if let Err(failure @ Failure::Lost(_)) = lease.make_folder(&root[..end]).await {
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Forgets that a path was checked to be a folder, and all paths below it.
    pub(super) fn forget(&self, folder: &str) {
        let below = |path: &str| {
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.folders().retain(|path, _| !below(path));
    }

    /// Forgets all folders in a path.
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

/// The path and all folders above it: `a`, `a/b` and `a/b/c` for `a/b/c`.
fn prefixes(folder: &str) -> impl Iterator<Item = &str> {
    let ends =
        folder.match_indices('/').map(|(at, _)| at).chain((!folder.is_empty()).then_some(folder.len()));
    ends.map(|end| &folder[..end])
}

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
