//! One side of a transfer: a store, and the prefix below which its objects are named.
//!
//! Owns the way between names and keys. A name is what follows the prefix; two objects belong together if
//! their names are equal. How an end is written, opened and authenticated is the caller's.
//!
//! Invariant: the prefix of a folder is empty or ends with `/`, so that `photos` never takes in
//! `photos-old/x`. The prefix of an end that is one object is its key, and the name of the object is empty.

use crate::{
    model::{ObjectKey, ObjectKeyError},
    store::Store,
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// One side of a transfer. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct End {
    pub store: Arc<dyn Store>,
    prefix: Arc<str>,
    label: Arc<str>,
    pub walk: Walk,
    pub times: Times,
    /// The unit of the times that this end keeps. Times that differ by less than the coarser unit of both
    /// ends are the same time.
    pub precision: Duration,
}

/// One of the two ends of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Source,
    Destination,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
        }
    }
}

/// How an end is listed. The order of names is the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Walk {
    /// All keys below the prefix in one sequence of pages: for object stores. An excluded folder is skipped
    /// as soon as the first page with its keys has come.
    #[default]
    Flat,
    /// Folder by folder: an excluded folder is never listed, not even its first page. For storage that has
    /// folders, where that costs no more.
    Folders,
    /// The end is one object: it is asked for, and nothing is listed.
    Object,
}

/// Where an object's own time is: the time of the file that it was made from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Times {
    /// In the user metadata, under `mtime`, which takes a HEAD for each object. Where an object has none, the
    /// time of its last modification counts.
    #[default]
    Metadata,
    /// In the listing: the storage takes over the time in `mtime` as that of the last modification, as local
    /// files do. Also for callers that want the server's times alone.
    Listed,
}

impl End {
    /// `label` names the end in messages and in the journal, without its secrets: `s3://photos/2024`. A
    /// prefix without a `/` at its end gets one.
    pub fn new(store: Arc<dyn Store>, prefix: &str, label: &str) -> Self {
        let prefix = match prefix {
            "" => String::new(),
            prefix if prefix.ends_with('/') => prefix.to_owned(),
            prefix => format!("{prefix}/"),
        };
        Self {
            store,
            prefix: prefix.into(),
            label: label.into(),
            walk: Walk::default(),
            times: Times::default(),
            precision: Duration::from_millis(1),
        }
    }

    /// An end that is one object. What takes part under the empty name goes from one key to another.
    pub fn object(store: Arc<dyn Store>, key: &ObjectKey, label: &str) -> Self {
        Self { prefix: key.as_str().into(), walk: Walk::Object, ..Self::new(store, "", label) }
    }

    pub fn walked(self, walk: Walk) -> Self {
        Self { walk, ..self }
    }

    pub fn timed(self, times: Times, precision: Duration) -> Self {
        Self { times, precision, ..self }
    }

    /// Returns the prefix: empty, or with a `/` at its end, or the key of the one object.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn label(&self) -> &str {
        &self.label
    }

    pub fn key(&self, name: &str) -> Result<ObjectKey, ObjectKeyError> {
        ObjectKey::new(format!("{}{name}", self.prefix))
    }

    /// Returns the name of a key below the prefix.
    pub fn name<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(&*self.prefix).filter(|name| self.walk != Walk::Object || name.is_empty())
    }

    /// Returns whether one of the ends lies in the other one.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let holds = |outer: &Self, inner: &Self| match outer.walk {
            Walk::Object => inner.prefix == outer.prefix,
            Walk::Flat | Walk::Folders => inner.prefix.starts_with(&*outer.prefix),
        };
        Arc::ptr_eq(&self.store, &other.store) && (holds(self, other) || holds(other, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use causeway_backend::memory::MemoryStore;

    #[test]
    fn a_prefix_is_a_folder_and_names_lead_back_to_keys() {
        let end = |prefix| End::new(Arc::new(MemoryStore::default()), prefix, "memory:");
        for written in ["photos", "photos/"] {
            let end = end(written);
            assert_eq!(end.prefix(), "photos/");
            assert_eq!(end.key("a/b").expect("a key").as_str(), "photos/a/b");
            assert_eq!(end.name("photos/a/b"), Some("a/b"));
            assert_eq!(end.name("photos-old/a"), None);
        }
        assert_eq!(end("").name("a"), Some("a"));
        assert_eq!(end("").key(""), Err(ObjectKeyError::Empty));
    }

    #[test]
    fn an_end_that_is_one_object_overlaps_its_folder_and_no_object_beside_it() {
        let store: Arc<MemoryStore> = Arc::default();
        let object = |key: &str| End::object(store.clone(), &ObjectKey::new(key).expect("a key"), "memory:");
        let folder = End::new(store.clone(), "a", "memory:");
        assert!(object("a/b").overlaps(&folder) && object("a/b").overlaps(&object("a/b")));
        assert!(!object("a/b").overlaps(&object("a/bc")) && !object("ab").overlaps(&folder));
        assert_eq!((object("a/b").name("a/b"), object("a/b").name("a/bc")), (Some(""), None));
    }
}
