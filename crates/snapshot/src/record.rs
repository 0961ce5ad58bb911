//! What is kept of an object, and of a snapshot as a whole. Both are JSON, and only gain fields.

use crate::{
    Result, SnapshotError,
    content::Content,
    files::{Id, Kind, Name},
    model::{Attributes, ETag, ObjectChecksum, Timestamp},
    repository::Repository,
};
use serde::{Deserialize, Serialize};

/// An object: one line of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) size: u64,
    /// Size, ETag and time are those of the source: by them the next run knows whether it has to read the
    /// object.
    pub(crate) etag: ETag,
    pub(crate) modified: Timestamp,
    #[serde(default)]
    pub(crate) attributes: Attributes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<ObjectChecksum>,
    pub(crate) content: Content,
}

/// Where the list of objects begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    /// 0: the page is one of objects.
    pub(crate) depth: u8,
    pub(crate) page: Id,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// It is the name of the file, and not in it.
    #[serde(skip, default = "nobody")]
    pub name: Name,
    version: u32,
    pub created: Timestamp,
    /// Which source it is of, without secrets.
    pub source: String,
    pub objects: u64,
    pub bytes: u64,
    /// Objects that could not be read, and are not in the snapshot.
    #[serde(default)]
    pub failed: u64,
    pub(crate) list: Root,
}

fn nobody() -> Name {
    Name([0; 32])
}

const VERSION: u32 = 1;

impl Snapshot {
    pub(crate) fn new(created: Timestamp, source: String, list: Root) -> Self {
        Self { name: nobody(), version: VERSION, created, source, objects: 0, bytes: 0, failed: 0, list }
    }

    pub(crate) fn of(self, objects: u64, bytes: u64, failed: u64) -> Self {
        Self { objects, bytes, failed, ..self }
    }

    pub(crate) async fn write(mut self, repository: &Repository) -> Result<Self> {
        let contents = serde_json::to_vec(&self).map_err(|error| SnapshotError::Format(error.to_string()))?;
        self.name = repository.write_sealed(Kind::Record, &contents).await?;
        Ok(self)
    }

    pub(crate) async fn read(repository: &Repository, name: Name) -> Result<Option<Self>> {
        let Some(contents) = repository.read_sealed(Kind::Record, name).await? else { return Ok(None) };
        let read: Self = serde_json::from_slice(&contents)
            .map_err(|error| SnapshotError::Format(format!("snapshot {name}: {error}")))?;
        if read.version != VERSION {
            return Err(SnapshotError::Format(format!("snapshot {name} has version {}", read.version)));
        }
        Ok(Some(Self { name, ..read }))
    }

    /// Returns all snapshots, the oldest first.
    pub async fn all(repository: &Repository) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for found in repository.list(Kind::Record).await? {
            all.extend(Self::read(repository, found.name).await?);
        }
        all.sort_by_key(|snapshot| (snapshot.created, snapshot.name));
        Ok(all)
    }

    /// Returns the snapshot that is meant: `latest`, or the beginning of a name.
    pub async fn find(repository: &Repository, text: &str) -> Result<Self> {
        let none = || SnapshotError::NoSnapshot(text.to_owned());
        if text == "latest" {
            return Self::all(repository).await?.pop().ok_or_else(none);
        }
        let mut names = repository.list(Kind::Record).await?.into_iter().map(|found| found.name);
        let mut named = names.by_ref().filter(|name| !text.is_empty() && name.to_string().starts_with(text));
        match (named.next(), named.next()) {
            (Some(_), Some(_)) => Err(SnapshotError::Ambiguous(text.to_owned())),
            (Some(name), None) => Self::read(repository, name).await?.ok_or_else(none),
            (None, _) => Err(none()),
        }
    }

    /// Removes the snapshot. What only it needs stays until the repository is pruned.
    pub async fn forget(&self, repository: &Repository) -> Result<()> {
        repository.remove(Kind::Record, &self.name).await
    }
}
