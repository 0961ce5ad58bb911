//! The bytes of objects and parts, as they arrived: shared slices, never copied.

use crate::{
    model::{ChecksumAlgorithm, Span},
    store::{
        ObjectBody, Result,
        payload::{Payload, Verified},
    },
};
use bytes::Bytes;

/// The number of bytes that are hashed at a time. Hashing runs on the async runtime, because this driver is
/// not made for load.
const BATCH: usize = 1 << 20;

#[derive(Debug, Clone, Default)]
pub(super) struct Content(Vec<Bytes>);

impl Content {
    /// Receives a body and verifies it.
    pub(super) async fn receive(
        mut payload: Payload,
        default: ChecksumAlgorithm,
    ) -> Result<(Self, Verified)> {
        let mut digests = payload.digests(Some(default));
        let mut frames = Vec::new();
        // The memory of received bytes is counted for their request, so bytes that are kept are copied.
        let counts = payload.memory().is_some();
        while let Some(batch) = payload.read_some(BATCH).await? {
            for frame in batch {
                digests.update(&frame);
                frames.push(if counts { Bytes::copy_from_slice(&frame) } else { frame });
            }
        }
        Ok((Self(frames), payload.verify(digests)?))
    }

    pub(super) fn join<'c>(parts: impl Iterator<Item = &'c Content>) -> Self {
        Self(parts.flat_map(|part| part.0.iter().cloned()).collect())
    }

    pub(super) fn body(&self, span: Span) -> ObjectBody {
        let mut frames = Vec::new();
        let mut at = 0;
        for frame in &self.0 {
            let end = at + frame.len() as u64;
            // Both ends are within this frame, so the casts lose nothing.
            let (from, to) = (span.start.clamp(at, end) - at, span.end.clamp(at, end) - at);
            if from < to {
                frames.push(frame.slice(from as usize..to as usize));
            }
            at = end;
        }
        match frames.len() {
            0 => ObjectBody::Full(Bytes::new()),
            1 => ObjectBody::Full(frames.remove(0)),
            _ => ObjectBody::Stream(Box::pin(futures_util::stream::iter(frames.into_iter().map(Ok)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    #[tokio::test]
    async fn any_span_of_any_frames_yields_its_bytes() {
        let content =
            Content(["ab", "c", "defg"].iter().map(|text| Bytes::from_static(text.as_bytes())).collect());
        for start in 0..=7 {
            for end in start..=7 {
                let mut got = Vec::new();
                match content.body(Span { start, end }) {
                    ObjectBody::Full(bytes) => got.extend_from_slice(&bytes),
                    body => {
                        let mut stream = body.into_stream();
                        while let Some(frame) = stream.next().await {
                            got.extend_from_slice(&frame.expect("memory does not fail"));
                        }
                    }
                }
                assert_eq!(got, &b"abcdefg"[start as usize..end as usize]);
            }
        }
    }
}
