//! Multipart uploads as the service documents them: no preconditions, no copied parts, no MD5 of the whole.

use super::{
    Failure, Shared, conditions,
    content::Content,
    objects::{check_digests, check_name},
    state::{Metadata, Part, Upload},
    wire::{
        Call, ENTITY_TOO_SMALL, INVALID_ARGUMENT, INVALID_PART, INVALID_PART_ORDER, MALFORMED_XML,
        NO_SUCH_BUCKET, NO_SUCH_UPLOAD, NOT_IMPLEMENTED, Refusal, Reply, describe, empty, escaped, iso, xml,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hyper::body::Incoming;
use quick_xml::{Reader, escape::unescape, events::Event};
use std::{collections::BTreeMap, time::SystemTime};

const MIN_PART_BYTES: u64 = 5 << 20;
const MAX_PAGE: usize = 1000;
const XML: &str = "<?xml version='1.0' encoding='UTF-8'?>";

pub fn begin(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&["uploads"])?;
    conditions::none_in_multipart(call)?;
    let (name, key) = (call.bucket()?, call.key()?);
    check_name(key)?;
    let mut state = shared.state();
    let id = state.next_upload();
    let bucket = state.buckets.get_mut(name).ok_or(NO_SUCH_BUCKET)?;
    let metadata = Metadata::of(&call.headers, &format!("{}meta-", call.dialect.prefix()))?;
    let upload = Upload { key: key.to_owned(), started: SystemTime::now(), metadata, parts: BTreeMap::new() };
    bucket.uploads.insert(id.clone(), upload);
    Ok(xml(format!(
        "{XML}<InitiateMultipartUploadResult><Bucket>{name}</Bucket><Key>{}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>",
        escaped(key)
    )))
}

pub async fn put_part(shared: &Shared, call: &Call, body: Incoming) -> Result<Reply, Failure> {
    call.only(&["partNumber", "uploadId"])?;
    conditions::none_in_multipart(call)?;
    if call.extension("copy-source").is_some() {
        return Err(NOT_IMPLEMENTED.about("copies of parts").into());
    }
    let number = call
        .parameter("partNumber")
        .and_then(|number| number.parse().ok())
        .filter(|number| (1..=10_000).contains(number));
    let number: u32 = number.ok_or(INVALID_ARGUMENT.about("partNumber"))?;
    let content = Content::receive(body).await?;
    check_digests(call, &content)?;
    let part = Part { content, modified: SystemTime::now() };
    let mut reply = empty(200);
    let headers = reply.headers_mut();
    for (name, value) in [
        ("etag", part.etag()),
        ("x-goog-hash", format!("crc32c={}", BASE64.encode(part.content.crc32c.to_be_bytes()))),
        ("x-goog-hash", format!("md5={}", BASE64.encode(part.content.md5))),
    ] {
        headers.append(name, value.parse().expect("a value"));
    }
    with_upload(shared, call, |upload| upload.parts.insert(number, part))?;
    Ok(reply)
}

fn with_upload<T>(shared: &Shared, call: &Call, act: impl FnOnce(&mut Upload) -> T) -> Result<T, Refusal> {
    let mut state = shared.state();
    let bucket = state.buckets.get_mut(call.bucket()?).ok_or(NO_SUCH_BUCKET)?;
    let upload = bucket.uploads.get_mut(call.parameter("uploadId").unwrap_or_default());
    Ok(act(upload.filter(|upload| Some(&upload.key) == call.key.as_ref()).ok_or(NO_SUCH_UPLOAD)?))
}

pub async fn complete(shared: &Shared, call: &Call, body: Incoming) -> Result<Reply, Failure> {
    call.only(&["uploadId"])?;
    conditions::none_in_multipart(call)?;
    let named = parts_of(&Content::receive(body).await?.to_vec()).ok_or(MALFORMED_XML)?;
    if !named.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(INVALID_PART_ORDER.into());
    }
    let upload = with_upload(shared, call, |upload| upload.clone())?;
    let mut parts = Vec::new();
    for (number, etag) in &named {
        let part =
            upload.parts.get(number).filter(|part| part.etag().trim_matches('"') == etag.trim_matches('"'));
        parts.push(&part.ok_or(INVALID_PART)?.content);
    }
    let Some((_, all_but_last)) = parts.split_last() else { return Err(MALFORMED_XML.into()) };
    if all_but_last.iter().any(|part| part.length < MIN_PART_BYTES) {
        return Err(ENTITY_TOO_SMALL.into());
    }
    let content = Content::joined(parts.iter().copied());
    // The upload may have ended while its parts were hashed. Only the request that removes the upload creates
    // the object.
    let mut state = shared.state();
    let (name, key) = (call.bucket()?, call.key()?);
    let uploads = &mut state.buckets.get_mut(name).ok_or(NO_SUCH_BUCKET)?.uploads;
    uploads.remove(call.parameter("uploadId").unwrap_or_default()).ok_or(NO_SUCH_UPLOAD)?;
    let object = state.composite(content, parts.len(), upload.metadata.clone());
    let mut reply = xml(format!(
        "{XML}<CompleteMultipartUploadResult><Location>http://{name}.storage.googleapis.com/{key}</Location><Bucket>{name}</Bucket>\
         <Key>{key}</Key><ETag>{}</ETag></CompleteMultipartUploadResult>",
        escaped(&object.etag),
        key = escaped(key),
    ));
    describe(&mut reply, &object);
    state.buckets.get_mut(name).ok_or(NO_SUCH_BUCKET)?.objects.insert(key.to_owned(), object);
    Ok(reply)
}

/// The numbers and ETags of a `CompleteMultipartUpload`, in the order of the document.
fn parts_of(document: &[u8]) -> Option<Vec<(u32, String)>> {
    let (mut reader, mut parts) = (Reader::from_reader(document), Vec::new());
    let (mut number, mut etag, mut text) = (None, None, String::new());
    loop {
        match reader.read_event().ok()? {
            Event::Start(_) => text.clear(),
            Event::Text(more) => text += &unescape(&more).ok()?,
            Event::GeneralRef(name) => text += &unescape(&format!("&{};", &*name)).ok()?,
            Event::End(end) => match end.local_name().as_ref() {
                "PartNumber" => number = Some(text.trim().parse().ok()?),
                "ETag" => etag = Some(text.trim().to_owned()),
                "Part" => parts.push((number.take()?, etag.take()?)),
                _ => {}
            },
            Event::Eof => return Some(parts),
            _ => {}
        }
    }
}

pub fn abort(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&["uploadId"])?;
    with_upload(shared, call, |_| ())?;
    let mut state = shared.state();
    let bucket = state.buckets.get_mut(call.bucket()?).ok_or(NO_SUCH_BUCKET)?;
    bucket.uploads.remove(call.parameter("uploadId").unwrap_or_default());
    Ok(empty(204))
}

pub fn list_parts(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&["uploadId", "max-parts", "part-number-marker"])?;
    let limit = limit(call, "max-parts")?;
    let after =
        call.parameter("part-number-marker").map_or(Ok(0), str::parse).map_err(|_| INVALID_ARGUMENT)?;
    let parts = with_upload(shared, call, |upload| upload.parts.clone())?;
    let mut rest = parts.range(after + 1..);
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let truncated = rest.next().is_some();
    let mut text = format!(
        "{XML}<ListPartsResult><Bucket>{}</Bucket><Key>{}</Key><UploadId>{}</UploadId><StorageClass>STANDARD</StorageClass>\
         <PartNumberMarker>{after}</PartNumberMarker><MaxParts>{limit}</MaxParts><IsTruncated>{truncated}</IsTruncated>",
        call.bucket()?,
        escaped(call.key()?),
        call.parameter("uploadId").unwrap_or_default(),
    );
    if let (true, Some((last, _))) = (truncated, page.last()) {
        text += &format!("<NextPartNumberMarker>{last}</NextPartNumberMarker>");
    }
    for (number, part) in page {
        text += &format!(
            "<Part><PartNumber>{number}</PartNumber><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size></Part>",
            iso(part.modified),
            escaped(&part.etag()),
            part.content.length
        );
    }
    Ok(xml(text + "</ListPartsResult>"))
}

/// Lists the uploads of a bucket, sorted by key and id.
pub fn list(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&["uploads", "prefix", "max-uploads", "key-marker", "upload-id-marker"])?;
    let limit = limit(call, "max-uploads")?;
    let marker = |name| call.parameter(name).unwrap_or_default();
    let (prefix, key_marker, id_marker) =
        (marker("prefix"), marker("key-marker"), marker("upload-id-marker"));
    let state = shared.state();
    let bucket = state.buckets.get(call.bucket()?).ok_or(NO_SUCH_BUCKET)?;
    let mut uploads: Vec<_> =
        bucket.uploads.iter().map(|(id, upload)| (upload.key.as_str(), id.as_str(), upload)).collect();
    uploads.sort_by_key(|(key, id, _)| (*key, *id));
    // Without an id, all uploads of the marker's key have been listed.
    let is_next = |key: &str, id: &str| {
        key > key_marker || (key == key_marker && !id_marker.is_empty() && id > id_marker)
    };
    let mut rest = uploads.into_iter().filter(|(key, id, _)| key.starts_with(prefix) && is_next(key, id));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let truncated = rest.next().is_some();
    let mut text = format!(
        "{XML}<ListMultipartUploadsResult><Bucket>{}</Bucket><IsTruncated>{truncated}</IsTruncated>",
        call.bucket()?
    );
    if let (true, Some((key, id, _))) = (truncated, page.last()) {
        text += &format!(
            "<NextKeyMarker>{}</NextKeyMarker><NextUploadIdMarker>{id}</NextUploadIdMarker>",
            escaped(key)
        );
    }
    for (key, id, upload) in page {
        text += &format!(
            "<Upload><Key>{}</Key><UploadId>{id}</UploadId><StorageClass>STANDARD</StorageClass><Initiated>{}</Initiated></Upload>",
            escaped(key),
            iso(upload.started)
        );
    }
    Ok(xml(text + "</ListMultipartUploadsResult>"))
}

pub fn limit(call: &Call, name: &str) -> Result<usize, Refusal> {
    let limit =
        call.parameter(name).map_or(Ok(MAX_PAGE), str::parse).map_err(|_| INVALID_ARGUMENT.about(name))?;
    Ok(limit.min(MAX_PAGE))
}
