//! Listing by the JSON API (`objects.list`): the XML API lists no metadata, and so neither S3's ETags nor checksums.

use super::{STAGE, facts};
use crate::{
    backend::{
        s3::{
            listing::{RemotePage, beyond, strange},
            refusal,
            store::S3Store,
        },
        wire::Again,
    },
    model::{ObjectKey, Timestamp},
    store::{ListEntry, ListRequest, ListedObject, Result},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use std::collections::BTreeMap;

const FIELDS: &str = "nextPageToken,prefixes,items(name,generation,size,md5Hash,updated,metadata)";
/// A thousand objects, each with 8 KiB of metadata and a long name, with escapes.
const LONGEST_PAGE: usize = 32 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    next_page_token: Option<String>,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    name: String,
    generation: String,
    size: String,
    md5_hash: Option<String>,
    updated: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

impl S3Store {
    pub(in crate::backend::s3) async fn described_page(&self, request: &ListRequest, after: Option<&str>) -> Result<RemotePage> {
        let prefix = self.place.below(&request.prefix);
        let delimiter = request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        // GCS begins with a name, S3 behind it.
        let start = after.map(|after| self.place.below(&beyond(after, &request.prefix, delimiter)));
        let limit = (request.limit + usize::from(start.is_some())).to_string();
        let mut query = vec![("fields", Some(FIELDS)), ("maxResults", Some(limit.as_str())), ("prefix", Some(prefix.as_str()))];
        query.extend(delimiter.map(|delimiter| ("delimiter", Some(delimiter))));
        query.extend(start.as_deref().map(|start| ("startOffset", Some(start))));
        let reply = self.client.described(&self.place.remote).query(&query).send(Again::Harmless).await?;
        if !reply.status.is_success() {
            return Err(refusal::read(reply).await.into());
        }
        let page: Page = serde_json::from_slice(&reply.bytes(LONGEST_PAGE).await?).map_err(|_| strange("document"))?;
        let mut entries = Vec::with_capacity(page.items.len() + page.prefixes.len());
        let mut last = None::<&str>;
        for item in &page.items {
            let Some(name) = self.place.strip(&item.name) else { continue };
            last = last.max(Some(name));
            // Names that are no keys of S3 are not shown.
            if let Ok(key) = ObjectKey::new(name) {
                entries.push(ListEntry::Object(object(key, item)?));
            }
        }
        for name in page.prefixes.iter().filter_map(|name| self.place.strip(name)) {
            last = last.max(Some(name));
            entries.push(ListEntry::CommonPrefix(name.to_owned()));
        }
        entries.sort_by(|a, b| a.name().cmp(b.name()));
        entries.retain(|entry| !entry.name().starts_with(STAGE) && request.after.as_deref().is_none_or(|after| entry.name() > after));
        let truncated = page.next_page_token.is_some() || entries.len() > request.limit;
        entries.truncate(request.limit);
        Ok(RemotePage { last: last.map(str::to_owned), entries, truncated })
    }
}

fn object(key: ObjectKey, item: &Item) -> Result<ListedObject> {
    let md5 = item.md5_hash.as_deref().and_then(|text| STANDARD.decode(text).ok()?.try_into().ok());
    let known = facts::listed(md5, &item.generation, |name| item.metadata.get(name).map(String::as_str));
    let updated = || Timestamp::parse_iso8601(&item.updated).ok_or_else(|| strange("modification time"));
    Ok(ListedObject {
        key,
        size: item.size.parse().map_err(|_| strange("size"))?,
        etag: known.etag,
        last_modified: known.modified.map_or_else(updated, Ok)?,
        checksum: Some(known.checksum),
    })
}
