//! Where the bytes of a body go: a draft, or a part that waits. They are hashed on the way.
//!
//! This module does not own the result: nothing here publishes anything.
//!
//! Invariant: a sink has the bytes in their order, and a `Verified` is given out only when all of them were
//! taken.

use super::files::Draft;
use crate::store::{
    Result,
    payload::{Digests, Payload, Verified},
};
use async_trait::async_trait;
use bytes::Bytes;

/// Bodies are hashed and sent in batches of this size.
const BATCH: usize = 256 * 1024;
/// Larger batches than this are hashed on a thread of their own.
const SMALL: usize = 32 * 1024;

/// The destination of a body.
#[async_trait]
pub(super) trait Sink: Send {
    async fn take(&mut self, bytes: Vec<Bytes>) -> Result<()>;
}

#[async_trait]
impl Sink for dyn Draft {
    async fn take(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        self.write(bytes).await
    }
}

/// Takes a body to `sink`, hashing each batch while the next arrives and the one before is sent.
pub(super) async fn stream(
    mut payload: Payload,
    mut digests: Digests,
    sink: &mut (impl Sink + ?Sized),
) -> Result<Verified> {
    while let Some(batch) = payload.read_some(BATCH).await? {
        if batch.iter().map(Bytes::len).sum::<usize>() <= SMALL {
            batch.iter().for_each(|frame| digests.update(frame));
            sink.take(batch).await?;
            continue;
        }
        let (hashed, sent) =
            futures_util::future::join(digests.absorb(batch.clone()), sink.take(batch)).await;
        digests = hashed?;
        sent?;
    }
    Ok(payload.verify(digests)?)
}
