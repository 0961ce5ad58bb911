//! Downloads. They have no conditions, so the received bytes are checked before the last piece is passed on:
//! by their hash if they are the whole file, otherwise by a request whether the file still has these bytes.
//! For a long file this request is also made before the first byte is passed on: OneDrive selects the bytes
//! when its reply begins, and until then the file may be replaced.

use super::{drive::Drive, hash::QuickXor, item::DriveItem};
use crate::{
    backend::{
        tree::files::{Opened, Stat, changed},
        wire::{Again, Reply, Verdict, judged, resuming},
    },
    model::Span,
    store::{
        ByteStream, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{Method, StatusCode, header};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::task::JoinHandle;

/// Up to this length, a span is checked as a whole before its first byte is passed on.
const HELD: u64 = 256 << 10;

#[derive(Debug)]
pub(super) struct OnedriveOpened {
    drive: Arc<Drive>,
    item: DriveItem,
    stat: Stat,
    /// The span that was requested when the file was opened, and the reply.
    ahead: Option<(Span, Reply)>,
}

impl OnedriveOpened {
    pub(super) async fn new(drive: Arc<Drive>, item: DriveItem, ahead: Option<Span>) -> Self {
        let stat = item.stat();
        let span = ahead
            .map(|span| Span { start: span.start, end: span.end.min(stat.size) })
            .filter(|span| span.start < span.end);
        let ahead = match span {
            Some(span) => part(&drive, &item, span).await.ok().map(|reply| (span, reply)),
            None => None,
        };
        Self { drive, item, stat, ahead }
    }
}

#[async_trait]
impl Opened for OnedriveOpened {
    fn stat(&self) -> &Stat {
        &self.stat
    }

    async fn read(self: Box<Self>, span: Span) -> Result<ByteStream> {
        if span.is_empty() {
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        let Self { drive, item, stat, ahead } = *self;
        let first = match ahead {
            Some((held, reply)) if held == span => reply,
            _ => part(&drive, &item, span).await?,
        };
        let is_long = span.len() > HELD;
        if is_long {
            same(&drive, &item.id, &stat).await?;
        }
        let reopened = Arc::new(AtomicBool::new(false));
        let check: Box<dyn Verdict> = match item.quick_xor().filter(|_| span == Span::whole(stat.size)) {
            Some(hash) => Box::new(Hashed { hash: QuickXor::default(), expected: hash.to_owned() }),
            None => Box::new(CheckedRead::new(
                drive.clone(),
                item.id.clone(),
                stat.clone(),
                reopened.clone(),
                is_long,
            )),
        };
        let attempts = drive.api.attempts();
        let reopen = move |read: u64| {
            reopened.store(true, Ordering::Release);
            let (drive, id, stat) = (drive.clone(), item.id.clone(), stat.clone());
            let rest = Span { start: span.start + read, end: span.end };
            Box::pin(async move {
                // The address of a download expires, so the item is requested again.
                let item = same(&drive, &id, &stat).await?;
                part(&drive, &item, rest).await
            }) as futures_util::future::BoxFuture<'static, Result<Reply>>
        };
        let body = judged(resuming(first, span.len(), attempts, Box::new(reopen)), check);
        if is_long { Ok(body) } else { held(body).await }
    }
}

async fn held(body: ByteStream) -> Result<ByteStream> {
    let pieces: Vec<Result<Bytes>> = body.map_ok(Ok).try_collect().await?;
    Ok(Box::pin(futures_util::stream::iter(pieces)))
}

/// Returns the item if its bytes are unchanged.
async fn same(drive: &Drive, id: &str, stat: &Stat) -> Result<DriveItem> {
    drive.get(id).await?.filter(|item| item.stat().is_same(stat)).ok_or_else(changed)
}

/// Requests `span`, which is not empty. The reply begins with its first byte.
async fn part(drive: &Drive, item: &DriveItem, span: Span) -> Result<Reply> {
    let address = match &item.download_url {
        Some(address) => address.clone(),
        None => {
            let reply = super::drive::found(
                drive.item(Method::GET, &item.id, "/content").send(Again::Harmless).await?,
            )?;
            let address = reply.as_ref().and_then(|reply| reply.header(header::LOCATION));
            address.ok_or_else(changed)?.to_owned()
        }
    };
    let mut call = drive.api.unsigned(Method::GET, &address)?;
    if span != Span::whole(item.stat().size) {
        call = call.header("range", &format!("bytes={}-{}", span.start, span.end - 1));
    }
    match call.send(Again::Harmless).await? {
        Ok(reply) if reply.status == StatusCode::PARTIAL_CONTENT => {
            let starts = |range: &str| range.strip_prefix("bytes ")?.split('-').next()?.parse::<u64>().ok();
            if reply.header(header::CONTENT_RANGE).and_then(starts) == Some(span.start) {
                Ok(reply)
            } else {
                Err(StoreError::new(
                    StoreErrorKind::Internal,
                    "OneDrive sent another range than was asked for",
                ))
            }
        }
        Ok(reply) => Ok(reply.skipping(span.start)),
        Err(refusal) if refusal.is_not_found() || refusal.status == StatusCode::RANGE_NOT_SATISFIABLE => {
            Err(changed())
        }
        Err(refusal) => Err(refusal.into()),
    }
}

struct Hashed {
    hash: QuickXor,
    expected: String,
}

#[async_trait]
impl Verdict for Hashed {
    fn saw(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
    }

    async fn give(self: Box<Self>) -> Result<()> {
        if self.hash.finish() == self.expected { Ok(()) } else { Err(changed()) }
    }
}

struct CheckedRead {
    drive: Arc<Drive>,
    id: String,
    stat: Stat,
    /// The request whether the file is unchanged, made while the bytes arrive, unless it was made before.
    asked: Option<JoinHandle<Result<()>>>,
    /// Set if the download was resumed after that request.
    reopened: Arc<AtomicBool>,
}

impl CheckedRead {
    fn new(drive: Arc<Drive>, id: String, stat: Stat, reopened: Arc<AtomicBool>, was_asked: bool) -> Self {
        let question = (drive.clone(), id.clone(), stat.clone());
        let ask = async move { same(&question.0, &question.1, &question.2).await.map(drop) };
        Self { drive, id, stat, asked: (!was_asked).then(|| tokio::spawn(ask)), reopened }
    }
}

impl Drop for CheckedRead {
    fn drop(&mut self) {
        self.asked.as_ref().inspect(|asked| asked.abort());
    }
}

#[async_trait]
impl Verdict for CheckedRead {
    fn saw(&mut self, _bytes: &[u8]) {}

    async fn give(mut self: Box<Self>) -> Result<()> {
        let given_up =
            |error| StoreError::new(StoreErrorKind::Internal, "a check was given up").with_source(error);
        if let Some(asked) = &mut self.asked {
            asked.await.map_err(given_up)??;
        }
        if self.reopened.load(Ordering::Acquire) {
            same(&self.drive, &self.id, &self.stat).await.map(drop)
        } else {
            Ok(())
        }
    }
}
