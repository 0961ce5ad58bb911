//! The source of one transfer: the source's store, watched.
//!
//! Bytes that are read through it are counted, held to the bandwidth, and digested, so that what the
//! destination stored can be compared with what was read. An object gets its own time into its metadata.
//! A native copy goes beneath it: then no bytes are seen.

use crate::{
    end::Times,
    model::{
        Attributes, Checksum, ChecksumAlgorithm, ChecksumHasher, ChecksumKind, MAX_USER_METADATA,
        ObjectAddress, ObjectInfo, ObjectKey,
    },
    own_time::{MTIME, OwnTime},
    pace::Pace,
    progress::Progress,
    store::{
        self, GetReply, GetRequest, Layer, NativeSource, ObjectBody, Store,
        condition::ReadConditions,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::StreamExt;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug)]
pub(crate) struct Reading {
    below: Arc<dyn Store>,
    times: Times,
    /// The algorithm to digest with. `None`: that of the object, or CRC64NVME.
    algorithm: Option<ChecksumAlgorithm>,
    pace: Arc<Pace>,
    progress: Arc<Progress>,
    /// The digest of the last body that was read to its end.
    seen: Arc<Mutex<Option<Checksum>>>,
}

impl Reading {
    pub(crate) fn new(
        below: Arc<dyn Store>,
        times: Times,
        algorithm: Option<ChecksumAlgorithm>,
        pace: Arc<Pace>,
        progress: Arc<Progress>,
    ) -> Self {
        Self { below, times, algorithm, pace, progress, seen: Arc::default() }
    }

    /// Returns the digest of the bytes that were read. `None`: a native copy read none.
    pub(crate) fn seen(&self) -> Option<Checksum> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Returns the attributes with the object's own time, and whether they were without it.
pub fn with_time(info: &ObjectInfo, times: Times) -> (Attributes, bool) {
    let mut attributes = info.attributes.clone();
    let text = OwnTime::of_info(info, times).text();
    let size: usize = attributes.user.iter().map(|(name, value)| name.len() + value.len()).sum();
    let has_own = attributes.user.get(MTIME) == Some(&text);
    if has_own || size + MTIME.len() + text.len() > MAX_USER_METADATA {
        return (attributes, false);
    }
    attributes.user.insert(MTIME.to_owned(), text);
    (attributes, true)
}

/// A temporary error: sending the object again may help.
pub(crate) fn differs(key: &ObjectKey) -> StoreError {
    let why = format!("{key} was stored with other bytes, or another size, than were read");
    StoreError::new(StoreErrorKind::Unavailable, why)
}

impl Layer for Reading {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn head(
        &self,
        address: ObjectAddress<'_>,
        conditions: &ReadConditions,
    ) -> store::Result<ObjectInfo> {
        let info = self.below.head(address, conditions).await?;
        Ok(ObjectInfo { attributes: with_time(&info, self.times).0, ..info })
    }

    async fn describe(
        &self,
        address: ObjectAddress<'_>,
        conditions: &ReadConditions,
    ) -> store::Result<ObjectInfo> {
        let info = self.below.describe(address, conditions).await?;
        Ok(ObjectInfo { attributes: with_time(&info, self.times).0, ..info })
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> store::Result<GetReply> {
        let reply = self.below.get(address, request).await?;
        let info = ObjectInfo { attributes: with_time(&reply.info, self.times).0, ..reply.info };
        let own = info.checksum.as_ref().filter(|sum| sum.kind == ChecksumKind::FullObject);
        let algorithm =
            self.algorithm.or(own.map(|sum| sum.algorithm())).unwrap_or(ChecksumAlgorithm::Crc64Nvme);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let (pace, progress, seen) = (self.pace.clone(), self.progress.clone(), self.seen.clone());
        let state = (reply.body.into_stream(), Some(ChecksumHasher::new(algorithm)));
        let body = futures_util::stream::unfold(state, move |(mut stream, mut hasher)| {
            let (pace, progress, seen) = (pace.clone(), progress.clone(), seen.clone());
            async move {
                let piece = match stream.next().await {
                    None => {
                        let sum = hasher.take().map(ChecksumHasher::finish);
                        *seen.lock().unwrap_or_else(PoisonError::into_inner) = sum;
                        return None;
                    }
                    Some(piece) => piece,
                };
                match &piece {
                    Ok(bytes) => {
                        pace.pass(bytes.len()).await;
                        progress.read(bytes.len());
                        if let Some(hasher) = &mut hasher {
                            hasher.update(bytes);
                        }
                    }
                    // What was read is not the whole.
                    Err(_) => hasher = None,
                }
                Some((piece, (stream, hasher)))
            }
        });
        Ok(GetReply { info, span: reply.span, body: ObjectBody::Stream(Box::pin(body.fuse())) })
    }

    fn native_source(&self) -> Option<NativeSource<'_>> {
        self.below.native_source()
    }
}
