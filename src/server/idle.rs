//! A connection that notices when its peer does nothing.
//!
//! - Between requests, a peer may be silent for `idle`; the head of a request, once begun, must be whole within `head`.
//! - During a request we owe the next step, or the edge waits for the body and keeps its own time: reads are not timed.
//! - A peer that does not take what we write for `idle` is gone, whenever.
//!
//! One timer per connection, moved only when it goes off: a request costs no timer.

use hyper::rt::{Read, ReadBufCursor, Write};
use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) idle: Duration,
    pub(super) head: Duration,
}

/// What requests tell their connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    in_work: AtomicU32,
    ended: AtomicU32,
    /// Reads between requests may be upkeep of the connection, not the head of a request.
    multiplexed: AtomicBool,
}

/// A request in work, until dropped.
#[derive(Debug)]
pub(super) struct InWork(Arc<Activity>);

impl Activity {
    pub(super) fn begin(self: &Arc<Self>, multiplexed: bool) -> InWork {
        self.in_work.fetch_add(1, Ordering::Relaxed);
        if multiplexed {
            self.multiplexed.store(true, Ordering::Relaxed);
        }
        InWork(self.clone())
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
        self.0.in_work.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub(super) struct Watched<I> {
    io: I,
    activity: Arc<Activity>,
    patience: Patience,
    /// How many requests had ended when this silence began.
    silence: u32,
    silent_since: Instant,
    /// How many requests had ended when something was last read.
    heard: Option<u32>,
    head_since: Option<Instant>,
    stalled_since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl<I> Watched<I> {
    pub(super) fn new(io: I, activity: Arc<Activity>, patience: Patience) -> Self {
        let silent_since = Instant::now();
        Self { io, activity, patience, silence: 0, silent_since, heard: None, head_since: None, stalled_since: None, alarm: None }
    }

    fn expired(&mut self, cx: &mut Context<'_>, deadline: Instant) -> bool {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return true;
            }
            alarm.as_mut().reset(deadline);
        }
        false
    }

    fn read<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.heard = Some(self.activity.ended.load(Ordering::Relaxed));
            return polled;
        }
        if self.activity.in_work.load(Ordering::Relaxed) > 0 {
            return Poll::Pending;
        }
        let ended = self.activity.ended.load(Ordering::Relaxed);
        if self.silence != ended {
            (self.silence, self.silent_since, self.head_since) = (ended, Instant::now(), None);
        }
        if self.heard == Some(ended) && !self.activity.multiplexed.load(Ordering::Relaxed) {
            self.head_since.get_or_insert_with(Instant::now);
        }
        let deadline = match self.head_since {
            Some(since) => since + self.patience.head,
            None => self.silent_since + self.patience.idle,
        };
        if self.expired(cx, deadline) { Poll::Ready(Err(timed_out("the peer was silent"))) } else { Poll::Pending }
    }

    fn write<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled_since = None;
            return polled;
        }
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        if self.expired(cx, since + self.patience.idle) { Poll::Ready(Err(timed_out("the peer took nothing"))) } else { Poll::Pending }
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<I: Read + Unpin> Read for Watched<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        self.read(cx, polled)
    }
}

impl<I: Write + Unpin> Write for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        self.write(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        self.write(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(cx);
        self.write(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.write(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(100);

    fn watched(patience: Patience) -> (TokioIo<Watched<TokioIo<DuplexStream>>>, DuplexStream, Arc<Activity>) {
        let (ours, theirs) = tokio::io::duplex(16);
        let activity = Arc::<Activity>::default();
        (TokioIo::new(Watched::new(TokioIo::new(ours), activity.clone(), patience)), theirs, activity)
    }

    /// How long reading takes to fail.
    async fn silence(io: &mut (impl AsyncReadExt + Unpin)) -> Duration {
        let begun = Instant::now();
        let error = io.read_u8().await.expect_err("silence");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        begun.elapsed()
    }

    #[tokio::test]
    async fn a_silent_peer_is_given_up_after_the_idle_time() {
        let (mut io, _peer, _) = watched(Patience { idle: SHORT, head: LONG });
        assert!(silence(&mut io).await >= SHORT);
    }

    #[tokio::test]
    async fn the_head_of_a_request_has_its_own_time_however_often_a_byte_comes() {
        let (mut io, mut peer, _) = watched(Patience { idle: LONG, head: SHORT });
        let drip = async {
            while peer.write_all(b"G").await.is_ok() {
                tokio::time::sleep(SHORT / 5).await;
            }
        };
        let begun = Instant::now();
        let gather = async { while io.read_u8().await.is_ok() {} };
        tokio::select! { () = gather => {}, () = drip => panic!("the peer gave up first") }
        assert!(begun.elapsed() >= SHORT);
    }

    #[tokio::test]
    async fn time_of_a_request_in_work_does_not_count() {
        let (mut io, mut peer, activity) = watched(Patience { idle: SHORT, head: SHORT });
        peer.write_all(b"G").await.expect("room");
        io.read_u8().await.expect("the head");
        let work = activity.begin(false);
        assert!(tokio::time::timeout(SHORT * 5, io.read_u8()).await.is_err(), "a read ended");
        drop(work);
        assert!(silence(&mut io).await >= SHORT);
    }

    #[tokio::test]
    async fn the_silence_after_a_request_is_not_the_head_of_the_next() {
        let (mut io, mut peer, activity) = watched(Patience { idle: SHORT * 5, head: SHORT });
        peer.write_all(b"G").await.expect("room");
        io.read_u8().await.expect("the head");
        drop(activity.begin(false));
        assert!(silence(&mut io).await >= SHORT * 5);
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_given_up_even_during_a_request() {
        let (mut io, _peer, activity) = watched(Patience { idle: SHORT, head: LONG });
        let _work = activity.begin(false);
        let error = io.write_all(&[0; 64]).await.expect_err("a full pipe");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
