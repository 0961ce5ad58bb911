//! A stream whose last piece waits until the bytes were checked to be the requested ones. A stream that fails
//! the check ends with an error, and never looks complete.

use crate::store::{ByteStream, Result};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;

#[async_trait]
pub trait Verdict: Send {
    fn saw(&mut self, bytes: &[u8]);

    /// Returns the result, after all bytes were seen.
    async fn give(self: Box<Self>) -> Result<()>;
}

pub fn judged(stream: ByteStream, verdict: Box<dyn Verdict>) -> ByteStream {
    let state = (stream, Some(verdict), None::<Bytes>);
    Box::pin(futures_util::stream::try_unfold(state, |(mut stream, mut verdict, mut held)| async move {
        loop {
            let Some(watching) = &mut verdict else { return Ok(None) };
            match stream.try_next().await? {
                Some(bytes) => {
                    watching.saw(&bytes);
                    if let Some(before) = held.replace(bytes) {
                        return Ok(Some((before, (stream, verdict, held))));
                    }
                }
                None => {
                    if let Some(verdict) = verdict.take() {
                        verdict.give().await?;
                    }
                    return Ok(held.take().map(|last| (last, (stream, None, None))));
                }
            }
        }
    }))
}
