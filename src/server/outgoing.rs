//! The body of a reply as its connection takes it: as bytes, or, where the kernel can send parts of a file, as
//! buffers that stand for them.
//!
//! Does not own counting, nor memory for bytes in transit (`record`, `permit`).

use super::{permit::RequestPermit, regions::Regions};
use crate::{
    s3,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
        file_body::{Piece, PieceStream},
    },
};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

#[derive(Debug)]
pub(super) enum Outgoing {
    Bytes(s3::Body),
    Pieces(Pieces),
}

/// The rest of a file.
pub(super) struct Pieces {
    pieces: PieceStream,
    regions: Arc<Regions>,
    left: u64,
}

/// Part of a body: bytes of this process, or a buffer that stands for a region and takes no memory.
pub(super) enum Part {
    Frame(Frame<Bytes>),
    Region(Bytes),
}

impl Outgoing {
    /// `regions` are those of the connection, if it can send any.
    pub(super) fn new(body: s3::Body, regions: Option<Arc<Regions>>) -> Self {
        let Some(regions) = regions else { return Self::Bytes(body) };
        match body.into_pieces() {
            Ok((pieces, left)) => Self::Pieces(Pieces { pieces, regions, left }),
            Err(body) => Self::Bytes(body),
        }
    }

    /// A buffer that stands for a region holds `permit` until it is sent.
    pub(super) fn poll(
        &mut self,
        permit: &Arc<RequestPermit>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Part>>> {
        match self {
            Self::Bytes(body) => {
                Pin::new(body).poll_frame(cx).map(|polled| polled.map(|frame| frame.map(Part::Frame)))
            }
            Self::Pieces(pieces) => pieces.poll(permit, cx),
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match self {
            Self::Bytes(body) => body.is_end_stream(),
            Self::Pieces(pieces) => pieces.left == 0,
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Bytes(body) => body.size_hint(),
            Self::Pieces(pieces) => SizeHint::with_exact(pieces.left),
        }
    }
}

impl Pieces {
    fn poll(&mut self, permit: &Arc<RequestPermit>, cx: &mut Context<'_>) -> Poll<Option<Result<Part>>> {
        let Some(piece) = ready!(self.pieces.poll_next_unpin(cx)) else { return Poll::Ready(None) };
        let part = piece.and_then(|piece| match piece {
            Piece::Bytes(bytes) => Ok(Part::Frame(Frame::data(bytes))),
            Piece::Region(region) => match self.regions.buffer(region, permit.clone()) {
                Some(buffer) => Ok(Part::Region(buffer)),
                None => {
                    Err(StoreError::new(StoreErrorKind::Internal, "a part of a file is too long to be sent"))
                }
            },
        });
        if let Ok(part) = &part {
            self.left = self.left.saturating_sub(part.len() as u64);
        }
        Poll::Ready(Some(part))
    }
}

impl Part {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.data_ref().map_or(0, Bytes::len),
            Self::Region(bytes) => bytes.len(),
        }
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces").field("left", &self.left).finish_non_exhaustive()
    }
}
