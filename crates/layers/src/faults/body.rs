//! Bodies that pass a storage that fails: they are torn, they pause while the storage hangs, and they break
//! off when it goes down.

use super::{
    handle::{Fate, Faults, unavailable},
    plan::FaultKind,
};
use crate::{
    model::Checksum,
    store::{
        ByteStream, ObjectBody, Result,
        operation::Operation,
        payload::{Arrived, BodySource, Payload, PayloadError},
    },
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

/// A body of unknown length is torn before this position at the latest.
const UNKNOWN: u64 = 64 << 10;

/// Returns the body of a GET with its faults. A body that is already in memory passes unchanged, unless it is
/// torn.
pub(super) fn outgoing(body: ObjectBody, len: u64, fate: &Fate) -> ObjectBody {
    let tear = fate.tear(len);
    let frames: ByteStream = match body {
        ObjectBody::Full(bytes) if tear.is_none() => return ObjectBody::Full(bytes),
        body => body.into_stream(),
    };
    let (faults, operation) = (fate.faults.clone(), fate.operation);
    ObjectBody::Stream(Box::pin(stream::try_unfold((frames, tear), move |(mut frames, mut tear)| {
        let faults = faults.clone();
        async move {
            faults.pass(operation).await?;
            let frame = match tear {
                Some(0) => None,
                _ => frames.next().await.transpose()?,
            };
            match (frame, &mut tear) {
                (Some(frame), tear) => Ok(Some((shortened(frame, tear), (frames, *tear)))),
                (None, Some(_)) => Err(unavailable("a fault: the body was torn")),
                (None, None) => Ok(None),
            }
        }
    })))
}

/// Returns the part of a frame before the tear, and moves the tear closer by its length.
fn shortened(mut frame: Bytes, tear: &mut Option<u64>) -> Bytes {
    if let Some(left) = tear {
        frame.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= frame.len() as u64;
    }
    frame
}

/// Returns the body that the storage receives, and whether a fault broke it off. For a late write the whole
/// body is collected first, because its sender will be gone by then.
pub(super) async fn incoming(payload: Payload, fate: &Fate) -> Result<(Payload, Broken)> {
    let broken = Broken::default();
    if fate.is(FaultKind::Late) {
        return Ok((payload.held().await?, broken));
    }
    let tear = fate.tear(payload.length().unwrap_or(UNKNOWN));
    let (faults, operation, told) = (fate.faults.clone(), fate.operation, broken.clone());
    Ok((
        payload.through(|source| Incoming { source, faults, operation, tear, broken: told, waits: None }),
        broken,
    ))
}

#[derive(Debug, Clone, Default)]
pub(super) struct Broken(Arc<AtomicBool>);

impl Broken {
    /// Returns the answer for the caller: an error if a fault broke off the body.
    pub(super) fn answer<T>(&self, answer: Result<T>) -> Result<T> {
        if self.0.load(Ordering::Relaxed) { Err(unavailable("a fault: the body was torn")) } else { answer }
    }
}

struct Incoming {
    source: Pin<Box<dyn BodySource>>,
    faults: Faults,
    operation: Operation,
    tear: Option<u64>,
    broken: Broken,
    waits: Option<Pin<Box<dyn Future<Output = Result<()>> + Send>>>,
}

impl Incoming {
    fn broken(&self) -> Poll<Option<std::result::Result<Bytes, PayloadError>>> {
        self.broken.0.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(PayloadError::Disconnected)))
    }

    fn poll_pass(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.waits.is_none() {
            if let Some(passed) = self.faults.lets_pass(self.operation) {
                return Poll::Ready(passed);
            }
            let (faults, operation) = (self.faults.clone(), self.operation);
            self.waits = Some(Box::pin(async move { faults.pass(operation).await }));
        }
        let passed = match &mut self.waits {
            Some(waits) => ready!(waits.as_mut().poll(cx)),
            None => Ok(()),
        };
        self.waits = None;
        Poll::Ready(passed)
    }
}

impl BodySource for Incoming {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Bytes, PayloadError>>> {
        if ready!(self.poll_pass(cx)).is_err() || self.tear == Some(0) {
            return self.broken();
        }
        match ready!(self.source.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(shortened(frame, &mut self.tear)))),
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None if self.tear.is_some() => self.broken(),
            None => Poll::Ready(None),
        }
    }

    fn trailing_checksum(&self) -> Option<Checksum> {
        self.source.trailing_checksum()
    }

    fn foretold(&self) -> Option<Arrived> {
        self.source.foretold()
    }
}
