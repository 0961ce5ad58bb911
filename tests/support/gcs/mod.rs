//! Google Cloud Storage's XML API in memory, as its public documents describe it: for tests of the driver
//! without an account.
//!
//! The fake is stricter than the service, so that a driver which relies on undocumented behaviour fails here:
//! unknown parameters are refused, multipart ETags follow no formula, page tokens are opaque. Where documents
//! are silent, it does what people have measured: `If-None-Match` of a PUT is ignored, and `x-amz-` and
//! `x-goog-` headers in one request are refused. Not implemented: ACLs, versions, resumable uploads, compose,
//! DeleteObjects, virtual-host addressing, verification of HMAC signatures.
//!
//! Of the JSON API it has only `objects.list`. Its errors are XML documents there too, which drivers should
//! not depend on.
//!
//! The metadata server's token is served at the same address: `GCE_METADATA_HOST` may point here.

// Each test target uses another part of this module.
#![allow(dead_code)]

mod buckets;
mod conditions;
mod content;
mod objects;
mod state;
mod uploads;
mod wire;

use http::{Method, Request, header};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use state::State;
use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;
use wire::{
    AUTHENTICATION_REQUIRED, Call, Dialect, EXCESS_HEADERS, INTERNAL_ERROR, INVALID_ARGUMENT,
    METHOD_NOT_ALLOWED, NOT_IMPLEMENTED, Refusal, Reply, SERVICE_UNAVAILABLE, SLOW_DOWN,
};

const TOKEN_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// The service, until it is dropped.
#[derive(Debug)]
pub struct FakeGcs {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    told: Mutex<Told>,
}

/// What tests have configured, and what they can query.
#[derive(Debug)]
struct Told {
    token: String,
    tokens: usize,
    /// The number of requests to be answered normally before the failures.
    grace: usize,
    failures: usize,
    failure: Refusal,
    /// The number of requests after which one is executed and answered with 500.
    lost: Option<usize>,
    requests: Vec<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the lock")
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("no panic under the lock")
    }
}

/// The reason why a request gets no ordinary reply.
enum Failure {
    Refused(Refusal),
    /// The body ended early: nothing was stored, and the client is gone.
    Broken(hyper::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<hyper::Error> for Failure {
    fn from(error: hyper::Error) -> Self {
        Self::Broken(error)
    }
}

impl FakeGcs {
    /// Starts the fake on its own port and thread, so it outlives the runtime of the test that started it.
    pub fn start() -> Self {
        let told = Told {
            token: "fake-token-1".into(),
            tokens: 1,
            grace: 0,
            failures: 0,
            failure: SERVICE_UNAVAILABLE,
            lost: None,
            requests: Vec::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::default(), told: Mutex::new(told) });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("non-blocking");
        let (stop, stopped) = oneshot::channel();
        let service = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, service, stopped));
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The one OAuth token that is valid now.
    pub fn token(&self) -> String {
        self.shared.told().token.clone()
    }

    /// From now on another token is issued, and the previous one is refused with 401.
    pub fn rotate_token(&self) {
        let mut told = self.shared.told();
        told.tokens += 1;
        told.token = format!("fake-token-{}", told.tokens);
    }

    /// The next `n` requests are answered with 429, 500 or 503.
    pub fn fail_next(&self, n: usize, status: u16) {
        self.fail_after(0, n, status);
    }

    /// The same as `fail_next`, after `grace` requests that are answered normally.
    pub fn fail_after(&self, grace: usize, n: usize, status: u16) {
        let known = [SLOW_DOWN, INTERNAL_ERROR, SERVICE_UNAVAILABLE]
            .into_iter()
            .find(|refusal| refusal.status == status);
        let mut told = self.shared.told();
        told.failure = known.expect("429, 500 or 503");
        (told.grace, told.failures) = (grace, n);
    }

    /// After `grace` other requests, one is executed and answered with an error, as if its answer were lost.
    pub fn lose_answer_after(&self, grace: usize) {
        self.shared.told().lost = Some(grace);
    }

    /// Moves the times of all objects and uploads into the past.
    pub fn age(&self, by: Duration) {
        for bucket in self.shared.state().buckets.values_mut() {
            bucket.objects.values_mut().for_each(|object| object.modified -= by);
            bucket.uploads.values_mut().for_each(|upload| upload.started -= by);
        }
    }

    /// The names of all objects, read without HTTP.
    pub fn names(&self, bucket: &str) -> Vec<String> {
        self.shared
            .state()
            .buckets
            .get(bucket)
            .map(|bucket| bucket.objects.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// All requests since the start or the last `take_requests`, refused or not: `PUT /bucket/key?query`.
    /// Requests for tokens are not counted.
    pub fn requests(&self) -> Vec<String> {
        self.shared.told().requests.clone()
    }

    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.told().requests)
    }

    pub fn count(&self, method: &str) -> usize {
        self.shared.told().requests.iter().filter(|request| request.split(' ').next() == Some(method)).count()
    }

    /// The bytes of an object, read without HTTP.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        Some(self.shared.state().buckets.get(bucket)?.objects.get(key)?.content.to_vec())
    }

    /// The number of unfinished uploads of a bucket.
    pub fn uploads(&self, bucket: &str) -> usize {
        self.shared.state().buckets.get(bucket).map_or(0, |bucket| bucket.uploads.len())
    }
}

impl Drop for FakeGcs {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
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
        let shared = shared.clone();
        let service = service_fn(move |request| {
            let shared = shared.clone();
            async move { answer(&shared, request).await }
        });
        // An error means that the client disconnected, or that its body was incomplete.
        tokio::spawn(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .half_close(true)
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

async fn answer(shared: &Shared, request: Request<Incoming>) -> Result<Reply, hyper::Error> {
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, ());
    let answered = route(shared, &request, body).await;
    let mut told = shared.told();
    match told.lost {
        Some(0) => {
            told.lost = None;
            return Ok(INTERNAL_ERROR.reply());
        }
        left => told.lost = left.map(|left| left - 1),
    }
    drop(told);
    match answered {
        Ok(reply) => Ok(reply),
        Err(Failure::Refused(refusal)) => Ok(refusal.reply()),
        Err(Failure::Broken(error)) => Err(error),
    }
}

async fn route(shared: &Shared, request: &Request<()>, body: Incoming) -> Result<Reply, Failure> {
    if request.uri().path() == TOKEN_PATH {
        return Ok(token(shared, request)?);
    }
    let call = match admit(shared, request) {
        Ok(call) => call,
        Err(refusal) => {
            drain(request, body).await?;
            return Err(refusal.into());
        }
    };
    let has = |name| call.parameter(name).is_some();
    Ok(match (&call.method, call.bucket.is_some(), call.key.is_some()) {
        (&Method::GET, false, _) => buckets::list(shared, &call)?,
        (&Method::PUT, true, false) => buckets::create(shared, &call, body).await?,
        (&Method::HEAD, true, false) => buckets::head(shared, &call)?,
        (&Method::DELETE, true, false) => buckets::delete(shared, &call)?,
        (&Method::GET, true, false) if has("uploads") => uploads::list(shared, &call)?,
        (&Method::GET, true, false) if has("location") => buckets::location(shared, &call)?,
        (&Method::GET, true, false) => buckets::list_objects(shared, &call)?,
        (&Method::POST, true, true) if has("uploads") => uploads::begin(shared, &call)?,
        (&Method::POST, true, true) if has("uploadId") => uploads::complete(shared, &call, body).await?,
        (&Method::PUT, true, true) if has("uploadId") => uploads::put_part(shared, &call, body).await?,
        (&Method::GET, true, true) if has("uploadId") => uploads::list_parts(shared, &call)?,
        (&Method::DELETE, true, true) if has("uploadId") => uploads::abort(shared, &call)?,
        (&Method::GET, true, true) if call.is_json() => buckets::list_described(shared, &call)?,
        (&Method::PUT, true, true) => objects::put(shared, &call, body).await?,
        (&Method::GET | &Method::HEAD, true, true) => objects::get(shared, &call)?,
        (&Method::DELETE, true, true) => objects::delete(shared, &call)?,
        (&Method::POST, ..) => return Err(NOT_IMPLEMENTED.into()),
        _ => return Err(METHOD_NOT_ALLOWED.into()),
    })
}

/// Counts the request, fails on demand, and checks the credentials. A signature by an HMAC key must exist,
/// but is not verified.
fn admit(shared: &Shared, request: &Request<()>) -> Result<Call, Refusal> {
    let mut told = shared.told();
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    told.requests.push(format!("{} {target}", request.method()));
    if told.grace > 0 {
        told.grace -= 1;
    } else if told.failures > 0 {
        told.failures -= 1;
        return Err(told.failure.clone());
    }
    let authorization = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let dialect = match authorization.split_once(' ') {
        Some(("Bearer", token)) if token == told.token => Dialect::Goog,
        Some(("GOOG4-HMAC-SHA256", signature)) if signature.contains("Signature=") => Dialect::Goog,
        Some(("AWS4-HMAC-SHA256", signature)) if signature.contains("Signature=") => Dialect::Amz,
        _ => return Err(AUTHENTICATION_REQUIRED),
    };
    let has = |prefix: &str| request.headers().keys().any(|name| name.as_str().starts_with(prefix));
    if has("x-amz-") && has("x-goog-") {
        return Err(EXCESS_HEADERS);
    }
    let headers = request.headers();
    if dialect == Dialect::Goog && headers.contains_key("x-amz-copy-source") {
        return Err(INVALID_ARGUMENT.about("x-amz-copy-source"));
    }
    let framing = headers.get("x-amz-content-sha256").and_then(|value| value.to_str().ok());
    if framing.is_some_and(|framing| framing.starts_with("STREAMING-")) {
        return Err(NOT_IMPLEMENTED.about("x-amz-content-sha256"));
    }
    Call::of(request, dialect)
}

/// Reads the body of a refused request, so that the refusal is not lost to a reset. A client that waits for
/// `100 Continue` gets the refusal instead.
async fn drain(request: &Request<()>, mut body: Incoming) -> Result<(), hyper::Error> {
    if request.headers().contains_key(header::EXPECT) {
        return Ok(());
    }
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

fn token(shared: &Shared, request: &Request<()>) -> Result<Reply, Refusal> {
    if request.headers().get("metadata-flavor").is_none_or(|flavor| flavor != "Google") {
        return Err(Refusal { status: 403, ..AUTHENTICATION_REQUIRED }.about("Metadata-Flavor"));
    }
    let token = shared.told().token.clone();
    let mut reply =
        wire::xml(format!(r#"{{"access_token":"{token}","expires_in":3599,"token_type":"Bearer"}}"#));
    reply.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().expect("a value"));
    Ok(reply)
}
