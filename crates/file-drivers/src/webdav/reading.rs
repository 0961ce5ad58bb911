//! Downloads. Every reply is compared with the properties that PROPFIND reported: size, time and strong tag.
//!
//! Some servers (rclone) send the headers of a file before they open it, so the content may be that of a
//! newer file. A reply counts only if this process replaced nothing before the first bytes arrived, or if the
//! file still has the reported properties after that.
//!
//! When a connection is lost, the rest is requested only if this process has not changed the file since it
//! was checked: two files may have the same size and second, and so the same tag if the server derives it
//! from them.

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
    /// The span that was requested when the file was opened, and the reply.
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
        // A reply of another span is dropped first: its connection is needed for the next request.
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

/// Requests `span`. The reply begins with its first byte.
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

/// Waits for the first bytes of a reply, and checks that it is of the file that was checked. `watch` must
/// have begun before the request.
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

/// Returns which bytes of the file a reply contains. It is an error if they are not of this file.
pub(super) fn extent(reply: &Reply, stat: &Stat) -> Result<Span> {
    let modified = reply.header(header::LAST_MODIFIED).and_then(Timestamp::parse_http_date);
    let (size, span) = match reply.status {
        StatusCode::PARTIAL_CONTENT => {
            reply.header(header::CONTENT_RANGE).and_then(content_range).ok_or_else(changed)?
        }
        StatusCode::OK => {
            // Without a length, only the end of the connection ends the body; `resuming` counts the bytes.
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

/// Parses `bytes 0-9/100`; the size may be `*`.
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
