//! Whether a storage on another machine is reachable, by the last result of its driver.
//!
//! This module owns the last failure to connect, and its line in the log. It does not decide when a driver
//! connects, nor how often.
//!
//! Invariants: a cause is logged when it appears and when it changes, not for each request that fails because
//! of it; the next successful connection clears it.

use crate::store::error::StoreError;
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU8, Ordering},
};

const LOST: u8 = 1;
const MADE: u8 = 2;

#[derive(Debug, Default)]
pub struct Contact {
    /// Zero until something is known of the storage. It is read for every request, so it is atomic instead of
    /// behind a lock.
    state: AtomicU8,
    why: Mutex<Option<String>>,
}

impl Contact {
    /// Records that no connection could be made.
    pub fn lost(&self, error: &StoreError) {
        let told = error.to_string();
        let mut why = self.why();
        if why.as_ref() == Some(&told) {
            return;
        }
        tracing::error!(
            error = told,
            "a storage cannot be reached: requests for its buckets are answered 503 until it can"
        );
        *why = Some(told);
        self.state.store(LOST, Ordering::Release);
    }

    /// Records that the storage has replied.
    pub fn made(&self) {
        if self.is_made() {
            return;
        }
        let mut why = self.why();
        self.state.store(MADE, Ordering::Release);
        if let Some(before) = why.take() {
            tracing::info!(before, "a storage can be reached again");
        }
    }

    /// Returns whether the storage has answered, and no connection was lost since.
    pub fn is_made(&self) -> bool {
        self.state.load(Ordering::Acquire) == MADE
    }

    /// Returns the reason why the storage was unreachable at the last attempt, if it was.
    pub fn trouble(&self) -> Option<String> {
        if self.state.load(Ordering::Acquire) == LOST { self.why().clone() } else { None }
    }

    fn why(&self) -> MutexGuard<'_, Option<String>> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::error::StoreErrorKind;

    #[test]
    fn the_last_cause_is_told_until_the_storage_answers() {
        let contact = Contact::default();
        assert_eq!((contact.trouble(), contact.is_made()), (None, false));
        for why in ["refused", "refused", "unknown host"] {
            contact.lost(&StoreError::new(StoreErrorKind::NoConnection, why));
            assert_eq!((contact.trouble().as_deref(), contact.is_made()), (Some(why), false));
        }
        contact.made();
        assert_eq!((contact.trouble(), contact.is_made()), (None, true));
    }
}
