//! The content of buckets at the last count, read together with the metrics.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// Maximum number of buckets that are reported: each is a label, and clients create buckets.
pub const MOST_BUCKETS: usize = 1000;

/// The content of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    pub bucket: String,
    pub objects: u64,
    pub bytes: u64,
}

/// The sizes of buckets at one moment.
#[derive(Debug, Clone)]
pub struct Counted {
    pub at: Instant,
    /// At most [`MOST_BUCKETS`].
    pub sizes: Vec<Size>,
    /// Buckets that are counted but not listed.
    pub others: usize,
}

#[derive(Debug, Clone, Default)]
pub struct Sizes(Arc<Mutex<Option<Counted>>>);

impl Sizes {
    /// Replaces what was counted before.
    pub fn set(&self, counted: Counted) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
    }
}

impl Collector for Sizes {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(Counted { at, sizes, others }) = counted else { return Ok(()) };
        let gauge = |number: u64| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
        for (name, help, value) in COLUMNS {
            // A metric without a row is left out.
            if sizes.is_empty() {
                break;
            }
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for size in &sizes {
                gauge(value(size)).encode(metric.encode_family(&[("bucket", size.bucket.as_str())])?)?;
            }
        }
        let help = "Buckets whose size is counted and not told, because they are not among the 1,000 largest";
        gauge(others as u64).encode(encoder.encode_descriptor(
            "bucket_sizes_left_out",
            help,
            None,
            MetricType::Gauge,
        )?)?;
        let help = "Seconds since the sizes of buckets were counted";
        let age = ConstGauge::new(at.elapsed().as_secs_f64());
        age.encode(encoder.encode_descriptor("bucket_sizes_age_seconds", help, None, MetricType::Gauge)?)
    }
}

/// Name, help, number.
type Column = (&'static str, &'static str, fn(&Size) -> u64);

const COLUMNS: [Column; 2] = [
    (
        "bucket_objects",
        "Objects that a bucket lists, for the 1,000 largest buckets whose listings come from the key index",
        |size| size.objects,
    ),
    (
        "bucket_bytes",
        "Bytes of the objects that a bucket lists, for the 1,000 largest buckets whose listings come from the key index",
        |size| size.bytes,
    ),
];

#[cfg(test)]
mod tests {
    use crate::telemetry::{metrics::Metrics, sizes::*};

    #[test]
    fn sizes_are_told_by_bucket_once_they_were_counted() {
        let metrics = Metrics::default();
        assert!(!metrics.text().contains("causeway_bucket_"));
        let size = |bucket: &str, objects, bytes| Size { bucket: bucket.to_owned(), objects, bytes };
        metrics.sizes.set(Counted {
            at: Instant::now(),
            sizes: vec![size("photos", 3, 7000), size("empty", 0, 0)],
            others: 2,
        });
        let text = metrics.text();
        for line in [
            "causeway_bucket_objects{bucket=\"photos\"} 3",
            "causeway_bucket_bytes{bucket=\"photos\"} 7000",
            "causeway_bucket_objects{bucket=\"empty\"} 0",
            "causeway_bucket_sizes_left_out 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        let age = text
            .lines()
            .find_map(|line| line.strip_prefix("causeway_bucket_sizes_age_seconds ")?.parse::<f64>().ok());
        assert!(age.is_some_and(|age| (0.0..60.0).contains(&age)), "{text}");
    }
}
