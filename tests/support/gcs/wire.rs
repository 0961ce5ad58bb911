//! Requests, replies and errors in the form of the service.
//!
//! The dialect is the family of extension headers: `x-goog-` with OAuth tokens and `GOOG4` signatures,
//! `x-amz-` with AWS ones. One request must not have both, so requests with AWS signatures cannot have
//! generation preconditions.

use super::{content::Content, state::Object};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use std::{convert::Infallible, ops::Range, time::SystemTime};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub type Body = UnsyncBoxBody<Bytes, Infallible>;
pub type Reply = Response<Body>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Goog,
    Amz,
}

impl Dialect {
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Goog => "x-goog-",
            Self::Amz => "x-amz-",
        }
    }
}

/// A request without its body.
#[derive(Debug)]
pub struct Call {
    pub method: Method,
    pub bucket: Option<String>,
    pub key: Option<String>,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub dialect: Dialect,
}

impl Call {
    pub fn of<B>(request: &Request<B>, dialect: Dialect) -> Result<Self, Refusal> {
        let path = request.uri().path().strip_prefix('/').unwrap_or_default();
        let (bucket, key) = path.split_once('/').map_or((path, ""), |(bucket, key)| (bucket, key));
        let named = |text: &str| (!text.is_empty()).then(|| decoded(text)).transpose();
        let query = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let query = query.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(&value.replace('+', " "))?))
        });
        Ok(Self {
            method: request.method().clone(),
            bucket: named(bucket)?,
            key: named(key)?,
            query: query.collect::<Result<_, _>>()?,
            headers: request.headers().clone(),
            dialect,
        })
    }

    /// No bucket is called `storage`: the paths of the JSON API begin with this name.
    pub fn is_json(&self) -> bool {
        self.bucket.as_deref() == Some("storage")
            && self.key.as_deref().is_some_and(|key| key.starts_with("v1/"))
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Refuses unknown parameters: a parameter that is ignored must not seem to have an effect.
    pub fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(NOT_IMPLEMENTED.about(name)),
            None => Ok(()),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The extension header of this name, without the prefix of its family.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.header(&format!("{}{name}", self.dialect.prefix()))
    }

    pub fn bucket(&self) -> Result<&str, Refusal> {
        self.bucket.as_deref().ok_or(INVALID_ARGUMENT.about("no bucket"))
    }

    pub fn key(&self) -> Result<&str, Refusal> {
        self.key.as_deref().ok_or(INVALID_ARGUMENT.about("no object"))
    }
}

pub fn decoded(text: &str) -> Result<String, Refusal> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| INVALID_ARGUMENT.about("not UTF-8"))
}

/// An error with its document.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: &'static str,
    pub details: Option<String>,
}

macro_rules! refusals {
    ($($name:ident = $status:literal $code:literal $message:literal;)+) => {
        $(pub const $name: Refusal = Refusal { status: $status, code: $code, message: $message, details: None };)+
    };
}

refusals! {
    BAD_DIGEST = 400 "BadDigest" "The Content-MD5 or x-goog-hash you specified did not match what we received.";
    ENTITY_TOO_SMALL = 400 "EntityTooSmall" "Your proposed upload is smaller than the minimum allowed object size.";
    EXCESS_HEADERS = 400 "ExcessHeaderValues" "Requests cannot specify both x-amz and x-goog headers.";
    INVALID_ARGUMENT = 400 "InvalidArgument" "Invalid argument.";
    INVALID_DIGEST = 400 "InvalidDigest" "The Content-MD5 you specified was invalid.";
    INVALID_PART = 400 "InvalidPart" "One or more of the specified parts could not be found.";
    INVALID_PART_ORDER = 400 "InvalidPartOrder" "The list of parts was not in ascending order.";
    METADATA_TOO_LARGE = 400 "MetadataTooLarge" "Your metadata headers exceed the maximum allowed metadata size.";
    MALFORMED_XML = 400 "MalformedXML" "The XML you provided was not well-formed.";
    MULTIPART_PRECONDITION = 400 "NotImplemented" "Preconditions cannot be used in XML API multipart uploads.";
    AUTHENTICATION_REQUIRED = 401 "AuthenticationRequired" "Authentication required.";
    NO_SUCH_BUCKET = 404 "NoSuchBucket" "The specified bucket does not exist.";
    NO_SUCH_KEY = 404 "NoSuchKey" "The specified key does not exist.";
    NO_SUCH_UPLOAD = 404 "NoSuchUpload" "The requested upload was not found.";
    METHOD_NOT_ALLOWED = 405 "MethodNotAllowed" "The specified method is not allowed against this resource.";
    ALREADY_OWNED = 409 "BucketAlreadyOwnedByYou" "Your previous request to create the named bucket succeeded and you already own it.";
    NOT_EMPTY = 409 "BucketNotEmpty" "The bucket you tried to delete is not empty.";
    PRECONDITION_FAILED = 412 "PreconditionFailed" "At least one of the pre-conditions you specified did not hold.";
    INVALID_RANGE = 416 "InvalidRange" "The requested range cannot be satisfied.";
    SLOW_DOWN = 429 "SlowDown" "The rate of requests is too high. Please reduce your request rate.";
    INTERNAL_ERROR = 500 "InternalError" "We encountered an internal error. Please try again.";
    NOT_IMPLEMENTED = 501 "NotImplemented" "A header or query you provided requested a function that is not implemented.";
    SERVICE_UNAVAILABLE = 503 "ServiceUnavailable" "The service is unavailable. Please retry.";
}

impl Refusal {
    pub fn about(self, details: impl Into<String>) -> Self {
        Self { details: Some(details.into()), ..self }
    }

    pub fn reply(&self) -> Reply {
        let mut text = format!(
            "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{}</Code><Message>{}</Message>",
            self.code, self.message
        );
        if let Some(details) = &self.details {
            text += &format!("<Details>{}</Details>", escaped(details));
        }
        let mut reply = xml(text + "</Error>");
        *reply.status_mut() = StatusCode::from_u16(self.status).expect("a status");
        reply
    }
}

/// Escapes text for XML. Characters that XML 1.0 does not allow become references that its parsers refuse;
/// clients get them back with `encoding-type=url`.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            control if (control as u32) < 0x20 => out += &format!("&#x{:x};", control as u32),
            other => out.push(other),
        }
    }
    out
}

pub fn empty(status: u16) -> Reply {
    let body = Full::new(Bytes::new()).boxed_unsync();
    Response::builder().status(status).header(header::CONTENT_LENGTH, 0).body(body).expect("a reply")
}

pub fn xml(text: String) -> Reply {
    let reply = Response::builder()
        .header(header::CONTENT_TYPE, "application/xml; charset=UTF-8")
        .header(header::CONTENT_LENGTH, text.len());
    reply.body(Full::new(Bytes::from(text)).boxed_unsync()).expect("a reply")
}

pub fn streamed(content: &Content, range: Range<u64>) -> Body {
    let frames = content.pieces(range).into_iter().map(|piece| Ok(Frame::data(piece)));
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

pub fn iso(time: SystemTime) -> String {
    let millisecond = time::Duration::milliseconds(1);
    let time = OffsetDateTime::from(time);
    let time = time
        - time::Duration::nanoseconds(i64::from(time.nanosecond()) % millisecond.whole_nanoseconds() as i64);
    time.format(&Rfc3339).expect("a date")
}

/// Adds the headers that every reply about an object has. The service sends two lines of `x-goog-hash`.
pub fn describe(reply: &mut Reply, object: &Object) {
    let headers = reply.headers_mut();
    let mut add =
        |name: &'static str, value: String| headers.append(name, value.parse().expect("a header value"));
    add("etag", object.etag.clone());
    add("x-goog-generation", object.generation.to_string());
    add("x-goog-metageneration", "1".to_owned());
    add("x-goog-hash", format!("crc32c={}", BASE64.encode(object.content.crc32c.to_be_bytes())));
    if object.has_md5 {
        add("x-goog-hash", format!("md5={}", BASE64.encode(object.content.md5)));
    }
    add("x-goog-stored-content-length", object.content.length.to_string());
    add(
        "x-goog-stored-content-encoding",
        object.metadata.get("content-encoding").unwrap_or("identity").to_owned(),
    );
    add("x-goog-storage-class", "STANDARD".to_owned());
}
