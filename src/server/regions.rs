//! Parts of files that the kernel sends: on a plain connection of HTTP/1.1 the bytes of a local file go from the
//! page cache to the socket, and never pass through this process.
//!
//! hyper sends buffers. So a region is given to it as a buffer that lies in [`stand_in`], memory that is never
//! read, and [`Sending`], below hyper, knows such a buffer by its address and sends the region instead.
//!
//! Owns the buffers that stand for regions, and the socket that knows them. Does not own which bodies have
//! regions (`store::file_body`), nor which replies may use them (`outgoing`).
//!
//! Invariants:
//! - a buffer that stands for a region is only ever given to the connection whose [`Regions`] made it, in the
//!   order in which they were made: the connection carries one reply at a time;
//! - if such a buffer is gone before its region was sent, or is offered when none is due, the connection breaks: a
//!   client never takes the bytes of the stand-in for those of an object;
//! - a region whose file became shorter breaks the connection, so the reply is never taken for a whole one.

use crate::store::file_body::Region;
use bytes::Bytes;
use rustix::{
    io::Errno,
    net::{SendAncillaryBuffer, SendFlags},
};
use std::{
    collections::VecDeque,
    fmt, io,
    io::IoSlice,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// The largest region that a buffer can stand for.
const LONGEST: usize = 1 << 20;
/// The buffers of one call that come before a region, at most: a head, and small bodies before it.
const BEFORE: usize = 16;

/// Memory of the process that is reserved and never touched, so that it takes none of the machine.
fn stand_in() -> &'static [u8] {
    static MEMORY: OnceLock<Box<[u8]>> = OnceLock::new();
    MEMORY.get_or_init(|| vec![0; LONGEST].into_boxed_slice())
}

fn is_stand_in(buffer: &[u8]) -> bool {
    !buffer.is_empty() && stand_in().as_ptr_range().contains(&buffer.as_ptr())
}

/// The regions that a connection is to send.
#[derive(Debug, Default)]
pub(super) struct Regions {
    due: Mutex<VecDeque<Arc<Due>>>,
    broken: AtomicBool,
}

#[derive(Debug)]
struct Due {
    region: Region,
    sent: AtomicU64,
}

impl Due {
    fn left(&self) -> u64 {
        self.region.span.len().saturating_sub(self.sent.load(Ordering::Relaxed))
    }
}

/// The owner of a buffer that stands for a region.
struct StandIn<W> {
    length: usize,
    due: Arc<Due>,
    regions: Arc<Regions>,
    _with: W,
}

impl<W> AsRef<[u8]> for StandIn<W> {
    fn as_ref(&self) -> &[u8] {
        &stand_in()[..self.length]
    }
}

impl<W> Drop for StandIn<W> {
    fn drop(&mut self) {
        if self.due.left() > 0 {
            self.regions.broken.store(true, Ordering::Relaxed);
        }
    }
}

impl Regions {
    /// A buffer that stands for a region, and counts until it is sent together with `with`. `None`: no buffer
    /// is long enough.
    pub(super) fn buffer(
        self: &Arc<Self>,
        region: Region,
        with: impl Send + Sync + 'static,
    ) -> Option<Bytes> {
        let length =
            usize::try_from(region.span.len()).ok().filter(|length| (1..=LONGEST).contains(length))?;
        let due = Arc::new(Due { region, sent: AtomicU64::new(0) });
        self.due().push_back(due.clone());
        Some(Bytes::from_owner(StandIn { length, due, regions: self.clone(), _with: with }))
    }

    fn due(&self) -> MutexGuard<'_, VecDeque<Arc<Due>>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> io::Result<()> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(io::Error::other("a part of a file was dropped before it was sent")),
            false => Ok(()),
        }
    }

    /// Sends of the first region at most so many bytes.
    fn send(&self, socket: &TcpStream, most: usize) -> io::Result<usize> {
        let mut queue = self.due();
        let Some(due) = queue.front() else {
            self.broken.store(true, Ordering::Relaxed);
            return Err(io::Error::other("no part of a file is due"));
        };
        let (span, sent) = (due.region.span, due.sent.load(Ordering::Relaxed));
        let mut at = span.start + sent;
        let most = most.min(usize::try_from(due.left()).unwrap_or(usize::MAX));
        let taken = rustix::fs::sendfile(socket, &*due.region.file, Some(&mut at), most)?;
        if taken == 0 {
            self.broken.store(true, Ordering::Relaxed);
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a file became shorter while it was sent",
            ));
        }
        due.sent.store(sent + taken as u64, Ordering::Relaxed);
        if due.left() == 0 {
            queue.pop_front();
        }
        Ok(taken)
    }
}

/// A socket that sends regions for the buffers that stand for them.
pub(super) struct Sending {
    socket: TcpStream,
    regions: Arc<Regions>,
}

impl Sending {
    pub(super) fn new(socket: TcpStream, regions: Arc<Regions>) -> Self {
        Self { socket, regions }
    }

    /// Calls once the socket takes something, until it does.
    fn poll_call(
        &self,
        cx: &mut Context<'_>,
        mut call: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_write_ready(cx))?;
            match self.socket.try_io(Interest::WRITABLE, &mut call) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                called => return Poll::Ready(called),
            }
        }
    }

    /// Sends what comes before a region. The kernel keeps a short rest, to send it together with the region.
    fn send_before(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        rustix::net::sendmsg(&self.socket, buffers, &mut SendAncillaryBuffer::default(), flags)
            .map_err(Errno::into)
    }
}

impl AsyncRead for Sending {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Sending {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buffer)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.regions.check()?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        // hyper must not gather small buffers into one of its own: the address of a stand-in tells what it is.
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.regions.check()?;
        match buffers.iter().position(|buffer| is_stand_in(buffer)) {
            None => Pin::new(&mut self.socket).poll_write_vectored(cx, buffers),
            Some(0) => {
                let most = buffers[0].len();
                self.poll_call(cx, || self.regions.send(&self.socket, most))
            }
            Some(first) if buffers[..first].iter().all(|buffer| buffer.is_empty()) => {
                let most = buffers[first].len();
                self.poll_call(cx, || self.regions.send(&self.socket, most))
            }
            Some(first) => self.poll_call(cx, || self.send_before(&buffers[..first.min(BEFORE)])),
        }
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("socket", &self.socket).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;
    use std::{future::poll_fn, io::Write};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    const LENGTH: usize = 300_000;

    struct Bed {
        sending: Sending,
        regions: Arc<Regions>,
        peer: TcpStream,
        region: Region,
        content: Vec<u8>,
    }

    /// A connection, and a region in the middle of a file.
    async fn bed() -> Bed {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let peer =
            TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        let (socket, _) = listener.accept().await.expect("a connection");
        let content: Vec<u8> = (0..LENGTH as u32).map(|at| (at % 251) as u8 + 1).collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"before").and_then(|()| file.write_all(&content)).expect("is written");
        file.write_all(b"after").expect("is written");
        let region = Region { file: Arc::new(file), span: Span { start: 6, end: 6 + LENGTH as u64 } };
        let regions = Arc::<Regions>::default();
        Bed { sending: Sending::new(socket, regions.clone()), regions, peer, region, content }
    }

    /// Writes buffers as hyper does: what was taken is not offered again.
    async fn write(sending: &mut Sending, mut buffers: Vec<Bytes>) -> io::Result<()> {
        while !buffers.is_empty() {
            let slices: Vec<_> = buffers.iter().map(|buffer| IoSlice::new(buffer)).collect();
            let mut taken = poll_fn(|cx| Pin::new(&mut *sending).poll_write_vectored(cx, &slices)).await?;
            while let Some(first) = buffers.first_mut()
                && (taken > 0 || first.is_empty())
            {
                let part = taken.min(first.len());
                bytes::Buf::advance(first, part);
                taken -= part;
                if first.is_empty() {
                    buffers.remove(0);
                }
            }
        }
        sending.flush().await
    }

    #[tokio::test]
    async fn the_bytes_of_the_file_are_sent_in_their_turn() {
        let Bed { mut sending, regions, mut peer, region, content } = bed().await;
        let half = Span { end: region.span.start + 1000, ..region.span };
        let buffers = vec![
            Bytes::from_static(b"head"),
            Bytes::new(),
            regions.buffer(region.clone(), ()).expect("a buffer"),
            regions.buffer(Region { span: half, ..region }, ()).expect("a buffer"),
            Bytes::from_static(b"tail"),
        ];
        let (sent, received) = tokio::join!(
            async {
                let sent = write(&mut sending, buffers).await;
                sending.shutdown().await.expect("ends");
                sent
            },
            async {
                let mut received = Vec::new();
                peer.read_to_end(&mut received).await.expect("comes");
                received
            }
        );
        sent.expect("is sent");
        let expected = [b"head", &content[..], &content[..1000], b"tail"].concat();
        assert!(received == expected, "{} bytes instead of {}", received.len(), expected.len());
        assert!(regions.due().is_empty());
    }

    #[tokio::test]
    async fn a_buffer_that_is_dropped_before_its_region_was_sent_breaks_the_connection() {
        let Bed { mut sending, regions, region, .. } = bed().await;
        drop(regions.buffer(region, ()));
        assert!(write(&mut sending, vec![Bytes::from_static(b"next")]).await.is_err());
    }

    #[tokio::test]
    async fn the_buffer_of_another_connection_is_not_sent() {
        let (Bed { mut sending, .. }, other) = (bed().await, bed().await);
        let buffer = other.regions.buffer(other.region, ()).expect("a buffer");
        assert!(write(&mut sending, vec![buffer]).await.is_err());
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_breaks_the_connection() {
        let Bed { mut sending, regions, region, peer, .. } = bed().await;
        region.file.set_len(10).expect("is truncated");
        let buffer = regions.buffer(region, ()).expect("a buffer");
        let error = write(&mut sending, vec![buffer]).await.expect_err("an error");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(sending.flush().await.is_err(), "and it stays broken");
        drop(peer);
    }

    #[tokio::test]
    async fn a_region_longer_than_any_buffer_is_refused() {
        let Bed { regions, region, .. } = bed().await;
        let span = Span { start: 0, end: LONGEST as u64 + 1 };
        assert!(regions.buffer(Region { span, ..region.clone() }, ()).is_none());
        assert!(regions.buffer(Region { span: Span { start: 0, end: 0 }, ..region }, ()).is_none());
        assert!(regions.due().is_empty());
    }
}
