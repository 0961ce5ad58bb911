//! The admin listener: alive, ready, metrics, and the sign-in for people. They are served on an address of
//! their own, so no path here can be confused with a bucket.

mod sign_in;

pub use sign_in::SignInPages;

use crate::{model::Timestamp, telemetry::metrics::Metrics};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    fs::File,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// A scraper and a few probes; further connections wait.
const CONNECTIONS: usize = 32;
const SPARE: usize = 4;
/// A probe must send its request within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Descriptors kept in reserve for connections when all others are used. Other waiters for a free descriptor
/// may be faster, so there are several.
#[derive(Debug, Default)]
struct Spare(Mutex<Vec<File>>);

impl Spare {
    /// Called as soon as descriptors may be free again.
    fn fill(&self) {
        let mut kept = self.kept();
        while kept.len() < SPARE
            && let Ok(file) = File::open("/dev/null")
        {
            kept.push(file);
        }
    }

    fn give_up(&self) -> bool {
        self.kept().pop().is_some()
    }

    fn kept(&self) -> MutexGuard<'_, Vec<File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far the server has started or stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    Starting,
    Ready,
    Draining,
}

#[derive(Debug)]
pub struct Admin {
    phase: AtomicU8,
    metrics: Arc<Metrics>,
    /// Where people sign in, once the server is built.
    sign_in: OnceLock<SignInPages>,
}

impl Admin {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { phase: AtomicU8::new(Phase::Starting as u8), metrics, sign_in: OnceLock::new() }
    }

    /// From now on, people sign in here. The first pages count.
    pub fn attach(&self, pages: SignInPages) {
        drop(self.sign_in.set(pages));
    }

    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    fn phase(&self) -> Phase {
        let phase = self.phase.load(Ordering::Acquire);
        [Phase::Starting, Phase::Ready].into_iter().find(|p| *p as u8 == phase).unwrap_or(Phase::Draining)
    }

    /// Answers on `listener` until dropped, even when connections elsewhere have taken all descriptors.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let spare = Arc::new(Spare::default());
        spare.fill();
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        while let Ok(place) = places.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (admin, spare) = (self.clone(), spare.clone());
                    tokio::spawn(async move {
                        admin.converse(stream).await;
                        spare.fill();
                        drop(place);
                    });
                }
                // Most likely out of descriptors: one of the reserve is released for this connection.
                Err(_) if spare.give_up() => {}
                Err(error) => {
                    tracing::warn!(%error, "an admin connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn converse(self: Arc<Self>, stream: TcpStream) {
        let answer = service_fn(|request: Request<Incoming>| {
            let (admin, (head, _)) = (self.clone(), request.into_parts());
            async move {
                let pages = admin.sign_in.get().filter(|_| SignInPages::has(head.uri.path()));
                Ok::<_, Infallible>(match pages {
                    Some(pages) => pages.answer(&head, Timestamp::now()).await,
                    None => admin.answer(&head.method, head.uri.path()),
                })
            }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(16 << 10);
        // A probe that disconnects is not an event.
        let _ = http.serve_connection(TokioIo::new(stream), answer).await;
    }

    /// The answer names the backends that are out or cannot be reached, because requests for other backends
    /// are served, and the file systems that are almost full, which still take writes. A server that can
    /// reach no backend is not ready: another server may do better.
    fn ready(&self) -> (StatusCode, String) {
        let unreachable = self.metrics.backends.unreachable();
        let (code, status) = if unreachable.are_all {
            (StatusCode::SERVICE_UNAVAILABLE, "unreachable")
        } else {
            (StatusCode::OK, "ready")
        };
        let unreachable: serde_json::Map<_, _> =
            unreachable.backends.into_iter().map(|(name, why)| (name, why.into())).collect();
        let out: serde_json::Map<_, _> =
            self.metrics.replicas.out().into_iter().map(|(name, why)| (name, why.into())).collect();
        let low: serde_json::Map<_, _> =
            self.metrics.storages.low().into_iter().map(|(name, free)| (name, free.into())).collect();
        let mut ready = serde_json::json!({ "status": status, "version": env!("CARGO_PKG_VERSION") });
        for (name, told) in [("unreachable", unreachable), ("out", out), ("low_space", low)] {
            if !told.is_empty() {
                ready[name] = told.into();
            }
        }
        (code, format!("{ready}\n"))
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let (status, kind, body) = match path {
            _ if *method != Method::GET && *method != Method::HEAD => {
                (StatusCode::METHOD_NOT_ALLOWED, "text/plain", String::new())
            }
            "/-/health/live" => (StatusCode::OK, "application/json", health("live")),
            "/-/health/ready" => match self.phase() {
                Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "application/json", health("starting")),
                Phase::Ready => {
                    let (status, body) = self.ready();
                    (status, "application/json", body)
                }
                Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "application/json", health("draining")),
            },
            "/-/metrics" => (
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                self.metrics.text(),
            ),
            _ => (StatusCode::NOT_FOUND, "text/plain", String::new()),
        };
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn health(status: &str) -> String {
    format!("{}\n", serde_json::json!({ "status": status, "version": env!("CARGO_PKG_VERSION") }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::backends::Known;

    fn status(admin: &Admin, path: &str) -> u16 {
        admin.answer(&Method::GET, path).status().as_u16()
    }

    #[test]
    fn ready_means_started_and_not_stopping() {
        let admin = Admin::new(Arc::default());
        assert_eq!((status(&admin, "/-/health/live"), status(&admin, "/-/health/ready")), (200, 503));
        admin.enter(Phase::Ready);
        assert_eq!(status(&admin, "/-/health/ready"), 200);
        admin.enter(Phase::Draining);
        assert_eq!((status(&admin, "/-/health/live"), status(&admin, "/-/health/ready")), (200, 503));
    }

    #[test]
    fn a_server_is_ready_as_long_as_one_backend_can_be_reached() {
        let known = |name: &str, trouble: Option<&str>| Known {
            name: name.to_owned(),
            asked: None,
            trouble: trouble.map(str::to_owned),
        };
        for (there, expected) in [(None, 200), (Some("unknown host"), 503)] {
            let metrics = Arc::<Metrics>::default();
            let all = vec![known("away", Some("refused")), known("there", there)];
            metrics.backends.read_by(move || all.clone());
            let admin = Admin::new(metrics);
            admin.enter(Phase::Ready);
            let (status, body) = admin.ready();
            assert_eq!(status.as_u16(), expected);
            assert!(body.contains("\"away\":\"refused\""), "{body}");
        }
    }

    #[test]
    fn anything_else_is_not_found_and_nothing_can_be_written() {
        let admin = Admin::new(Arc::default());
        assert_eq!((status(&admin, "/"), status(&admin, "/-/health")), (404, 404));
        assert_eq!(admin.answer(&Method::PUT, "/-/health/live").status().as_u16(), 405);
    }
}
