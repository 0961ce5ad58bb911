//! One object: PUT, copy, GET, HEAD, DELETE.

use super::{
    Failure, Shared, conditions,
    content::Content,
    state::{Metadata, Object},
    wire::{
        BAD_DIGEST, Call, INVALID_ARGUMENT, INVALID_DIGEST, INVALID_RANGE, NO_SUCH_BUCKET, NO_SUCH_KEY,
        NOT_IMPLEMENTED, Refusal, Reply, decoded, describe, empty, escaped, iso, streamed, xml,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http::{HeaderName, Method, StatusCode, header};
use hyper::body::Incoming;
use std::ops::Range;

const MAX_NAME_BYTES: usize = 1024;

pub async fn put(shared: &Shared, call: &Call, body: Incoming) -> Result<Reply, Failure> {
    call.only(&[])?;
    check_name(call.key()?)?;
    let content = Content::receive(body).await?;
    if call.extension("copy-source").is_some() {
        return Ok(copy(shared, call)?);
    }
    check_digests(call, &content)?;
    let metadata = Metadata::of(&call.headers, &format!("{}meta-", call.dialect.prefix()))?;
    let mut state = shared.state();
    let object = state.plain(content, metadata);
    let bucket = state.buckets.get_mut(call.bucket()?).ok_or(NO_SUCH_BUCKET)?;
    conditions::generations(call, bucket.objects.get(call.key()?))?;
    let mut reply = empty(200);
    describe(&mut reply, &object);
    bucket.objects.insert(call.key()?.to_owned(), object);
    Ok(reply)
}

/// Checks whether the service accepts a name. Control characters other than line ends are accepted.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    let refused = name.len() > MAX_NAME_BYTES
        || name.contains(['\r', '\n'])
        || matches!(name, "." | "..")
        || name.starts_with(".well-known/acme-challenge/");
    if refused { Err(INVALID_ARGUMENT.about("object name")) } else { Ok(()) }
}

/// Checks `Content-MD5`, and any number of lines and items of `x-goog-hash`.
pub fn check_digests(call: &Call, content: &Content) -> Result<(), Refusal> {
    if let Some(announced) = call.header("content-md5") {
        let announced = BASE64.decode(announced).ok().filter(|md5| md5.len() == 16).ok_or(INVALID_DIGEST)?;
        if announced != content.md5 {
            return Err(BAD_DIGEST);
        }
    }
    let lines = call.headers.get_all("x-goog-hash").iter().filter_map(|line| line.to_str().ok());
    for item in lines.flat_map(|line| line.split(',')) {
        let (algorithm, announced) = item.trim().split_once('=').ok_or(INVALID_ARGUMENT)?;
        let found = match algorithm {
            "md5" => BASE64.encode(content.md5),
            "crc32c" => BASE64.encode(content.crc32c.to_be_bytes()),
            _ => return Err(INVALID_ARGUMENT.about(algorithm)),
        };
        if found != announced {
            return Err(BAD_DIGEST);
        }
    }
    Ok(())
}

fn copy(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    let named = decoded(call.extension("copy-source").unwrap_or_default())?;
    let (source_bucket, source_key) =
        named.trim_start_matches('/').split_once('/').ok_or(INVALID_ARGUMENT.about("copy source"))?;
    let replaces = call.extension("metadata-directive") == Some("REPLACE");
    let is_itself = call.bucket()? == source_bucket && call.key()? == source_key;
    if is_itself && !replaces {
        return Err(INVALID_ARGUMENT.about("a copy onto itself replaces metadata"));
    }
    let mut state = shared.state();
    let source = state
        .buckets
        .get(source_bucket)
        .ok_or(NO_SUCH_BUCKET)?
        .objects
        .get(source_key)
        .ok_or(NO_SUCH_KEY)?
        .clone();
    if call.extension("copy-source-generation").is_some_and(|wanted| wanted != source.generation.to_string())
    {
        return Err(NO_SUCH_KEY);
    }
    conditions::of_source(call, &source)?;
    let metadata = if replaces {
        Metadata::of(&call.headers, &format!("{}meta-", call.dialect.prefix()))?
    } else {
        source.metadata
    };
    let object = if source.has_md5 {
        state.plain(source.content, metadata)
    } else {
        state.composite(source.content, 1, metadata)
    };
    let bucket = state.buckets.get_mut(call.bucket()?).ok_or(NO_SUCH_BUCKET)?;
    conditions::generations(call, bucket.objects.get(call.key()?))?;
    let (modified, etag) = (iso(object.modified), escaped(&object.etag));
    let mut reply = xml(format!(
        "<?xml version='1.0' encoding='UTF-8'?><CopyObjectResult><LastModified>{modified}</LastModified><ETag>{etag}</ETag></CopyObjectResult>"
    ));
    describe(&mut reply, &object);
    bucket.objects.insert(call.key()?.to_owned(), object);
    Ok(reply)
}

/// Answers GET and HEAD.
pub fn get(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&["generation"])?;
    let state = shared.state();
    let bucket = state.buckets.get(call.bucket()?).ok_or(NO_SUCH_BUCKET)?;
    let object = bucket.objects.get(call.key()?).ok_or_else(|| missing(call))?;
    if call.parameter("generation").is_some_and(|wanted| wanted != object.generation.to_string()) {
        return Err(missing(call));
    }
    conditions::generations(call, Some(object))?;
    if !conditions::of_reading(call, object)? {
        let mut reply = empty(304);
        reply.headers_mut().remove(header::CONTENT_LENGTH);
        describe(&mut reply, object);
        return Ok(reply);
    }
    let takes_gzip = call.header("accept-encoding").is_some_and(|accepted| accepted.contains("gzip"));
    if call.method == Method::GET && object.metadata.get("content-encoding") == Some("gzip") && !takes_gzip {
        // The service would decompress the object, and send other bytes than the stored ones. The driver does
        // not use this.
        return Err(NOT_IMPLEMENTED.about("decompressive transcoding: send Accept-Encoding: gzip"));
    }
    let length = object.content.length;
    let (status, range) = match call.header("range").and_then(|range| parse_range(range, length)) {
        None => (StatusCode::OK, 0..length),
        Some(Some(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(None) => return Err(INVALID_RANGE),
    };
    let mut reply = Reply::new(streamed(&object.content, range.clone()));
    *reply.status_mut() = status;
    describe(&mut reply, object);
    describe_content(&mut reply, call, object, range);
    Ok(reply)
}

fn describe_content(reply: &mut Reply, call: &Call, object: &Object, range: Range<u64>) {
    let partial = reply.status() == StatusCode::PARTIAL_CONTENT;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    headers.insert(header::LAST_MODIFIED, httpdate::fmt_http_date(object.modified).parse().expect("a date"));
    headers.insert(header::ACCEPT_RANGES, "bytes".parse().expect("a value"));
    headers.insert(header::CONTENT_TYPE, "binary/octet-stream".parse().expect("a value"));
    if partial {
        let value = format!("bytes {}-{}/{}", range.start, range.end - 1, object.content.length);
        headers.insert(header::CONTENT_RANGE, value.parse().expect("a value"));
    }
    for (name, value) in &object.metadata.fixed {
        headers.insert(name.clone(), value.clone());
    }
    for (name, value) in &object.metadata.custom {
        let name: HeaderName =
            format!("{}meta-{name}", call.dialect.prefix()).parse().expect("a name that came as one");
        headers.insert(name, value.clone());
    }
}

/// `None` if there is no valid range. `Some(None)` if the range has no byte of the object.
fn parse_range(text: &str, length: u64) -> Option<Option<Range<u64>>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first, last) {
        ("", last) => length.saturating_sub(last.parse().ok()?)..length,
        (first, "") => first.parse().ok()?..length,
        (first, last) => first.parse().ok()?..last.parse::<u64>().ok()?.saturating_add(1).min(length),
    };
    Some((range.start < range.end).then_some(range))
}

/// In contrast to S3, a DELETE of a missing object is a 404.
pub fn delete(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&["generation"])?;
    let mut state = shared.state();
    let bucket = state.buckets.get_mut(call.bucket()?).ok_or(NO_SUCH_BUCKET)?;
    let object = bucket.objects.get(call.key()?).ok_or_else(|| missing(call))?;
    if call.parameter("generation").is_some_and(|wanted| wanted != object.generation.to_string()) {
        return Err(missing(call));
    }
    conditions::generations(call, Some(object))?;
    bucket.objects.remove(call.key()?);
    Ok(empty(204))
}

fn missing(call: &Call) -> Refusal {
    let named = |name: &Option<String>| name.clone().unwrap_or_default();
    NO_SUCH_KEY.about(format!("No such object: {}/{}", named(&call.bucket), named(&call.key)))
}
