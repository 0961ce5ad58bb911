//! ListObjects, the first version: pages by marker.

use crate::{
    s3::{BucketCall, Response, S3Error, Service, listing, reply},
    store::ListRequest,
};

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let query = &call.request.query;
    let page = listing::ListParameters::read(query, "max-keys")?;
    let marker = query.get("marker").unwrap_or_default();
    let request = ListRequest {
        prefix: page.prefix.to_owned(),
        after: Some(marker.to_owned()).filter(|marker| !marker.is_empty()),
        delimiter: page.delimiter.map(str::to_owned),
        limit: page.limit,
    };
    let found = call.bucket.store().list(request).await?;
    let owners = listing::ShownOwners::of(&call, &**service.accounts());
    let reply = reply::document("ListBucketResult", |w| {
        w.reserve(listing::size(&found.entries, Some(&owners)));
        w.text("Name", call.bucket.name().as_str());
        w.text("Marker", page.encoding.name(marker));
        page.describe(w, "MaxKeys", found.truncated);
        // Only with a delimiter: otherwise the last key is the next marker, and clients take it from there.
        if let Some(last) = found.entries.last().filter(|_| found.truncated && page.delimiter.is_some()) {
            w.text("NextMarker", page.encoding.name(last.name()));
        }
        listing::contents(w, &found.entries, page.encoding, Some(&owners));
        page.common_prefixes(w, listing::prefixes(&found.entries));
    });
    Ok(listing::noted(reply, found.cache))
}
