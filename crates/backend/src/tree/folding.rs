//! Storage to which `a` and `A`, or two spellings of an accent, are one name, without reporting so: servers
//! over the file systems of Windows and macOS. There, keys whose names could collide with others' are stored
//! under paths that cannot collide (`codec::apart`), so that no object is written over another.
//!
//! Invariant: this is known before the first object is published, and as soon as our own folder exists.
//! Drivers that keep drafts elsewhere have no such folder, and have to know it themselves.

use super::files::{Files, OWN};
use crate::{model::ObjectKey, store::Result};
use std::sync::OnceLock;

#[derive(Debug, Default)]
pub(super) struct Folding(OnceLock<bool>);

impl Folding {
    /// Our own folder is there: drafts lie in it.
    pub(super) async fn learn(&self, files: &dyn Files) -> Result<()> {
        // Drivers that know about it distinguish spellings themselves.
        if self.0.get().is_none() {
            let folds = !files.service().folds_names && files.stat(&OWN.to_uppercase()).await?.is_some();
            if folds && self.0.set(true).is_ok() {
                tracing::warn!(
                    "the storage takes 'a' and 'A' for one name: keys with capitals or accents lie under escaped names"
                );
            }
            let _ = self.0.set(folds);
        }
        Ok(())
    }

    /// Learns it at a start, unless it is too soon to know.
    pub(super) async fn learn_early(&self, files: &dyn Files) -> Result<()> {
        if self.0.get().is_none() && files.stat(OWN).await?.is_some() {
            self.learn(files).await
        } else {
            Ok(())
        }
    }

    /// Returns whether the name of this key could be taken for another's.
    pub(super) fn confuses(&self, key: &ObjectKey) -> bool {
        self.0.get() == Some(&true) && key.as_str().chars().any(|c| c.is_ascii_uppercase() || !c.is_ascii())
    }
}
