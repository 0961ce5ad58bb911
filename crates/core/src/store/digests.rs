//! The running digests of one body.
//!
//! Owns on which thread each of them is computed: MD5, the most expensive one, together with other bodies
//! that arrive at the same time (`causeway-digest`), the others where the caller says. It does not own
//! the comparison with what was announced (`payload`).
//!
//! Invariant: a batch is digested completely before the next one begins.

use super::error::{StoreError, StoreErrorKind};
use crate::{
    digest::{Digester, Digesting, Md5, Turn},
    model::ChecksumHasher,
};
use bytes::Bytes;
use futures_util::future::Either;
use std::future::ready;
use tokio::runtime::{Handle, RuntimeFlavor};

/// The smallest batch that is digested together with others. A smaller one is done sooner than another thread
/// is woken.
const TOGETHER: usize = 16 * 1024;

/// The running digests of one body.
#[derive(Debug)]
pub struct Digests {
    pub(super) md5: Option<Md5>,
    pub(super) sha256: Option<ChecksumHasher>,
    pub(super) checksum: Option<ChecksumHasher>,
    pub(super) size: u64,
}

impl Digests {
    /// Returns digests of nothing but the length.
    pub(super) fn none() -> Self {
        Self { md5: None, sha256: None, checksum: None, size: 0 }
    }

    /// Like `update`, for a whole batch and off the reactor. The work begins at once, even if the future is
    /// not polled.
    ///
    /// A runtime of one thread digests in place: its work then has a fixed order, which a test with a paused
    /// clock can repeat.
    pub fn absorb(mut self, batch: Vec<Bytes>) -> impl Future<Output = Result<Self, StoreError>> + Send {
        if runs_on_one_thread() {
            batch.iter().for_each(|frame| self.update(frame));
            return Either::Left(ready(Ok(self)));
        }
        Either::Right(self.absorb_beside(batch, |_| Ok(())))
    }

    /// Like `absorb`, with work that is done with the batch on the same thread, which may block. The work is
    /// done to its end, even if the future is dropped.
    pub fn absorb_beside<W>(
        mut self,
        batch: Vec<Bytes>,
        work: W,
    ) -> impl Future<Output = Result<Self, StoreError>> + Send
    where
        W: FnOnce(&[Bytes]) -> Result<(), StoreError> + Send + 'static,
    {
        let submitted = if runs_on_one_thread() { None } else { self.submit(&batch) };
        let (turn, digesting) = submitted.unzip();
        let working = tokio::task::spawn_blocking(move || -> Result<Self, StoreError> {
            batch.iter().for_each(|frame| self.update(frame));
            work(&batch)?;
            if let Some(turn) = turn {
                turn.take();
            }
            Ok(self)
        });
        async move { working.await.map_err(failed)??.with(digesting).await }
    }

    /// Like `absorb`, for callers that have no other thread: where no other body is digested, this one is
    /// digested in place.
    pub async fn absorb_here(mut self, batch: &[Bytes]) -> Result<Self, StoreError> {
        let submitted = if runs_on_one_thread() { None } else { self.submit(batch) };
        let (turn, digesting) = submitted.unzip();
        batch.iter().for_each(|frame| self.update(frame));
        if let Some(turn) = turn {
            turn.take();
        }
        self.with(digesting).await
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        // The pieces are small: the second and third digest find the bytes in the L1 cache.
        for bite in bytes.chunks(16 * 1024) {
            if let Some(md5) = &mut self.md5 {
                md5.update(bite);
            }
            if let Some(hasher) = &mut self.sha256 {
                hasher.update(bite);
            }
            if let Some(hasher) = &mut self.checksum {
                hasher.update(bite);
            }
        }
    }

    /// Gives the MD5 to the digester, which feeds it the batch. `update` then computes the other digests alone.
    fn submit(&mut self, batch: &[Bytes]) -> Option<(Turn, Digesting)> {
        if batch.iter().map(Bytes::len).sum::<usize>() < TOGETHER {
            return None;
        }
        self.md5.take().map(|md5| Digester::of_process().submit(md5, batch.to_vec()))
    }

    /// Takes the MD5 back.
    async fn with(mut self, digesting: Option<Digesting>) -> Result<Self, StoreError> {
        if let Some(digesting) = digesting {
            self.md5 = Some(digesting.await.map_err(failed)?);
        }
        Ok(self)
    }
}

fn runs_on_one_thread() -> bool {
    matches!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::new(StoreErrorKind::Internal, "digesting a body failed").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::ChecksumAlgorithm,
        store::payload::{Announced, Payload, Verified},
    };
    use md5::Digest;

    /// The ways of a batch into the digests.
    #[derive(Debug, Clone, Copy)]
    enum Way {
        Absorbed,
        Beside,
        Here,
    }

    async fn verified(body: Vec<u8>, way: Way) -> Verified {
        let frames: Vec<_> = body.chunks(9_999).map(|frame| Ok(Bytes::copy_from_slice(frame))).collect();
        let mut payload = Payload::from_stream(futures_util::stream::iter(frames), Announced::default());
        let mut digests = payload.digests(Some(ChecksumAlgorithm::Sha256));
        while let Some(batch) = payload.read(50_000).await.expect("readable") {
            digests = match way {
                Way::Absorbed => digests.absorb(batch).await,
                Way::Beside => digests.absorb_beside(batch, |_| Ok(())).await,
                Way::Here => digests.absorb_here(&batch).await,
            }
            .expect("digested");
        }
        payload.verify(digests).expect("all of it")
    }

    fn body(seed: usize) -> Vec<u8> {
        (0..170_000 + seed).map(|at| (at.wrapping_mul(31) ^ seed) as u8).collect()
    }

    fn check(verified: &Verified, body: &[u8]) {
        assert_eq!(verified.md5(), <[u8; 16]>::from(md5::Md5::digest(body)));
        let sha256 = ring::digest::digest(&ring::digest::SHA256, body);
        assert_eq!(verified.checksum().map(|sum| sum.bytes().to_vec()), Some(sha256.as_ref().to_vec()));
        assert_eq!(verified.size(), body.len() as u64);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn bodies_that_are_digested_at_once_have_their_own_digests_whatever_the_way() {
        let ways = [Way::Absorbed, Way::Beside, Way::Here];
        let all: Vec<_> =
            (0..40).map(|n| (n, tokio::spawn(verified(body(n), ways[n % ways.len()])))).collect();
        for (n, verified) in all {
            check(&verified.await.expect("no panic"), &body(n));
        }
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_has_the_same_digests() {
        for way in [Way::Absorbed, Way::Beside, Way::Here] {
            check(&verified(body(3), way).await, &body(3));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_that_fails_fails_the_batch_and_no_other_body() {
        let payload = Payload::from_bytes(body(1));
        let broken = |_: &[Bytes]| Err(StoreError::new(StoreErrorKind::Unavailable, "the disk is full"));
        let failing = payload.digests(None).absorb_beside(vec![body(1).into()], broken);
        let other = tokio::spawn(verified(body(2), Way::Beside));
        assert_eq!(failing.await.err().map(|error| error.kind()), Some(StoreErrorKind::Unavailable));
        check(&other.await.expect("no panic"), &body(2));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_is_done_to_its_end_if_nobody_waits_for_it() {
        let (told, done) = tokio::sync::oneshot::channel();
        let payload = Payload::from_bytes(body(1));
        drop(payload.digests(None).absorb_beside(vec![body(1).into()], move |frames| {
            told.send(frames.len()).expect("the test listens");
            Ok(())
        }));
        assert_eq!(done.await, Ok(1));
    }
}
