//! The checksum algorithms that the storage was found to support. This module does not own how that is tried
//! out (`summing`).

use crate::model::ChecksumAlgorithm;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// The results of trials with the newer algorithms.
#[derive(Debug, Default)]
pub(super) struct KnownSums(Mutex<HashMap<ChecksumAlgorithm, bool>>);

impl KnownSums {
    pub(super) fn known(&self, algorithm: ChecksumAlgorithm) -> Option<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&algorithm).copied()
    }

    pub(super) fn learn(&self, algorithm: ChecksumAlgorithm, kept: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(algorithm, kept);
    }
}
