//! Links: addresses of objects with a signature in them, which anybody who has one can use until it expires.

use super::bucket::S3Store;
use crate::{
    backend::wire,
    model::{Endpoint, ObjectKey},
    store::{
        Result, Store,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{HeaderValue, Method, Uri, header, request::Parts};
use std::time::Duration;

/// Returns a link to an object. `Ok(None)`: the store is no object store that speaks S3, and has none.
/// `endpoint` replaces the address at which this process reaches the storage.
pub async fn presign(
    store: &dyn Store,
    key: &ObjectKey,
    method: Method,
    expires: Duration,
    endpoint: Option<&Endpoint>,
) -> Result<Option<String>> {
    let Some(store) = store.native_source().and_then(|source| source.of::<S3Store>()) else {
        return Ok(None);
    };
    let own = endpoint.unwrap_or(store.client.endpoint());
    let unformed = |error: http::Error| {
        StoreError::new(StoreErrorKind::Internal, "an address cannot be formed").with_source(error)
    };
    let (remote, name) = (&store.location.remote, store.location.name(key)?);
    let (host, path) = if store.client.settings().virtual_hosts && endpoint.is_none() {
        (format!("{remote}.{}", own.authority()), own.path().to_owned())
    } else {
        (own.authority().to_owned(), format!("{}/{}", own.path(), wire::encode_path(remote)))
    };
    let uri = Uri::builder()
        .scheme(own.scheme())
        .authority(host.as_str())
        .path_and_query(format!("{path}/{}", wire::encode_path(&name)))
        .build()
        .map_err(unformed)?;
    let mut head: Parts = http::Request::new(()).into_parts().0;
    (head.method, head.uri) = (method, uri);
    let host = HeaderValue::from_str(&host)
        .map_err(|_| StoreError::new(StoreErrorKind::Internal, "a host cannot be formed"))?;
    head.headers.insert(header::HOST, host);
    store.client.links().presign(&mut head, expires).await?;
    Ok(Some(head.uri.to_string()))
}
