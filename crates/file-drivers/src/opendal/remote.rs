//! One operation on a service, and what is at a path: within its time limit, isolated from panics, repeated where that is safe, with
//! new credentials if the old ones expired.
//!
//! Invariants:
//! - a panic in OpenDAL's code ends the operation, not the request or the process;
//! - an operation that may have been carried out is repeated only if the caller says that this is harmless.

use super::{
    OpenDalSettings,
    failure::Failure,
    hosts::Hosts,
    known_folders::KnownFolders,
    mend::Mend,
    operators,
    pace::Pace,
    services::{Service, Space},
    spool::Spool,
    swift,
    transport::{Line, Transport, Upload},
};
use crate::{
    backend::{
        Traffic,
        locks::Locks,
        tree::files::{EntryKind, Stat},
        wire::{Wire, pause},
    },
    model::{Secret, Timestamp},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use ::opendal::{ErrorKind, HttpTransporter, Metadata, OperationContext, Operator, options::ListOptions};
use futures_util::{FutureExt, StreamExt};
use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, RwLock};

/// Whether an operation may be carried out twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Twice {
    Harmless,
    OnlyIfRefused,
}

/// The first one of the names that begin with a path.
enum First {
    Nothing,
    File(Stat),
    /// An entry in the folder with that name.
    Below,
    Other,
}

/// How long an operation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Short,
    /// No limit for the whole operation, which may transfer many bytes: each request has its own limits.
    Flowing,
}

pub(super) struct Remote {
    pub(super) service: &'static Service,
    pub(super) mend: Mend,
    pub(super) spool: Arc<Spool>,
    pub(super) locks: Arc<Locks<String>>,
    /// Held for writing while a folder is removed with its content, and for reading while a file is created.
    pub(super) gate: RwLock<()>,
    pub(super) root: String,
    pub(super) known_folders: KnownFolders,
    line: Arc<Line>,
    options: Vec<(String, Secret)>,
    secrets: Vec<Secret>,
    /// The operator, with the number of its credentials.
    operator: Mutex<Option<(u64, Operator)>>,
    attempts: u32,
    patience: Duration,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("service", &self.service.name)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// An operator for one operation.
pub(super) struct Session {
    pub(super) operator: Operator,
    pub(super) transport: Transport,
    credentials: u64,
}

impl Remote {
    pub(super) fn open(settings: OpenDalSettings) -> Result<Arc<Self>> {
        let OpenDalSettings { service, options, root, hosts, rate, spool, spool_size, wire } = settings;
        let (attempts, patience) = (wire.attempts, wire.timeout);
        let line = Line {
            wire: Wire::new(wire)?,
            hosts: Hosts(hosts),
            pace: Pace::new(rate),
            mend: Mend::of(service.name),
        };
        let is_secret =
            |name: &str| service.options.iter().any(|option| option.name == name && option.is_secret);
        let remote = Self {
            service,
            mend: Mend::of(service.name),
            spool: Spool::open(spool, spool_size)?,
            locks: Arc::default(),
            gate: RwLock::new(()),
            root,
            known_folders: KnownFolders::default(),
            line: Arc::new(line),
            secrets: options
                .iter()
                .filter(|(name, _)| is_secret(name))
                .map(|(_, value)| value.clone())
                .collect(),
            options,
            operator: Mutex::new(None),
            attempts,
            patience,
        };
        if !swift::gets_tokens(&remote.options) {
            // Errors in the options are reported when the backend is opened.
            remote.build(None)?;
        }
        Ok(Arc::new(remote))
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.line.wire.traffic()
    }

    fn build(&self, more: Option<(&str, String)>) -> Result<Operator> {
        let given = swift::given_to_opendal(&self.options);
        let mut options: Vec<_> =
            given.map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
        options.retain(|(name, _)| more.as_ref().is_none_or(|(other, _)| name != other));
        options.extend(more.map(|(name, value)| (name.to_owned(), value)));
        options.push(("root".to_owned(), self.root.clone()));
        let built =
            std::panic::catch_unwind(AssertUnwindSafe(|| operators::operator(self.service.name, options)));
        let wrong = |text: &str| {
            StoreError::new(StoreErrorKind::InvalidRequest, format!("{}: {text}", self.service.name))
        };
        built.map_err(|_| wrong("these options make no backend"))?.map_err(|error| wrong(error.message()))
    }

    async fn authorised(&self) -> Result<Operator> {
        if swift::gets_tokens(&self.options) {
            self.build(Some(("token", swift::token(&self.line, &self.options).await?)))
        } else {
            self.build(None)
        }
    }

    async fn session(&self, upload: Option<Upload>) -> Result<Session> {
        let mut current = self.operator.lock().await;
        let (credentials, operator) = match &*current {
            Some((credentials, operator)) => (*credentials, operator.clone()),
            None => current.insert((0, self.authorised().await?)).clone(),
        };
        drop(current);
        let transport = Transport::new(self.line.clone(), upload);
        let context = OperationContext::new().with_http_transport(HttpTransporter::new(transport.clone()));
        Ok(Session { operator: operator.with_context(context), transport, credentials })
    }

    /// Replaces the credentials, unless another task has done so already.
    async fn renew(&self, session: &Session) -> Result<()> {
        let mut current = self.operator.lock().await;
        if current.as_ref().is_some_and(|(credentials, _)| *credentials == session.credentials) {
            *current = Some((session.credentials + 1, self.authorised().await?));
        }
        Ok(())
    }

    /// Returns the result of `work`; `None` if its subject does not exist.
    pub(super) async fn call<T, W, F>(
        &self,
        what: &str,
        twice: Twice,
        limit: Limit,
        work: W,
    ) -> Result<Option<T>>
    where
        W: Fn(Operator) -> F + Send + Sync,
        F: Future<Output = ::opendal::Result<T>> + Send,
        T: Send,
    {
        self.call_with(what, twice, limit, None, move |operator, _| work(operator)).await
    }

    pub(super) async fn call_with<T, W, F>(
        &self,
        what: &str,
        twice: Twice,
        limit: Limit,
        upload: Option<Upload>,
        work: W,
    ) -> Result<Option<T>>
    where
        W: Fn(Operator, Transport) -> F + Send + Sync,
        F: Future<Output = ::opendal::Result<T>> + Send,
        T: Send,
    {
        let (mut attempt, mut is_renewed) = (1, false);
        loop {
            let session = self.session(upload.clone()).await?;
            let fenced =
                AssertUnwindSafe(work(session.operator.clone(), session.transport.clone())).catch_unwind();
            let outcome = match limit {
                Limit::Flowing => Ok(fenced.await),
                Limit::Short => tokio::time::timeout(self.patience * (self.attempts + 1), fenced).await,
            };
            let failure = match outcome {
                Ok(Ok(Ok(done))) => return Ok(Some(done)),
                Ok(Ok(Err(error))) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Ok(Ok(Err(error))) => self.failure(&error, &session.transport),
                Ok(Err(_)) => Failure::new(StoreErrorKind::Internal, "the service's driver failed inside"),
                Err(_) => Failure::new(StoreErrorKind::Unavailable, "the storage did not answer in time"),
            };
            if failure.is_unauthorised && !is_renewed {
                is_renewed = true;
                self.renew(&session).await?;
                continue;
            }
            let may = failure.is_temporary() && (failure.is_refused || twice == Twice::Harmless);
            if !may || attempt >= self.attempts {
                return Err(failure.into_error(what));
            }
            self.line.wire.meter().repeat();
            tokio::time::sleep(pause(attempt, Duration::ZERO)).await;
            attempt += 1;
        }
    }

    pub(super) fn failure(&self, error: &::opendal::Error, transport: &Transport) -> Failure {
        Failure::of(error, &transport.seen(), &self.secrets)
    }

    pub(super) fn stat_of(&self, meta: &Metadata) -> Stat {
        let kind = if meta.is_dir() { EntryKind::Folder } else { EntryKind::File };
        let (tag, modified, md5) = self.mend.facts(meta);
        let floor = |time: Timestamp| {
            Timestamp::from_millis(time.millis().div_euclid(self.service.precision) * self.service.precision)
        };
        match kind {
            EntryKind::File => {
                Stat { kind, size: meta.content_length(), modified: modified.map(floor), tag, md5 }
            }
            _ => Stat { kind, size: 0, modified: None, tag: None, md5: None },
        }
    }

    /// Returns whether the name is short enough for the service.
    fn fits(&self, path: &str) -> bool {
        let longest = self.service.longest;
        let root = self.root.trim_matches('/');
        let whole = if root.is_empty() { path.len() } else { root.len() + 1 + path.len() };
        whole <= longest.path && path.split('/').all(|name| name.len() <= longest.name)
    }

    pub(super) fn check(&self, path: &str) -> Result<()> {
        if self.fits(path) {
            Ok(())
        } else {
            Err(StoreError::new(StoreErrorKind::KeyTooLong, "the service takes no names so long"))
        }
    }

    /// Returns the entry at a path. On flat storage a file goes before a folder of the same name.
    pub(super) async fn look(&self, path: &str) -> Result<Option<Stat>> {
        let folder = || Stat { kind: EntryKind::Folder, size: 0, modified: None, tag: None, md5: None };
        if path.is_empty() {
            return Ok(Some(folder()));
        }
        if !self.fits(path) {
            return Ok(None);
        }
        if self.service.space == Space::FlatByListing {
            return Ok(match self.first_of(path).await? {
                First::Nothing => None,
                First::File(stat) => Some(stat),
                First::Below => Some(folder()),
                First::Other => self.holds_something(path).await?.then(folder),
            });
        }
        if let Some(stat) = self.look_at_file(path).await? {
            return Ok(Some(stat));
        }
        match self.service.space {
            Space::FoldersByName => Ok(None),
            Space::Folders => {
                let path = &format!("{path}/");
                let meta =
                    self.call("looking at a folder", Twice::Harmless, Limit::Short, |operator| async move {
                        operator.stat(path).await
                    });
                Ok(meta.await?.map(|_| folder()))
            }
            Space::Flat | Space::FlatByListing => Ok(self.holds_something(path).await?.then(folder)),
        }
    }

    /// Returns the file at a path. On services whose names do not distinguish the two, it may be a folder.
    pub(super) async fn look_at_file(&self, path: &str) -> Result<Option<Stat>> {
        if !self.fits(path) {
            return Ok(None);
        }
        if self.service.space == Space::FlatByListing {
            let first = self.first_of(path).await?;
            return Ok(if let First::File(stat) = first { Some(stat) } else { None });
        }
        let looked = self.call("looking at a file", Twice::Harmless, Limit::Short, |operator| async move {
            operator.stat(path).await
        });
        let stat = looked.await?.map(|meta| self.stat_of(&meta));
        Ok(stat.filter(|stat| stat.kind == EntryKind::File || self.service.space == Space::FoldersByName))
    }

    /// Returns the first one of the names that begin with a path. In the order of names, the path itself is
    /// the first.
    async fn first_of(&self, path: &str) -> Result<First> {
        let first = self.call("looking at a file", Twice::Harmless, Limit::Short, |operator| async move {
            let options = ListOptions { limit: Some(1), recursive: true, ..Default::default() };
            operator.lister_options(path, options).await?.next().await.transpose()
        });
        Ok(match first.await?.flatten() {
            None => First::Nothing,
            Some(entry) if entry.path() == path => First::File(self.stat_of(entry.metadata())),
            Some(entry) if entry.path().strip_prefix(path).is_some_and(|rest| rest.starts_with('/')) => {
                First::Below
            }
            Some(_) => First::Other,
        })
    }

    pub(super) async fn is_file(&self, path: &str) -> Result<bool> {
        Ok(self.look_at_file(path).await?.is_some_and(|stat| stat.kind == EntryKind::File))
    }

    /// Returns whether a prefix has anything below it, on flat storage.
    async fn holds_something(&self, folder: &str) -> Result<bool> {
        if !self.fits(folder) {
            return Ok(false);
        }
        let below = &format!("{folder}/");
        let found = self.call("looking at a folder", Twice::Harmless, Limit::Short, |operator| async move {
            let options = ListOptions { limit: Some(1), recursive: true, ..Default::default() };
            Ok(operator.lister_options(below, options).await?.next().await.transpose()?.is_some())
        });
        let holds = found.await?.unwrap_or_default();
        if holds {
            self.known_folders.cleared(folder, Instant::now());
        }
        Ok(holds)
    }

    /// Returns whether a path is a folder. The caller knows that it is not a file.
    async fn is_folder(&self, path: &str) -> Result<bool> {
        if self.service.is_flat() {
            Ok(self.known_folders.is_clear(path, Instant::now()) || self.holds_something(path).await?)
        } else {
            Ok(self.look(path).await?.is_some_and(|stat| stat.kind == EntryKind::Folder))
        }
    }

    /// Returns whether one of the folders in a path is a file.
    pub(super) async fn obstacle(&self, path: &str) -> Result<bool> {
        let folders: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
        // Everything above a folder is a folder. So at most one file can be in the path, directly below the
        // innermost folder, and a binary search finds it.
        let (mut clear, mut unclear) = (0, folders.len());
        let mut next = unclear;
        while clear < unclear {
            // The innermost one is checked first, because it mostly exists.
            if self.is_folder(folders[next - 1]).await? {
                clear = next;
            } else {
                unclear = next - 1;
            }
            next = clear + (unclear - clear).div_ceil(2);
        }
        match folders.get(clear) {
            Some(folder) => self.is_file(folder).await,
            None => Ok(false),
        }
    }

    pub(super) async fn delete(&self, path: &str) -> Result<()> {
        let deleted = self.call("removing", Twice::Harmless, Limit::Short, |operator| async move {
            operator.delete(path).await
        });
        deleted.await.map(drop)
    }
}
