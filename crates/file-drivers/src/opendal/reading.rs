//! Reads a file as it was when it was opened, or fails.
//!
//! The tag that comes with the bytes identifies the file. Where there is no tag, all bytes come in one reply,
//! which contains the size of the file, and the file is checked again before the last piece is passed on. If
//! a service reports only the time or the size, a change within their precision is not detected: see the
//! table.

use super::{
    failure::is_gone,
    remote::{Limit, Remote, Twice},
    services::Identity,
};
use crate::{
    backend::{
        tree::files::{EntryKind, Opened, Stat, changed},
        wire::pause,
    },
    model::Span,
    store::{
        ByteStream, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use ::opendal::ErrorKind;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::StatusCode;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

/// The maximum number of failures in a row, without a byte between them.
const FAILURES: u32 = 4;

/// How often opening is repeated because the file was replaced meanwhile.
const ROUNDS: usize = 8;

pub(super) struct Reading {
    source: CheckedFile,
    begun: Option<Begun>,
}

/// The file that was checked.
struct CheckedFile {
    remote: Arc<Remote>,
    path: String,
    stat: Stat,
}

type Frames = BoxStream<'static, Result<Bytes>>;

/// A reply whose first bytes have arrived.
struct Begun {
    span: Span,
    frames: Frames,
    /// Whether the reply confirmed that it is of the file that was checked.
    is_tag_known: bool,
}

/// A file that is being read.
struct FileStream {
    source: CheckedFile,
    frames: Option<Frames>,
    /// The bytes that have not been passed on yet.
    span: Span,
    failures: u32,
    /// Whether every reply so far confirmed that it is of this file.
    is_tag_known: bool,
    /// The last piece, held back until the file was checked again.
    last: Option<Bytes>,
    is_over: bool,
}

#[async_trait]
impl Opened for Reading {
    fn stat(&self) -> &Stat {
        &self.source.stat
    }

    async fn read(self: Box<Self>, span: Span) -> Result<ByteStream> {
        if span.is_empty() {
            return Ok(Box::pin(stream::empty()));
        }
        let mut reading = self;
        let begun =
            reading.begun.take().filter(|begun| begun.span.start == span.start && begun.span.end >= span.end);
        let Begun { frames, is_tag_known, .. } = match begun {
            Some(begun) => begun,
            None => reading.source.begin(span).await?.ok_or_else(changed)?,
        };
        let way = FileStream {
            source: reading.source,
            frames: Some(frames),
            span,
            failures: 0,
            is_tag_known,
            last: None,
            is_over: false,
        };
        Ok(Box::pin(stream::try_unfold(way, |mut way| async move {
            Ok(way.next().await?.map(|bytes| (bytes, way)))
        })))
    }
}

impl Reading {
    /// Opens the file at a path, if there is one. The bytes of `ahead`, or all bytes, are requested at once.
    pub(super) async fn open(remote: &Arc<Remote>, path: &str, ahead: Option<Span>) -> Result<Option<Self>> {
        for _ in 0..ROUNDS {
            let Some(stat) = remote.look_at_file(path).await?.filter(|stat| stat.kind == EntryKind::File)
            else {
                return Ok(None);
            };
            let whole = Span::whole(stat.size);
            let wanted =
                ahead.map_or(whole, |ahead| Span { start: ahead.start, end: ahead.end.min(stat.size) });
            let source = CheckedFile { remote: remote.clone(), path: path.to_owned(), stat };
            if wanted.start >= wanted.end {
                return Ok(Some(Self { source, begun: None }));
            }
            let begun = source.begin(wanted).await?;
            if begun.is_some() {
                return Ok(Some(Self { source, begun }));
            }
        }
        Err(StoreError::new(
            StoreErrorKind::Busy,
            "the file was replaced again and again while it was opened",
        ))
    }
}

impl CheckedFile {
    /// Requests these bytes, and waits for the beginning of the reply. `None`: the file was replaced or
    /// removed.
    async fn begin(&self, span: Span) -> Result<Option<Begun>> {
        let (path, remote) = (&self.path, &self.remote);
        let tag = self.stat.tag.as_deref().filter(|_| remote.service.identity == Identity::Tag);
        let opened = remote.call_with(
            "reading a file",
            Twice::Harmless,
            Limit::Flowing,
            None,
            |operator, transport| async move {
                let if_match = operator.info().capability().read_with_if_match && tag.is_some();
                let reader = match tag.filter(|_| if_match) {
                    Some(tag) => operator.reader_with(path).if_match(&format!("\"{tag}\"")).await?,
                    None => operator.reader(path).await?,
                };
                let mut frames = reader.into_stream(span.start..span.end).await?;
                // The driver sends the request only when the first bytes are read.
                match frames.try_next().await {
                    // Some services list links like files and reply 404 if the target is missing, and not
                    // every driver of OpenDAL maps that status.
                    Err(error)
                        if matches!(
                            transport.seen().status,
                            Some(StatusCode::NOT_FOUND | StatusCode::GONE)
                        ) || is_gone(&error) =>
                    {
                        Err(::opendal::Error::new(ErrorKind::NotFound, "it is gone").set_source(error))
                    }
                    first => Ok((first?, frames, transport)),
                }
            },
        );
        let Some((first, rest, transport)) = (match opened.await {
            // The file was replaced: `If-Match` failed, or the range does not exist any more.
            Err(error) if error.kind() == StoreErrorKind::Conflict => None,
            opened => opened?,
        }) else {
            return Ok(None);
        };
        let (reported_tag, total) = {
            let seen = transport.seen();
            (remote.mend.reported_tag(&seen.headers), total(&seen.headers))
        };
        if total.is_some_and(|total| total != self.stat.size) {
            return Ok(None);
        }
        let is_tag_known = match (tag, reported_tag) {
            (Some(tag), Some(reported_tag)) if tag == reported_tag => true,
            (Some(_), Some(_)) => return Ok(None),
            _ => false,
        };
        let remote = remote.clone();
        // A reading that has begun may be continued after any error.
        let failed = move |error: ::opendal::Error| {
            let passing =
                ::opendal::Error::new(ErrorKind::Unexpected, error.message().to_owned()).set_temporary();
            remote.failure(&passing, &transport).into_error("reading a file")
        };
        let pieces = stream::iter(first.map(Ok)).chain(rest.map_err(failed));
        let frames = pieces.map_ok(|piece| stream::iter(Iterator::map(piece, Ok))).try_flatten();
        // The library's code runs while the frames are polled, so panics are caught here.
        let fenced = stream::unfold(Some(frames.boxed()), |frames| async move {
            let mut frames = frames?;
            match AssertUnwindSafe(frames.next()).catch_unwind().await {
                Ok(frame) => frame.map(|frame| (frame, Some(frames))),
                Err(_) => {
                    let failed = StoreError::new(
                        StoreErrorKind::Internal,
                        "reading a file: the service's driver failed inside",
                    );
                    Some((Err(failed), None))
                }
            }
        });
        Ok(Some(Begun { span, frames: fenced.boxed(), is_tag_known }))
    }
}

/// Reads the size of the whole from `Content-Range: bytes 0-9/10`.
fn total(headers: &http::HeaderMap) -> Option<u64> {
    headers.get(http::header::CONTENT_RANGE)?.to_str().ok()?.rsplit_once('/')?.1.parse().ok()
}

fn gone() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the file was replaced or removed while it was read")
}

impl FileStream {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.is_over {
            match self.piece().await {
                Ok(None) => {
                    self.is_over = true;
                    if !self.is_tag_known {
                        let now = self.source.remote.look(&self.source.path).await?;
                        if now.as_ref() != Some(&self.source.stat) {
                            return Err(gone());
                        }
                    }
                }
                Ok(Some(bytes)) => {
                    let before = self.last.replace(bytes);
                    if self.is_tag_known
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
                    // Two replies without a tag may be of two different files.
                    if self.failures >= FAILURES || !error.is_temporary() || !self.is_tag_known {
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

    /// Returns the next piece; `None` after the last.
    async fn piece(&mut self) -> Result<Option<Bytes>> {
        if self.span.is_empty() {
            return Ok(None);
        }
        if self.frames.is_none() {
            let begun = self.source.begin(self.span).await?.ok_or_else(gone)?;
            (self.frames, self.is_tag_known) = (Some(begun.frames), self.is_tag_known && begun.is_tag_known);
        }
        let Some(frames) = &mut self.frames else { return Ok(None) };
        let mut bytes = match frames.next().await {
            Some(bytes) => bytes?,
            None => {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "a reply of the storage ended too early",
                ));
            }
        };
        bytes.truncate(usize::try_from(self.span.len()).unwrap_or(usize::MAX));
        self.span.start += bytes.len() as u64;
        self.failures = 0;
        Ok(Some(bytes))
    }
}
