//! Whether a storage on another machine can be reached, as its driver found last.
//!
//! Owns the last failure to connect, and its line in the log. Does not own when a driver connects, nor how often.
//!
//! Invariants: a cause is logged when it appears and when it changes, not for each request that it makes fail; the next connection
//! that comes about clears it.

use crate::store::error::StoreError;
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

#[derive(Debug, Default)]
pub(super) struct Contact {
    /// Asked for with every request: most storages can be reached.
    is_lost: AtomicBool,
    why: Mutex<Option<String>>,
}

impl Contact {
    /// No connection came about.
    pub(super) fn lost(&self, error: &StoreError) {
        let told = error.to_string();
        let mut why = self.why();
        if why.as_ref() == Some(&told) {
            return;
        }
        tracing::error!(error = told, "a storage cannot be reached: requests for its buckets are answered 503 until it can");
        *why = Some(told);
        self.is_lost.store(true, Ordering::Release);
    }

    /// The storage has answered.
    pub(super) fn made(&self) {
        if !self.is_lost.load(Ordering::Acquire) {
            return;
        }
        let mut why = self.why();
        self.is_lost.store(false, Ordering::Release);
        if let Some(before) = why.take() {
            tracing::info!(before, "a storage can be reached again");
        }
    }

    /// Why it cannot be reached, if it could not be when that was tried last.
    pub(super) fn trouble(&self) -> Option<String> {
        if self.is_lost.load(Ordering::Acquire) { self.why().clone() } else { None }
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
        assert_eq!(contact.trouble(), None);
        for why in ["refused", "refused", "unknown host"] {
            contact.lost(&StoreError::new(StoreErrorKind::NoConnection, why));
            assert_eq!(contact.trouble().as_deref(), Some(why));
        }
        contact.made();
        assert_eq!(contact.trouble(), None);
    }
}
