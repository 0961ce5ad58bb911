//! The effect of limits, read together with the metrics.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// One limited backend, bucket or identity of the configuration.
#[derive(Debug, Clone)]
pub struct Limited {
    pub scope: &'static str,
    pub name: String,
    pub refused: u64,
    pub waited: Duration,
    /// Requests and bytes of this month, where there is a budget.
    pub used: Option<(u64, u64)>,
}

type Read = Box<dyn Fn() -> Vec<Limited> + Send + Sync>;

#[derive(Clone, Default)]
pub struct InForce(Arc<OnceLock<Read>>);

impl InForce {
    /// Sets the source of the counts. Called once.
    pub fn read_by(&self, read: impl Fn() -> Vec<Limited> + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(read));
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InForce").field(&self.0.get().is_some()).finish()
    }
}

impl Collector for InForce {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(read) = self.0.get() else { return Ok(()) };
        let all = read();
        let labels =
            |limited: &'_ Limited| [("scope", limited.scope.to_owned()), ("name", limited.name.clone())];
        if all.is_empty() {
            return Ok(());
        }
        let help = "Requests answered SlowDown because of a limit, by what is limited";
        let mut metric = encoder.encode_descriptor("throttled", help, None, MetricType::Counter)?;
        for limited in &all {
            ConstCounter::new(limited.refused).encode(metric.encode_family(&labels(limited))?)?;
        }
        let help = "Time that requests and bodies waited because of a limit, by what is limited";
        let mut metric =
            encoder.encode_descriptor("throttle_waited", help, Some(&Unit::Seconds), MetricType::Counter)?;
        for limited in &all {
            ConstCounter::new(limited.waited.as_secs_f64())
                .encode(metric.encode_family(&labels(limited))?)?;
        }
        let budgets: Vec<_> =
            all.iter().filter_map(|limited| Some((limited.name.as_str(), limited.used?))).collect();
        if budgets.is_empty() {
            return Ok(());
        }
        let help = "Requests of this month's budget that are used, by backend";
        let mut metric = encoder.encode_descriptor("budget_requests", help, None, MetricType::Gauge)?;
        for (name, (requests, _)) in &budgets {
            ConstGauge::new(gauge(*requests)).encode(metric.encode_family(&[("backend", *name)])?)?;
        }
        let help = "Downloads of this month's budget that are used, by backend";
        let mut metric =
            encoder.encode_descriptor("budget_download", help, Some(&Unit::Bytes), MetricType::Gauge)?;
        for (name, (_, download)) in &budgets {
            ConstGauge::new(gauge(*download)).encode(metric.encode_family(&[("backend", *name)])?)?;
        }
        Ok(())
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
