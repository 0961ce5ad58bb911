//! Reads a file in chunks, into buffers that are used again: fresh ones would cost one page fault per 4 KiB.

use crate::model::Span;
use crate::store::{ByteStream, ObjectBody, Result, error::StoreError};
use bytes::Bytes;
use rustix::{fd::OwnedFd, io::ReadWriteFlags};
use std::{
    fs::File,
    io::IoSliceMut,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, PoisonError},
};

/// The size of one read and of one write to the socket: large enough to make the calls cheap, small enough to
/// stay in the CPU's cache.
pub(super) const CHUNK: usize = 128 * 1024;
/// The number of unused buffers that are kept (16 MiB). Buffers in use are bounded by the number of requests.
const KEPT: usize = 128;

#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Box<[u8]>>>);

struct Buffer {
    bytes: Box<[u8]>,
    length: usize,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut kept = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}

impl Buffers {
    /// Returns a short span if the page cache has all of it. It never waits for the disk.
    pub(super) fn read_cached(file: &OwnedFd, span: Span) -> Option<ObjectBody> {
        let length = usize::try_from(span.len()).ok().filter(|length| *length <= CHUNK / 2)?;
        let mut bytes = vec![0; length];
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let read = rustix::io::preadv2(file, &mut slices, span.start, ReadWriteFlags::NOWAIT).ok()?;
        (read == length).then(|| ObjectBody::Full(bytes.into()))
    }

    /// Returns the next bytes of `span`, at most a chunk. A file that ends early is an error: another program
    /// truncated it while it was read.
    fn read(self: &Arc<Self>, file: &File, span: Span) -> Result<Bytes> {
        let length = usize::try_from(span.len()).unwrap_or(CHUNK).min(CHUNK);
        let failed = |error| StoreError::io("reading an object", error);
        if length <= CHUNK / 8 {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, span.start).map_err(failed)?;
            return Ok(bytes.into());
        }
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer =
            Buffer { bytes: kept.unwrap_or_else(|| vec![0; CHUNK].into()), length, home: self.clone() };
        file.read_exact_at(&mut buffer.bytes[..length], span.start).map_err(failed)?;
        Ok(Bytes::from_owner(buffer))
    }

    /// Begins to read; the call may block. A span that fits one chunk is read here, a longer one becomes a
    /// stream.
    pub(super) fn body(self: &Arc<Self>, file: OwnedFd, span: Span) -> Result<ObjectBody> {
        if span.is_empty() {
            return Ok(ObjectBody::Full(Bytes::new()));
        }
        let file = File::from(file);
        let first = self.read(&file, span)?;
        let rest = Span { start: span.start + first.len() as u64, end: span.end };
        if rest.is_empty() {
            return Ok(ObjectBody::Full(first));
        }
        Ok(ObjectBody::Stream(self.stream(first, Arc::new(file), rest)))
    }

    fn stream(self: &Arc<Self>, first: Bytes, file: Arc<File>, rest: Span) -> ByteStream {
        let buffers = self.clone();
        let state = (Some(first), rest);
        Box::pin(futures_util::stream::try_unfold(state, move |(ready, span)| {
            let (file, buffers) = (file.clone(), buffers.clone());
            async move {
                if let Some(bytes) = ready {
                    return Ok(Some((bytes, (None, span))));
                }
                if span.is_empty() {
                    return Ok(None);
                }
                let bytes = super::blocking(move || buffers.read(&file, span)).await?;
                let rest = Span { start: span.start + bytes.len() as u64, end: span.end };
                Ok(Some((bytes, (None, rest))))
            }
        }))
    }
}
