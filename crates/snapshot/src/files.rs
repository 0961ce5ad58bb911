//! The files of a repository: their kinds, folders and names.
//!
//! Invariant: the name of a file is the random salt of its key, so no two files have one name, and a file that
//! was moved to another name does not open.

use crate::{Result, SnapshotError};
use std::fmt;

pub(crate) const NAME: usize = 32;

/// The one file that is not sealed: it has the sealed keys of the repository.
pub(crate) const HEADER: &str = "repository.json";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Keys,
    Pack,
    Index,
    Record,
    Condemned,
}

impl Kind {
    /// The first bytes of a file, and what its key is derived with.
    pub(crate) fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Keys => b"cwsnapK1",
            Self::Pack => b"cwsnapP1",
            Self::Index => b"cwsnapI1",
            Self::Record => b"cwsnapR1",
            Self::Condemned => b"cwsnapC1",
        }
    }

    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Keys => "",
            Self::Pack => "packs/",
            Self::Index => "index/",
            Self::Record => "snapshots/",
            Self::Condemned => "condemned/",
        }
    }

    pub(crate) fn path(self, name: &Name) -> String {
        match self {
            // Many files in one folder are slow on some storage.
            Self::Pack => format!("{}{:02x}/{name}", self.folder(), name.0[0]),
            _ => format!("{}{name}", self.folder()),
        }
    }
}

/// The name of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub(crate) [u8; NAME]);

impl Name {
    pub(crate) fn random() -> Result<Self> {
        let mut name = [0; NAME];
        getrandom::fill(&mut name).map_err(|error| SnapshotError::Random(error.to_string()))?;
        Ok(Self(name))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut name = [0; NAME];
        hex::decode_to_slice(text, &mut name).ok()?;
        Some(Self(name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The identity of a chunk: a keyed hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(crate) [u8; 32]);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let mut id = [0; 32];
        hex::decode_to_slice(&*text, &mut id).map_err(serde::de::Error::custom)?;
        Ok(Self(id))
    }
}
