//! Drafts: files in the driver's own folder, until one request moves them to their folder and name.

use super::{
    drive::{Drive, Made, split},
    item::{DriveFile, FIELDS, GENERATION, REPLACES},
};
use crate::{
    backend::{
        tree::files::{Draft, DraftName, EntryKind, Published, Stat},
        wire::{Again, Gathered, Outgoing, Sending},
    },
    model::Timestamp,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use serde_json::{Value, json};
use std::sync::Arc;

/// The size of the chunks of a file of unknown length: a multiple of 256 KiB, as Drive requires. One chunk is
/// held in memory.
const CHUNK: usize = 4 << 20;
/// How often a file is moved into a folder that another program removes.
const ROUNDS: usize = 4;

pub(super) struct GdriveDraft {
    drive: Arc<Drive>,
    name: String,
    size: Option<u64>,
    written: u64,
    state: DraftState,
    /// The file to remove if this draft is not published.
    id: Option<String>,
}

enum DraftState {
    /// A few bytes, which were not sent to Drive yet.
    Gathering(Gathered),
    /// All bytes in one request.
    Sending(Sending),
    Chunks(Chunks),
    Stored(DriveFile),
    Failed,
}

impl GdriveDraft {
    pub(super) fn new(drive: Arc<Drive>, name: &DraftName, size: Option<u64>) -> Self {
        Self {
            drive,
            name: name.0.clone(),
            size,
            written: 0,
            state: DraftState::Gathering(Gathered::default()),
            id: None,
        }
    }

    /// Returns a draft of a file that Drive has created.
    pub(super) fn stored(drive: Arc<Drive>, name: &DraftName, item: DriveFile) -> Self {
        let id = Some(item.id.clone());
        Self {
            drive,
            name: name.0.clone(),
            size: None,
            written: item.stat().size,
            state: DraftState::Stored(item),
            id,
        }
    }

    /// Returns the name and the parent of the new file.
    async fn description(&mut self) -> Result<Value> {
        let parent = own_folder(&self.drive).await?;
        let id = self.drive.fresh_id().await?;
        let description = json!({ "id": id, "name": self.name, "parents": [parent], "mimeType": "application/octet-stream" });
        self.id = Some(id);
        Ok(description)
    }

    fn named(&self) -> Result<&str> {
        self.id.as_deref().ok_or_else(failed)
    }

    async fn put(&mut self, bytes: Bytes) -> Result<DriveFile> {
        let description = self.description().await?;
        let boundary = format!("causeway-{}", self.named()?);
        let mut body =
            format!("--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{description}\r\n")
                .into_bytes();
        body.extend_from_slice(
            format!("--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(&bytes);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let call = self.drive.client.upload("multipart").query("fields", FIELDS);
        let call = call
            .header("content-type", &format!("multipart/related; boundary={boundary}"))
            .body(Outgoing::full(body.into()));
        match call.read::<DriveFile>(Again::Harmless).await? {
            Ok(item) => Ok(item),
            // An earlier attempt created the file, and its reply was lost.
            Err(refusal) if refusal.status == StatusCode::CONFLICT => {
                self.made().await?.ok_or_else(|| refusal.into())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Returns the file if it arrived completely although the request failed.
    async fn made(&self) -> Result<Option<DriveFile>> {
        let made = self.drive.get(self.named()?).await?;
        Ok(made.filter(|item| item.is_file() && item.stat().size == self.written))
    }

    /// Begins an upload session for this file and returns its address.
    async fn begin(&mut self) -> Result<String> {
        let description = self.description().await?;
        let mut call = self.drive.client.upload("resumable").query("fields", FIELDS);
        call = call.header("x-upload-content-type", "application/octet-stream");
        if let Some(size) = self.size {
            call = call.header("x-upload-content-length", &size.to_string());
        }
        let reply = call.json(&description).send(Again::Harmless).await??;
        let target = reply
            .header("location")
            .and_then(|location| location.parse::<Uri>().ok())
            .and_then(|uri| Some(uri.path_and_query()?.to_string()));
        target.ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "Google Drive begins no upload"))
    }

    async fn send(&mut self, gathered: Gathered) -> Result<()> {
        let session = self.begin().await?;
        match self.size {
            Some(size) => {
                let call = self.drive.client.session(Method::PUT, &session);
                let sending = Sending::begin(Some(size), |body| async move {
                    Ok(call.body(body).send(Again::OnlyIfRefused).await??)
                });
                self.state = DraftState::Sending(sending);
            }
            None => self.state = DraftState::Chunks(Chunks::new(self.drive.clone(), session)),
        }
        self.pass(gathered.into_pieces()).await
    }

    async fn pass(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        let passed = match &mut self.state {
            DraftState::Sending(sending) => match sending.write(bytes).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "Google Drive took only a part of the file",
                )),
                Err(error) => Err(error),
            },
            DraftState::Chunks(chunks) => chunks.write(bytes).await,
            _ => Err(failed()),
        };
        if passed.is_err() {
            self.state = DraftState::Failed;
        }
        passed
    }

    async fn end(&mut self) -> Result<DriveFile> {
        let answer = match std::mem::replace(&mut self.state, DraftState::Failed) {
            DraftState::Stored(item) => return Ok(item),
            DraftState::Failed => return Err(failed()),
            DraftState::Gathering(gathered) => return self.put(gathered.concat()).await,
            DraftState::Sending(sending) => match sending.finish().await {
                Ok(reply) => reply.bytes(64 << 10).await,
                Err(error) => Err(error),
            },
            DraftState::Chunks(chunks) => chunks.finish().await,
        };
        match answer {
            Ok(document) => crate::backend::oauth::parse::<_, super::refusal::Refusal>(&document),
            // The file may have been created although the reply was lost.
            Err(error) if error.kind() == StoreErrorKind::Unavailable => self.made().await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// Publishes the file by one request. The file that it replaces is removed afterwards; it is already
    /// invisible then.
    async fn make_it(&mut self, path: &str, absent: bool) -> Result<MoveOutcome> {
        let DraftState::Stored(draft) = &self.state else { return Err(failed()) };
        let (id, mut from) = (draft.id.clone(), draft.parents.clone());
        let (folder, name) = split(path);
        for _ in 0..ROUNDS {
            let parent = match self.drive.make(folder).await? {
                Made::Folder(id) => id,
                Made::Obstructed => return Ok(MoveOutcome::Obstructed),
            };
            let there = self.drive.resolve(path).await?;
            match there.as_ref().map(DriveFile::kind) {
                Some(EntryKind::Folder) => return Ok(MoveOutcome::IsFolder),
                Some(_) if absent => return Ok(MoveOutcome::Exists),
                _ => {}
            }
            let now = u64::try_from(Timestamp::now().millis()).unwrap_or(0);
            let generation = there.as_ref().map_or(0, |there| there.generation() + 1).max(now);
            // A document of Google's own with this name is not replaced.
            let replaced = there.filter(DriveFile::is_file);
            let change = json!({
                "name": name,
                "properties": { GENERATION: generation.to_string(), REPLACES: replaced.as_ref().map(|item| &item.id) },
            });
            let leave: Vec<&str> =
                from.iter().map(String::as_str).filter(|folder| *folder != parent).collect();
            let mut call = self
                .drive
                .client
                .file(Method::PATCH, &id)
                .query("fields", FIELDS)
                .query("addParents", parent.as_str());
            if !leave.is_empty() {
                call = call.query("removeParents", leave.join(","));
            }
            let moved = match call.json(&change).read::<DriveFile>(Again::Harmless).await {
                Ok(Ok(item)) => item,
                Ok(Err(refusal)) if refusal.is_not_found() => {
                    self.drive.ids.forget_along(folder);
                    continue;
                }
                Ok(Err(refusal)) => return Err(refusal.into()),
                Err(error) => match self.drive.get(&id).await? {
                    Some(item) if item.is_in(&parent, name) => item,
                    _ => return Err(error),
                },
            };
            if !moved.is_in(&parent, name) {
                // The folder that the file was moved to is in the trash.
                self.drive.ids.forget_along(folder);
                from = moved.parents;
                continue;
            }
            self.drive.ids.learn(path, &moved.id, false);
            if let Some(replaced) = replaced
                && let Err(error) = self.drive.remove(&replaced.id, self.drive.trash).await
            {
                tracing::warn!(%error, "a file that was replaced stays in its folder, hidden");
            }
            return Ok(MoveOutcome::Is(moved.stat()));
        }
        Err(StoreError::new(StoreErrorKind::Busy, "others remove this folder all the time"))
    }
}

enum MoveOutcome {
    Is(Stat),
    IsFolder,
    Obstructed,
    Exists,
}

pub(super) async fn own_folder(drive: &Drive) -> Result<String> {
    match drive.make(&super::drafts()).await? {
        Made::Folder(id) => Ok(id),
        Made::Obstructed => {
            Err(StoreError::new(StoreErrorKind::Internal, "a file has the name of our own folder"))
        }
    }
}

fn failed() -> StoreError {
    StoreError::new(StoreErrorKind::Internal, "writing this file has failed before")
}

#[async_trait]
impl Draft for GdriveDraft {
    async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        self.written += bytes.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        match &mut self.state {
            DraftState::Gathering(gathered) => {
                if gathered.push(bytes) {
                    return Ok(());
                }
                let gathered = std::mem::take(gathered);
                self.state = DraftState::Failed;
                self.send(gathered).await
            }
            _ => self.pass(bytes).await,
        }
    }

    async fn finish(&mut self) -> Result<Option<Stat>> {
        let item = self.end().await?;
        let stat = item.stat();
        if stat.size != self.written {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "Google Drive kept only a part of the file",
            ));
        }
        self.state = DraftState::Stored(item);
        // Moving the file may change its time, so no time is reported.
        Ok(Some(Stat { modified: None, ..stat }))
    }

    async fn publish(mut self: Box<Self>, path: &str, absent: bool) -> Result<Published> {
        // The publishing task runs to its end, even if the caller is dropped: it has to remove the replaced
        // file.
        let path = path.to_owned();
        let publishing = async move {
            let _claim = self.drive.claims.own(&[&path]).await;
            Ok(match self.make_it(&path, absent).await? {
                MoveOutcome::Is(stat) => {
                    self.id = None;
                    Published::As(stat)
                }
                MoveOutcome::IsFolder => Published::IsFolder(self as Box<dyn Draft>),
                MoveOutcome::Obstructed => Published::Obstructed(self),
                MoveOutcome::Exists => Published::Exists(self),
            })
        };
        let given_up =
            |error| StoreError::new(StoreErrorKind::Internal, "publishing was given up").with_source(error);
        tokio::spawn(publishing).await.map_err(given_up)?
    }

    async fn discard(mut self: Box<Self>) {
        self.state = DraftState::Failed;
        if let Some(id) = self.id.take() {
            remove(&self.drive, &id).await;
        }
    }
}

impl Drop for GdriveDraft {
    fn drop(&mut self) {
        // Dropping the state ends the request that writes the file, before the file is removed.
        self.state = DraftState::Failed;
        if let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) {
            let drive = self.drive.clone();
            runtime.spawn(async move { remove(&drive, &id).await });
        }
    }
}

/// Deletes a draft, never to the trash. If that fails, the next start removes it.
async fn remove(drive: &Drive, id: &str) {
    if let Err(error) = drive.remove(id, false).await {
        tracing::debug!(%error, "a draft was not removed");
    }
}

/// A session of unknown length: chunks are sent one after the other, each until it succeeds or the attempts
/// are used up.
struct Chunks {
    drive: Arc<Drive>,
    session: String,
    pieces: Vec<Bytes>,
    held: usize,
    /// The offset of the held bytes in the file.
    offset: u64,
}

impl Chunks {
    fn new(drive: Arc<Drive>, session: String) -> Self {
        Self { drive, session, pieces: Vec::new(), held: 0, offset: 0 }
    }

    /// Writes bytes. The last chunk must not be empty, so it is held back.
    async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        for piece in bytes {
            self.held += piece.len();
            self.pieces.push(piece);
            while self.held > CHUNK {
                let mut all: Bytes = std::mem::take(&mut self.pieces).concat().into();
                let chunk = all.split_to(CHUNK);
                self.held = all.len();
                self.pieces.push(all);
                self.put(chunk, None).await?;
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<Bytes> {
        let rest: Bytes = std::mem::take(&mut self.pieces).concat().into();
        let total = self.offset + rest.len() as u64;
        let unexpected =
            || StoreError::new(StoreErrorKind::Unavailable, "Google Drive does not end an upload");
        self.put(rest, Some(total)).await?.ok_or_else(unexpected)
    }

    /// Sends a chunk. Returns the description of the file if the chunk was the last one.
    async fn put(&mut self, mut chunk: Bytes, total: Option<u64>) -> Result<Option<Bytes>> {
        let size = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
        let attempts = self.drive.client.attempts();
        for attempt in 1.. {
            let last = self.offset + chunk.len() as u64;
            let range = format!("bytes {}-{}/{size}", self.offset, last - 1);
            let call = self.drive.client.session(Method::PUT, &self.session).header("content-range", &range);
            let mut answer = call.body(Outgoing::full(chunk.clone())).send(Again::OnlyIfRefused).await;
            if attempt < attempts && matches!(&answer, Err(error) if error.is_temporary())
                || matches!(&answer, Ok(Err(refusal)) if refusal.status.is_server_error())
            {
                // Asks how much of the chunk has arrived.
                let call = self
                    .drive
                    .client
                    .session(Method::PUT, &self.session)
                    .header("content-range", &format!("bytes */{size}"));
                answer = call.send(Again::Harmless).await;
            }
            let reply = answer??;
            if reply.status != StatusCode::PERMANENT_REDIRECT {
                return reply.bytes(64 << 10).await.map(Some);
            }
            // The header is `bytes=0-N`; it is missing if nothing has arrived.
            let kept = reply
                .header("range")
                .and_then(|range| range.rsplit_once('-')?.1.parse::<u64>().ok())
                .map_or(0, |at| at + 1);
            if kept < self.offset || kept > last {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "Google Drive has lost a part of the upload",
                ));
            }
            let _taken = chunk.split_to(usize::try_from(kept - self.offset).unwrap_or(chunk.len()));
            self.offset = kept;
            if chunk.is_empty() {
                return Ok(None);
            }
            if attempt >= attempts {
                break;
            }
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, "Google Drive does not take a part of the upload"))
    }
}
