//! Google Drive's REST API v3 and its token service in memory, as their public documents describe them: for
//! tests of the driver without an account.
//!
//! The fake is stricter than the service, so that a driver which relies on undocumented behaviour fails here:
//! unknown parameters and fields are refused, replies hold only the requested fields, files have exactly one
//! parent, pieces of sessions are multiples of 256 KiB, and the content of a shared drive is visible only to
//! requests that ask for it. Names are searched without regard to case, any number of files may have one
//! name, and deleting a folder deletes everything in it. Not implemented: permissions, revisions, exports,
//! shortcuts, `fields=*`, and verification of service accounts' signatures.

// Each test target uses another part of this module.
#![allow(dead_code)]

mod authority;
mod changes;
mod files;
mod query;
mod state;
mod uploads;
mod wire;

use bytes::Bytes;
use causeway::{
    backend::{WireSettings, oauth::Grant},
    drivers::gdrive::{GdriveFiles, GdriveSettings},
    model::{Endpoint, Secret},
};
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use state::{FOLDER, File, MY_DRIVE, State};
use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard},
    thread::JoinHandle,
};
use tokio::sync::oneshot;
use uploads::Received;
use wire::{Call, Refusal, Reply};

pub const CLIENT_ID: &str = "client.apps.example.com";
pub const CLIENT_SECRET: &str = "drive-client-secret";
pub const REFRESH_TOKEN: &str = "1//drive-refresh-token";

/// The service, until it is dropped.
#[derive(Debug)]
pub struct FakeDrive {
    address: SocketAddr,
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
    /// The lifetime in seconds that is announced for new tokens.
    life: u64,
    refuses_grants: bool,
    /// The challenge of the code that the page has issued.
    challenge: Option<String>,
    /// How often a device still has to wait.
    waits: usize,
    refuses_trashing: bool,
    failures: Vec<Refusal>,
    lost_replies: usize,
    /// An old state that searches show, and the number of searches that show it.
    frozen: Option<(State, usize)>,
    requests: Vec<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic under the lock")
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().expect("no panic under the lock")
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn frozen(&self) -> Option<State> {
        let mut told = self.told();
        let (state, left) = told.frozen.take()?;
        if left > 1 {
            told.frozen = Some((state.clone(), left - 1));
        }
        Some(state)
    }
}

impl FakeDrive {
    /// Starts the fake on its own port and thread, so it outlives the runtime of the test that started it.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("non-blocking");
        let shared = Arc::new(Shared {
            address,
            state: Mutex::default(),
            told: Mutex::new(Told { life: 3599, waits: 1, ..Told::default() }),
        });
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

    pub fn token_endpoint(&self) -> String {
        format!("http://{}/token", self.address)
    }

    pub fn settings(&self) -> GdriveSettings {
        let endpoint = |text: &str| Endpoint::parse(text).expect("an address");
        GdriveSettings {
            endpoint: endpoint(&self.endpoint()),
            token_endpoint: endpoint(&self.token_endpoint()),
            grant: Grant::Refresh {
                client_id: CLIENT_ID.into(),
                client_secret: Some(Secret::new(CLIENT_SECRET)),
                refresh_token: Secret::new(REFRESH_TOKEN),
            },
            drive: None,
            folder: None,
            root: String::new(),
            trash: true,
            wire: WireSettings::default(),
        }
    }

    pub fn files(&self) -> GdriveFiles {
        GdriveFiles::new(self.settings()).expect("settings")
    }

    /// From now on, the tokens that were issued are refused with 401.
    pub fn expire_tokens(&self) {
        self.shared.told().tokens += 1;
    }

    /// Revokes the refresh token, or makes it valid again.
    pub fn refuse_grants(&self, refused: bool) {
        self.shared.told().refuses_grants = refused;
    }

    /// The next `n` requests are refused with this error.
    pub fn fail_next(&self, n: usize, status: u16, reason: &'static str) {
        self.shared.told().failures = vec![Refusal::new(status, reason, "as the test wanted"); n];
    }

    /// The next `n` changes are made, and the connection breaks before the reply.
    pub fn lose_replies(&self, n: usize) {
        self.shared.told().lost_replies = n;
    }

    /// The next `n` searches show the state at the time of this call.
    pub fn freeze_searches(&self, n: usize) {
        let state = self.shared.state().clone();
        self.shared.told().frozen = (n > 0).then_some((state, n));
    }

    pub fn set_quota(&self, quota: Option<u64>) {
        self.shared.state().quota = quota;
    }

    /// Creates a shared drive, and returns its id.
    pub fn share_drive(&self, name: &str) -> String {
        let mut state = self.shared.state();
        let id = state.new_id();
        state.add_top(&id, name);
        state.drives.insert(id.clone());
        id
    }

    /// Stores a file as another program would, and returns its id. It is always a new file, even if one of
    /// this name exists.
    pub fn place(&self, path: &str, content: impl AsRef<[u8]>) -> String {
        self.place_in(MY_DRIVE, path, content)
    }

    pub fn place_in(&self, top: &str, path: &str, content: impl AsRef<[u8]>) -> String {
        let mut state = self.shared.state();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut parent = top.to_owned();
        for segment in folder.split('/').filter(|segment| !segment.is_empty()) {
            let found = state.files.values().find(|file| {
                file.parent.as_ref() == Some(&parent) && file.name == segment && file.mime == FOLDER
            });
            parent = match found {
                Some(found) => found.id.clone(),
                None => state
                    .create(&json!({ "name": segment, "mimeType": FOLDER, "parents": [parent] }), None)
                    .expect("a folder"),
            };
        }
        let content = Bytes::copy_from_slice(content.as_ref());
        state.create(&json!({ "name": name, "parents": [parent] }), Some(content)).expect("a file")
    }

    /// Creates one of Google's own documents, which have no bytes.
    pub fn place_document(&self, name: &str) -> String {
        let document = json!({ "name": name, "mimeType": "application/vnd.google-apps.document" });
        self.shared.state().create(&document, None).expect("a document")
    }

    /// Changes a file as another program would: the id stays.
    pub fn edit(&self, id: &str, content: impl AsRef<[u8]>) {
        let mut state = self.shared.state();
        let revision = state.number();
        state.files.get_mut(id).expect("is there").fill(Bytes::copy_from_slice(content.as_ref()), revision);
        state.note(id);
    }

    /// Makes requests to trash files fail, or succeed again.
    pub fn refuse_trashing(&self, refused: bool) {
        self.shared.told().refuses_trashing = refused;
    }

    /// Gives this name, which may contain slashes, to the file that was changed last.
    pub fn rename_last(&self, name: &str) {
        let mut state = self.shared.state();
        let last = state
            .files
            .values_mut()
            .filter(|file| file.content.is_some())
            .max_by_key(|file| file.revision)
            .expect("a file");
        last.name = name.to_owned();
        let id = last.id.clone();
        state.note(&id);
    }

    /// Trashes a folder or file as another program would.
    pub fn trash_path(&self, path: &str) {
        let id = self.paths(false).into_iter().find(|(found, _)| found == path).expect("is there").1.id;
        self.trash(&id);
    }

    pub fn trash(&self, id: &str) {
        let mut state = self.shared.state();
        state.files.get_mut(id).expect("is there").trashed = true;
        state.note(id);
    }

    /// Moves and renames a file or folder as another program would.
    pub fn relocate(&self, from: &str, folder: &str, name: &str) {
        let at = |path: &str| {
            self.paths(false).into_iter().find(|(found, _)| found == path).expect("is there").1.id
        };
        let (id, parent) = (at(from), if folder.is_empty() { MY_DRIVE.to_owned() } else { at(folder) });
        let mut state = self.shared.state();
        let file = state.files.get_mut(&id).expect("is there");
        (file.parent, file.name) = (Some(parent), name.to_owned());
        state.note(&id);
    }

    /// Deletes a file permanently as another program would.
    pub fn delete(&self, id: &str) {
        self.shared.state().delete(id);
    }

    /// Clears the log of changes: earlier page tokens become invalid.
    pub fn forget_changes(&self) {
        let mut state = self.shared.state();
        state.changes.clear();
        state.forgotten = state.number();
    }

    /// The path and the bytes of every file outside of the trash, sorted.
    pub fn all(&self) -> Vec<(String, Vec<u8>)> {
        self.paths(false)
            .into_iter()
            .filter_map(|(path, file)| Some((path, file.content?.to_vec())))
            .collect()
    }

    /// The paths of the files in the trash, sorted.
    pub fn trashed(&self) -> Vec<String> {
        self.paths(true)
            .into_iter()
            .filter(|(_, file)| file.content.is_some())
            .map(|(path, _)| path)
            .collect()
    }

    fn paths(&self, trashed: bool) -> Vec<(String, File)> {
        let state = self.shared.state();
        let path = |file: &File| {
            let mut path = file.name.clone();
            let mut at = file;
            while let Some(parent) = at
                .parent
                .as_ref()
                .and_then(|parent| state.files.get(parent))
                .filter(|parent| parent.parent.is_some())
            {
                path = format!("{}/{path}", parent.name);
                at = parent;
            }
            path
        };
        let wanted =
            state.files.values().filter(|file| file.parent.is_some() && state.is_trashed(file) == trashed);
        let mut found: Vec<_> = wanted.map(|file| (path(file), file.clone())).collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    pub fn uploads(&self) -> usize {
        self.shared.state().uploads.len()
    }

    /// All requests since the start or the last call, with those for tokens: `PUT /path?query`.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.told().requests)
    }
}

impl Drop for FakeDrive {
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
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, ());
    let body = receive(body).await;
    let reply = route(shared, &request, body).unwrap_or_else(|refusal| refusal.reply());
    let mut told = shared.told();
    if told.lost_replies > 0 && request.method() != Method::GET && request.uri().path() != "/token" {
        told.lost_replies -= 1;
        return Err(Lost);
    }
    Ok(reply)
}

/// Receives a body, even an incomplete one: a session keeps the bytes that arrived.
async fn receive(mut body: Incoming) -> Received {
    let mut pieces: Vec<Bytes> = Vec::new();
    loop {
        match body.frame().await {
            None => return Received { bytes: pieces.concat().into(), whole: true },
            Some(Ok(frame)) => pieces.extend(frame.into_data().ok()),
            Some(Err(_)) => return Received { bytes: pieces.concat().into(), whole: false },
        }
    }
}

fn route(shared: &Shared, request: &Request<()>, body: Received) -> Result<Reply, Refusal> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    shared.told().requests.push(format!("{} {target}", request.method()));
    if let Some(reply) = authority::route(shared, request, &body.bytes) {
        return Ok(reply);
    }
    let call = Call::of(request)?;
    let failure = shared.told().failures.pop();
    if let Some(failure) = failure {
        return Err(failure);
    }
    let session = call.parameter("upload_id").map(str::to_owned);
    // The address of a session is secret, so it needs no token.
    if session.is_none()
        && call.header("authorization") != Some(&format!("Bearer drive-token-{}", shared.told().tokens))
    {
        return Err(Refusal::new(401, "authError", "Invalid Credentials"));
    }
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    if let (Some(session), ["upload", "drive", "v3", "files"], &Method::PUT) =
        (&session, path.as_slice(), &call.method)
    {
        return uploads::put(shared, &call, session, body);
    }
    if !body.whole {
        return Err(Refusal::invalid("a body that broke off"));
    }
    let body = body.bytes;
    if call.method == Method::PATCH && shared.told().refuses_trashing && body.starts_with(b"{\"trashed\"") {
        return Err(Refusal::new(
            403,
            "insufficientFilePermissions",
            "The user does not have sufficient permissions for this file.",
        ));
    }
    match (&call.method, path.as_slice()) {
        (&Method::GET, ["drive", "v3", "files"]) => files::list(shared, &call),
        (&Method::POST, ["drive", "v3", "files"]) => files::create(shared, &call, &body),
        (&Method::GET, ["drive", "v3", "files", "generateIds"]) => files::generate_ids(shared, &call),
        (&Method::GET, ["drive", "v3", "files", id]) => files::get(shared, &call, id),
        (&Method::PATCH, ["drive", "v3", "files", id]) => files::update(shared, &call, id, &body),
        (&Method::DELETE, ["drive", "v3", "files", id]) => files::delete(shared, &call, id),
        (&Method::GET, ["drive", "v3", "changes"]) => changes::list(shared, &call),
        (&Method::GET, ["drive", "v3", "changes", "startPageToken"]) => changes::start(shared, &call),
        (&Method::POST, ["drive", "v3", "files", id, "copy"]) => files::copy(shared, &call, id, &body),
        (&Method::POST, ["upload", "drive", "v3", "files"]) => upload(shared, &call, None, &body),
        (&Method::PATCH, ["upload", "drive", "v3", "files", id]) => upload(shared, &call, Some(id), &body),
        _ => Err(Refusal::new(404, "notFound", "Not Found")),
    }
}

fn upload(shared: &Shared, call: &Call, target: Option<&str>, body: &Bytes) -> Result<Reply, Refusal> {
    match call.parameter("uploadType") {
        Some("multipart") => uploads::multipart(shared, call, target, body),
        Some("resumable") => uploads::begin(shared, call, target, body),
        _ => Err(Refusal::invalid("the fake does not know this uploadType")),
    }
}
