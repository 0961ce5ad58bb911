//! The writes of each key that were requested and acknowledged, and the versions that may be seen after a
//! crash.
//!
//! Owns: versions, their content, the rule that decides which of them are legal. Does not own: sending or
//! reading anything. Invariant (linearizability of one register): a version may be seen unless another one
//! that was acknowledged began after it ended. A version that was never acknowledged has no end, so it may
//! always be seen, or not be seen, but only whole.

use std::collections::BTreeMap;

use md5::{Digest, Md5};

use crate::content;
use crate::sigv4::hex;

/// The smallest part that S3 allows in front of another.
const FIRST_PART: usize = 5 * 1024 * 1024;

/// The state of a key that one request produces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Absent,
    Put {
        size: usize,
    },
    /// A multipart object: `full_parts` parts of 5 MiB, then a part of `last` bytes.
    Multipart {
        full_parts: usize,
        last: usize,
    },
}

#[derive(Debug, Clone, Copy)]
pub struct Version {
    /// The id of the version, and the seed of its content.
    pub id: u64,
    pub shape: Shape,
    started: u64,
    ended: Option<u64>,
}

impl Version {
    pub fn parts(&self) -> Vec<Vec<u8>> {
        match self.shape {
            Shape::Absent => Vec::new(),
            Shape::Put { size } => vec![content::from_seed(self.id, size)],
            Shape::Multipart { full_parts, last } => {
                let bytes = content::from_seed(self.id, full_parts * FIRST_PART + last);
                let mut parts: Vec<Vec<u8>> = bytes.chunks(FIRST_PART).map(<[u8]>::to_vec).collect();
                if parts.is_empty() {
                    parts.push(Vec::new());
                }
                parts
            }
        }
    }

    pub fn etag(&self) -> String {
        let parts = self.parts();
        match self.shape {
            Shape::Absent => String::new(),
            Shape::Put { .. } => hex(&Md5::digest(parts.concat())),
            Shape::Multipart { .. } => {
                let digests: Vec<u8> = parts.iter().flat_map(Md5::digest).collect();
                format!("{}-{}", hex(&Md5::digest(digests)), parts.len())
            }
        }
    }

    pub fn acknowledged(&self) -> bool {
        self.ended.is_some()
    }
}

/// All keys, and the clock that orders requests.
#[derive(Debug, Default)]
pub struct History {
    keys: BTreeMap<String, Vec<Version>>,
    clock: u64,
}

impl History {
    /// Must be called before the request is sent.
    pub fn begin(&mut self, key: &str, shape: Shape) -> Version {
        self.clock += 1;
        let version = Version { id: self.clock, shape, started: self.clock, ended: None };
        let absent = Version { id: 0, shape: Shape::Absent, started: 0, ended: Some(0) };
        self.keys.entry(key.to_owned()).or_insert_with(|| vec![absent]).push(version);
        version
    }

    /// Must be called after the reply has been read.
    pub fn acknowledge(&mut self, key: &str, id: u64) {
        self.clock += 1;
        let version =
            self.keys.get_mut(key).and_then(|versions| versions.iter_mut().find(|version| version.id == id));
        if let Some(version) = version {
            version.ended = Some(self.clock);
        }
    }

    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.keys.keys()
    }

    /// Whether a change of this key was requested since the key was last settled.
    pub fn is_open(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(|versions| versions.len() > 1)
    }

    /// The versions that may be seen now.
    pub fn legal(&self, key: &str) -> Vec<Version> {
        let versions = self.keys.get(key).map_or(&[][..], Vec::as_slice);
        let overtaken = |version: &Version| {
            version.ended.is_some_and(|ended| {
                versions.iter().any(|other| other.ended.is_some() && other.started > ended)
            })
        };
        versions.iter().filter(|version| !overtaken(version)).copied().collect()
    }

    /// After a crash no request is in progress. The version that is seen then is the only one, whether or not
    /// it was acknowledged.
    pub fn settle(&mut self, key: &str, seen: Version) {
        self.keys
            .insert(key.to_owned(), vec![Version { ended: Some(seen.ended.unwrap_or(self.clock)), ..seen }]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(history: &History, key: &str) -> Vec<u64> {
        history.legal(key).iter().map(|version| version.id).collect()
    }

    #[test]
    fn an_acknowledged_write_hides_what_was_before_it() {
        let mut history = History::default();
        let first = history.begin("k", Shape::Put { size: 1 });
        assert_eq!(ids(&history, "k"), [0, first.id]);
        history.acknowledge("k", first.id);
        assert_eq!(ids(&history, "k"), [first.id]);
    }

    #[test]
    fn of_overlapping_acknowledged_writes_either_may_be_seen() {
        let mut history = History::default();
        let (one, two) = (history.begin("k", Shape::Absent), history.begin("k", Shape::Put { size: 1 }));
        history.acknowledge("k", two.id);
        history.acknowledge("k", one.id);
        assert_eq!(ids(&history, "k"), [one.id, two.id]);
    }

    #[test]
    fn an_unacknowledged_write_leaves_the_old_version_legal_until_settled() {
        let mut history = History::default();
        let old = history.begin("k", Shape::Put { size: 1 });
        history.acknowledge("k", old.id);
        let new = history.begin("k", Shape::Put { size: 2 });
        assert_eq!(ids(&history, "k"), [old.id, new.id]);
        history.settle("k", old);
        assert_eq!(ids(&history, "k"), [old.id]);
        assert!(!history.is_open("k"));
    }

    #[test]
    fn a_multipart_version_has_full_parts_in_front_and_a_composite_etag() {
        let shape = Shape::Multipart { full_parts: 1, last: 10 };
        let version = Version { id: 3, shape, started: 1, ended: None };
        assert_eq!(version.parts().iter().map(Vec::len).collect::<Vec<_>>(), [FIRST_PART, 10]);
        assert!(version.etag().ends_with("-2"));
    }
}
