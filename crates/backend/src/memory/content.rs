//! Bytes of objects and parts, as they arrived: shared slices, never copied.

use crate::{
    model::{ChecksumAlgorithm, Span},
    store::{
        ObjectBody, Result,
        payload::{Payload, Verified},
    },
};
use bytes::Bytes;

/// Hashing goes on the reactor: this driver is not for load.
const BATCH: usize = 1 << 20;

#[derive(Debug, Clone, Default)]
pub(super) struct Content(Vec<Bytes>);

impl Content {
    /// The whole of a body that came true.
    pub(super) async fn receive(
        mut payload: Payload,
        default: ChecksumAlgorithm,
    ) -> Result<(Self, Verified)> {
        let mut digests = payload.digests(Some(default));
        let mut frames = Vec::new();
        // Bytes that count as on their way must not be kept.
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
            // Both ends lie within this frame, so neither cast can cut.
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
                    ObjectBody::Stream(mut stream) => {
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
