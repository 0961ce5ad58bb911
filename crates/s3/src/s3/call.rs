//! What an operation receives: its request, authorized, with what it addresses already resolved and typed.

use super::{
    asker::Asker,
    operation::{On, Operation},
    reader::Reader,
    request::Request,
};
use crate::{
    access::AccountIds,
    buckets::Bucket,
    model::{ObjectAddress, ObjectKey, VersionId},
};
use std::sync::Arc;

/// On the service itself.
#[derive(Debug)]
pub struct ServiceCall {
    pub request: Request,
}

/// On the account of the sender.
#[derive(Debug)]
pub struct AccountCall {
    pub request: Request,
    /// The canonical id of the account.
    pub owner: Arc<str>,
}

/// On a bucket that exists.
#[derive(Debug)]
pub struct BucketCall {
    pub request: Request,
    pub bucket: Arc<Bucket>,
}

/// A read of an object. Bucket and key are the reader's, which decides about the very object that it opens.
#[derive(Debug)]
pub struct ReadCall {
    pub request: Request,
    operation: Operation,
    bucket: Arc<Bucket>,
    key: ObjectKey,
    version: Option<VersionId>,
    /// The accounts that an ACL may name.
    pub(super) accounts: Arc<dyn AccountIds>,
}

impl ReadCall {
    pub(super) fn new(
        operation: Operation,
        request: Request,
        bucket: Arc<Bucket>,
        key: ObjectKey,
        version: Option<VersionId>,
        accounts: Arc<dyn AccountIds>,
    ) -> Self {
        Self { request, operation, bucket, key, version, accounts }
    }

    fn address(&self) -> ObjectAddress<'_> {
        ObjectAddress::new(&self.key, self.version.as_ref())
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader::new(Asker::of(&self.request), self.operation, On::Object, &self.bucket, self.address())
    }
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
