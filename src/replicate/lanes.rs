//! The order of changes to one key on one replica: each waits until those before have ended, however they ended.
//!
//! Turns are taken under the key's lock, so their order is that of the changes, and waited for outside of it.

use crate::{
    backend::locks::{Guard, Locks},
    model::ObjectKey,
};
use futures_util::{FutureExt, future::BoxFuture};
use std::{fmt, sync::Arc};
use tokio::task::unconstrained;

type Lane = (usize, ObjectKey);

#[derive(Debug, Default)]
pub(super) struct Lanes(Arc<Locks<Lane>>);

/// One's place in a lane, kept until it is dropped.
pub(super) struct Turn(Place);

enum Place {
    Waiting(BoxFuture<'static, Guard<Lane>>),
    Come { _guard: Guard<Lane> },
}

impl Lanes {
    /// Behind everybody who is in the lane now.
    pub(super) fn join(&self, member: usize, key: &ObjectKey) -> Turn {
        let (locks, lane) = (self.0.clone(), (member, key.clone()));
        // Without tokio's budget, which may put off even the queueing.
        let mut waiting = unconstrained(async move { locks.lock(&lane).await }).boxed();
        // The lock is fair: whoever was polled first is first.
        Turn(match (&mut waiting).now_or_never() {
            Some(guard) => Place::Come { _guard: guard },
            None => Place::Waiting(waiting),
        })
    }
}

impl Turn {
    /// Everybody before has ended.
    pub(super) async fn come(&mut self) {
        if let Place::Waiting(waiting) = &mut self.0 {
            self.0 = Place::Come { _guard: waiting.await };
        }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Turn").field(&matches!(self.0, Place::Come { .. })).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_come_in_order_and_who_gives_up_lets_nobody_past() {
        let lanes = Lanes::default();
        let key = ObjectKey::new("k").expect("a key");
        let [mut first, given_up, mut third] = [lanes.join(0, &key), lanes.join(0, &key), lanes.join(0, &key)];
        lanes.join(1, &key).come().now_or_never().expect("a lane of its own");
        first.come().await;
        drop(given_up);
        assert!(third.come().now_or_never().is_none());
        drop(first);
        third.come().await;
    }
}
