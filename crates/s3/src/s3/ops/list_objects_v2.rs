//! ListObjectsV2: pages by opaque continuation token.

use crate::{
    s3::{BucketCall, Response, S3Error, Service, listing, reply},
    store::ListRequest,
};

pub(in crate::s3) async fn handle(service: &Service, call: BucketCall) -> Result<Response, S3Error> {
    let query = &call.request.query;
    let page = listing::ListParameters::read(query, "max-keys")?;
    let (start_after, token) = (query.get("start-after"), query.get("continuation-token"));
    let resumed = token.map(listing::read_token).transpose()?.flatten();
    // A token was made by a page that had begun behind `start-after`, so it overrides it.
    let after = resumed.or_else(|| start_after.filter(|name| !name.is_empty()).map(str::to_owned));
    let request = ListRequest {
        prefix: page.prefix.to_owned(),
        after,
        delimiter: page.delimiter.map(str::to_owned),
        limit: page.limit,
    };
    let found = call.bucket.store().list(request).await?;
    let owners = query
        .get("fetch-owner")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        .then(|| listing::ShownOwners::of(&call, &**service.accounts()));
    let reply = reply::document("ListBucketResult", |w| {
        w.reserve(listing::size(&found.entries, owners.as_ref()));
        w.text("Name", call.bucket.name().as_str());
        page.describe(w, "MaxKeys", found.truncated);
        w.number("KeyCount", found.entries.len() as u64);
        if let Some(name) = start_after {
            w.text("StartAfter", page.encoding.name(name));
        }
        if let Some(token) = token {
            w.text("ContinuationToken", token);
        }
        if let Some(last) = found.entries.last().filter(|_| found.truncated) {
            w.text("NextContinuationToken", listing::token(last.name()));
        }
        listing::contents(w, &found.entries, page.encoding, owners.as_ref());
        page.common_prefixes(w, listing::prefixes(&found.entries));
    });
    Ok(listing::noted(reply, found.cache))
}
