//! Backblaze B2, version 2 of its native API. Not implemented: keys with fewer rights, encryption, object
//! lock, events.

use super::{Asked, Cloud, Fake, Reply};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Mutex, MutexGuard},
    time::{SystemTime, UNIX_EPOCH},
};

pub const KEY_ID: &str = "004a48fe8875c62000000000a";
pub const KEY: &str = "K004+a/secret-of-b2";
pub const BUCKET: &str = "my-bucket";
pub const BUCKET_ID: &str = "4a48fe8875c6214145260818";
/// The driver for the fake.
pub fn driver(fake: &Fake<B2>, spool: &std::path::Path) -> causeway::drivers::opendal::OpenDalFiles {
    let options = [
        ("bucket", BUCKET),
        ("bucket_id", BUCKET_ID),
        ("application_key_id", KEY_ID),
        ("application_key", KEY),
    ];
    super::driver("b2", &options, &[("api.backblazeb2.com", &fake.endpoint())], spool)
}

/// Minimum size of a part that is not the last.
const LEAST_PART: usize = 5_000_000;

#[derive(Debug)]
pub struct B2 {
    address: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The versions of each name, the newest last.
    files: BTreeMap<String, Vec<Version>>,
    large: HashMap<String, Large>,
    tokens: usize,
    upload_tokens: BTreeSet<String>,
    next: u64,
    /// Maximum number of stored bytes.
    cap: Option<usize>,
}

#[derive(Debug, Clone)]
struct Version {
    id: String,
    /// `None` if the file is hidden.
    bytes: Option<Bytes>,
    /// The value that the API shows: `none` for large files.
    sha1: String,
    md5: Option<String>,
    time: u64,
}

#[derive(Debug)]
struct Large {
    name: String,
    parts: BTreeMap<usize, Bytes>,
}

impl B2 {
    pub fn start() -> Fake<Self> {
        Fake::start(|address| Self { address, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// Invalidates all tokens that were issued.
    pub fn expire_tokens(&self) {
        let mut state = self.state();
        state.tokens += 1;
        state.upload_tokens.clear();
    }

    pub fn set_cap(&self, cap: Option<usize>) {
        self.state().cap = cap;
    }

    /// Stores a file as another program would.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        self.state().store(name, Bytes::copy_from_slice(bytes), false);
    }

    pub fn get(&self, name: &str) -> Option<Bytes> {
        self.state().files.get(name)?.last()?.bytes.clone()
    }

    pub fn unfinished(&self) -> usize {
        self.state().large.len()
    }
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, json!({ "status": status, "code": code, "message": message }))
}

fn bad(message: &str) -> Reply {
    error(400, "bad_request", message)
}

fn sha1(bytes: &[u8]) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes))
}

fn md5(bytes: &[u8]) -> String {
    use md5::{Digest, Md5};
    hex::encode(Md5::digest(bytes))
}

/// The rules of the chapter "Files" in the API's documents.
fn is_name(name: &str) -> bool {
    (1..=1024).contains(&name.len())
        && !name.chars().any(|c| c.is_control() || c == '\\')
        && name.split('/').all(|segment| (1..=250).contains(&segment.len()))
}

impl State {
    fn id(&mut self) -> String {
        self.next += 1;
        format!("4_z{BUCKET_ID}_f{:016x}", self.next)
    }

    fn now(&mut self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64
    }

    fn store(&mut self, name: &str, bytes: Bytes, is_large: bool) -> Value {
        let sha1 = if is_large { "none".to_owned() } else { format!("unverified:{}", sha1(&bytes)) };
        let md5 = (!is_large).then(|| md5(&bytes));
        let version = Version { id: self.id(), sha1, md5, time: self.now(), bytes: Some(bytes) };
        let told = told(name, &version);
        self.files.entry(name.to_owned()).or_default().push(version);
        told
    }

    fn used(&self) -> usize {
        self.files.values().flatten().filter_map(|version| version.bytes.as_ref()).map(Bytes::len).sum()
    }

    fn list(&self, asked: &Asked) -> Reply {
        let prefix = asked.parameter("prefix").unwrap_or_default();
        let start = asked.parameter("startFileName").unwrap_or_default();
        let limit: usize =
            asked.parameter("maxFileCount").map_or(100, |count| count.parse().expect("a number"));
        if !(1..=10_000).contains(&limit) {
            return bad("maxFileCount");
        }
        let (mut files, mut folders, mut next) = (Vec::new(), BTreeSet::new(), None);
        let range = self
            .files
            .range(start.to_owned().max(prefix.to_owned())..)
            .take_while(|(name, _)| name.starts_with(prefix));
        for (name, versions) in range {
            let Some(version) = versions.last().filter(|version| version.bytes.is_some()) else { continue };
            let folder = asked.parameter("delimiter").and_then(|delimiter| {
                let at = name[prefix.len()..].find(delimiter)?;
                Some(name[..prefix.len() + at + delimiter.len()].to_owned())
            });
            if folder.as_ref().is_some_and(|folder| folders.contains(folder)) {
                continue;
            }
            if files.len() == limit {
                next = Some(name.clone());
                break;
            }
            match folder {
                Some(folder) => {
                    let told = json!({ "action": "folder", "contentLength": 0, "fileName": &folder, "fileId": null, "uploadTimestamp": 0 });
                    files.push(told);
                    folders.insert(folder);
                }
                None => files.push(told(name, version)),
            }
        }
        Reply::json(200, json!({ "files": files, "nextFileName": next }))
    }
}

fn told(name: &str, version: &Version) -> Value {
    json!({
        "accountId": "account", "action": "upload", "bucketId": BUCKET_ID, "fileId": version.id, "fileName": name,
        "contentLength": version.bytes.as_ref().map_or(0, Bytes::len), "contentSha1": version.sha1, "contentMd5": version.md5,
        "contentType": "application/octet-stream", "fileInfo": {}, "uploadTimestamp": version.time,
    })
}

impl Cloud for B2 {
    fn answer(&self, asked: &Asked) -> Reply {
        let mut state = self.state();
        let address = self.address;
        let authorization = asked.header("authorization").unwrap_or_default();
        if asked.path == "/b2api/v2/b2_authorize_account" {
            use base64::{Engine, engine::general_purpose::STANDARD};
            if asked.host != "api.backblazeb2.com"
                || authorization != format!("Basic {}", STANDARD.encode(format!("{KEY_ID}:{KEY}")))
            {
                return error(401, "unauthorized", "bad key");
            }
            return Reply::json(
                200,
                json!({
                    "accountId": "account", "authorizationToken": format!("token-{}", state.tokens), "apiUrl": format!("http://{address}"),
                    "downloadUrl": format!("http://{address}"), "recommendedPartSize": 100_000_000, "absoluteMinimumPartSize": LEAST_PART,
                }),
            );
        }
        // Upload URLs have their own tokens.
        if let Some(target) = asked.path.strip_prefix("/upload/") {
            if !state.upload_tokens.contains(authorization) || !authorization.ends_with(target) {
                return error(401, "bad_auth_token", "get another upload URL");
            }
            return upload(&mut state, asked, target);
        }
        if authorization != format!("token-{}", state.tokens) {
            return error(401, "expired_auth_token", "authorize again");
        }
        if let Some(name) = asked.path.strip_prefix(&format!("/file/{BUCKET}/")) {
            let found = state
                .files
                .get(name)
                .and_then(|versions| versions.last())
                .and_then(|version| Some((version, version.bytes.clone()?)));
            let Some((version, bytes)) = found else { return error(404, "not_found", "no such file") };
            let reply = asked.serve(&bytes);
            return reply
                .header("x-bz-file-id", version.id.clone())
                .header("x-bz-content-sha1", version.sha1.clone())
                .header("x-bz-upload-timestamp", version.time.to_string());
        }
        let said: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        match (asked.method.clone(), asked.path.strip_prefix("/b2api/v2/").unwrap_or_default()) {
            (Method::GET, "b2_get_upload_url") if asked.parameter("bucketId") == Some(BUCKET_ID) => {
                upload_url(&mut state, address, BUCKET_ID)
            }
            (Method::GET, "b2_get_upload_part_url") => match asked.parameter("fileId") {
                Some(id) if state.large.contains_key(id) => upload_url(&mut state, address, id),
                _ => bad("no such file"),
            },
            (Method::GET, "b2_list_file_names") if asked.parameter("bucketId") == Some(BUCKET_ID) => {
                state.list(asked)
            }
            (Method::POST, "b2_start_large_file") if said["bucketId"] == BUCKET_ID => {
                let name = text("fileName");
                if !is_name(&name) {
                    return bad("File name");
                }
                let id = state.id();
                state.large.insert(id.clone(), Large { name: name.clone(), parts: BTreeMap::new() });
                Reply::json(200, json!({ "fileId": id, "fileName": name }))
            }
            (Method::POST, "b2_finish_large_file") => {
                finish(&mut state, &text("fileId"), &said["partSha1Array"])
            }
            (Method::POST, "b2_cancel_large_file") => match state.large.remove(&text("fileId")) {
                Some(large) => Reply::json(200, json!({ "fileId": text("fileId"), "fileName": large.name })),
                None => bad("no such file"),
            },
            (Method::POST, "b2_copy_file") => {
                let id = text("sourceFileId");
                let source = state
                    .files
                    .values()
                    .flatten()
                    .find(|version| version.id == id)
                    .and_then(|version| version.bytes.clone());
                match source {
                    Some(bytes) if is_name(&text("fileName")) => {
                        Reply::json(200, state.store(&text("fileName"), bytes, false))
                    }
                    _ => bad("no such file, or name"),
                }
            }
            (Method::POST, "b2_hide_file") if said["bucketId"] == BUCKET_ID => {
                let (id, time, name) = (state.id(), state.now(), text("fileName"));
                match state.files.get_mut(&name) {
                    Some(versions) if versions.last().is_some_and(|version| version.bytes.is_none()) => {
                        error(400, "already_hidden", "")
                    }
                    Some(versions) => {
                        versions.push(Version { id, bytes: None, sha1: String::new(), md5: None, time });
                        Reply::json(200, json!({ "action": "hide", "fileName": name }))
                    }
                    None => error(400, "no_such_file", "File not present"),
                }
            }
            (_, other) => bad(other),
        }
    }
}

fn upload_url(state: &mut State, address: SocketAddr, target: &str) -> Reply {
    state.next += 1;
    let token = format!("upload-{}-{target}", state.next);
    state.upload_tokens.insert(token.clone());
    Reply::json(
        200,
        json!({ "uploadUrl": format!("http://{address}/upload/{target}"), "authorizationToken": token }),
    )
}

fn upload(state: &mut State, asked: &Asked, target: &str) -> Reply {
    if asked.header("content-length").and_then(|length| length.parse().ok()) != Some(asked.body.len()) {
        return error(411, "length_required", "");
    }
    match asked.header("x-bz-content-sha1") {
        Some("do_not_verify") => {}
        Some(said) if said == sha1(&asked.body) => {}
        _ => return bad("Checksum did not match data received"),
    }
    if state.cap.is_some_and(|cap| state.used() + asked.body.len() > cap) {
        return error(403, "storage_cap_exceeded", "Cannot upload files, storage cap exceeded.");
    }
    if let Some(large) = state.large.get_mut(target) {
        let number = asked
            .header("x-bz-part-number")
            .and_then(|number| number.parse().ok())
            .filter(|number| (1..=10_000).contains(number));
        let Some(number) = number else { return bad("part number") };
        large.parts.insert(number, asked.body.clone());
        let sha1 = format!("unverified:{}", sha1(&asked.body));
        return Reply::json(
            200,
            json!({ "fileId": target, "partNumber": number, "contentLength": asked.body.len(), "contentSha1": sha1 }),
        );
    }
    let name = super::decoded(asked.header("x-bz-file-name").unwrap_or_default());
    if !is_name(&name) {
        return bad("File name");
    }
    Reply::json(200, state.store(&name, asked.body.clone(), false))
}

fn finish(state: &mut State, id: &str, said: &Value) -> Reply {
    let Some(large) = state.large.get(id) else { return bad("no such file") };
    let parts: Vec<Bytes> = large.parts.values().cloned().collect();
    let told: Vec<&str> = said.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let is_dense = large.parts.keys().copied().eq(1..=parts.len());
    let short = parts.iter().rev().skip(1).any(|part| part.len() < LEAST_PART);
    if !is_dense || short || parts.len() < 2 || !parts.iter().map(|part| sha1(part)).eq(told) {
        return bad("parts");
    }
    let name = large.name.clone();
    state.large.remove(id);
    Reply::json(200, state.store(&name, parts.concat().into(), true))
}
