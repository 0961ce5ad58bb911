//! Buckets on storage that speaks S3, and on Google Cloud Storage by its XML API, which is S3 in another
//! dialect.
//!
//! The storage keeps everything that S3 keeps: bytes, headers, metadata, tags, checksums, order. Every byte
//! is transferred once, and every plain read and write is one request. The catalog contains uploads only:
//! their ids at the storage, their initiators for ListParts, and on GCS their parts. Known differences of a
//! storage are in its [`Dialect`](dialect::Dialect), others are found by [`probe`]; what a storage does not
//! support is refused.
//!
//! | file | owns |
//! |---|---|
//! | `client` | requests: address, signature, sending |
//! | `dialect` | the differences between S3 and GCS, as data |
//! | `credentials` | the credentials that sign requests |
//! | `headers`, `object_info` | attributes as headers, and as replies show them |
//! | `refusal` | error replies as kinds of errors |
//! | `features`, `probe` | which features of S3 the storage has |
//! | `scratch` | objects of the driver on which features are tried out |
//! | `known_sums`, `summing` | checksums that the storage stores |
//! | `wish`, `keeping` | storage class and encryption, kept or refused |
//! | `quirk`, `names` | keys that the storage confuses with other keys |
//! | `gcs` | what GCS lacks, kept in metadata of Causeway |
//! | `describing` | tags and parts, which are not in headers |
//! | `bucket` | the context of one bucket's operations |
//! | `guard` | conditions of writes as the storage's conditions |
//! | `reading` | HEAD and GET |
//! | `store` | the bucket as a [`Store`]: deleting, changing |
//! | `deleting` | several objects deleted by one request |
//! | `writing`, `copying`, `multipart`, `listing` | the other operations |

mod bucket;
mod client;
mod copying;
mod credentials;
mod deleting;
mod describing;
mod dialect;
mod features;
mod gcs;
mod guard;
mod headers;
mod keeping;
mod known_sums;
mod listing;
mod multipart;
mod names;
mod object_info;
mod presign;
mod probe;
mod quirk;
mod reading;
mod refusal;
mod scratch;
mod store;
mod summing;
mod wish;
mod writing;

use crate::backend::{
    Backend, Found, OpenedBucket, Traffic, Upkeep,
    location::RemoteLocation,
    wire::{Again, Reply, Wire, WireSettings},
};
use crate::{
    catalog::{BucketRecord, Catalog},
    model::{BucketName, Endpoint, Secret},
    store::{
        Capabilities, ListRequest, ListUploadsRequest, Store, UploadEntry,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use bucket::S3Store;
use client::Client;
pub use dialect::Dialect;
use http::Method;
pub use presign::presign;
use refusal::RequestSubject;
use scratch::Sweep;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub struct S3Settings {
    pub dialect: Dialect,
    /// The address of the storage. `None`: AWS, by region.
    pub endpoint: Option<Endpoint>,
    pub region: String,
    /// Whether buckets are named in the host instead of the path.
    pub virtual_hosts: bool,
    /// The one remote bucket that holds all buckets of this backend.
    pub shared: Option<String>,
    pub credentials: Credentials,
    /// The project of new buckets, on GCS.
    pub project: Option<String>,
    /// Whether conditional writes work, as the operator has set it. `None`: the probe finds out.
    pub conditional_writes: Option<bool>,
    pub checksums: Option<bool>,
    pub wire: WireSettings,
}

#[derive(Debug, Clone)]
pub enum Credentials {
    Anonymous,
    Keys {
        access_key: String,
        secret_key: Secret,
        session_token: Option<Secret>,
    },
    /// Credentials from where the provider's own tools look for them.
    Found {
        profile: Option<String>,
        /// Whether the metadata service of the machine is asked, too, if nothing else has them.
        metadata: bool,
    },
    /// The JSON key of a Google account.
    Google(Secret),
    /// A Google access token, until it expires.
    GoogleToken(Secret),
}

#[derive(Debug)]
pub struct S3Backend {
    client: Arc<Client>,
    shared: Option<String>,
    catalog: Arc<dyn Catalog>,
}

impl S3Backend {
    pub fn open(settings: S3Settings, catalog: Arc<dyn Catalog>) -> Result<Self, StoreError> {
        let shared = settings.shared.clone();
        Ok(Self {
            client: Arc::new(Client::new(Wire::new(settings.wire.clone())?, settings)?),
            shared,
            catalog,
        })
    }

    /// Returns the remote bucket that belongs to this bucket alone.
    fn own<'p>(&self, location: &'p RemoteLocation) -> Option<&'p str> {
        (location.is_whole() && self.shared.as_deref() != Some(&location.remote))
            .then_some(location.remote.as_str())
    }
}

#[async_trait]
impl Backend for S3Backend {
    fn capabilities(&self) -> Capabilities {
        probe::hoped_for(self.client.dialect())
    }

    fn traffic(&self) -> Option<Traffic> {
        Some(self.client.traffic())
    }

    fn location_for(&self, name: &BucketName) -> String {
        RemoteLocation::of(name, self.shared.as_deref(), None, None)
    }

    fn location_at(
        &self,
        name: &BucketName,
        remote: Option<&str>,
        prefix: Option<&str>,
    ) -> Result<String, StoreError> {
        Ok(RemoteLocation::of(name, self.shared.as_deref(), remote, prefix))
    }

    async fn found(&self, bucket: &BucketRecord) -> Result<Found, StoreError> {
        let location = RemoteLocation::parse(&bucket.bucket.location);
        let reply = ask_for(&self.client, &location.remote).await?;
        if !reply.status.is_success() {
            let refusal = refusal::read(reply, RequestSubject::Bucket).await;
            return match refusal.code.as_str() {
                _ if refusal.is_no_bucket() => Ok(Found::Nothing),
                // The remote bucket exists, but belongs to another account or is in another region.
                "AccessDenied" | "AllAccessDisabled" | "PermanentRedirect" => Ok(Found::Something),
                _ => Err(refusal.into()),
            };
        }
        let store = S3Store::new(self.client.clone(), self.catalog.clone(), bucket.id, location.clone());
        let is_empty = store.list(ListRequest { limit: 1, ..Default::default() }).await?.entries.is_empty();
        // A prefix exists because there are objects below it.
        Ok(if is_empty && !location.is_whole() { Found::Nothing } else { Found::in_place(is_empty) })
    }

    async fn create(&self, bucket: &BucketRecord) -> Result<(), StoreError> {
        let location = RemoteLocation::parse(&bucket.bucket.location);
        let Some(remote) = self.own(&location) else { return Ok(()) };
        let call = self.client.call(Method::PUT, remote, None).create_bucket();
        let reply = call.send(Again::Harmless).await?;
        if reply.status.is_success() {
            return Ok(());
        }
        let refusal = refusal::read(reply, RequestSubject::Bucket).await;
        match refusal.code.as_str() {
            "BucketAlreadyOwnedByYou" => Ok(()),
            "BucketAlreadyExists" => Err(StoreError::new(
                StoreErrorKind::Conflict,
                "the storage has a bucket of this name that belongs to others",
            )),
            _ => Err(refusal.into()),
        }
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket, StoreError> {
        let location = RemoteLocation::parse(&bucket.bucket.location);
        let is_own = self.own(&location).is_some();
        let store = Arc::new(S3Store::new(self.client.clone(), self.catalog.clone(), bucket.id, location));
        Ok(OpenedBucket::new(store.clone(), Arc::new(S3Upkeep { store, is_own })))
    }

    /// Checks that the remote bucket exists. Credentials that may not request the remote bucket may still use
    /// a prefix in it, so only a missing bucket is an error.
    async fn check_holder(&self, bucket: &BucketRecord) -> Result<(), StoreError> {
        let location = RemoteLocation::parse(&bucket.bucket.location);
        if self.own(&location).is_some() {
            return Ok(());
        }
        let reply = ask_for(&self.client, &location.remote).await?;
        if reply.status.is_success() {
            return Ok(());
        }
        let refusal = refusal::read(reply, RequestSubject::Bucket).await;
        if refusal.is_no_bucket() { Err(refusal.into()) } else { Ok(()) }
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool, StoreError> {
        let location = RemoteLocation::parse(&bucket.bucket.location);
        let Some(remote) = self.own(&location) else {
            let store = S3Store::new(self.client.clone(), self.catalog.clone(), bucket.id, location.clone());
            if !store.list(ListRequest { limit: 1, ..Default::default() }).await?.entries.is_empty() {
                return Ok(false);
            }
            self.abort_uploads(bucket, &store).await?;
            scratch::sweep(&self.client, &location, Sweep::All).await?;
            if self.client.dialect() == Dialect::Gcs {
                store.drop_all_staged().await?;
            }
            return Ok(true);
        };
        if self.remove_remote(remote).await? {
            return Ok(true);
        }
        // Scratch objects belong to no client: they must not prevent the removal of a bucket that looks
        // empty.
        if scratch::sweep(&self.client, &location, Sweep::All).await? > 0
            && self.remove_remote(remote).await?
        {
            return Ok(true);
        }
        let store = S3Store::new(self.client.clone(), self.catalog.clone(), bucket.id, location.clone());
        if self.client.dialect() != Dialect::Gcs
            || !store.list(ListRequest { limit: 1, ..Default::default() }).await?.entries.is_empty()
        {
            return Ok(false);
        }
        // The remaining uploads were left by a crash.
        store.drop_all_staged().await?;
        self.remove_remote(remote).await
    }

    /// Returns nothing: a remote account may contain anything, so only what the configuration or a client
    /// names becomes a bucket.
    async fn discover(&self) -> Result<Vec<BucketName>, StoreError> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
struct S3Upkeep {
    store: Arc<S3Store>,
    /// Whether the remote bucket belongs to this bucket alone. A shared one is created by the operator.
    is_own: bool,
}

#[async_trait]
impl Upkeep for S3Upkeep {
    async fn is_there(&self) -> Result<bool, StoreError> {
        if !self.is_own {
            return Ok(true);
        }
        let reply = ask_for(&self.store.client, &self.store.location.remote).await?;
        if reply.status.is_success() {
            return Ok(true);
        }
        let refusal = refusal::read(reply, RequestSubject::Bucket).await;
        if refusal.is_no_bucket() { Ok(false) } else { Err(refusal.into()) }
    }

    /// Probes the storage before a client has to wait for the result, and removes what a crash left.
    async fn maintain(&self) -> Result<(), StoreError> {
        if self.store.dialect() == Dialect::Gcs {
            return self.store.sweep().await;
        }
        scratch::sweep(&self.store.client, &self.store.location, Sweep::Abandoned).await?;
        self.store.features().await.map(drop)
    }
}

/// Sends the smallest request that shows whether the remote bucket exists.
async fn ask_for(client: &Client, remote: &str) -> Result<Reply, StoreError> {
    let query = [("list-type", Some("2")), ("max-keys", Some("1"))];
    client.call(Method::GET, remote, None).query(&query).send(Again::Harmless).await
}

impl S3Backend {
    /// Deletes the remote bucket and its uploads. The storage decides whether it is empty.
    async fn remove_remote(&self, remote: &str) -> Result<bool, StoreError> {
        let reply = self.client.call(Method::DELETE, remote, None).send(Again::Harmless).await?;
        if reply.status.is_success() {
            return Ok(true);
        }
        let refusal = refusal::read(reply, RequestSubject::Bucket).await;
        match refusal.code.as_str() {
            "BucketNotEmpty" => Ok(false),
            _ if refusal.is_no_bucket() => Ok(true),
            _ => Err(refusal.into()),
        }
    }

    async fn abort_uploads(&self, bucket: &BucketRecord, store: &S3Store) -> Result<(), StoreError> {
        loop {
            let request = ListUploadsRequest { limit: 1000, ..Default::default() };
            let page = self.catalog.list_uploads(bucket.id, request).await?;
            for entry in &page.entries {
                if let UploadEntry::Upload(upload) = entry {
                    store.abort_upload(&upload.key, &upload.upload).await?;
                }
            }
            if !page.truncated {
                return Ok(());
            }
        }
    }
}
