//! Drafts: an open upload session, which becomes the file of a path when it is finished, or a few bytes that
//! are sent when they are published. A copy that Dropbox made is in the driver's own folder until it is
//! moved.

use super::{
    drive::{Drive, FolderPath, Look},
    item::{ContentHash, DropboxItem},
    reading,
    refusal::Refusal,
};
use crate::{
    backend::{
        tree::files::{Draft, DraftName, EntryKind, Published, Stat},
        wire::{Again, Gathered, Outgoing},
    },
    model::Span,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The size of the chunks of a session. One chunk is held in memory.
const CHUNK: usize = 4 << 20;
/// The number of attempts to publish while other programs create files at the path.
const ROUNDS: usize = 4;

pub(super) struct DropboxDraft {
    drive: Arc<Drive>,
    hash: ContentHash,
    written: u64,
    state: DraftState,
    /// The path to remove if this draft is not published.
    path: Option<String>,
}

enum DraftState {
    /// A few bytes, which were not sent to Dropbox yet.
    Gathering(Gathered),
    Session(Session),
    Ready(DraftSource, Hashed),
    Failed,
}

/// The source of what is published.
enum DraftSource {
    Bytes(Bytes),
    Session(String),
    /// A file in the driver's own folder.
    File(DropboxItem),
}

#[derive(Clone)]
struct Hashed {
    hash: String,
    size: u64,
}

impl DropboxDraft {
    pub(super) fn new(drive: Arc<Drive>) -> Self {
        let state = DraftState::Gathering(Gathered::default());
        Self { drive, hash: ContentHash::default(), written: 0, state, path: None }
    }

    /// Returns a draft of a file that Dropbox has created.
    pub(super) fn stored(drive: Arc<Drive>, name: &DraftName, item: DropboxItem) -> Self {
        let stat = item.stat();
        let hashed = Hashed { hash: stat.tag.unwrap_or_default(), size: stat.size };
        let path = Some(format!("{}/{}", super::drafts(), name.0));
        Self {
            drive,
            hash: ContentHash::default(),
            written: hashed.size,
            state: DraftState::Ready(DraftSource::File(item), hashed),
            path,
        }
    }

    async fn make_it(&mut self, path: &str, absent: bool) -> Result<MoveOutcome> {
        for _ in 0..ROUNDS {
            match self.drive.way_to(path).await? {
                FolderPath::Free => {}
                FolderPath::Obstructed => return Ok(MoveOutcome::Obstructed),
                FolderPath::Spelled => return Ok(MoveOutcome::Spelled),
            }
            // Dropbox would replace an entry whose name differs only in case.
            let there = match self.drive.look(path).await? {
                Look::Spelled => return Ok(MoveOutcome::Spelled),
                Look::DropboxItem(item) if item.kind() != EntryKind::File => {
                    return Ok(MoveOutcome::IsFolder);
                }
                Look::DropboxItem(_) if absent => return Ok(MoveOutcome::Exists),
                Look::DropboxItem(_) => true,
                Look::Nothing => false,
            };
            let DraftState::Ready(source, hashed) = &self.state else { return Err(failed()) };
            let answer = match source {
                DraftSource::Bytes(bytes) => self
                    .drive
                    .content("upload", &self.commit(path, there))
                    .body(Outgoing::full(bytes.clone())),
                DraftSource::Session(id) => {
                    let cursor = json!({ "session_id": id, "offset": hashed.size });
                    self.drive.content(
                        "upload_session/finish",
                        &json!({ "cursor": cursor, "commit": self.commit(path, there) }),
                    )
                }
                DraftSource::File(item) if there => {
                    let id = download_into_session(&self.drive, item).await?;
                    self.state = DraftState::Ready(DraftSource::Session(id), hashed.clone());
                    continue;
                }
                DraftSource::File(_) => {
                    let from = self.path.clone().ok_or_else(failed)?;
                    let answer = self.drive.relocate(&from, path).await;
                    let answer = answer.map(|answer| answer.map(|changed| changed.metadata));
                    match self.judge(path, hashed.clone(), answer).await? {
                        Some(stat) => return Ok(MoveOutcome::Moved(stat)),
                        None => continue,
                    }
                }
            };
            let answer = answer
                .header("content-type", "application/octet-stream")
                .read::<DropboxItem>(Again::OnlyIfRefused)
                .await;
            if let Some(stat) = self.judge(path, hashed.clone(), answer).await? {
                return Ok(MoveOutcome::Is(stat));
            }
        }
        Err(StoreError::new(StoreErrorKind::Busy, "others change this folder all the time"))
    }

    /// Returns the arguments for a commit that succeeds only if nothing has changed since.
    fn commit(&self, path: &str, replaces: bool) -> Value {
        let mode = if replaces { "overwrite" } else { "add" };
        json!({ "path": self.drive.whole(path), "mode": mode, "autorename": false, "mute": true, "strict_conflict": true })
    }

    /// Interprets the reply to a commit. `None`: another entry is at the path now, so the caller tries again.
    async fn judge(
        &self,
        path: &str,
        hashed: Hashed,
        answer: Result<std::result::Result<DropboxItem, Refusal>>,
    ) -> Result<Option<Stat>> {
        let wrong =
            || StoreError::new(StoreErrorKind::Unavailable, "Dropbox kept other bytes than were sent");
        let (error, may_be_done) = match answer {
            Ok(Ok(item)) if item.is_of(&hashed.hash, hashed.size) => return Ok(Some(item.stat())),
            Ok(Ok(_)) => return Err(wrong()),
            Ok(Err(refusal)) if refusal.says("conflict") => {
                self.drive.forget(path.split('/').next().unwrap_or_default());
                return Ok(None);
            }
            Ok(Err(refusal)) => {
                let may_be_done = refusal.status.is_server_error();
                (StoreError::from(refusal), may_be_done)
            }
            Err(error) => (error, true),
        };
        if !may_be_done {
            return Err(error);
        }
        // The file may have been created although the reply was lost.
        let there = self.drive.file(path).await?.filter(|item| item.is_of(&hashed.hash, hashed.size));
        there.map(|item| item.stat()).ok_or(error).map(Some)
    }
}

enum MoveOutcome {
    Is(Stat),
    /// The draft is the file.
    Moved(Stat),
    IsFolder,
    Obstructed,
    Exists,
    Spelled,
}

fn failed() -> StoreError {
    StoreError::new(StoreErrorKind::Internal, "writing this file has failed before")
}

/// Copies a file's bytes into a new session. A copy that Dropbox made can be moved only to a free path;
/// replacing a file needs a session.
async fn download_into_session(drive: &Arc<Drive>, item: &DropboxItem) -> Result<String> {
    let (rev, size) = (item.rev.clone().unwrap_or_default(), item.stat().size);
    let mut session = Session::new(drive.clone());
    if size > 0 {
        let mut reply = reading::part(drive, &rev, size, Span::whole(size)).await?;
        while let Some(bytes) = reply.frame().await? {
            session.write(vec![bytes]).await?;
        }
    }
    session.finish().await
}

#[async_trait]
impl Draft for DropboxDraft {
    async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        for piece in &bytes {
            self.hash.update(piece);
            self.written += piece.len() as u64;
        }
        let passed = match &mut self.state {
            DraftState::Gathering(gathered) => {
                if gathered.push(bytes) {
                    return Ok(());
                }
                let pieces = std::mem::take(gathered).into_pieces();
                let mut session = Session::new(self.drive.clone());
                let passed = session.write(pieces).await;
                self.state = DraftState::Session(session);
                passed
            }
            DraftState::Session(session) => session.write(bytes).await,
            _ => Err(failed()),
        };
        if passed.is_err() {
            self.state = DraftState::Failed;
        }
        passed
    }

    async fn finish(&mut self) -> Result<Option<Stat>> {
        let source = match std::mem::replace(&mut self.state, DraftState::Failed) {
            DraftState::Gathering(gathered) => DraftSource::Bytes(gathered.concat()),
            DraftState::Session(session) => DraftSource::Session(session.finish().await?),
            ready @ DraftState::Ready(..) => {
                self.state = ready;
                return Ok(None);
            }
            DraftState::Failed => return Err(failed()),
        };
        let hashed = Hashed { hash: std::mem::take(&mut self.hash).finish(), size: self.written };
        let stat = Stat {
            kind: EntryKind::File,
            size: hashed.size,
            modified: None,
            tag: Some(hashed.hash.clone()),
            md5: None,
        };
        self.state = DraftState::Ready(source, hashed);
        Ok(Some(stat))
    }

    async fn publish(mut self: Box<Self>, path: &str, absent: bool) -> Result<Published> {
        // The publishing task runs to its end, even if the caller is dropped.
        let path = path.to_owned();
        let publishing = async move {
            let _claim = self.drive.claims.own(&[&path]).await;
            Ok(match self.make_it(&path, absent).await? {
                MoveOutcome::Is(stat) => {
                    self.discard().await;
                    Published::As(stat)
                }
                MoveOutcome::Moved(stat) => {
                    self.path = None;
                    Published::As(stat)
                }
                MoveOutcome::IsFolder => Published::IsFolder(self as Box<dyn Draft>),
                MoveOutcome::Obstructed => Published::Obstructed(self),
                MoveOutcome::Exists => Published::Exists(self),
                MoveOutcome::Spelled => Published::Spelled(self),
            })
        };
        let given_up =
            |error| StoreError::new(StoreErrorKind::Internal, "publishing was given up").with_source(error);
        tokio::spawn(publishing).await.map_err(given_up)?
    }

    /// Discards the draft. Sessions are invisible and expire by themselves.
    async fn discard(mut self: Box<Self>) {
        if let Some(path) = self.path.take() {
            clear(&self.drive, &path).await;
        }
    }
}

impl Drop for DropboxDraft {
    fn drop(&mut self) {
        if let (Some(path), Ok(runtime)) = (self.path.take(), tokio::runtime::Handle::try_current()) {
            let drive = self.drive.clone();
            runtime.spawn(async move { clear(&drive, &path).await });
        }
    }
}

/// Removes a draft. If that fails, the next start removes it.
async fn clear(drive: &Drive, path: &str) {
    if let Err(error) = drive.delete(path, None).await {
        tracing::debug!(%error, "a draft was not removed");
    }
}

/// An upload session. Chunks are sent one after the other, each until it succeeds or the attempts are used
/// up.
struct Session {
    drive: Arc<Drive>,
    id: Option<String>,
    pieces: Vec<Bytes>,
    held: usize,
    /// The offset of the held bytes in the file.
    offset: u64,
}

#[derive(Deserialize)]
struct Begun {
    session_id: String,
}

impl Session {
    fn new(drive: Arc<Drive>) -> Self {
        Self { drive, id: None, pieces: Vec::new(), held: 0, offset: 0 }
    }

    async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        for piece in bytes {
            self.held += piece.len();
            self.pieces.push(piece);
            while self.held >= CHUNK {
                let mut all: Bytes = std::mem::take(&mut self.pieces).concat().into();
                let chunk = all.split_to(CHUNK);
                self.held = all.len();
                self.pieces.push(all);
                self.put(chunk).await?;
            }
        }
        Ok(())
    }

    /// Sends the rest and returns the session's id: the session contains all bytes.
    async fn finish(mut self) -> Result<String> {
        let rest: Bytes = std::mem::take(&mut self.pieces).concat().into();
        if !rest.is_empty() || self.id.is_none() {
            self.put(rest).await?;
        }
        self.id.ok_or_else(failed)
    }

    async fn put(&mut self, mut chunk: Bytes) -> Result<()> {
        let octets = "application/octet-stream";
        let Some(id) = self.id.clone() else {
            // A session whose reply was lost is not used; it expires by itself.
            let call = self
                .drive
                .content("upload_session/start", &json!({ "close": false }))
                .header("content-type", octets);
            let Begun { session_id } =
                call.body(Outgoing::full(chunk.clone())).read(Again::Harmless).await??;
            self.id = Some(session_id);
            self.offset = chunk.len() as u64;
            return Ok(());
        };
        let attempts = self.drive.api.attempts();
        for attempt in 1.. {
            let end = self.offset + chunk.len() as u64;
            let cursor = json!({ "cursor": { "session_id": id, "offset": self.offset }, "close": false });
            let call = self.drive.content("upload_session/append_v2", &cursor).header("content-type", octets);
            let failure: StoreError =
                match call.body(Outgoing::full(chunk.clone())).send(Again::Harmless).await {
                    Ok(Ok(_)) => {
                        self.offset = end;
                        return Ok(());
                    }
                    Ok(Err(refusal)) => match refusal.correct_offset {
                        // An earlier attempt sent this chunk or a part of it, and the reply was lost.
                        Some(next) if (self.offset..=end).contains(&next) => {
                            let _taken =
                                chunk.split_to(usize::try_from(next - self.offset).unwrap_or(chunk.len()));
                            self.offset = next;
                            if chunk.is_empty() {
                                return Ok(());
                            }
                            refusal.into()
                        }
                        Some(_) => {
                            return Err(StoreError::new(
                                StoreErrorKind::Unavailable,
                                "Dropbox has lost a part of the upload",
                            ));
                        }
                        None if refusal.status.is_server_error() => refusal.into(),
                        None => return Err(refusal.into()),
                    },
                    Err(error) if error.is_temporary() => error,
                    Err(error) => return Err(error),
                };
            if attempt >= attempts {
                return Err(failure);
            }
        }
        Ok(())
    }
}
