//! A body of unknown length, and what an object is besides it.

use crate::{ends::Failure, model::Attributes, store::condition::WriteConditions};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use std::{io, pin::Pin};

/// A body, piece by piece.
pub type Body = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// What an object is besides its bytes.
#[derive(Debug, Clone, Default)]
pub struct Described {
    pub attributes: Attributes,
    pub conditions: WriteConditions,
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
