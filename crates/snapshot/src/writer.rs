//! Storing chunks: each one once, gathered in packs, which are uploaded while the next one is filled.
//!
//! Invariants: an index file is written only after its packs were acknowledged. Memory holds one pack that is
//! filled for each stream, and `UPLOADS` that are on their way.

use crate::{
    Result, SnapshotError,
    files::{Id, Kind},
    index::{self, Index},
    pack::{Filling, Listed},
    repository::Repository,
};
use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::{sync::Mutex, task::JoinSet};

/// Which packs a chunk goes to. What is read together is stored together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Bytes of objects.
    Data,
    /// Lists of objects, and of the chunks of large objects.
    Lists,
}

const UPLOADS: usize = 2;
/// An index file is written when so many chunks wait for it, so that a killed run stores little again.
const ROWS: usize = 16 << 10;

pub(crate) type SharedIndex = Arc<RwLock<Index>>;

pub(crate) struct Writer {
    repository: Arc<Repository>,
    index: SharedIndex,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    data: Option<Pack>,
    lists: Option<Pack>,
    uploads: JoinSet<Result<Listed>>,
    /// Packs that are stored, and in no index file yet.
    stored: Vec<Listed>,
    /// Packs that this run relies on.
    used: HashSet<u32>,
    bytes: u64,
}

struct Pack {
    number: u32,
    filling: Filling,
}

impl Writer {
    pub(crate) fn new(repository: Arc<Repository>, index: SharedIndex) -> Self {
        Self { repository, index, state: Mutex::default() }
    }

    /// Stores a chunk, unless a pack that stays has it.
    pub(crate) async fn put(&self, stream: Stream, bytes: &[u8]) -> Result<Id> {
        let id = self.repository.keys.id(bytes);
        let mut state = self.state.lock().await;
        if self.relies_on(&mut state, &id) {
            return Ok(id);
        }
        let is_full = {
            let slot = state.slot(stream);
            let pack = match slot {
                Some(pack) => pack,
                None => {
                    let filling = Filling::begin(&self.repository.keys)?;
                    let number = self.write_index(|index| index.pack(filling.name(), 0));
                    slot.insert(Pack { number, filling })
                }
            };
            let row = pack.filling.push(id, bytes)?;
            self.write_index(|index| index.insert(pack.number, &row));
            let number = pack.number;
            let is_full = pack.filling.is_full();
            state.used.insert(number);
            is_full
        };
        if is_full {
            self.send(&mut state, stream).await?;
        }
        Ok(id)
    }

    /// Returns whether packs that stay have all of these chunks. The run relies on these packs then.
    pub(crate) async fn has_all<'i>(&self, ids: impl IntoIterator<Item = &'i Id>) -> bool {
        let mut state = self.state.lock().await;
        ids.into_iter().all(|id| self.relies_on(&mut state, id))
    }

    fn relies_on(&self, state: &mut State, id: &Id) -> bool {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        match index.find_lasting(id) {
            Some(place) => {
                state.used.insert(place.pack);
                true
            }
            None => false,
        }
    }

    fn write_index<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Begins to upload the pack of a stream.
    async fn send(&self, state: &mut State, stream: Stream) -> Result<()> {
        while state.uploads.len() >= UPLOADS {
            self.receive(state).await?;
        }
        let Some(pack) = state.slot(stream).take() else { return Ok(()) };
        let (listed, bytes) = pack.filling.end()?;
        state.bytes += bytes.len() as u64;
        self.write_index(|index| index.packs[pack.number as usize].size = listed.size);
        let repository = self.repository.clone();
        state.uploads.spawn(async move {
            repository.write(Kind::Pack, &listed.name, bytes).await?;
            Ok(listed)
        });
        Ok(())
    }

    /// Waits for an upload.
    async fn receive(&self, state: &mut State) -> Result<()> {
        let Some(done) = state.uploads.join_next().await else { return Ok(()) };
        state.stored.push(done.map_err(SnapshotError::Task)??);
        if state.stored.iter().map(|pack| pack.rows.len()).sum::<usize>() >= ROWS {
            self.list_stored(state).await?;
        }
        Ok(())
    }

    async fn list_stored(&self, state: &mut State) -> Result<()> {
        if !state.stored.is_empty() {
            index::write(&self.repository, &state.stored).await?;
            state.stored.clear();
        }
        Ok(())
    }

    /// Stores everything that waits, and lists it in an index file. Returns how many bytes of packs this run
    /// has stored.
    pub(crate) async fn finish(&self) -> Result<u64> {
        let mut state = self.state.lock().await;
        for stream in [Stream::Data, Stream::Lists] {
            self.send(&mut state, stream).await?;
        }
        while !state.uploads.is_empty() {
            self.receive(&mut state).await?;
        }
        self.list_stored(&mut state).await?;
        Ok(state.bytes)
    }

    /// Fails if a pack that this run relies on was condemned or deleted meanwhile.
    pub(crate) async fn confirm(&self) -> Result<()> {
        let state = self.state.lock().await;
        let names = |kind| async move {
            let found = self.repository.list(kind).await?;
            Ok::<_, SnapshotError>(
                found.into_iter().map(|file| file.name).collect::<std::collections::BTreeSet<_>>(),
            )
        };
        // In this order: see `Index::load`.
        let condemned = names(Kind::Condemned).await?;
        let files = names(Kind::Index).await?;
        let used: Vec<_> = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            if condemned == index.condemned && index.files.is_subset(&files) {
                return Ok(());
            }
            state.used.iter().map(|number| index.packs[*number as usize].name).collect()
        };
        let lasting = Index::load(&self.repository).await?.lasting();
        if used.iter().all(|name| lasting.contains(name)) { Ok(()) } else { Err(SnapshotError::Pruned) }
    }
}

impl State {
    fn slot(&mut self, stream: Stream) -> &mut Option<Pack> {
        match stream {
            Stream::Data => &mut self.data,
            Stream::Lists => &mut self.lists,
        }
    }
}
