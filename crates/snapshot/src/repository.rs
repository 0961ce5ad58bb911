//! A repository: a prefix of a store, and the keys to what is there.
//!
//! Owns making, opening, and reading, writing, listing and removing the files. What is in a file is of the
//! modules of its kind.
//!
//! Invariants: a file is written once, whole, and never changed; where the store can, it is written under the
//! condition that nothing has its name. Temporary errors are repeated.

use crate::model::{Attributes, ByteRange, ObjectKey, Timestamp};
use crate::{
    Result, SnapshotError,
    chunker::Sizes,
    files::{HEADER, Kind, Name},
    keys::{self, KeyFile, Keys},
    seal,
    store::{
        GetRequest, Guarantee, ListEntry, ListRequest, PutRequest, Selection,
        condition::{ETagMatch, WriteConditions},
        error::{StoreError, StoreErrorKind},
        payload::Payload,
    },
    transfer::{End, retry::Retry},
};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const FORMAT: &str = "causeway-snapshot";
const VERSION: u32 = 1;
/// Maximum size of a file that is read whole.
const MOST: u64 = 256 << 20;
const PAGE: usize = 1000;

/// The header, which is JSON that is not sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    #[serde(flatten)]
    sizes: Sizes,
    /// The name of the sealed secret.
    name: String,
    /// The sealed secret, a file of its own.
    secret: String,
}

impl Header {
    /// Returns what the seal of the secret covers beside it.
    fn bound(sizes: Sizes) -> String {
        format!("{FORMAT} {VERSION} {} {} {}", sizes.min, sizes.average, sizes.max)
    }
}

/// A file, as a listing tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) name: Name,
    pub(crate) size: u64,
    pub(crate) written: Timestamp,
}

#[derive(Debug)]
pub struct Repository {
    end: End,
    pub(crate) keys: Keys,
    pub(crate) sizes: Sizes,
    retry: Arc<Retry>,
    has_conditions: bool,
}

impl Repository {
    /// Makes a repository where there is none.
    pub async fn init(end: End, key: &KeyFile, retry: Arc<Retry>) -> Result<Self> {
        Self::init_with(end, key, retry, Sizes::default()).await
    }

    pub(crate) async fn init_with(end: End, key: &KeyFile, retry: Arc<Retry>, sizes: Sizes) -> Result<Self> {
        let secret = keys::random()?;
        let bound = Header::bound(sizes);
        let (name, sealed) = seal::seal(&key.keys(), Kind::Keys, &secret, bound.as_bytes())?;
        let header = Header {
            format: FORMAT.into(),
            version: VERSION,
            sizes,
            name: name.to_string(),
            secret: hex::encode(sealed),
        };
        let repository = Self::at(end, Keys::new(&secret), sizes, retry).await?;
        match repository.get(HEADER).await {
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => {}
            Err(error) => return Err(SnapshotError::store(repository.reading(HEADER))(error)),
            Ok(_) => return Err(SnapshotError::Exists(repository.label())),
        }
        let text =
            serde_json::to_vec_pretty(&header).map_err(|error| SnapshotError::Format(error.to_string()))?;
        match repository.put(HEADER, text.into()).await {
            Ok(()) => Ok(repository),
            Err(error) if error.kind() == StoreErrorKind::PreconditionFailed => {
                Err(SnapshotError::Exists(repository.label()))
            }
            Err(error) => {
                Err(SnapshotError::store(format!("writing {HEADER} to '{}'", repository.label()))(error))
            }
        }
    }

    pub async fn open(end: End, key: &KeyFile, retry: Arc<Retry>) -> Result<Self> {
        let label = end.label().to_owned();
        let sizes = Sizes::default();
        let unopened = Self::at(end, Keys::new(&[0; 32]), sizes, retry).await?;
        let text = match unopened.get(HEADER).await {
            Ok(text) => text,
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => {
                return Err(SnapshotError::NoRepository(label));
            }
            Err(error) => return Err(SnapshotError::store(unopened.reading(HEADER))(error)),
        };
        let broken = |why| SnapshotError::Damaged { file: HEADER.into(), why };
        let header: Header =
            serde_json::from_slice(&text).map_err(|_| broken("it is not the JSON of a header"))?;
        if header.format != FORMAT || header.version != VERSION {
            return Err(SnapshotError::Format(format!("{} {}", header.format, header.version)));
        }
        let name = Name::parse(&header.name).ok_or_else(|| broken("it has no name of the secret"))?;
        let sealed = hex::decode(&header.secret).map_err(|_| broken("the secret is not hexadecimal"))?;
        let bound = Header::bound(header.sizes);
        let secret = seal::open(&key.keys(), Kind::Keys, name, &sealed, bound.as_bytes());
        let secret = secret.ok().and_then(|secret| <[u8; 32]>::try_from(secret).ok());
        let secret = secret.ok_or(SnapshotError::WrongKey)?;
        if !header.sizes.are_sound() {
            return Err(SnapshotError::Format("sizes of chunks".into()));
        }
        Ok(Self { keys: Keys::new(&secret), sizes: header.sizes, ..unopened })
    }

    async fn at(end: End, keys: Keys, sizes: Sizes, retry: Arc<Retry>) -> Result<Self> {
        let tried = retry.run(|| end.store.tried_capabilities()).await;
        let tried = tried.map_err(SnapshotError::store(format!("trying '{}'", end.label())))?;
        let has_conditions = tried.conditional_writes != Guarantee::Refused;
        Ok(Self { end, keys, sizes, retry, has_conditions })
    }

    pub(crate) fn label(&self) -> String {
        self.end.label().to_owned()
    }

    pub(crate) fn retry(&self) -> &Arc<Retry> {
        &self.retry
    }

    fn reading(&self, path: &str) -> String {
        format!("reading {path} of '{}'", self.end.label())
    }

    fn key(&self, path: &str) -> std::result::Result<ObjectKey, StoreError> {
        self.end.key(path).map_err(|error| {
            StoreError::new(StoreErrorKind::KeyTooLong, "the prefix of the repository is too long")
                .with_source(error)
        })
    }

    async fn get(&self, path: &str) -> std::result::Result<Vec<u8>, StoreError> {
        let key = self.key(path)?;
        self.retry.run(|| self.get_some(&key, Selection::Whole)).await
    }

    async fn get_some(
        &self,
        key: &ObjectKey,
        selection: Selection,
    ) -> std::result::Result<Vec<u8>, StoreError> {
        let request = GetRequest { selection, ..GetRequest::default() };
        let reply = self.end.store.get(key.current(), request).await?;
        let length = reply.span.len();
        if length > MOST {
            return Err(StoreError::new(
                StoreErrorKind::Broken,
                "the file is larger than any of a repository",
            ));
        }
        let mut bytes = Vec::with_capacity(length as usize);
        let mut stream = reply.body.into_stream();
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece?);
        }
        if bytes.len() as u64 != length {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "the reply ended before its end"));
        }
        Ok(bytes)
    }

    async fn put(&self, path: &str, bytes: Bytes) -> std::result::Result<(), StoreError> {
        let key = self.key(path)?;
        let if_none_match = self.has_conditions.then_some(ETagMatch::Any);
        let put = || async {
            let request = PutRequest {
                attributes: Attributes::default(),
                conditions: WriteConditions { if_none_match: if_none_match.clone(), ..Default::default() },
                payload: Payload::from_bytes(bytes.clone()),
            };
            self.end.store.put(&key, request).await
        };
        match self.retry.run(put).await {
            // A first attempt may have succeeded although its reply was lost.
            Err(error) if error.kind() == StoreErrorKind::PreconditionFailed => {
                match self.retry.run(|| self.get_some(&key, Selection::Whole)).await {
                    Ok(found) if found == bytes => Ok(()),
                    _ => Err(error),
                }
            }
            written => written.map(drop),
        }
    }

    /// Writes a file whose bytes are sealed already.
    pub(crate) async fn write(&self, kind: Kind, name: &Name, bytes: Bytes) -> Result<()> {
        let path = kind.path(name);
        let what = || format!("writing {path} to '{}'", self.end.label());
        self.put(&path, bytes).await.map_err(|error| SnapshotError::store(what())(error))
    }

    /// Seals a file that is one segment, and writes it.
    pub(crate) async fn write_sealed(&self, kind: Kind, contents: &[u8]) -> Result<Name> {
        let (name, bytes) = seal::seal(&self.keys, kind, contents, b"")?;
        self.write(kind, &name, bytes.into()).await?;
        Ok(name)
    }

    /// Reads a file that is one segment. `None`: there is none of this name.
    pub(crate) async fn read_sealed(&self, kind: Kind, name: Name) -> Result<Option<Vec<u8>>> {
        let path = kind.path(&name);
        match self.get(&path).await {
            Ok(bytes) => seal::open(&self.keys, kind, name, &bytes, b"").map(Some),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(None),
            Err(error) => Err(SnapshotError::store(self.reading(&path))(error)),
        }
    }

    /// Reads some bytes of a pack. `None`: there is no such pack, or it ends before.
    pub(crate) async fn read_pack(&self, name: &Name, from: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let path = Kind::Pack.path(name);
        let read = async {
            let key = self.key(&path)?;
            let selection = Selection::Range(ByteRange::FromTo(from, from + length - 1));
            self.retry.run(|| self.get_some(&key, selection)).await
        };
        match read.await {
            Ok(bytes) => Ok((bytes.len() as u64 == length).then_some(bytes)),
            Err(error) => match error.kind() {
                StoreErrorKind::NoSuchKey | StoreErrorKind::InvalidRange { .. } => Ok(None),
                _ => Err(SnapshotError::store(self.reading(&path))(error)),
            },
        }
    }

    /// Lists the files of one kind. What has no name of a file is left out.
    pub(crate) async fn list(&self, kind: Kind) -> Result<Vec<Found>> {
        let prefix = format!("{}{}", self.end.prefix(), kind.folder());
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let request =
                ListRequest { prefix: prefix.clone(), after: after.take(), delimiter: None, limit: PAGE };
            let page = self.retry.run(|| self.end.store.list(request.clone())).await;
            let page = page.map_err(SnapshotError::store(format!("listing '{}'", self.end.label())))?;
            after = page.entries.last().filter(|_| page.truncated).map(|entry| entry.name().to_owned());
            all.extend(page.entries.into_iter().filter_map(|entry| {
                let ListEntry::Object(object) = entry else { return None };
                let name = object.key.as_str().rsplit('/').next().and_then(Name::parse)?;
                let is_own = self.key(&kind.path(&name)).is_ok_and(|key| key == object.key);
                is_own.then_some(Found { name, size: object.size, written: object.last_modified })
            }));
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// Removes a file. One that is not there is removed.
    pub(crate) async fn remove(&self, kind: Kind, name: &Name) -> Result<()> {
        let path = kind.path(name);
        let removed = async {
            let key = self.key(&path)?;
            let conditions = WriteConditions::default();
            self.retry.run(|| self.end.store.delete(key.current(), &conditions)).await
        };
        match removed.await {
            Err(error) if error.kind() != StoreErrorKind::NoSuchKey => {
                Err(SnapshotError::store(format!("removing {path} of '{}'", self.end.label()))(error))
            }
            _ => Ok(()),
        }
    }
}
