//! Detects storage that treats `a` and `A`, or two Unicode forms of an accent, as one name without reporting
//! it: servers on the file systems of Windows and macOS. There, keys whose names could collide are stored at
//! paths that cannot collide (`codec::apart`), so that no object overwrites another.
//!
//! Invariant: the result is known before the first object is published, as soon as Causeway's own folder
//! exists. Drivers that keep drafts elsewhere have no such folder, and have to know the result themselves.

use super::files::{Files, OWN};
use crate::{model::ObjectKey, store::Result};
use std::sync::OnceLock;

#[derive(Debug, Default)]
pub(super) struct Folding(OnceLock<bool>);

impl Folding {
    /// Checks the storage. Causeway's own folder exists, because drafts are in it.
    pub(super) async fn learn(&self, files: &dyn Files) -> Result<()> {
        // Drivers that report folding handle spellings themselves.
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

    /// Checks the storage at the start, if Causeway's own folder exists already.
    pub(super) async fn learn_early(&self, files: &dyn Files) -> Result<()> {
        if self.0.get().is_none() && files.stat(OWN).await?.is_some() {
            self.learn(files).await
        } else {
            Ok(())
        }
    }

    /// Returns whether the name of this key could collide with that of another key.
    pub(super) fn confuses(&self, key: &ObjectKey) -> bool {
        self.0.get() == Some(&true) && key.as_str().chars().any(|c| c.is_ascii_uppercase() || !c.is_ascii())
    }
}
