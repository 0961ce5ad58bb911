//! What the data directory remembers of buckets, while no server holds it: a bucket in the catalog exists,
//! whatever the configuration says.

use crate::{
    assembly::{StartError, data::DataDirectory},
    buckets::{Homes, all_locations},
    catalog::{BackendLocation, Catalog, sqlite::SqliteCatalog},
    config::Settings,
    model::BucketName,
    store::{Durability, ListUploadsRequest},
};
use std::collections::HashMap;

/// A data directory that this process holds.
#[derive(Debug)]
pub struct DataMemory {
    // Closed before the directory is released.
    catalog: SqliteCatalog,
    _data: DataDirectory,
}

fn failed(error: impl Into<Box<dyn std::error::Error>>) -> StartError {
    StartError::because("the catalog", error)
}

impl DataMemory {
    /// `None` means that no server ever used it. An error means that a server uses it now.
    pub fn open(settings: &Settings) -> Result<Option<Self>, StartError> {
        let path = &settings.server.data;
        if !DataDirectory::was_taken(path) {
            return Ok(None);
        }
        let data = DataDirectory::take(path)?;
        let catalog = SqliteCatalog::open(data.own(), Durability::Strict).map_err(failed)?;
        Ok(Some(Self { catalog, _data: data }))
    }

    /// Whether a bucket of the configuration can be created: a client's bucket may have its name. Returns
    /// text if that cannot be found out.
    pub async fn check(settings: &Settings, name: &str) -> Result<Option<String>, StartError> {
        let memory = match Self::open(settings) {
            Ok(None) => return Ok(None),
            Ok(Some(memory)) => memory,
            Err(error) => {
                return Ok(Some(format!(
                    "whether a client has made a bucket '{name}' cannot be told: {error}"
                )));
            }
        };
        let parsed = BucketName::parse(name)
            .map_err(|error| StartError::because(format_args!("bucket '{name}'"), error))?;
        let Some((name, configured)) = settings.buckets.get_key_value(&parsed) else { return Ok(None) };
        let known = memory.catalog.bucket(name).await.map_err(failed)?;
        let mut locations = all_locations(&memory.catalog, &HashMap::new()).await.map_err(failed)?;
        memory.close().await?;
        let Some(record) = known else {
            let own = settings
                .places_of(name, configured)
                .into_iter()
                .map(|(backend, location)| BackendLocation { backend, location });
            locations.extend(own.map(|location| (name.clone(), location)));
            return match Homes::new(settings.homes()).clash(locations) {
                Some(clash) => Err(StartError::new(format!("{clash}: each would show the other's objects"))),
                None => Ok(None),
            };
        };
        let (backend, location) = (settings.backend_of(configured), settings.place_of(name, configured));
        if record.bucket.backend == backend && record.bucket.location == location {
            return Ok(None);
        }
        Err(StartError::new(format!(
            "there is a bucket '{name}' already, at '{}' on backend '{}': a bucket does not move by configuration",
            record.bucket.location, record.bucket.backend
        )))
    }

    pub async fn knows(&self, name: &str) -> Result<bool, StartError> {
        let Ok(name) = BucketName::parse(name) else { return Ok(false) };
        Ok(self.catalog.bucket(&name).await.map_err(failed)?.is_some())
    }

    /// Forgets a bucket, so that the next start does not serve it. Returns text about what was lost.
    pub async fn forget(self, name: &str) -> Result<Option<String>, StartError> {
        let name = BucketName::parse(name)
            .map_err(|error| StartError::because(format_args!("bucket '{name}'"), error))?;
        let mut words = None;
        if let Some(record) = self.catalog.bucket(&name).await.map_err(failed)? {
            let request = ListUploadsRequest { limit: 1000, ..Default::default() };
            let uploads = self.catalog.list_uploads(record.id, request).await.map_err(failed)?.entries.len();
            self.catalog.delete_bucket(record.id).await.map_err(failed)?;
            if uploads > 0 {
                words = Some(format!(
                    "{uploads} unfinished uploads are forgotten; their parts stay where they are, too"
                ));
            }
        }
        self.close().await?;
        Ok(words)
    }

    async fn close(self) -> Result<(), StartError> {
        self.catalog.close().await.map_err(failed)
    }
}
