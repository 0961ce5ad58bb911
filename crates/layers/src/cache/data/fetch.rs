//! One reading of the storage that any number of readers follow.
//!
//! It goes on as the furthest of them does and a little ahead, passes on what comes at once, keeps each block that is whole, and
//! remembers what has passed for those who are slower: a little always, and all that they still need as long as there is spare
//! memory. Whoever finds nothing there asks the storage again, which may hold another version by then. It ends with its last reader.
//!
//! It is a task of its own: were a reader to do it for the others, one whose client takes nothing would hold up all.

use super::{
    block::{BLOCK, BlockName, Version},
    blocks::Blocks,
    spare::{Spare, Spared},
};
use crate::{
    cache::{entries::lock, flights::again},
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
/// How much is remembered in any case, with what is ahead.
const WINDOW: u64 = AHEAD + 2 * BLOCK;

/// The fetches that go on, by version.
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
    state: Mutex<State>,
    moved: Notify,
    /// The furthest place that anybody waits for.
    wanted: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    opened: bool,
    /// From `from` to `to`, in order.
    frames: VecDeque<Bytes>,
    from: u64,
    to: u64,
    ended: Option<Ended>,
    /// Where each reader is.
    readers: HashMap<u64, u64>,
    next_reader: u64,
    /// Memory for what is remembered beyond the window.
    spared: Spared,
}

/// One reader's hold on a fetch.
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

/// Lets nobody wait for a fetch that came to no end of its own.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        let given_up = || Ended::Failed(Arc::new(StoreError::new(StoreErrorKind::Internal, "a reading was given up")));
        self.0.change(|state| {
            state.ended.get_or_insert_with(given_up);
        });
    }
}

/// What a fetch has at a place.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// It has gone past, or does not come there.
    Gone,
    Changed,
}

impl Fetches {
    pub(super) fn new(blocks: Arc<Blocks>, spare: Arc<Spare>) -> Arc<Self> {
        Arc::new(Self { going_on: Mutex::default(), blocks, spare })
    }

    /// Somebody's fetch that comes by these blocks soon, or a new one of them, followed from block `number` on. `None`: that block has
    /// come.
    pub(super) fn follow(self: &Arc<Self>, below: &Arc<dyn Store>, version: &Arc<Version>, number: u64, last: u64) -> Option<Following> {
        // Let go when the lock is: the last one to let go of a fetch takes the lock.
        let alive: Vec<Arc<Fetch>>;
        let mut fetches = lock(&self.going_on);
        let of_version = fetches.entry(version.clone()).or_default();
        of_version.retain(|fetch| fetch.strong_count() > 0);
        alive = of_version.iter().filter_map(Weak::upgrade).collect();
        let start = version.span(number).start;
        if let Some(fetch) = alive.iter().find(|fetch| fetch.comes_by(number, last)) {
            return Some(fetch.follow(start));
        }
        // A fetch keeps a block before it ends: what ended between the caller's look and this one has left it.
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

    /// A fetch has no readers any more.
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
    fn begin(fetches: Arc<Fetches>, below: Arc<dyn Store>, version: Arc<Version>, first: u64, last: u64) -> Arc<Self> {
        let span = Span { start: version.span(first).start, end: version.span(last).end };
        let state = State {
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

    /// Whether a reader of these blocks had better follow than ask for himself.
    pub(super) fn comes_by(&self, first: u64, last: u64) -> bool {
        let (at, end) = (self.shared.version.span(first).start, self.shared.version.span(last).end);
        let state = lock(&self.shared.state);
        state.ended.is_none() && at >= state.from && end <= self.shared.span.end && at <= state.to + AHEAD
    }

    /// Serves a reader who is at `at`, or comes there.
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
                Some(Ended::Failed(error)) => Some(Err(again(error))),
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
                    Some(Ended::Failed(error)) => Some(Err(again(error))),
                    Some(Ended::Whole) => Some(Ok(Piece::Gone)),
                    None => None,
                }
            })
            .await
    }
}

impl Following {
    /// Until the storage has answered. `false`: it is of another version.
    pub(super) async fn opened(&self) -> Result<bool> {
        self.fetch.opened().await
    }

    /// What there is from `at` on, as soon as there is anything.
    pub(super) async fn read(&self, at: u64) -> Result<Piece> {
        self.is_at(at);
        self.fetch.read(at).await
    }

    /// Where its reader comes to it.
    pub(super) fn begin(&self) -> u64 {
        self.begin
    }

    /// Whether its reader finds this block there.
    pub(super) fn comes_by(&self, number: u64) -> bool {
        (self.begin..self.fetch.shared.span.end).contains(&self.fetch.shared.version.span(number).start)
    }

    /// What lies before `at` is needed no more.
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
        // Its weak references are dead by now.
        self.fetches.forget(&self.shared.version);
    }
}

impl State {
    fn piece(&self, at: u64) -> Piece {
        let mut start = self.from;
        for frame in &self.frames {
            let end = start + frame.len() as u64;
            if at < end {
                // Inside of a frame that is in memory.
                return Piece::Bytes(frame.slice((at - start) as usize..));
            }
            start = end;
        }
        Piece::Gone
    }
}

impl Shared {
    async fn wait<T>(&self, look: impl Fn(&State) -> Option<T>) -> T {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Before looking, so that nothing that happens in between is missed.
            moved.as_mut().enable();
            if let Some(found) = look(&lock(&self.state)) {
                return found;
            }
            moved.await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
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
        let selection = if whole { Selection::Whole } else { Selection::Range(ByteRange::FromTo(start, end - 1)) };
        let reply = match below.get(self.version.key.current(), GetRequest { selection, ..Default::default() }).await {
            // It has become shorter.
            Err(error) if matches!(error.kind(), StoreErrorKind::InvalidRange { .. }) => return Ok(Ended::Changed),
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
            // The sender is ours.
            let _ = wanted.wait_for(|wanted| at <= wanted + AHEAD).await;
            let Some(frame) = body.next().await.transpose()? else { return Err(cut()) };
            at += frame.len() as u64;
            if at > end {
                return Err(StoreError::new(StoreErrorKind::Internal, "the storage sent more than was asked for"));
            }
            self.gather(blocks, &mut block, &mut number, &frame);
            self.change(|state| state.pass(frame));
        }
        Ok(Ended::Whole)
    }

    /// Keeps every block that is whole with this frame.
    fn gather(&self, blocks: &Blocks, block: &mut BytesMut, number: &mut u64, frame: &Bytes) {
        let mut rest = &frame[..];
        while !rest.is_empty() {
            let name = BlockName { version: self.version.clone(), number: *number };
            // A block is no longer than fits in memory.
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

impl State {
    fn pass(&mut self, frame: Bytes) {
        self.to += frame.len() as u64;
        self.frames.push_back(frame);
        self.trim();
    }

    /// Forgets what nobody needs, and what there is no memory for.
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
        // Less than there was, which is always to be had.
        self.spared.become_of((self.to - self.from).saturating_sub(WINDOW));
    }
}

fn cut() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the storage's reply ended early")
}
