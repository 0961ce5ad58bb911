//! What is kept of a request until its reply is sent: for the metrics, for its log line, for its connection.
//!
//! Invariants: every request ends in exactly one count and at most one line, also when its client
//! disconnects; neither contains any part of the query or the headers, because those may hold secrets.

use super::{
    outgoing::{Outgoing, Part},
    permit::RequestPermit,
};
use crate::{
    model::{Chain, Identity, Principal},
    s3::{self, Operation, RequestId, S3Error},
    store::{
        error::{StoreError, StoreErrorKind},
        memory::Held,
    },
    telemetry::{
        log::ACCESS,
        metrics::{Ended, Metrics, NO_OPERATION},
    },
};
use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use std::{
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Instant,
};

/// The status of a request whose client did not wait for the answer, as other servers log it.
const GONE: u16 = 499;

#[derive(Debug)]
pub(super) struct Record {
    begun: Instant,
    id: RequestId,
    method: Method,
    uri: Uri,
    address: SocketAddr,
    metrics: Arc<Metrics>,
    /// `None`: the request has no body.
    arrival: Option<Arc<Arrival>>,
    sent: u64,
    /// The reply's length, if it has one.
    length: Option<u64>,
    whole: bool,
    /// An operation of S3, or an action of IAM or STS.
    operation: Option<&'static str>,
    status: u16,
    error: Option<Arc<S3Error>>,
    /// The code of an error of IAM or STS.
    code: Option<&'static str>,
    /// Only where the log wants a line.
    names: Option<Box<Names>>,
    permit: Arc<RequestPermit>,
}

/// The received part of a request's body.
#[derive(Debug, Default)]
struct Arrival {
    bytes: AtomicU64,
    ended: AtomicBool,
}

#[derive(Debug)]
struct Names {
    bucket: Option<String>,
    key: Option<String>,
    principal: Principal,
}

impl Record {
    pub(super) fn begin<B>(
        request: &Request<B>,
        id: RequestId,
        address: SocketAddr,
        permit: Arc<RequestPermit>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            begun: Instant::now(),
            id,
            method: request.method().clone(),
            uri: request.uri().clone(),
            address,
            metrics,
            arrival: None,
            sent: 0,
            length: None,
            whole: false,
            operation: None,
            status: GONE,
            error: None,
            code: None,
            names: None,
            permit,
        }
    }

    pub(super) fn admitted(&mut self, request: &s3::Request) {
        self.operation = request.context.operation.map(Operation::as_str);
        if tracing::enabled!(target: ACCESS, tracing::Level::DEBUG) {
            let (bucket, key) = (request.target.bucket.clone(), request.target.key.clone());
            self.names = Some(Box::new(Names { bucket, key, principal: request.context.principal.clone() }));
        }
    }

    /// Records who calls IAM or STS.
    pub(super) fn called(&mut self, caller: Option<&Arc<Identity>>) {
        if tracing::enabled!(target: ACCESS, tracing::Level::DEBUG) {
            let principal = caller.map_or(Principal::Anonymous, |caller| Principal::Identity(caller.clone()));
            self.names = Some(Box::new(Names { bucket: None, key: None, principal }));
        }
    }

    /// Records the outcome of a call of IAM or STS.
    pub(super) fn answers_call(&mut self, action: Option<&'static str>, code: Option<&'static str>) {
        (self.operation, self.code) = (action, code);
    }

    /// Records the bytes of the reply as they are sent; each counts until it is gone.
    pub(super) fn answered(
        mut self,
        mut response: s3::Response,
        reserved: Option<Held>,
    ) -> http::Response<Recorded> {
        self.status = response.status().as_u16();
        self.error = response.extensions_mut().remove();
        response.map(|body| {
            self.length = body.size_hint().exact();
            self.whole = body.is_end_stream();
            self.permit.holds(self.length);
            let body = Outgoing::new(body, self.permit.regions().cloned());
            if let Some(progress) = self.permit.progress() {
                progress.offered();
            }
            Recorded {
                body,
                record: self,
                _reserved: reserved,
                rest: Bytes::new(),
                excess: None,
                ended: false,
            }
        })
    }

    /// Whether the client may still be sending a body.
    pub(super) fn is_unread(&self) -> bool {
        self.arrival.as_ref().is_some_and(|arrival| !arrival.ended.load(Ordering::Relaxed))
    }

    fn failed(&self, error: &(dyn std::error::Error + 'static)) {
        let operation = self.operation.unwrap_or(NO_OPERATION);
        tracing::error!(request = %self.id, operation, path = self.uri.path(), error = %Chain(error), "a request failed");
    }

    fn line(&self) {
        let names = self.names.as_deref();
        tracing::debug!(
            target: ACCESS,
            request = %self.id,
            remote = %self.address,
            method = %self.method,
            operation = self.operation.unwrap_or(NO_OPERATION),
            bucket = names.and_then(|names| names.bucket.as_deref()),
            key = names.and_then(|names| names.key.as_deref()),
            status = self.status,
            error = self.code.or(self.error.as_ref().map(|error| error.code.as_str())),
            bytes_in = self.bytes_in(),
            bytes_out = self.sent,
            complete = self.is_complete(),
            milliseconds = self.begun.elapsed().as_secs_f64() * 1000.0,
            identity = names.and_then(|names| names.principal.identity()).map(|identity| identity.access_key.as_str()),
        );
    }

    fn bytes_in(&self) -> u64 {
        self.arrival.as_ref().map_or(0, |arrival| arrival.bytes.load(Ordering::Relaxed))
    }

    /// Whether the whole reply was handed to the connection.
    fn is_complete(&self) -> bool {
        self.whole || self.length == Some(self.sent)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.permit.holds_nothing_more();
        self.metrics.ended(Ended {
            operation: self.operation.unwrap_or(NO_OPERATION),
            status: self.status,
            duration: self.begun.elapsed(),
            bytes_in: self.bytes_in(),
            bytes_out: self.sent,
        });
        if self.status >= 500
            && let Some(error) = &self.error
        {
            // SlowDown is an answer, not a failure.
            match error.code {
                s3::ErrorCode::SlowDown | s3::ErrorCode::NotImplemented => {}
                _ => self.failed(&**error),
            }
        }
        if tracing::enabled!(target: ACCESS, tracing::Level::DEBUG) {
            self.line();
        }
    }
}

/// A request body whose bytes are counted as they arrive.
#[derive(Debug)]
pub(super) struct Counted<B> {
    body: B,
    arrival: Option<Arc<Arrival>>,
}

impl<B: Body> Counted<B> {
    pub(super) fn new(body: B, record: &mut Record) -> Self {
        if !body.is_end_stream() {
            record.arrival = Some(Arc::default());
        }
        Self { body, arrival: record.arrival.clone() }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let (Poll::Ready(frame), Some(arrival)) = (&polled, &self.arrival) else { return polled };
        if let Some(Ok(frame)) = frame
            && let Some(data) = frame.data_ref()
        {
            arrival.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        // After the last byte of a known length, the caller need not poll for the end.
        if frame.is_none() || self.body.is_end_stream() {
            arrival.ended.store(true, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream gets its reply in pieces of this size, so that its progress is visible.
const PIECE: usize = 16 << 10;

/// The body of a reply, and the record that ends with it.
pub(super) struct Recorded {
    body: Outgoing,
    record: Record,
    /// Memory for bytes in transit and for what is read ahead of them. Its holder never waits for memory, so
    /// a reply that has begun is completed.
    _reserved: Option<Held>,
    /// The rest of the last frame, on a stream.
    rest: Bytes,
    /// The memory beyond what was reserved.
    excess: Option<Held>,
    ended: bool,
}

type Polled = Poll<Option<Result<Frame<Bytes>, StoreError>>>;

impl Recorded {
    fn poll_below(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, StoreError>>> {
        let polled = self.body.poll(&self.record.permit, cx);
        match &polled {
            Poll::Ready(Some(Ok(part))) => self.record.sent += part.len() as u64,
            // The status was already sent: the reply is cut short, and only this line shows why.
            Poll::Ready(Some(Err(error))) => self.record.failed(error),
            Poll::Ready(None) => self.record.whole = true,
            Poll::Pending => {}
        }
        polled
    }

    /// Sends pieces, and ends the stream only when all of them are sent: until then it can be reset, which
    /// drops what waits on it.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Polled {
        loop {
            if !self.rest.is_empty() {
                let piece = self.rest.split_to(self.rest.len().min(PIECE));
                return Poll::Ready(Some(Ok(Frame::data(self.record.permit.piece(piece)))));
            }
            if self.ended {
                let sent =
                    self.record.permit.progress().map_or(Poll::Ready(()), |progress| progress.poll_sent(cx));
                return sent.map(|()| None);
            }
            match ready!(self.poll_below(cx)) {
                Some(Ok(Part::Frame(frame))) => match frame.into_data() {
                    Ok(bytes) => (self.excess, self.rest) = (self.record.permit.excess(&bytes), bytes),
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                // Streams have none: see `RequestPermit::regions`.
                Some(Ok(Part::Region(_))) => {
                    let why = "a part of a file was offered to a stream";
                    return Poll::Ready(Some(Err(StoreError::new(StoreErrorKind::Internal, why))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => self.ended = true,
            }
        }
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").field("body", &self.body).finish_non_exhaustive()
    }
}

impl Body for Recorded {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let this = &mut *self;
        if let Some(progress) = this.record.permit.progress().cloned() {
            let polled = this.poll_stream(cx);
            if polled.is_pending() {
                progress.asked();
            }
            return polled;
        }
        let polled = ready!(this.poll_below(cx));
        Poll::Ready(polled.map(|part| {
            part.map(|part| match part {
                Part::Region(buffer) => Frame::data(buffer),
                Part::Frame(frame) => match frame.into_data() {
                    Ok(bytes) => Frame::data(this.record.permit.piece(bytes)),
                    Err(trailers) => trailers,
                },
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        // A reply of one piece may end with it: little of it is queued.
        let at_once = self.record.permit.progress().is_none() || self.record.sent <= PIECE as u64;
        at_once && self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // `rest` was taken from the body: the remaining reply is what is left of both.
        if self.rest.is_empty() { self.body.size_hint() } else { SizeHint::default() }
    }
}
