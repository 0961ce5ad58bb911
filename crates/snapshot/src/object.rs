//! Reading one object of the source into chunks.

use crate::{
    SnapshotError,
    chunker::Chunker,
    content::{Content, Part, Parts},
    model::{Attributes, ChecksumAlgorithm, ChecksumHasher, ChecksumKind, ObjectChecksum, ObjectInfo},
    record::Object,
    repository::Repository,
    store::{
        GetReply, GetRequest,
        condition::{ETagMatch, ReadConditions},
        error::{StoreError, StoreErrorKind},
    },
    transfer::{End, listing::Entry, with_time},
    writer::{Stream, Writer},
};
use bytes::Bytes;
use futures_util::StreamExt;

/// Why an object was not stored.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The object could not be read.
    Object(StoreError),
    Repository(SnapshotError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Object(error)
    }
}

impl From<SnapshotError> for Trouble {
    fn from(error: SnapshotError) -> Self {
        Self::Repository(error)
    }
}

type Result<T> = std::result::Result<T, Trouble>;

pub(crate) struct Read<'r> {
    pub(crate) source: &'r End,
    pub(crate) repository: &'r Repository,
    pub(crate) writer: &'r Writer,
}

impl Read<'_> {
    pub(crate) async fn object(&self, entry: Entry) -> Result<Object> {
        let name = entry.name().to_owned();
        let key = entry.object.key;
        let mut etag = entry.object.etag;
        let retry = self.repository.retry();
        let mut failed = 0;
        loop {
            let conditions =
                ReadConditions { if_match: Some(ETagMatch::OneOf(vec![etag.clone()])), ..Default::default() };
            let error = match self.once(&name, &key, conditions).await {
                Err(Trouble::Object(error)) if failed + 1 < retry.attempts() => error,
                done => return done,
            };
            match error.kind() {
                // The object changed since it was listed: the snapshot has it as it is now.
                StoreErrorKind::PreconditionFailed => {
                    let none = ReadConditions::default();
                    etag = retry.run(|| self.source.store.head(key.current(), &none)).await?.etag;
                }
                _ if error.is_temporary() => retry.pause(failed, error.wait()).await,
                _ => return Err(error.into()),
            }
            failed += 1;
        }
    }

    async fn once(
        &self,
        name: &str,
        key: &crate::model::ObjectKey,
        conditions: ReadConditions,
    ) -> Result<Object> {
        let store = &self.source.store;
        let request = GetRequest { conditions: conditions.clone(), ..GetRequest::default() };
        let GetReply { mut info, body, .. } = store.get(key.current(), request).await?;
        if info.tag_count > info.attributes.tags.len() {
            info.attributes.tags = store.describe(key.current(), &conditions).await?.attributes.tags;
        }
        let whole = info.checksum.as_ref().filter(|sum| sum.kind == ChecksumKind::FullObject);
        let algorithm = whole.map_or(ChecksumAlgorithm::Crc64Nvme, ObjectChecksum::algorithm);
        let mut hasher = ChecksumHasher::new(algorithm);
        let mut chunker = Chunker::new(self.repository.sizes, self.repository.keys.seed);
        let (mut parts, mut size, mut stream) = (Parts::default(), 0, body.into_stream());
        while let Some(piece) = stream.next().await {
            let piece = piece?;
            size += piece.len() as u64;
            hasher.update(&piece);
            chunker.push(&piece);
            while let Some(chunk) = chunker.chunk() {
                self.store(&mut parts, &chunk).await?;
            }
        }
        let checksum = ObjectChecksum::full(hasher.finish());
        if size != info.size || whole.is_some_and(|whole| *whole != checksum) {
            let why = "its bytes are not those of its size and checksum";
            return Err(StoreError::new(StoreErrorKind::Unavailable, why).into());
        }
        while let Some(chunk) = chunker.last() {
            self.store(&mut parts, &chunk).await?;
        }
        let content = parts.end(self.writer).await?;
        Ok(self.record(name, &info, checksum, content))
    }

    async fn store(&self, parts: &mut Parts, chunk: &Bytes) -> std::result::Result<(), SnapshotError> {
        let id = self.writer.put(Stream::Data, chunk).await?;
        parts.push(self.writer, Part { id, size: chunk.len() as u64 }).await
    }

    fn record(&self, name: &str, info: &ObjectInfo, checksum: ObjectChecksum, content: Content) -> Object {
        let (attributes, _) = with_time(info, self.source.times);
        Object {
            name: name.to_owned(),
            size: info.size,
            etag: info.etag.clone(),
            modified: info.last_modified,
            attributes: kept(attributes),
            checksum: Some(checksum),
            content,
        }
    }
}

/// Returns what a copy takes over: as in S3, neither ACL, owner, storage class nor encryption.
fn kept(attributes: Attributes) -> Attributes {
    Attributes { acl: Default::default(), owner: None, storage_class: None, encryption: None, ..attributes }
}
