//! Reads an object, and continues at the same position when the storage ends the reply too early.

use super::{Reply, repeat};
use crate::store::{
    ByteStream, Result,
    error::{StoreError, StoreErrorKind},
};
use futures_util::future::BoxFuture;
use std::time::Duration;

/// Requests the rest of the same object, from this offset in the requested range. The ETag ensures that it is
/// the same.
pub type Reopen = Box<dyn Fn(u64) -> BoxFuture<'static, Result<Reply>> + Send + Sync>;

struct Reading {
    reply: Option<Reply>,
    read: u64,
    length: u64,
    /// The number of failures in a row, without a byte between them.
    failures: u32,
    attempts: u32,
    reopen: Reopen,
}

/// Returns the `length` bytes of `first`. Fewer bytes end in an error.
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
        // Bytes beyond the announced length are dropped.
        bytes.truncate(usize::try_from(self.length - self.read).unwrap_or(usize::MAX));
        self.read += bytes.len() as u64;
        self.failures = 0;
        Ok(bytes)
    }
}
