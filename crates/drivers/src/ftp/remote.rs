//! The steps that all operations share: checking, making folders, repeating what was lost.
//!
//! Invariant: only what is harmless to repeat goes through `repeat`.

use super::{
    FtpSettings,
    data::Passive,
    drafts,
    facts::{self, Seen},
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
        tree::{files::Kind, late::Late},
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

/// Folders that others remove while we make them: as often as this is no accident.
pub(super) const ROUNDS: usize = 10;

#[derive(Debug)]
pub(super) struct Remote {
    pub(super) pool: Arc<Pool>,
    pub(super) passive: Passive,
    /// Locks of paths. One is held while a name is given to another file, and while a reader looks and
    /// begins.
    pub(super) locks: Arc<Locks<String>>,
    pub(super) readers: Arc<Readers>,
    /// Drafts that could not be removed.
    pub(super) late: Arc<Late>,
    /// Our own folder was made. Not all servers refuse a file in a folder that is not there before they have
    /// taken it.
    pub(super) is_prepared: AtomicBool,
    /// Found out when it first matters.
    pub(super) quirks: OnceCell<Quirks>,
}

/// The state of the folders in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Folders.
    Clear,
    Missing,
    /// A file, or what is neither file nor folder.
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

    /// Does what may be done again, until it was not lost on the way.
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
                result => return result.map_err(|failure| failure.told(what)),
            }
        }
        Err(Failure::Lost("it has no attempts").told(what))
    }

    /// Returns the state of a folder and those above it. The root is accepted as it is.
    pub(super) async fn way(&self, lease: &mut Lease, folder: &str) -> std::result::Result<Way, Failure> {
        for part in prefixes(folder) {
            match look(lease, part).await? {
                Some(seen) if seen.is_folder() => {}
                Some(_) => return Ok(Way::Barred),
                None => return Ok(Way::Missing),
            }
        }
        Ok(Way::Clear)
    }

    /// Makes a folder and those above it, the root too. `Missing`: others remove them as fast.
    pub(super) async fn make_folders(
        &self,
        lease: &mut Lease,
        folder: &str,
    ) -> std::result::Result<Way, Failure> {
        let mut last = Ok(Way::Missing);
        for round in 0..ROUNDS {
            match self.make_each(lease, folder).await {
                Ok(Way::Missing) if round == 0 => self.make_root(lease).await?,
                // Others may have made it, and removed it before we looked.
                unmade @ (Ok(Way::Missing) | Err(Failure::Refused(_))) => last = unmade,
                made => return made,
            }
        }
        last
    }

    async fn make_each(&self, lease: &mut Lease, folder: &str) -> std::result::Result<Way, Failure> {
        for part in prefixes(folder) {
            let at = lease.at(part);
            match lease.tell("MKD", &at).await {
                Ok(_) => {}
                Err(failure @ (Failure::Lost(_) | Failure::BadName | Failure::LongName | Failure::Full)) => {
                    return Err(failure);
                }
                // Servers do not report that it exists, or in many different words: checking decides.
                Err(failure) => match look(lease, part).await? {
                    Some(seen) if seen.is_folder() => {}
                    Some(_) => return Ok(Way::Barred),
                    None if matches!(failure, Failure::Refused(_)) => return Ok(Way::Missing),
                    None => return Err(failure),
                },
            }
        }
        self.way(lease, folder).await
    }

    /// Makes our own folder, unless that was done.
    pub(super) async fn prepare(&self, lease: &mut Lease) -> std::result::Result<(), Failure> {
        if self.is_prepared.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.make_folders(lease, &drafts()).await? {
            Way::Clear => {
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
            // A folder that cannot be made exists, or its absence fails the next step.
            if let Err(failure @ Failure::Lost(_)) = lease.tell("MKD", &root[..end]).await {
                return Err(failure);
            }
        }
        Ok(())
    }
}

/// Returns the entry at a path.
pub(super) async fn look(lease: &mut Lease, path: &str) -> std::result::Result<Option<Seen>, Failure> {
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
            let mut seen = Seen::of(Kind::File, size);
            seen.stat.modified = modified(lease, &at).await?;
            Ok(Some(seen))
        }
        None => Ok(present(lease.tell("CWD", &at).await)?.map(|_| Seen::of(Kind::Folder, 0))),
    }
}

/// When the file changed that lies at a path of the server.
pub(super) async fn modified(
    lease: &mut Lease,
    at: &str,
) -> std::result::Result<Option<crate::model::Timestamp>, Failure> {
    match lease.tell("MDTM", at).await {
        Ok(reply) => Ok(time(&reply.words())),
        // Not all servers have it: then only sizes distinguish files.
        Err(Failure::Unsupported(_) | Failure::Refused(_)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Most likely `root` is at a location where nothing can be made, so the error names the whole path.
pub(super) fn unmakable(lease: &Lease, folder: &str) -> Failure {
    Failure::Refused(format!("the folder {} cannot be made", lease.at(folder)))
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
