//! Bodies that are digested together: jobs, and the rounds in which they advance.
//!
//! Jobs are of unequal lengths. A round feeds all of them as many blocks as the one with the fewest has in a
//! row. Between rounds jobs end and others take their lanes. This module owns neither the queue nor threads.
//!
//! Invariant: a job whose bytes cannot be released, or whose caller cannot be woken, fails alone: it changes no
//! other job.

use crate::{
    kernel::{Block, Engine, WIDTH},
    md5::{Md5, feed_together},
};
use bytes::Bytes;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    vec::IntoIter,
};
use tokio::sync::oneshot;

/// The most blocks of a lane in a round: 16 KiB. A body that arrives waits for no longer than a round.
const ROUND: usize = 256;

/// An MD5, and the bytes that it has to be fed.
pub(crate) struct Job {
    pub(crate) id: u64,
    md5: Md5,
    pieces: IntoIter<Bytes>,
    /// How much of the first piece was fed.
    at: usize,
    reply: oneshot::Sender<Md5>,
}

impl Job {
    pub(crate) fn new(id: u64, md5: Md5, pieces: Vec<Bytes>, reply: oneshot::Sender<Md5>) -> Self {
        Self { id, md5, pieces: pieces.into_iter(), at: 0, reply }
    }

    /// Returns whether nobody waits for the result.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// Feeds what is not in whole blocks. Returns the number of whole blocks that come next, 0 at the end.
    fn advance(&mut self) -> usize {
        while let Some(piece) = self.pieces.as_slice().first() {
            let bytes = &piece[self.at..];
            let rest = self.md5.complete(bytes);
            self.at += bytes.len() - rest.len();
            let blocks = rest.len() / size_of::<Block>();
            if blocks > 0 {
                return blocks;
            }
            self.md5.keep(rest);
            self.at = 0;
            self.pieces.next();
        }
        0
    }
}

/// The jobs that are in lanes.
pub(crate) struct Batch {
    engine: Engine,
    jobs: Vec<Job>,
}

impl Batch {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine, jobs: Vec::with_capacity(WIDTH) }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.jobs.len() < WIDTH
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(crate) fn has(&self, id: u64) -> bool {
        self.jobs.iter().any(|job| job.id == id)
    }

    /// Puts a job into a free lane.
    pub(crate) fn push(&mut self, job: Job) {
        self.jobs.push(job);
    }

    /// Takes the jobs out of their lanes, as far as they are.
    pub(crate) fn take(&mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }

    /// Runs one round. Jobs that end are answered, and leave.
    pub(crate) fn round(&mut self) {
        let mut fewest = ROUND;
        let mut at = 0;
        while let Some(job) = self.jobs.get_mut(at) {
            match catch_unwind(AssertUnwindSafe(|| job.advance())) {
                Ok(blocks @ 1..) => {
                    fewest = fewest.min(blocks);
                    at += 1;
                }
                Ok(0) => answer(self.jobs.swap_remove(at)),
                Err(_) => discard(self.jobs.swap_remove(at)),
            }
        }
        self.feed(fewest);
    }

    /// Feeds each job `count` blocks. They lie in its first piece.
    fn feed(&mut self, count: usize) {
        let (mut lanes, mut blocks) = (Vec::with_capacity(WIDTH), Vec::with_capacity(WIDTH));
        for Job { md5, pieces, at, .. } in &mut self.jobs {
            if let Some(piece) = pieces.as_slice().first() {
                blocks.push(&piece[*at..].as_chunks().0[..count]);
                lanes.push(md5);
                *at += count * size_of::<Block>();
            }
        }
        feed_together(self.engine, &mut lanes, &blocks);
    }
}

/// Releases the bytes and sends the result. The owner of the bytes and the caller's waker are code of others:
/// their panics end here.
fn answer(job: Job) {
    let Job { md5, pieces, reply, .. } = job;
    let _ = catch_unwind(AssertUnwindSafe(move || {
        drop(pieces);
        reply.send(md5)
    }));
}

/// Drops a job without a result, so that its caller gets an error.
pub(crate) fn discard(job: Job) {
    let _ = catch_unwind(AssertUnwindSafe(move || drop(job)));
}
