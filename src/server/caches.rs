//! Caches above backends: which backends have them, and what is told of them.
//!
//! A cache is above everything else that is stacked upon a backend, and only buckets see it: a backend that is part of another
//! is asked itself there, for what decides where a write goes must not be what was so a while ago.

use super::{data::DataDirectory, error::StartError};
use crate::{
    backend::Backend,
    cache::{CachedBackend, Count, DataCache, DataSettings, Freshness, MetadataCache},
    config::Settings,
    telemetry::{
        caches::{Asked, Reading},
        metrics::Metrics,
    },
};
use std::sync::Arc;

/// The caches of the configuration. There are none by default.
#[derive(Debug, Default)]
pub(super) struct Caches {
    /// Only if some backend keeps anything in it.
    metadata: Option<Arc<MetadataCache>>,
    data: Option<Arc<DataCache>>,
}

impl Caches {
    pub(super) fn open(settings: &Settings, data: &DataDirectory) -> Result<Self, StartError> {
        let server = &settings.server;
        let wanted = settings.layers.values().any(|layers| layers.metadata_ttl.0.is_some());
        let metadata = wanted.then(|| MetadataCache::new(server.metadata_cache_size.0));
        let wanted = settings.layers.values().any(|layers| layers.data_cache);
        let open = || {
            let directory = server.data_cache_dir.clone().unwrap_or_else(|| data.own().join("cache"));
            let failed = |error| StartError::because(format_args!("opening the data cache in {}", directory.display()), error);
            DataCache::open(DataSettings {
                memory: server.data_cache_memory.map_or(0, |size| size.0),
                disk: server.data_cache_disk.filter(|size| size.0 > 0).map(|size| (size.0, directory.clone())),
                max_object: server.data_cache_max_object.0,
            })
            .map_err(failed)
        };
        Ok(Self { metadata, data: wanted.then(open).transpose()? })
    }

    /// The backend as buckets see it: itself, where nothing is kept.
    pub(super) fn above(&self, settings: &Settings, name: &str, backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
        let layers = settings.layers.get(name);
        let ttl = layers.and_then(|layers| layers.metadata_ttl.0);
        let freshness = ttl.map(|ttl| Freshness { ttl, stale: layers.and_then(|layers| layers.stale_ttl.0) });
        let metadata = self.metadata.clone().zip(freshness);
        let data = self.data.clone().filter(|_| layers.is_some_and(|layers| layers.data_cache));
        if metadata.is_none() && data.is_none() {
            return backend;
        }
        Arc::new(CachedBackend::new(backend, name, metadata, data))
    }

    pub(super) fn tell(&self, metrics: &Metrics) {
        let (metadata, data) = (self.metadata.clone(), self.data.clone());
        if metadata.is_none() && data.is_none() {
            return;
        }
        metrics.caches.read_by(move || {
            let mut reading = Reading::default();
            if let Some(metadata) = &metadata {
                reading.asked.extend(metadata.counts().into_iter().map(asked));
                reading.bytes.push(("metadata", metadata.size()));
            }
            if let Some(data) = &data {
                let (memory, disk) = data.sizes();
                reading.asked.extend(data.counts().into_iter().map(asked));
                reading.bytes.extend([("data in memory", memory), ("data on disk", disk)]);
            }
            reading
        });
    }
}

fn asked(Count { backend, bucket, kind, outcome, times }: Count) -> Asked {
    Asked { backend, bucket: bucket.to_string(), kind: kind.as_str(), outcome: outcome.as_str(), times }
}
