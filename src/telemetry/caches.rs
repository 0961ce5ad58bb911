//! How often caches had the answer, read together with the metrics.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// The state of all caches at one moment.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    pub asked: Vec<CacheRequests>,
    /// The bytes by kind of cached data.
    pub bytes: Vec<(&'static str, u64)>,
}

/// One count, with its labels.
///
/// Buckets are labels here and in `sizes` only: whether a cache is useful is a question about one bucket.
/// There are as many rows as there are buckets with requests on backends with a cache. A client creates
/// buckets only where the operator allows it; the rows of a bucket are removed with it.
#[derive(Debug, Clone)]
pub struct CacheRequests {
    pub backend: Arc<str>,
    pub bucket: String,
    pub kind: &'static str,
    pub outcome: &'static str,
    pub times: u64,
}

type Read = Box<dyn Fn() -> Reading + Send + Sync>;

#[derive(Clone, Default)]
pub struct Caches(Arc<OnceLock<Read>>);

impl Caches {
    /// Sets the source of the counts. Called once.
    pub fn read_by(&self, read: impl Fn() -> Reading + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(read));
    }
}

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Caches").field(&self.0.get().is_some()).finish()
    }
}

impl Collector for Caches {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(read) = self.0.get() else { return Ok(()) };
        let Reading { asked, bytes } = read();
        if !asked.is_empty() {
            let help = "Questions to a cache, by backend, bucket, what was asked, and whether it was known";
            let mut metric = encoder.encode_descriptor("cache_requests", help, None, MetricType::Counter)?;
            for CacheRequests { backend, bucket, kind, outcome, times } in &asked {
                let labels = [
                    ("backend", &**backend),
                    ("bucket", bucket.as_str()),
                    ("kind", *kind),
                    ("outcome", *outcome),
                ];
                ConstCounter::new(*times).encode(metric.encode_family(&labels)?)?;
            }
        }
        if !bytes.is_empty() {
            let mut metric = encoder.encode_descriptor(
                "cache_size_bytes",
                "Bytes kept, by what is kept",
                None,
                MetricType::Gauge,
            )?;
            for (what, bytes) in bytes {
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                ConstGauge::new(bytes).encode(metric.encode_family(&[("what", what)])?)?;
            }
        }
        Ok(())
    }
}
