//! One location of a backend that was opened alone, as a store.

use super::Failure;
use crate::{
    assembly::alone::Alone,
    catalog::NewBucket,
    config,
    model::{BucketName, Owner, Timestamp},
    store::Store,
};
use std::sync::Arc;

pub(super) async fn open_at(alone: &Alone, backend: &str, location: &str) -> Result<Arc<dyn Store>, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("opening '{location}' on backend '{backend}': {error}"))
    };
    let name = BucketName::parse(config::AT_URL).map_err(|error| failed(&error))?;
    let known = alone.catalog.bucket(&name).await.map_err(|error| failed(&error))?;
    let record = match known {
        Some(record) => record,
        None => {
            let bucket = NewBucket {
                name,
                owner: Owner { id: "causeway".into(), display_name: "causeway".into() },
                created: Timestamp::now(),
                tenant: Default::default(),
                backend: backend.to_owned(),
                location: location.to_owned(),
            };
            alone.catalog.create_bucket(bucket).await.map_err(|error| failed(&error))?
        }
    };
    Ok(alone.backend.open(&record).await.map_err(|error| failed(&error))?.store)
}
