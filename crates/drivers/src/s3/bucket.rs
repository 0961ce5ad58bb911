//! One bucket: the context that all its operations share.
//!
//! This module does not own any operation: `store` is the bucket as a `Store`.

use super::{
    client::{Call, Client},
    dialect::Dialect,
    features::Features,
    quirk::Names,
    refusal::{self, RequestSubject},
    wish::Tried,
};
use crate::{
    backend::{location::RemoteLocation, locks::Locks, wire::Reply},
    catalog::{BucketId, Catalog},
    model::{PartNumber, UploadId},
    store::Result,
};
use http::Method;
use std::sync::Arc;

/// The longest document about one object, in bytes: a list of ten thousand parts.
const LONGEST_DOCUMENT: usize = 16 << 20;

#[derive(Debug, Clone)]
pub(super) struct S3Store {
    pub(super) client: Arc<Client>,
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) bucket: BucketId,
    pub(super) location: RemoteLocation,
    /// Locks of uploads: one Complete of an upload runs at a time.
    pub(super) completing: Arc<Locks<UploadId>>,
    pub(super) names: Arc<Names>,
    pub(super) tried: Arc<Tried>,
    /// Locks of parts, used on GCS: one body of a part is sent at a time.
    pub(super) sending: Arc<Locks<(UploadId, PartNumber)>>,
}

impl S3Store {
    pub(super) fn new(
        client: Arc<Client>,
        catalog: Arc<dyn Catalog>,
        bucket: BucketId,
        location: RemoteLocation,
    ) -> Self {
        let (completing, sending, names, tried) = Default::default();
        Self { client, catalog, bucket, location, completing, sending, names, tried }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.client.dialect()
    }

    pub(super) fn call(&self, method: Method, name: &str) -> Call<'_> {
        self.client.call(method, &self.location.remote, Some(name))
    }

    pub(super) async fn features(&self) -> Result<Features> {
        self.client.features(&self.location).await
    }

    /// Returns the document of a successful reply, or the error.
    pub(super) async fn document(&self, reply: Reply, asked: RequestSubject) -> Result<bytes::Bytes> {
        if reply.status.is_success() {
            reply.bytes(LONGEST_DOCUMENT).await
        } else {
            Err(refusal::read(reply, asked).await.into())
        }
    }
}
