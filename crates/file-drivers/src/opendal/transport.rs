//! HTTP for OpenDAL's drivers, by the gateway's own client: bounded, with time limits, and observed. One
//! transport serves one operation and remembers its replies, because OpenDAL's errors report too little of
//! them, and its readers report nothing.
//!
//! Invariants:
//! - a request with a body is sent once; the caller, which knows the operation, decides whether it may be
//!   sent again;
//! - a body may come from the spool: OpenDAL gets a short text in its place, which is replaced here;
//! - credentials are not sent to another host after a redirect.

use super::{hosts::Hosts, mend::Mend, pace::Pace, spool::Spooled};
use crate::{
    backend::wire::{Again, Outgoing, Reply, Unsigned, Wire},
    store::{
        error::{StoreError, StoreErrorKind},
        payload::PayloadError,
    },
};
use ::opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, Result};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header, request::Parts};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

/// The longest reply that is read as a whole: errors, and replies that are corrected.
const SHORT: usize = 16 << 20;
/// The number of bytes of an error reply that are remembered.
const EXCERPT: usize = 400;
const REDIRECTS: usize = 5;

/// The context that all operations on a backend share.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) wire: Arc<Wire>,
    pub(super) hosts: Hosts,
    pub(super) pace: Pace,
    pub(super) mend: Mend,
}

/// A file in the spool, and the text that it replaces.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) file: Arc<Spooled>,
    pub(super) stand_in: Bytes,
}

/// The last reply.
#[derive(Debug, Default)]
pub(super) struct LastReply {
    /// The status of the last reply, if there was one.
    pub(super) status: Option<StatusCode>,
    /// The beginning of an error reply.
    pub(super) excerpt: String,
    /// The kind of the error, if there was no reply.
    pub(super) lost: Option<StoreErrorKind>,
    /// The headers of the last successful reply.
    pub(super) headers: HeaderMap,
}

#[derive(Debug, Clone)]
pub(super) struct Transport {
    line: Arc<Line>,
    upload: Option<Upload>,
    seen: Arc<Mutex<LastReply>>,
}

impl Transport {
    pub(super) fn new(line: Arc<Line>, upload: Option<Upload>) -> Self {
        Self { line, upload, seen: Arc::default() }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, LastReply> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_succeeded(&self) -> bool {
        self.seen().status.is_some_and(|status| status.is_success())
    }

    fn outgoing(&self, body: &Buffer) -> Outgoing {
        let pieces: Vec<Bytes> = Iterator::collect(body.clone());
        let length = body.len() as u64;
        let Some(upload) = &self.upload else { return once(pieces, length) };
        let whole = if pieces.len() == 1 { pieces[0].clone() } else { body.to_bytes() };
        let stand_in = &upload.stand_in;
        let Some(at) = whole.windows(stand_in.len()).position(|window| window == stand_in) else {
            return once(pieces, length);
        };
        let around =
            [whole.slice(..at), whole.slice(at + stand_in.len()..)].map(|piece| stream::iter([Ok(piece)]));
        let [before, behind] = around;
        let frames = before.chain(upload.file.frames()).chain(behind).filter(|frame| {
            let keep = !matches!(frame, Ok(bytes) if bytes.is_empty());
            std::future::ready(keep)
        });
        Outgoing::once(frames.boxed(), length - stand_in.len() as u64 + upload.file.size())
    }

    async fn send(&self, mut parts: Parts, body: &Buffer) -> Result<Reply> {
        let again = if matches!(parts.method, Method::GET | Method::HEAD) {
            Again::Harmless
        } else {
            Again::OnlyIfRefused
        };
        for _ in 0..REDIRECTS {
            self.line.pace.wait().await;
            let outgoing = if body.is_empty() && self.upload.is_none() {
                Outgoing::empty()
            } else {
                self.outgoing(body)
            };
            let head = self.head(&parts, outgoing.length())?;
            let sent = self.line.wire.send(&Unsigned, head, outgoing, again).await;
            let reply = sent.map_err(|error| self.lost(error))?;
            let Some(next) = redirect(&parts, &reply) else { return Ok(reply) };
            if next.authority() != parts.uri.authority() {
                [header::AUTHORIZATION, header::COOKIE, header::HOST]
                    .iter()
                    .for_each(|name| drop(parts.headers.remove(name)));
            }
            parts.uri = next;
        }
        Err(Error::new(ErrorKind::Unexpected, "the storage sends from one address to another"))
    }

    /// Returns the head with the address to connect to.
    fn head(&self, parts: &Parts, length: u64) -> Result<Parts> {
        let mut head = Request::new(()).into_parts().0;
        head.method = parts.method.clone();
        head.headers = parts.headers.clone();
        if !head.headers.contains_key(header::HOST)
            && let Some(host) =
                parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
        {
            head.headers.insert(header::HOST, host);
        }
        if head.headers.contains_key(header::CONTENT_LENGTH)
            || length > 0
            || matches!(head.method, Method::PUT | Method::POST)
        {
            head.headers.insert(header::CONTENT_LENGTH, length.into());
        }
        head.uri = self
            .line
            .hosts
            .direct(&parts.uri)
            .ok_or_else(|| Error::new(ErrorKind::Unexpected, "this is no URL"))?;
        Ok(head)
    }

    fn lost(&self, error: StoreError) -> Error {
        let mut seen = self.seen();
        seen.lost = Some(error.kind());
        seen.status = None;
        seen.excerpt = error.to_string();
        let lost = Error::new(ErrorKind::Unexpected, "there was no answer");
        if error.is_temporary() { lost.set_temporary() } else { lost }
    }

    async fn whole(&self, reply: Reply) -> Result<Bytes> {
        reply.bytes(SHORT).await.map_err(|error| self.lost(error))
    }
}

fn once(pieces: Vec<Bytes>, length: u64) -> Outgoing {
    Outgoing::once(stream::iter(pieces.into_iter().map(Ok::<_, PayloadError>)).boxed(), length)
}

/// Returns the target of a redirect. Only requests without a body are redirected, which is enough for these
/// services.
fn redirect(parts: &Parts, reply: &Reply) -> Option<Uri> {
    if !matches!(reply.status.as_u16(), 301 | 302 | 303 | 307 | 308)
        || !matches!(parts.method, Method::GET | Method::HEAD)
    {
        return None;
    }
    let location: Uri = reply.header("location")?.parse().ok()?;
    if location.authority().is_some() {
        return Some(location);
    }
    let mut whole = location.into_parts();
    whole.scheme = parts.uri.scheme().cloned();
    whole.authority = parts.uri.authority().cloned();
    Uri::from_parts(whole).ok()
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        let (mut parts, body) = request.into_parts();
        let body = self.line.mend.request(&mut parts, body);
        let reply = self.send(parts.clone(), &body).await?;
        let (status, headers) = (reply.status, reply.headers.clone());
        let respond = |body: HttpBody, headers: HeaderMap| {
            let mut response = Response::new(body);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            response
        };
        if status.is_client_error() || status.is_server_error() {
            let text = if parts.method == Method::HEAD { Bytes::new() } else { self.whole(reply).await? };
            let mut seen = self.seen();
            (seen.status, seen.lost) = (Some(status), None);
            seen.excerpt = String::from_utf8_lossy(&text[..text.len().min(EXCERPT)]).into_owned();
            return Ok(respond(full(text), headers));
        }
        {
            let mut seen = self.seen();
            (seen.status, seen.lost) = (Some(status), None);
            seen.headers.clone_from(&headers);
        }
        if parts.method == Method::HEAD {
            return Ok(respond(full(Bytes::new()), headers));
        }
        if self.line.mend.wants_reply(&parts) {
            let text = self.line.mend.reply(&parts, self.whole(reply).await?);
            let mut headers = headers;
            headers.remove(header::CONTENT_LENGTH);
            return Ok(respond(full(text), headers));
        }
        let size =
            reply.number(header::CONTENT_LENGTH).filter(|_| !headers.contains_key(header::CONTENT_ENCODING));
        let watched = self.clone();
        let frames = stream::unfold(Some((reply, watched)), |state| async move {
            let (mut reply, watched) = state?;
            match reply.frame().await {
                Ok(Some(bytes)) => Some((Ok(Buffer::from(bytes)), Some((reply, watched)))),
                Ok(None) => None,
                Err(error) => Some((Err(watched.lost(error)), None)),
            }
        });
        Ok(respond(HttpBody::new(Lone(Mutex::new(Box::pin(frames))), size), headers))
    }
}

fn full(bytes: Bytes) -> HttpBody {
    let size = bytes.len() as u64;
    HttpBody::new(stream::iter([Ok(Buffer::from(bytes))]), Some(size))
}

/// Makes a stream `Sync`, as OpenDAL requires. The mutex is never contended.
struct Lone<S>(Mutex<Pin<Box<S>>>);

impl<S: Stream> Stream for Lone<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.get_mut().0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll_next(cx)
    }
}
