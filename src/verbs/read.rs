//! The bytes of one object, or some of them.

use crate::{
    ends::{Failure, Place},
    model::{ByteRange, ObjectInfo, ObjectKey},
    store::{ByteStream, GetRequest, Selection, error::StoreErrorKind},
};
use bytes::Bytes;
use futures_util::StreamExt;

/// An object that is being read.
pub struct Reading {
    pub info: ObjectInfo,
    label: String,
    body: ByteStream,
}

/// Opens an object: all of it, or `count` bytes from `offset` on.
pub async fn open(
    place: &Place,
    key: &ObjectKey,
    offset: u64,
    count: Option<u64>,
) -> Result<Reading, Failure> {
    let failed = |error| Failure::of_store(format_args!("reading '{}'", place.label), &error);
    let selection = match (offset, count) {
        (0, None) => Selection::Whole,
        (from, None) => Selection::Range(ByteRange::From(from)),
        (_, Some(0)) => Selection::Whole,
        (from, Some(count)) => Selection::Range(ByteRange::FromTo(from, from.saturating_add(count - 1))),
    };
    let empty = || -> ByteStream { Box::pin(futures_util::stream::empty()) };
    let label = place.label.clone();
    let request = GetRequest { selection, ..Default::default() };
    match place.store.get(key.current(), request).await {
        Ok(reply) if count == Some(0) => Ok(Reading { info: reply.info, label, body: empty() }),
        Ok(reply) => Ok(Reading { info: reply.info, label, body: reply.body.into_stream() }),
        // Nothing follows the end of an object: that is no failure, as it is none of `tail`.
        Err(error) if matches!(error.kind(), StoreErrorKind::InvalidRange { .. }) => {
            let info = place.store.head(key.current(), &Default::default()).await.map_err(failed)?;
            Ok(Reading { info, label, body: empty() })
        }
        Err(error) => Err(failed(error)),
    }
}

impl Reading {
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let next = self.body.next().await.transpose();
        next.map_err(|error| Failure::of_store(format_args!("reading '{}'", self.label), &error))
    }
}
