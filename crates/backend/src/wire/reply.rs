//! The reply of a storage: its head first, its body as it arrives.

use super::Chain;
use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::Duration;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

/// The minimum rate of a document in bytes per second, after the first timeout.
const SLOWEST: u64 = 1024;

/// The number of bytes of a document that have arrived, and since when it is awaited.
#[derive(Debug, Default)]
pub struct Came {
    begun: Option<Instant>,
    bytes: u64,
}

impl Came {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
    timeout: Duration,
    /// The number of bytes at the beginning that were not requested.
    skip: u64,
    /// The first piece, if it has arrived and was not returned yet.
    begun: Option<Bytes>,
    /// Released together with the body. A reply that is not read to its end loses its connection, but not the
    /// permit.
    _permit: OwnedSemaphorePermit,
}

impl Reply {
    pub(super) fn new(
        response: http::Response<Incoming>,
        permit: OwnedSemaphorePermit,
        timeout: Duration,
    ) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body,
            timeout,
            skip: 0,
            begun: None,
            _permit: permit,
        }
    }

    /// Returns a header whose value is text.
    pub fn header(&self, name: impl AsRef<str>) -> Option<&str> {
        self.headers.get(name.as_ref())?.to_str().ok()
    }

    pub fn number(&self, name: HeaderName) -> Option<u64> {
        self.headers.get(name)?.to_str().ok()?.trim().parse().ok()
    }

    /// Drops the first bytes of the body: servers may reply to a range with the whole object.
    pub fn skipping(mut self, bytes: u64) -> Self {
        self.skip = bytes;
        self
    }

    /// Waits for the first piece of the body: the storage has selected its bytes by then. `skipping` must be
    /// called before.
    pub async fn begin(&mut self) -> Result<()> {
        self.begun = self.frame().await?;
        Ok(())
    }

    /// Returns the next piece of the body; `None` at its end.
    pub async fn frame(&mut self) -> Result<Option<Bytes>> {
        if let Some(begun) = self.begun.take() {
            return Ok(Some(begun));
        }
        loop {
            let Ok(frame) = tokio::time::timeout(self.timeout, self.body.frame()).await else {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "the storage stopped in the middle of a reply",
                ));
            };
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    // Trailers contain nothing that was requested.
                    let Ok(mut bytes) = frame.into_data() else { continue };
                    let skipped =
                        bytes.split_to(usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len()));
                    self.skip -= skipped.len() as u64;
                    if !bytes.is_empty() {
                        return Ok(Some(bytes));
                    }
                }
                Some(Err(error)) => {
                    let error = Chain::of(&error);
                    return Err(StoreError::new(
                        StoreErrorKind::Unavailable,
                        "a reply of the storage was cut short",
                    )
                    .with_source(error));
                }
            }
        }
    }

    /// Returns the next piece like `frame`, for a document, which has to arrive at a minimum rate. The bytes
    /// of an object may arrive as slowly as a client reads them, but a part of a document is of no use.
    pub async fn piece(&mut self, came: &mut Came) -> Result<Option<Bytes>> {
        let begun = *came.begun.get_or_insert_with(Instant::now);
        let deadline = begun + self.timeout + Duration::from_secs(came.bytes / SLOWEST);
        let Ok(piece) = tokio::time::timeout_at(deadline, self.frame()).await else {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "the storage sends a document too slowly",
            ));
        };
        let piece = piece?;
        came.bytes += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Ok(piece)
    }

    /// Returns the whole body, if it is not longer than `limit`.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes> {
        let mut came = Came::default();
        let (mut first, mut all) = (Bytes::new(), Vec::new());
        while let Some(piece) = self.piece(&mut came).await? {
            if came.bytes > limit as u64 {
                return Err(StoreError::new(
                    StoreErrorKind::Internal,
                    "a reply of the storage is longer than it may be",
                ));
            }
            // Mostly there is only one piece.
            if first.is_empty() && all.is_empty() {
                first = piece;
                continue;
            }
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&piece);
        }
        Ok(if all.is_empty() { first } else { all.into() })
    }
}
