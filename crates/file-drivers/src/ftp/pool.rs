//! The connections to one server. A connection does one thing at a time, so each request uses its own, up to
//! a limit.
//!
//! Invariants:
//! - there are never more than `max_connections`. One of them is reserved for short requests: checking,
//!   renaming, removing;
//! - readers and writers have separate shares, so that copies, which read and write, never deadlock on each
//!   other. A task that needs both opens its reader first;
//! - a connection that is out of sync is closed and never used again;
//! - if a connection cannot be made, all waiters for it get the error at once.

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

/// How long a connection may be idle before it is closed. Servers close idle connections after some minutes.
const IDLE: Duration = Duration::from_secs(60);

/// One connection each for a reader, a writer, a listing and short requests.
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
    permits: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    writers: Arc<Semaphore>,
    listers: Arc<Semaphore>,
    /// Signals that a connection has become idle.
    returned: Notify,
    /// The time and the reason of the last failure to connect.
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
            permits: Arc::new(Semaphore::new(settings.max_connections)),
            readers: Arc::new(Semaphore::new(streams - streams / 2)),
            writers: Arc::new(Semaphore::new(streams / 2)),
            listers: Arc::new(Semaphore::new(1)),
            returned: Notify::new(),
            failed: Mutex::default(),
            meter: Arc::default(),
            settings,
        }))
    }

    /// The number of files that clients may write slowly at the same time. The other connections for writers
    /// stay free.
    pub(super) fn flows(&self) -> usize {
        (self.settings.max_connections - 2) / 2 / 2
    }

    pub(super) fn settings(&self) -> &FtpSettings {
        &self.settings
    }

    /// Returns a connection, for use until the lease is dropped.
    pub(super) async fn lease(self: &Arc<Self>, purpose: Use) -> Result<Lease> {
        let share = match purpose {
            Use::Short => None,
            Use::Reading => Some(self.permit(&self.readers).await?),
            Use::Writing => Some(self.permit(&self.writers).await?),
            Use::Listing => Some(self.permit(&self.listers).await?),
        };
        let permit = self.permit(&self.permits).await?;
        let session = match self.take() {
            Some(session) => session,
            None => self.dial().await?,
        };
        Ok(Lease { session, pool: self.clone(), _permit: permit, _share: share })
    }

    async fn permit(&self, of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
        match tokio::time::timeout(self.settings.timeout, of.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
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
            // The server may accept fewer connections than the limit: then the caller waits for one that
            // exists.
            let is_last =
                attempt >= self.settings.attempts || asked.elapsed() >= self.settings.connect_timeout;
            let returned = tokio::time::timeout(pause(attempt, Duration::ZERO), self.returned.notified());
            if error.is_temporary() && !is_last {
                tracing::debug!(%error, attempt, "no connection to a backend; it is tried again");
                // Continues at the end of the pause, or when a connection becomes idle, whichever is first.
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

    /// Closes all idle connections. It is called when one connection was lost: the idle ones are most likely
    /// lost too.
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

/// A connection that one operation uses alone, until it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    session: Session,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
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
            // The server has replied on this connection, so it counts as reachable, even if a further
            // connection failed.
            self.pool.meter.contact().made();
            let session = std::mem::replace(&mut self.session, Session::closed());
            self.pool.idle().push((session, Instant::now()));
            self.pool.returned.notify_one();
        }
    }
}
