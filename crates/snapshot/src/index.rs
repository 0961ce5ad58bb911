//! Where each chunk is: the index files, and what is held of them in memory.
//!
//! Memory holds 28 bytes for each chunk: half of its identity, which suffices to tell it from all others. The
//! whole identity is compared when the chunk is read.
//!
//! Invariant: an index file names only packs that are stored.

use crate::{
    Result, SnapshotError, condemned,
    files::{Id, Kind, NAME, Name},
    pack::{Listed, ROW, Row, rows},
    repository::{Found, Repository},
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The part of an identity that is held.
type Half = [u8; 16];

fn half(id: &Id) -> Half {
    id.0.first_chunk().copied().unwrap_or_default()
}

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pack: u32,
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    half: Half,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Pack {
    pub(crate) name: Name,
    pub(crate) size: u32,
    /// It is to be deleted: nothing new may rely on it.
    pub(crate) is_condemned: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) packs: Vec<Pack>,
    /// Sorted, with the chunks of condemned packs behind others of the same identity.
    entries: Vec<Entry>,
    /// What came since, and is not sorted yet.
    recent: HashMap<Half, Place>,
    /// What the index was read from.
    pub(crate) files: BTreeSet<Name>,
    pub(crate) condemned: BTreeSet<Name>,
}

/// After so many new chunks they are sorted among the others.
const RECENT: usize = 64 << 10;

impl Index {
    /// Reads all index files. Condemned packs are known before the index is read: whoever deletes a pack
    /// removes it from the index first, and from the condemned ones last.
    pub(crate) async fn load(repository: &Repository) -> Result<Self> {
        // A file that is gone was replaced by another one since it was listed.
        for _ in 0..5 {
            let condemned = condemned::load(repository).await?;
            let packs: BTreeSet<Name> =
                condemned.iter().flat_map(|list| list.packs.iter().copied()).collect();
            let mut index =
                Self { condemned: condemned.iter().map(|list| list.name).collect(), ..Self::default() };
            let files = repository.list(Kind::Index).await?;
            index.files = files.iter().map(|file| file.name).collect();
            let mut is_whole = true;
            let mut known = HashSet::new();
            for file in files {
                match repository.read_sealed(Kind::Index, file.name).await? {
                    Some(contents) => {
                        for listed in parse(file.name, &contents)? {
                            index.add(&listed, packs.contains(&listed.name), &mut known);
                        }
                    }
                    None => is_whole = false,
                }
            }
            if is_whole {
                index.sort();
                return Ok(index);
            }
        }
        Err(SnapshotError::Pruned)
    }

    /// Like `load`, and lists the packs that are stored. Those that are not, or have another size, count as
    /// condemned: what they held is found elsewhere, if it is, and is stored again.
    pub(crate) async fn load_stored(repository: &Repository) -> Result<(Self, BTreeMap<Name, Found>)> {
        // In this order: an index names only packs that were stored before.
        let mut index = Self::load(repository).await?;
        let stored = repository.list(Kind::Pack).await?;
        let stored: BTreeMap<_, _> = stored.into_iter().map(|found| (found.name, found)).collect();
        for pack in &mut index.packs {
            let is_whole = stored.get(&pack.name).is_some_and(|found| found.size == u64::from(pack.size));
            pack.is_condemned |= !is_whole;
        }
        index.sort();
        Ok((index, stored))
    }

    /// Adds a pack. One that several index files name is added once.
    fn add(&mut self, listed: &Listed, is_condemned: bool, known: &mut HashSet<Name>) {
        if !known.insert(listed.name) {
            return;
        }
        let pack = self.pack(listed.name, listed.size);
        self.packs[pack as usize].is_condemned = is_condemned;
        self.entries.extend(listed.rows.iter().map(|row| entry(pack, row)));
    }

    fn sort(&mut self) {
        let packs = &self.packs;
        self.entries.sort_unstable_by_key(|entry| {
            (entry.half, packs[entry.place.pack as usize].is_condemned, entry.place.pack, entry.place.offset)
        });
    }

    /// Returns the number of a new pack.
    pub(crate) fn pack(&mut self, name: Name, size: u32) -> u32 {
        self.packs.push(Pack { name, size, is_condemned: false });
        (self.packs.len() - 1) as u32
    }

    pub(crate) fn insert(&mut self, pack: u32, row: &Row) {
        self.recent.insert(half(&row.id), entry(pack, row).place);
        if self.recent.len() >= RECENT {
            let recent = self.recent.drain().map(|(half, place)| Entry { half, place });
            self.entries.extend(recent);
            self.sort();
        }
    }

    /// Returns where a chunk is, if possible in a pack that stays.
    pub(crate) fn find(&self, id: &Id) -> Option<Place> {
        let half = half(id);
        self.recent.get(&half).copied().or_else(|| self.position(id).map(|at| self.entries[at].place))
    }

    /// Returns where a chunk is in a pack that stays.
    pub(crate) fn find_lasting(&self, id: &Id) -> Option<Place> {
        self.find(id).filter(|place| !self.packs[place.pack as usize].is_condemned)
    }

    /// Returns the number of the entry that `find` uses, among those that were read.
    pub(crate) fn position(&self, id: &Id) -> Option<usize> {
        let half = half(id);
        let at = self.entries.partition_point(|entry| entry.half < half);
        (self.entries.get(at)?.half == half).then_some(at)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn place(&self, at: usize) -> Place {
        self.entries[at].place
    }

    /// Returns the packs that are not condemned.
    pub(crate) fn lasting(&self) -> BTreeSet<Name> {
        self.packs.iter().filter(|pack| !pack.is_condemned).map(|pack| pack.name).collect()
    }
}

fn entry(pack: u32, row: &Row) -> Entry {
    Entry { half: half(&row.id), place: Place { pack, offset: row.offset, length: row.length } }
}

/// Writes an index file. All packs are stored already.
pub(crate) async fn write(repository: &Repository, packs: &[Listed]) -> Result<Name> {
    let mut contents = Vec::new();
    for pack in packs {
        contents.extend_from_slice(&pack.name.0);
        contents.extend_from_slice(&pack.size.to_le_bytes());
        contents.extend_from_slice(&(pack.rows.len() as u32).to_le_bytes());
        pack.rows.iter().for_each(|row| row.write(&mut contents));
    }
    repository.write_sealed(Kind::Index, &contents).await
}

/// Returns the packs of an index file.
pub(crate) fn parse(file: Name, mut contents: &[u8]) -> Result<Vec<Listed>> {
    let broken = || SnapshotError::Damaged { file: Kind::Index.path(&file), why: "it is not made of packs" };
    let mut packs = Vec::new();
    while !contents.is_empty() {
        let (name, rest) = contents.split_first_chunk::<NAME>().ok_or_else(broken)?;
        let (size, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
        let (count, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
        let length = u32::from_le_bytes(*count) as usize * ROW;
        let (table, rest) = rest.split_at_checked(length).ok_or_else(broken)?;
        let rows = rows(table).ok_or_else(broken)?;
        packs.push(Listed { name: Name(*name), size: u32::from_le_bytes(*size), rows });
        contents = rest;
    }
    Ok(packs)
}
