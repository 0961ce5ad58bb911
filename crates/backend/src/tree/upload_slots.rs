//! The slots of the uploads of one bucket that are being written to.
//!
//! This module does not own which writer has a slot, and until when (`given`).

use crate::{
    backend::slots::{Location, Slots},
    model::UploadId,
};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The slots of all uploads of a bucket that are being written to.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<UploadId, Slots>>);

impl Uploads {
    pub(super) fn all(&self) -> MutexGuard<'_, HashMap<UploadId, Slots>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the slots of an upload. `None`: the upload has ended, or this process does not know it.
    pub(super) fn with<T>(&self, id: &UploadId, change: impl FnOnce(&mut Slots) -> T) -> Option<T> {
        self.all().get_mut(id).map(change)
    }

    /// Returns whether writes to a file of slots may be in flight.
    pub(super) fn are_written_to(&self, id: &UploadId, file: &Location) -> bool {
        self.with(id, |slots| slots.are_written_to(file)).unwrap_or(false)
    }

    /// Forgets an upload, and returns its slots.
    pub(super) fn end(&self, id: &UploadId) -> Slots {
        self.all().remove(id).unwrap_or_default()
    }
}
