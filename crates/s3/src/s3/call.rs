//! What an operation is handed: its request, authorized, with what it addresses already resolved and typed.

use super::{reader::Reader, request::Request};
use crate::{
    buckets::Bucket,
    model::{ObjectAddress, ObjectKey, VersionId},
};
use std::sync::Arc;

/// On the service itself.
#[derive(Debug)]
pub struct ServiceCall {
    pub request: Request,
}

/// On a bucket that exists.
#[derive(Debug)]
pub struct BucketCall {
    pub request: Request,
    pub bucket: Arc<Bucket>,
}

/// A read of an object, which its reader decides.
#[derive(Debug)]
pub struct ReadCall {
    pub request: Request,
    pub(super) reader: Reader,
}

/// On a key of a bucket that exists.
#[derive(Debug)]
pub struct ObjectCall {
    pub request: Request,
    pub bucket: Arc<Bucket>,
    pub key: ObjectKey,
    /// Named by the request, where its operation is on one version.
    pub version: Option<VersionId>,
}

impl ObjectCall {
    pub fn address(&self) -> ObjectAddress<'_> {
        ObjectAddress::new(&self.key, self.version.as_ref())
    }
}
