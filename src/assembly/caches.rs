//! Caches above backends: which backends have them, and what is reported about them.
//!
//! A cache is above all other layers of a backend, and only buckets use it: a replicated backend asks its
//! parts without a cache, because a decision about a write must not rest on old answers.
//!
//! A cache is opened when the first backend needs it: at start, or when the configuration is read again.

use super::{backends::Opened, data::DataDirectory, error::StartError};
use crate::{
    backend::Backend,
    cache::{CachedBackend, Count, DataCache, DataSettings, Freshness, MetadataCache},
    config::Settings,
    telemetry::{
        caches::{CacheRequests, Reading},
        metrics::Metrics,
    },
};
use std::sync::{Arc, OnceLock};

/// The caches of the configuration. There are none by default; clones share the same caches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caches(Arc<Wanted>);

/// Each cache exists once some backend keeps anything in it.
#[derive(Debug, Default)]
struct Wanted {
    metadata: OnceLock<Arc<MetadataCache>>,
    data: OnceLock<Arc<DataCache>>,
}

impl Caches {
    /// Opens the caches that backends of these settings need and that are not open yet.
    pub(crate) fn open(&self, settings: &Settings, data: &DataDirectory) -> Result<(), StartError> {
        let server = &settings.server;
        if settings.layers.values().any(|layers| layers.metadata_ttl.0.is_some()) {
            self.0.metadata.get_or_init(|| MetadataCache::new(server.metadata_cache_size.0));
        }
        if settings.layers.values().any(|layers| layers.data_cache) && self.0.data.get().is_none() {
            let directory = server.data_cache_dir.clone().unwrap_or_else(|| data.own().join("cache"));
            let opened = DataCache::open(DataSettings {
                memory: server.data_cache_memory.map_or(0, |size| size.0),
                disk: server
                    .data_cache_disk
                    .filter(|size| size.0 > 0)
                    .map(|size| (size.0, directory.clone())),
                max_object: server.data_cache_max_object.0,
            });
            let opened = opened.map_err(|error| {
                StartError::because(format_args!("opening the data cache in {}", directory.display()), error)
            })?;
            self.0.data.get_or_init(|| opened);
        }
        Ok(())
    }

    /// Backends as buckets see them.
    pub(crate) fn above_all(&self, settings: &Settings, backends: Opened) -> Opened {
        backends
            .into_iter()
            .map(|(name, backend)| (name.clone(), self.above(settings, &name, backend)))
            .collect()
    }

    /// The backend as buckets see it: without a cache, the backend itself.
    fn above(&self, settings: &Settings, name: &str, backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
        let layers = settings.layers.get(name);
        let ttl = layers.and_then(|layers| layers.metadata_ttl.0);
        let freshness = ttl.map(|ttl| Freshness { ttl, stale: layers.and_then(|layers| layers.stale_ttl.0) });
        let metadata = self.0.metadata.get().cloned().zip(freshness);
        let data = self.0.data.get().cloned().filter(|_| layers.is_some_and(|layers| layers.data_cache));
        if metadata.is_none() && data.is_none() {
            return backend;
        }
        Arc::new(CachedBackend::new(backend, name, metadata, data))
    }

    pub(crate) fn tell(&self, metrics: &Metrics) {
        let caches = self.clone();
        metrics.caches.read_by(move || {
            let mut reading = Reading::default();
            if let Some(metadata) = caches.0.metadata.get() {
                reading.asked.extend(metadata.counts().into_iter().map(asked));
                reading.bytes.push(("metadata", metadata.size()));
            }
            if let Some(data) = caches.0.data.get() {
                let (memory, disk) = data.sizes();
                reading.asked.extend(data.counts().into_iter().map(asked));
                reading.bytes.extend([("data in memory", memory), ("data on disk", disk)]);
            }
            reading
        });
    }
}

fn asked(Count { backend, bucket, kind, outcome, times }: Count) -> CacheRequests {
    CacheRequests {
        backend,
        bucket: bucket.to_string(),
        kind: kind.as_str(),
        outcome: outcome.as_str(),
        times,
    }
}
