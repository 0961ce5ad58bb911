//! All metrics, each declared once with its unit and its description.
//!
//! Labels are closed sets: operations, classes of status, error codes; backends, buckets and identities of
//! the configuration. Nothing that a client can choose is a label, with two exceptions that give their
//! reasons: see `caches` and `sizes`.

use super::{
    backends::Backends, caches::Caches, limits::InForce, process::Process, replicas::Replicas, sizes::Sizes,
    storages::Storages,
};
use crate::model::Timestamp;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};
use std::time::Duration;

/// From half a millisecond to a minute, each about three times the one before.
const DURATIONS: [f64; 11] = [0.0005, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0];

const RELOADED: &str = "ok";
const NOT_RELOADED: &str = "failed";

/// The label of a request that names no operation.
pub const NO_OPERATION: &str = "none";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOperation {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCode {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

/// A completed request, as far as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    pub operation: &'static str,
    pub status: u16,
    pub duration: Duration,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    // These are set once the server is built.
    pub backends: Backends,
    pub replicas: Replicas,
    pub storages: Storages,
    pub sizes: Sizes,
    pub limits: InForce,
    pub caches: Caches,
    requests: Family<RequestLabels, Counter>,
    durations: Family<ByOperation, Histogram, fn() -> Histogram>,
    bytes_in: Counter,
    bytes_out: Counter,
    refused: Family<ByCode, Counter>,
    panics: Counter,
    /// The gauge that is compared with the limit of requests.
    pub in_flight: Gauge,
    pub connections: Gauge,
    pub connections_total: Counter,
    /// Connections refused because their address has too many.
    pub connections_refused: Counter,
    /// Requests answered SlowDown because too many were in progress.
    pub overload: Counter,
    reloads: Family<ByResult, Counter>,
    reload_succeeded: Gauge,
    reload_time: Gauge,
    reload_waiting: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let durations: fn() -> Histogram = || Histogram::new(DURATIONS);
        let metrics = Self {
            registry: Registry::default(),
            backends: Backends::default(),
            replicas: Replicas::default(),
            storages: Storages::default(),
            sizes: Sizes::default(),
            limits: InForce::default(),
            caches: Caches::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(durations),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            refused: Family::default(),
            panics: Counter::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            connections_total: Counter::default(),
            connections_refused: Counter::default(),
            overload: Counter::default(),
            reloads: Family::default(),
            reload_succeeded: Gauge::default(),
            reload_time: Gauge::default(),
            reload_waiting: Gauge::default(),
        };
        // Both exist before any event: a rate needs a start value.
        for result in [RELOADED, NOT_RELOADED] {
            drop(metrics.reloads.get_or_create(&ByResult { result }));
        }
        metrics.registered()
    }
}

impl Metrics {
    /// Registers the names. Counters get the suffix `_total`; units come before it.
    fn registered(mut self) -> Self {
        let mut all = Registry::default();
        // Its names are those of every Prometheus client, without our prefix.
        all.register_collector(Box::new(Process));
        let registry = all.sub_registry_with_prefix("causeway");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running version", build);
        registry.register(
            "requests",
            "Requests answered, by S3 operation and class of status",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "From the head of a request to the last byte of its reply, by S3 operation",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register_with_unit(
            "received",
            "Bytes of request bodies",
            Unit::Bytes,
            self.bytes_in.clone(),
        );
        registry.register_with_unit("sent", "Bytes of reply bodies", Unit::Bytes, self.bytes_out.clone());
        registry.register("requests_in_flight", "Requests in work now", self.in_flight.clone());
        registry.register(
            "requests_refused_busy",
            "Requests answered SlowDown, and streams refused, because there were too many",
            self.overload.clone(),
        );
        registry.register(
            "authentication_failures",
            "Requests whose sender could not be authenticated, by error code",
            self.refused.clone(),
        );
        registry.register_collector(Box::new(self.backends.clone()));
        registry.register_collector(Box::new(self.replicas.clone()));
        registry.register_collector(Box::new(self.storages.clone()));
        registry.register_collector(Box::new(self.sizes.clone()));
        registry.register_collector(Box::new(self.limits.clone()));
        registry.register_collector(Box::new(self.caches.clone()));
        registry.register("panics", "Requests that met a defect in Causeway", self.panics.clone());
        registry.register("connections", "S3 connections open now", self.connections.clone());
        registry.register(
            "connections_refused",
            "S3 connections closed at once because their address had too many",
            self.connections_refused.clone(),
        );
        registry.register("connections_accepted", "S3 connections accepted", self.connections_total.clone());
        registry.register(
            "config_reloads",
            "Times that the configuration was read again, by what came of it",
            self.reloads.clone(),
        );
        registry.register(
            "config_last_reload_successful",
            "Whether the configuration was right when it was last read: 0 if the one before stays in force",
            self.reload_succeeded.clone(),
        );
        registry.register_with_unit(
            "config_last_reload_success_timestamp",
            "When the configuration in force was read, since 1970",
            Unit::Seconds,
            self.reload_time.clone(),
        );
        registry.register(
            "config_settings_waiting",
            "Settings whose new values take effect at the next start; the log names them",
            self.reload_waiting.clone(),
        );
        self.registry = all;
        self
    }

    pub fn ended(&self, request: Ended) {
        let operation = request.operation;
        let status = match request.status {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        self.requests.get_or_create(&RequestLabels { operation, status }).inc();
        self.durations.get_or_create(&ByOperation { operation }).observe(request.duration.as_secs_f64());
        if request.bytes_in > 0 {
            self.bytes_in.inc_by(request.bytes_in);
        }
        if request.bytes_out > 0 {
            self.bytes_out.inc_by(request.bytes_out);
        }
    }

    pub fn unauthenticated(&self, code: &'static str) {
        self.refused.get_or_create(&ByCode { code }).inc();
    }

    /// Notes the configuration with which the server starts.
    pub fn configured(&self, now: Timestamp) {
        self.reload_succeeded.set(1);
        self.reload_time.set(now.millis() / 1000);
    }

    /// Notes that the configuration was reloaded and is in force, except for `waiting` settings that wait for
    /// the next start.
    pub fn reloaded(&self, waiting: usize, now: Timestamp) {
        self.configured(now);
        self.reload_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.reloads.get_or_create(&ByResult { result: RELOADED }).inc();
    }

    /// Notes that the configuration was read again and is wrong.
    pub fn not_reloaded(&self) {
        self.reload_succeeded.set(0);
        self.reloads.get_or_create(&ByResult { result: NOT_RELOADED }).inc();
    }

    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Writes all metrics in Prometheus's text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail, and an empty answer would be noticed.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_was_wrong_is_counted_and_the_time_of_the_one_in_force_stays() {
        let metrics = Metrics::default();
        metrics.configured(Timestamp::from_millis(5_000));
        metrics.reloaded(2, Timestamp::from_millis(70_999));
        metrics.not_reloaded();
        let text = metrics.text();
        for line in [
            "causeway_config_reloads_total{result=\"ok\"} 1",
            "causeway_config_reloads_total{result=\"failed\"} 1",
            "causeway_config_last_reload_successful 0",
            "causeway_config_last_reload_success_timestamp_seconds 70",
            "causeway_config_settings_waiting 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn an_ended_request_is_counted_once_under_its_operation() {
        let metrics = Metrics::default();
        let duration = Duration::from_millis(2);
        metrics.ended(Ended { operation: "GetObject", status: 206, duration, bytes_in: 0, bytes_out: 10 });
        let text = metrics.text();
        for line in [
            "causeway_requests_total{operation=\"GetObject\",status=\"2xx\"} 1",
            "causeway_request_duration_seconds_count{operation=\"GetObject\"} 1",
            "causeway_request_duration_seconds_bucket{le=\"0.003\",operation=\"GetObject\"} 1",
            "causeway_sent_bytes_total 10",
            "causeway_received_bytes_total 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
