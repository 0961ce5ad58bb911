//! How far the index of one bucket is known to be correct: whether it is complete, whether a full scan runs,
//! and which keys changed while the storage was asked.
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
    /// One pass at a time.
    pub(super) walking: tokio::sync::Mutex<()>,
    /// The path where its trail is kept.
    pub(super) trail: PathBuf,
    /// While the storage is asked what there is: keys whose files this process has changed since then. Of
    /// these, the answer may be from before.
    touched: Mutex<Option<HashSet<ObjectKey>>>,
}

/// The storage is being asked what there is; ends when this is dropped.
pub(super) struct Looking<'s>(&'s Scan);

impl Looking<'_> {
    /// What it answers from here on is no older than this.
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

    /// A change of a key's file is over.
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
