//! Whether a reply on an HTTP/2 stream makes progress: the socket does not show a window that the client
//! keeps closed.
//!
//! Owns when part of the reply was last taken, and what the reply holds meanwhile. Does not own how long that
//! may last ([`Patience`], `relief`).
//!
//! Invariant: time counts only while the transport has part of the reply, never while it waits for the
//! server.
//!
//! [`Patience`]: super::idle::Patience

use super::holding::Holding;
use bytes::Bytes;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<ProgressState>,
    /// Ends the stream.
    stream: CancellationToken,
}

#[derive(Debug, Default)]
struct ProgressState {
    /// When part of the reply was last offered or taken, while there is something to take.
    since: Option<Instant>,
    /// Pieces that the transport has not sent yet.
    unsent: usize,
    /// The transport waits for the server.
    asked: bool,
    given_up: Option<Instant>,
    /// What others get if the reply is ended.
    holding: Option<Holding>,
    waker: Option<Waker>,
}

impl Progress {
    pub(super) fn new(stream: CancellationToken) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), stream })
    }

    /// Notes that the head of the reply, or only its end, was offered.
    pub(super) fn offered(&self) {
        let mut state = self.state();
        (state.since, state.asked) = (Some(Instant::now()), false);
    }

    /// A piece of the reply, which counts until the transport drops it together with `with`.
    pub(super) fn piece(self: &Arc<Self>, bytes: Bytes, with: impl Send + Sync + 'static) -> Bytes {
        let mut state = self.state();
        (state.since, state.asked) = (Some(Instant::now()), false);
        state.unsent += 1;
        Bytes::from_owner(Piece { bytes, progress: self.clone(), _with: with })
    }

    /// The transport asked for more, and has to wait.
    pub(super) fn asked(&self) {
        let mut state = self.state();
        state.asked = true;
        if state.unsent == 0 {
            state.since = None;
        }
    }

    /// Resolves when all pieces are sent.
    pub(super) fn poll_sent(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.unsent == 0 {
            return Poll::Ready(());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Since when nothing was taken.
    pub(super) fn still_since(&self) -> Option<Instant> {
        self.state().since
    }

    pub(super) fn holds(&self, holding: Option<Holding>) {
        self.state().holding = holding;
    }

    /// Since when nothing was taken, and what is held all the same.
    pub(super) fn still(&self) -> Option<(Instant, Holding)> {
        let state = self.state();
        if state.given_up.is_some() { None } else { Some((state.since?, state.holding.clone()?)) }
    }

    /// Ends the stream, and returns when that was first tried: data that HTTP/2 has queued does not disappear
    /// with the stream.
    pub(super) fn give_up(&self) -> Instant {
        let first = *self.state().given_up.get_or_insert_with(Instant::now);
        self.stream.cancel();
        first
    }

    fn state(&self) -> MutexGuard<'_, ProgressState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Piece<W> {
    bytes: Bytes,
    progress: Arc<Progress>,
    _with: W,
}

impl<W> AsRef<[u8]> for Piece<W> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<W> Drop for Piece<W> {
    fn drop(&mut self) {
        let mut state = self.progress.state();
        state.unsent -= 1;
        state.since = (state.unsent > 0 || !state.asked).then(Instant::now);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, future::poll_fn};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn still(progress: &Progress) -> Option<Duration> {
        progress.still_since().map(|since| since.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn time_counts_only_while_there_is_something_to_take() {
        let progress = Progress::new(CancellationToken::new());
        assert_eq!(still(&progress), None, "no reply yet");
        progress.offered();
        tokio::time::advance(SECOND).await;
        assert_eq!(still(&progress), Some(SECOND), "the head");
        progress.asked();
        assert_eq!(still(&progress), None, "our turn");
        let pieces =
            [progress.piece(Bytes::from_static(b"a"), ()), progress.piece(Bytes::from_static(b"b"), ())];
        tokio::time::advance(SECOND).await;
        progress.asked();
        assert_eq!(still(&progress), Some(SECOND), "our turn, but there are pieces to be taken");
        let [first, second] = pieces;
        drop(first);
        assert_eq!(still(&progress), Some(Duration::ZERO));
        drop(second);
        assert_eq!(still(&progress), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_is_sent_when_its_last_piece_is() {
        let progress = Progress::new(CancellationToken::new());
        let piece = progress.piece(Bytes::from_static(b"a"), ());
        let slice = piece.slice(..1);
        drop(piece);
        let mut sent = Box::pin(poll_fn(|cx| progress.poll_sent(cx)));
        assert!(sent.as_mut().now_or_never().is_none());
        let waiting = tokio::spawn({
            let progress = progress.clone();
            async move { poll_fn(|cx| progress.poll_sent(cx)).await }
        });
        tokio::task::yield_now().await;
        drop(slice);
        waiting.await.expect("woken");
    }
}
