//! Drafts: files in the driver's own folder, until one request moves them to their folder and name.

use super::{
    drive::{Drive, Look, Made, split},
    item::DriveItem,
    upload::Session,
};
use crate::{
    backend::{
        tree::files::{Draft, DraftName, Published, Stat},
        wire::{Again, Gathered, Outgoing},
    },
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::Method;
use std::sync::Arc;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
};

/// How often a file is moved into a folder that another program removes.
const ROUNDS: usize = 4;
const BATCH: usize = 1 << 20;

pub(super) struct OnedriveDraft {
    drive: Arc<Drive>,
    name: String,
    size: Option<u64>,
    written: u64,
    state: DraftState,
    /// The file to remove if this draft is not published.
    id: Option<String>,
}

enum DraftState {
    /// A few bytes, which were not sent to OneDrive yet.
    Gathering(Gathered),
    Session(Session),
    /// A body of unknown length, on local disk: a session needs the length before the first byte.
    Spooled(File),
    Stored(Box<DriveItem>),
    Failed,
}

impl OnedriveDraft {
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

    /// Returns a draft of a file that OneDrive has created.
    pub(super) fn stored(drive: Arc<Drive>, name: &DraftName, item: DriveItem) -> Self {
        let id = Some(item.id.clone());
        Self {
            drive,
            name: name.0.clone(),
            size: None,
            written: item.stat().size,
            state: DraftState::Stored(Box::new(item)),
            id,
        }
    }

    async fn put(&self, bytes: Bytes) -> Result<DriveItem> {
        let folder = self.drive.own_folder().await?;
        let call = self
            .drive
            .child(Method::PUT, &folder, &self.name, "/content")
            .query("@microsoft.graph.conflictBehavior", "replace");
        let call = call.header("content-type", "application/octet-stream").body(Outgoing::full(bytes));
        Ok(call.read::<DriveItem>(Again::Harmless).await??)
    }

    async fn session(&self, size: u64) -> Result<Session> {
        let folder = self.drive.own_folder().await?;
        Session::begin(self.drive.clone(), &folder, &self.name, size).await
    }

    /// Writes bytes that are too many to be held in memory.
    async fn pass(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        let passed = match &mut self.state {
            DraftState::Session(session) => session.write(bytes).await,
            DraftState::Spooled(file) => spool(file, bytes).await,
            _ => Err(failed()),
        };
        if passed.is_err()
            && let DraftState::Session(session) = std::mem::replace(&mut self.state, DraftState::Failed)
        {
            session.cancel().await;
        }
        passed
    }

    async fn end(&mut self) -> Result<DriveItem> {
        let mut session = match std::mem::replace(&mut self.state, DraftState::Failed) {
            DraftState::Stored(item) => return Ok(*item),
            DraftState::Failed => return Err(failed()),
            DraftState::Gathering(gathered) => return self.put(gathered.concat()).await,
            DraftState::Session(session) => session,
            DraftState::Spooled(file) => {
                let mut session = self.session(self.written).await?;
                match unspool(file, &mut session).await {
                    Ok(()) => session,
                    Err(error) => {
                        session.cancel().await;
                        return Err(error);
                    }
                }
            }
        };
        match session.finish().await {
            Ok(Some(item)) => Ok(item),
            Ok(None) => {
                let lost = || StoreError::new(StoreErrorKind::Unavailable, "OneDrive has lost an upload");
                self.drive.file(&format!("{}/{}", super::drafts(), self.name)).await?.ok_or_else(lost)
            }
            Err(error) => {
                session.cancel().await;
                Err(error)
            }
        }
    }

    async fn make_it(&mut self, path: &str, absent: bool) -> Result<MoveOutcome> {
        let DraftState::Stored(draft) = &self.state else { return Err(failed()) };
        let (folder, name) = split(path);
        let Some(whole) = self.drive.whole(path).await? else { return Err(super::drive::too_long()) };
        for _ in 0..ROUNDS {
            let parent = match self.drive.make(folder).await? {
                Made::Folder(id) => id,
                Made::Obstructed => return Ok(MoveOutcome::Obstructed),
                Made::Spelled => return Ok(MoveOutcome::Spelled),
            };
            // `replace` is never used where a folder could be: the content of a folder must not depend on it.
            let replaces = match self.drive.look(path).await? {
                Look::Nothing => false,
                Look::Spelled => return Ok(MoveOutcome::Spelled),
                Look::DriveItem(item) if !item.is_file() => return Ok(MoveOutcome::IsFolder),
                Look::DriveItem(_) if absent => return Ok(MoveOutcome::Exists),
                Look::DriveItem(_) => true,
            };
            let behaviour = if replaces { "replace" } else { "fail" };
            let moved = match self.drive.relocate(&draft.id, Some(&parent), name, behaviour).await {
                Ok(Ok(item)) => item,
                Ok(Err(refusal)) if refusal.is_conflict() && replaces => {
                    match self.copy_over(draft, &parent, path).await? {
                        Some(stat) => return Ok(MoveOutcome::Copied(stat)),
                        None => continue,
                    }
                }
                // Another program created an entry, or renamed the folder: the path is checked again.
                Ok(Err(refusal)) if refusal.is_conflict() || refusal.is_not_found() => {
                    self.drive.forget_along(folder);
                    continue;
                }
                Ok(Err(refusal)) => return Err(refusal.into()),
                Err(error) => match self.drive.get(&draft.id).await? {
                    Some(item) if item.is_at(&whole) => item,
                    _ => return Err(error),
                },
            };
            if !moved.is_at(&whole) {
                // The folder was renamed meanwhile.
                self.drive.forget_along(folder);
                continue;
            }
            return Ok(MoveOutcome::Moved(moved.stat()));
        }
        Err(StoreError::new(StoreErrorKind::Busy, "others change this folder all the time"))
    }

    /// Publishes by a copy that the service makes in place of the file, on drives whose moves cannot replace
    /// a file.
    async fn copy_over(&self, draft: &DriveItem, parent: &str, path: &str) -> Result<Option<Stat>> {
        match self.drive.copy(draft, parent, split(path).1, "replace").await? {
            Ok(()) => {}
            Err(refusal) if refusal.is_not_found() => {
                self.drive.forget_along(split(path).0);
                return Ok(None);
            }
            Err(refusal) => {
                let words = "this drive does not replace files by others";
                return Err(StoreError::new(StoreErrorKind::NotImplemented, words)
                    .with_source(StoreError::from(refusal)));
            }
        }
        let made = self.drive.file(path).await?.map(|item| item.stat());
        let unexpected = || {
            StoreError::new(StoreErrorKind::Unavailable, "a file that was copied into its place is not there")
        };
        made.filter(|stat| stat.size == draft.stat().size).ok_or_else(unexpected).map(Some)
    }
}

enum MoveOutcome {
    Moved(Stat),
    /// The file was published as a copy, and the draft still exists.
    Copied(Stat),
    IsFolder,
    Obstructed,
    Exists,
    Spelled,
}

fn failed() -> StoreError {
    StoreError::new(StoreErrorKind::Internal, "writing this file has failed before")
}

/// Creates a local file without a name, which the operating system removes when it is closed.
async fn unnamed(drive: &Drive, name: &str) -> Result<File> {
    let path = drive.spool.join(name);
    let made = async {
        tokio::fs::create_dir_all(&drive.spool).await?;
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path).await?;
        tokio::fs::remove_file(&path).await?;
        Ok(file)
    };
    made.await.map_err(|error: std::io::Error| {
        StoreError::io(format!("making {}", path.display()), error).in_data()
    })
}

async fn spool(file: &mut File, bytes: Vec<Bytes>) -> Result<()> {
    for piece in bytes {
        file.write_all(&piece).await.map_err(|error| {
            StoreError::io("writing a body of unknown length to the spool", error).in_data()
        })?;
    }
    Ok(())
}

async fn unspool(mut file: File, session: &mut Session) -> Result<()> {
    let failed = |error| StoreError::io("reading a body of unknown length from the spool", error);
    file.flush().await.map_err(failed)?;
    file.rewind().await.map_err(failed)?;
    loop {
        let mut batch = BytesMut::with_capacity(BATCH);
        if file.read_buf(&mut batch).await.map_err(failed)? == 0 {
            return Ok(());
        }
        session.write(vec![batch.freeze()]).await?;
    }
}

#[async_trait]
impl Draft for OnedriveDraft {
    async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        self.written += bytes.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        if let DraftState::Gathering(gathered) = &mut self.state {
            if gathered.push(bytes) {
                return Ok(());
            }
            let pieces = std::mem::take(gathered).into_pieces();
            self.state = DraftState::Failed;
            self.state = match self.size {
                Some(size) => DraftState::Session(self.session(size).await?),
                None => DraftState::Spooled(unnamed(&self.drive, &self.name).await?),
            };
            return self.pass(pieces).await;
        }
        self.pass(bytes).await
    }

    async fn finish(&mut self) -> Result<Option<Stat>> {
        let item = self.end().await?;
        self.id = Some(item.id.clone());
        let stat = item.stat();
        if stat.size != self.written {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "OneDrive kept only a part of the file",
            ));
        }
        self.state = DraftState::Stored(Box::new(item));
        // Moving the file may change its time, so no time is reported.
        Ok(Some(Stat { modified: None, ..stat }))
    }

    async fn publish(mut self: Box<Self>, path: &str, absent: bool) -> Result<Published> {
        // The publishing task runs to its end, even if the caller is dropped.
        let path = path.to_owned();
        let publishing = async move {
            let _claim = self.drive.claims.own(&[&path]).await;
            Ok(match self.make_it(&path, absent).await? {
                MoveOutcome::Moved(stat) => {
                    self.id = None;
                    Published::As(stat)
                }
                MoveOutcome::Copied(stat) => {
                    self.discard().await;
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

    async fn discard(mut self: Box<Self>) {
        let state = std::mem::replace(&mut self.state, DraftState::Failed);
        clear(&self.drive, self.id.take(), state).await;
    }
}

impl Drop for OnedriveDraft {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut self.state, DraftState::Failed);
        let id = self.id.take();
        if id.is_none() && !matches!(state, DraftState::Session(_)) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let drive = self.drive.clone();
            runtime.spawn(async move { clear(&drive, id, state).await });
        }
    }
}

/// Removes the draft. If that fails, the next start removes it. Sessions expire by themselves.
async fn clear(drive: &Drive, id: Option<String>, state: DraftState) {
    if let DraftState::Session(session) = state {
        session.cancel().await;
    }
    if let Some(id) = id
        && let Err(error) = drive.delete(&id, None).await
    {
        tracing::debug!(%error, "a draft was not removed");
    }
}
