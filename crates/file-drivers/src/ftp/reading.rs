//! Reads a file: one RETR for the wanted range, from the server's open file.
//!
//! Invariants:
//! - the server has opened the file that was checked: both steps happen under the lock of the path, and a
//!   second check at the end detects changes made outside the gateway. The last bytes are passed on only
//!   after it;
//! - reading continues when this process replaces or removes the file: the server still has it open. A change
//!   outside the gateway fails the reading;
//! - a stream that ends early ends with an error: bytes are counted, and the server has to confirm that it
//!   sent everything.

use super::{
    data::Data,
    facts::RemoteEntry,
    failure::Failure,
    pool::{Lease, Use},
    readers::Reader,
    remote::{Remote, look},
};
use crate::{
    backend::tree::files::{Opened, Stat},
    model::Span,
    store::{
        ByteStream, Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use std::sync::Arc;

/// Up to this number of unwanted bytes is read and discarded: that takes less time than a new connection.
const CHEAP: u64 = 256 << 10;

pub(super) struct Reading {
    remote: Arc<Remote>,
    path: String,
    seen: RemoteEntry,
    reader: Reader,
    /// The position of a transfer that was begun while the file was opened, and the transfer.
    begun: Option<(u64, Transfer)>,
}

struct Transfer {
    lease: Lease,
    data: Data,
    /// The number of bytes to discard first, where the server cannot begin at a position.
    skip: u64,
}

impl Reading {
    pub(super) async fn open(remote: &Arc<Remote>, path: &str, ahead: Option<Span>) -> Result<Option<Self>> {
        // A caller that does not know the end of its range first checks the file, so no transfer begins yet.
        let ahead = ahead.filter(|span| span.start < span.end && span.end < u64::MAX);
        let restarts = match ahead {
            Some(Span { start: 1.., .. }) => remote.restarts().await?,
            _ => true,
        };
        let purpose = if ahead.is_some() { Use::Reading } else { Use::Short };
        let opened = remote.repeat(purpose, "opening a file", |mut lease, _| async move {
            let _alone = remote.locks.lock(&path.to_owned()).await;
            let reader = remote.readers.enter(path);
            let Some(seen) = look(&mut lease, path).await?.filter(RemoteEntry::is_file) else {
                return Ok(None);
            };
            let begun = match ahead.filter(|span| span.start < seen.stat.size) {
                None => None,
                Some(span) => match Transfer::begin(remote, lease, path, span.start, restarts).await {
                    Ok(transfer) if reader.begins() => Some((span.start, transfer)),
                    Ok(_) => return Err(Failure::Changed),
                    Err((mut lease, failure @ Failure::Refused(_))) => {
                        // Another program may have removed the file.
                        return if look(&mut lease, path).await?.is_some_and(|seen| seen.is_file()) {
                            Err(failure)
                        } else {
                            Ok(None)
                        };
                    }
                    Err((_, failure)) => return Err(failure),
                },
            };
            Ok(Some((seen, reader, begun)))
        });
        let opened = opened.await?;
        Ok(opened.map(|(seen, reader, begun)| Self {
            remote: remote.clone(),
            path: path.to_owned(),
            seen,
            reader,
            begun,
        }))
    }

    /// Begins a transfer, if none was begun or the one that was begun is at another position.
    async fn begin(&self, start: u64) -> Result<Transfer> {
        let restarts = if start > 0 { self.remote.restarts().await? } else { true };
        let begun = self.remote.repeat(Use::Reading, "reading a file", |mut lease, _| async move {
            let _alone = self.remote.locks.lock(&self.path).await;
            match look(&mut lease, &self.path).await? {
                Some(seen) if seen == self.seen => {}
                _ => return Err(Failure::Changed),
            }
            let begun = Transfer::begin(&self.remote, lease, &self.path, start, restarts).await;
            let transfer = begun.map_err(|(_, failure)| failure)?;
            if self.reader.begins() { Ok(transfer) } else { Err(Failure::Changed) }
        });
        begun.await
    }
}

impl Transfer {
    async fn begin(
        remote: &Remote,
        mut lease: Lease,
        path: &str,
        start: u64,
        restarts: bool,
    ) -> std::result::Result<Self, (Lease, Failure)> {
        let (at, offset) = (lease.at(path), if restarts { start } else { 0 });
        match Data::begin(&mut lease, &remote.passive, ("RETR", &at), offset).await {
            Ok(data) => Ok(Self { lease, data, skip: start - offset }),
            Err(failure) => Err((lease, failure)),
        }
    }
}

#[async_trait]
impl Opened for Reading {
    fn stat(&self) -> &Stat {
        &self.seen.stat
    }

    async fn read(mut self: Box<Self>, span: Span) -> Result<ByteStream> {
        if span.end > self.seen.stat.size || span.start > span.end {
            return Err(StoreError::new(StoreErrorKind::Internal, "FTP: reading beyond the end of a file"));
        }
        let begun = self.begun.take();
        if span.is_empty() {
            return Ok(Box::pin(stream::empty()));
        }
        let Transfer { lease, data, skip } = match begun {
            Some((start, transfer)) if start == span.start => transfer,
            Some((_, mut unwanted)) => {
                unwanted.data.cut(&mut unwanted.lease).await;
                drop(unwanted.lease);
                self.begin(span.start).await?
            }
            None => self.begin(span.start).await?,
        };
        let after = self.seen.stat.size - span.end;
        let mut sending =
            Sending { reading: self, lease, data: Some(data), skip, left: span.len(), after, held: None };
        // Some servers open the file itself only when they send its first bytes.
        let first = sending.piece().await.map_err(|failure| failure.during("reading a file"))?;
        let pieces = stream::try_unfold((sending, first), |(mut sending, first)| async move {
            let piece = match first {
                Some(first) => Ok(Some(first)),
                None => sending.piece().await,
            };
            match piece {
                Ok(Some(bytes)) => Ok(Some((bytes, (sending, None)))),
                Ok(None) => Ok(None),
                Err(failure) => Err(failure.during("reading a file")),
            }
        });
        Ok(Box::pin(pieces))
    }
}

struct Sending {
    reading: Box<Reading>,
    lease: Lease,
    /// `None` once all bytes were read.
    data: Option<Data>,
    skip: u64,
    left: u64,
    /// The number of bytes in the file after the wanted range.
    after: u64,
    /// The newest bytes, held back until more bytes follow or the final check succeeds.
    held: Option<Bytes>,
}

impl Sending {
    async fn piece(&mut self) -> std::result::Result<Option<Bytes>, Failure> {
        let Some(data) = &mut self.data else { return Ok(None) };
        while self.left > 0 {
            let Some(mut bytes) = data.read().await? else { return Err(Failure::Changed) };
            let skipped = self.skip.min(bytes.len() as u64);
            self.skip -= skipped;
            let _ = bytes.split_to(usize::try_from(skipped).unwrap_or(usize::MAX));
            if bytes.is_empty() {
                continue;
            }
            let beyond = (bytes.len() as u64).saturating_sub(self.left);
            if beyond > self.after {
                return Err(Failure::Changed);
            }
            bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= bytes.len() as u64;
            self.after -= beyond;
            if let Some(before) = self.held.replace(bytes) {
                return Ok(Some(before));
            }
        }
        self.end().await?;
        Ok(self.held.take())
    }

    /// Ends the transfer once the wanted range has been read.
    async fn end(&mut self) -> std::result::Result<(), Failure> {
        let Some(mut data) = self.data.take() else { return Ok(()) };
        if self.after <= CHEAP {
            while let Some(bytes) = data.read().await? {
                self.after = self.after.checked_sub(bytes.len() as u64).ok_or(Failure::Changed)?;
            }
            if self.after > 0 {
                return Err(Failure::Changed);
            }
            data.finish(&mut self.lease).await?;
        } else {
            data.cut(&mut self.lease).await;
        }
        self.verify().await
    }

    /// Checks that the file is unchanged, as far as the server reports.
    async fn verify(&mut self) -> std::result::Result<(), Failure> {
        let Reading { remote, path, seen, reader, .. } = &*self.reading;
        if reader.is_left() {
            return Ok(());
        }
        let found = match look(&mut self.lease, path).await {
            Err(failure) if failure.is_passing() => {
                let looked = remote.repeat(Use::Short, "looking at a file", |mut lease, _| async move {
                    look(&mut lease, path).await
                });
                looked.await.map_err(|_| failure)?
            }
            found => found?,
        };
        if found.as_ref() == Some(seen) || reader.is_left() { Ok(()) } else { Err(Failure::Changed) }
    }
}
