//! Cloud services in memory, as their public API documents describe them: for tests of drivers without
//! accounts.
//!
//! Each service is one type that answers requests, behind one server that counts them and fails on demand.
//! The fakes are stricter than the services: invalid names, parameters and credentials are always refused.

// Each test target uses another part of this module.
#![allow(dead_code)]

pub mod b2;
mod drive;
pub mod pcloud;
pub mod yandex;

use bytes::Bytes;
use causeway::{
    backend::WireSettings,
    drivers::opendal::{OpenDalFiles, OpenDalSettings, service},
    model::{Endpoint, Secret},
};
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;

/// The driver, as a configuration would open it.
pub fn driver(name: &str, options: &[(&str, &str)], hosts: &[(&str, &str)], spool: &Path) -> OpenDalFiles {
    driver_below("some/root", name, options, hosts, spool)
}

/// The driver for OpenStack's Object Storage at this URL. `root` belongs to one test.
pub fn swift(endpoint: &str, root: &str, spool: &Path) -> OpenDalFiles {
    let (account, auth) = (format!("{endpoint}/v1/AUTH_test"), format!("{endpoint}/auth/v1.0"));
    let options = [
        ("endpoint", &*account),
        ("container", "bucket"),
        ("auth_url", &*auth),
        ("username", "test:tester"),
        ("password", "testing"),
    ];
    driver_below(root, "swift", &options, &[], spool)
}

fn driver_below(
    root: &str,
    name: &str,
    options: &[(&str, &str)],
    hosts: &[(&str, &str)],
    spool: &Path,
) -> OpenDalFiles {
    let settings = OpenDalSettings {
        service: service(name).expect("a service"),
        options: options.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect(),
        root: root.to_owned(),
        hosts: hosts
            .iter()
            .map(|(host, url)| ((*host).to_owned(), Endpoint::parse(url).expect("a URL")))
            .collect(),
        rate: None,
        spool: spool.to_owned(),
        spool_size: 1 << 30,
        wire: WireSettings { timeout: Duration::from_secs(20), ..WireSettings::default() },
    };
    OpenDalFiles::open(settings).expect("settings")
}

/// A request with its whole body.
#[derive(Debug)]
pub struct Asked {
    pub method: Method,
    /// The host of the request, with its port.
    pub host: String,
    /// The decoded path.
    pub path: String,
    /// The decoded query.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Asked {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads the header `Range: bytes=a-b`. Returns an error if the range has no byte within `size`.
    pub fn range(&self, size: usize) -> Result<Option<std::ops::Range<usize>>, ()> {
        let Some((first, last)) =
            self.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
        else {
            return Ok(None);
        };
        let (first, last) = match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(size)),
            (Ok(first), Err(_)) => (first, size),
            (Err(_), Ok(suffix)) => (size.saturating_sub(suffix), size),
            _ => return Err(()),
        };
        if first < last { Ok(Some(first..last)) } else { Err(()) }
    }

    /// Replies with the requested bytes, as 200, 206 or 416.
    pub fn serve(&self, bytes: &Bytes) -> Reply {
        match self.range(bytes.len()) {
            Ok(None) => Reply::new(200).with_body(bytes.clone()),
            Ok(Some(range)) => {
                let said = format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len());
                Reply::new(206).header("content-range", said).with_body(bytes.slice(range))
            }
            Err(()) => Reply::new(416).header("content-range", format!("bytes */{}", bytes.len())),
        }
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    pub fn json(status: u16, value: serde_json::Value) -> Self {
        Self::new(status).header("content-type", "application/json").with_body(value.to_string())
    }

    pub fn xml(status: u16, text: String) -> Self {
        Self::new(status).header("content-type", "application/xml").with_body(text)
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn with_body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }
}

/// A service.
pub trait Cloud: Send + Sync + std::fmt::Debug + 'static {
    fn answer(&self, asked: &Asked) -> Reply;
}

/// A service on its own port and thread, until it is dropped.
#[derive(Debug)]
pub struct Fake<C> {
    pub address: SocketAddr,
    pub cloud: Arc<C>,
    told: Arc<Mutex<Told>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What tests have configured, and what they can query.
#[derive(Debug, Default)]
struct Told {
    requests: Vec<String>,
    /// For each text: requests that contain it get this status, so many times.
    failures: Vec<(String, u16, usize)>,
    /// For each text: requests that contain it are executed and answered with 500, so many times.
    lost: Vec<(String, usize)>,
}

impl<C: Cloud> Fake<C> {
    pub fn start(make: impl FnOnce(SocketAddr) -> C) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("non-blocking");
        let (cloud, told) = (Arc::new(make(address)), Arc::<Mutex<Told>>::default());
        let (stop, stopped) = oneshot::channel();
        let served = (cloud.clone(), told.clone());
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, served, stopped));
        });
        Self { address, cloud, told, stop: Some(stop), thread: Some(thread) }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next `n` requests that contain `text` (`POST /path?query`) are answered with this status.
    pub fn fail(&self, text: &str, status: u16, n: usize) {
        self.told.lock().expect("no panic").failures.push((text.to_owned(), status, n));
    }

    /// The next `n` requests that contain `text` are executed, and answered with 500.
    pub fn lose(&self, text: &str, n: usize) {
        self.told.lock().expect("no panic").lost.push((text.to_owned(), n));
    }

    /// All requests since the start or the last call.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().expect("no panic").requests)
    }
}

impl<C> Drop for Fake<C> {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Served<C> = (Arc<C>, Arc<Mutex<Told>>);

async fn serve<C: Cloud>(listener: TcpListener, served: Served<C>, mut stopped: oneshot::Receiver<()>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
            _ = &mut stopped => return,
        };
        let _ = stream.set_nodelay(true);
        let served = served.clone();
        let service = service_fn(move |request| {
            let served = served.clone();
            async move { answer(served, request).await }
        });
        // An error means that the client disconnected.
        tokio::spawn(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .half_close(true)
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().expect("UTF-8").into_owned()
}

async fn answer<C: Cloud>(
    (cloud, told): Served<C>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let query = query
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)));
    let asked = Asked {
        path: decoded(parts.uri.path()),
        query: query.collect(),
        host: parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default()
            .to_owned(),
        method: parts.method,
        headers: parts.headers,
        body: body.collect().await?.to_bytes(),
    };
    let line =
        format!("{} {}", asked.method, parts.uri.path_and_query().map_or("/", |target| target.as_str()));
    let take = |rows: &mut Vec<(String, u16, usize)>| {
        let row = rows.iter_mut().find(|(text, _, n)| *n > 0 && line.contains(text.as_str()))?;
        row.2 -= 1;
        Some(row.1)
    };
    let (failed, lost) = {
        let mut told = told.lock().expect("no panic");
        told.requests.push(line.clone());
        let lost = told
            .lost
            .iter_mut()
            .find(|(text, n)| *n > 0 && line.contains(text.as_str()))
            .map(|(_, n)| *n -= 1)
            .is_some();
        (take(&mut told.failures), lost)
    };
    let reply = match failed {
        Some(status) => Reply::new(status),
        None if lost => {
            cloud.answer(&asked);
            Reply::new(500)
        }
        None => cloud.answer(&asked),
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(reply.body)).expect("a reply"))
}
