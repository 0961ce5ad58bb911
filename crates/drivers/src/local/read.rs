//! Reading one object: the open file is the object that the reader began with.
//!
//! A program that writes into a file that is being read changes it under the reader. That is noticed at the
//! end, by the time and the size of the file, and the stream fails.

use super::{
    LocalStore,
    facts::{self, Facts},
    names::Names,
    root::{Missing, is_absent},
};
use crate::{
    model::{ObjectInfo, ObjectKey},
    store::{
        ByteStream, GetReply, GetRequest, ObjectBody, Result,
        condition::ReadConditions,
        error::{StoreError, StoreErrorKind},
        selection::select,
    },
};
use bytes::Bytes;
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, Mode, OFlags},
    io::Errno,
};
use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

/// How many bytes are read at once. A body of at most this size is in memory when the reply is made.
const PIECE: u64 = 256 << 10;

impl LocalStore {
    /// Looks at the disk: it is for threads that may block.
    pub(super) fn look(&self, key: &ObjectKey) -> Result<ObjectInfo> {
        let names = Names::of(key)?;
        let Some(name) = &names.file else {
            return self.folder(key, &names).and_then(|folder| self.of_folder(key, &folder));
        };
        let folder = self.folder(key, &names)?;
        let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(|error| self.failed("reading", key, error))?;
        Facts::of(&stat).map(|facts| facts.info()).ok_or_else(no_such_key)
    }

    /// Opens an object and reads its beginning: it is for threads that may block.
    pub(super) fn open(&self, key: &ObjectKey, request: &GetRequest) -> Result<GetReply> {
        let names = Names::of(key)?;
        let folder = self.folder(key, &names)?;
        let Some(name) = &names.file else {
            let info = self.of_folder(key, &folder)?;
            checked(&info, &request.conditions)?;
            let span = select(&info, request.selection)?;
            return Ok(GetReply { info, span, body: ObjectBody::Full(Bytes::new()) });
        };
        let (file, facts) = self.open_in(key, &folder, name)?;
        let info = facts.info();
        checked(&info, &request.conditions)?;
        let span = select(&info, request.selection)?;
        let reader = Reader { file: Arc::new(file), facts, at: span.start, end: span.end };
        let body = if span.len() <= PIECE {
            let (bytes, _) = reader.piece().map_err(|error| self.failed("reading", key, error))?;
            ObjectBody::Full(bytes)
        } else {
            ObjectBody::Stream(reader.stream(self.clone(), key.clone()))
        };
        Ok(GetReply { info, span, body })
    }

    /// Opens the file of an object: it is for threads that may block.
    pub(super) fn open_file(&self, key: &ObjectKey) -> Result<(File, Facts)> {
        let names = Names::of(key)?;
        let name = names.file.as_ref().ok_or_else(no_such_key)?;
        self.open_in(key, &self.folder(key, &names)?, name)
    }

    fn open_in(&self, key: &ObjectKey, folder: &OwnedFd, name: &str) -> Result<(File, Facts)> {
        // Opening a pipe must not wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(folder, name, flags, Mode::empty());
        let file = file.map_err(|error| self.failed("opening", key, error))?;
        let stat = rustix::fs::fstat(&file).map_err(|error| self.failed("reading", key, error))?;
        Ok((file.into(), Facts::of(&stat).ok_or_else(no_such_key)?))
    }

    pub(super) fn folder(&self, key: &ObjectKey, names: &Names) -> Result<OwnedFd> {
        let opened = self.0.root.folder(&names.folders, Missing::AnError);
        opened.map_err(|error| self.failed("opening", key, error))
    }

    fn of_folder(&self, key: &ObjectKey, folder: &OwnedFd) -> Result<ObjectInfo> {
        let stat = rustix::fs::fstat(folder).map_err(|error| self.failed("reading", key, error))?;
        Ok(facts::of_folder(&stat))
    }

    /// The error of an entry. A missing one is no object.
    pub(super) fn failed(&self, what: &str, key: &ObjectKey, error: impl Into<io::Error>) -> StoreError {
        let error = error.into();
        let path = self.0.root.path().join(key.as_str());
        match Errno::from_io_error(&error) {
            _ if is_absent(&error) => no_such_key(),
            Some(Errno::LOOP) => StoreError::new(
                StoreErrorKind::AccessDenied,
                format!(
                    "{what} {}: it has a symbolic link in it, and links are not followed",
                    path.display()
                ),
            ),
            _ => StoreError::of_entry(format_args!("{what} {}", path.display()), error),
        }
    }
}

fn no_such_key() -> StoreError {
    StoreErrorKind::NoSuchKey.into()
}

pub(super) fn checked(info: &ObjectInfo, conditions: &ReadConditions) -> Result<()> {
    Ok(conditions.check(&info.etag, info.last_modified)?)
}

/// The rest of a body.
#[derive(Clone)]
struct Reader {
    file: Arc<File>,
    facts: Facts,
    at: u64,
    end: u64,
}

impl Reader {
    /// Reads the next piece. Once the end is reached, the file must be as it was when it was opened.
    fn piece(&self) -> io::Result<(Bytes, Self)> {
        let length = (self.end - self.at).min(PIECE);
        // At most `PIECE`, so the cast loses nothing.
        let mut bytes = vec![0; length as usize];
        let changed = || io::Error::other("the file changed while it was read");
        self.file.read_exact_at(&mut bytes, self.at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => changed(),
            _ => error,
        })?;
        let next = Self { at: self.at + length, ..self.clone() };
        if next.at == next.end && Facts::of(&rustix::fs::fstat(&*self.file)?).as_ref() != Some(&self.facts) {
            return Err(changed());
        }
        Ok((bytes.into(), next))
    }

    fn stream(self, store: LocalStore, key: ObjectKey) -> ByteStream {
        let step = move |reader: Self| {
            let (store, key) = (store.clone(), key.clone());
            async move {
                if reader.at == reader.end {
                    return Ok(None);
                }
                let read = blocking(move || {
                    reader.piece().map_err(|error| {
                        let path = store.0.root.path().join(key.as_str());
                        StoreError::new(StoreErrorKind::Broken, format!("reading {}", path.display()))
                            .with_source(error)
                    })
                });
                read.await.map(Some)
            }
        };
        Box::pin(futures_util::stream::try_unfold(self, step))
    }
}

/// Runs work that waits for the disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StoreError::new(StoreErrorKind::Internal, "a thread failed").with_source(error))?
}
