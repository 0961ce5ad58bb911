//! Drafts: files in the driver's own folder, until MOVE makes them the file of a path.

use super::{WebdavFiles, refusal};
use crate::{
    backend::{
        claims::Claim,
        codec,
        tree::files::{Draft, DraftName, EntryKind, Published, Stat},
        wire::{Again, Gathered, Outgoing, Reply, Sending},
    },
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use std::{sync::atomic::Ordering, time::Duration};

/// How often folders are created for a draft while another program removes them.
const ROUNDS: usize = 4;
/// When to check for a draft whose upload was cut off. Servers may notice late that the request has ended,
/// and some of them keep the bytes that arrived.
const CUT: [Duration; 4] =
    [Duration::from_millis(50), Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(10)];

pub(super) struct WebdavDraft {
    files: WebdavFiles,
    /// The draft's path; `None` once it was moved or removed.
    at: Option<String>,
    size: Option<u64>,
    written: u64,
    state: DraftState,
}

enum DraftState {
    /// A few bytes, which were not sent to the server yet.
    Gathering(Gathered),
    Sending(Sending),
    Stored,
    /// The server refused the upload, or the connection was lost.
    Failed,
}

impl DraftState {
    /// Ends the upload on this side. Returns whether the server may still write the file.
    async fn cut(self) -> bool {
        match self {
            Self::Gathering(_) | Self::Stored => false,
            Self::Sending(sending) => {
                sending.cut().await;
                true
            }
            Self::Failed => true,
        }
    }
}

impl WebdavDraft {
    pub(super) fn new(files: WebdavFiles, name: &DraftName, size: Option<u64>) -> Self {
        let at = Some(super::draft_path(name));
        Self { files, at, size, written: 0, state: DraftState::Gathering(Gathered::default()) }
    }

    /// Returns a draft of a file that the server has created.
    pub(super) fn stored(files: WebdavFiles, name: &DraftName) -> Self {
        Self { files, at: Some(super::draft_path(name)), size: None, written: 0, state: DraftState::Stored }
    }

    fn at(&self) -> Result<&str> {
        self.at
            .as_deref()
            .ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "there is no such draft any more"))
    }

    /// Sends the whole file in one request, which can be repeated.
    async fn put(&self, bytes: Bytes) -> Result<()> {
        for attempt in 0..2 {
            let call = self.files.client.file("PUT", self.at()?).body(Outgoing::full(bytes.clone()));
            let reply = call.send(Again::Harmless).await?;
            if attempt == 0 && lacks_folder(reply.status) {
                self.files.make_own_folder(true).await?;
                continue;
            }
            return refusal::done(reply).await;
        }
        Ok(())
    }

    async fn send(&mut self, gathered: Gathered) -> Result<()> {
        self.files.make_own_folder(false).await?;
        let call = self.files.client.file("PUT", self.at()?);
        // A streamed body cannot be sent twice.
        let sending = Sending::begin(self.size, |body| call.body(body).send(Again::OnlyIfRefused));
        self.state = DraftState::Sending(sending);
        self.pass(gathered.into_pieces()).await
    }

    async fn pass(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        let DraftState::Sending(sending) = &mut self.state else { return Err(failed()) };
        let refused = match sending.write(bytes).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(reply)) => self.refused(reply).await,
            Err(error) => error,
        };
        self.state = DraftState::Failed;
        Err(refused)
    }

    /// Checks the size of a file that was sent without a length. A server that passes the length to its
    /// application before the body, for example by FastCGI, may report success and keep an empty file.
    async fn kept(&self) -> Result<()> {
        if self.size.is_none()
            && self.files.look(self.at()?).await?.is_none_or(|stat| stat.size != self.written)
        {
            self.files.wants_lengths.store(true, Ordering::Release);
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "the server kept another size than was sent",
            ));
        }
        Ok(())
    }

    async fn refused(&self, reply: Reply) -> StoreError {
        // 411 is the status that RFC 9112 defines for this; other servers send 400 or 501.
        if self.size.is_none() && matches!(reply.status.as_u16(), 400 | 411 | 501) {
            self.files.wants_lengths.store(true, Ordering::Release);
        }
        if lacks_folder(reply.status) {
            self.files.forget_own_folder();
        }
        if refusal::is_done(&reply) {
            StoreError::new(StoreErrorKind::Unavailable, "the server took only a part of the file")
        } else {
            refusal::read(reply).await.into()
        }
    }

    /// Sends MOVE, and repeats it after the reason for a refusal was removed. The caller owns the path.
    async fn make_it(&self, path: &str, absent: bool) -> Result<MoveOutcome> {
        let at = self.at()?;
        if codec::has_marks(path) && !self.files.understands_marks(at).await? {
            return Err(StoreError::new(
                StoreErrorKind::InvalidRequest,
                "The server behind this bucket takes '?', '#' and ';' in names for something else",
            ));
        }
        let mut replacing = false;
        // Whether a MOVE was sent whose reply was lost, so that it may have been carried out.
        let mut uncertain = false;
        // Whether an attempt to create the folders has found that all of them exist. If that happens again,
        // missing folders are not the reason for the refusal.
        let mut folders_there = false;
        for _ in 0..ROUNDS {
            let reply =
                match self.files.client.file("MOVE", at).to(path, replacing).send(Again::OnlyIfRefused).await
                {
                    Ok(reply) if refusal::is_done(&reply) => return Ok(MoveOutcome::Moved),
                    Ok(reply) => reply,
                    // The request or the reply was lost.
                    Err(error) if error.kind() == StoreErrorKind::Unavailable && !uncertain => {
                        uncertain = true;
                        if self.files.look(at).await?.is_none() {
                            return Ok(MoveOutcome::Moved);
                        }
                        continue;
                    }
                    Err(error) => return Err(error),
                };
            if uncertain && self.files.look(at).await?.is_none() {
                return Ok(MoveOutcome::Moved);
            }
            let status = reply.status;
            let refusal = refusal::read(reply).await;
            if matches!(refusal.status.as_u16(), 401 | 413 | 423 | 429 | 503 | 507) {
                return Err(refusal.into());
            }
            // Servers mean different things by all other statuses: a check of the path decides.
            let found = self.files.look(path).await?;
            match found.map(|found| found.kind) {
                Some(EntryKind::Folder) => return Ok(MoveOutcome::IsFolder),
                Some(_) if absent => return Ok(MoveOutcome::Exists),
                Some(_) if !replacing => replacing = true,
                // The file disappeared before it was replaced.
                None if status == StatusCode::PRECONDITION_FAILED => replacing = false,
                Some(_) => return Err(refusal.into()),
                None => match self.files.make_parents(path).await? {
                    Folders::Made => {}
                    Folders::Obstructed => return Ok(MoveOutcome::Obstructed),
                    Folders::There if !folders_there => folders_there = true,
                    Folders::There => return Err(refusal.into()),
                },
            }
        }
        Err(StoreError::new(StoreErrorKind::Busy, "others change this path all the time"))
    }
}

enum MoveOutcome {
    Moved,
    IsFolder,
    Obstructed,
    Exists,
}

/// The result of creating folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folders {
    Made,
    /// The folders existed before.
    There,
    /// One of them is a file.
    Obstructed,
}

/// Returns whether the status can mean that a folder is missing. RFC 4918 defines 409; other servers send 404
/// or 403.
fn lacks_folder(status: StatusCode) -> bool {
    matches!(status, StatusCode::CONFLICT | StatusCode::NOT_FOUND | StatusCode::FORBIDDEN)
}

fn failed() -> StoreError {
    StoreError::new(StoreErrorKind::Internal, "writing this file has failed before")
}

#[async_trait]
impl Draft for WebdavDraft {
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
            DraftState::Sending(_) => self.pass(bytes).await,
            DraftState::Stored | DraftState::Failed => Err(failed()),
        }
    }

    /// Completes the file. No properties are returned, because on some servers the rename changes them.
    async fn finish(&mut self) -> Result<Option<Stat>> {
        match std::mem::replace(&mut self.state, DraftState::Failed) {
            DraftState::Stored => {}
            DraftState::Failed => return Err(failed()),
            DraftState::Gathering(gathered) => {
                self.files.make_own_folder(false).await?;
                self.put(gathered.concat()).await?;
            }
            DraftState::Sending(sending) => {
                let reply = sending.finish().await?;
                if !refusal::is_done(&reply) {
                    return Err(self.refused(reply).await);
                }
                self.kept().await?;
            }
        }
        self.state = DraftState::Stored;
        Ok(None)
    }

    async fn publish(mut self: Box<Self>, path: &str, absent: bool) -> Result<Published> {
        if !matches!(self.state, DraftState::Stored) {
            return Err(failed());
        }
        // The publishing task runs to its end, even if the caller is dropped: nothing else would clean up
        // after a MOVE that was interrupted.
        let path = path.to_owned();
        let publishing = async move {
            let claim: Claim = self.files.claims.own(&[&path]).await;
            let outcome = self.make_it(&path, absent).await?;
            match outcome {
                MoveOutcome::Moved => self.at = None,
                MoveOutcome::IsFolder => return Ok(Published::IsFolder(self as Box<dyn Draft>)),
                MoveOutcome::Obstructed => return Ok(Published::Obstructed(self)),
                MoveOutcome::Exists => return Ok(Published::Exists(self)),
            }
            let found = self.files.look(&path).await?;
            drop(claim);
            let gone =
                || StoreError::new(StoreErrorKind::Unavailable, "the file went away as soon as it was there");
            found.filter(|stat| stat.kind == EntryKind::File).map(Published::As).ok_or_else(gone)
        };
        let given_up =
            |error| StoreError::new(StoreErrorKind::Internal, "publishing was given up").with_source(error);
        tokio::spawn(publishing).await.map_err(given_up)?
    }

    async fn discard(mut self: Box<Self>) {
        let cut = std::mem::replace(&mut self.state, DraftState::Failed).cut().await;
        if let Some(at) = self.at.take() {
            discard(&self.files, at, cut).await;
        }
    }
}

impl Drop for WebdavDraft {
    fn drop(&mut self) {
        let unsent = matches!(self.state, DraftState::Gathering(_));
        if let (Some(at), Ok(runtime), false) =
            (self.at.take(), tokio::runtime::Handle::try_current(), unsent)
        {
            let (files, state) = (self.files.clone(), std::mem::replace(&mut self.state, DraftState::Failed));
            runtime.spawn(async move {
                let cut = state.cut().await;
                discard(&files, at, cut).await;
            });
        }
    }
}

/// Removes a draft, now or later. The file of an upload that was cut off may appear after a check has not
/// found it.
async fn discard(files: &WebdavFiles, at: String, cut: bool) {
    match remove(files, &at).await {
        Removed::Yes => {}
        Removed::Missing if cut => drop(tokio::spawn(look_again(files.clone(), at))),
        Removed::Missing => {}
        Removed::Unknown => remove_late(files, at),
    }
}

enum Removed {
    Yes,
    Missing,
    /// The server cannot be reached, or refuses the request.
    Unknown,
}

async fn remove(files: &WebdavFiles, at: &str) -> Removed {
    let removed = async {
        let reply = files.client.file("DELETE", at).send(Again::Harmless).await?;
        match reply.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Removed::Missing),
            _ => refusal::done(reply).await.map(|()| Removed::Yes),
        }
    };
    match removed.await {
        Ok(removed) => removed,
        Err(error) => {
            tracing::debug!(%error, "a draft was not removed; it is tried again later");
            Removed::Unknown
        }
    }
}

fn remove_late(files: &WebdavFiles, at: String) {
    let files = files.clone();
    files.late.clone().remove(at, move |at| {
        let files = files.clone();
        Box::pin(async move { !matches!(remove(&files, &at).await, Removed::Unknown) })
    });
}

/// Checks again later, because a draft may appear late.
async fn look_again(files: WebdavFiles, at: String) {
    for pause in CUT {
        tokio::time::sleep(pause).await;
        match remove(&files, &at).await {
            Removed::Yes => return,
            Removed::Missing => {}
            Removed::Unknown => return remove_late(&files, at),
        }
    }
}
