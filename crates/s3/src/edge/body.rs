//! A request body on the wire as the source of a payload: unframed, with a minimum pace, and in pieces of a
//! useful size.
//!
//! Invariants:
//! - at most one frame of the connection and one small piece are held;
//! - a peer that sends too slowly ends in [`PayloadError::Timeout`]; the server's own processing time never
//!   counts;
//! - when the server stops, a stricter pace applies to every body from then on;
//! - after an error there is only that error.

use super::{chunked::Decoder, reply::Attended};
use crate::{
    model::Checksum,
    store::payload::{BodySource, PayloadError},
};
use bytes::{Bytes, BytesMut};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Pieces below this size are gathered into one of at least this size: a million one-byte chunks must not
/// cost a million buffers.
const PIECE: usize = 4096;

/// The minimum pace of the sender of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The longest silence.
    pub stall: Duration,
    /// Within this much time spent waiting …
    pub window: Duration,
    /// … at least this many bytes must have arrived.
    pub minimum: u64,
}

impl Default for Pace {
    fn default() -> Self {
        // A kilobyte a second: slower than any link that a person would wait on.
        Self { stall: Duration::from_secs(30), window: Duration::from_secs(30), minimum: 30 * 1024 }
    }
}

impl Pace {
    /// The same bytes a second, measured over no more than `longest`.
    pub fn within(self, longest: Duration) -> Self {
        let window = self.window.min(longest);
        let part = window.as_secs_f64() / self.window.as_secs_f64().max(f64::MIN_POSITIVE);
        Self { stall: self.stall.min(longest), window, minimum: (self.minimum as f64 * part) as u64 }
    }
}

/// The minimum pace of the sender of a body, and when a stricter one starts.
#[derive(Debug, Clone, Default)]
pub struct Paces {
    pub usual: Pace,
    /// The pace when the server stops.
    pub last: Pace,
    pub stop: CancellationToken,
}

pub(super) struct WireBody<B> {
    body: B,
    /// Absent if the body is the object's bytes as they are.
    decoder: Option<Decoder>,
    /// Received, not yet decoded.
    frame: Bytes,
    /// Decoded, not yet given out because it would have been small.
    small: BytesMut,
    /// Decoded, next to be given out.
    piece: Bytes,
    clock: Clock,
    attended: Option<Attended>,
    outcome: Option<Result<(), PayloadError>>,
}

impl<B> WireBody<B> {
    pub(super) fn new(body: B, decoder: Option<Decoder>, paces: Paces, attended: Option<Attended>) -> Self {
        let clock = Clock::new(paces);
        Self {
            body,
            decoder,
            frame: Bytes::new(),
            small: BytesMut::new(),
            piece: Bytes::new(),
            clock,
            attended,
            outcome: None,
        }
    }
}

impl<B> WireBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    /// The next decoded bytes, however few.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        loop {
            if !self.frame.is_empty() {
                let Some(decoder) = &mut self.decoder else {
                    return Poll::Ready(Some(Ok(std::mem::take(&mut self.frame))));
                };
                match decoder.decode(&mut self.frame) {
                    Ok(Some(piece)) => return Poll::Ready(Some(Ok(piece))),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {
                    ready!(self.clock.poll_expired(cx));
                    return Poll::Ready(Some(Err(PayloadError::Timeout)));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        if !self.clock.received(data.len()) {
                            return Poll::Ready(Some(Err(PayloadError::Timeout)));
                        }
                        self.frame = data;
                    }
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(PayloadError::Disconnected))),
                Poll::Ready(None) => {
                    let end = self.decoder.as_ref().map_or(Ok(()), Decoder::finish);
                    return Poll::Ready(end.err().map(Err));
                }
            }
        }
    }
}

impl<B> BodySource for WireBody<B>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin,
{
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let this = self.get_mut();
        if let Some(attended) = this.attended.take() {
            attended.set();
        }
        loop {
            if this.small.is_empty() && this.piece.len() >= PIECE {
                return Poll::Ready(Some(Ok(std::mem::take(&mut this.piece))));
            }
            let more = this.piece.len().min(PIECE - this.small.len());
            this.small.extend_from_slice(&this.piece.split_to(more));
            if this.small.len() == PIECE {
                return Poll::Ready(Some(Ok(this.small.split().freeze())));
            }
            match this.outcome {
                None => match ready!(this.poll_piece(cx)) {
                    Some(Ok(piece)) => this.piece = piece,
                    Some(Err(error)) => this.outcome = Some(Err(error)),
                    None => this.outcome = Some(Ok(())),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(())) if this.small.is_empty() => return Poll::Ready(None),
                Some(Ok(())) => return Poll::Ready(Some(Ok(this.small.split().freeze()))),
            }
        }
    }

    fn trailing_checksum(&self) -> Option<Checksum> {
        self.decoder.as_ref()?.checksum().cloned()
    }
}

/// Measures the time spent waiting for the peer, and the bytes received in it.
struct Clock {
    pace: Pace,
    /// The pace when the server stops, until it does.
    last: Option<(CancellationToken, Pace)>,
    stopped: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    waiting_since: Option<Instant>,
    /// Within the current window.
    waited: Duration,
    received: u64,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    fn new(Paces { usual, last, stop }: Paces) -> Self {
        let last = Some((stop, last));
        Self {
            pace: usual,
            last,
            stopped: None,
            waiting_since: None,
            waited: Duration::ZERO,
            received: 0,
            alarm: None,
        }
    }

    /// Changes to the last pace when the server stops. The window starts again then.
    fn poll_stop(&mut self, cx: &mut Context<'_>) {
        let Some((stop, pace)) = &self.last else { return };
        let stopped = self.stopped.get_or_insert_with(|| Box::pin(stop.clone().cancelled_owned()));
        if stopped.as_mut().poll(cx).is_ready() {
            self.pace = *pace;
            (self.last, self.stopped) = (None, None);
            (self.waiting_since, self.waited, self.received) = (None, Duration::ZERO, 0);
        }
    }

    /// Whether the peer may go on, having sent so much.
    fn received(&mut self, bytes: usize) -> bool {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
        self.received += bytes as u64;
        if self.waited < self.pace.window {
            return true;
        }
        let enough = self.received >= self.pace.minimum;
        (self.waited, self.received) = (Duration::ZERO, 0);
        enough
    }

    /// Pending while the peer may stay silent. The alarm is moved only when it goes off, not with every
    /// frame.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_stop(cx);
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        loop {
            // Without so much by the end of the window, the window has failed already.
            let left_of_window = self.pace.window.saturating_sub(self.waited);
            let window = if self.received < self.pace.minimum { left_of_window } else { self.pace.stall };
            let deadline = since + self.pace.stall.min(window);
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if alarm.deadline() > deadline {
                alarm.as_mut().reset(deadline);
            }
            ready!(alarm.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
    }
}
