//! Local directories as a backend, for the suites alone: commands open them without one.

use causeway::{
    backend::{Backend, Found, OpenedBucket, Upkeep},
    catalog::BucketRecord,
    drivers::local::{LocalSettings, LocalStore},
    model::BucketName,
    store::{Capabilities, ListRequest, Store, error::StoreError},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

#[derive(Debug)]
pub struct LocalBackend {
    root: PathBuf,
    staging: PathBuf,
}

#[derive(Debug)]
struct Nothing;

impl Upkeep for Nothing {}

impl LocalBackend {
    pub fn new(directory: &Path) -> Self {
        Self { root: directory.join("root"), staging: directory.join("staging") }
    }

    fn store(&self, bucket: &BucketRecord) -> Arc<LocalStore> {
        Arc::new(LocalStore::new(LocalSettings {
            root: self.root.join(&bucket.bucket.location),
            staging: self.staging.clone(),
            hear: Arc::new(|_, _| {}),
        }))
    }
}

#[async_trait::async_trait]
impl Backend for LocalBackend {
    fn capabilities(&self) -> Capabilities {
        LocalStore::new(LocalSettings {
            root: self.root.clone(),
            staging: self.staging.clone(),
            hear: Arc::new(|_, _| {}),
        })
        .capabilities()
    }

    fn location_for(&self, name: &BucketName) -> String {
        name.as_str().to_owned()
    }

    async fn found(&self, bucket: &BucketRecord) -> Result<Found, StoreError> {
        let first = self.store(bucket).list(ListRequest { limit: 1, ..Default::default() }).await?;
        let is_there = self.root.join(&bucket.bucket.location).exists();
        Ok(if is_there { Found::in_place(first.entries.is_empty()) } else { Found::Nothing })
    }

    async fn create(&self, bucket: &BucketRecord) -> Result<(), StoreError> {
        std::fs::create_dir_all(self.root.join(&bucket.bucket.location))
            .map_err(|error| StoreError::io("making a directory", error))
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket, StoreError> {
        Ok(OpenedBucket::new(self.store(bucket), Arc::new(Nothing)))
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool, StoreError> {
        Ok(std::fs::remove_dir(self.root.join(&bucket.bucket.location)).is_ok())
    }

    async fn discover(&self) -> Result<Vec<BucketName>, StoreError> {
        Ok(Vec::new())
    }
}
