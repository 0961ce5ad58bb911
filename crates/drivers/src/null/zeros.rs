//! Bodies of zeros: slices of one static buffer, so that a body costs no memory.

use crate::{model::Span, store::ObjectBody};
use bytes::Bytes;
use futures_util::stream;

/// The largest piece of a body.
const PIECE: usize = 128 * 1024;

static ZEROS: [u8; PIECE] = [0; PIECE];

pub(super) fn body(span: Span) -> ObjectBody {
    let length = span.end.saturating_sub(span.start);
    let pieces = length.div_ceil(PIECE as u64);
    // The last piece is at most as long as the buffer, so the cast loses nothing.
    let piece =
        move |at: u64| Bytes::from_static(&ZEROS[..(length - at * PIECE as u64).min(PIECE as u64) as usize]);
    match pieces {
        0 => ObjectBody::Full(Bytes::new()),
        1 => ObjectBody::Full(piece(0)),
        _ => ObjectBody::Stream(Box::pin(stream::iter((0..pieces).map(move |at| Ok(piece(at)))))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;

    #[tokio::test]
    async fn a_body_has_as_many_zeros_as_the_span_has_bytes() {
        let piece = PIECE as u64;
        for length in [0, 1, piece - 1, piece, piece + 1, 3 * piece, 3 * piece + 7] {
            let frames: Vec<Bytes> = body(Span { start: 5, end: 5 + length })
                .into_stream()
                .try_collect()
                .await
                .expect("zeros do not fail");
            assert_eq!(frames.iter().map(|frame| frame.len() as u64).sum::<u64>(), length);
            assert!(frames.iter().all(|frame| frame.iter().all(|byte| *byte == 0)));
        }
    }
}
