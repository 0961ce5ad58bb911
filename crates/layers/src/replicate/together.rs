//! Deletions that are due on one replica at the same time, and reach its storage by one call.
//!
//! Does not own the changes that they belong to: each has its record, its quorum and its turn on each
//! replica. Invariants: the outcome of each object is its own; only the objects of one call of a client wait
//! for each other.

use super::member::{Member, in_time};
use crate::{
    model::ObjectKey,
    store::{
        DeleteRequest, Deleted, Result, condition::WriteConditions, deleting::unanswered, error::StoreError,
    },
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// What is due on each replica, by its number. A replica with an entry has a task that sends what is due
/// there.
#[derive(Debug, Default)]
pub(super) struct Together(Mutex<HashMap<usize, Vec<Waiting>>>);

type Waiting = (DeleteRequest, oneshot::Sender<Result<Deleted>>);

impl Together {
    /// Deletes an object on a replica, together with the others that are due there.
    pub(super) async fn delete(
        self: &Arc<Self>,
        member: &Arc<Member>,
        key: ObjectKey,
        conditions: WriteConditions,
    ) -> Result<Deleted> {
        let (tell, told) = oneshot::channel();
        let begins = {
            let mut due = self.due();
            let begins = !due.contains_key(&member.number);
            let request = DeleteRequest { key, version: None, conditions };
            due.entry(member.number).or_default().push((request, tell));
            begins
        };
        if begins {
            let sender = Sender { together: self.clone(), member: member.clone() };
            tokio::spawn(sender.send());
        }
        told.await.unwrap_or_else(|_| unanswered())
    }

    fn due(&self) -> MutexGuard<'_, HashMap<usize, Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what is due on one replica.
struct Sender {
    together: Arc<Together>,
    member: Arc<Member>,
}

impl Sender {
    /// Returns what is due. `None`: nothing is, and the next one that is due begins a task of its own.
    fn take(&self) -> Option<Vec<Waiting>> {
        let mut due = self.together.due();
        let waiting = due.get_mut(&self.member.number).map(std::mem::take).filter(|due| !due.is_empty());
        if waiting.is_none() {
            due.remove(&self.member.number);
        }
        waiting
    }

    async fn send(self) {
        loop {
            // What becomes due at the same moment goes together.
            tokio::task::yield_now().await;
            let Some(waiting) = self.take() else { return };
            let (requests, tell): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
            let delete = async { Ok(self.member.store().await?.delete_all(requests).await) };
            let told = |error: StoreError| tell.iter().map(|_| Err(error.again())).collect();
            let outcomes = in_time(None, delete).await.unwrap_or_else(told);
            // Its change may have been given up.
            tell.into_iter().zip(outcomes).for_each(|(tell, outcome)| drop(tell.send(outcome)));
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // A defect of a store must not leave others waiting for a task that is gone.
        if std::thread::panicking() {
            self.together.due().remove(&self.member.number);
        }
    }
}
