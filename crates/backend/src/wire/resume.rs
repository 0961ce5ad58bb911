//! An object on its way out, which continues where it stopped when the storage cuts it short.

use super::{Reply, repeat};
use crate::store::{
    ByteStream, Result,
    error::{StoreError, StoreErrorKind},
};
use futures_util::future::BoxFuture;
use std::time::Duration;

/// Asks for the same object from the byte at this offset of what was asked for. The same: under its ETag.
pub type Reopen = Box<dyn Fn(u64) -> BoxFuture<'static, Result<Reply>> + Send + Sync>;

struct Reading {
    reply: Option<Reply>,
    read: u64,
    length: u64,
    /// In a row, without a byte between.
    failures: u32,
    attempts: u32,
    reopen: Reopen,
}

/// The `length` bytes of `first`. Never fewer: what cannot be had ends in an error.
pub fn resuming(first: Reply, length: u64, attempts: u32, reopen: Reopen) -> ByteStream {
    let reading = Reading { reply: Some(first), read: 0, length, failures: 0, attempts, reopen };
    Box::pin(futures_util::stream::try_unfold(reading, |mut reading| async move {
        if reading.read == reading.length {
            return Ok(None);
        }
        loop {
            let failure = match reading.next().await {
                Ok(bytes) => return Ok(Some((bytes, reading))),
                Err(failure) => failure,
            };
            reading.reply = None;
            reading.failures += 1;
            if reading.failures >= reading.attempts || !failure.is_temporary() {
                return Err(failure);
            }
            tracing::debug!(error = %failure, read = reading.read, length = reading.length, "reading from a backend is resumed");
            tokio::time::sleep(repeat::pause(reading.failures, Duration::ZERO)).await;
        }
    }))
}

impl Reading {
    async fn next(&mut self) -> Result<bytes::Bytes> {
        let reply = match &mut self.reply {
            Some(reply) => reply,
            None => self.reply.insert((self.reopen)(self.read).await?),
        };
        let Some(mut bytes) = reply.frame().await? else {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "a reply of the storage ended too early",
            ));
        };
        // Storage that sends more than it announced has sent something else.
        bytes.truncate(usize::try_from(self.length - self.read).unwrap_or(usize::MAX));
        self.read += bytes.len() as u64;
        self.failures = 0;
        Ok(bytes)
    }
}
