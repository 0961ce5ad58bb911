//! Listings: one page of the storage for one page of the gateway, in the order of keys.

use super::{
    Dialect,
    bucket::S3Store,
    refusal::{self, RequestSubject},
};
use crate::{
    backend::{pages::Pages, wire::Again},
    model::{ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ETag, ObjectKey, StorageClass, Timestamp},
    store::{
        ListEntry, ListPage, ListRequest, ListedObject, Result,
        error::{StoreError, StoreErrorKind},
        grouping::Query,
    },
    xml,
};
use http::Method;
use percent_encoding::percent_decode_str;

/// The longest page, in bytes: a thousand keys of 1,024 bytes, each byte encoded in up to nine.
const LONGEST_PAGE: usize = 16 << 20;

impl S3Store {
    pub(super) async fn list_page(&self, request: ListRequest) -> Result<ListPage> {
        if request.limit == 0 {
            return Ok(ListPage::default());
        }
        let grouped =
            request.delimiter.as_deref().is_some_and(|delimiter| !delimiter.is_empty() && delimiter != "/");
        if grouped && !self.features().await?.delimiters {
            let words = "The storage behind this bucket groups listings by / alone";
            return Err(StoreError::new(StoreErrorKind::NotImplemented, words));
        }
        let mut after = request.after.clone();
        let mut pages = Pages::of("listing a bucket");
        loop {
            let page = match self.dialect() {
                Dialect::S3 => self.remote_page(&request, after.as_deref()).await?,
                Dialect::Gcs => self.described_page(&request, after.as_deref()).await?,
            };
            if !page.entries.is_empty() || !page.truncated {
                return Ok(ListPage { entries: page.entries, truncated: page.truncated, cache: None });
            }
            // A page in which all entries are skipped only shows where to continue.
            pages.beyond(after.as_deref(), page.last.as_deref())?;
            after = page.last;
        }
    }

    async fn remote_page(&self, request: &ListRequest, after: Option<&str>) -> Result<RemotePage> {
        let prefix = self.location.below(&request.prefix);
        let delimiter = request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let limit = request.limit.to_string();
        let start = after.map(|after| self.location.below(&beyond(after, &request.prefix, delimiter)));
        let mut query = vec![
            ("list-type", Some("2")),
            ("encoding-type", Some("url")),
            ("max-keys", Some(limit.as_str())),
            ("prefix", Some(prefix.as_str())),
        ];
        query.extend(delimiter.map(|delimiter| ("delimiter", Some(delimiter))));
        query.extend(start.as_deref().map(|start| ("start-after", Some(start))));
        let reply = self
            .client
            .call(Method::GET, &self.location.remote, None)
            .query(&query)
            .send(Again::Harmless)
            .await?;
        if !reply.status.is_success() {
            return Err(refusal::read(reply, RequestSubject::Bucket).await.into());
        }
        let document = reply.bytes(LONGEST_PAGE).await?;
        let root = xml::parse_reply(&document).map_err(|_| unexpected("listing"))?;
        let encoded = root.value("EncodingType") == Some("url");
        let mut entries = Vec::new();
        let mut last = None::<String>;
        // Names outside the prefix were not requested: they are dropped and are not a position to continue
        // from.
        let asked = |name: &str| name.starts_with(&request.prefix);
        let mut met = |name: &str| {
            if last.as_deref().is_none_or(|last| last < name) {
                last = Some(name.to_owned());
            }
        };
        for element in root.all("Contents") {
            let name = name(element.value("Key").ok_or_else(|| unexpected("key"))?, encoded)?;
            let Some(key) = self.location.strip(&name).filter(|key| asked(key)) else { continue };
            met(key);
            if let Some(object) = object(key, element)? {
                entries.push(ListEntry::Object(object));
            }
        }
        let query = Query { prefix: &request.prefix, delimiter, after, limit: request.limit };
        for element in root.all("CommonPrefixes") {
            let name = name(element.value("Prefix").ok_or_else(|| unexpected("prefix"))?, encoded)?;
            let Some(prefix) = self.location.strip(&name).filter(|name| query.group(name) == Some(name))
            else {
                continue;
            };
            met(prefix);
            entries.push(ListEntry::CommonPrefix(prefix.to_owned()));
        }
        // S3 sends objects and common prefixes as two separate lists.
        entries.sort_by(|a, b| a.name().cmp(b.name()));
        let skipped = |name: &str| {
            super::scratch::is_scratch(name) || request.after.as_deref().is_some_and(|after| name <= after)
        };
        entries.retain(|entry| !skipped(entry.name()));
        entries.dedup_by(|a, b| a.name() == b.name());
        // Entries beyond the limit are requested again with the next page.
        let truncated = root.value("IsTruncated") == Some("true") || entries.len() > request.limit;
        entries.truncate(request.limit);
        Ok(RemotePage { entries, truncated, last })
    }
}

pub(super) struct RemotePage {
    pub(super) entries: Vec<ListEntry>,
    pub(super) truncated: bool,
    /// The highest name on the page, even if it is skipped.
    pub(super) last: Option<String>,
}

/// Returns the position to continue from after a name. After a common prefix, it is after everything that
/// begins with it: storages continue after a key, and would return the prefix again for the keys below it.
pub(super) fn beyond(after: &str, prefix: &str, delimiter: Option<&str>) -> String {
    let is_group = delimiter.is_some_and(|delimiter| {
        let rest = after.strip_prefix(prefix).unwrap_or_default();
        rest.find(delimiter).is_some_and(|at| at + delimiter.len() == rest.len())
    });
    if is_group { format!("{after}\u{10ffff}") } else { after.to_owned() }
}

fn name(text: &str, encoded: bool) -> Result<String> {
    if !encoded {
        return Ok(text.to_owned());
    }
    // The text is form-encoded: `+` is a space, and a plus is `%2B`.
    let text = text.replace('+', " ");
    Ok(percent_decode_str(&text).decode_utf8().map_err(|_| unexpected("UTF-8"))?.into_owned())
}

/// Returns the object; `None` if its name is not a valid key of S3.
fn object(key: &str, element: &xml::Element) -> Result<Option<ListedObject>> {
    let Ok(key) = ObjectKey::new(key) else { return Ok(None) };
    let size =
        element.value("Size").and_then(|size| size.trim().parse().ok()).ok_or_else(|| unexpected("size"))?;
    let modified = element
        .value("LastModified")
        .and_then(Timestamp::parse_iso8601)
        .ok_or_else(|| unexpected("modification time"))?;
    let algorithm = element.value("ChecksumAlgorithm").and_then(ChecksumAlgorithm::parse);
    let kind = element.value("ChecksumType").and_then(ChecksumKind::parse);
    Ok(Some(ListedObject {
        key,
        size,
        etag: ETag::parse(element.value("ETag").ok_or_else(|| unexpected("ETag"))?),
        // The time may be more precise than that of HEAD; clients compare it with times of files.
        last_modified: modified,
        checksum: algorithm
            .map(|algorithm| ChecksumSpec { algorithm, kind: kind.unwrap_or(ChecksumKind::FullObject) }),
        storage_class: element.value("StorageClass").and_then(StorageClass::parse),
        // It is in the metadata, which listings of S3 do not have.
        owner: None,
    }))
}

pub(super) fn unexpected(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Internal, format!("a page of the storage has no valid {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_behind_all_that_a_common_prefix_stands_for() {
        assert_eq!(beyond("a/", "", Some("/")), "a/\u{10ffff}");
        assert_eq!(beyond("a/b", "", Some("/")), "a/b");
        assert_eq!(beyond("a/b/", "a/", Some("/")), "a/b/\u{10ffff}");
        assert_eq!(beyond("a/", "a/", Some("/")), "a/", "the key that is the prefix itself");
        assert_eq!(beyond("a/", "", None), "a/");
    }

    #[test]
    fn names_are_decoded_as_forms() {
        assert_eq!(name("a+b%2Bc%C3%A9%01", true).expect("a name"), "a b+cé\u{1}");
        assert_eq!(name("a+b%2B", false).expect("a name"), "a+b%2B");
    }
}
