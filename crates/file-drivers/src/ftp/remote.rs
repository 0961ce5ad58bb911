//! The steps that all operations share: checking, creating folders, repeating what was lost.
//!
//! Invariant: only operations that are harmless to repeat go through `repeat`.

use super::{
    FtpSettings,
    data::Passive,
    drafts,
    facts::{self, RemoteEntry},
    failure::Failure,
    pool::{Lease, Pool, Use},
    quirks::Quirks,
    readers::Readers,
    reply::time,
    session::present,
};
use crate::{
    backend::{
        locks::Locks,
        tree::{files::EntryKind, late::Late},
        wire::pause,
    },
    store::Result,
};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::OnceCell;

/// How often folders are created again when another program removes them at the same time.
pub(super) const ROUNDS: usize = 10;

#[derive(Debug)]
pub(super) struct Remote {
    pub(super) pool: Arc<Pool>,
    pub(super) passive: Passive,
    /// Locks of paths. A lock is held while a name is given to another file, and while a reader checks and
    /// begins.
    pub(super) locks: Arc<Locks<String>>,
    pub(super) readers: Arc<Readers>,
    /// Drafts that could not be removed yet.
    pub(super) late: Arc<Late>,
    /// The driver's own folder was created. It is created before the first upload, because some servers
    /// refuse a file in a missing folder only after they have received it.
    pub(super) is_prepared: AtomicBool,
    /// Filled by the probe when a quirk first matters.
    pub(super) quirks: OnceCell<Quirks>,
}

/// The state of the folders in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FolderPath {
    /// All of them are folders.
    Clear,
    Missing,
    /// One of them is a file, or something else that is not a folder.
    Barred,
}

impl Remote {
    pub(super) fn new(settings: FtpSettings) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            pool: Pool::new(settings)?,
            passive: Passive::default(),
            locks: Arc::default(),
            readers: Arc::default(),
            late: Arc::default(),
            is_prepared: AtomicBool::new(false),
            quirks: OnceCell::new(),
        }))
    }

    /// Runs an operation that may be repeated, until its connection is not lost or the attempts are used up.
    pub(super) async fn repeat<'r, T, F, D>(&'r self, purpose: Use, what: &str, act: F) -> Result<T>
    where
        F: Fn(Lease, bool) -> D,
        D: Future<Output = std::result::Result<T, Failure>> + Send + 'r,
    {
        for attempt in 1.. {
            let lease = self.pool.lease(purpose).await?;
            match act(lease, attempt > 1).await {
                Err(failure) if failure.is_passing() && attempt < self.pool.settings().attempts => {
                    tracing::debug!(%failure, what, attempt, "a command to a backend was lost; it is repeated");
                    self.pool.meter.failures(1);
                    self.pool.meter.repeat();
                    self.pool.forget_idle();
                    tokio::time::sleep(pause(attempt, Duration::ZERO)).await;
                }
                result => return result.map_err(|failure| failure.during(what)),
            }
        }
        Err(Failure::Lost("it has no attempts").during(what))
    }

    /// Returns the state of a folder and those above it. The root is not checked.
    pub(super) async fn way(
        &self,
        lease: &mut Lease,
        folder: &str,
    ) -> std::result::Result<FolderPath, Failure> {
        for part in prefixes(folder) {
            match look(lease, part).await? {
                Some(seen) if seen.is_folder() => {}
                Some(_) => return Ok(FolderPath::Barred),
                None => return Ok(FolderPath::Missing),
            }
        }
        Ok(FolderPath::Clear)
    }

    /// Creates a folder and those above it, including the root. `Missing`: another program removes them each
    /// time.
    pub(super) async fn make_folders(
        &self,
        lease: &mut Lease,
        folder: &str,
    ) -> std::result::Result<FolderPath, Failure> {
        let mut last = Ok(FolderPath::Missing);
        for round in 0..ROUNDS {
            match self.make_each(lease, folder).await {
                Ok(FolderPath::Missing) if round == 0 => self.make_root(lease).await?,
                // Another program may have created the folder and removed it before it was checked.
                unmade @ (Ok(FolderPath::Missing) | Err(Failure::Refused(_))) => last = unmade,
                made => return made,
            }
        }
        last
    }

    async fn make_each(&self, lease: &mut Lease, folder: &str) -> std::result::Result<FolderPath, Failure> {
        for part in prefixes(folder) {
            let at = lease.at(part);
            match lease.tell("MKD", &at).await {
                Ok(_) => {}
                Err(failure @ (Failure::Lost(_) | Failure::BadName | Failure::LongName | Failure::Full)) => {
                    return Err(failure);
                }
                // Servers do not report that a folder exists, or in many different words: a check of the path
                // decides.
                Err(failure) => match look(lease, part).await? {
                    Some(seen) if seen.is_folder() => {}
                    Some(_) => return Ok(FolderPath::Barred),
                    None if matches!(failure, Failure::Refused(_)) => return Ok(FolderPath::Missing),
                    None => return Err(failure),
                },
            }
        }
        self.way(lease, folder).await
    }

    /// Creates the driver's own folder, unless that was done already.
    pub(super) async fn prepare(&self, lease: &mut Lease) -> std::result::Result<(), Failure> {
        if self.is_prepared.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.make_folders(lease, &drafts()).await? {
            FolderPath::Clear => {
                self.is_prepared.store(true, Ordering::Relaxed);
                Ok(())
            }
            _ => Err(unmakable(lease, &drafts())),
        }
    }

    pub(super) async fn make_root(&self, lease: &mut Lease) -> std::result::Result<(), Failure> {
        let root = lease.root.clone();
        let ends = root
            .match_indices('/')
            .map(|(at, _)| at)
            .filter(|at| *at > 0)
            .chain((!root.is_empty()).then_some(root.len()));
        for end in ends {
            // Refusals are ignored: the folder exists already, or the next step fails because it is missing.
            if let Err(failure @ Failure::Lost(_)) = lease.tell("MKD", &root[..end]).await {
                return Err(failure);
            }
        }
        Ok(())
    }
}

/// Returns the entry at a path.
pub(super) async fn look(lease: &mut Lease, path: &str) -> std::result::Result<Option<RemoteEntry>, Failure> {
    let at = lease.at(path);
    if lease.features.facts {
        let Some(reply) = present(lease.tell("MLST", &at).await)? else { return Ok(None) };
        let seen = reply.inner().iter().find_map(|line| facts::seen(line.trim_start().split(' ').next()?));
        return match seen {
            Some(seen) => Ok(Some(seen)),
            None => Err(Failure::Unsupported(
                "what it says of a file is not enough: a size is missing".to_owned(),
            )),
        };
    }
    let size = match present(lease.tell("SIZE", &at).await)? {
        Some(reply) => reply.words().trim().parse::<u64>().ok(),
        None => None,
    };
    match size {
        Some(size) => {
            let mut seen = RemoteEntry::of(EntryKind::File, size);
            seen.stat.modified = modified(lease, &at).await?;
            Ok(Some(seen))
        }
        None => Ok(present(lease.tell("CWD", &at).await)?.map(|_| RemoteEntry::of(EntryKind::Folder, 0))),
    }
}

/// Returns the time of the last change of the file at a path of the server.
pub(super) async fn modified(
    lease: &mut Lease,
    at: &str,
) -> std::result::Result<Option<crate::model::Timestamp>, Failure> {
    match lease.tell("MDTM", at).await {
        Ok(reply) => Ok(time(&reply.words())),
        // Not all servers support MDTM: without it, only sizes distinguish files.
        Err(Failure::Unsupported(_) | Failure::Refused(_)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The error names the whole path: the most likely reason is a `root` in which the user may not create
/// folders.
pub(super) fn unmakable(lease: &Lease, folder: &str) -> Failure {
    Failure::Refused(format!("the folder {} cannot be made", lease.at(folder)))
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
