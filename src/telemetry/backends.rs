//! Requests to each backend and whether it can be reached, read together with metrics or health.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// The requests to one backend, from the start of the server.
#[derive(Debug, Clone, Copy, Default)]
pub struct BackendRequests {
    pub requests: u64,
    pub repeats: u64,
    pub failures: u64,
}

#[derive(Debug, Clone)]
pub struct Known {
    pub name: String,
    /// `None` means that the backend is not on another machine.
    pub asked: Option<BackendRequests>,
    /// Why the backend cannot be reached, if it cannot.
    pub trouble: Option<String>,
}

type Read = Box<dyn Fn() -> Vec<Known> + Send + Sync>;

/// Which backends cannot be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unreachable {
    /// The names of backends, with the reason.
    pub backends: Vec<(String, String)>,
    /// No backend can be reached, so no request can be served.
    pub are_all: bool,
}

#[derive(Clone, Default)]
pub struct Backends(Arc<OnceLock<Read>>);

impl Backends {
    /// Sets the source of the counts. Called once.
    pub fn read_by(&self, read: impl Fn() -> Vec<Known> + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(read));
    }

    pub fn unreachable(&self) -> Unreachable {
        let all = self.all();
        let count = all.len();
        let backends: Vec<_> =
            all.into_iter().filter_map(|known| Some((known.name, known.trouble?))).collect();
        Unreachable { are_all: !backends.is_empty() && backends.len() == count, backends }
    }

    fn all(&self) -> Vec<Known> {
        self.0.get().map(|read| read()).unwrap_or_default()
    }
}

impl fmt::Debug for Backends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Backends").field(&self.0.get().is_some()).finish()
    }
}

type Column = (&'static str, &'static str, fn(&BackendRequests) -> u64);

const COLUMNS: [Column; 3] = [
    ("backend_requests", "Requests sent to a storage, repeats among them, by backend", |asked| {
        asked.requests
    }),
    ("backend_repeats", "Requests sent to a storage once more, by backend", |asked| asked.repeats),
    (
        "backend_failures",
        "Requests to a storage that got no reply: it was away or too slow, by backend",
        |asked| asked.failures,
    ),
];

impl Collector for Backends {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let all = self.all();
        let asked: Vec<_> =
            all.iter().filter_map(|known| Some((known.name.as_str(), known.asked?))).collect();
        if asked.is_empty() {
            return Ok(());
        }
        for (name, help, column) in COLUMNS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (backend, asked) in &asked {
                ConstCounter::new(column(asked)).encode(metric.encode_family(&[("backend", *backend)])?)?;
            }
        }
        let help = "Whether the storage of a backend could be reached when that was tried last: 0 if not";
        let mut metric = encoder.encode_descriptor("backend_up", help, None, MetricType::Gauge)?;
        for known in all.iter().filter(|known| known.asked.is_some()) {
            let up = ConstGauge::new(i64::from(known.trouble.is_none()));
            up.encode(metric.encode_family(&[("backend", known.name.as_str())])?)?;
        }
        Ok(())
    }
}
