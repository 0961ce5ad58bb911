//! A file that is read as it was when it was opened, or not to its end.
//!
//! How that is known: by the tag that comes with the bytes; where none does, all of them come in one reply, which tells the size of
//! the file, and it is looked at again before the last piece is handed on.
//! A service whose only mark is the time (or the size) does not show a change within its precision: see the table.

use super::{
    remote::{Limit, Remote, Twice},
    services::Identity,
};
use crate::{
    backend::{
        tree::files::{Opened, Stat},
        wire::pause,
    },
    model::Span,
    store::{
        ByteStream, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

/// In a row, without a byte between.
const FAILURES: u32 = 4;

pub(super) struct Reading {
    pub(super) remote: Arc<Remote>,
    pub(super) path: String,
    pub(super) stat: Stat,
}

type Frames = BoxStream<'static, Result<Bytes>>;

/// A file on its way.
struct Way {
    reading: Reading,
    frames: Option<Frames>,
    /// What is still to come.
    span: Span,
    failures: u32,
    /// Whether all that came so far was surely of this file.
    is_told: bool,
    /// Held back until the file was looked at again.
    last: Option<Bytes>,
    is_over: bool,
}

#[async_trait]
impl Opened for Reading {
    fn stat(&self) -> &Stat {
        &self.stat
    }

    async fn read(self: Box<Self>, span: Span) -> Result<ByteStream> {
        if span.is_empty() {
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        let (frames, is_told) = self.frames(span).await?;
        let way = Way { reading: *self, frames: Some(frames), span, failures: 0, is_told, last: None, is_over: false };
        Ok(Box::pin(futures_util::stream::try_unfold(way, |mut way| async move { Ok(way.next().await?.map(|bytes| (bytes, way))) })))
    }
}

impl Reading {
    /// Its bytes, once a reply with them has begun; and whether that said that they are of this file.
    async fn frames(&self, span: Span) -> Result<(Frames, bool)> {
        let (path, remote) = (&self.path, &self.remote);
        let tag = self.stat.tag.as_deref().filter(|_| remote.service.identity == Identity::Tag);
        let opened = remote.call_with("reading a file", Twice::Harmless, Limit::Flowing, None, |operator, transport| async move {
            let if_match = operator.info().capability().read_with_if_match && tag.is_some();
            let reader = match tag.filter(|_| if_match) {
                Some(tag) => operator.reader_with(path).if_match(&format!("\"{tag}\"")).await?,
                None => operator.reader(path).await?,
            };
            let mut frames = reader.into_bytes_stream(span.start..span.end).await?;
            // Nothing is asked for before.
            let first = frames.next().await.transpose();
            let first = first.map_err(|error| ::opendal::Error::new(::opendal::ErrorKind::Unexpected, "reading failed").set_source(error));
            Ok((first?, frames, transport))
        });
        let Some((first, rest, transport)) = opened.await? else { return Err(gone()) };
        let (told, total) = {
            let seen = transport.seen();
            (remote.mend.told(&seen.headers), total(&seen.headers))
        };
        if total.is_some_and(|total| total != self.stat.size) {
            return Err(gone());
        }
        let is_told = match (tag, told) {
            (Some(tag), Some(told)) if tag == told => true,
            (Some(_), Some(_)) => return Err(gone()),
            _ => false,
        };
        let remote = remote.clone();
        let failed = move |error: std::io::Error| {
            let unexpected = ::opendal::Error::new(::opendal::ErrorKind::Unexpected, error.to_string()).set_temporary();
            remote.failure(&unexpected, &transport).into_error("reading a file")
        };
        let rest = rest.map(move |frame| frame.map_err(&failed));
        let first = futures_util::stream::iter(first.map(Ok));
        // The library's own code runs while these are polled.
        let fenced = futures_util::stream::unfold(Some(first.chain(rest).boxed()), |frames| async move {
            let mut frames = frames?;
            match AssertUnwindSafe(frames.next()).catch_unwind().await {
                Ok(frame) => frame.map(|frame| (frame, Some(frames))),
                Err(_) => {
                    let failed = StoreError::new(StoreErrorKind::Internal, "reading a file: the service's driver failed inside");
                    Some((Err(failed), None))
                }
            }
        });
        Ok((fenced.boxed(), is_told))
    }
}

/// Of `Content-Range: bytes 0-9/10`.
fn total(headers: &http::HeaderMap) -> Option<u64> {
    headers.get(http::header::CONTENT_RANGE)?.to_str().ok()?.rsplit_once('/')?.1.parse().ok()
}

fn gone() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the file was replaced or removed while it was read")
}

impl Way {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.is_over {
            match self.piece().await {
                Ok(None) => {
                    self.is_over = true;
                    if !self.is_told {
                        let now = self.reading.remote.look(&self.reading.path).await?;
                        if now.as_ref() != Some(&self.reading.stat) {
                            return Err(gone());
                        }
                    }
                }
                Ok(Some(bytes)) => {
                    let before = self.last.replace(bytes);
                    if self.is_told
                        && let Some(bytes) = self.last.take()
                    {
                        return Ok(Some(bytes));
                    }
                    if before.is_some() {
                        return Ok(before);
                    }
                }
                Err(error) => {
                    self.frames = None;
                    self.failures += 1;
                    // Two replies without a tag may be of two files.
                    if self.failures >= FAILURES || !error.is_temporary() || !self.is_told {
                        self.is_over = true;
                        return Err(error);
                    }
                    tracing::debug!(%error, "reading from a backend is resumed");
                    tokio::time::sleep(pause(self.failures, Duration::ZERO)).await;
                }
            }
        }
        Ok(self.last.take())
    }

    /// What comes next; `None` when all was there.
    async fn piece(&mut self) -> Result<Option<Bytes>> {
        if self.span.is_empty() {
            return Ok(None);
        }
        if self.frames.is_none() {
            let (frames, is_told) = self.reading.frames(self.span).await?;
            (self.frames, self.is_told) = (Some(frames), self.is_told && is_told);
        }
        let Some(frames) = &mut self.frames else { return Ok(None) };
        let mut bytes = match frames.next().await {
            Some(bytes) => bytes?,
            None => return Err(StoreError::new(StoreErrorKind::Unavailable, "a reply of the storage ended too early")),
        };
        bytes.truncate(usize::try_from(self.span.len()).unwrap_or(usize::MAX));
        self.span.start += bytes.len() as u64;
        self.failures = 0;
        Ok(Some(bytes))
    }
}
