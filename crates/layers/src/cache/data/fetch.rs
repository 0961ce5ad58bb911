//! One read of the storage that is shared by any number of readers.
//!
//! A fetch reads a little ahead of its furthest reader, passes bytes on as they arrive, and keeps each
//! complete block. It remembers bytes that have passed for slower readers: always a small window, and
//! everything that they still need while there is spare memory. A reader that does not find its bytes there
//! asks the storage again, which may hold another version by then. A fetch ends with its last reader.
//!
//! A fetch is a task of its own: if one reader fetched for the others, a client that reads nothing would
//! block them all.

use super::{
    block::{BLOCK, BlockName, Version},
    blocks::Blocks,
    spare::{Spare, Spared},
};
use crate::{
    cache::entries::lock,
    model::{ByteRange, Span},
    store::{
        GetRequest, Result, Selection, Store,
        error::{StoreError, StoreErrorKind},
    },
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, Weak},
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How far the storage is read ahead of the furthest reader.
const AHEAD: u64 = 2 * BLOCK;
/// How much is always remembered, including what was read ahead.
const WINDOW: u64 = AHEAD + 2 * BLOCK;

/// The fetches in progress, by version.
#[derive(Debug)]
pub(super) struct Fetches {
    going_on: Mutex<HashMap<Arc<Version>, Vec<Weak<Fetch>>>>,
    blocks: Arc<Blocks>,
    spare: Arc<Spare>,
}

#[derive(Debug)]
pub(super) struct Fetch {
    shared: Arc<Shared>,
    fetches: Arc<Fetches>,
    _end: DropGuard,
}

#[derive(Debug)]
struct Shared {
    version: Arc<Version>,
    span: Span,
    state: Mutex<FetchState>,
    moved: Notify,
    /// The furthest position that a reader waits for.
    wanted: watch::Sender<u64>,
}

#[derive(Debug)]
struct FetchState {
    opened: bool,
    /// The bytes from `from` to `to`, in order.
    frames: VecDeque<Bytes>,
    from: u64,
    to: u64,
    ended: Option<Ended>,
    /// The position of each reader.
    readers: HashMap<u64, u64>,
    next_reader: u64,
    /// Memory for the bytes that are remembered beyond the window.
    spared: Spared,
}

/// One reader's handle on a fetch.
#[derive(Debug)]
pub(super) struct Following {
    fetch: Arc<Fetch>,
    reader: u64,
    begin: u64,
}

#[derive(Debug, Clone)]
enum Ended {
    Whole,
    /// The storage holds another version, or none.
    Changed,
    Failed(Arc<StoreError>),
}

/// Wakes all waiters when a fetch is dropped before its end.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        let given_up =
            || Ended::Failed(Arc::new(StoreError::new(StoreErrorKind::Internal, "a reading was given up")));
        self.0.change(|state| {
            state.ended.get_or_insert_with(given_up);
        });
    }
}

/// What a fetch returns at a position.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// The fetch has passed this position, or never reaches it.
    Gone,
    Changed,
}

impl Fetches {
    pub(super) fn new(blocks: Arc<Blocks>, spare: Arc<Spare>) -> Arc<Self> {
        Arc::new(Self { going_on: Mutex::default(), blocks, spare })
    }

    /// Joins a fetch that reaches these blocks soon, or starts a new one for them, from block `number` on.
    /// Returns `None` if that block has arrived in the cache meanwhile.
    pub(super) fn follow(
        self: &Arc<Self>,
        below: &Arc<dyn Store>,
        version: &Arc<Version>,
        number: u64,
        last: u64,
    ) -> Option<Following> {
        // Dropped after the lock is released: dropping the last handle on a fetch takes the lock.
        let alive: Vec<Arc<Fetch>>;
        let mut fetches = lock(&self.going_on);
        let of_version = fetches.entry(version.clone()).or_default();
        of_version.retain(|fetch| fetch.strong_count() > 0);
        alive = of_version.iter().filter_map(Weak::upgrade).collect();
        let start = version.span(number).start;
        if let Some(fetch) = alive.iter().find(|fetch| fetch.comes_by(number, last)) {
            return Some(fetch.follow(start));
        }
        // A fetch keeps a block before it ends: a fetch that ended between the caller's check and this one
        // has left the block in the cache.
        if self.blocks.has(&BlockName { version: version.clone(), number }) {
            if of_version.is_empty() {
                fetches.remove(version);
            }
            return None;
        }
        let fetch = Fetch::begin(self.clone(), below.clone(), version.clone(), number, last);
        of_version.push(Arc::downgrade(&fetch));
        Some(fetch.follow(start))
    }

    /// Removes a fetch that has no readers any more.
    fn forget(&self, version: &Arc<Version>) {
        let mut fetches = lock(&self.going_on);
        if let Some(of_version) = fetches.get_mut(version) {
            of_version.retain(|fetch| fetch.strong_count() > 0);
            if of_version.is_empty() {
                fetches.remove(version);
            }
        }
    }
}

impl Fetch {
    fn begin(
        fetches: Arc<Fetches>,
        below: Arc<dyn Store>,
        version: Arc<Version>,
        first: u64,
        last: u64,
    ) -> Arc<Self> {
        let span = Span { start: version.span(first).start, end: version.span(last).end };
        let state = FetchState {
            opened: false,
            frames: VecDeque::new(),
            from: span.start,
            to: span.start,
            ended: None,
            readers: HashMap::new(),
            next_reader: 0,
            spared: Spared::nothing(&fetches.spare),
        };
        let (wanted, moved) = (watch::Sender::new(span.start), Notify::new());
        let shared = Arc::new(Shared { version, span, state: Mutex::new(state), moved, wanted });
        let end = CancellationToken::new();
        let work = shared.clone().run(fetches.blocks.clone(), below);
        tokio::spawn(end.clone().run_until_cancelled_owned(work));
        Arc::new(Self { shared, fetches, _end: end.drop_guard() })
    }

    /// Returns whether a reader of these blocks should join this fetch rather than ask the storage itself.
    pub(super) fn comes_by(&self, first: u64, last: u64) -> bool {
        let (at, end) = (self.shared.version.span(first).start, self.shared.version.span(last).end);
        let state = lock(&self.shared.state);
        state.ended.is_none() && at >= state.from && end <= self.shared.span.end && at <= state.to + AHEAD
    }

    /// Adds a reader at position `at`, or one that will reach it.
    pub(super) fn follow(self: &Arc<Self>, at: u64) -> Following {
        let mut state = lock(&self.shared.state);
        let reader = state.next_reader;
        state.next_reader += 1;
        state.readers.insert(reader, at);
        Following { fetch: self.clone(), reader, begin: at }
    }

    async fn opened(&self) -> Result<bool> {
        self.shared
            .wait(|state| match &state.ended {
                _ if state.opened => Some(Ok(true)),
                Some(Ended::Changed) => Some(Ok(false)),
                Some(Ended::Failed(error)) => Some(Err(error.again())),
                Some(Ended::Whole) => Some(Ok(true)),
                None => None,
            })
            .await
    }

    async fn read(&self, at: u64) -> Result<Piece> {
        self.shared.wanted.send_if_modified(|wanted| {
            let further = at > *wanted;
            *wanted = at.max(*wanted);
            further
        });
        self.shared
            .wait(|state| {
                if at < state.from || at >= self.shared.span.end {
                    return Some(Ok(Piece::Gone));
                }
                if at < state.to {
                    return Some(Ok(state.piece(at)));
                }
                match &state.ended {
                    Some(Ended::Changed) => Some(Ok(Piece::Changed)),
                    Some(Ended::Failed(error)) => Some(Err(error.again())),
                    Some(Ended::Whole) => Some(Ok(Piece::Gone)),
                    None => None,
                }
            })
            .await
    }
}

impl Following {
    /// Waits until the storage has answered. Returns `false` if it holds another version.
    pub(super) async fn opened(&self) -> Result<bool> {
        self.fetch.opened().await
    }

    /// Returns the bytes from `at` on, as soon as there are any.
    pub(super) async fn read(&self, at: u64) -> Result<Piece> {
        self.is_at(at);
        self.fetch.read(at).await
    }

    /// Returns the position at which a reader would join.
    pub(super) fn begin(&self) -> u64 {
        self.begin
    }

    /// Returns whether a reader of this fetch will find this block.
    pub(super) fn comes_by(&self, number: u64) -> bool {
        (self.begin..self.fetch.shared.span.end).contains(&self.fetch.shared.version.span(number).start)
    }

    /// Reports that the reader no longer needs the bytes before `at`.
    pub(super) fn is_at(&self, at: u64) {
        let mut state = lock(&self.fetch.shared.state);
        state.readers.insert(self.reader, at);
        state.trim();
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut state = lock(&self.fetch.shared.state);
        state.readers.remove(&self.reader);
        state.trim();
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        // The weak references to this fetch are already dead here.
        self.fetches.forget(&self.shared.version);
    }
}

impl FetchState {
    fn piece(&self, at: u64) -> Piece {
        let mut start = self.from;
        for frame in &self.frames {
            let end = start + frame.len() as u64;
            if at < end {
                // The position lies inside a frame that is in memory.
                return Piece::Bytes(frame.slice((at - start) as usize..));
            }
            start = end;
        }
        Piece::Gone
    }
}

impl Shared {
    async fn wait<T>(&self, look: impl Fn(&FetchState) -> Option<T>) -> T {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // The waiter is registered before the check, so that no change in between is missed.
            moved.as_mut().enable();
            if let Some(found) = look(&lock(&self.state)) {
                return found;
            }
            moved.await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut FetchState)) {
        change(&mut lock(&self.state));
        self.moved.notify_waiters();
    }

    async fn run(self: Arc<Self>, blocks: Arc<Blocks>, below: Arc<dyn Store>) {
        let _ending = Ending(self.clone());
        let ended = match self.fetch(&blocks, &*below).await {
            Ok(ended) => ended,
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ended::Changed,
            Err(error) => Ended::Failed(Arc::new(error)),
        };
        self.change(|state| state.ended = Some(ended));
    }

    async fn fetch(&self, blocks: &Blocks, below: &dyn Store) -> Result<Ended> {
        let Span { start, end } = self.span;
        let whole = start == 0 && end == self.version.size;
        let selection =
            if whole { Selection::Whole } else { Selection::Range(ByteRange::FromTo(start, end - 1)) };
        let reply =
            match below.get(self.version.key.current(), GetRequest { selection, ..Default::default() }).await
            {
                // The object has become shorter.
                Err(error) if matches!(error.kind(), StoreErrorKind::InvalidRange { .. }) => {
                    return Ok(Ended::Changed);
                }
                reply => reply?,
            };
        if !self.version.is(&reply.info) || reply.span != self.span {
            return Ok(Ended::Changed);
        }
        self.change(|state| state.opened = true);
        let mut body = reply.body.into_stream();
        let (mut block, mut number, mut at) = (BytesMut::new(), start / BLOCK, start);
        let mut wanted = self.wanted.subscribe();
        while at < end {
            // This object holds the sender, so waiting cannot fail.
            let _ = wanted.wait_for(|wanted| at <= wanted + AHEAD).await;
            let Some(frame) = body.next().await.transpose()? else { return Err(cut()) };
            at += frame.len() as u64;
            if at > end {
                return Err(StoreError::new(
                    StoreErrorKind::Internal,
                    "the storage sent more than was asked for",
                ));
            }
            self.gather(blocks, &mut block, &mut number, &frame);
            self.change(|state| state.pass(frame));
        }
        Ok(Ended::Whole)
    }

    /// Keeps every block that this frame completes.
    fn gather(&self, blocks: &Blocks, block: &mut BytesMut, number: &mut u64, frame: &Bytes) {
        let mut rest = &frame[..];
        while !rest.is_empty() {
            let name = BlockName { version: self.version.clone(), number: *number };
            // The conversion cannot fail: a block is 1 MiB at most.
            let missing = name.len() as usize - block.len();
            if block.is_empty() {
                block.reserve(missing);
            }
            let (here, beyond) = rest.split_at(missing.min(rest.len()));
            block.extend_from_slice(here);
            rest = beyond;
            if here.len() == missing {
                blocks.keep(name, block.split().freeze());
                *number += 1;
            }
        }
    }
}

impl FetchState {
    fn pass(&mut self, frame: Bytes) {
        self.to += frame.len() as u64;
        self.frames.push_back(frame);
        self.trim();
    }

    /// Forgets bytes that no reader needs, and bytes for which there is no memory.
    fn trim(&mut self) {
        while let Some(first) = self.frames.front() {
            let next = self.from + first.len() as u64;
            if self.to - next < WINDOW {
                break;
            }
            let is_needed = self.readers.values().any(|at| *at < next);
            if is_needed && self.spared.become_of(self.to - self.from - WINDOW) {
                return;
            }
            self.from = next;
            self.frames.pop_front();
        }
        // The new size is smaller than the old one, so it is always granted.
        self.spared.become_of((self.to - self.from).saturating_sub(WINDOW));
    }
}

fn cut() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the storage's reply ended early")
}
