//! The connections to one server: few, shared, made when they are needed and closed when they are idle.
//!
//! Invariants: there are never more than `max_connections`; a connection that was lost is never returned
//! again; if a connection cannot be made, all waiters for it get the error at once, not one after another.

use super::{SftpSettings, connect, session::Session};
use crate::{
    backend::{traffic::Meter, wire::pause},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use russh::keys::PrivateKey;
use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A connection with this many users is crowded: another connection is made if the limit allows it.
const CROWD: usize = 4;

pub(super) struct Pool {
    settings: SftpSettings,
    pub(super) meter: Arc<Meter>,
    key: Option<Arc<PrivateKey>>,
    sessions: Mutex<Vec<Arc<Session>>>,
    permits: Arc<Semaphore>,
    /// Held while a connection is made. It contains the time and the reason of the last failure.
    dialling: tokio::sync::Mutex<Option<(Instant, StoreErrorKind, String)>>,
}

impl Pool {
    pub(super) fn new(settings: SftpSettings) -> Result<Self> {
        Ok(Self {
            key: connect::private_key(&settings)?,
            meter: Arc::default(),
            sessions: Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(settings.max_requests)),
            dialling: tokio::sync::Mutex::new(None),
            settings,
        })
    }

    pub(super) fn settings(&self) -> &SftpSettings {
        &self.settings
    }

    /// Returns a connection, for use until the lease is dropped.
    pub(super) async fn lease(&self) -> Result<Lease> {
        let permit = tokio::time::timeout(self.settings.timeout, self.permits.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(StoreError::new(
                StoreErrorKind::Busy,
                "too many requests are waiting for this backend",
            ));
        };
        let asked = Instant::now();
        let (session, is_crowded) =
            self.best().map_or((None, true), |(session, is_crowded)| (Some(session), is_crowded));
        if let (Some(session), false) = (&session, is_crowded) {
            return Ok(Lease::new(session.clone(), permit));
        }
        let mut failure = match (session, self.dialling.try_lock()) {
            // Another task is making a connection already.
            (Some(session), Err(_)) => return Ok(Lease::new(session, permit)),
            (_, Ok(failure)) => failure,
            (None, Err(_)) => self.dialling.lock().await,
        };
        if let Some((session, false)) = self.best() {
            return Ok(Lease::new(session, permit));
        }
        if let Some((when, kind, message)) = &*failure
            && *when > asked
        {
            return Err(StoreError::new(*kind, message.clone()));
        }
        match self.dial().await {
            Ok(session) => {
                self.sessions().push(session.clone());
                Ok(Lease::new(session, permit))
            }
            Err(error) => match self.best() {
                Some((session, _)) => Ok(Lease::new(session, permit)),
                None => {
                    self.meter.contact().lost(&error);
                    *failure = Some((Instant::now(), error.kind(), error.to_string()));
                    Err(error)
                }
            },
        }
    }

    /// Returns the connection with the fewest users, and whether it is crowded while another connection is
    /// allowed.
    fn best(&self) -> Option<(Arc<Session>, bool)> {
        let mut sessions = self.sessions();
        sessions.retain(|session| session.is_alive());
        let best = sessions.iter().min_by_key(|session| session.users())?.clone();
        let is_crowded = best.users() >= CROWD && sessions.len() < self.settings.max_connections;
        Some((best, is_crowded))
    }

    async fn dial(&self) -> Result<Arc<Session>> {
        let begun = Instant::now();
        for attempt in 1.. {
            // A caller that has waited this long gets the error.
            let is_last =
                || attempt >= self.settings.attempts || begun.elapsed() >= self.settings.connect_timeout;
            match connect::dial(&self.settings, self.key.as_ref(), &self.meter).await {
                Ok(session) => {
                    self.meter.contact().made();
                    return Ok(Arc::new(session));
                }
                Err(error) if error.is_temporary() && !is_last() => {
                    tracing::debug!(%error, attempt, "no connection to a backend; it is tried again");
                    tokio::time::sleep(pause(attempt, Duration::ZERO)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::new(StoreErrorKind::Internal, "a connection has no attempts"))
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The use of a connection by one operation, or for as long as a handle is open.
#[derive(Debug)]
pub(super) struct Lease {
    session: Arc<Session>,
    permit: Arc<OwnedSemaphorePermit>,
}

impl Lease {
    fn new(session: Arc<Session>, permit: OwnedSemaphorePermit) -> Self {
        session.add_user();
        Self { session, permit: Arc::new(permit) }
    }
}

/// The clone leases the same connection, for the same operation.
impl Clone for Lease {
    fn clone(&self) -> Self {
        self.session.add_user();
        Self { session: self.session.clone(), permit: self.permit.clone() }
    }
}

impl Deref for Lease {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.session.remove_user();
    }
}
