//! One body to several replicas: it is read once, digested once, and passed on without being copied.
//!
//! Invariants:
//! - no replica can publish anything before the body is verified and its turn has come ([`Leg::release`]):
//!   until then, the last bytes of a long body and all bytes of a short one are held back;
//! - the body is read at the pace of as many replicas as the write needs; a replica that falls too far behind
//!   them is dropped from the write, and gets the object later from the others;
//! - a leg holds at most [`BEHIND`] bytes, and except for one grace period no replica waits for a leg that is
//!   full.

use super::{member::too_few, pace::Pace};
use crate::{
    model::ChecksumAlgorithm,
    store::{
        Result,
        condition::WriteConditions,
        payload::{
            Announced, AnnouncedChecksum, Arrived, BodySource, Digests, Payload, PayloadError, Verified,
        },
    },
};
use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::sync::Notify;

/// How much is read at once.
const BATCH: usize = 128 << 10;
/// How many bytes a replica that the write needs may still have to take while reading continues.
const AHEAD: usize = 1 << 20;
/// How many bytes any replica may be behind.
const BEHIND: usize = 8 << 20;
/// How long the whole body may wait once for a replica that falls that far behind.
const GRACE: Duration = Duration::from_millis(250);
/// Bodies up to this size are short: they are digested where they are read, and held until they are complete.
pub(super) const SMALL: u64 = 64 << 10;

/// The checksum that S3 computes when a client names none.
const DEFAULT_CHECKSUM: ChecksumAlgorithm = ChecksumAlgorithm::Crc64Nvme;

/// A body in progress.
pub(super) struct Broadcast {
    pub(super) legs: Vec<Arc<Leg>>,
    shared: Arc<Notify>,
    length: Option<u64>,
    checksum: ChecksumAlgorithm,
    /// The end of the body received so far.
    last: VecDeque<Bytes>,
    grace: Duration,
}

/// A complete body whose last bytes no replica has yet.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    last: VecDeque<Bytes>,
    pub(super) verified: Verified,
}

/// The queue of bytes to one replica.
pub(super) struct Leg {
    state: Mutex<LegState>,
    /// Notifies that bytes were taken, or that the leg is over.
    room: Arc<Notify>,
    changed: Notify,
    pace: Arc<Pace>,
}

#[derive(Default)]
struct LegState {
    frames: VecDeque<Bytes>,
    waiting: usize,
    begun: bool,
    end: Option<std::result::Result<Arrived, PayloadError>>,
    /// The replica takes no more bytes.
    over: bool,
    /// Another change of the key was decided before this body's turn. The body is still read at the pace of
    /// the others, because it may still be answered.
    gave_way: bool,
    waker: Option<Waker>,
}

impl Broadcast {
    /// Makes a leg for each replica that is to have the body. `checksum` is computed if the client chose
    /// none.
    pub(super) fn new(
        payload: &Payload,
        to: impl Iterator<Item = Arc<Pace>>,
        checksum: Option<ChecksumAlgorithm>,
    ) -> Self {
        let shared = Arc::new(Notify::new());
        let leg = |pace| {
            Arc::new(Leg { state: Mutex::default(), room: shared.clone(), changed: Notify::new(), pace })
        };
        Self {
            legs: to.map(leg).collect(),
            shared: shared.clone(),
            length: payload.length(),
            checksum: payload.checksum_algorithm().or(checksum).unwrap_or(DEFAULT_CHECKSUM),
            last: VecDeque::new(),
            grace: GRACE,
        }
    }

    /// Returns the payload for the replica at the end of `leg`.
    pub(super) fn payload(&self, leg: &Arc<Leg>) -> Payload {
        let announced = Announced {
            length: self.length,
            checksum: AnnouncedChecksum::Algorithm(self.checksum),
            ..Default::default()
        };
        Payload::foretold(LegSource { leg: leg.clone(), arrived: None }, announced)
    }

    /// Reads the body to its end. Waits for at least `needed` legs.
    pub(super) async fn send(mut self, mut payload: Payload, needed: usize) -> Result<Ended> {
        // One batch is digested while the next one arrives.
        let mut digests: BoxFuture<'_, Result<Digests>> =
            Box::pin(ready(Ok(payload.digests(Some(self.checksum)))));
        let mut read = 0;
        while let Some(batch) = payload.read(BATCH).await? {
            self.last.extend(batch.iter().cloned());
            read += batch.iter().map(|frame| frame.len() as u64).sum::<u64>();
            while read > SMALL && self.last.len() > 1 {
                let Some(before) = self.last.pop_front() else { break };
                self.legs.iter().for_each(|leg| leg.push(before.clone()));
            }
            let mut digested = digests.await?;
            if read <= SMALL {
                batch.iter().for_each(|frame| digested.update(frame));
                digests = Box::pin(ready(Ok(digested)));
            } else {
                digests = Box::pin(digested.absorb(batch));
                self.room(needed).await?;
            }
        }
        if read > BEHIND as u64 && needed < self.legs.len() {
            // A leg within its bounds may still have taken nothing: only one that is at most `AHEAD` behind
            // keeps up.
            self.legs
                .iter()
                .filter(|leg| leg.waiting().is_some_and(|waiting| waiting <= AHEAD))
                .for_each(|leg| leg.pace.note(true));
        }
        Ok(Ended { last: self.last, verified: payload.verify(digests.await?)? })
    }

    /// Waits until enough legs have taken enough, and drops those that take too long.
    async fn room(&mut self, needed: usize) -> Result<()> {
        let begun = tokio::time::Instant::now();
        let patience = tokio::time::sleep(self.grace);
        tokio::pin!(patience);
        loop {
            // The waiter is registered before the check, so that no change is missed.
            let changed = self.shared.notified();
            let waiting: Vec<usize> = self.legs.iter().filter_map(|leg| leg.waiting()).collect();
            if waiting.len() < needed {
                return Err(too_few(waiting.len(), needed));
            }
            let ready = waiting.iter().filter(|waiting| **waiting <= AHEAD).count();
            let behind =
                || self.legs.iter().filter(|leg| leg.waiting().is_some_and(|waiting| waiting >= BEHIND));
            if ready >= needed && behind().next().is_none() {
                self.grace = self.grace.saturating_sub(begun.elapsed());
                return Ok(());
            }
            let is_hopeful = behind().any(|leg| leg.pace.keeps_up());
            if ready >= needed && (!is_hopeful || self.grace.is_zero() || patience.is_elapsed()) {
                for leg in behind() {
                    leg.pace.note(false);
                    leg.fail(PayloadError::Source);
                }
                self.grace = self.grace.saturating_sub(begun.elapsed());
                return Ok(());
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = &mut patience, if ready >= needed && !patience.is_elapsed() => {}
            }
        }
    }
}

impl Leg {
    /// Resolves when the leg has bytes to send; `false` means that it never will.
    pub(super) async fn begun(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            {
                let state = self.state();
                if state.begun || state.end.is_some() {
                    return state.begun;
                }
            }
            changed.await;
        }
    }

    /// Resolves when the last bytes may be sent; `false` means that they never may.
    pub(super) async fn ended(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            if let Some(end) = &self.state().end {
                return end.is_ok();
            }
            changed.await;
        }
    }

    /// Releases the last bytes, the digests of the whole body, and its conditions if they were not known
    /// before.
    pub(super) fn release(&self, ended: &Ended, conditions: Option<WriteConditions>) {
        let mut state = self.state();
        if state.end.is_none() {
            state.frames.extend(ended.last.iter().cloned());
            state.begun = true;
            state.end = Some(Ok(Arrived { conditions, ..ended.verified.clone().into() }));
        }
        drop(state);
        self.wake();
    }

    pub(super) fn fail(&self, error: PayloadError) {
        let mut state = self.state();
        if state.end.is_none() {
            state.end = Some(Err(error));
            state.over = true;
            state.frames.clear();
        }
        drop(state);
        self.wake();
    }

    /// Withdraws a body that is being sent, so that the storage releases the key.
    pub(super) fn give_way(&self) {
        self.state().gave_way = true;
        self.fail(PayloadError::Source);
    }

    pub(super) fn has_given_way(&self) -> bool {
        self.state().gave_way
    }

    fn push(&self, frame: Bytes) {
        let mut state = self.state();
        if state.end.is_none() && !state.over {
            state.waiting += frame.len();
            state.begun = true;
            state.frames.push_back(frame);
            drop(state);
            self.wake();
        }
    }

    /// Returns the number of bytes that wait in this leg; `None` if the replica takes no more.
    fn waiting(&self) -> Option<usize> {
        let state = self.state();
        if state.gave_way { Some(0) } else { (!state.over).then_some(state.waiting) }
    }

    fn wake(&self) {
        let waker = self.state().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
        self.changed.notify_waiters();
        self.room.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, LegState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leg").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

impl Ended {
    /// Returns whether part of the body was already sent.
    pub(super) fn is_under_way(&self) -> bool {
        self.verified.size() > self.last.iter().map(|frame| frame.len() as u64).sum::<u64>()
    }

    /// Makes a payload of a body of which nothing was sent yet; it can be made several times.
    pub(super) fn payload(&self) -> Payload {
        let checksum = self
            .verified
            .checksum()
            .map_or(AnnouncedChecksum::None, |sum| AnnouncedChecksum::Algorithm(sum.algorithm()));
        let announced = Announced { length: Some(self.verified.size()), checksum, ..Default::default() };
        Payload::foretold(Whole { frames: self.last.clone(), verified: self.verified.clone() }, announced)
    }
}

struct Whole {
    frames: VecDeque<Bytes>,
    verified: Verified,
}

impl BodySource for Whole {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Bytes, PayloadError>>> {
        Poll::Ready(self.frames.pop_front().map(Ok))
    }

    fn foretold(&self) -> Option<Arrived> {
        Some(self.verified.clone().into())
    }
}

struct LegSource {
    leg: Arc<Leg>,
    arrived: Option<Arrived>,
}

impl BodySource for LegSource {
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Bytes, PayloadError>>> {
        let leg = self.leg.clone();
        let mut state = leg.state();
        if let Some(frame) = state.frames.pop_front() {
            state.waiting = state.waiting.saturating_sub(frame.len());
            drop(state);
            leg.room.notify_waiters();
            return Poll::Ready(Some(Ok(frame)));
        }
        match &state.end {
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(Ok(arrived)) => {
                self.arrived = Some(arrived.clone());
                Poll::Ready(None)
            }
            Some(Err(error)) => Poll::Ready(Some(Err(*error))),
        }
    }

    fn foretold(&self) -> Option<Arrived> {
        self.arrived.clone()
    }
}

impl Drop for LegSource {
    fn drop(&mut self) {
        self.leg.state().over = true;
        self.leg.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use tokio::time::Instant;

    const LONG: usize = 3 * BEHIND + 1;

    /// Measures how long a body takes to two legs, one of which is never read from.
    async fn past_one_that_stands_still(length: usize, pace: &Arc<Pace>) -> Duration {
        let sizes = std::iter::once(length % BATCH).chain(std::iter::repeat_n(BATCH, length / BATCH));
        let frames = futures_util::stream::iter(sizes).map(|size| Ok(Bytes::from(vec![0; size])));
        let body = Payload::from_stream(frames, Default::default());
        let broadcast = Broadcast::new(&body, [Arc::default(), pace.clone()].into_iter(), None);
        let legs = broadcast.legs.clone();
        let (mut read, stands_still) = (broadcast.payload(&legs[0]), broadcast.payload(&legs[1]));
        let reading = tokio::spawn(async move {
            let mut sum = 0;
            while let Ok(Some(batch)) = read.read(BATCH).await {
                sum += batch.iter().map(Bytes::len).sum::<usize>();
            }
            sum
        });
        let begun = Instant::now();
        let ended = broadcast.send(body, 1).await.expect("arrives");
        let took = begun.elapsed();
        legs[0].release(&ended, None);
        assert_eq!(reading.await.expect("ends"), length);
        assert_eq!(legs[1].waiting().is_none(), length >= LONG, "whether it was left behind");
        drop(stands_still);
        took
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_stands_still_is_waited_for_once() {
        let pace = Arc::default();
        assert!(past_one_that_stands_still(LONG, &pace).await >= GRACE);
        // A leg with a body slightly longer than its bound holds all of it except the end, which no replica
        // has yet.
        for length in [LONG, BEHIND + 1, LONG] {
            assert_eq!(past_one_that_stands_still(length, &pace).await, Duration::ZERO, "{length}");
        }
    }
}
