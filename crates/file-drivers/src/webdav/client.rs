//! A request to a WebDAV server: addressed, authenticated, sent. Redirects are not followed, because they
//! would send the credentials to another server.

use super::hrefs::Base;
use crate::{
    backend::{
        Traffic,
        wire::{self, Again, Outgoing, Reply, Sign, Wire},
    },
    model::Endpoint,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use std::{fmt, sync::Arc, time::Duration};

/// The time limit for requests that may take long: moves, copies and large listings.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) struct Client {
    wire: Arc<Wire>,
    signer: Arc<dyn Sign>,
    endpoint: Endpoint,
    pub(super) base: Base,
}

impl Client {
    pub(super) fn traffic(&self) -> Traffic {
        self.wire.traffic()
    }

    pub(super) fn new(wire: Arc<Wire>, signer: Arc<dyn Sign>, endpoint: Endpoint) -> Result<Self> {
        let base = Base::of(endpoint.path())?;
        Ok(Self { wire, signer, endpoint, base })
    }

    pub(super) fn attempts(&self) -> u32 {
        self.wire.settings().attempts
    }

    /// Begins a request for a file, or for a path that may be a file.
    pub(super) fn file(self: &Arc<Self>, method: &'static str, path: &str) -> Call {
        self.call(method, self.target(path))
    }

    /// Begins a request for a folder. Its address ends in a slash, because servers redirect otherwise.
    pub(super) fn folder(self: &Arc<Self>, method: &'static str, path: &str) -> Call {
        let target = self.target(path);
        let slash = if target.ends_with('/') { "" } else { "/" };
        self.call(method, format!("{target}{slash}"))
    }

    fn call(self: &Arc<Self>, method: &'static str, target: String) -> Call {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        Call {
            client: self.clone(),
            method,
            target,
            headers: HeaderMap::new(),
            body: Outgoing::empty(),
            patient: false,
        }
    }

    fn target(&self, path: &str) -> String {
        format!("{}/{}", self.endpoint.path(), wire::encode_path(path))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint.to_string()).finish_non_exhaustive()
    }
}

/// A request being built.
#[must_use]
pub(super) struct Call {
    client: Arc<Client>,
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Outgoing,
    patient: bool,
}

impl Call {
    /// Adds a header. A value that is invalid in a header is left out; all values here are valid.
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(HeaderName::from_static(name), value);
            }
            Err(_) => debug_assert!(false, "{name} cannot have such a value"),
        }
        self
    }

    /// Sets the destination of MOVE and COPY.
    pub(super) fn to(self, path: &str, replacing: bool) -> Self {
        let endpoint = &self.client.endpoint;
        let address = format!("{}://{}{}", endpoint.scheme(), endpoint.authority(), self.client.target(path));
        self.header("destination", &address)
            .header("overwrite", if replacing { "T" } else { "F" })
            .patiently()
    }

    /// Adds the condition that the file still has this tag, if the server has strong tags.
    pub(super) fn only_if(self, tag: Option<&str>) -> Self {
        match tag {
            Some(tag) => self.header("if-match", &format!("\"{tag}\"")),
            None => self,
        }
    }

    pub(super) fn xml(self, document: &'static str) -> Self {
        self.header("content-type", "application/xml; charset=utf-8").body(Outgoing::full(document.into()))
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
        let Self { client, method, target, mut headers, body, patient } = self;
        let endpoint = &client.endpoint;
        let uri = Uri::builder()
            .scheme(endpoint.scheme())
            .authority(endpoint.authority())
            .path_and_query(target)
            .build();
        let unformed =
            |_| StoreError::new(StoreErrorKind::InvalidRequest, "an address cannot be formed of such a name");
        headers.insert(
            header::HOST,
            HeaderValue::from_str(endpoint.authority()).map_err(|_| StoreErrorKind::Internal)?,
        );
        // The bytes must not be compressed: they have to be those of the file.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(length) = body.known_length()
            && (length > 0 || method == Method::PUT)
        {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        let mut head: Parts = http::Request::new(()).into_parts().0;
        (head.method, head.uri, head.headers) = (method, uri.map_err(unformed)?, headers);
        let reply = if patient {
            client.wire.send_within(PATIENCE, &*client.signer, head, body, again).await?
        } else {
            client.wire.send(&*client.signer, head, body, again).await?
        };
        if reply.status == StatusCode::UNAUTHORIZED {
            let words = format!(
                "{endpoint} does not accept our credentials (401): check the user and password, or the token"
            );
            client.wire.meter().contact().lost(&StoreError::new(StoreErrorKind::NoConnection, words));
        }
        Ok(reply)
    }
}
