//! The body of a reply.

use crate::store::{
    ByteStream, ObjectBody,
    file_body::{FileBody, PieceStream},
};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

pub type Response = http::Response<Body>;

/// Nothing, one buffer, a stream whose length is known when it is an object, or a file.
pub enum Body {
    Empty,
    Full(Bytes),
    Stream {
        stream: ByteStream,
        length: Option<u64>,
    },
    /// Whoever polls it gets bytes.
    File {
        file: Box<dyn FileBody>,
        length: u64,
    },
}

impl Body {
    pub fn object(body: ObjectBody, length: u64) -> Self {
        match body {
            ObjectBody::Full(bytes) => Self::Full(bytes),
            ObjectBody::Stream(stream) => Self::Stream { stream, length: Some(length) },
            ObjectBody::File(file) => Self::File { file, length },
        }
    }

    /// The pieces of a file, and their length, for a connection that can take them.
    pub fn into_pieces(self) -> Result<(PieceStream, u64), Self> {
        match self {
            Self::File { file, length } => Ok((file.into_pieces(), length)),
            Self::Empty | Self::Full(_) | Self::Stream { .. } => Err(self),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = crate::store::error::StoreError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Self::File { .. } = *self
            && let Self::File { file, length } = std::mem::replace(&mut *self, Self::Empty)
        {
            *self = Self::Stream { stream: file.into_stream(), length: Some(length) };
        }
        match &mut *self {
            Self::Empty | Self::File { .. } => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Stream { stream, .. } => {
                stream.as_mut().poll_next(cx).map(|frame| frame.map(|frame| frame.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream { .. } | Self::File { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream { length: Some(length), .. } | Self::File { length, .. } => {
                SizeHint::with_exact(*length)
            }
            Self::Stream { length: None, .. } => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({})", bytes.len()),
            Self::Stream { length, .. } => write!(f, "Stream({length:?})"),
            Self::File { length, .. } => write!(f, "File({length})"),
        }
    }
}
