//! The requests to a server, one function each. Paths are in the form that is sent to the server.

use super::{
    failure::Failure,
    packet::{self, Name, Reply, Request},
    pool::Lease,
    session::{Answer, Session},
};
use crate::backend::tree::files::Stat;
use bytes::Bytes;

type Result<T> = std::result::Result<T, Failure>;

pub(super) fn done(reply: Reply) -> Result<()> {
    match reply {
        Reply::Done => Ok(()),
        _ => Err(packet::unexpected()),
    }
}

pub(super) fn stat(reply: Reply) -> Result<Stat> {
    match reply {
        Reply::Attributes(attributes) => attributes.stat().ok_or_else(|| {
            Failure::Refused("the server does not say what is a file and what a folder".to_owned())
        }),
        _ => Err(packet::unexpected()),
    }
}

/// Returns the names of a reply; `None` at the end of the listing.
pub(super) fn names(reply: Reply) -> Result<Option<Vec<Name>>> {
    match reply {
        Reply::Names(names) => Ok(Some(names)),
        Reply::End => Ok(None),
        _ => Err(packet::unexpected()),
    }
}

/// Returns the bytes of a reply; `None` at the end of the file.
pub(super) fn data(reply: Reply) -> Result<Option<Bytes>> {
    match reply {
        Reply::Data(bytes) => Ok(Some(bytes)),
        Reply::End => Ok(None),
        _ => Err(packet::unexpected()),
    }
}

/// Converts the result of a lookup: a path whose name the server cannot store does not exist.
pub(super) fn present<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Missing | Failure::BadName) => Ok(None),
        Err(failure) => Err(failure),
    }
}

impl Session {
    /// Returns the entry at a path, without following a link.
    pub(super) async fn lstat(&self, path: &[u8]) -> Result<Option<Stat>> {
        present(self.call(Request::new(packet::LSTAT).text(path)).await.and_then(stat))
    }

    pub(super) async fn remove(&self, path: &[u8]) -> Result<()> {
        self.call(Request::new(packet::REMOVE).text(path)).await.and_then(done)
    }

    pub(super) async fn remove_folder(&self, path: &[u8]) -> Result<()> {
        self.call(Request::new(packet::RMDIR).text(path)).await.and_then(done)
    }

    pub(super) async fn make_folder(&self, path: &[u8]) -> Result<()> {
        self.call(Request::new(packet::MKDIR).text(path).plain()).await.and_then(done)
    }

    /// Renames a file. Servers that follow the protocol refuse a name that is taken.
    pub(super) async fn rename(&self, from: &[u8], to: &[u8]) -> Result<()> {
        self.call(Request::new(packet::RENAME).text(from).text(to)).await.and_then(done)
    }

    /// Renames a file and replaces the one that has the name, in one step.
    pub(super) async fn replace(&self, from: &[u8], to: &[u8]) -> Result<()> {
        self.call(Request::extended("posix-rename@openssh.com").text(from).text(to)).await.and_then(done)
    }

    /// Gives a file a second name. It fails if the name is taken.
    pub(super) async fn link(&self, from: &[u8], to: &[u8]) -> Result<()> {
        self.call(Request::extended("hardlink@openssh.com").text(from).text(to)).await.and_then(done)
    }

    pub(super) async fn set_modified(&self, path: &[u8], seconds: u32) -> Result<()> {
        self.call(Request::new(packet::SETSTAT).text(path).modified(seconds)).await.and_then(done)
    }

    /// Returns whether the file system has no room for `bytes` or for another file: version 3 has no error
    /// code for that.
    pub(super) async fn is_full(&self, path: &[u8], bytes: u64) -> bool {
        if !self.features.statvfs {
            return false;
        }
        let reply = self.call(Request::extended("statvfs@openssh.com").text(path)).await;
        let Ok(Reply::Extended(numbers)) = reply else { return false };
        let Ok([_, fragment, _, _, available, files, _, free_files, ..]) = packet::longs::<11>(numbers)
        else {
            return false;
        };
        fragment.saturating_mul(available) < bytes.max(1) || (files > 0 && free_files == 0)
    }
}

/// An open file or folder. It is closed at the latest when it is dropped.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) lease: Lease,
    handle: Bytes,
    is_closed: bool,
}

impl Open {
    pub(super) async fn file(lease: Lease, path: &[u8], flags: u32) -> Result<Self> {
        Self::with(lease, Request::new(packet::OPEN).text(path).number(flags).plain()).await
    }

    pub(super) async fn folder(lease: Lease, path: &[u8]) -> Result<Self> {
        Self::with(lease, Request::new(packet::OPENDIR).text(path)).await
    }

    async fn with(lease: Lease, request: Request) -> Result<Self> {
        match lease.call(request).await? {
            Reply::Handle(handle) => Ok(Self { lease, handle, is_closed: false }),
            _ => Err(packet::unexpected()),
        }
    }

    pub(super) fn handle(&self) -> &[u8] {
        &self.handle
    }

    pub(super) fn reading(&self, offset: u64, length: usize) -> Request {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        Request::new(packet::READ).text(&self.handle).long(offset).number(length)
    }

    pub(super) async fn write(&self, offset: u64, bytes: Bytes) -> Result<Answer> {
        self.lease.send(Request::new(packet::WRITE).text(&self.handle).long(offset).data(bytes)).await
    }

    pub(super) async fn names(&self) -> Result<Answer> {
        self.lease.send(Request::new(packet::READDIR).text(&self.handle)).await
    }

    pub(super) async fn stat_later(&self) -> Result<Answer> {
        self.lease.send(Request::new(packet::FSTAT).text(&self.handle)).await
    }

    pub(super) async fn stat(&self) -> Result<Stat> {
        self.stat_later().await?.await.and_then(stat)
    }

    pub(super) async fn cut(&self, size: u64) -> Result<()> {
        self.lease.call(Request::new(packet::FSETSTAT).text(&self.handle).sized(size)).await.and_then(done)
    }

    /// Flushes the file to stable storage, if the server supports it.
    pub(super) async fn sync(&self) -> Result<()> {
        if !self.lease.features.fsync {
            return Ok(());
        }
        self.lease.call_long(Request::extended("fsync@openssh.com").text(&self.handle)).await.and_then(done)
    }

    /// Copies bytes of another open file of the same session.
    pub(super) async fn copy_from(&self, from: &[u8], offset: u64, length: u64) -> Result<()> {
        let request = Request::extended("copy-data")
            .text(from)
            .long(offset)
            .long(length)
            .text(&self.handle)
            .long(offset);
        self.lease.call_long(request).await.and_then(done)
    }

    pub(super) async fn close(mut self) -> Result<()> {
        self.is_closed = true;
        self.lease.call(Request::new(packet::CLOSE).text(&self.handle)).await.and_then(done)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.is_closed {
            self.lease.send_later(Request::new(packet::CLOSE).text(&self.handle));
        }
    }
}
