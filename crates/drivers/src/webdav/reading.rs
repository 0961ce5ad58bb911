//! Files on their way out. Every reply is compared with what PROPFIND reported of the file: size, time and
//! strong tag.
//!
//! Some servers (rclone) describe a file in a reply's head before they open it, and send its content at that
//! later moment. So a reply counts only if we have replaced nothing until its first bytes came, or if the
//! file still is what the head says.
//!
//! When a connection is lost, the rest is requested only if this process has not changed the file since it
//! was checked. Size and second may be the same for two files, and so may tags that are made of them.

use super::{WebdavFiles, client::Client, properties::strong, refusal};
use crate::{
    backend::{
        tree::files::{Opened, Stat, changed},
        watches::Watch,
        wire::{Again, Reply, resuming},
    },
    model::{Span, Timestamp},
    store::{
        ByteStream, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use http::{StatusCode, header};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct WebdavOpened {
    pub(super) files: WebdavFiles,
    pub(super) path: String,
    pub(super) stat: Stat,
    /// A watch that began before the file was checked.
    pub(super) watch: Arc<Watch<String>>,
    /// The span that was requested at once, and the reply with it.
    pub(super) ahead: Option<(Span, Reply)>,
}

#[async_trait]
impl Opened for WebdavOpened {
    fn stat(&self) -> &Stat {
        &self.stat
    }

    async fn read(self: Box<Self>, span: Span) -> Result<ByteStream> {
        if span.is_empty() {
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        let Self { files, path, stat, watch, ahead } = *self;
        // Another one has its place before we ask for one.
        let ahead = ahead.filter(|(held, _)| held.start == span.start && held.end >= span.end);
        let first = match ahead {
            Some((_, reply)) => reply,
            None => part(&files, &path, &stat, &watch, span).await?,
        };
        let attempts = files.client.attempts();
        let reopen = move |read: u64| {
            let (files, path, stat, watch) = (files.clone(), path.clone(), stat.clone(), watch.clone());
            let rest = Span { start: span.start + read, end: span.end };
            Box::pin(async move {
                let reply = part(&files, &path, &stat, &watch, rest).await?;
                if watch.is_unchanged() { Ok(reply) } else { Err(changed()) }
            }) as futures_util::future::BoxFuture<'static, Result<Reply>>
        };
        Ok(resuming(first, span.len(), attempts, Box::new(reopen)))
    }
}

pub(super) async fn get(client: &Arc<Client>, path: &str, span: Span, tag: Option<&str>) -> Result<Reply> {
    let range = format!("bytes={}-{}", span.start, span.end.saturating_sub(1));
    client.file("GET", path).header("range", &range).only_if(tag).send(Again::Harmless).await
}

/// The reply begins with the first byte of `span`.
async fn part(
    files: &WebdavFiles,
    path: &str,
    stat: &Stat,
    watch: &Watch<String>,
    span: Span,
) -> Result<Reply> {
    let reply = get(&files.client, path, span, stat.tag.as_deref()).await?;
    match reply.status {
        StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
        StatusCode::PRECONDITION_FAILED
        | StatusCode::NOT_FOUND
        | StatusCode::GONE
        | StatusCode::RANGE_NOT_SATISFIABLE => {
            return Err(changed());
        }
        _ => return Err(refusal::read(reply).await.into()),
    }
    let held = extent(&reply, stat)?;
    if held.start > span.start || held.end < span.end {
        return Err(StoreError::new(
            StoreErrorKind::Internal,
            "the storage sent another range than was asked for",
        ));
    }
    settled(files, path, stat, watch, reply.skipping(span.start - held.start)).await
}

/// `watch` is from before the reply was asked for.
pub(super) async fn settled(
    files: &WebdavFiles,
    path: &str,
    stat: &Stat,
    watch: &Watch<String>,
    mut reply: Reply,
) -> Result<Reply> {
    reply.begin().await?;
    if watch.is_unchanged() || files.look(path).await?.is_some_and(|now| now.is_same(stat)) {
        Ok(reply)
    } else {
        Err(changed())
    }
}

/// Which bytes of the file a reply holds; an error if they are not of this file.
pub(super) fn extent(reply: &Reply, stat: &Stat) -> Result<Span> {
    let modified = reply.header(header::LAST_MODIFIED).and_then(Timestamp::parse_http_date);
    let (size, span) = match reply.status {
        StatusCode::PARTIAL_CONTENT => {
            reply.header(header::CONTENT_RANGE).and_then(content_range).ok_or_else(changed)?
        }
        StatusCode::OK => {
            // Without a length the end of the body is all there is to go by, and `resuming` counts.
            let size = reply.number(header::CONTENT_LENGTH).unwrap_or(stat.size);
            (Some(size), Span::whole(size))
        }
        _ => return Err(changed()),
    };
    let told = Stat {
        size: size.unwrap_or(stat.size),
        modified,
        tag: reply.header(header::ETAG).and_then(strong),
        ..stat.clone()
    };
    if told.is_same(stat) { Ok(span) } else { Err(changed()) }
}

/// `bytes 0-9/100`, or `*` for the size.
fn content_range(text: &str) -> Option<(Option<u64>, Span)> {
    let (range, size) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let span =
        Span { start: first.trim().parse().ok()?, end: last.trim().parse::<u64>().ok()?.checked_add(1)? };
    (span.start < span.end).then_some((size.trim().parse().ok(), span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_with_and_without_the_size() {
        assert_eq!(content_range("bytes 0-9/100"), Some((Some(100), Span { start: 0, end: 10 })));
        assert_eq!(content_range("bytes 5-5/*"), Some((None, Span { start: 5, end: 6 })));
        for text in ["bytes */100", "bytes 5-4/9", "items 0-1/2", "bytes 0-18446744073709551615/1"] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }
}
