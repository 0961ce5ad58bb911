//! A change as the writing thread sees it: applied in one or more steps, and its caller told the result.
//!
//! Invariant: a change that panics fails alone.

use super::error::internal;
use crate::catalog::{CatalogError, Result};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The progress of a change that is made in several steps.
pub(super) enum Step<T> {
    Done(T),
    /// Commits this step, lets other changes go first, and continues later.
    More,
}

pub(super) enum Failure {
    /// The change was refused, and nothing was changed.
    Refused(CatalogError),
    /// The transaction is in an unknown state.
    Broken(CatalogError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error.into())
    }
}

/// The result of a change: see [`Failure`] for what its errors guarantee.
pub(super) type Applied<T> = std::result::Result<T, Failure>;

pub(super) trait Job: Send {
    fn apply(&mut self, db: &Connection) -> Result<()>;
    fn is_finished(&self) -> bool;
    /// Returns whether the change frees space in the end.
    fn frees(&self) -> bool;
    /// Reports the result to the caller, after the changes of `apply` were committed or failed.
    fn resolve(self: Box<Self>, committed: Result<()>);
}

/// A change with what its caller is told by.
pub(super) struct Change<F, T, E> {
    change: F,
    frees: bool,
    outcome: Option<Result<T>>,
    tell: E,
}

impl<T, F, E> Change<F, T, E> {
    pub(super) fn new(change: F, frees: bool, tell: E) -> Self {
        Self { change, frees, outcome: None, tell }
    }
}

impl<T, F, E> Job for Change<F, T, E>
where
    F: FnMut(&Connection) -> Applied<Step<T>> + Send,
    T: Send,
    E: FnOnce(Result<T>) + Send,
{
    fn apply(&mut self, db: &Connection) -> Result<()> {
        self.outcome = None;
        let applied = catch_unwind(AssertUnwindSafe(|| (self.change)(db)))
            .unwrap_or_else(|_| Err(Failure::Broken(internal("a change of the catalog panicked"))));
        self.outcome = match applied {
            Ok(Step::Done(reply)) => Some(Ok(reply)),
            Ok(Step::More) => None,
            Err(Failure::Refused(error)) => Some(Err(error)),
            Err(Failure::Broken(error)) => return Err(error),
        };
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.outcome.is_some()
    }

    fn frees(&self) -> bool {
        self.frees
    }

    fn resolve(self: Box<Self>, committed: Result<()>) {
        let outcome = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => return,
            (Err(error), _) => Err(error),
        };
        (self.tell)(outcome);
    }
}
