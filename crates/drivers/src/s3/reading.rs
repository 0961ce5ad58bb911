//! HEAD and GET of an object or a range, and resuming a reply that breaks off.
//!
//! Invariant: all bytes of one read are of the same object.

use super::{
    bucket::S3Store,
    client::Client,
    dialect::Dialect,
    gcs, headers,
    object_info::object_info,
    refusal::{self, RequestSubject},
};
use crate::{
    backend::wire::{self, Again, Reply},
    model::{ETag, ObjectInfo, Span},
    store::{
        GetReply, GetRequest, ObjectBody, Result, Selection,
        error::{StoreError, StoreErrorKind},
        selection,
    },
};
use http::{HeaderMap, Method, StatusCode, header};
use std::sync::Arc;

/// How often a refused range is requested again because the object was replaced at that moment.
const ROUNDS: usize = 4;

impl S3Store {
    /// Sends HEAD. `extra` are headers that request more attributes or set conditions.
    pub(super) async fn look(&self, name: &str, extra: HeaderMap) -> Result<(ObjectInfo, HeaderMap)> {
        let mut call = self.call(Method::HEAD, name).headers(extra);
        if self.dialect() == Dialect::S3 {
            call = call.vendor("checksum-mode", "ENABLED");
        }
        let reply = call.send(Again::Harmless).await?;
        if reply.status == StatusCode::BAD_REQUEST {
            // An error reply to HEAD has no message, but one to GET has.
            self.open(name, Some("bytes=0-0".to_owned()), HeaderMap::new()).await?;
        }
        if !reply.status.is_success() {
            return Err(refusal::read(reply, RequestSubject::Object).await.into());
        }
        let size = reply.number(header::CONTENT_LENGTH).unwrap_or(0);
        Ok((object_info(&reply.headers, size, self.dialect())?, reply.headers))
    }

    pub(super) async fn open(&self, name: &str, range: Option<String>, extra: HeaderMap) -> Result<Reply> {
        let mut call = self.call(Method::GET, name).headers(extra);
        if self.dialect() == Dialect::Gcs {
            // Without this header, GCS would decompress an object that is stored compressed, and send other
            // bytes.
            call = call.text("accept-encoding", "gzip");
        }
        match range {
            Some(range) => call = call.text("range", &range),
            // The checksum is of the whole object, so it is not requested for a range; storages refuse that
            // too.
            None if self.dialect() == Dialect::S3 => call = call.vendor("checksum-mode", "ENABLED"),
            None => {}
        }
        let reply = call.send(Again::Harmless).await?;
        match reply.status {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(reply),
            _ => Err(refusal::read(reply, RequestSubject::Object).await.into()),
        }
    }

    pub(super) async fn get_span(
        &self,
        name: &str,
        request: &GetRequest,
        range: Option<String>,
    ) -> Result<GetReply> {
        let extra = match self.dialect() {
            Dialect::S3 => headers::of_conditions(&request.conditions, ""),
            Dialect::Gcs => headers::of_conditions(&gcs::facts::conditions_there(&request.conditions), ""),
        };
        let first = self.open_span(name, request, range, extra).await?;
        let (size, span) = extent(&first)?;
        let info = object_info(&first.headers, size, self.dialect())?;
        request.conditions.check(&info.etag, info.last_modified)?;
        let expected = selection::select(&info, request.selection)?;
        if span != expected {
            return Err(StoreError::new(
                StoreErrorKind::Internal,
                "the storage answered with another range than it was asked for",
            ));
        }
        Ok(GetReply { body: self.body(name, first, &info, span), info, span })
    }

    async fn open_span(
        &self,
        name: &str,
        request: &GetRequest,
        range: Option<String>,
        extra: HeaderMap,
    ) -> Result<Reply> {
        let mut refused = None;
        for _ in 0..ROUNDS {
            match self.open(name, range.clone(), extra.clone()).await {
                Err(error)
                    if error.kind() == StoreErrorKind::InvalidRequest
                        && matches!(request.selection, Selection::Range(_)) =>
                {
                    // The refusal of a range may lack the size of the object, which S3 reports, and the
                    // object may have been replaced. So it is read again.
                    let (info, _) = self.look(name, HeaderMap::new()).await?;
                    selection::select(&info, request.selection)?;
                    refused = Some(error);
                }
                other => return other,
            }
        }
        Err(refused.unwrap_or_else(|| StoreErrorKind::Internal.into()))
    }

    pub(super) fn body(&self, name: &str, first: Reply, info: &ObjectInfo, span: Span) -> ObjectBody {
        // The storage's own ETag, which clients do not see for every object.
        let etag =
            first.header("etag").map(|etag| ETag::parse(etag).quoted()).unwrap_or_else(|| info.etag.quoted());
        let reader = Reader {
            client: self.client.clone(),
            remote: self.location.remote.clone(),
            name: name.to_owned(),
            etag,
        };
        let reopen: wire::Reopen = Box::new(move |read| {
            let reader = reader.clone();
            Box::pin(async move { reader.open(span.start + read, span.end).await })
        });
        ObjectBody::Stream(wire::resuming(first, span.len(), self.client.attempts(), reopen))
    }
}

/// Continues to read the same object after an interruption.
#[derive(Clone)]
struct Reader {
    client: Arc<Client>,
    remote: String,
    name: String,
    etag: String,
}

impl Reader {
    async fn open(&self, start: u64, end: u64) -> Result<Reply> {
        let call = self.client.call(Method::GET, &self.remote, Some(&self.name));
        let mut call = call.text("range", &format!("bytes={start}-{}", end - 1)).text("if-match", &self.etag);
        if self.client.dialect() == Dialect::Gcs {
            call = call.text("accept-encoding", "gzip");
        }
        let reply = call.send(Again::Harmless).await?;
        let same = reply.header("etag").map(ETag::parse) == Some(ETag::parse(&self.etag));
        let here =
            reply.status.is_success() && extent(&reply).is_ok_and(|(_, span)| span == Span { start, end });
        match (reply.status, same) {
            _ if here && same => Ok(reply),
            (StatusCode::PARTIAL_CONTENT | StatusCode::OK | StatusCode::PRECONDITION_FAILED, _) => {
                Err(StoreError::new(
                    StoreErrorKind::Internal,
                    "the object was replaced while it was read from the storage",
                ))
            }
            _ => Err(refusal::read(reply, RequestSubject::Object).await.into()),
        }
    }
}

/// Returns the size of the object, and which bytes of it a reply contains. `Content-Range` decides, because
/// some storages reply to ranges with 200.
fn extent(reply: &Reply) -> Result<(u64, Span)> {
    let unexpected = || StoreError::new(StoreErrorKind::Internal, "the storage's reply has no length");
    if reply.status == StatusCode::OK && reply.header(header::CONTENT_RANGE).is_none() {
        let size = reply.number(header::CONTENT_LENGTH).ok_or_else(unexpected)?;
        return Ok((size, Span::whole(size)));
    }
    reply.header("content-range").and_then(content_range).ok_or_else(unexpected)
}

/// Parses `bytes FIRST-LAST/SIZE`. An empty object has no last byte. Some storages reply to a range of it
/// with `bytes 0--1/0`: the size shows that the reply is empty.
fn content_range(text: &str) -> Option<(u64, Span)> {
    let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let size = size.parse().ok()?;
    if size == 0 {
        return Some((0, Span::whole(0)));
    }
    let (first, last) = range.split_once('-')?;
    let span = Span { start: first.parse().ok()?, end: last.parse::<u64>().ok()?.checked_add(1)? };
    (span.start < span.end && span.end <= size).then_some((size, span))
}

pub(super) fn range_header(selection: Selection) -> Option<String> {
    use crate::model::ByteRange;
    match selection {
        Selection::Range(ByteRange::FromTo(first, last)) => Some(format!("bytes={first}-{last}")),
        Selection::Range(ByteRange::From(first)) => Some(format!("bytes={first}-")),
        Selection::Range(ByteRange::Suffix(length)) => Some(format!("bytes=-{length}")),
        Selection::Whole | Selection::Part(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_names_bytes_that_the_object_has() {
        assert_eq!(content_range("bytes 2-4/10"), Some((10, Span { start: 2, end: 5 })));
        assert_eq!(
            content_range("bytes 0--1/0"),
            Some((0, Span::whole(0))),
            "a storage's words for nothing of nothing"
        );
        for unexpected in
            ["bytes 4-2/10", "bytes 2-10/10", "bytes 2-4/*", "bytes */10", "bytes 0--1/10", "2-4/10"]
        {
            assert_eq!(content_range(unexpected), None, "{unexpected}");
        }
    }
}
