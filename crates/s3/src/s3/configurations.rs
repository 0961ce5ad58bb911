//! Configurations of which a bucket has many, each with an id (analytics, intelligent tiering, metrics): they
//! are checked, kept, and shown as they came.
//!
//! Owns the requests for them, which are alike for each kind. What a configuration may hold is in `shape`.
//! Nothing here acts on objects: docs/limits.md says what that means.

use super::{
    BucketCall, ErrorCode, Response, S3Error, Service, reply,
    shape::{self, Shape},
    xml,
};
use crate::buckets::settings::{Configurations, Registered};
use http::StatusCode;

/// Maximum number of bytes of one document.
const MAX_DOCUMENT: usize = 16 * 1024;
/// The limit of S3.
const MAX_ID: usize = 64;
/// How many are listed at once, as on S3.
const PAGE: usize = 100;

/// What one kind of configuration is called, and what it holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// The name of the document.
    root: &'static str,
    /// The name of the document that lists them.
    list: &'static str,
    content: &'static [Shape],
}

pub(super) const ANALYTICS: Kind = Kind {
    root: "AnalyticsConfiguration",
    list: "ListBucketAnalyticsConfigurationResult",
    content: shape::ANALYTICS,
};

pub(super) const TIERING: Kind = Kind {
    root: "IntelligentTieringConfiguration",
    list: "ListBucketIntelligentTieringConfigurationsOutput",
    content: shape::TIERING,
};

pub(super) const METRICS: Kind =
    Kind { root: "MetricsConfiguration", list: "ListMetricsConfigurationsResult", content: shape::METRICS };

pub(super) async fn put<K>(service: &Service, call: BucketCall, kind: Kind) -> Result<Response, S3Error>
where
    K: Registered<Value = Configurations>,
{
    let BucketCall { request, bucket } = call;
    let id = id(request.query.get("id"))?.to_owned();
    let document = request.payload.collect(MAX_DOCUMENT).await?;
    let root = xml::parse(&document, kind.root)?;
    let text = shape::rewritten(&root, kind.content).ok_or(ErrorCode::MalformedXML)?;
    if root.value("Id") != Some(id.as_str()) {
        return Err(ErrorCode::IdMismatch.into());
    }
    let add = |all: &Configurations| {
        all.with(&id, text.clone()).map_err(|_| S3Error::from(ErrorCode::TooManyConfigurations))
    };
    service.buckets().change::<K, _>(&bucket, add).await?;
    Ok(reply::empty(StatusCode::OK))
}

pub(super) fn get<K>(call: &BucketCall, kind: Kind) -> Result<Response, S3Error>
where
    K: Registered<Value = Configurations>,
{
    let settings = call.bucket.settings();
    let id = id(call.request.query.get("id"))?;
    let text = settings.get::<K>().get(id).ok_or(ErrorCode::NoSuchConfiguration)?;
    Ok(reply::document(kind.root, |w| w.verbatim(text)))
}

pub(super) fn list<K>(call: &BucketCall, kind: Kind) -> Response
where
    K: Registered<Value = Configurations>,
{
    let settings = call.bucket.settings();
    let token = call.request.query.get("continuation-token").filter(|token| !token.is_empty());
    // The token is the last id of the page before: ids are no secret to whoever may list them.
    let mut rest = settings.get::<K>().after(token).peekable();
    reply::document(kind.list, |w| {
        let mut last = None;
        for (id, text) in rest.by_ref().take(PAGE) {
            w.element(kind.root, |w| w.verbatim(text));
            last = Some(id);
        }
        w.boolean("IsTruncated", rest.peek().is_some());
        if let Some(token) = token {
            w.text("ContinuationToken", token);
        }
        if let Some(next) = last.filter(|_| rest.peek().is_some()) {
            w.text("NextContinuationToken", next);
        }
    })
}

pub(super) async fn delete<K>(service: &Service, call: BucketCall) -> Result<Response, S3Error>
where
    K: Registered<Value = Configurations>,
{
    let id = id(call.request.query.get("id"))?;
    let remove =
        |all: &Configurations| all.without(id).ok_or_else(|| S3Error::from(ErrorCode::NoSuchConfiguration));
    service.buckets().change::<K, _>(&call.bucket, remove).await?;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

fn id(text: Option<&str>) -> Result<&str, S3Error> {
    let id = text.unwrap_or_default();
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if (1..=MAX_ID).contains(&id.len()) && id.bytes().all(is_known) {
        return Ok(id);
    }
    Err(S3Error::argument(
        "id",
        id,
        "The id of a configuration has 1 to 64 letters, digits, '.', '-' and '_'",
    ))
}
