//! A request whose body is written piece by piece while the request is in progress.
//!
//! Invariants: the last piece is sent only after `finish` was called, and a request that is dropped before
//! that is aborted. Writing waits for the storage within time limits, and returns at once when the storage
//! has refused the request.

use super::{
    Outgoing, Reply,
    outgoing::{Progress, SHORT},
};
use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
    payload::PayloadError,
};
use bytes::Bytes;
use futures_util::StreamExt;
use std::{
    fmt,
    future::Future,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    sync::mpsc::{self, Receiver},
    task::JoinHandle,
};

/// The number of pieces in the queue from the writer to the connection.
const AHEAD: usize = 8;

pub struct Sending {
    pieces: mpsc::Sender<Piece>,
    /// The newest piece, held back because it may be the last one.
    held: Option<Bytes>,
    /// The number of bytes of the announced length that were not written yet.
    left: Option<u64>,
    reply: JoinHandle<Result<Reply>>,
}

enum Piece {
    Bytes(Bytes),
    End,
}

impl Sending {
    /// Begins a request. `send` makes it from a body; it runs in a task of its own.
    pub fn begin<F>(length: Option<u64>, send: impl FnOnce(Outgoing) -> F) -> Self
    where
        F: Future<Output = Result<Reply>> + Send + 'static,
    {
        let (pieces, receiver) = mpsc::channel(AHEAD);
        let progress = Arc::new(Progress::default());
        let body = Outgoing::stream(frames(receiver, progress.clone()).boxed(), length, progress);
        Self { pieces, held: None, left: length, reply: tokio::spawn(send(body)) }
    }

    /// Writes bytes. The inner error is the storage's reply: before the end of the body it always means that
    /// the request failed.
    pub async fn write(&mut self, bytes: Vec<Bytes>) -> Result<std::result::Result<(), Reply>> {
        for bytes in bytes.into_iter().filter(|bytes| !bytes.is_empty()) {
            if let Some(left) = &mut self.left {
                *left = left.checked_sub(bytes.len() as u64).ok_or_else(|| wrong_length("longer"))?;
            }
            if let Some(before) = self.held.replace(bytes)
                && let Some(reply) = self.send(Piece::Bytes(before)).await?
            {
                return Ok(Err(reply));
            }
        }
        Ok(Ok(()))
    }

    /// Ends the body, and returns the storage's reply.
    pub async fn finish(mut self) -> Result<Reply> {
        if self.left.is_some_and(|left| left > 0) {
            return Err(wrong_length("shorter"));
        }
        for piece in self.held.take().map(Piece::Bytes).into_iter().chain([Piece::End]) {
            if let Some(reply) = self.send(piece).await? {
                return Ok(reply);
            }
        }
        answer((&mut self.reply).await)
    }

    /// Aborts the request, and waits until its connection is closed.
    pub async fn cut(self) {
        drop((self.pieces, self.held));
        // The reply of an aborted request is ignored.
        drop(self.reply.await);
    }

    /// Sends a piece. Returns the reply if it arrived first.
    async fn send(&mut self, piece: Piece) -> Result<Option<Reply>> {
        tokio::select! {
            biased;
            reply = &mut self.reply => answer(reply).map(Some),
            sent = self.pieces.send(piece) => match sent {
                Ok(()) => Ok(None),
                // The connection has dropped the body, so the request has ended.
                Err(_) => answer((&mut self.reply).await).map(Some),
            },
        }
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("left", &self.left).finish_non_exhaustive()
    }
}

fn answer(reply: std::result::Result<Result<Reply>, tokio::task::JoinError>) -> Result<Reply> {
    reply.map_err(|error| {
        StoreError::new(StoreErrorKind::Internal, "a request was given up").with_source(error)
    })?
}

fn wrong_length(how: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Internal, format!("a body is {how} than was announced"))
}

/// Returns the stream of the body. It ends without an error only after `End`, so a writer that was dropped
/// aborts the request.
fn frames(
    mut receiver: Receiver<Piece>,
    progress: Arc<Progress>,
) -> impl futures_util::Stream<Item = std::result::Result<Bytes, PayloadError>> + Send {
    let mut ended = false;
    futures_util::stream::poll_fn(move |cx: &mut Context<'_>| {
        if ended {
            return Poll::Ready(None);
        }
        match receiver.poll_recv(cx) {
            Poll::Pending => {
                progress.client_has_the_turn();
                Poll::Pending
            }
            Poll::Ready(Some(Piece::Bytes(bytes))) => Poll::Ready(Some(Ok(bytes))),
            Poll::Ready(Some(Piece::End)) => {
                ended = true;
                progress.storage_has_the_turn();
                Poll::Ready(None)
            }
            Poll::Ready(None) => {
                ended = true;
                Poll::Ready(Some(Err(PayloadError::Source)))
            }
        }
    })
}

/// Bytes that are collected as long as they are few, so that they can be sent again.
#[derive(Debug, Default)]
pub struct Gathered {
    pieces: Vec<Bytes>,
    length: u64,
}

impl Gathered {
    /// Adds bytes. Returns `false` once they are too many to be held in memory.
    pub fn push(&mut self, bytes: Vec<Bytes>) -> bool {
        self.length += bytes.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        self.pieces.extend(bytes);
        self.length <= SHORT
    }

    pub fn into_pieces(self) -> Vec<Bytes> {
        self.pieces
    }

    pub fn concat(&self) -> Bytes {
        match self.pieces.as_slice() {
            [one] => one.clone(),
            several => several.concat().into(),
        }
    }
}
