//! Upload sessions: ranges are sent one after the other, each until it succeeds or the attempts are used up.

use super::{drive::Drive, item::DriveItem, refusal::Refusal};
use crate::{
    backend::{
        oauth::{Refusal as _, parse},
        wire::{Again, Outgoing},
    },
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// All ranges but the last have to be multiples of 320 KiB. One range is held in memory.
const STEP: usize = 320 << 10;
const RANGE: usize = 16 * STEP;

pub(super) struct Session {
    drive: Arc<Drive>,
    /// The address of the session. It is the only credential that is needed to write to it.
    address: String,
    size: u64,
    pieces: Vec<Bytes>,
    held: usize,
    /// The offset of the held bytes in the file.
    offset: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Begun {
    upload_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    #[serde(default)]
    next_expected_ranges: Vec<String>,
}

impl Session {
    pub(super) async fn begin(drive: Arc<Drive>, folder: &str, name: &str, size: u64) -> Result<Self> {
        let about = json!({ "item": { "@microsoft.graph.conflictBehavior": "replace", "name": name } });
        let call = drive.child(Method::POST, folder, name, "/createUploadSession").json(&about);
        let Begun { upload_url } = call.read(Again::Harmless).await??;
        Ok(Self { drive, address: upload_url, size, pieces: Vec::new(), held: 0, offset: 0 })
    }

    /// Writes bytes. The last range is held back for `finish`.
    pub(super) async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        for piece in bytes {
            self.held += piece.len();
            self.pieces.push(piece);
            if self.offset + self.held as u64 > self.size {
                return Err(StoreError::new(StoreErrorKind::Internal, "a body is longer than was announced"));
            }
            while self.held > RANGE {
                let mut all: Bytes = std::mem::take(&mut self.pieces).concat().into();
                let range = all.split_to(RANGE);
                self.held = all.len();
                self.pieces.push(all);
                self.put(range).await?;
            }
        }
        Ok(())
    }

    /// Ends the session and returns the file. `None`: the file exists, but the reply that describes it was
    /// lost.
    pub(super) async fn finish(&mut self) -> Result<Option<DriveItem>> {
        let rest: Bytes = std::mem::take(&mut self.pieces).concat().into();
        self.held = 0;
        if self.offset + rest.len() as u64 != self.size {
            return Err(StoreError::new(StoreErrorKind::Internal, "a body is shorter than was announced"));
        }
        self.put(rest).await
    }

    async fn put(&mut self, mut range: Bytes) -> Result<Option<DriveItem>> {
        let attempts = self.drive.api.attempts();
        for attempt in 1.. {
            let end = self.offset + range.len() as u64;
            let about = format!("bytes {}-{}/{}", self.offset, end - 1, self.size);
            let call = self.drive.api.unsigned(Method::PUT, &self.address)?.header("content-range", &about);
            let call =
                call.header("content-type", "application/octet-stream").body(Outgoing::full(range.clone()));
            let failure: StoreError = match call.send(Again::OnlyIfRefused).await {
                Ok(Ok(reply)) if matches!(reply.status, StatusCode::OK | StatusCode::CREATED) => {
                    return parse::<DriveItem, Refusal>(&reply.bytes(64 << 10).await?).map(Some);
                }
                Ok(Ok(reply)) => {
                    let progress: Progress = parse::<_, Refusal>(&reply.bytes(64 << 10).await?)?;
                    if self.advance(&mut range, &progress)? {
                        return Ok(None);
                    }
                    unfinished()
                }
                Ok(Err(refusal)) if refusal.status.is_server_error() && !refusal.is_rate_limit() => {
                    refusal.into()
                }
                // The session has this range already: an earlier reply was lost.
                Ok(Err(refusal)) if refusal.status == StatusCode::RANGE_NOT_SATISFIABLE => refusal.into(),
                Ok(Err(refusal)) => return Err(refusal.into()),
                Err(error) if error.is_temporary() => error,
                Err(error) => return Err(error),
            };
            if attempt >= attempts || failure.kind() == StoreErrorKind::StorageFull {
                return Err(failure);
            }
            // Asks how much of the range has arrived.
            match self
                .drive
                .api
                .unsigned(Method::GET, &self.address)?
                .read::<Progress>(Again::Harmless)
                .await?
            {
                Ok(progress) => {
                    if self.advance(&mut range, &progress)? {
                        return Ok(None);
                    }
                }
                // The session does not exist any more, or is complete: the file shows which.
                Err(refusal) if refusal.is_not_found() && end == self.size => return Ok(None),
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Err(unfinished())
    }

    /// Returns whether all of the range has arrived.
    fn advance(&mut self, range: &mut Bytes, progress: &Progress) -> Result<bool> {
        let end = self.offset + range.len() as u64;
        let next = progress
            .next_expected_ranges
            .first()
            .and_then(|range| range.split('-').next()?.parse::<u64>().ok());
        let next = next.unwrap_or(self.size);
        if next < self.offset || next > end {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "OneDrive has lost a part of the upload",
            ));
        }
        let _taken = range.split_to(usize::try_from(next - self.offset).unwrap_or(range.len()));
        self.offset = next;
        Ok(range.is_empty())
    }

    pub(super) async fn cancel(self) {
        let Ok(call) = self.drive.api.unsigned(Method::DELETE, &self.address) else { return };
        if let Err(error) =
            call.send(Again::Harmless).await.and_then(|answer| answer.map(drop).map_err(StoreError::from))
        {
            tracing::debug!(%error, "an upload session was not cancelled: it ends by itself");
        }
    }
}

fn unfinished() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "OneDrive does not take a part of the upload")
}
