//! One object from a stream of unknown length.
//!
//! A store that must be told the length first gets a short body at once, and a longer one in parts. Any other
//! store gets the stream as it is.

use super::upload;
use crate::{
    ends::{Failure, Place},
    model::Attributes,
    store::{
        PutRequest, Written,
        condition::WriteConditions,
        payload::{Announced, Payload, PayloadError},
    },
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// A body, piece by piece.
pub type Body = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// What an object is besides its bytes.
#[derive(Debug, Clone, Default)]
pub struct Described {
    pub attributes: Attributes,
    pub conditions: WriteConditions,
}

/// Writes the object that was named, and returns its size with what the store answered.
pub async fn write(place: &Place, mut body: Body, described: Described) -> Result<(u64, Written), Failure> {
    let key = place.key()?;
    let failed = |error| Failure::of_store(format_args!("writing '{}'", place.label), &error);
    let capabilities = place.store.tried_capabilities().await.map_err(failed)?;
    if !capabilities.needs_length {
        let counted = Arc::new(AtomicU64::new(0));
        let counting = counted.clone();
        let frames = body.map(move |frame| {
            let frame = frame.map_err(|_| PayloadError::Source)?;
            counting.fetch_add(frame.len() as u64, Ordering::Relaxed);
            Ok(frame)
        });
        let payload = Payload::from_stream(frames, Announced::default());
        let Described { attributes, conditions } = described;
        let put = place.store.put(&key, PutRequest { attributes, conditions, payload }).await;
        let written = put.map_err(failed)?;
        return Ok((counted.load(Ordering::Relaxed), written));
    }
    let (first, is_whole) = gather(&mut body, upload::PART).await?;
    if !is_whole {
        return upload::write(place, &key, first, body, described).await;
    }
    let size = first.len() as u64;
    let Described { attributes, conditions } = described;
    let request = PutRequest { attributes, conditions, payload: Payload::from_bytes(first) };
    Ok((size, place.store.put(&key, request).await.map_err(failed)?))
}

/// Reads up to `enough` bytes, or more if a piece has more, and returns whether the body has ended.
pub(super) async fn gather(body: &mut Body, enough: usize) -> Result<(Bytes, bool), Failure> {
    let mut gathered = BytesMut::new();
    while gathered.len() < enough {
        let Some(piece) = body.next().await else { return Ok((gathered.freeze(), true)) };
        let piece = piece.map_err(|error| Failure::failed(format!("reading the input: {error}")))?;
        gathered.extend_from_slice(&piece);
    }
    Ok((gathered.freeze(), false))
}
