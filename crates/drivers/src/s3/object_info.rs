//! The attributes of an object in a reply, for both dialects.

use super::{
    Dialect, gcs,
    headers::{OWN, OWN_EXPIRES, acl, checksum, decoded, expires, owner, redirect},
    wish,
};
use crate::{
    model::{Acl, Attributes, CanonicalId, ETag, ObjectInfo, Timestamp},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{HeaderMap, HeaderName, header};

/// Returns the attributes. The size is a parameter, because it depends on what was requested.
pub(super) fn object_info(headers: &HeaderMap, size: u64, dialect: Dialect) -> Result<ObjectInfo> {
    let unexpected =
        |what| StoreError::new(StoreErrorKind::Internal, format!("the storage's reply has no {what}"));
    let etag = headers
        .get(header::ETAG)
        .and_then(|etag| etag.to_str().ok())
        .map(ETag::parse)
        .ok_or_else(|| unexpected("ETag"))?;
    let modified =
        headers.get(header::LAST_MODIFIED).and_then(|date| Timestamp::parse_http_date(date.to_str().ok()?));
    let text = |name: &HeaderName| headers.get(name).map(decoded);
    let mut attributes = Attributes {
        content_type: text(&header::CONTENT_TYPE),
        cache_control: text(&header::CACHE_CONTROL),
        content_disposition: text(&header::CONTENT_DISPOSITION),
        content_encoding: text(&header::CONTENT_ENCODING),
        content_language: text(&header::CONTENT_LANGUAGE),
        expires: text(&expires(dialect)).or_else(|| text(&OWN_EXPIRES)),
        website_redirect: text(&redirect(dialect)),
        // What is not understood opens nothing: the object is its owner's alone.
        acl: text(&acl(dialect)).and_then(|stored| Acl::parse(&stored)).unwrap_or_default(),
        owner: text(&owner(dialect)).and_then(|id| CanonicalId::parse(&id)),
        storage_class: wish::class(headers),
        encryption: wish::encryption(headers),
        ..Default::default()
    };
    // S3 and GCS report these types if the client gave none.
    attributes.content_type = attributes
        .content_type
        .filter(|kind| !matches!(kind.as_str(), "binary/octet-stream" | "application/x-unknown"));
    for (name, value) in headers {
        if let Some(name) = name.as_str().strip_prefix(dialect.meta()).filter(|name| !name.starts_with(OWN)) {
            attributes.user.insert(name.to_owned(), decoded(value));
        }
    }
    let tag_count = headers
        .get(dialect.header("tagging-count"))
        .and_then(|count| count.to_str().ok()?.parse().ok())
        .unwrap_or(0);
    let mut info = ObjectInfo {
        size,
        etag,
        last_modified: modified.ok_or_else(|| unexpected("modification time"))?,
        attributes,
        tag_count,
        checksum: checksum(headers),
        parts: Vec::new(),
        version: None,
        notes: Default::default(),
    };
    if dialect == Dialect::Gcs {
        gcs::facts::show(headers, &mut info);
    }
    Ok(info)
}
