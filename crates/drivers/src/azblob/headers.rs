//! Headers and metadata of a blob, in both directions: as Azure reports them, and as requests set them.

use super::{
    fields::{FIELDS, Field},
    metadata::{self, OWN},
    record::{self, Beside, Elsewhere, Record},
    refusal,
};
use crate::{
    backend::wire::Reply,
    model::{Attributes, ETag, ObjectInfo, Timestamp},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
        record::ObjectRecord,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use md5::{Digest, Md5};
use std::collections::BTreeMap;

/// The content type of a blob that was created without one.
const DEFAULT_TYPE: &str = "application/octet-stream";

/// An object that will be written.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) object: ObjectRecord,
    /// The object is older than its blob will be. Otherwise its time is when it is written.
    pub(super) keeps_time: bool,
}

impl Draft {
    /// An object that is new now.
    pub(super) fn new(object: ObjectRecord) -> Self {
        Self { object, keeps_time: false }
    }

    /// Returns the attributes that a blob can store as headers of its own.
    pub(super) fn native(&self) -> Attributes {
        let mut native = Attributes::default();
        for field in FIELDS.iter().filter(|field| field.blob.is_some()) {
            *(field.of_mut)(&mut native) =
                (field.of)(&self.object.attributes).clone().filter(|value| metadata::is_plain(value));
        }
        native.content_type.get_or_insert_with(|| DEFAULT_TYPE.to_owned());
        native
    }

    /// Returns the record for a blob that has these headers of its own.
    pub(super) fn record(&self, native: &Attributes) -> Record {
        let attributes = &self.object.attributes;
        let differs = |field: &&Field| (field.of)(attributes) != (field.of)(native);
        let headers = FIELDS
            .iter()
            .filter(differs)
            .map(|field| (field.name.to_owned(), (field.of)(attributes).clone()))
            .collect();
        let modified = self.keeps_time.then_some(self.object.modified);
        // The blob has the other attributes itself.
        let Attributes { tags, acl, owner, .. } = attributes.clone();
        let attributes = Attributes { tags, acl, owner, ..Default::default() };
        Record {
            own: Beside { modified, headers, elsewhere: None },
            object: ObjectRecord { attributes, modified: Timestamp::from_millis(0), ..self.object.clone() },
        }
    }
}

/// Returns the headers of a request that set a blob's own headers.
pub(super) fn of_native(native: &Attributes) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for field in FIELDS {
        if let (Some((_, name)), Some(value)) = (field.blob, (field.of)(native))
            && let Ok(value) = HeaderValue::from_str(value)
        {
            headers.insert(name, value);
        }
    }
    headers
}

pub(super) fn of_metadata(record: &Record, user: &BTreeMap<String, String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let own = [(OWN.to_owned(), record::text(record))];
    let all = user
        .iter()
        .map(|(name, value)| (metadata::encode_name(name), metadata::encode_value(value)))
        .chain(own);
    for (name, value) in all {
        // Both were encoded before, so they are valid.
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(format!("x-ms-meta-{name}")), HeaderValue::from_str(&value))
        {
            headers.insert(name, value);
        }
    }
    headers
}

/// A blob as Azure describes it.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The object, without the tags and parts that are in an overflow.
    pub(super) info: ObjectInfo,
    pub(super) record: Option<Record>,
    /// The headers of the blob itself.
    pub(super) native: Attributes,
    /// Azure's own ETag with its quotes, for conditions.
    pub(super) tag: String,
    /// The time of the last change, by Azure's clock.
    pub(super) changed: Timestamp,
    /// The blob has a record of other bytes. Either another program replaced the bytes and kept the metadata,
    /// or Azurite made the reply while the blob was replaced.
    pub(super) is_uncertain: bool,
}

impl Found {
    pub(super) fn elsewhere(&self) -> Option<&Elsewhere> {
        self.record.as_ref()?.own.elsewhere.as_ref()
    }

    /// The object's record, with everything that was brought from elsewhere.
    pub(super) fn object(&self) -> ObjectRecord {
        let shown = ObjectRecord::of(self.info.clone());
        match &self.record {
            Some(Record { object, .. }) => {
                let ObjectRecord { modified, attributes, parts, .. } = shown;
                ObjectRecord { modified, attributes, parts, ..object.clone() }
            }
            None => shown,
        }
    }

    /// Reads a reply that describes a blob of `size` bytes.
    pub(super) fn read(reply: &Reply, size: u64) -> Result<Self> {
        let unexpected = |what: &str| {
            StoreError::new(StoreErrorKind::Internal, format!("the storage's reply has no valid {what}"))
        };
        whole(reply.header("x-ms-copy-status"))?;
        let tag = reply.header(header::ETAG).ok_or_else(|| unexpected("ETag"))?.to_owned();
        let changed = reply
            .header(header::LAST_MODIFIED)
            .and_then(Timestamp::parse_http_date)
            .ok_or_else(|| unexpected("Last-Modified"))?;
        // In a reply to a range, Content-MD5 is the MD5 of the range.
        let of_range = reply.headers.contains_key(header::CONTENT_RANGE);
        let md5 =
            reply.header(if of_range { "x-ms-blob-content-md5" } else { "content-md5" }).and_then(md5_of);
        let mut native = Attributes::default();
        for field in FIELDS {
            if let Some((name, _)) = field.blob {
                *(field.of_mut)(&mut native) = reply.header(name).map(str::to_owned);
            }
        }
        let (mut record, mut user, mut is_uncertain) = (None, BTreeMap::new(), false);
        for (name, value) in &reply.headers {
            let Some(name) = name.as_str().strip_prefix("x-ms-meta-") else { continue };
            let value = String::from_utf8_lossy(value.as_bytes());
            match name {
                OWN => {
                    record = record::parse(&value).filter(|record| record::fits(record, size, md5));
                    is_uncertain = record.is_none();
                }
                name => {
                    user.insert(metadata::decode_name(name), metadata::decode_value(&value));
                }
            }
        }
        let mut attributes = Attributes { user, ..native.clone() };
        if let Some(record) = &record {
            record::apply(record, &mut attributes);
        }
        let own = record.as_ref().map(|record| &record.own);
        let elsewhere = own.and_then(|own| own.elsewhere.as_ref());
        let etag = shown_etag(record.as_ref(), md5, &tag);
        let told = record.as_ref().map(|record| record.object.clone());
        let object = ObjectRecord {
            modified: own.and_then(|own| own.modified).unwrap_or(changed),
            attributes,
            ..told.unwrap_or_else(|| ObjectRecord::new(size, changed, etag))
        };
        let info = object.info();
        let tag_count = elsewhere.map_or(0, |elsewhere| elsewhere.tags).max(info.tag_count);
        let info = ObjectInfo { tag_count, ..info };
        Ok(Self { info, record, native, tag, changed, is_uncertain })
    }
}

/// A blob whose copy is in progress or has failed is not an object.
pub(super) fn whole(copy_status: Option<&str>) -> Result<()> {
    match copy_status {
        Some("pending") => {
            Err(StoreError::new(StoreErrorKind::Busy, "the object is being replaced by a copy"))
        }
        Some("failed" | "aborted") => Err(StoreErrorKind::NoSuchKey.into()),
        _ => Ok(()),
    }
}

pub(super) fn md5_of(text: &str) -> Option<[u8; 16]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

/// Returns the ETag that clients see. A foreign blob has its MD5 as ETag if Azure knows it, otherwise a value
/// that changes with the blob.
pub(super) fn shown_etag(record: Option<&Record>, md5: Option<[u8; 16]>, tag: &str) -> ETag {
    match (record, md5) {
        (Some(record), _) => record.object.etag.clone(),
        (None, Some(md5)) => ETag::from_md5(md5),
        (None, None) => ETag::opaque(format!("{}-0", hex::encode(Md5::digest(tag.trim_matches('"'))))),
    }
}

/// Returns the time of the write, as Azure reports it.
pub(super) fn written_at(reply: &Reply) -> Timestamp {
    reply
        .header(header::LAST_MODIFIED)
        .and_then(Timestamp::parse_http_date)
        .unwrap_or_else(|| answered_at(reply))
}

pub(super) fn answered_at(reply: &Reply) -> Timestamp {
    reply.header(header::DATE).and_then(Timestamp::parse_http_date).unwrap_or_else(Timestamp::now)
}

/// Returns the size of a blob from a reply that is not of a range.
pub(super) fn size_of(reply: &Reply) -> Result<u64> {
    let unexpected = || StoreError::new(StoreErrorKind::Internal, "the storage's reply has no length");
    reply.number(header::CONTENT_LENGTH).ok_or_else(unexpected)
}

/// Parses a reply to HEAD.
pub(super) async fn described(reply: Reply) -> Result<Found> {
    let reply = refusal::accept(reply).await?;
    let size = size_of(&reply)?;
    Found::read(&reply, size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records;

    #[test]
    fn what_the_blob_itself_says_is_not_said_twice() {
        let attributes = Attributes {
            content_type: Some("text/plain".into()),
            content_disposition: Some("attachment; filename=\"ä\"".into()),
            expires: Some("never".into()),
            ..Default::default()
        };
        let draft = Draft::new(ObjectRecord { attributes, ..records::plain() });
        let native = draft.native();
        assert_eq!(
            (native.content_type.as_deref(), native.content_disposition.as_deref()),
            (Some("text/plain"), None)
        );
        let record = draft.record(&native);
        assert_eq!(record.own.headers.keys().collect::<Vec<_>>(), ["content_disposition", "expires"]);
        let mut read = native;
        record::apply(&record, &mut read);
        assert_eq!(read, draft.object.attributes);
        let untyped = Draft::new(records::plain());
        assert_eq!(untyped.record(&untyped.native()).own.headers, [("content_type".to_owned(), None)].into());
    }

    #[test]
    fn blobs_of_others_have_an_etag_that_is_no_md5_unless_it_is_one() {
        assert_eq!(shown_etag(None, Some([1; 16]), "\"0x1\""), ETag::from_md5([1; 16]));
        let opaque = shown_etag(None, None, "\"0x1\"");
        assert!(opaque.as_str().ends_with("-0") && opaque.as_md5().is_none());
        assert_eq!(opaque, shown_etag(None, None, "0x1"), "in listings it has no quotes");
        assert_ne!(opaque, shown_etag(None, None, "0x2"));
    }

    fn listed(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        lines.sort();
        lines
    }

    #[test]
    fn records_are_written_as_ever() {
        let mut lines = Vec::new();
        let full = Draft { object: records::full(), keeps_time: true };
        for draft in [full, Draft::new(records::plain())] {
            let native = draft.native();
            let (mut record, mut user) = (draft.record(&native), draft.object.attributes.user.clone());
            let mut headers = of_native(&native);
            headers.extend(of_metadata(&record, &user));
            lines.extend(listed(&headers));
            record.own.elsewhere = Some(Elsewhere { id: "e".into(), user: true, tags: 2 });
            user.clear();
            lines.extend(listed(&of_metadata(&record, &user)));
            assert_eq!(record::parse(&record::text(&record)), Some(record));
        }
        records::is_golden("azblob.txt", &lines);
    }
}
