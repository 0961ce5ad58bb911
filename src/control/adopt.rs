//! Makes a bucket of existing data on a backend, and gives it to an owner.

use super::Done;
use crate::{
    buckets::{BucketError, Buckets},
    catalog::NewBucket,
    model::{BucketName, Chain, Owner, Timestamp},
};
use serde::{Deserialize, Serialize};

/// The data that is to become a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adoption {
    pub bucket: String,
    /// The default backend, if none is named.
    pub backend: Option<String>,
    /// The location on the backend, as a bucket of the configuration names it.
    pub remote: Option<String>,
    pub prefix: Option<String>,
    /// The first administrator, if none is named.
    pub owner: Option<Owner>,
}

pub(super) async fn adopt(buckets: &Buckets, adoption: Adoption) -> Result<Done, String> {
    let Adoption { bucket: name, backend, remote, prefix, owner } = adoption;
    let failed = |error: BucketError| match error {
        BucketError::Exists(_) => format!("there is a bucket '{name}' already"),
        error => format!("bucket '{name}': {}", Chain(&error)),
    };
    let parsed = BucketName::parse(&name).map_err(|error| format!("bucket '{name}': {error}"))?;
    let Some(owner) = owner.or_else(|| buckets.administrator()) else {
        return Err("there is no administrator to own it: name an identity with --owner".to_owned());
    };
    let Some(backend) = backend.or_else(|| buckets.default_backend()) else {
        return Err(
            "the configuration names no default backend: name the one where the bucket lies with --backend"
                .to_owned(),
        );
    };
    let at = buckets.backend(&backend).map_err(failed)?;
    let place = at
        .location_at(&parsed, remote.as_deref(), prefix.as_deref())
        .map_err(|error| failed(error.into()))?;
    let created = Timestamp::now();
    let bucket =
        NewBucket { name: parsed, owner, created, tenant: Default::default(), backend, location: place };
    let adopted = buckets.adopt(bucket).await.map_err(failed)?;
    let record = &adopted.record().bucket;
    tracing::info!(bucket = %record.name, backend = record.backend, location = record.location, owner = %record.owner.display_name, "a bucket was adopted");
    Ok(Done::Adopted {
        backend: record.backend.clone(),
        place: record.location.clone(),
        owner: record.owner.display_name.to_string(),
    })
}
