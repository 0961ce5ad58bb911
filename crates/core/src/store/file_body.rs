//! A body whose bytes are in a file of this machine, so that a socket can take them without this process
//! reading them.
//!
//! Owns the contract between the driver that opened the file and whoever sends the body. Does not own how a
//! region gets to a socket, nor which connections can take one.
//!
//! Invariants: a body is read in one of two ways, as bytes or as pieces; whoever looks at bytes, or changes
//! them, takes the stream, so that a layer which knows nothing of files is right without a change.

use super::{ByteStream, Result};
use crate::model::Span;
use bytes::Bytes;
use futures_core::Stream;
use std::{fs::File, pin::Pin, sync::Arc};

/// The rest of a body, in order.
pub type PieceStream = Pin<Box<dyn Stream<Item = Result<Piece>> + Send>>;

pub trait FileBody: Send {
    fn into_stream(self: Box<Self>) -> ByteStream;

    fn into_pieces(self: Box<Self>) -> PieceStream;
}

/// A part of a body.
#[derive(Debug)]
pub enum Piece {
    Bytes(Bytes),
    /// The kernel had these bytes in memory when the piece was made: sending them should not wait for a disk.
    Region(Region),
}

/// A part of an open file. A file that has become shorter meanwhile was changed by another program: what is
/// left of the body cannot be sent.
#[derive(Debug, Clone)]
pub struct Region {
    pub file: Arc<File>,
    pub span: Span,
}
