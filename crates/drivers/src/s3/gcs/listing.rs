//! Listings by the JSON API (`objects.list`): listings of the XML API contain no metadata, and so neither
//! S3's ETags nor checksums.

use super::{STAGE, facts, names};
use crate::{
    backend::{pages::Pages, wire::Again},
    model::{ObjectKey, Timestamp},
    s3::{
        bucket::S3Store,
        listing::{RemotePage, beyond, unexpected},
        refusal::{self, RequestSubject},
    },
    store::{ListEntry, ListRequest, ListedObject, Result, grouping::Query},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use std::collections::BTreeMap;

const FIELDS: &str = "nextPageToken,prefixes,items(name,generation,size,md5Hash,updated,metadata)";
/// The longest page, in bytes: a thousand objects, each with 8 KiB of metadata and a long name, with escapes.
const LONGEST_PAGE: usize = 32 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectsPage {
    next_page_token: Option<String>,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(default)]
    items: Vec<GcsObject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GcsObject {
    name: String,
    generation: String,
    size: String,
    md5_hash: Option<String>,
    updated: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

impl S3Store {
    pub(in crate::s3) async fn described_page(
        &self,
        request: &ListRequest,
        after: Option<&str>,
    ) -> Result<RemotePage> {
        match request.delimiter.as_deref() {
            Some(delimiter) if !names::keeps(delimiter) => self.page_grouped_here(request, delimiter).await,
            _ => self.page_grouped_there(request, after).await,
        }
    }

    async fn page_grouped_there(&self, request: &ListRequest, after: Option<&str>) -> Result<RemotePage> {
        let prefix = self.location.below(&names::encode_prefix(&request.prefix));
        let delimiter = request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        // A listing of GCS begins with the given name, one of S3 after it.
        let start = after.map(|after| {
            self.location.below(&names::encode_prefix(&beyond(after, &request.prefix, delimiter)))
        });
        let limit = (request.limit + usize::from(start.is_some())).to_string();
        let mut query = vec![
            ("fields", Some(FIELDS)),
            ("maxResults", Some(limit.as_str())),
            ("prefix", Some(prefix.as_str())),
        ];
        query.extend(delimiter.map(|delimiter| ("delimiter", Some(delimiter))));
        query.extend(start.as_deref().map(|start| ("startOffset", Some(start))));
        let reply = self.client.described(&self.location.remote).query(&query).send(Again::Harmless).await?;
        if !reply.status.is_success() {
            return Err(refusal::read(reply, RequestSubject::Bucket).await.into());
        }
        let page: ObjectsPage =
            serde_json::from_slice(&reply.bytes(LONGEST_PAGE).await?).map_err(|_| unexpected("document"))?;
        let mut entries = Vec::with_capacity(page.items.len() + page.prefixes.len());
        let mut last = None::<String>;
        let mut met = |name: &str| {
            if name.starts_with(&request.prefix) && last.as_deref().is_none_or(|last| last < name) {
                last = Some(name.to_owned());
            }
        };
        for item in &page.items {
            let Some(name) = self.location.strip(&item.name) else { continue };
            let key = names::decode(name);
            met(key.as_deref().unwrap_or(name));
            // Names that are not valid keys are not listed.
            if let Some(key) = key.and_then(|key| ObjectKey::new(key).ok()) {
                entries.push(ListEntry::Object(object(key, item)?));
            }
        }
        for name in page.prefixes.iter().filter_map(|name| self.location.strip(name)) {
            let group = names::decode_prefix(name);
            met(group.as_deref().unwrap_or(name));
            entries.extend(group.map(ListEntry::CommonPrefix));
        }
        entries.sort_by(|a, b| a.name().cmp(b.name()));
        let wanted = |name: &str| {
            name.starts_with(&request.prefix) && request.after.as_deref().is_none_or(|after| name > after)
        };
        entries.retain(|entry| !entry.name().starts_with(STAGE) && wanted(entry.name()));
        entries.dedup_by(|a, b| a.name() == b.name());
        let truncated = page.next_page_token.is_some() || entries.len() > request.limit;
        entries.truncate(request.limit);
        Ok(RemotePage { last, entries, truncated })
    }

    /// Groups here, by a delimiter that names may contain where keys do not. All keys are read, instead of
    /// one per group.
    async fn page_grouped_here(&self, request: &ListRequest, delimiter: &str) -> Result<RemotePage> {
        let query = Query {
            prefix: &request.prefix,
            delimiter: Some(delimiter),
            after: request.after.as_deref(),
            limit: request.limit,
        };
        let mut flat = ListRequest { delimiter: None, limit: 1000, ..request.clone() };
        let mut entries: Vec<ListEntry> = Vec::new();
        let mut pages = Pages::of("grouping a listing");
        loop {
            let page = self.page_grouped_there(&flat, flat.after.as_deref()).await?;
            for entry in page.entries {
                let entry = query
                    .group(entry.name())
                    .map(|group| ListEntry::CommonPrefix(group.to_owned()))
                    .unwrap_or(entry);
                let known = entries.last().is_some_and(|last| last.name() == entry.name());
                if known || query.after.is_some_and(|after| entry.name() <= after) {
                    continue;
                }
                if entries.len() == request.limit {
                    return Ok(RemotePage { entries, truncated: true, last: None });
                }
                entries.push(entry);
            }
            if !page.truncated {
                return Ok(RemotePage { entries, truncated: false, last: None });
            }
            pages.beyond(flat.after.as_deref(), page.last.as_deref())?;
            flat.after = page.last;
        }
    }
}

fn object(key: ObjectKey, item: &GcsObject) -> Result<ListedObject> {
    let md5 = item.md5_hash.as_deref().and_then(|text| STANDARD.decode(text).ok()?.try_into().ok());
    let known = facts::listed(md5, &item.generation, |name| item.metadata.get(name).map(String::as_str));
    let updated = || Timestamp::parse_iso8601(&item.updated).ok_or_else(|| unexpected("modification time"));
    Ok(ListedObject {
        key,
        size: item.size.parse().map_err(|_| unexpected("size"))?,
        etag: known.etag,
        last_modified: known.modified.map_or_else(updated, Ok)?,
        checksum: Some(known.checksum),
        storage_class: None,
        owner: known.owner,
    })
}
