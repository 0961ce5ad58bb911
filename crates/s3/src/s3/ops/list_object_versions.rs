//! ListObjectVersions. Buckets are never versioned: every object is its own latest version, `null`.

use crate::{
    s3::{BucketCall, Response, S3Error, Service, listing, reply},
    store::{ListEntry, ListRequest},
};

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let query = &call.request.query;
    let page = listing::ListParameters::read(query, "max-keys")?;
    let key_marker = query.get("key-marker").unwrap_or_default();
    let version_marker = query.get("version-id-marker").unwrap_or_default();
    if !version_marker.is_empty() && key_marker.is_empty() {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(S3Error::argument("version-id-marker", version_marker, message));
    }
    if !matches!(version_marker, "" | "null") {
        return Err(S3Error::argument("version-id-marker", version_marker, "Invalid version id specified"));
    }
    // A key has one version, so with or without a version marker the next page begins with the next key.
    let request = ListRequest {
        prefix: page.prefix.to_owned(),
        after: Some(key_marker.to_owned()).filter(|marker| !marker.is_empty()),
        delimiter: page.delimiter.map(str::to_owned),
        limit: page.limit,
    };
    let found = call.bucket.store().list(request).await?;
    let owners = listing::ShownOwners::of(&call, &**service.accounts());
    let reply = reply::document("ListVersionsResult", |w| {
        w.reserve(listing::size(&found.entries, Some(&owners)));
        w.text("Name", call.bucket.name().as_str());
        w.text("KeyMarker", page.encoding.name(key_marker));
        w.text("VersionIdMarker", version_marker);
        page.describe(w, "MaxKeys", found.truncated);
        if let Some(last) = found.entries.last().filter(|_| found.truncated) {
            w.text("NextKeyMarker", page.encoding.name(last.name()));
            if let ListEntry::Object(_) = last {
                w.text("NextVersionIdMarker", "null");
            }
        }
        for object in listing::objects(&found.entries) {
            w.element("Version", |w| {
                w.text("Key", page.encoding.name(object.key.as_str()));
                w.text("VersionId", "null");
                w.boolean("IsLatest", true);
                listing::properties(w, object, Some(&owners));
            });
        }
        page.common_prefixes(w, listing::prefixes(&found.entries));
    });
    Ok(listing::noted(reply, found.cache))
}
