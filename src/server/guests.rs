//! The open connections, and which of them is closed when there are too few places.
//!
//! Owns the places and the queue for them. Does not own the connections: each is asked to close and ends
//! itself.
//!
//! Invariant: a connection with a request in progress, or one that was just accepted, is never asked to
//! close.

use super::{
    idle::Activity,
    still::{self, Still},
};
use crate::telemetry::metrics::Metrics;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// A connection without activity for this long is idle.
const IDLE: Duration = Duration::from_secs(1);
/// How often waiters check for a place.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Guests {
    permits: Arc<Semaphore>,
    present: Mutex<HashMap<u64, (Arc<Activity>, CancellationToken)>>,
    next: AtomicU64,
    metrics: Arc<Metrics>,
}

/// A connection's place, until dropped.
#[derive(Debug)]
pub(super) struct Guest {
    guests: Arc<Guests>,
    number: u64,
    pub(super) activity: Arc<Activity>,
    /// Cancelled when the connection should close, if it is still idle.
    pub(super) leave: CancellationToken,
    _permit: OwnedSemaphorePermit,
    _of_peer: OwnedSemaphorePermit,
}

impl Guests {
    pub(super) fn new(permits: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(permits)),
            present: Mutex::default(),
            next: AtomicU64::new(0),
            metrics,
        })
    }

    /// Returns a place; if there is none, an idle connection is asked to close.
    pub(super) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Some(permit);
        }
        tracing::warn!("max_connections is reached: idle connections give way to further clients");
        let mut permit = std::pin::pin!(self.permits.clone().acquire_owned());
        loop {
            self.ask_one_to_leave();
            match tokio::time::timeout(LOOK, permit.as_mut()).await {
                Ok(permit) => return permit.ok(),
                Err(_) => continue,
            }
        }
    }

    /// A connection that has sent no request is closed first, then the one that has been idle longest.
    pub(super) fn ask_one_to_leave(&self) {
        let now = Instant::now();
        let present = self.present();
        let idle =
            present.values().filter(|(_, leave)| !leave.is_cancelled()).filter_map(|(activity, leave)| {
                let since = activity.idle_since().filter(|since| *since + IDLE <= now)?;
                Some(((activity.has_asked(), since), leave))
            });
        if let Some((_, leave)) = idle.min_by_key(|(order, _)| *order) {
            leave.cancel();
        }
    }

    /// Replies that hold memory, and of which nothing was read for this long.
    pub(super) fn still_replies(&self, long: Duration) -> Vec<Still> {
        self.present().values().flat_map(|(activity, _)| still::replies(activity, long)).collect()
    }

    pub(super) fn welcome(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        of_peer: OwnedSemaphorePermit,
    ) -> Guest {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (activity, leave) = (Activity::begin(), CancellationToken::new());
        self.present().insert(number, (activity.clone(), leave.clone()));
        self.metrics.connections.inc();
        Guest { guests: self.clone(), number, activity, leave, _permit: permit, _of_peer: of_peer }
    }

    fn present(&self) -> MutexGuard<'_, HashMap<u64, (Arc<Activity>, CancellationToken)>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.guests.present().remove(&self.number);
        self.guests.metrics.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(guests: &Arc<Guests>) -> Guest {
        let permit = guests.permits.clone().try_acquire_owned().expect("a place");
        let of_peer = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("a place");
        guests.welcome(permit, of_peer)
    }

    #[tokio::test(start_paused = true)]
    async fn the_idle_give_way_strangers_first_and_those_in_work_never() {
        let guests = Guests::new(3, Arc::default());
        let (working, known, stranger) = (guest(&guests), guest(&guests), guest(&guests));
        let _work = working.activity.request(None);
        tokio::time::advance(IDLE).await;
        drop(known.activity.request(None));
        tokio::time::advance(2 * IDLE).await;
        let leaving = |guests: [&Guest; 3]| guests.map(|guest| guest.leave.is_cancelled());
        let mut waiting = Box::pin(guests.permit());
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        assert_eq!(leaving([&working, &known, &stranger]), [false, false, true]);
        tokio::time::advance(2 * LOOK).await;
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        assert_eq!(leaving([&working, &known, &stranger]), [false, true, true]);
        drop(stranger);
        assert!(waiting.await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_just_come_may_stay() {
        let guests = Guests::new(1, Arc::default());
        let first = guest(&guests);
        let mut waiting = Box::pin(guests.permit());
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        assert!(!first.leave.is_cancelled());
        tokio::time::advance(2 * IDLE).await;
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        assert!(first.leave.is_cancelled());
    }
}
