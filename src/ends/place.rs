//! An end that is open: a store, what of it is meant, and what is held while it is used.

use super::{Failure, through::Held};
use crate::{model::ObjectKey, store::Store};
use std::{path::Path, sync::Arc};

/// What kind of storage an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Files of this machine, as they are.
    LocalFiles,
    /// Everything else.
    Objects,
}

#[derive(Debug)]
pub struct Place {
    pub store: Arc<dyn Store>,
    /// The key or the prefix that was named. Empty: everything.
    pub path: String,
    /// The end as it was written. It has no secrets.
    pub label: String,
    pub storage: Storage,
    /// Which storage it is, the same for each way of writing it that leads there. It has no secrets.
    pub address: String,
    pub(super) held: Held,
}

impl Place {
    /// Returns the key of the object that was named.
    pub fn key(&self) -> Result<ObjectKey, Failure> {
        if self.path.is_empty() {
            return Err(Failure::senseless(format!(
                "'{}' names no object: write a key behind it",
                self.label
            )));
        }
        self.key_of(&self.path)
    }

    pub fn key_of(&self, key: &str) -> Result<ObjectKey, Failure> {
        let parsed = ObjectKey::new(key);
        parsed.map_err(|why| Failure::senseless(format!("'{}': {why}", self.label)))
    }

    /// Returns the prefix of everything in the folder that was named: empty, or with a `/` at its end.
    pub fn prefix(&self) -> String {
        match self.path.as_str() {
            "" => String::new(),
            path if path.ends_with('/') => path.to_owned(),
            path => format!("{path}/"),
        }
    }

    /// Returns whether it is a local directory that does not exist.
    pub fn is_missing_directory(&self) -> bool {
        let directory = self.address.strip_prefix("file:").map(Path::new);
        self.storage == Storage::LocalFiles
            && directory.is_some_and(|directory| !directory.join(&self.path).is_dir())
    }

    /// Returns the address of what was named, by which a run on it is found again. A directory has the same
    /// one before it is made, and a folder with or without a `/` at its end.
    pub fn whole(&self) -> String {
        let whole = format!("{}/{}", self.address.trim_end_matches('/'), self.path);
        whole.trim_end_matches('/').to_owned()
    }

    /// Returns whether one of the places lies in the other one, as far as their addresses tell.
    pub fn overlaps(&self, other: &Self) -> bool {
        let folder = |place: &Self| format!("{}/", place.whole().trim_end_matches('/'));
        let (own, other) = (folder(self), folder(other));
        own.starts_with(&other) || other.starts_with(&own)
    }

    /// Closes what was opened for this end, and gives its locks back.
    pub async fn end(self) {
        let Self { store, held, .. } = self;
        drop(store);
        held.end().await;
    }
}
