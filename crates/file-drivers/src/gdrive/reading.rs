//! Downloads. Drive has no conditions for them, so the received bytes are checked before the last piece is
//! passed on: by their MD5 if they are the whole file, otherwise by a request whether the file still has that
//! revision.

use super::drive::Drive;
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
use http::{Method, StatusCode, header};
use md5::{Digest, Md5};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::task::JoinHandle;

#[derive(Debug)]
pub(super) struct GdriveOpened {
    drive: Arc<Drive>,
    id: String,
    stat: Stat,
    /// The span that was requested when the file was opened, and the reply.
    ahead: Option<(Span, Reply)>,
}

impl GdriveOpened {
    pub(super) async fn new(drive: Arc<Drive>, id: String, stat: Stat, ahead: Option<Span>) -> Self {
        let span = ahead
            .map(|span| Span { start: span.start, end: span.end.min(stat.size) })
            .filter(|span| span.start < span.end);
        let ahead = match span {
            Some(span) => part(&drive, &id, &stat, span).await.ok().map(|reply| (span, reply)),
            None => None,
        };
        Self { drive, id, stat, ahead }
    }
}

#[async_trait]
impl Opened for GdriveOpened {
    fn stat(&self) -> &Stat {
        &self.stat
    }

    async fn read(self: Box<Self>, span: Span) -> Result<ByteStream> {
        if span.is_empty() {
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        let Self { drive, id, stat, ahead } = *self;
        let first = match ahead {
            Some((held, reply)) if held == span => reply,
            _ => part(&drive, &id, &stat, span).await?,
        };
        let check = match stat.md5.filter(|_| span == Span::whole(stat.size)) {
            Some(md5) => Check::Digest(Box::default(), md5),
            None => Check::Revision(Revision::new(drive.clone(), id.clone(), stat.clone())),
        };
        let reopened = check.reopened();
        let attempts = drive.client.attempts();
        let reopen = move |read: u64| {
            reopened.store(true, Ordering::Release);
            let (drive, id, stat) = (drive.clone(), id.clone(), stat.clone());
            let rest = Span { start: span.start + read, end: span.end };
            Box::pin(async move { part(&drive, &id, &stat, rest).await })
                as futures_util::future::BoxFuture<'static, Result<Reply>>
        };
        Ok(judged(resuming(first, span.len(), attempts, Box::new(reopen)), Box::new(check)))
    }
}

/// Requests `span`, which is not empty. The reply begins with its first byte.
async fn part(drive: &Arc<Drive>, id: &str, stat: &Stat, span: Span) -> Result<Reply> {
    let mut call = drive.client.file(Method::GET, id).query("alt", "media");
    if span != Span::whole(stat.size) {
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
                    "Google Drive sent another range than was asked for",
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

enum Check {
    Digest(Box<Md5>, [u8; 16]),
    Revision(Revision),
}

/// A request whether the file still has its revision, made while the bytes arrive: Drive has selected them by
/// then.
struct Revision {
    drive: Arc<Drive>,
    id: String,
    stat: Stat,
    asked: JoinHandle<Result<()>>,
    /// Set if the download was resumed after that request.
    reopened: Arc<AtomicBool>,
}

impl Revision {
    fn new(drive: Arc<Drive>, id: String, stat: Stat) -> Self {
        let asked = tokio::spawn(ask(drive.clone(), id.clone(), stat.clone()));
        Self { drive, id, stat, asked, reopened: Arc::default() }
    }
}

impl Drop for Revision {
    fn drop(&mut self) {
        self.asked.abort();
    }
}

async fn ask(drive: Arc<Drive>, id: String, stat: Stat) -> Result<()> {
    // A file that was moved or put into the trash meanwhile still has the same bytes.
    match super::drive::found(
        drive
            .client
            .file(Method::GET, &id)
            .query("fields", super::item::FIELDS)
            .read::<super::item::DriveFile>(Again::Harmless)
            .await?,
    )? {
        Some(item) if item.stat().is_same(&stat) => Ok(()),
        _ => Err(changed()),
    }
}

impl Check {
    fn reopened(&self) -> Arc<AtomicBool> {
        match self {
            Self::Digest(..) => Arc::default(),
            Self::Revision(revision) => revision.reopened.clone(),
        }
    }
}

#[async_trait]
impl Verdict for Check {
    fn saw(&mut self, bytes: &[u8]) {
        if let Self::Digest(digest, _) = self {
            digest.update(bytes);
        }
    }

    async fn give(self: Box<Self>) -> Result<()> {
        match *self {
            Self::Digest(digest, expected) => {
                if <[u8; 16]>::from(digest.finalize()) == expected {
                    Ok(())
                } else {
                    Err(changed())
                }
            }
            Self::Revision(mut revision) => {
                let given_up = |error| {
                    StoreError::new(StoreErrorKind::Internal, "a check was given up").with_source(error)
                };
                (&mut revision.asked).await.map_err(given_up)??;
                if revision.reopened.load(Ordering::Acquire) {
                    ask(revision.drive.clone(), revision.id.clone(), revision.stat.clone()).await
                } else {
                    Ok(())
                }
            }
        }
    }
}
