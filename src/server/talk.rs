//! The conversation on one connection: HTTP/1.1 or HTTP/2, as the first bytes say, and nothing while the client has
//! nothing to ask.
//!
//! hyper keeps buffers of 16 KiB and more for each connection of HTTP/1.1, as long as it lives. Most connections of
//! a pool are idle, so the buffers of one that has been idle for a while are given back: it waits for the next byte
//! as a connection does that has asked nothing yet.
//!
//! Invariants: no byte is lost or read twice when a connection goes to rest or wakes up; a connection rests only
//! while no request is in work, none has begun to arrive, and all that was written is sent; a connection of HTTP/2
//! never rests, because its streams have windows and settings.

use super::{handler::Handler, permit::Line, record::Recorded, streams::Streams};
use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::{
    body::Incoming,
    rt::{Read, ReadBuf, ReadBufCursor, Write},
    server::conn::{http1, http2},
    service::Service,
};
use std::{
    error::Error,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// What a client of HTTP/2 sends first (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How both protocols are spoken.
#[derive(Debug)]
pub(super) struct Protocols {
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<Streams>,
}

/// Answers the requests of a connection.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) handler: Arc<Handler>,
    /// Each request shares it: to copy what it holds costs as much as a system call.
    pub(super) line: Arc<Line>,
}

impl Service<Request<Incoming>> for Calls {
    type Response = Response<Recorded>;
    type Error = h2::Error;
    /// Boxed: hyper keeps the place of a request for as long as the connection lives.
    type Future = BoxFuture<'static, Result<Self::Response, h2::Error>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Self { handler, line } = self.clone();
        Box::pin(async move { handler.answer(request, &line).await })
    }
}

pub(super) struct Talk<I: Read + Write + Unpin> {
    protocols: Arc<Protocols>,
    calls: Calls,
    state: State<I>,
}

enum State<I: Read + Write + Unpin> {
    /// The client has not begun to ask.
    Waiting(Waiting<I>),
    Http1(Box<http1::Connection<Rewound<I>, Calls>>),
    Http2(Pin<Box<http2::Connection<Rewound<I>, Calls, Streams>>>),
    Closing(I),
    Ended,
}

struct Waiting<I> {
    io: I,
    first: [u8; PREFACE.len()],
    filled: usize,
    /// It is known already that the client speaks HTTP/1.1.
    is_http1: bool,
}

impl<I> Waiting<I> {
    fn new(io: I, is_http1: bool) -> Self {
        Self { io, first: [0; PREFACE.len()], filled: 0, is_http1 }
    }

    /// The connection with the bytes that were read of it.
    fn rewound(self) -> Rewound<I> {
        Rewound { first: Bytes::copy_from_slice(&self.first[..self.filled]), io: self.io }
    }
}

impl<I: Read + Unpin> Waiting<I> {
    /// Resolves when the protocol is known: whether it is HTTP/2.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.filled < PREFACE.len() {
            let mut buffer = ReadBuf::new(&mut self.first[self.filled..]);
            ready!(Pin::new(&mut self.io).poll_read(cx, buffer.unfilled()))?;
            let read = buffer.filled().len();
            self.filled += read;
            // The end of the connection is hyper's to see.
            if read == 0 || self.is_http1 || self.first[..self.filled] != PREFACE[..self.filled] {
                return Poll::Ready(Ok(false));
            }
        }
        Poll::Ready(Ok(true))
    }
}

impl<I: Read + Write + Unpin + Send + 'static> Talk<I> {
    pub(super) fn new(protocols: Arc<Protocols>, calls: Calls, io: I) -> Self {
        Self { protocols, calls, state: State::Waiting(Waiting::new(io, false)) }
    }

    /// Resolves when the connection has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Box<dyn Error + Send + Sync>>> {
        loop {
            match &mut self.state {
                State::Waiting(waiting) => {
                    let is_http2 = ready!(waiting.poll(cx))?;
                    self.begin(is_http2);
                }
                State::Http1(connection) => return Pin::new(&mut **connection).poll(cx).map_err(Into::into),
                State::Http2(connection) => return connection.as_mut().poll(cx).map_err(Into::into),
                State::Closing(io) => return Pin::new(io).poll_shutdown(cx).map_err(Into::into),
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    fn begin(&mut self, is_http2: bool) {
        self.state = match mem::replace(&mut self.state, State::Ended) {
            State::Waiting(waiting) if is_http2 => {
                let mut builder = self.protocols.http2.clone();
                builder.max_concurrent_streams(self.calls.line.peer.streams_of_a_connection());
                State::Http2(Box::pin(builder.serve_connection(waiting.rewound(), self.calls.clone())))
            }
            State::Waiting(waiting) => State::Http1(self.http1(waiting.rewound())),
            other => other,
        };
    }

    fn http1(&self, io: Rewound<I>) -> Box<http1::Connection<Rewound<I>, Calls>> {
        Box::new(self.protocols.http1.serve_connection(io, self.calls.clone()))
    }

    /// Ends the connection after the requests in progress.
    pub(super) fn graceful_shutdown(&mut self) {
        match &mut self.state {
            State::Waiting(_) => {
                if let State::Waiting(waiting) = mem::replace(&mut self.state, State::Ended) {
                    self.state = State::Closing(waiting.io);
                }
            }
            State::Http1(connection) => Pin::new(&mut **connection).graceful_shutdown(),
            State::Http2(connection) => connection.as_mut().graceful_shutdown(),
            State::Closing(_) | State::Ended => {}
        }
    }

    /// Whether there are buffers that a rest would give back.
    pub(super) fn may_rest(&self) -> bool {
        matches!(self.state, State::Http1(_))
    }

    /// Gives the buffers back. The caller knows that the connection carries nothing: see the head of this module.
    pub(super) fn rest(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Ended) {
            State::Http1(connection) => {
                let http1::Parts { io, read_buf, .. } = connection.into_parts();
                match (read_buf.is_empty(), io.first.is_empty()) {
                    (true, true) => State::Waiting(Waiting::new(io.io, true)),
                    (true, false) => State::Http1(self.http1(io)),
                    (false, _) => State::Http1(self.http1(Rewound { first: read_buf, io: io.io })),
                }
            }
            other => other,
        };
    }
}

/// A connection whose first bytes were read already.
struct Rewound<I> {
    first: Bytes,
    io: I,
}

impl<I: Read + Unpin> Read for Rewound<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let taken = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first[..taken]);
        self.first.advance(taken);
        if self.first.is_empty() {
            self.first = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Write + Unpin> Write for Rewound<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
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
