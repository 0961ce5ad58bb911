//! Files in the driver's own folder that are written at any offset: each part of an upload is written to its
//! offset in the whole object.

use super::{
    draft::{SftpDraft, explained, open_own},
    failure::Failure,
    packet::{FOR_READING, FOR_WRITING, MADE_IF_MISSING},
    reading::Reading,
    remote::Remote,
    requests::Open,
    writing::Writing,
};
use crate::{
    backend::tree::files::{Draft, OWN, Opened, Slot, Slots},
    model::Span,
    store::{ByteStream, Result},
};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct SftpSlots {
    pub(super) remote: Arc<Remote>,
}

pub(super) fn folder() -> String {
    format!("{OWN}/slots")
}

fn at(name: &str) -> String {
    format!("{OWN}/slots/{name}")
}

#[async_trait]
impl Slots for SftpSlots {
    async fn open(&self, name: &str) -> Result<Box<dyn Slot>> {
        let open = open_own(&self.remote, &at(name), FOR_WRITING | MADE_IF_MISSING).await?;
        Ok(Box::new(SftpSlot { remote: self.remote.clone(), writing: Writing::new(open) }))
    }

    async fn draft(&self, name: &str, size: u64) -> Result<Box<dyn Draft>> {
        let open = open_own(&self.remote, &at(name), FOR_WRITING).await?;
        let mut writing = Writing::new(open);
        let cut = async {
            writing.open.cut(size).await?;
            writing.seek(size).await
        };
        let cut = cut.await;
        explained(&self.remote, &writing, cut, 1).await?;
        Ok(Box::new(SftpDraft::of(self.remote.clone(), at(name), writing)))
    }

    async fn read(&self, name: &str, span: Span) -> Result<ByteStream> {
        let path = &self.remote.at(&at(name));
        let reading = self.remote.repeat("reading a part", |lease, _| async move {
            Reading::begin(Open::file(lease, path, FOR_READING).await?, Some(span)).await
        });
        Box::new(reading.await?.of_a_part()).read(span).await
    }

    async fn remove(&self, name: &str) -> Result<()> {
        let path = &self.remote.at(&at(name));
        let removed = self.remote.repeat("removing a part", |lease, _| async move {
            match lease.remove(path).await {
                Err(Failure::Missing) => Ok(()),
                removed => removed,
            }
        });
        removed.await
    }

    async fn names(&self) -> Result<Vec<String>> {
        let entries = super::listing::whole(&self.remote, &folder()).await?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }
}

struct SftpSlot {
    remote: Arc<Remote>,
    writing: Writing,
}

#[async_trait]
impl Slot for SftpSlot {
    async fn write(&mut self, offset: u64, bytes: Vec<Bytes>) -> Result<()> {
        let length: usize = bytes.iter().map(Bytes::len).sum();
        let written = match self.writing.seek(offset).await {
            Ok(()) => self.writing.write(bytes).await,
            failed => failed,
        };
        explained(&self.remote, &self.writing, written, length).await
    }

    async fn finish(mut self: Box<Self>) -> Result<()> {
        let settled = match self.writing.settle().await {
            Ok(()) => self.writing.open.sync().await,
            failed => failed,
        };
        explained(&self.remote, &self.writing, settled, 1).await?;
        self.writing.open.close().await.map_err(|failure| failure.during("writing a part"))
    }

    async fn abandon(self: Box<Self>) -> bool {
        // Servers process requests for one file in the order in which they were sent
        // (draft-ietf-secsh-filexfer-02, 6.1), so the earlier writes are done.
        self.writing.open.close().await.is_ok()
    }
}
