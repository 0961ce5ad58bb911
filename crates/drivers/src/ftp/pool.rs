//! The connections to one server. Each does one thing at a time, so there are as many as there are requests,
//! up to a limit.
//!
//! Invariants:
//! - never more than `max_connections`, of which one is reserved for short requests: checking, renaming,
//!   removing;
//! - readers and writers have shares of their own, so that copies which read and write never all wait for
//!   each other. A task that needs both reads first;
//! - a connection that is not in sync is closed, not used again;
//! - all waiters for a connection that cannot be made get the error at once.

use super::{FtpSettings, connect, session::Session};
use crate::{
    backend::{
        traffic::Meter,
        wire::{pause, tls},
    },
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_rustls::rustls::ClientConfig;

/// Servers close connections on which nothing happens after some minutes.
const IDLE: Duration = Duration::from_secs(60);

/// One reader, one writer, one listing, and one for what is short.
pub(super) const FEWEST_CONNECTIONS: usize = 4;

/// The purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Short,
    Reading,
    Writing,
    Listing,
}

pub(super) struct Pool {
    settings: FtpSettings,
    tls: Option<ClientConfig>,
    idle: Mutex<Vec<(Session, Instant)>>,
    places: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    writers: Arc<Semaphore>,
    listers: Arc<Semaphore>,
    /// A connection has become idle.
    returned: Notify,
    /// When connecting failed last, and why.
    failed: Mutex<Option<(Instant, StoreErrorKind, String)>>,
    pub(super) meter: Arc<Meter>,
}

impl Pool {
    pub(super) fn new(settings: FtpSettings) -> Result<Arc<Self>> {
        connect::check(&settings)?;
        if settings.max_connections < FEWEST_CONNECTIONS {
            let fewest = format!(
                "max_connections is at least {FEWEST_CONNECTIONS}: a connection of FTP does one thing at a time"
            );
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, fewest));
        }
        let tls = match settings.tls {
            super::Tls::None => None,
            _ => Some(tls::configuration(settings.ca_file.as_deref())?),
        };
        let streams = settings.max_connections - 2;
        Ok(Arc::new(Self {
            tls,
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(settings.max_connections)),
            readers: Arc::new(Semaphore::new(streams - streams / 2)),
            writers: Arc::new(Semaphore::new(streams / 2)),
            listers: Arc::new(Semaphore::new(1)),
            returned: Notify::new(),
            failed: Mutex::default(),
            meter: Arc::default(),
            settings,
        }))
    }

    /// How many files may be written that wait for what is written next: others find a place beside them.
    pub(super) fn flows(&self) -> usize {
        (self.settings.max_connections - 2) / 2 / 2
    }

    pub(super) fn settings(&self) -> &FtpSettings {
        &self.settings
    }

    /// A connection to use until the lease is dropped.
    pub(super) async fn lease(self: &Arc<Self>, purpose: Use) -> Result<Lease> {
        let share = match purpose {
            Use::Short => None,
            Use::Reading => Some(self.place(&self.readers).await?),
            Use::Writing => Some(self.place(&self.writers).await?),
            Use::Listing => Some(self.place(&self.listers).await?),
        };
        let place = self.place(&self.places).await?;
        let session = match self.take() {
            Some(session) => session,
            None => self.dial().await?,
        };
        Ok(Lease { session, pool: self.clone(), _place: place, _share: share })
    }

    async fn place(&self, of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
        match tokio::time::timeout(self.settings.timeout, of.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(StoreError::new(StoreErrorKind::Busy, "too many requests are waiting for this backend")),
        }
    }

    fn take(&self) -> Option<Session> {
        let mut idle = self.idle();
        idle.retain(|(_, since)| since.elapsed() < IDLE);
        while let Some((mut session, _)) = idle.pop() {
            if session.is_quiet() {
                return Some(session);
            }
        }
        None
    }

    async fn dial(&self) -> Result<Session> {
        let asked = Instant::now();
        for attempt in 1.. {
            // Another waiter got this error meanwhile.
            if let Some((when, kind, message)) = &*self.failed()
                && *when > asked
            {
                return Err(StoreError::new(*kind, message.clone()));
            }
            let error = match connect::dial(&self.settings, self.tls.as_ref()).await {
                Ok(mut session) => {
                    session.meter = self.meter.clone();
                    self.meter.contact().made();
                    return Ok(session);
                }
                Err(error) => error,
            };
            // A server may take fewer connections than we would make: then those that there are have to do.
            let is_last =
                attempt >= self.settings.attempts || asked.elapsed() >= self.settings.connect_timeout;
            let returned = tokio::time::timeout(pause(attempt, Duration::ZERO), self.returned.notified());
            if error.is_temporary() && !is_last {
                tracing::debug!(%error, attempt, "no connection to a backend; it is tried again");
                // Whichever comes first.
                let _ = returned.await;
            }
            if let Some(session) = self.take() {
                return Ok(session);
            }
            if !error.is_temporary() || is_last {
                self.meter.contact().lost(&error);
                *self.failed() = Some((Instant::now(), error.kind(), error.to_string()));
                return Err(error);
            }
        }
        Err(StoreError::new(StoreErrorKind::Internal, "a connection has no attempts"))
    }

    /// One connection was lost: those that lay idle beside it most likely as well.
    pub(super) fn forget_idle(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Session, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, Option<(Instant, StoreErrorKind, String)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The use of a connection by one operation, which has it alone.
#[derive(Debug)]
pub(super) struct Lease {
    session: Session,
    pool: Arc<Pool>,
    _place: OwnedSemaphorePermit,
    _share: Option<OwnedSemaphorePermit>,
}

impl Deref for Lease {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.session.is_in_sync() {
            // It has answered, whatever has become of others that were to be made.
            self.pool.meter.contact().made();
            let session = std::mem::replace(&mut self.session, Session::closed());
            self.pool.idle().push((session, Instant::now()));
            self.pool.returned.notify_one();
        }
    }
}
