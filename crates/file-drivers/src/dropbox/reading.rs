//! Downloads: they name the revision that was found, which cannot change.

use super::{drive::Drive, item::DropboxItem};
use crate::{
    backend::{
        tree::files::{Opened, Stat, changed},
        wire::{Again, Reply, resuming},
    },
    model::Span,
    store::{
        ByteStream, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use http::{StatusCode, header};
use serde_json::json;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct DropboxOpened {
    drive: Arc<Drive>,
    rev: String,
    stat: Stat,
    /// The span that was requested when the file was opened, and the reply.
    ahead: Option<(Span, Reply)>,
}

impl DropboxOpened {
    pub(super) async fn new(drive: Arc<Drive>, item: &DropboxItem, ahead: Option<Span>) -> Self {
        let (stat, rev) = (item.stat(), item.rev.clone().unwrap_or_default());
        let span = ahead
            .map(|span| Span { start: span.start, end: span.end.min(stat.size) })
            .filter(|span| span.start < span.end);
        let ahead = match span {
            Some(span) => part(&drive, &rev, stat.size, span).await.ok().map(|reply| (span, reply)),
            None => None,
        };
        Self { drive, rev, stat, ahead }
    }
}

#[async_trait]
impl Opened for DropboxOpened {
    fn stat(&self) -> &Stat {
        &self.stat
    }

    async fn read(self: Box<Self>, span: Span) -> Result<ByteStream> {
        if span.is_empty() {
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        let Self { drive, rev, stat, ahead } = *self;
        let first = match ahead {
            Some((held, reply)) if held == span => reply,
            _ => part(&drive, &rev, stat.size, span).await?,
        };
        let attempts = drive.api.attempts();
        let reopen = move |read: u64| {
            let (drive, rev, size) = (drive.clone(), rev.clone(), stat.size);
            let rest = Span { start: span.start + read, end: span.end };
            Box::pin(async move { part(&drive, &rev, size, rest).await })
                as futures_util::future::BoxFuture<'static, Result<Reply>>
        };
        Ok(resuming(first, span.len(), attempts, Box::new(reopen)))
    }
}

/// Requests `span`, which is not empty. The reply begins with its first byte.
pub(super) async fn part(drive: &Drive, rev: &str, size: u64, span: Span) -> Result<Reply> {
    let mut call = drive.content("download", &json!({ "path": format!("rev:{rev}") }));
    if span != Span::whole(size) {
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
                    "Dropbox sent another range than was asked for",
                ))
            }
        }
        Ok(reply) => Ok(reply.skipping(span.start)),
        // The revision was deleted permanently, or is older than Dropbox keeps.
        Err(refusal) if refusal.is_not_found() || refusal.status == StatusCode::RANGE_NOT_SATISFIABLE => {
            Err(changed())
        }
        Err(refusal) => Err(refusal.into()),
    }
}
