//! What a reply reports about how it was obtained.

use crate::model::Notes;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(in crate::s3) const CACHE: HeaderName = HeaderName::from_static("x-cache");
const STATUS: HeaderName = HeaderName::from_static("x-amz-replication-status");
const REPLICAS: HeaderName = HeaderName::from_static("x-causeway-replicas");

pub(in crate::s3) fn notes(notes: &Notes) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(used) = notes.cache {
        headers.insert(CACHE, HeaderValue::from_static(used.as_str()));
    }
    if let Some(replicas) = &notes.replicas {
        headers.insert(STATUS, HeaderValue::from_static(replicas.status()));
        // Names of backends have letters, digits and hyphens.
        headers.extend(HeaderValue::try_from(replicas.text()).ok().map(|text| (REPLICAS, text)));
    }
    headers
}
