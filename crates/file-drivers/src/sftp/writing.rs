//! Writes to an open file, several requests ahead.
//!
//! Invariant: `settle` reports success only if the server has confirmed every piece.

use super::{
    failure::Failure,
    requests::{Open, done},
    session::Answer,
};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// The number of requests in flight for one writer: one MiB with the largest requests.
const AHEAD: usize = 16;

#[derive(Debug)]
pub(super) struct Writing {
    pub(super) open: Open,
    /// The offset of `held`.
    offset: u64,
    /// Bytes that are too few to be sent alone.
    held: BytesMut,
    sent: VecDeque<Answer>,
    /// The first failure. The content of the file is unknown after it, so every later call fails too.
    failure: Option<Failure>,
}

impl Writing {
    pub(super) fn new(open: Open) -> Self {
        Self { open, offset: 0, held: BytesMut::new(), sent: VecDeque::new(), failure: None }
    }

    /// Returns the offset of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.offset + self.held.len() as u64
    }

    pub(super) async fn seek(&mut self, offset: u64) -> Result<(), Failure> {
        if offset != self.position() {
            let flushed = self.flush().await;
            self.kept(flushed)?;
            self.offset = offset;
        }
        Ok(())
    }

    pub(super) async fn write(&mut self, bytes: Vec<Bytes>) -> Result<(), Failure> {
        let taken = self.take(bytes).await;
        self.kept(taken)
    }

    /// Waits until the server has confirmed all bytes.
    pub(super) async fn settle(&mut self) -> Result<(), Failure> {
        let settled = self.wait().await;
        self.kept(settled)
    }

    fn kept(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        if let (Err(failure), None) = (result, &self.failure) {
            self.failure = Some(failure);
        }
        self.failure.clone().map_or(Ok(()), Err)
    }

    async fn take(&mut self, bytes: Vec<Bytes>) -> Result<(), Failure> {
        let chunk = self.open.lease.features.chunk;
        for mut piece in bytes {
            while !piece.is_empty() {
                if self.held.is_empty() && piece.len() >= chunk {
                    let whole = piece.split_to(chunk);
                    self.send(whole).await?;
                    continue;
                }
                let part = piece.split_to(piece.len().min(chunk - self.held.len()));
                if self.held.is_empty() {
                    self.held.reserve(chunk);
                }
                self.held.extend_from_slice(&part);
                if self.held.len() >= chunk {
                    self.flush().await?;
                }
            }
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), Failure> {
        self.flush().await?;
        while let Some(answer) = self.sent.pop_front() {
            answer.await.and_then(done)?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.held.is_empty() {
            Ok(())
        } else {
            let held = self.held.split().freeze();
            self.send(held).await
        }
    }

    async fn send(&mut self, bytes: Bytes) -> Result<(), Failure> {
        while self.sent.len() >= AHEAD {
            if let Some(answer) = self.sent.pop_front() {
                answer.await.and_then(done)?;
            }
        }
        let length = bytes.len() as u64;
        self.sent.push_back(self.open.write(self.offset, bytes).await?);
        self.offset += length;
        Ok(())
    }
}
