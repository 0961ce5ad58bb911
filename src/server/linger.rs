//! The end of a connection whose client is still sending.
//!
//! A request may be answered before its body was read. If the socket is closed then, the system answers
//! further data with a reset, and the reset overtakes the reply: the client sees a broken connection instead
//! of a 503. So our side of the connection ends first; further data is read and discarded until the client
//! ends its side.
//!
//! Owns how long that lasts, and how much is read. Does not own when a reply comes early:
//! [`Activity::leaves_unread`].
//!
//! Invariants: a connection without an early reply is closed at once; a client that continues to send, or
//! does nothing, costs no more than [`LONGEST`], [`SILENCE`] and [`MOST`] allow; a client that sent more than
//! is read has as long as a silent one to find the reply.

use super::idle::Activity;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

const LONGEST: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(3);
/// Clients that read no reply before they have sent their whole body send parts of this size at most, in
/// practice.
const MOST: u64 = 64 << 20;
const PIECE: usize = 16 << 10;

/// The byte stream of a connection; its shutdown waits for the client if a reply came early.
#[derive(Debug)]
pub(super) struct Lingering<I> {
    io: I,
    activity: Arc<Activity>,
    drain: Option<Drain>,
}

#[derive(Debug)]
struct Drain {
    deadline: Instant,
    alarm: Pin<Box<Sleep>>,
    read: u64,
    buffer: Box<[u8]>,
}

impl<I> Lingering<I> {
    pub(super) fn new(io: I, activity: Arc<Activity>) -> Self {
        Self { io, activity, drain: None }
    }
}

impl Drain {
    fn begin() -> Self {
        let now = Instant::now();
        let alarm = Box::pin(tokio::time::sleep_until(now + SILENCE));
        Self { deadline: now + LONGEST, alarm, read: 0, buffer: vec![0; PIECE].into() }
    }

    /// Resolves when there is nothing more to wait for.
    fn poll(&mut self, io: &mut (impl Read + Unpin), cx: &mut Context<'_>) -> Poll<()> {
        while self.read < MOST {
            let mut buffer = ReadBuf::new(&mut self.buffer);
            let polled = Pin::new(&mut *io).poll_read(cx, buffer.unfilled());
            let read = buffer.filled().len();
            match polled {
                Poll::Ready(Ok(())) if read > 0 => {
                    self.read += read as u64;
                    let now = Instant::now();
                    if now >= self.deadline {
                        return Poll::Ready(());
                    }
                    self.alarm.as_mut().reset(self.deadline.min(now + SILENCE));
                }
                // The client has ended its side, or the connection is gone anyway.
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.alarm.as_mut().poll(cx),
            }
        }
        // The rest stays unread: if the connection were closed now, it would be reset under a client that
        // reads while it sends.
        self.alarm.as_mut().poll(cx)
    }
}

impl<I: Read + Unpin> Read for Lingering<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: Read + Write + Unpin> Write for Lingering<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, activity, drain } = &mut *self;
        if drain.is_none() {
            let ended = ready!(Pin::new(&mut *io).poll_shutdown(cx));
            if ended.is_err() || !activity.has_left_unread() {
                return Poll::Ready(ended);
            }
        }
        ready!(drain.get_or_insert_with(Drain::begin).poll(io, cx));
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper_util::rt::TokioIo;
    use std::{future::poll_fn, pin::pin};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    fn connection(unread: bool) -> (Lingering<TokioIo<DuplexStream>>, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1024);
        let activity = Activity::begin();
        if unread {
            activity.leaves_unread();
        }
        (Lingering::new(TokioIo::new(ours), activity), theirs)
    }

    async fn shutdown(io: &mut Lingering<TokioIo<DuplexStream>>) {
        poll_fn(|cx| Pin::new(&mut *io).poll_shutdown(cx)).await.expect("an orderly end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_owes_nothing_is_closed_at_once() {
        let (mut io, _peer) = connection(false);
        let begun = Instant::now();
        shutdown(&mut io).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_still_sends_is_heard_until_it_ends() {
        let (mut io, mut peer) = connection(true);
        let mut ending = pin!(shutdown(&mut io));
        let client = async {
            assert_eq!(peer.read(&mut [0; 8]).await.expect("an end"), 0, "our side has ended first");
            for _ in 0..100 {
                peer.write_all(&[0; 1024]).await.expect("is taken");
            }
            drop(peer);
        };
        let begun = Instant::now();
        tokio::join!(client, ending.as_mut());
        assert_eq!(begun.elapsed(), Duration::ZERO, "nobody waited for a time to pass");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_nothing_is_left_after_a_while() {
        let (mut io, _peer) = connection(true);
        let begun = Instant::now();
        shutdown(&mut io).await;
        assert!(begun.elapsed() >= SILENCE && begun.elapsed() < LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_ends_is_left_too() {
        let (mut io, mut peer) = connection(true);
        let client = async {
            while peer.write_all(&[0; 16]).await.is_ok() {
                tokio::time::sleep(SILENCE / 2).await;
            }
        };
        let begun = Instant::now();
        let ending = async {
            shutdown(&mut io).await;
            drop(io);
        };
        tokio::join!(client, ending);
        assert!(begun.elapsed() >= LONGEST && begun.elapsed() < LONGEST + SILENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_without_end_is_read_no_longer_and_has_time_to_find_the_reply() {
        let (mut io, mut peer) = connection(true);
        let client = async {
            let mut taken = 0;
            while let Ok(written) = tokio::time::timeout(SILENCE / 2, peer.write(&[0; 1024])).await {
                taken += written.expect("the connection is there") as u64;
            }
            assert_eq!(peer.read(&mut [0; 8]).await.expect("an end"), 0, "our side has ended, in good order");
            taken
        };
        let begun = Instant::now();
        let (taken, ()) = tokio::join!(client, shutdown(&mut io));
        assert!((MOST..MOST + (64 << 10)).contains(&taken), "{taken}");
        assert_eq!(begun.elapsed(), SILENCE);
    }
}
