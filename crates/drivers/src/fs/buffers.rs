//! Reads a file in chunks, into buffers that are used again: fresh ones would cost one page fault per 4 KiB.
//!
//! Owns reading for a GET, and what of a file the kernel has in memory. Does not own finding the file, nor how
//! a region gets to a socket.
//!
//! Invariant: a thread that serves requests reads only what the kernel has in memory; what a disk has to bring
//! is read on the blocking pool.

use crate::model::Span;
use crate::store::{
    ByteStream, ObjectBody, Result,
    error::StoreError,
    file_body::{FileBody, Piece, PieceStream, Region},
};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use rustix::{
    fd::{AsFd, OwnedFd},
    io::ReadWriteFlags,
};
use std::{
    fs::File,
    io::IoSliceMut,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, PoisonError},
};

/// The size of one read and of one write to the socket: large enough to make the calls cheap, small enough to
/// stay in the CPU's cache.
pub(super) const CHUNK: usize = 128 * 1024;
/// Bodies up to this size are copied: two calls of the system cost more than the copy.
const COPIED: u64 = 16 * 1024;
/// The size of one region: large enough that looking for its pages costs little of sending it.
const REGION: u64 = 1024 * 1024;
/// The distance between the pages of a region that are looked for. The kernel reads ahead and forgets in runs
/// that are seldom shorter.
const STRIDE: u64 = 128 * 1024;
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
    /// Returns the body of a span if the kernel has its beginning in memory: a short span as bytes, a longer one
    /// as a file. It never waits for the disk, and gives the file back if it would have to.
    pub(super) fn read_cached(
        self: &Arc<Self>,
        file: OwnedFd,
        span: Span,
    ) -> std::result::Result<ObjectBody, OwnedFd> {
        if span.len() > COPIED {
            let window = window(span);
            return match has(&file, window) {
                true => {
                    let rest =
                        Rest { file: Arc::new(file.into()), span, found: window.end, buffers: self.clone() };
                    Ok(ObjectBody::File(Box::new(Opened { first: None, rest })))
                }
                false => Err(file),
            };
        }
        let mut bytes = vec![0; usize::try_from(span.len()).unwrap_or_default()];
        match read_now(&file, &mut bytes, span.start) {
            true => Ok(ObjectBody::Full(bytes.into())),
            false => Err(file),
        }
    }

    /// Returns the next bytes of `span`, at most a chunk. A file that ends early is an error: another program
    /// truncated it while it was read.
    fn read(self: &Arc<Self>, file: &File, span: Span) -> Result<Bytes> {
        self.filled(span, |bytes| {
            file.read_exact_at(bytes, span.start).map_err(|error| StoreError::io("reading an object", error))
        })
    }

    /// Like `read`, if the kernel has the bytes in memory.
    fn read_if_cached(self: &Arc<Self>, file: &File, span: Span) -> Option<Bytes> {
        let fill = |bytes: &mut [u8]| if read_now(file, bytes, span.start) { Ok(()) } else { Err(()) };
        self.filled(span, fill).ok()
    }

    /// The first chunk of a span, which `fill` reads.
    fn filled<E>(
        self: &Arc<Self>,
        span: Span,
        fill: impl FnOnce(&mut [u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<Bytes, E> {
        let length = usize::try_from(span.len()).unwrap_or(CHUNK).min(CHUNK);
        if length <= CHUNK / 8 {
            let mut bytes = vec![0; length];
            fill(&mut bytes)?;
            return Ok(bytes.into());
        }
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer =
            Buffer { bytes: kept.unwrap_or_else(|| vec![0; CHUNK].into()), length, home: self.clone() };
        fill(&mut buffer.bytes[..length])?;
        Ok(Bytes::from_owner(buffer))
    }

    /// Begins to read; the call may block. A short span is read here, and of a longer one the first chunk.
    pub(super) fn body(self: &Arc<Self>, file: OwnedFd, span: Span) -> Result<ObjectBody> {
        if span.is_empty() {
            return Ok(ObjectBody::Full(Bytes::new()));
        }
        let file = File::from(file);
        let first = self.read(&file, span)?;
        if span.len() <= COPIED {
            return Ok(ObjectBody::Full(first));
        }
        let span = Span { start: span.start + first.len() as u64, end: span.end };
        let rest = Rest { file: Arc::new(file), span, found: span.start, buffers: self.clone() };
        Ok(ObjectBody::File(Box::new(Opened { first: Some(first), rest })))
    }
}

/// An open file, of which something is to be sent.
struct Opened {
    /// What was read already.
    first: Option<Bytes>,
    rest: Rest,
}

struct Rest {
    file: Arc<File>,
    span: Span,
    /// The end of what was just found in memory.
    found: u64,
    buffers: Arc<Buffers>,
}

impl Rest {
    /// The next chunk, on this thread if the kernel has it.
    async fn next(&mut self) -> Result<Bytes> {
        let bytes = match self.buffers.read_if_cached(&self.file, self.span) {
            Some(bytes) => bytes,
            None => self.fetch().await?,
        };
        self.span.start += bytes.len() as u64;
        Ok(bytes)
    }

    /// The next region that the kernel has in memory, or else a chunk.
    async fn next_piece(&mut self) -> Result<Piece> {
        let span = window(self.span);
        if span.end <= self.found || has(&self.file, span) {
            self.span.start = span.end;
            return Ok(Piece::Region(Region { file: self.file.clone(), span }));
        }
        let bytes = self.fetch().await?;
        self.span.start += bytes.len() as u64;
        Ok(Piece::Bytes(bytes))
    }

    async fn fetch(&self) -> Result<Bytes> {
        let (buffers, file, span) = (self.buffers.clone(), self.file.clone(), self.span);
        super::blocking(move || buffers.read(&file, span)).await
    }
}

impl FileBody for Opened {
    fn into_stream(self: Box<Self>) -> ByteStream {
        let Self { first, rest } = *self;
        Box::pin(try_unfold((first, rest), |(first, mut rest)| async move {
            let bytes = match first {
                Some(bytes) => bytes,
                None if rest.span.is_empty() => return Ok(None),
                None => rest.next().await?,
            };
            Ok(Some((bytes, (None, rest))))
        }))
    }

    fn into_pieces(self: Box<Self>) -> PieceStream {
        let Self { first, rest } = *self;
        Box::pin(try_unfold((first, rest), |(first, mut rest)| async move {
            let piece = match first {
                Some(bytes) => Piece::Bytes(bytes),
                None if rest.span.is_empty() => return Ok(None),
                None => rest.next_piece().await?,
            };
            Ok(Some((piece, (None, rest))))
        }))
    }
}

/// The part of a span that is sent next as a region.
fn window(span: Span) -> Span {
    Span { start: span.start, end: span.end.min(span.start + REGION) }
}

/// Whether the kernel has a span in memory, as far as one byte of each stride tells.
fn has(file: impl AsFd, span: Span) -> bool {
    let last = span.end.saturating_sub(1);
    (span.start..last).step_by(STRIDE as usize).chain([last]).all(|at| read_now(file.as_fd(), &mut [0], at))
}

/// Fills a buffer from a file if the kernel has all of it in memory. A file system that cannot tell has nothing.
fn read_now(file: impl AsFd, buffer: &mut [u8], at: u64) -> bool {
    let length = buffer.len();
    let read = rustix::io::preadv2(file, &mut [IoSliceMut::new(buffer)], at, ReadWriteFlags::NOWAIT);
    read.is_ok_and(|read| read == length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt;
    use std::io::Write;

    /// A file of this many bytes, whose content tells where each is.
    fn file(length: usize) -> (File, Vec<u8>) {
        let bytes: Vec<u8> =
            (0..length / 4 + 1).flat_map(|word| (word as u32).to_le_bytes()).take(length).collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("is written");
        (file, bytes)
    }

    async fn streamed(body: ObjectBody) -> Vec<u8> {
        body.into_stream().try_collect::<Vec<_>>().await.expect("comes").concat()
    }

    async fn pieces(body: ObjectBody) -> Vec<Piece> {
        match body {
            ObjectBody::File(file) => file.into_pieces().try_collect().await.expect("comes"),
            body => vec![Piece::Bytes(streamed(body).await.into())],
        }
    }

    fn content(piece: &Piece) -> Vec<u8> {
        match piece {
            Piece::Bytes(bytes) => bytes.to_vec(),
            Piece::Region(Region { file, span }) => {
                let mut bytes = vec![0; span.len() as usize];
                file.read_exact_at(&mut bytes, span.start).expect("is read");
                bytes
            }
        }
    }

    #[tokio::test]
    async fn any_span_is_the_same_as_bytes_and_as_pieces() {
        let (file, bytes) = file(2 * REGION as usize + 4321);
        let end = bytes.len() as u64;
        let buffers = Arc::<Buffers>::default();
        let near = |at: u64| [at - 1, at, at + 1];
        let ends = [1, 2]
            .into_iter()
            .chain([COPIED, STRIDE, REGION, 2 * REGION].into_iter().flat_map(near))
            .chain([end]);
        for start in [0, 1, COPIED, REGION - 1] {
            for end in ends.clone().filter(|end| *end > start) {
                let (span, expected) = (Span { start, end }, &bytes[start as usize..end as usize]);
                let copy = || OwnedFd::from(file.try_clone().expect("a descriptor"));
                let read = |body: Result<ObjectBody>| body.expect("opens");
                assert_eq!(streamed(read(buffers.body(copy(), span))).await, expected, "{span:?}");
                let found: Vec<u8> =
                    pieces(read(buffers.body(copy(), span))).await.iter().flat_map(content).collect();
                assert_eq!(found, expected, "{span:?}");
                if let Ok(body) = buffers.read_cached(copy(), span) {
                    assert_eq!(streamed(body).await, expected, "{span:?}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_ends_with_an_error() {
        let (file, _) = file(1 << 20);
        let body = Arc::<Buffers>::default()
            .body(file.try_clone().expect("a descriptor").into(), Span::whole(1 << 20));
        file.set_len(1 << 19).expect("is truncated");
        let mut pieces = match body.expect("opens") {
            ObjectBody::File(file) => file.into_pieces(),
            _ => panic!("it is long"),
        };
        let mut sent = 0;
        let error = loop {
            match pieces.try_next().await {
                Ok(piece) => sent += content(&piece.expect("an error before the end")).len(),
                Err(error) => break error,
            }
        };
        assert!(sent <= 1 << 19, "{sent}");
        assert!(error.to_string().contains("reading an object"), "{error}");
    }
}
