//! The destination of the bytes of a body: a draft, or a part in the spool or a slot. They are hashed on the
//! way.
//!
//! This module does not publish anything.
//!
//! Invariant: a sink gets the bytes in order, and a `Verified` is returned only after it has accepted all of
//! them.

use super::files::Draft;
use crate::store::{
    Result,
    payload::{Digests, Payload, Verified},
};
use async_trait::async_trait;
use bytes::Bytes;

/// Bodies are hashed and sent in batches of this size.
const BATCH: usize = 256 * 1024;
/// The batch size above which hashing runs on a blocking thread.
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

/// Writes a body to `sink`. Each batch is hashed while the next one arrives and the one before it is sent.
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
