//! Dropbox's API v2 and its token service in memory, as their public documents describe them: for tests of
//! the driver without an account.
//!
//! The fake is stricter than the service: unknown fields are refused, commits are strict, arguments in
//! headers are ASCII, and only the last name of a path is shown in its own spelling. Names are found without
//! regard to case. Not implemented: moving and copying of folders, sharing, team spaces, and revisions that
//! expire.

// Each test target uses another part of this module.
#![allow(dead_code)]

mod functions;
mod state;
mod wire;

use bytes::Bytes;
use causeway::{
    backend::WireSettings,
    drivers::dropbox::{DropboxFiles, DropboxSettings},
    model::{Endpoint, Secret},
};
use http::Request;
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use state::{Mode, State};
use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard},
    thread::JoinHandle,
};
use tokio::sync::oneshot;
use wire::{Refusal, Reply, json_reply};

pub const APP_KEY: &str = "dropboxappkey";
pub const APP_SECRET: &str = "dropbox-app-secret";
pub const REFRESH_TOKEN: &str = "dropbox-refresh-token";

/// The service, until it is dropped.
#[derive(Debug)]
pub struct FakeDropbox {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    state: Mutex<State>,
    told: Mutex<Told>,
}

/// What tests have configured, and what they can query.
#[derive(Debug, Default)]
struct Told {
    tokens: usize,
    refuses_grants: bool,
    failures: Vec<Refusal>,
    lost_replies: usize,
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

impl FakeDropbox {
    /// Starts the fake on its own port and thread, so it outlives the runtime of the test that started it.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("non-blocking");
        let shared = Arc::new(Shared { address, state: Mutex::default(), told: Mutex::default() });
        let (stop, stopped) = oneshot::channel();
        let service = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, service, stopped));
        });
        Self { shared, stop: Some(stop), thread: Some(thread) }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    pub fn settings(&self) -> DropboxSettings {
        let endpoint =
            |path: &str| Endpoint::parse(&format!("{}{path}", self.endpoint())).expect("an address");
        DropboxSettings {
            endpoint: endpoint(""),
            content_endpoint: endpoint("/content"),
            token_endpoint: endpoint("/oauth2/token"),
            app_key: APP_KEY.into(),
            app_secret: Some(Secret::new(APP_SECRET)),
            refresh_token: Secret::new(REFRESH_TOKEN),
            root: String::new(),
            wire: WireSettings::default(),
        }
    }

    pub fn files(&self) -> DropboxFiles {
        DropboxFiles::new(self.settings()).expect("settings")
    }

    /// From now on, the tokens that were issued are refused with 401.
    pub fn expire_tokens(&self) {
        self.shared.told().tokens += 1;
    }

    pub fn refuse_grants(&self, refused: bool) {
        self.shared.told().refuses_grants = refused;
    }

    /// The next `n` requests are refused with this error.
    pub fn fail_next(&self, n: usize, status: u16, summary: &str, retry_after: Option<u64>) {
        let refusal = Refusal { status, retry_after, ..Refusal::of(summary) };
        self.shared.told().failures = vec![refusal; n];
    }

    /// The next `n` requests that may change something are executed, and the connection breaks before the
    /// reply.
    pub fn lose_replies(&self, n: usize) {
        self.shared.told().lost_replies = n;
    }

    pub fn set_quota(&self, quota: Option<u64>) {
        self.shared.state().quota = quota;
    }

    /// Stores or changes a file as another program would.
    pub fn place(&self, path: &str, content: impl AsRef<[u8]>) {
        let content = Bytes::copy_from_slice(content.as_ref());
        self.shared.state().commit(&format!("/{path}"), content, Mode::Overwrite).expect("a file");
    }

    /// Deletes an entry with its content as another program would.
    pub fn take(&self, path: &str) {
        self.shared.state().remove(&path.to_lowercase());
    }

    /// Changes the spelling of a name as another program would.
    pub fn respell(&self, path: &str) {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        self.shared.state().entries.get_mut(&path.to_lowercase()).expect("is there").name = name;
    }

    /// The path and the bytes of every file, sorted.
    pub fn all(&self) -> Vec<(String, Vec<u8>)> {
        let state = self.shared.state();
        let file =
            |key: &String| Some((state.spelled(key), state.entries[key].file.as_ref()?.content.to_vec()));
        let mut all: Vec<_> = state.entries.keys().filter_map(file).collect();
        all.sort();
        all
    }

    /// The names of all functions called since the start or the last time, and requests for tokens.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.told().requests)
    }
}

impl Drop for FakeDropbox {
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
        tokio::spawn(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .half_close(true)
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// Closes the connection without a reply.
#[derive(Debug, thiserror::Error)]
#[error("as the test wanted")]
struct Lost;

/// Functions that change nothing.
const LOOKS: &[&str] = &["get_metadata", "list_folder", "list_folder/continue", "download"];

async fn answer(shared: &Shared, request: Request<Incoming>) -> Result<Reply, Lost> {
    let (parts, mut body) = request.into_parts();
    let request = Request::from_parts(parts, ());
    let mut pieces: Vec<Bytes> = Vec::new();
    while let Some(frame) = body.frame().await {
        // A request with an incomplete body changes nothing.
        pieces.extend(frame.map_err(|_| Lost)?.into_data().ok());
    }
    let path = request.uri().path().to_owned();
    let function = path.rsplit_once("/files/").map_or(path.as_str(), |(_, function)| function);
    shared.told().requests.push(function.to_owned());
    let reply =
        route(shared, &request, function, &pieces.concat().into()).unwrap_or_else(|refusal| refusal.reply());
    let mut told = shared.told();
    if told.lost_replies > 0 && !LOOKS.contains(&function) && path != "/oauth2/token" {
        told.lost_replies -= 1;
        return Err(Lost);
    }
    Ok(reply)
}

fn route(shared: &Shared, request: &Request<()>, function: &str, body: &Bytes) -> Result<Reply, Refusal> {
    let path = request.uri().path();
    if path == "/oauth2/token" {
        return Ok(token(shared, body));
    }
    let failure = shared.told().failures.pop();
    if let Some(failure) = failure {
        return Err(failure);
    }
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    if header("authorization") != Some(&format!("Bearer dropbox-token-{}", shared.told().tokens)) {
        return Err(Refusal { status: 401, ..Refusal::of("expired_access_token") });
    }
    if request.method() != "POST" {
        return Err(Refusal::malformed("only POST"));
    }
    let parsed = |text: &[u8]| {
        serde_json::from_slice::<Value>(text)
            .map_err(|_| Refusal::malformed("could not decode input as JSON"))
    };
    match path.strip_prefix("/content") {
        None => functions::document(shared, function, &parsed(body)?),
        Some(_) => {
            let argument =
                header("dropbox-api-arg").ok_or_else(|| Refusal::malformed("no Dropbox-API-Arg"))?;
            functions::bytes(shared, function, &parsed(argument.as_bytes())?, request.headers(), body)
        }
    }
}

fn token(shared: &Shared, body: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(body);
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let fields: Vec<(String, String)> = text
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(a, b)| (decoded(a), decoded(b)))
        .collect();
    let field =
        |name: &str| fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let told = shared.told();
    let is_good = field("refresh_token") == REFRESH_TOKEN && !told.refuses_grants;
    let error = match field("grant_type") {
        "refresh_token" if (field("client_id"), field("client_secret")) != (APP_KEY, APP_SECRET) => {
            Some("invalid_client")
        }
        "refresh_token" if !is_good => Some("invalid_grant"),
        "refresh_token" => None,
        _ => Some("unsupported_grant_type"),
    };
    match error {
        Some(error) => json_reply(400, &json!({ "error": error, "error_description": "as the test wanted" })),
        None => {
            let token = format!("dropbox-token-{}", told.tokens);
            json_reply(200, &json!({ "access_token": token, "expires_in": 14400, "token_type": "bearer" }))
        }
    }
}
