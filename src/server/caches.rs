//! Caches above backends: which backends have them, and what is told of them.
//!
//! A cache is above everything else that is stacked upon a backend, and only buckets see it: a backend that is part of another
//! is asked itself there, for what decides where a write goes must not be what was so a while ago.

use crate::{
    backend::Backend,
    cache::{CachedBackend, Count, Freshness, MetadataCache},
    config::Settings,
    telemetry::{
        caches::{Asked, Reading},
        metrics::Metrics,
    },
};
use std::sync::Arc;

/// By default none.
#[derive(Debug, Default)]
pub(super) struct Caches {
    /// Only if some backend keeps anything in it.
    metadata: Option<Arc<MetadataCache>>,
}

impl Caches {
    pub(super) fn new(settings: &Settings) -> Self {
        let wanted = settings.layers.values().any(|layers| layers.metadata_ttl.0.is_some());
        Self { metadata: wanted.then(|| MetadataCache::new(settings.server.metadata_cache_size.0)) }
    }

    /// The backend as buckets see it: itself, where nothing is kept.
    pub(super) fn above(&self, settings: &Settings, name: &str, backend: Arc<dyn Backend>) -> Arc<dyn Backend> {
        let layers = settings.layers.get(name);
        let ttl = layers.and_then(|layers| layers.metadata_ttl.0);
        match (&self.metadata, ttl) {
            (Some(cache), Some(ttl)) => {
                let freshness = Freshness { ttl, stale: layers.and_then(|layers| layers.stale_ttl.0) };
                Arc::new(CachedBackend::new(backend, name, cache.clone(), freshness))
            }
            _ => backend,
        }
    }

    pub(super) fn tell(&self, metrics: &Metrics) {
        let Some(metadata) = self.metadata.clone() else { return };
        metrics.caches.read_by(move || Reading {
            asked: metadata.counts().into_iter().map(asked).collect(),
            bytes: vec![("metadata", metadata.size())],
        });
    }
}

fn asked(Count { backend, bucket, kind, outcome, times }: Count) -> Asked {
    Asked { backend, bucket: bucket.to_string(), kind: kind.as_str(), outcome: outcome.as_str(), times }
}
