//! The order of changes to one key on one replica: each change waits until the earlier ones have ended, with
//! whatever result.
//!
//! Turns are taken under the key's lock, so their order is that of the changes; tasks wait for them outside
//! that lock.
//!
//! A long body is sent before its turn comes. Some storage (MinIO) locks the key from the first byte of a
//! conditional PUT to the last one, which waits for the turn: all earlier changes would then wait for that
//! lock. So a body that is sent with its conditions begins when the lane is empty, and is withdrawn as soon
//! as a change takes its turn after which those conditions could not hold.
//! Invariant: a task that takes a turn by [`Lanes::change`] finds no early body in the lane except its own,
//! and none begins before that turn has ended.

use super::broadcast::Leg;
use crate::{
    backend::locks::{Guard, Locks},
    model::ObjectKey,
};
use futures_util::{FutureExt, future::BoxFuture};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::task::unconstrained;

type Lane = (usize, ObjectKey);

#[derive(Debug, Clone, Default)]
pub(super) struct Lanes {
    locks: Arc<Locks<Lane>>,
    early: Arc<Mutex<HashMap<Lane, Vec<Arc<Leg>>>>>,
}

/// A body that may be sent before its turn, until this is dropped.
#[derive(Debug)]
pub(super) struct Early {
    lanes: Lanes,
    lane: Lane,
    leg: Arc<Leg>,
}

/// A position in a lane, held until it is dropped.
pub(super) struct Turn(LanePosition);

enum LanePosition {
    Waiting(BoxFuture<'static, Guard<Lane>>),
    Come { _guard: Guard<Lane> },
}

impl Lanes {
    /// Takes a turn behind all others in the lane, to change the key. `own` is the leg of the change's body.
    pub(super) fn change(&self, member: usize, key: &ObjectKey, own: Option<&Arc<Leg>>) -> Turn {
        // In this order, a body that arrives after this check finds the turn taken.
        let turn = self.join(member, key);
        let early = self.early().remove(&(member, key.clone())).unwrap_or_default();
        early
            .iter()
            .filter(|leg| !own.is_some_and(|own| Arc::ptr_eq(own, leg)))
            .for_each(|leg| leg.give_way());
        turn
    }

    /// Announces a body that is to be sent before its turn.
    pub(super) fn before_turn(&self, member: usize, key: &ObjectKey, leg: &Arc<Leg>) -> Early {
        let lane = (member, key.clone());
        self.early().entry(lane.clone()).or_default().push(leg.clone());
        Early { lanes: self.clone(), lane, leg: leg.clone() }
    }

    fn early(&self) -> MutexGuard<'_, HashMap<Lane, Vec<Arc<Leg>>>> {
        self.early.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a turn behind all others in the lane.
    pub(super) fn join(&self, member: usize, key: &ObjectKey) -> Turn {
        let (locks, lane) = (self.locks.clone(), (member, key.clone()));
        // Polled without tokio's budget, which may delay even the queueing.
        let mut waiting = unconstrained(async move { locks.lock(&lane).await }).boxed();
        // The lock is fair: waiters get it in the order of their first poll.
        Turn(match (&mut waiting).now_or_never() {
            Some(guard) => LanePosition::Come { _guard: guard },
            None => LanePosition::Waiting(waiting),
        })
    }
}

impl Turn {
    /// Waits until all earlier turns have ended.
    pub(super) async fn come(&mut self) {
        if let LanePosition::Waiting(waiting) = &mut self.0 {
            self.0 = LanePosition::Come { _guard: waiting.await };
        }
    }
}

impl Early {
    /// Waits until all earlier turns in the lane have ended, or until the body's own turn has come: that turn
    /// may have been taken before this call, and a body that waited behind its own turn would wait for
    /// itself. Returns `false` if the body is gone.
    pub(super) async fn may_begin(&self) -> bool {
        let mut behind = self.lanes.join(self.lane.0, &self.lane.1);
        tokio::select! {
            biased;
            released = self.leg.ended() => released,
            () = behind.come() => true,
        }
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        let mut early = self.lanes.early();
        let Some(legs) = early.get_mut(&self.lane) else { return };
        legs.retain(|leg| !Arc::ptr_eq(leg, &self.leg));
        if legs.is_empty() {
            early.remove(&self.lane);
        }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Turn").field(&matches!(self.0, LanePosition::Come { .. })).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::broadcast::Broadcast, *};
    use crate::store::payload::Payload;

    fn leg() -> Arc<Leg> {
        let body = Payload::from_stream(futures_util::stream::empty(), Default::default());
        Broadcast::new(&body, [Arc::default()].into_iter(), None).legs.remove(0)
    }

    #[tokio::test]
    async fn a_body_that_is_early_gives_way_to_changes_of_others_and_begins_behind_them() {
        let lanes = Lanes::default();
        let key = ObjectKey::new("k").expect("a key");
        let [own, other, late] = [leg(), leg(), leg()];
        let early = [&own, &other].map(|leg| lanes.before_turn(0, &key, leg));
        assert_eq!(early[0].may_begin().now_or_never(), Some(true), "nobody is in the lane");
        drop((lanes.join(0, &key), lanes.change(1, &key, None)));
        assert!(!own.has_given_way(), "nobody changed the key there");
        let turn = lanes.change(0, &key, Some(&own));
        assert!(other.has_given_way() && !own.has_given_way());
        let behind = lanes.before_turn(0, &key, &late);
        assert!(behind.may_begin().now_or_never().is_none());
        drop(turn);
        assert_eq!(behind.may_begin().now_or_never(), Some(true), "the change has ended");
        assert!(!late.has_given_way());
        drop((early, behind));
        assert!(lanes.early().is_empty());
    }

    #[tokio::test]
    async fn a_body_whose_own_turn_was_taken_before_it_began_does_not_wait_behind_it() {
        let lanes = Lanes::default();
        let key = ObjectKey::new("k").expect("a key");
        let [own, given_up] = [leg(), leg()];
        let mut turn = lanes.change(0, &key, Some(&own));
        let early = lanes.before_turn(0, &key, &own);
        let mut begins = Box::pin(early.may_begin());
        assert_eq!((&mut begins).now_or_never(), None);
        turn.come().await;
        let body = Payload::from_stream(futures_util::stream::empty(), Default::default());
        let ended = Broadcast::new(&body, std::iter::empty(), None).send(body, 0).await.expect("verified");
        own.release(&ended, None);
        assert_eq!((&mut begins).now_or_never(), Some(true), "its turn has come");
        given_up.give_way();
        assert_eq!(lanes.before_turn(0, &key, &given_up).may_begin().now_or_never(), Some(false));
    }

    #[tokio::test]
    async fn turns_come_in_order_and_who_gives_up_lets_nobody_past() {
        let lanes = Lanes::default();
        let key = ObjectKey::new("k").expect("a key");
        let [mut first, given_up, mut third] =
            [lanes.join(0, &key), lanes.join(0, &key), lanes.join(0, &key)];
        lanes.join(1, &key).come().now_or_never().expect("a lane of its own");
        first.come().await;
        drop(given_up);
        assert!(third.come().now_or_never().is_none());
        drop(first);
        third.come().await;
    }
}
