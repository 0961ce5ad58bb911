//! Request bodies. A short one is collected and verified before it is sent, so that it can be sent again. A
//! long one is streamed and digested on the way, and its last piece waits until the body is verified.

use crate::{
    model::ChecksumAlgorithm,
    store::payload::{Arrived, Digests, Payload, PayloadError, Verified},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use http_body::{Frame, SizeHint};
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// Bodies up to this length are held in memory completely.
pub(super) const SHORT: u64 = 128 << 10;
const BATCH: usize = 128 << 10;
/// The chunk size that SDKs use for their streams; the last chunk may be shorter.
const CHUNK: u64 = 1 << 20;

/// The encoding of a streamed body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Plain,
    /// Unsigned `aws-chunked`, with this checksum in a trailer (S3 User Guide, "Trailing checksums").
    Trailer(ChecksumAlgorithm),
}

/// A body for one attempt.
#[derive(Debug)]
pub enum Outgoing {
    Full { bytes: Option<Bytes>, progress: Arc<Progress> },
    Stream(Streaming),
}

pub struct Streaming {
    frames: Mutex<BoxStream<'static, Result<Bytes, PayloadError>>>,
    /// The number of bytes that are left. `None`: it is unknown, and the body is sent in chunks.
    left: Option<u64>,
    progress: Arc<Progress>,
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streaming").field("left", &self.left).finish_non_exhaustive()
    }
}

/// The result of the verification of a streamed body, once it has ended.
#[derive(Debug, Clone, Default)]
pub struct BodyOutcome(Arc<Mutex<Option<Result<Arrived, PayloadError>>>>);

impl BodyOutcome {
    fn set(&self, result: Result<Arrived, PayloadError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    pub fn take(&self) -> Option<Result<Arrived, PayloadError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A payload that is ready to be sent.
pub enum Sent {
    /// All bytes, verified already.
    Gathered(Bytes, Verified),
    /// A body of `length` object bytes. The caller must check the outcome before it uses the reply.
    Streamed { body: Outgoing, length: u64, outcome: BodyOutcome },
}

/// Prepares a payload. `checksum` is computed if the client announced none. The MD5 of a long body is
/// computed only if `md5` is set or the client announced one.
pub async fn gather_or_stream(
    mut payload: Payload,
    checksum: Option<ChecksumAlgorithm>,
    md5: bool,
    framing: Framing,
) -> Result<Sent, PayloadError> {
    let mut digests = payload.digests(checksum);
    let length = match payload.length() {
        Some(length) if length > SHORT => length,
        // Without a declared length there is no Content-Length to send, so such a body has to be short.
        known => {
            let limit = known.unwrap_or(SHORT);
            let mut pieces = Vec::new();
            let mut total = 0;
            while let Some(batch) = payload.read(BATCH).await? {
                for piece in batch {
                    total += piece.len() as u64;
                    if total > limit {
                        return Err(PayloadError::TooLarge(usize::try_from(limit).unwrap_or(usize::MAX)));
                    }
                    digests.update(&piece);
                    pieces.push(piece);
                }
            }
            let verified = payload.verify(digests)?;
            let bytes = if pieces.len() == 1 { pieces.swap_remove(0) } else { pieces.concat().into() };
            return Ok(Sent::Gathered(bytes, verified));
        }
    };
    if !md5 {
        digests = payload.digests_sent(checksum);
    }
    let outcome = BodyOutcome::default();
    let progress = Arc::new(Progress::default());
    let verifying = Verifying {
        payload: Some((payload, digests)),
        ready: VecDeque::new(),
        outcome: outcome.clone(),
        progress: progress.clone(),
    };
    let pieces = futures_util::stream::try_unfold(verifying, |mut verifying| async move {
        Ok(verifying.next().await?.map(|piece| (piece, verifying)))
    });
    let (frames, left) = match framing {
        Framing::Plain => (pieces.boxed(), length),
        Framing::Trailer(algorithm) => {
            let trailer = outcome.clone();
            let frames = chunked(pieces.boxed(), length, move || trailer_of(algorithm, &trailer)).boxed();
            (frames, chunked_length(length, algorithm))
        }
    };
    Ok(Sent::Streamed { body: Outgoing::stream(frames, Some(left), progress), length, outcome })
}

/// Reads ahead by one piece, so that the last one can wait for the verification.
struct Verifying {
    payload: Option<(Payload, Digests)>,
    ready: VecDeque<Bytes>,
    outcome: BodyOutcome,
    progress: Arc<Progress>,
}

impl Verifying {
    async fn next(&mut self) -> Result<Option<Bytes>, PayloadError> {
        while let Some((mut payload, digests)) = self.payload.take() {
            if self.ready.len() > 1 {
                self.payload = Some((payload, digests));
                break;
            }
            self.progress.client_has_the_turn();
            let read = payload.read_some(BATCH).await;
            self.progress.storage_has_the_turn();
            match read {
                Ok(Some(batch)) => {
                    // The client did not cause an error here.
                    let digested = digests.absorb_here(&batch).await;
                    let digests = digested.map_err(|_| self.fail(PayloadError::Source))?;
                    self.ready.extend(batch);
                    self.payload = Some((payload, digests));
                }
                Ok(None) => match payload.check(digests) {
                    Ok(arrived) => self.outcome.set(Ok(arrived)),
                    Err(error) => return Err(self.fail(error)),
                },
                Err(error) => return Err(self.fail(error)),
            }
        }
        Ok(self.ready.pop_front())
    }

    fn fail(&self, error: PayloadError) -> PayloadError {
        self.outcome.set(Err(error));
        error
    }
}

fn trailer_of(algorithm: ChecksumAlgorithm, outcome: &BodyOutcome) -> String {
    let outcome = outcome.0.lock().unwrap_or_else(PoisonError::into_inner);
    let value = match &*outcome {
        Some(Ok(arrived)) => arrived.checksum.as_ref().map(|sum| sum.to_base64()).unwrap_or_default(),
        _ => String::new(),
    };
    format!("0\r\n{}:{value}\r\n\r\n", algorithm.header())
}

fn chunked_length(length: u64, algorithm: ChecksumAlgorithm) -> u64 {
    let framed = |size: u64| format!("{size:x}").len() as u64 + 4 + size;
    let base64 = algorithm.length().div_ceil(3) as u64 * 4;
    let end = 3 + algorithm.header().len() as u64 + 1 + base64 + 4;
    let rest = length % CHUNK;
    length / CHUNK * framed(CHUNK) + if rest > 0 { framed(rest) } else { 0 } + end
}

/// Adds chunk headers between slices of the pieces, without copying bytes.
fn chunked(
    pieces: BoxStream<'static, Result<Bytes, PayloadError>>,
    length: u64,
    end: impl Fn() -> String + Send + 'static,
) -> impl Stream<Item = Result<Bytes, PayloadError>> + Send {
    struct CutState<E> {
        pieces: BoxStream<'static, Result<Bytes, PayloadError>>,
        out: VecDeque<Bytes>,
        left: u64,
        in_chunk: u64,
        end: Option<E>,
    }
    let state = CutState { pieces, out: VecDeque::new(), left: length, in_chunk: 0, end: Some(end) };
    futures_util::stream::try_unfold(state, |mut state| async move {
        loop {
            if let Some(bytes) = state.out.pop_front() {
                return Ok(Some((bytes, state)));
            }
            match state.pieces.next().await.transpose()? {
                Some(mut piece) => {
                    while !piece.is_empty() {
                        if state.in_chunk == 0 {
                            state.in_chunk = state.left.min(CHUNK);
                            state.left -= state.in_chunk;
                            state.out.push_back(format!("{:x}\r\n", state.in_chunk).into());
                        }
                        let taken = piece
                            .split_to(usize::try_from(state.in_chunk).unwrap_or(usize::MAX).min(piece.len()));
                        state.in_chunk -= taken.len() as u64;
                        state.out.push_back(taken);
                        if state.in_chunk == 0 {
                            state.out.push_back(Bytes::from_static(b"\r\n"));
                        }
                    }
                }
                None => match state.end.take() {
                    Some(end) => state.out.push_back(end().into()),
                    None => return Ok(None),
                },
            }
        }
    })
}

/// One stream that is divided among several bodies.
struct Shared {
    frames: BoxStream<'static, Result<Bytes, PayloadError>>,
    rest: Bytes,
}

impl Shared {
    /// Returns a stream of the next `left` bytes.
    fn take(shared: Arc<Mutex<Self>>, mut left: u64) -> BoxStream<'static, Result<Bytes, PayloadError>> {
        let next = move |cx: &mut Context<'_>| {
            if left == 0 {
                return Poll::Ready(None);
            }
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if shared.rest.is_empty() {
                match std::task::ready!(shared.frames.poll_next_unpin(cx)) {
                    Some(Ok(frame)) => shared.rest = frame,
                    other => return Poll::Ready(other),
                }
            }
            let share = usize::try_from(left).unwrap_or(usize::MAX).min(shared.rest.len());
            let frame = shared.rest.split_to(share);
            left -= frame.len() as u64;
            Poll::Ready(Some(Ok(frame)))
        };
        futures_util::stream::poll_fn(next).boxed()
    }
}

impl Outgoing {
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    pub fn full(bytes: Bytes) -> Self {
        Self::Full { bytes: Some(bytes), progress: Arc::default() }
    }

    /// Returns a body of `length` bytes that is verified already but too long for memory. It is sent once.
    pub fn once(frames: BoxStream<'static, Result<Bytes, PayloadError>>, length: u64) -> Self {
        Self::stream(frames, Some(length), Arc::default())
    }

    pub(super) fn stream(
        frames: BoxStream<'static, Result<Bytes, PayloadError>>,
        length: Option<u64>,
        progress: Arc<Progress>,
    ) -> Self {
        Self::Stream(Streaming { frames: Mutex::new(frames), left: length, progress })
    }

    /// Returns the body for the next attempt; `None` if it cannot be sent again.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::Full { bytes, .. } => Some(Self::full(bytes.clone().unwrap_or_default())),
            Self::Stream(_) => None,
        }
    }

    pub(super) fn progress(&self) -> Arc<Progress> {
        match self {
            Self::Full { progress, .. } => progress.clone(),
            Self::Stream(stream) => stream.progress.clone(),
        }
    }

    /// Divides a body into bodies of at most `limit` bytes, to be sent one after the other.
    pub fn cut(self, limit: u64) -> Vec<Self> {
        let total = self.length();
        let lengths = (0..total.div_ceil(limit.max(1))).map(|nth| limit.min(total - nth * limit));
        match self {
            Self::Full { bytes, .. } => {
                let mut rest = bytes.unwrap_or_default();
                lengths
                    .map(|length| Self::full(rest.split_to(usize::try_from(length).unwrap_or(rest.len()))))
                    .collect()
            }
            Self::Stream(Streaming { frames, progress, .. }) => {
                let frames = frames.into_inner().unwrap_or_else(PoisonError::into_inner);
                let shared = Arc::new(Mutex::new(Shared { frames, rest: Bytes::new() }));
                lengths
                    .map(|length| {
                        Self::stream(Shared::take(shared.clone(), length), Some(length), progress.clone())
                    })
                    .collect()
            }
        }
    }

    /// Returns the number of bytes that are sent, or 0 if it is unknown.
    pub fn length(&self) -> u64 {
        self.known_length().unwrap_or(0)
    }

    pub fn known_length(&self) -> Option<u64> {
        match self {
            Self::Full { bytes, .. } => Some(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream(stream) => stream.left,
        }
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = PayloadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PayloadError>>> {
        match self.get_mut() {
            Self::Full { bytes, .. } => Poll::Ready(
                bytes.take().filter(|bytes| !bytes.is_empty()).map(|bytes| Ok(Frame::data(bytes))),
            ),
            Self::Stream(stream) => {
                let frames = stream.frames.get_mut().unwrap_or_else(PoisonError::into_inner);
                let polled = frames.poll_next_unpin(cx);
                if let Poll::Ready(Some(Ok(bytes))) = &polled {
                    stream.left = stream.left.map(|left| left.saturating_sub(bytes.len() as u64));
                    stream.progress.storage_has_the_turn();
                }
                polled.map(|frame| frame.map(|frame| frame.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full { bytes, .. } => bytes.as_ref().is_none_or(Bytes::is_empty),
            // The verification is part of the stream, so the stream has to be polled to its end.
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.known_length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Whether client or storage has to act next in an exchange, and since when.
#[derive(Debug)]
pub struct Progress {
    begun: Instant,
    /// Milliseconds after `begun` since when the storage has had to act; `CLIENT` while the client has to.
    since: AtomicU64,
}

const CLIENT: u64 = u64::MAX;

impl Default for Progress {
    fn default() -> Self {
        Self { begun: Instant::now(), since: AtomicU64::new(0) }
    }
}

impl Progress {
    pub(super) fn client_has_the_turn(&self) {
        self.since.store(CLIENT, Ordering::Relaxed);
    }

    pub(super) fn storage_has_the_turn(&self) {
        self.since.store(self.elapsed(), Ordering::Relaxed);
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(CLIENT - 1)
    }

    /// Completes once the storage has had to act for `limit` without a result.
    pub(super) async fn stalled_for(&self, limit: Duration) {
        self.storage_has_the_turn();
        loop {
            let since = self.since.load(Ordering::Relaxed);
            let waited = Duration::from_millis(self.elapsed().saturating_sub(since));
            if since != CLIENT && waited >= limit {
                return;
            }
            let rest = if since == CLIENT { limit } else { limit - waited };
            tokio::time::sleep(rest.max(Duration::from_millis(1))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::payload::Announced;

    async fn bytes_of(body: Outgoing) -> Vec<u8> {
        use http_body_util::BodyExt;
        body.collect().await.expect("readable").to_bytes().to_vec()
    }

    #[tokio::test]
    async fn pieces_of_a_body_hold_all_of_it_in_order() {
        let whole: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        for limit in [70_000, 100_000, 299_999, 300_000, 1 << 40] {
            let frames: Vec<_> = whole.chunks(7_777).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            let announced = Announced { length: Some(whole.len() as u64), ..Default::default() };
            let payload = Payload::from_stream(futures_util::stream::iter(frames), announced);
            let sent = gather_or_stream(payload, None, true, Framing::Plain).await.expect("arrives");
            let Sent::Streamed { body, outcome, .. } = sent else { panic!("it is long") };
            let mut got = Vec::new();
            for piece in body.cut(limit).into_iter().chain(Outgoing::full(Bytes::new()).cut(limit)) {
                let length = piece.length();
                assert!(length <= limit);
                let bytes = bytes_of(piece).await;
                assert_eq!(bytes.len() as u64, length);
                got.extend(bytes);
            }
            assert!(got == whole, "in pieces of {limit}");
            assert_eq!(
                outcome.take().expect("has ended").map(|arrived| arrived.size),
                Ok(whole.len() as u64)
            );
            let mut full = Vec::new();
            for piece in Outgoing::full(whole.clone().into()).cut(limit) {
                full.extend(bytes_of(piece).await);
            }
            assert!(full == whole);
        }
    }
}
