//! Listings: converts Azure's pages to pages of S3, in the order of keys. Names have the same order (see
//! `backend::names`).

use super::{headers, marks::Mark, metadata::OWN, record, refusal, store::AzblobStore};
use crate::{
    backend::{names, pages::Pages, wire::Again},
    model::{ObjectChecksum, ObjectKey, Timestamp},
    store::{
        ListEntry, ListPage, ListRequest, ListedObject, Result,
        error::{StoreError, StoreErrorKind},
        grouping::Query,
    },
    xml,
};
use http::Method;
use std::time::Instant;

/// The only delimiter for which Azure groups names: other characters may be encoded in names.
const NATIVE_DELIMITER: &str = "/";
/// The maximum number of entries in a page with metadata, because such pages are long.
const MOST_DESCRIBED: usize = 1000;
const MOST_NAMED: usize = 5000;
/// The longest page, in bytes: a thousand names with 8 KiB of metadata each, in XML.
const LONGEST_PAGE: usize = 32 << 20;

/// The parameters of a request to Azure.
struct ListQuery<'a> {
    prefix: String,
    grouped: bool,
    /// Whether the page contains the metadata of its entries.
    described: bool,
    marker: Option<&'a str>,
    most: usize,
}

struct RemotePage {
    /// The entries in order.
    items: Vec<BlobOrPrefix>,
    /// The highest name on the page, as Azure stores it.
    last: Option<String>,
    next: Option<String>,
}

/// A key, or a group of keys with a common prefix.
struct BlobOrPrefix {
    name: String,
    object: Option<ListedObject>,
}

impl AzblobStore {
    pub(super) async fn list_page(&self, request: ListRequest) -> Result<ListPage> {
        let mut page = ListPage::default();
        if request.limit == 0 {
            return Ok(page);
        }
        let began = self.marks.begin();
        let delimiter = request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        // A position before the prefix has no effect.
        let after = request.after.as_deref().filter(|after| *after >= request.prefix.as_str());
        let query = Query { prefix: &request.prefix, delimiter, after, limit: request.limit };
        let grouped = delimiter == Some(NATIVE_DELIMITER);
        let prefix = self.location.below(&names::encode_prefix(&request.prefix));
        let mut marker = match after {
            Some(after) => match self.marks.take(&request.prefix, delimiter, after) {
                Some(marker) => Some(marker),
                None => self.walk_to(&prefix, grouped, after).await?,
            },
            None => None,
        };
        let mut probes = 0;
        let mut pages = Pages::of("listing a bucket");
        loop {
            let most = match request.limit - page.entries.len() {
                // Only the existence of further entries is asked. Each time entries were skipped, the next
                // request is for more.
                0 => 1 << (2 * probes).min(20),
                wanted => wanted,
            };
            probes += u32::from(page.entries.len() == request.limit);
            let most = most.min(MOST_DESCRIBED);
            let asked = ListQuery {
                prefix: prefix.clone(),
                grouped,
                described: true,
                marker: marker.as_deref(),
                most,
            };
            let remote = self.remote_page(asked).await?;
            for item in remote.items {
                let Some(entry) = shown(&query, item) else { continue };
                if page.entries.last().is_some_and(|last| last.name() >= entry.name()) {
                    continue;
                }
                if page.entries.len() < request.limit {
                    page.entries.push(entry);
                    continue;
                }
                page.truncated = true;
                if let (Some(marker), Some(last)) = (marker, page.entries.last()) {
                    let (after, next) = (last.name().to_owned(), entry.name().to_owned());
                    let delimiter = delimiter.map(str::to_owned);
                    self.marks.remember(
                        began,
                        Mark { prefix: request.prefix, delimiter, after, next, marker, at: Instant::now() },
                    );
                }
                return Ok(page);
            }
            match remote.next {
                Some(next) => {
                    pages.next(&next)?;
                    marker = Some(next);
                }
                None => return Ok(page),
            }
        }
    }

    /// Returns the last marker before a name. If no earlier page ended there, all pages before it have to be
    /// requested.
    async fn walk_to(&self, prefix: &str, grouped: bool, after: &str) -> Result<Option<String>> {
        let bound = self.location.below(&names::encode_prefix(after));
        let mut marker: Option<String> = None;
        let mut pages = Pages::of("looking for where a listing goes on");
        loop {
            let asked = ListQuery {
                prefix: prefix.to_owned(),
                grouped,
                described: false,
                marker: marker.as_deref(),
                most: MOST_NAMED,
            };
            let page = self.remote_page(asked).await?;
            match (page.last, page.next) {
                (last, Some(next)) if last.as_ref().is_none_or(|last| *last < bound) => {
                    pages.next(&next)?;
                    marker = Some(next);
                }
                _ => return Ok(marker),
            }
        }
    }

    async fn remote_page(&self, asked: ListQuery<'_>) -> Result<RemotePage> {
        let mut call = self
            .client
            .container(Method::GET, &self.location.remote)
            .query("restype", "container")
            .query("comp", "list");
        call = call.query("prefix", asked.prefix).query("maxresults", asked.most.to_string());
        if asked.grouped {
            call = call.query("delimiter", NATIVE_DELIMITER);
        }
        if asked.described {
            call = call.query("include", "metadata,copy");
        }
        if let Some(marker) = asked.marker {
            call = call.query("marker", marker);
        }
        let reply = refusal::accept(call.send(Again::Harmless).await?).await?;
        let document = reply.bytes(LONGEST_PAGE).await?;
        let root = xml::parse(&document, "EnumerationResults").map_err(|_| unexpected("listing"))?;
        let (mut items, mut last) = (Vec::new(), None);
        for element in root.child("Blobs").map(|blobs| blobs.children.as_slice()).unwrap_or_default() {
            let name = element.value("Name").ok_or_else(|| unexpected("name"))?;
            last = last.max(Some(name.to_owned()));
            // Names that do not decode to a key are the gateway's own, or cannot be requested by a client.
            let Some(key) = self.location.strip(name).and_then(names::decode) else { continue };
            match element.name.as_str() {
                "BlobPrefix" => items.push(BlobOrPrefix { name: key, object: None }),
                "Blob" if !asked.described => {}
                "Blob" => {
                    if let Some(object) = object(&key, element)? {
                        items.push(BlobOrPrefix { name: key, object: Some(object) });
                    }
                }
                _ => {}
            }
        }
        items.sort_by(|a, b| a.name.cmp(&b.name));
        let next = root.value("NextMarker").filter(|marker| !marker.is_empty()).map(str::to_owned);
        Ok(RemotePage { items, last, next })
    }
}

/// Returns what a page shows for an item, if anything.
fn shown(query: &Query<'_>, item: BlobOrPrefix) -> Option<ListEntry> {
    if !item.name.starts_with(query.prefix) {
        return None;
    }
    let entry = match (query.group(&item.name), item.object) {
        (Some(group), _) => ListEntry::CommonPrefix(group.to_owned()),
        (None, Some(object)) => ListEntry::Object(object),
        (None, None) => return None,
    };
    query.after.is_none_or(|after| entry.name() > after).then_some(entry)
}

/// Returns the object with the same values that HEAD returns.
fn object(key: &str, element: &xml::Element) -> Result<Option<ListedObject>> {
    let Ok(key) = ObjectKey::new(key) else { return Ok(None) };
    let properties = element.child("Properties").ok_or_else(|| unexpected("properties"))?;
    match headers::whole(properties.value("CopyStatus")) {
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => return Ok(None),
        // A blob whose copy is in progress is listed, because it will be an object in a moment.
        Err(_) | Ok(()) => {}
    }
    let size = properties
        .value("Content-Length")
        .and_then(|size| size.trim().parse().ok())
        .ok_or_else(|| unexpected("size"))?;
    let changed = properties
        .value("Last-Modified")
        .and_then(Timestamp::parse_http_date)
        .ok_or_else(|| unexpected("modification time"))?;
    let tag = properties.value("Etag").ok_or_else(|| unexpected("ETag"))?;
    let md5 = properties.value("Content-MD5").and_then(headers::md5_of);
    // Another program may have written the name in upper case.
    let own = element
        .child("Metadata")
        .and_then(|metadata| metadata.children.iter().find(|entry| entry.name.eq_ignore_ascii_case(OWN)));
    let record =
        own.and_then(|own| record::parse(&own.text)).filter(|record| record::fits(record, size, md5));
    Ok(Some(ListedObject {
        key,
        size,
        etag: headers::shown_etag(record.as_ref(), md5, tag),
        last_modified: record.as_ref().and_then(|record| record.own.modified).unwrap_or(changed),
        checksum: record
            .as_ref()
            .and_then(|record| record.object.checksum.as_ref())
            .map(ObjectChecksum::spec),
        storage_class: None,
        owner: record.and_then(|record| record.object.attributes.owner),
    }))
}

fn unexpected(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Internal, format!("a page of the storage has no valid {what}"))
}
