//! Why a bucket cannot be opened, created, adopted or deleted.

use super::{bucket::Bucket, locations::Clash, settings::SettingsError};
use crate::{
    catalog::{CatalogError, CatalogErrorKind},
    store::error::{StoreError, StoreErrorKind},
};
use std::sync::Arc;

#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("no such bucket")]
    NoSuchBucket,
    /// This owner already has a bucket of that name.
    #[error("the bucket exists")]
    Exists(Arc<Bucket>),
    /// The location is taken: by another bucket, or by data created outside the gateway.
    #[error("the location of the bucket is taken")]
    LocationTaken(#[source] Taken),
    #[error("nothing lies there that could become a bucket")]
    NothingThere,
    /// Another program keeps the location in a format of its own.
    #[error("{0}")]
    Foreign(&'static str),
    #[error("the bucket is not empty")]
    NotEmpty,
    #[error("the bucket migrates to another backend")]
    Migrating,
    #[error("the configuration has no backend '{0}'")]
    NoSuchBackend(String),
    #[error("the configuration names no backend for buckets that are created through S3 ([default])")]
    NoDefaultBackend,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a location cannot become a new bucket's.
#[derive(Debug, thiserror::Error)]
pub enum Taken {
    #[error(transparent)]
    ByBucket(CatalogError),
    #[error(transparent)]
    ByReplica(Box<Clash>),
    #[error("all that another backend has lies in it")]
    ByBackend,
    #[error("it was there before: 'causeway bucket adopt' makes a bucket of it")]
    ByOthers,
    #[error(transparent)]
    OnStorage(StoreError),
}

impl From<CatalogError> for BucketError {
    fn from(error: CatalogError) -> Self {
        match error.kind() {
            CatalogErrorKind::Overlaps => Self::LocationTaken(Taken::ByBucket(error)),
            _ => Self::Store(error.into()),
        }
    }
}

impl From<SettingsError> for BucketError {
    fn from(error: SettingsError) -> Self {
        Self::Store(
            StoreError::new(StoreErrorKind::Internal, "reading the settings of a bucket failed")
                .with_source(error),
        )
    }
}
