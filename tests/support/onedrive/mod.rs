//! OneDrive in the form of Microsoft Graph v1.0, and Microsoft's token service, in memory, as their public
//! documents describe them: for tests of the driver without an account.
//!
//! The fake is stricter than the service: unknown parameters are refused, ranges of sessions are multiples of
//! 320 KiB and begin where the session ends, tokens are refused at secret addresses, and only the newest
//! refresh token stays valid. Names are found without regard to case, and no folder has two names that differ
//! only in case. Not implemented: permissions, versions, the recycle bin, sharing, delta.

// Each test target uses another part of this module.
#![allow(dead_code)]

mod items;
mod state;
mod wire;

use bytes::Bytes;
use causeway::{
    backend::{WireSettings, oauth::Grant},
    drivers::onedrive::{OnedriveFiles, OnedriveSettings},
    model::{Endpoint, Secret},
};
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
pub use state::{DRIVE, Quirks};
use state::{Item, ROOT, State};
use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard},
    thread::JoinHandle,
};
use tempfile::TempDir;
use tokio::sync::oneshot;
use wire::{Behaviour, Call, Refusal, Reply, json_reply};

pub const CLIENT_ID: &str = "11111111-2222-3333-4444-555555555555";
pub const CLIENT_SECRET: &str = "onedrive~client~secret";
pub const REFRESH_TOKEN: &str = "M.R3_onedrive-refresh-token";

/// The service, until it is dropped.
#[derive(Debug)]
pub struct FakeOnedrive {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// The directory in which drivers store their tokens.
    dir: TempDir,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    state: Mutex<State>,
    told: Mutex<Told>,
}

/// What tests have configured, and what they can query.
#[derive(Debug)]
struct Told {
    quirks: Quirks,
    tokens: usize,
    /// The number of refresh tokens that were issued so far.
    renewals: usize,
    only_the_newest: bool,
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

    fn quirks(&self) -> Quirks {
        self.told().quirks
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn download(&self, item: &Item) -> String {
        format!("{}/download/{}", self.endpoint(), item.id)
    }

    fn show(&self, state: &State, item: &Item) -> Value {
        state.show(item, self.quirks(), Some(self.download(item)))
    }
}

impl FakeOnedrive {
    /// Starts the fake on its own port and thread, so it outlives the runtime of the test that started it.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("non-blocking");
        let quirks = Quirks { replaces: true, encodes_paths: false, tells_hashes: true };
        let told = Told {
            quirks,
            tokens: 0,
            renewals: 0,
            only_the_newest: false,
            refuses_grants: false,
            failures: Vec::new(),
            lost_replies: 0,
            requests: Vec::new(),
        };
        let shared = Arc::new(Shared { address, state: Mutex::default(), told: Mutex::new(told) });
        let (stop, stopped) = oneshot::channel();
        let service = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, service, stopped));
        });
        let dir = tempfile::tempdir().expect("a directory");
        Self { shared, stop: Some(stop), thread: Some(thread), dir }
    }

    pub fn with(quirks: Quirks) -> Self {
        let fake = Self::start();
        fake.shared.told().quirks = quirks;
        fake
    }

    pub fn endpoint(&self) -> String {
        self.shared.endpoint()
    }

    pub fn settings(&self) -> OnedriveSettings {
        let endpoint =
            |path: &str| Endpoint::parse(&format!("{}{path}", self.endpoint())).expect("an address");
        OnedriveSettings {
            endpoint: endpoint("/v1.0"),
            token_endpoint: endpoint("/common/oauth2/v2.0/token"),
            grant: Grant::Refresh {
                client_id: CLIENT_ID.into(),
                client_secret: None,
                refresh_token: Secret::new(REFRESH_TOKEN),
            },
            drive: None,
            root: String::new(),
            dir: self.dir.path().to_owned(),
            wire: WireSettings::default(),
        }
    }

    /// Settings for a document library, with the credentials of the application itself.
    pub fn library(&self) -> OnedriveSettings {
        let grant = Grant::Client { client_id: CLIENT_ID.into(), client_secret: Secret::new(CLIENT_SECRET) };
        OnedriveSettings {
            grant,
            drive: Some(DRIVE.into()),
            root: "objects of/everybody".into(),
            ..self.settings()
        }
    }

    pub fn files(&self) -> OnedriveFiles {
        OnedriveFiles::new(self.settings()).expect("settings")
    }

    /// From now on, the tokens that were issued are refused with 401.
    pub fn expire_tokens(&self) {
        self.shared.told().tokens += 1;
    }

    /// From now on, only the refresh token that was issued last is valid.
    pub fn expire_old_grants(&self) {
        self.shared.told().only_the_newest = true;
    }

    pub fn refuse_grants(&self, refused: bool) {
        self.shared.told().refuses_grants = refused;
    }

    /// The next `n` requests are refused with this error.
    pub fn fail_next(&self, n: usize, status: u16, code: &'static str, retry_after: Option<u64>) {
        let refusal = Refusal { retry_after, ..Refusal::new(status, code, "as the test wanted") };
        self.shared.told().failures = vec![refusal; n];
    }

    /// The next `n` changes are made, and the connection breaks before the reply.
    pub fn lose_replies(&self, n: usize) {
        self.shared.told().lost_replies = n;
    }

    pub fn set_quota(&self, quota: Option<u64>) {
        self.shared.state().quota = quota;
    }

    /// Stores or changes a file as another program would.
    pub fn place(&self, path: &str, content: impl AsRef<[u8]>) {
        let mut state = self.shared.state();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut parent = ROOT.to_owned();
        for name in folder.split('/').filter(|name| !name.is_empty()) {
            let found = state.child(&parent, name).map(|item| item.id.clone());
            parent = found
                .unwrap_or_else(|| state.create(&parent, name, None, Behaviour::Fail).expect("a folder"));
        }
        state
            .create(&parent, name, Some(Bytes::copy_from_slice(content.as_ref())), Behaviour::Replace)
            .expect("a file");
    }

    /// Renames a file or folder as another program would.
    pub fn rename(&self, path: &str, name: &str) {
        let mut state = self.shared.state();
        let id = state.at(path).expect("is there").id.clone();
        let number = state.number();
        let item = state.items.get_mut(&id).expect("is there");
        (item.name, item.changes) = (name.to_owned(), number);
    }

    /// Deletes an item with its content as another program would.
    pub fn take(&self, path: &str) {
        let mut state = self.shared.state();
        let id = state.at(path).expect("is there").id.clone();
        state.delete(&id);
    }

    /// The path and the bytes of every file, sorted.
    pub fn all(&self) -> Vec<(String, Vec<u8>)> {
        let state = self.shared.state();
        let file = |item: &Item| Some((state.path(item), item.content.as_ref()?.to_vec()));
        let mut all: Vec<_> = state.items.values().filter_map(file).collect();
        all.sort();
        all
    }

    pub fn uploads(&self) -> usize {
        self.shared.state().uploads.len()
    }

    /// All requests since the start or the last call, with those for tokens: `PUT /path?query`.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.told().requests)
    }
}

impl Drop for FakeOnedrive {
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

async fn answer(shared: &Shared, request: Request<Incoming>) -> Result<Reply, Lost> {
    let (parts, mut body) = request.into_parts();
    let request = Request::from_parts(parts, ());
    let (mut pieces, mut whole): (Vec<Bytes>, bool) = (Vec::new(), true);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => pieces.extend(frame.into_data().ok()),
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    let reply =
        route(shared, &request, &pieces.concat().into(), whole).unwrap_or_else(|refusal| refusal.reply());
    let mut told = shared.told();
    if told.lost_replies > 0 && request.method() != Method::GET && !request.uri().path().ends_with("/token") {
        told.lost_replies -= 1;
        return Err(Lost);
    }
    Ok(reply)
}

fn route(shared: &Shared, request: &Request<()>, body: &Bytes, whole: bool) -> Result<Reply, Refusal> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    shared.told().requests.push(format!("{} {target}", request.method()));
    if request.uri().path() == "/common/oauth2/v2.0/token" {
        return Ok(token(shared, body));
    }
    let call = Call::of(request)?;
    let failure = shared.told().failures.pop();
    if let Some(failure) = failure {
        return Err(failure);
    }
    if let Some(answer) = items::unsigned(shared, &call, body, whole) {
        return answer;
    }
    if call.header("authorization") != Some(&format!("Bearer onedrive-token-{}", shared.told().tokens)) {
        return Err(Refusal::new(
            401,
            "InvalidAuthenticationToken",
            "Access token has expired or is not yet valid.",
        ));
    }
    if !whole {
        return Err(Refusal::invalid("a body that broke off"));
    }
    let drive = format!("/v1.0/drives/{DRIVE}").replace('!', "%21");
    let below = call.path.strip_prefix("/v1.0/me/drive").or_else(|| call.path.strip_prefix(drive.as_str()));
    let (place, asked) = wire::place(below.ok_or_else(Refusal::not_found)?)?;
    items::answer(shared, &call, place, &asked, body)
}

/// RFC 6749 sections 4.4 and 6. Each refresh issues another refresh token.
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
    let mut told = shared.told();
    let issued = |n: usize| if n == 0 { REFRESH_TOKEN.to_owned() } else { format!("{REFRESH_TOKEN}-{n}") };
    let oldest = if told.only_the_newest { told.renewals } else { 0 };
    let is_good =
        (oldest..=told.renewals).any(|n| issued(n) == field("refresh_token")) && !told.refuses_grants;
    let error = match field("grant_type") {
        _ if field("client_id") != CLIENT_ID => Some("unauthorized_client"),
        "refresh_token" if is_good => None,
        "refresh_token" => Some("invalid_grant"),
        "client_credentials" if field("client_secret") != CLIENT_SECRET => Some("invalid_client"),
        "client_credentials" if field("scope") != "https://graph.microsoft.com/.default" => {
            Some("invalid_scope")
        }
        "client_credentials" => None,
        _ => Some("unsupported_grant_type"),
    };
    if let Some(error) = error {
        return json_reply(400, &json!({ "error": error, "error_description": "as the test wanted" }));
    }
    let mut document = json!({ "access_token": format!("onedrive-token-{}", told.tokens), "expires_in": 3599, "token_type": "Bearer" });
    if field("grant_type") == "refresh_token" {
        told.renewals += 1;
        document["refresh_token"] = json!(issued(told.renewals));
    }
    json_reply(200, &document)
}
