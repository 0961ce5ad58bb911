//! The state of the index of one bucket: whether it is complete, whether a full scan is running, and which
//! keys changed while the storage was being read.
//!
//! This module does not own the full scan itself (`scan`).

use crate::{backend::readiness::Readiness, model::ObjectKey};
use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
};
use tokio::sync::watch;

#[derive(Debug)]
pub(super) struct Scan {
    pub(super) ready: watch::Sender<Readiness>,
    pub(super) begun: AtomicBool,
    /// Held during a full scan, so that one runs at a time.
    pub(super) walking: tokio::sync::Mutex<()>,
    /// The path of the scan's trail.
    pub(super) trail: PathBuf,
    /// Set while the storage is being read: the keys whose files this process has changed since. What was
    /// read about these keys may be older than the change.
    touched: Mutex<Option<HashSet<ObjectKey>>>,
}

/// The storage is being read, until this is dropped.
pub(super) struct Looking<'s>(&'s Scan);

impl Looking<'_> {
    /// Begins again: everything that is read from here on is newer than this call.
    pub(super) fn anew(&self) {
        *self.0.touched() = Some(HashSet::new());
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        *self.0.touched() = None;
    }
}

impl Scan {
    pub(super) fn new(ready: bool, trail: PathBuf) -> Self {
        Self {
            ready: watch::Sender::new(Readiness::of(ready)),
            begun: AtomicBool::new(false),
            walking: Default::default(),
            trail,
            touched: Mutex::default(),
        }
    }

    pub(super) fn look(&self) -> Looking<'_> {
        Looking(self)
    }

    /// Must be called when a change of a key's file has ended.
    pub(super) fn touch(&self, key: &ObjectKey) {
        if let Some(touched) = &mut *self.touched() {
            touched.insert(key.clone());
        }
    }

    pub(super) fn is_touched(&self, key: &ObjectKey) -> bool {
        self.touched().as_ref().is_some_and(|touched| touched.contains(key))
    }

    fn touched(&self) -> MutexGuard<'_, Option<HashSet<ObjectKey>>> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
