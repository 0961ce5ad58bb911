//! Buckets in Azure Blob Storage: each is a container, or a prefix in one.
//!
//! A blob contains everything that S3 knows of the object: headers where Azure has the same ones, user
//! metadata as metadata, and everything else in one metadata entry of Causeway (see [`record`]). So any
//! gateway can serve it, and Azure's own tools can read it. Foreign blobs are served as they are. The catalog
//! contains uploads only.
//!
//! How a write becomes visible, each time in one step and under Azure's own conditions:
//! - a short body is one Put Blob;
//! - a long body is streamed as blocks of the blob itself, and Put Block List publishes them with the
//!   attributes that are known by then;
//! - the parts of an upload are blocks of a blob in the gateway's own folder, where no other writer can
//!   discard them. Complete commits them there and publishes by Copy Blob within the account, which transfers
//!   no bytes through the gateway. See ADR 0008.
//!
//! | file | owns |
//! |---|---|
//! | `client` | requests: address, signature, sending |
//! | `credentials` | the account and its credentials |
//! | `refusal` | error replies as kinds of errors |
//! | `metadata` | names and values that metadata can have |
//! | `record` | attributes that Azure has no field for |
//! | `overflow` | attributes that do not fit into metadata |
//! | `fields`, `headers` | attributes as headers, in both directions |
//! | `judging`, `guard` | conditions of writes, and as Azure's conditions |
//! | `blocks` | bodies as blocks |
//! | `store`, `writing`, `copying`, `multipart` | the bucket |
//! | `listing`, `marks` | pages, and where the next one begins |
//! | `sweep` | removing what a crash left |

mod blocks;
mod client;
mod copying;
mod credentials;
mod fields;
mod guard;
mod headers;
mod judging;
mod listing;
mod marks;
mod metadata;
mod multipart;
mod overflow;
mod record;
mod refusal;
mod store;
mod sweep;
mod writing;

use crate::backend::{
    Backend, Found, OpenedBucket, Traffic, Upkeep,
    location::RemoteLocation,
    wire::{Again, Wire, WireSettings},
};
use crate::{
    catalog::{BucketRecord, Catalog},
    model::{BucketName, Endpoint, Secret},
    store::{
        Capabilities, ListRequest, Store,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use client::Client;
use http::Method;
use md5::{Digest, Md5};
use std::{sync::Arc, time::Duration};
use store::AzblobStore;

#[derive(Debug, Clone)]
pub struct AzblobSettings {
    pub connection_string: Option<Secret>,
    pub account: Option<String>,
    /// The address of the service. `None`: the one of the connection string, or Azure's public cloud.
    pub endpoint: Option<Endpoint>,
    /// The one container that holds all buckets.
    pub shared: Option<String>,
    pub account_key: Option<Secret>,
    pub sas: Option<Secret>,
    pub tenant_id: Option<String>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    /// Whether the metadata service of the machine is never asked for credentials.
    pub no_metadata: bool,
    pub wire: WireSettings,
    /// The age at which leftovers of a crash are removed.
    pub sweep_after: Duration,
}

impl Default for AzblobSettings {
    fn default() -> Self {
        Self {
            connection_string: None,
            account: None,
            endpoint: None,
            shared: None,
            account_key: None,
            sas: None,
            tenant_id: None,
            client_id: None,
            client_secret: None,
            no_metadata: false,
            wire: WireSettings::default(),
            sweep_after: sweep::OLD,
        }
    }
}

/// The metadata of a container that was created for a bucket: only such a container is ever deleted.
const OURS: (&str, &str) = ("x-ms-meta-causeway", "bucket");

#[derive(Debug)]
pub struct AzblobBackend {
    client: Arc<Client>,
    shared: Option<String>,
    sweep_after: Duration,
    catalog: Arc<dyn Catalog>,
}

impl AzblobBackend {
    pub fn open(settings: AzblobSettings, catalog: Arc<dyn Catalog>) -> Result<Self, StoreError> {
        let client = Client::new(Wire::new(settings.wire.clone())?, credentials::resolve(&settings)?);
        Ok(Self {
            client: Arc::new(client),
            shared: settings.shared,
            sweep_after: settings.sweep_after,
            catalog,
        })
    }

    fn location(&self, name: &BucketName, remote: Option<&str>, prefix: Option<&str>) -> String {
        let own = self.shared.is_none().then(|| container_name(name));
        RemoteLocation::of(name, self.shared.as_deref(), remote.or(own.as_deref()), prefix)
    }

    /// Returns the container that belongs to this bucket alone.
    fn own<'p>(&self, location: &'p RemoteLocation) -> Option<&'p str> {
        (location.is_whole() && self.shared.as_deref() != Some(&location.remote))
            .then_some(location.remote.as_str())
    }

    fn store(&self, bucket: &BucketRecord) -> AzblobStore {
        AzblobStore::new(
            self.client.clone(),
            self.catalog.clone(),
            bucket.id,
            RemoteLocation::parse(&bucket.bucket.location),
        )
    }

    async fn is_ours(&self, container: &str) -> Result<bool, StoreError> {
        let call = self.client.container(Method::HEAD, container).query("restype", "container");
        let reply = refusal::accept(call.send(Again::Harmless).await?).await?;
        Ok(reply.header(OURS.0) == Some(OURS.1))
    }
}

/// Returns the container name of a bucket. Azure allows neither dots nor two hyphens in a row: such bucket
/// names are mapped to other names without collisions.
fn container_name(bucket: &BucketName) -> String {
    let name = bucket.as_str();
    if !name.contains('.') && !name.contains("--") {
        return name.to_owned();
    }
    let words: Vec<&str> = name.split(['.', '-']).filter(|word| !word.is_empty()).collect();
    let readable: String = words.join("-").chars().take(46).collect();
    let digest = hex::encode(Md5::digest(name));
    format!("{}-{}", readable.trim_end_matches('-'), &digest[..16])
}

#[async_trait]
impl Backend for AzblobBackend {
    fn capabilities(&self) -> Capabilities {
        store::CAPABILITIES
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.client.traffic())
    }

    fn location_for(&self, name: &BucketName) -> String {
        self.location(name, None, None)
    }

    fn location_at(
        &self,
        name: &BucketName,
        remote: Option<&str>,
        prefix: Option<&str>,
    ) -> Result<String, StoreError> {
        Ok(self.location(name, remote, prefix))
    }

    async fn found(&self, bucket: &BucketRecord) -> Result<Found, StoreError> {
        let is_whole = RemoteLocation::parse(&bucket.bucket.location).is_whole();
        match self.store(bucket).list(ListRequest { limit: 1, ..Default::default() }).await {
            // A prefix exists because there are objects below it.
            Ok(page) if page.entries.is_empty() && !is_whole => Ok(Found::Nothing),
            Ok(page) => Ok(Found::in_place(page.entries.is_empty())),
            Err(error) if refusal::is_of(&error, "ContainerNotFound") => Ok(Found::Nothing),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, bucket: &BucketRecord) -> Result<(), StoreError> {
        let location = RemoteLocation::parse(&bucket.bucket.location);
        let Some(container) = self.own(&location) else { return Ok(()) };
        let call = self
            .client
            .container(Method::PUT, container)
            .query("restype", "container")
            .header(OURS.0, OURS.1);
        let reply = call.send(Again::Harmless).await?;
        if reply.status.is_success() {
            return Ok(());
        }
        let refusal = refusal::read(reply).await;
        if refusal.code != "ContainerAlreadyExists" {
            return Err(refusal.into());
        }
        // A client must not get access to any other container of the account by guessing its name.
        let empty =
            || async { self.store(bucket).list(ListRequest { limit: 1, ..Default::default() }).await };
        if self.is_ours(container).await? && empty().await?.entries.is_empty() {
            return Ok(());
        }
        Err(StoreError::new(
            StoreErrorKind::Conflict,
            "the storage account has a container of this name already",
        ))
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket, StoreError> {
        let store = Arc::new(self.store(bucket));
        let is_own = self.own(&store.location).is_some();
        let upkeep = AzblobUpkeep { store: store.clone(), is_own, sweep_after: self.sweep_after };
        Ok(OpenedBucket::new(store, Arc::new(upkeep)))
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool, StoreError> {
        let store = self.store(bucket);
        let gone = |error: &StoreError| refusal::is_of(error, "ContainerNotFound");
        match store.list(ListRequest { limit: 1, ..Default::default() }).await {
            Ok(page) if !page.entries.is_empty() => return Ok(false),
            Err(error) if gone(&error) => return Ok(true),
            other => other?,
        };
        store.clear_own_folder().await?;
        let location = RemoteLocation::parse(&bucket.bucket.location);
        // A container that existed before the bucket is not deleted.
        if let Some(container) = self.own(&location)
            && self.is_ours(container).await?
        {
            let call = self.client.container(Method::DELETE, container).query("restype", "container");
            refusal::accept(call.send(Again::Harmless).await?).await?;
        }
        Ok(true)
    }

    /// Returns nothing: an account may contain anything, so only what the configuration or a client names
    /// becomes a bucket.
    async fn discover(&self) -> Result<Vec<BucketName>, StoreError> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
struct AzblobUpkeep {
    store: Arc<AzblobStore>,
    /// Whether the container belongs to this bucket alone. A shared one is created by the operator.
    is_own: bool,
    sweep_after: Duration,
}

#[async_trait]
impl Upkeep for AzblobUpkeep {
    async fn is_there(&self) -> Result<bool, StoreError> {
        let gone = |error: &StoreError| {
            refusal::is_of(error, "ContainerNotFound") || refusal::is_of(error, "ContainerBeingDeleted")
        };
        if !self.is_own {
            return Ok(true);
        }
        match self.store.list(ListRequest { limit: 1, ..Default::default() }).await {
            Ok(_) => Ok(true),
            Err(error) if gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn maintain(&self) -> Result<(), StoreError> {
        self.store.sweep(self.sweep_after).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_has_a_container_of_a_name_that_azure_takes() {
        let of = |name: &str| container_name(&BucketName::parse(name).expect("a bucket name"));
        assert_eq!(of("photos-2024"), "photos-2024");
        let odd = [
            "a.b",
            "a--b",
            "a---b",
            &format!("{}.b", "x".repeat(61)),
            &format!("{}.{}", "y".repeat(45), "z".repeat(17)),
        ];
        let names: std::collections::BTreeSet<String> = odd.iter().map(|name| of(name)).collect();
        assert_eq!(names.len(), odd.len(), "each has its own: {names:?}");
        for name in names {
            assert!((3..=63).contains(&name.len()) && !name.contains("--") && !name.contains('.'), "{name}");
            assert!(
                name.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && name.ends_with(|c: char| c.is_ascii_alphanumeric()),
                "{name}"
            );
        }
    }
}
