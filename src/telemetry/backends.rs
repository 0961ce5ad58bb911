//! What each backend was asked, read when the metrics are.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// Of one backend, from the start of the server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    pub requests: u64,
    pub repeats: u64,
    pub failures: u64,
}

type Read = Box<dyn Fn() -> Vec<(String, Asked)> + Send + Sync>;

#[derive(Clone, Default)]
pub struct Backends(Arc<OnceLock<Read>>);

impl Backends {
    /// Where the counts are from now on. Said once.
    pub fn read_by(&self, read: impl Fn() -> Vec<(String, Asked)> + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(read));
    }
}

impl fmt::Debug for Backends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Backends").field(&self.0.get().is_some()).finish()
    }
}

type Column = (&'static str, &'static str, fn(&Asked) -> u64);

const COLUMNS: [Column; 3] = [
    ("backend_requests", "Requests sent to a storage, repeats among them, by backend", |asked| asked.requests),
    ("backend_repeats", "Requests sent to a storage once more, by backend", |asked| asked.repeats),
    ("backend_failures", "Requests to a storage that got no reply: it was away or too slow, by backend", |asked| asked.failures),
];

impl Collector for Backends {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(read) = self.0.get() else { return Ok(()) };
        let asked = read();
        for (name, help, column) in COLUMNS {
            if asked.is_empty() {
                continue;
            }
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (backend, asked) in &asked {
                ConstCounter::new(column(asked)).encode(metric.encode_family(&[("backend", backend.as_str())])?)?;
            }
        }
        Ok(())
    }
}
