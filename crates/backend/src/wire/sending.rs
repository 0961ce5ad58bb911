//! A request whose body is written piece by piece while it is under way.
//!
//! Invariants: the last piece is sent only when `finish` says that it was the last, and a request that is
//! dropped before is cut short on the way; writing waits for the storage with bounds, and learns at once that
//! it has refused.

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

/// Pieces on their way from the writer to the connection.
const AHEAD: usize = 8;

pub struct Sending {
    pieces: mpsc::Sender<Piece>,
    /// This piece is held back: what comes after it decides whether it was the last.
    held: Option<Bytes>,
    /// How much of the announced length is left.
    left: Option<u64>,
    reply: JoinHandle<Result<Reply>>,
}

enum Piece {
    Bytes(Bytes),
    End,
}

impl Sending {
    /// `send` makes a request of a body; it goes on by itself.
    pub fn begin<F>(length: Option<u64>, send: impl FnOnce(Outgoing) -> F) -> Self
    where
        F: Future<Output = Result<Reply>> + Send + 'static,
    {
        let (pieces, receiver) = mpsc::channel(AHEAD);
        let progress = Arc::new(Progress::default());
        let body = Outgoing::stream(frames(receiver, progress.clone()).boxed(), length, progress);
        Self { pieces, held: None, left: length, reply: tokio::spawn(send(body)) }
    }

    /// Fails as soon as the storage has answered: before the end of the body that is never what was hoped
    /// for.
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

    /// There is no more. What the storage says to it.
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

    /// Cuts it short, and waits until the connection is given up.
    pub async fn cut(self) {
        drop((self.pieces, self.held));
        // Whatever the storage says to it.
        drop(self.reply.await);
    }

    /// The reply, if that came first.
    async fn send(&mut self, piece: Piece) -> Result<Option<Reply>> {
        tokio::select! {
            biased;
            reply = &mut self.reply => answer(reply).map(Some),
            sent = self.pieces.send(piece) => match sent {
                Ok(()) => Ok(None),
                // The connection has let go of the body: the request is over.
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

/// Ends well only after `End`: a writer that went away leaves an error.
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

/// Bytes that are gathered as long as they are few: those can be sent as often as it takes.
#[derive(Debug, Default)]
pub struct Gathered {
    pieces: Vec<Bytes>,
    length: u64,
}

impl Gathered {
    /// Takes them; `false` once they are too many to be held.
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
