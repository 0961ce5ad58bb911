//! A request to Azure: addressed, signed, sent.

use super::credentials::Access;
use crate::{
    backend::{
        Traffic,
        wire::{self, Again, Outgoing, Reply, Sign, Wire},
    },
    model::{Endpoint, Secret},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request::Parts};
use std::{fmt, sync::Arc, time::Duration};

/// The version that allows blocks of up to 4,000 MiB, and that encodes names in listings which XML cannot
/// contain.
const VERSION: HeaderValue = HeaderValue::from_static("2021-12-02");

/// The time limit for a copy or a commit of the largest blobs.
pub(super) const PATIENCE: Duration = Duration::from_secs(1800);

pub(super) struct Client {
    wire: Arc<Wire>,
    signer: Arc<dyn Sign>,
    endpoint: Endpoint,
    /// The SAS token, if there is one. The sources of copies need it too.
    sas: Option<Secret>,
}

impl Client {
    pub(super) fn traffic(&self) -> Traffic {
        self.wire.traffic()
    }

    pub(super) fn new(wire: Arc<Wire>, access: Access) -> Self {
        Self { wire, signer: access.signer, endpoint: access.endpoint, sas: access.sas }
    }

    pub(super) fn attempts(&self) -> u32 {
        self.wire.settings().attempts
    }

    pub(super) fn container(&self, method: Method, container: &str) -> Call<'_> {
        self.call(method, format!("{}/{}", self.endpoint.path(), wire::encode_path(container)))
    }

    pub(super) fn blob(&self, method: Method, container: &str, name: &str) -> Call<'_> {
        self.call(
            method,
            format!("{}/{}/{}", self.endpoint.path(), wire::encode_path(container), wire::encode_path(name)),
        )
    }

    fn call(&self, method: Method, path: String) -> Call<'_> {
        Call {
            client: self,
            method,
            path,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Outgoing::empty(),
            patient: false,
        }
    }

    /// Returns the address of a blob as the source of a copy. It contains the SAS if requests are signed by
    /// one.
    pub(super) fn source(&self, container: &str, name: &str) -> String {
        let url = format!("{}/{}/{}", self.endpoint, wire::encode_path(container), wire::encode_path(name));
        match &self.sas {
            Some(sas) => format!("{url}?{}", sas.expose()),
            None => url,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint.to_string()).finish_non_exhaustive()
    }
}

/// A request being built.
#[must_use]
pub(super) struct Call<'c> {
    client: &'c Client,
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: HeaderMap,
    body: Outgoing,
    patient: bool,
}

impl Call<'_> {
    /// Adds a parameter. An empty value is left out, because the signature treats it differently from the
    /// address.
    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.query.push((name, value));
        }
        self
    }

    /// Adds a header. A value that is invalid in a header is left out; every caller encodes or checks values
    /// of clients.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(HeaderName::from_static(name), value);
            }
            Err(_) => debug_assert!(false, "{name} cannot have such a value"),
        }
        self
    }

    pub(super) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    pub(super) fn body(mut self, body: Outgoing) -> Self {
        self.body = body;
        self
    }

    /// Gives the request a long time limit.
    pub(super) fn patiently(mut self) -> Self {
        self.patient = true;
        self
    }

    pub(super) async fn send(self, again: Again) -> Result<Reply> {
        let Self { client, method, path, query, mut headers, body, patient } = self;
        let pairs: Vec<_> = query.iter().map(|(name, value)| (*name, Some(value.as_str()))).collect();
        let target = if pairs.is_empty() { path } else { format!("{path}?{}", wire::encode_query(&pairs)) };
        let endpoint = &client.endpoint;
        let uri = Uri::builder()
            .scheme(endpoint.scheme())
            .authority(endpoint.authority())
            .path_and_query(target)
            .build();
        let unformed = |_| StoreError::new(StoreErrorKind::Internal, "an address cannot be formed");
        headers.insert(
            header::HOST,
            HeaderValue::from_str(endpoint.authority()).map_err(|_| StoreErrorKind::Internal)?,
        );
        headers.insert("x-ms-version", VERSION);
        if body.length() > 0 || method == Method::PUT {
            headers.insert(header::CONTENT_LENGTH, body.length().into());
        }
        let mut head: Parts = http::Request::new(()).into_parts().0;
        (head.method, head.uri, head.headers) = (method, uri.map_err(unformed)?, headers);
        if patient {
            client.wire.send_within(PATIENCE, &*client.signer, head, body, again).await
        } else {
            client.wire.send(&*client.signer, head, body, again).await
        }
    }
}
