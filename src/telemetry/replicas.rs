//! Which replicas are in use, read together with metrics or health.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// A backend of which a replicated one consists.
#[derive(Debug, Clone)]
pub struct Replica {
    /// The replicated backend.
    pub backend: String,
    pub replica: String,
    /// Why the replica is out, if it is.
    pub out: Option<String>,
    /// Objects whose last repair failed there.
    pub failing: u64,
}

type Read = Box<dyn Fn() -> Vec<Replica> + Send + Sync>;

#[derive(Clone, Default)]
pub struct Replicas(Arc<OnceLock<Read>>);

impl Replicas {
    /// Sets the source of the state. Called once.
    pub fn read_by(&self, read: impl Fn() -> Vec<Replica> + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(read));
    }

    /// Backends that are out, and why.
    pub fn out(&self) -> Vec<(String, String)> {
        let mut out: Vec<_> =
            self.all().into_iter().filter_map(|replica| Some((replica.replica, replica.out?))).collect();
        out.sort();
        out.dedup_by(|next, before| next.0 == before.0);
        out
    }

    fn all(&self) -> Vec<Replica> {
        self.0.get().map(|read| read()).unwrap_or_default()
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Replicas").field(&self.0.get().is_some()).finish()
    }
}

impl Collector for Replicas {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let all = self.all();
        if all.is_empty() {
            return Ok(());
        }
        let help = "Whether a replicated backend uses a replica: 0 while it is out";
        let mut metric = encoder.encode_descriptor("replica_up", help, None, MetricType::Gauge)?;
        for Replica { backend, replica, out, .. } in &all {
            let up = ConstGauge::new(i64::from(out.is_none()));
            up.encode(
                metric.encode_family(&[("backend", backend.as_str()), ("replica", replica.as_str())])?,
            )?;
        }
        let help = "Objects that a replica lacks because their last repair failed: 'causeway replicate status' says why";
        let mut metric =
            encoder.encode_descriptor("replica_failing_objects", help, None, MetricType::Gauge)?;
        for Replica { backend, replica, failing, .. } in &all {
            let failing = ConstGauge::new(i64::try_from(*failing).unwrap_or(i64::MAX));
            failing.encode(
                metric.encode_family(&[("backend", backend.as_str()), ("replica", replica.as_str())])?,
            )?;
        }
        Ok(())
    }
}
