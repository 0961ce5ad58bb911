//! Places that all peers share. A peer may have as many as are left to others, so that a single peer gets a
//! half and a later peer still finds some; or as many as the configuration allows.
//!
//! Owns the counting and the waiting. Does not own which peer a share belongs to (`peers`).

use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

/// How often a waiter checks again: a place given back by another peer wakes no waiter.
const LOOK: Duration = Duration::from_millis(10);

/// All places of one kind.
#[derive(Debug, Clone)]
pub(super) struct Permits {
    all: Arc<Semaphore>,
    count: usize,
    /// The configured maximum for one peer.
    limit: Option<usize>,
}

/// The places of one peer.
#[derive(Debug)]
pub(super) struct Share {
    of: Permits,
    own: Arc<Semaphore>,
    most: usize,
}

/// A place, until dropped.
#[derive(Debug)]
pub(super) struct Taken {
    _own: OwnedSemaphorePermit,
    _of_all: Option<OwnedSemaphorePermit>,
}

impl Permits {
    pub(super) fn new(count: usize, limit: Option<usize>) -> Self {
        Self { all: Arc::new(Semaphore::new(count)), count, limit }
    }

    pub(super) fn share(&self) -> Share {
        let most = self.limit.unwrap_or(self.count);
        Share { of: self.clone(), own: Arc::new(Semaphore::new(most)), most }
    }

    /// The share of a proxy has no limit, because it serves many clients.
    pub(super) fn unlimited(&self) -> Share {
        Self { limit: Some(Semaphore::MAX_PERMITS), ..self.clone() }.share()
    }
}

impl Share {
    /// A place, if one is free.
    pub(super) fn try_take(&self) -> Option<Taken> {
        let own = self.try_own()?;
        let of_all = self.of.all.clone().try_acquire_owned().ok()?;
        Some(Taken { _own: own, _of_all: Some(of_all) })
    }

    /// Counts for the peer alone: the place itself belongs to another share.
    pub(super) fn try_count(&self) -> Option<Taken> {
        Some(Taken { _own: self.try_own()?, _of_all: None })
    }

    /// Waits for a place. A waiter holds none, so that waiters do not fill the share.
    pub(super) async fn take(&self) -> Option<Taken> {
        loop {
            let of_all = self.of.all.clone().acquire_owned().await.ok()?;
            if let Some(own) = self.own_beside(self.of.all.available_permits() + 1) {
                return Some(Taken { _own: own, _of_all: Some(of_all) });
            }
            drop(of_all);
            sleep(LOOK).await;
        }
    }

    fn try_own(&self) -> Option<OwnedSemaphorePermit> {
        self.own_beside(self.of.all.available_permits())
    }

    /// One more place for the peer, if `left` are free in total.
    fn own_beside(&self, left: usize) -> Option<OwnedSemaphorePermit> {
        let has_room = self.of.limit.is_some() || self.used() < left;
        has_room.then(|| self.own.clone().try_acquire_owned().ok())?
    }

    pub(super) fn used(&self) -> usize {
        self.most - self.own.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn all(share: &Share) -> Vec<Taken> {
        std::iter::from_fn(|| share.try_take()).collect()
    }

    #[test]
    fn one_alone_has_a_half_and_there_is_something_for_those_who_come() {
        let permits = Permits::new(120, None);
        let (first, second) = (permits.share(), permits.share());
        let mut of_first = all(&first);
        assert_eq!(of_first.len(), 60);
        let of_second = all(&second);
        assert_eq!(of_second.len(), 30);
        of_first.truncate(50);
        assert!(first.try_take().is_none() && second.try_take().is_some());
        let held: Vec<_> = (0..4).map(|_| all(&permits.share())).collect();
        assert!(held.iter().all(|held| !held.is_empty()));
    }

    #[test]
    fn a_limit_that_is_set_is_the_only_one() {
        let permits = Permits::new(10, Some(10));
        assert_eq!(all(&permits.share()).len(), 10);
        let permits = Permits::new(10, Some(2));
        assert_eq!(all(&permits.share()).len(), 2);
        assert_eq!(all(&permits.unlimited()).len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_do_not_fill_the_share() {
        let permits = Permits::new(8, None);
        let share = permits.share();
        let mut held = all(&share);
        assert_eq!(held.len(), 4);
        let mut waiting: Vec<_> = (0..8).map(|_| Box::pin(share.take())).collect();
        assert!(waiting.iter_mut().all(|waiter| waiter.as_mut().now_or_never().is_none()));
        held.truncate(3);
        assert!(share.try_take().is_some(), "three are in work, and five are left");
        drop(held);
        tokio::time::advance(2 * LOOK).await;
        let served =
            waiting.iter_mut().filter_map(|waiter| waiter.as_mut().now_or_never()).collect::<Vec<_>>();
        assert_eq!(served.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_gets_its_place_when_others_leave_some() {
        let permits = Permits::new(4, None);
        let (first, second) = (permits.share(), permits.share());
        let (held, other) = (all(&first), second.try_take());
        assert!(other.is_some() && held.len() == 2);
        let mut waiting = Box::pin(first.take());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(held);
        assert!(waiting.await.is_some());
    }
}
