//! A request to the storage: addressed, signed, sent.

use super::{
    Dialect, S3Settings,
    credentials::{self, Presign, Signers},
    features::Features,
    known_sums::KnownSums,
};
use crate::{
    backend::{
        Traffic,
        wire::{self, Again, Outgoing, Reply, Wire},
    },
    model::Endpoint,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request::Parts};
use md5::{Digest, Md5};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::OnceCell;

/// The time limit for a copy or a Complete of the largest objects.
const PATIENCE: Duration = Duration::from_secs(1800);

pub(super) struct Client {
    wire: Arc<Wire>,
    signers: Signers,
    endpoint: Endpoint,
    settings: S3Settings,
    tried: OnceCell<Features>,
    sums: KnownSums,
}

impl Client {
    pub(super) fn traffic(&self) -> Traffic {
        self.wire.traffic()
    }

    pub(super) fn new(wire: Arc<Wire>, settings: S3Settings) -> Result<Self> {
        let endpoint = match &settings.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => aws(&settings.region)?,
        };
        Ok(Self {
            wire,
            signers: credentials::signers(&settings)?,
            endpoint,
            settings,
            tried: OnceCell::new(),
            sums: KnownSums::default(),
        })
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.settings.dialect
    }

    pub(super) fn settings(&self) -> &S3Settings {
        &self.settings
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Signs the addresses of links.
    pub(super) fn links(&self) -> &dyn Presign {
        &*self.signers.links
    }

    /// The features that the probe found.
    pub(super) fn tried(&self) -> &OnceCell<Features> {
        &self.tried
    }

    pub(super) fn sums(&self) -> &KnownSums {
        &self.sums
    }

    pub(super) fn attempts(&self) -> u32 {
        self.wire.settings().attempts
    }

    /// Begins a request for a list of a bucket's objects by GCS's JSON API.
    pub(super) fn described(&self, bucket: &str) -> Call<'_> {
        let call = self.call(Method::GET, bucket, None);
        Call {
            path: format!("{}/storage/v1/b/{}/o", self.endpoint.path(), wire::encode_path(bucket)),
            ..call
        }
    }

    /// Begins a request for a bucket, or for an object by its name there.
    pub(super) fn call(&self, method: Method, bucket: &str, name: Option<&str>) -> Call<'_> {
        let (host, mut path) = if self.settings.virtual_hosts {
            (format!("{bucket}.{}", self.endpoint.authority()), self.endpoint.path().to_owned())
        } else {
            (
                self.endpoint.authority().to_owned(),
                format!("{}/{}", self.endpoint.path(), wire::encode_path(bucket)),
            )
        };
        match name {
            Some(name) => path = format!("{path}/{}", wire::encode_path(name)),
            None if path.is_empty() => path.push('/'),
            None => {}
        }
        Call {
            client: self,
            method,
            host,
            path,
            query: String::new(),
            headers: HeaderMap::new(),
            body: Outgoing::empty(),
            patient: false,
        }
    }
}

fn aws(region: &str) -> Result<Endpoint> {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    Endpoint::parse(&format!("https://s3.{region}.{domain}"))
        .ok_or_else(|| StoreError::new(StoreErrorKind::Internal, format!("'{region}' is no region")))
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
    host: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Outgoing,
    patient: bool,
}

impl Call<'_> {
    pub(super) fn query(mut self, pairs: &[(&str, Option<&str>)]) -> Self {
        self.query = wire::encode_query(pairs);
        self
    }

    /// Adds a header whose name depends on the dialect, such as `x-amz-NAME`. All names here are valid.
    pub(super) fn vendor(self, name: &str, value: &str) -> Self {
        let name = self.client.dialect().header(name);
        self.text(&name, value)
    }

    /// Adds a header. A value that is invalid in a header is left out; every caller encodes or checks values
    /// of clients.
    pub(super) fn text(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => {
                self.headers.insert(name, value);
            }
            _ => debug_assert!(false, "{name} cannot be a header"),
        }
        self
    }

    pub(super) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Adds a document and its MD5, which some storages require.
    pub(super) fn document(mut self, document: bytes::Bytes) -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let md5 = STANDARD.encode(Md5::digest(&document));
        self = self.text("content-md5", &md5);
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        self.body(Outgoing::full(document))
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

    /// Adds the headers that describe a new bucket.
    pub(super) fn create_bucket(self) -> Self {
        let settings = &self.client.settings;
        let (region, project) = (settings.region.clone(), settings.project.clone());
        match settings.dialect {
            Dialect::Gcs => match project {
                Some(project) => self.vendor("project-id", &project),
                None => self,
            },
            // Only AWS requires this document. By the S3 API reference, it must not name us-east-1.
            Dialect::S3 if settings.endpoint.is_none() && region != "us-east-1" => {
                let mut document = crate::xml::Writer::document();
                document.root("CreateBucketConfiguration", |w| w.text("LocationConstraint", &region));
                self.document(document.finish())
            }
            Dialect::S3 => self,
        }
    }

    pub(super) async fn send(self, again: Again) -> Result<Reply> {
        let Self { client, method, host, path, query, mut headers, body, patient } = self;
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        let uri = Uri::builder()
            .scheme(client.endpoint.scheme())
            .authority(host.as_str())
            .path_and_query(target)
            .build();
        let uri = uri.map_err(|error| {
            StoreError::new(StoreErrorKind::Internal, "an address cannot be formed").with_source(error)
        })?;
        let host = HeaderValue::from_str(&host)
            .map_err(|_| StoreError::new(StoreErrorKind::Internal, "a host cannot be formed"))?;
        headers.insert(header::HOST, host);
        if body.length() > 0 || matches!(method, Method::PUT | Method::POST) {
            headers.insert(header::CONTENT_LENGTH, body.length().into());
        }
        let mut head: Parts = http::Request::new(()).into_parts().0;
        (head.method, head.uri, head.headers) = (method, uri, headers);
        if patient {
            client.wire.send_within(PATIENCE, &*client.signers.requests, head, body, again).await
        } else {
            client.wire.send(&*client.signers.requests, head, body, again).await
        }
    }
}
