//! Buckets: create, delete, list; and lists of their objects, by the first and the second version of the
//! call.

use super::{
    Failure, Shared,
    content::Content,
    state::{Bucket, Object},
    uploads::limit,
    wire::{
        ALREADY_OWNED, Call, Dialect, INVALID_ARGUMENT, NO_SUCH_BUCKET, NOT_EMPTY, Refusal, Reply, empty,
        escaped, iso, xml,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE as BASE64},
};
use http::header;
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use std::{collections::BTreeMap, time::SystemTime};

const XML: &str = "<?xml version='1.0' encoding='UTF-8'?>";
const NAMESPACE: &str = "xmlns='http://doc.s3.amazonaws.com/2006-03-01'";
/// The characters that `encoding-type=url` leaves as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// With OAuth, the request must name a project; HMAC keys belong to one.
pub async fn create(shared: &Shared, call: &Call, body: Incoming) -> Result<Reply, Failure> {
    call.only(&[])?;
    let document = String::from_utf8(Content::receive(body).await?.to_vec()).map_err(|_| INVALID_ARGUMENT)?;
    let name = call.bucket()?;
    let takes =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    if !(3..=222).contains(&name.len()) || !name.bytes().all(takes) {
        return Err(INVALID_ARGUMENT.about("bucket name").into());
    }
    if call.dialect == Dialect::Goog
        && call.header("authorization").is_some_and(|it| it.starts_with("Bearer"))
    {
        call.extension("project-id").ok_or(INVALID_ARGUMENT.about("x-goog-project-id"))?;
    }
    let location = document
        .split_once("<LocationConstraint>")
        .and_then(|(_, rest)| rest.split_once('<'))
        .map_or("US", |(found, _)| found);
    let bucket = Bucket {
        created: SystemTime::now(),
        location: location.to_uppercase(),
        objects: BTreeMap::new(),
        uploads: BTreeMap::new(),
    };
    let mut state = shared.state();
    if state.buckets.contains_key(name) {
        return Err(ALREADY_OWNED.into());
    }
    state.buckets.insert(name.to_owned(), bucket);
    Ok(empty(200))
}

pub fn head(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&[])?;
    shared.state().buckets.get(call.bucket()?).map(|_| empty(200)).ok_or(NO_SUCH_BUCKET)
}

/// A bucket with unfinished uploads can be deleted.
pub fn delete(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&[])?;
    let mut state = shared.state();
    if !state.buckets.get(call.bucket()?).ok_or(NO_SUCH_BUCKET)?.objects.is_empty() {
        return Err(NOT_EMPTY);
    }
    state.buckets.remove(call.bucket()?);
    Ok(empty(204))
}

pub fn location(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    let state = shared.state();
    let bucket = state.buckets.get(call.bucket()?).ok_or(NO_SUCH_BUCKET)?;
    Ok(xml(format!("{XML}<LocationConstraint>{}</LocationConstraint>", escaped(&bucket.location))))
}

/// Lists all buckets of the project.
pub fn list(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&[])?;
    let mut text = format!("{XML}<ListAllMyBucketsResult {NAMESPACE}><Buckets>");
    for (name, bucket) in &shared.state().buckets {
        text += &format!(
            "<Bucket><Name>{name}</Name><CreationDate>{}</CreationDate></Bucket>",
            iso(bucket.created)
        );
    }
    Ok(xml(text + "</Buckets></ListAllMyBucketsResult>"))
}

#[derive(Default)]
struct Page<'b> {
    objects: Vec<(&'b str, &'b Object)>,
    prefixes: Vec<String>,
    /// The key or common prefix at the end of a page that is not the last.
    next: Option<String>,
}

/// A page of the names that are at least `from` and greater than `after`.
fn page<'b>(
    bucket: &'b Bucket,
    prefix: &str,
    delimiter: &str,
    from: &str,
    after: &str,
    limit: usize,
) -> Page<'b> {
    let mut page = Page::default();
    let mut last = String::new();
    for (key, object) in bucket
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(prefix) && key.as_str() > after && key.as_str() >= from)
    {
        let cut = if delimiter.is_empty() { None } else { key[prefix.len()..].find(delimiter) };
        let common = cut.map(|at| &key[..prefix.len() + at + delimiter.len()]);
        // A page that ended with a common prefix has listed everything below it.
        if common.is_some_and(|common| {
            common == after || page.prefixes.last().is_some_and(|known| known == common)
        }) {
            continue;
        }
        if page.objects.len() + page.prefixes.len() >= limit {
            page.next = (limit > 0).then_some(last);
            break;
        }
        match common {
            Some(common) => page.prefixes.push(common.to_owned()),
            None => page.objects.push((key, object)),
        }
        last = common.unwrap_or(key).to_owned();
    }
    page
}

/// `objects.list` of the JSON API: `/storage/v1/b/BUCKET/o`. The order of its fields is not defined, and its
/// tokens are opaque.
pub fn list_described(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&["prefix", "delimiter", "maxResults", "startOffset", "pageToken", "fields", "projection"])?;
    let given = |name| call.parameter(name).unwrap_or_default();
    let name =
        call.key()?.strip_prefix("v1/b/").and_then(|rest| rest.strip_suffix("/o")).ok_or(NO_SUCH_BUCKET)?;
    let after = BASE64.decode(given("pageToken")).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let after = after.ok_or(INVALID_ARGUMENT.about("pageToken"))?;
    let state = shared.state();
    let bucket = state.buckets.get(name).ok_or(NO_SUCH_BUCKET)?;
    let page = page(
        bucket,
        given("prefix"),
        given("delimiter"),
        given("startOffset"),
        &after,
        limit(call, "maxResults")?,
    );
    let items = page.objects.iter().map(|(key, object)| {
        let mut item = json!({
            "kind": "storage#object",
            "name": key,
            "bucket": name,
            "generation": object.generation.to_string(),
            "metageneration": "1",
            "size": object.content.length.to_string(),
            "crc32c": STANDARD.encode(object.content.crc32c.to_be_bytes()),
            "etag": STANDARD.encode(object.generation.to_be_bytes()),
            "timeCreated": iso(object.modified),
            "updated": iso(object.modified),
        });
        if object.has_md5 {
            item["md5Hash"] = STANDARD.encode(object.content.md5).into();
        }
        for (name, value) in &object.metadata.custom {
            item["metadata"][name] = String::from_utf8_lossy(value.as_bytes()).into();
        }
        item
    });
    let mut document = json!({ "kind": "storage#objects" });
    // An empty list is left out.
    if !page.objects.is_empty() {
        document["items"] = items.collect();
    }
    if !page.prefixes.is_empty() {
        document["prefixes"] = page.prefixes.clone().into();
    }
    if let Some(next) = &page.next {
        document["nextPageToken"] = BASE64.encode(next).into();
    }
    let mut reply = xml(document.to_string());
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, "application/json; charset=UTF-8".parse().expect("a value"));
    Ok(reply)
}

pub fn list_objects(shared: &Shared, call: &Call) -> Result<Reply, Refusal> {
    call.only(&[
        "prefix",
        "delimiter",
        "max-keys",
        "encoding-type",
        "marker",
        "list-type",
        "start-after",
        "continuation-token",
        "fetch-owner",
    ])?;
    let second = match call.parameter("list-type") {
        None => false,
        Some("2") => true,
        Some(_) => return Err(INVALID_ARGUMENT.about("list-type")),
    };
    let given = |name| call.parameter(name).unwrap_or_default();
    let after = match (second, call.parameter("continuation-token")) {
        (true, Some(token)) => {
            let bytes = BASE64.decode(token).map_err(|_| INVALID_ARGUMENT.about("continuation-token"))?;
            String::from_utf8(bytes).map_err(|_| INVALID_ARGUMENT.about("continuation-token"))?
        }
        (true, None) => given("start-after").to_owned(),
        (false, _) => given("marker").to_owned(),
    };
    let state = shared.state();
    let bucket = state.buckets.get(call.bucket()?).ok_or(NO_SUCH_BUCKET)?;
    let page = page(bucket, given("prefix"), given("delimiter"), "", &after, limit(call, "max-keys")?);

    let by_url = given("encoding-type") == "url";
    let named =
        |text: &str| if by_url { utf8_percent_encode(text, PLAIN).to_string() } else { escaped(text) };
    let mut text = format!(
        "{XML}<ListBucketResult {NAMESPACE}><Name>{}</Name><Prefix>{}</Prefix>",
        call.bucket()?,
        named(given("prefix"))
    );
    let mut say = |name: &str, value: &str| text += &format!("<{name}>{value}</{name}>");
    match (second, &page.next) {
        (true, next) => {
            say("KeyCount", &(page.objects.len() + page.prefixes.len()).to_string());
            if let Some(next) = next {
                say("NextContinuationToken", &BASE64.encode(next));
            }
        }
        (false, next) => {
            say("Marker", &named(given("marker")));
            if let Some(next) = next {
                say("NextMarker", &named(next));
            }
        }
    }
    if by_url {
        say("EncodingType", "url");
    }
    if !given("delimiter").is_empty() {
        say("Delimiter", &named(given("delimiter")));
    }
    say("IsTruncated", &page.next.is_some().to_string());
    for (key, object) in page.objects {
        let fields = [
            ("Key", named(key)),
            ("Generation", object.generation.to_string()),
            ("MetaGeneration", "1".to_owned()),
            ("LastModified", iso(object.modified)),
            ("ETag", escaped(&object.etag)),
            ("Size", object.content.length.to_string()),
        ];
        text += &format!(
            "<Contents>{}</Contents>",
            fields.map(|(name, value)| format!("<{name}>{value}</{name}>")).concat()
        );
    }
    for prefix in page.prefixes {
        text += &format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", named(&prefix));
    }
    let mut reply = xml(text + "</ListBucketResult>");
    reply.headers_mut().insert(header::CACHE_CONTROL, "private, max-age=0".parse().expect("a value"));
    Ok(reply)
}
