//! Which task or process works on a job now: one at a time, among all users of the same [`Turns`].
//!
//! [`ProcessTurns`] is for one process. Processes that share a catalog put its leases behind the same trait.

use super::Failure;
use crate::backend::locks::{Guard, Locks};
use async_trait::async_trait;
use futures_util::FutureExt;
use std::{any::Any, fmt, sync::Arc, time::Duration};
use tokio::task::unconstrained;
use tokio_util::sync::CancellationToken;

#[async_trait]
pub trait Turns: Send + Sync + fmt::Debug + 'static {
    /// Takes the turn of that name, if it is free. `None` means that it is taken.
    async fn take(&self, name: &str) -> Result<Option<Turn>, Failure>;

    /// Takes the turn as soon as it is free. `None` means that it is still taken after `patience`.
    async fn wait(&self, name: &str, patience: Duration) -> Result<Option<Turn>, Failure>;
}

/// The right to work on a job. Dropping it gives the right back.
pub struct Turn {
    lost: CancellationToken,
    _held: Box<dyn Any + Send + Sync>,
}

impl Turn {
    /// `held` gives the turn back when it is dropped; `lost` is cancelled if the turn passes to another
    /// process before that.
    pub fn new(held: impl Any + Send + Sync, lost: CancellationToken) -> Self {
        Self { lost, _held: Box::new(held) }
    }

    /// Resolves when the turn has passed to another process: the work has to end.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("lost", &self.lost.is_cancelled()).finish_non_exhaustive()
    }
}

/// The turns of one process. No turn is ever lost.
#[derive(Debug, Default)]
pub struct ProcessTurns(Arc<Locks<Box<str>>>);

impl ProcessTurns {
    fn turn(guard: Guard<Box<str>>) -> Turn {
        Turn::new(guard, CancellationToken::new())
    }
}

#[async_trait]
impl Turns for ProcessTurns {
    async fn take(&self, name: &str) -> Result<Option<Turn>, Failure> {
        // Polled without tokio's budget, which may delay even a free lock.
        let guard = unconstrained(self.0.lock(&name.into())).now_or_never();
        Ok(guard.map(Self::turn))
    }

    async fn wait(&self, name: &str, patience: Duration) -> Result<Option<Turn>, Failure> {
        let name = name.into();
        Ok(tokio::time::timeout(patience, self.0.lock(&name)).await.ok().map(Self::turn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_had_by_one_and_free_again_when_it_is_dropped() {
        let turns = ProcessTurns::default();
        let first = turns.take("upkeep").await.expect("answers").expect("it is free");
        assert!(turns.take("upkeep").await.expect("answers").is_none());
        assert!(
            turns.wait("upkeep", Duration::from_secs(5)).await.expect("answers").is_none(),
            "it is held all the time"
        );
        assert!(turns.take("contact").await.expect("answers").is_some(), "another job does not wait");
        let (second, ()) = tokio::join!(turns.wait("upkeep", Duration::from_secs(5)), async { drop(first) });
        assert!(second.expect("answers").is_some());
    }

    #[tokio::test]
    async fn a_turn_that_nobody_got_leaves_nothing_behind() {
        let turns = ProcessTurns::default();
        let held = turns.take("upkeep").await.expect("answers").expect("it is free");
        assert!(turns.take("upkeep").await.expect("answers").is_none());
        drop(held);
        assert!(turns.take("upkeep").await.expect("answers").is_some(), "who gave up holds nothing");
    }
}
