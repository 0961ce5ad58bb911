//! Reads an open file, several requests ahead.
//!
//! Invariant: the last bytes are passed on only after the server has confirmed that the file is unchanged
//! since it was opened, as far as its size and time in seconds show. Files of slots are exempt: other parts
//! are written to them meanwhile. A lost connection ends the reading, because the driver could not tell
//! whether the file that has the name afterwards is the same.

use super::{
    failure::Failure,
    requests::{Open, data, stat},
    session::Answer,
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
use std::collections::VecDeque;

/// The number of requests in flight for one reader: one MiB with the largest requests.
const AHEAD: usize = 16;

pub(super) struct Reading {
    open: Open,
    stat: Stat,
    asked: VecDeque<PendingRead>,
    /// The offset from which nothing was requested yet.
    next: u64,
    end: u64,
    check: Option<Answer>,
    may_change: bool,
}

struct PendingRead {
    offset: u64,
    length: usize,
    answer: Answer,
}

impl Reading {
    /// Requests the attributes of an open file and, for `ahead`, its first bytes.
    pub(super) async fn begin(open: Open, ahead: Option<Span>) -> std::result::Result<Self, Failure> {
        let answer = open.stat_later().await?;
        let Span { start, end } = ahead.unwrap_or(Span { start: 0, end: 0 });
        let unknown = Stat { kind: Default::default(), size: 0, modified: None, tag: None, md5: None };
        let mut reading = Self {
            open,
            stat: unknown,
            asked: VecDeque::new(),
            next: start,
            end,
            check: None,
            may_change: false,
        };
        reading.ask().await?;
        reading.stat = answer.await.and_then(stat)?;
        Ok(reading)
    }

    /// Reads a file of slots: it is no error when other parts of the file are written meanwhile.
    pub(super) fn of_a_part(self) -> Self {
        Self { may_change: true, ..self }
    }

    async fn ask(&mut self) -> std::result::Result<(), Failure> {
        while self.next < self.end && self.asked.len() < AHEAD {
            let length = usize::try_from(self.end - self.next)
                .unwrap_or(usize::MAX)
                .min(self.open.lease.features.chunk);
            let answer = if self.asked.is_empty() {
                Some(self.open.lease.send(self.open.reading(self.next, length)).await?)
            } else {
                // Requests beyond the first are sent only if the session has room, so that other readers make
                // progress.
                self.open.lease.send_more(|| self.open.reading(self.next, length)).await?
            };
            let Some(answer) = answer else { break };
            self.asked.push_back(PendingRead { offset: self.next, length, answer });
            self.next += length as u64;
        }
        Ok(())
    }

    /// Returns the next bytes.
    async fn piece(&mut self) -> std::result::Result<Option<Bytes>, Failure> {
        self.ask().await?;
        if self.next >= self.end && self.check.is_none() && !self.may_change {
            self.check = Some(self.open.stat_later().await?);
        }
        let Some(PendingRead { offset, length, answer }) = self.asked.pop_front() else { return Ok(None) };
        let mut bytes = data(answer.await?)?.filter(|bytes| !bytes.is_empty()).ok_or(Failure::Changed)?;
        if bytes.len() < length && offset + (bytes.len() as u64) < self.end {
            // The server sent less than requested: the rest is requested again, and the final check is done
            // again after it.
            let (offset, length) = (offset + bytes.len() as u64, length - bytes.len());
            let answer = self.open.lease.send(self.open.reading(offset, length)).await?;
            self.asked.push_front(PendingRead { offset, length, answer });
            self.check = None;
        }
        bytes.truncate(usize::try_from(self.end - offset).unwrap_or(usize::MAX));
        if self.asked.is_empty() && self.next >= self.end && !self.may_change {
            let check = match self.check.take() {
                Some(check) => check,
                None => self.open.stat_later().await?,
            };
            if check.await.and_then(stat)? != self.stat {
                return Err(Failure::Changed);
            }
        }
        Ok(Some(bytes))
    }
}

#[async_trait]
impl Opened for Reading {
    fn stat(&self) -> &Stat {
        &self.stat
    }

    async fn read(mut self: Box<Self>, span: Span) -> Result<ByteStream> {
        if span.end > self.stat.size || span.start > span.end {
            return Err(StoreError::new(StoreErrorKind::Internal, "SFTP: reading beyond the end of a file"));
        }
        // Requests in flight are kept if they begin where this range begins.
        if self.asked.front().is_none_or(|asked| asked.offset != span.start) {
            self.asked.clear();
            self.next = span.start;
        }
        self.asked.retain(|asked| asked.offset < span.end);
        self.next = self.asked.back().map_or(span.start, |last| last.offset + last.length as u64);
        self.end = span.end;
        // Some servers open the file only when the first bytes are requested.
        let first = self.piece().await.map_err(|failure| failure.during("reading a file"))?;
        let pieces = stream::try_unfold((self, first), |(mut reading, first)| async move {
            let piece = match first {
                Some(first) => Ok(Some(first)),
                None => reading.piece().await,
            };
            match piece {
                Ok(Some(bytes)) => Ok(Some((bytes, (reading, None)))),
                Ok(None) => Ok(None),
                Err(failure) => Err(failure.during("reading a file")),
            }
        });
        Ok(Box::pin(pieces))
    }
}
