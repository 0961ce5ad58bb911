//! Forgetting snapshots by rules, and removing what no snapshot needs.
//!
//! Packs are deleted in two phases. First a pack that is needed by nobody, or by half of its bytes at most, is
//! condemned; what is needed of it is copied to new packs before. A later run, when the grace is over,
//! looks again, and deletes the packs that are still needed by nobody.
//!
//! Invariants:
//! - nothing is deleted or condemned if any snapshot cannot be read as a whole;
//! - condemned lists are read before snapshots are: a snapshot that relies on a condemned pack was written
//!   before the list, and so is seen;
//! - packs that are younger than the grace stay: they may belong to a run that goes on;
//! - a pack leaves the index before it is deleted, and its condemned list goes last. A run that is killed in
//!   between leaves work for the next one;
//! - a run that takes longer than the grace deletes nothing.

use crate::{
    Result, SnapshotError,
    condemned::{self, Condemned},
    files::{Kind, Name},
    index::{self, Index},
    keep::Keep,
    model::Timestamp,
    pack::{self, Listed},
    reach::Reach,
    reader::Reader,
    record::Snapshot,
    repository::{Found, Repository},
    writer::{SharedIndex, Stream, Writer},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

/// A run that is not begun yet.
#[derive(Debug)]
pub struct Prune {
    pub repository: Arc<Repository>,
    /// `None`: all snapshots stay.
    pub keep: Option<Keep>,
    /// How long a pack stays that was condemned. No run on the repository may take longer. Zero: nothing else
    /// uses the repository, and packs are deleted at once.
    pub grace: Duration,
    pub now: Timestamp,
    /// Says what would be done, and changes nothing.
    pub dry_run: bool,
}

/// What a run has done.
#[derive(Debug, Default, PartialEq)]
pub struct Pruned {
    pub forgotten: Vec<Snapshot>,
    /// Packs that were condemned by this run, and their bytes.
    pub condemned: u64,
    pub condemned_bytes: u64,
    /// How many of them held something that is needed, which was copied.
    pub repacked: u64,
    /// Packs that were deleted, and their bytes.
    pub deleted: u64,
    pub deleted_bytes: u64,
    /// Bytes of packs that stay.
    pub kept_bytes: u64,
}

/// An index file is written for so many chunks.
const ROWS: usize = 16 << 10;

impl Prune {
    pub async fn run(self) -> Result<Pruned> {
        let begun = tokio::time::Instant::now();
        let repository = &self.repository;
        let mut lists = condemned::load(repository).await?;
        let snapshots = Snapshot::all(repository).await?;
        let forgotten = self.keep.map(|keep| keep.forgotten(&snapshots)).unwrap_or_default();
        if !self.dry_run {
            for snapshot in &forgotten {
                snapshot.forget(repository).await?;
            }
        }
        let names: BTreeSet<Name> = forgotten.iter().map(|snapshot| snapshot.name).collect();
        let mut sweep = Sweep::of(&self).await?;
        sweep.mark(snapshots.iter().filter(|snapshot| !names.contains(&snapshot.name))).await?;
        let mut pruned = Pruned { forgotten, ..Pruned::default() };
        lists.extend(sweep.condemn(&mut pruned).await?);
        if self.dry_run {
            return Ok(pruned);
        }
        let is_due = |list: &Condemned| self.now.millis() - list.since.millis() >= millis(self.grace);
        lists.retain(is_due);
        if self.grace > Duration::ZERO && begun.elapsed() >= self.grace {
            return Err(SnapshotError::TooLong(self.grace.as_secs() / 3600));
        }
        sweep.delete(&lists, &mut pruned).await?;
        Ok(pruned)
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

struct Sweep<'p> {
    prune: &'p Prune,
    index: SharedIndex,
    /// The packs that are stored.
    found: BTreeMap<Name, Found>,
    /// Packs that the index names, and that are not stored. Nothing in them is needed.
    absent: BTreeSet<Name>,
    /// Whether each entry of the index is needed.
    marks: Vec<bool>,
    /// How many bytes of each pack are needed.
    live: BTreeMap<Name, u64>,
    /// Packs of which this run has copied what is needed.
    repacked: BTreeSet<Name>,
}

fn read(index: &RwLock<Index>) -> RwLockReadGuard<'_, Index> {
    index.read().unwrap_or_else(PoisonError::into_inner)
}

impl<'p> Sweep<'p> {
    async fn of(prune: &'p Prune) -> Result<Self> {
        let (index, found) = Index::load_stored(&prune.repository).await?;
        let names = index.packs.iter().map(|pack| pack.name);
        let absent = names.filter(|name| !found.contains_key(name)).collect();
        Ok(Self {
            prune,
            index: Arc::new(RwLock::new(index)),
            found,
            absent,
            marks: Vec::new(),
            live: BTreeMap::new(),
            repacked: BTreeSet::new(),
        })
    }

    /// Finds out what the snapshots need.
    async fn mark(&mut self, snapshots: impl Iterator<Item = &Snapshot>) -> Result<()> {
        let reader = Reader::new(self.prune.repository.clone(), self.index.clone());
        let mut reach = Reach::new(self.index.clone(), Arc::new(reader));
        for snapshot in snapshots {
            reach.visit(snapshot).await?;
        }
        self.marks = reach.marks;
        let index = read(&self.index);
        for (at, _) in self.marks.iter().enumerate().filter(|(_, is_needed)| **is_needed) {
            let place = index.place(at);
            let pack = index.packs[place.pack as usize];
            if self.found.get(&pack.name).is_none_or(|found| found.size != u64::from(pack.size)) {
                let file = Kind::Pack.path(&pack.name);
                return Err(SnapshotError::Damaged { file, why: "it is missing, or has another size" });
            }
            *self.live.entry(pack.name).or_default() += u64::from(place.length);
        }
        Ok(())
    }

    /// Condemns packs of which nothing is needed, or little. What is needed is stored in other packs before.
    async fn condemn(&mut self, pruned: &mut Pruned) -> Result<Option<Condemned>> {
        let Prune { repository, now, grace, dry_run, .. } = self.prune;
        let condemned: BTreeSet<Name> = {
            let index = read(&self.index);
            index.packs.iter().filter(|pack| pack.is_condemned).map(|pack| pack.name).collect()
        };
        // Packs that no index names are condemned too, and may be in a list already.
        let lists = condemned::load(repository).await?;
        let listed: BTreeSet<Name> = lists.into_iter().flat_map(|list| list.packs).collect();
        let mut chosen = Vec::new();
        for (name, found) in &self.found {
            let live = self.live.get(name).copied().unwrap_or_default();
            let is_young = now.millis() - found.written.millis() < millis(*grace);
            let stays =
                condemned.contains(name) || listed.contains(name) || is_young && *grace > Duration::ZERO;
            if stays || live * 2 > found.size {
                pruned.kept_bytes += found.size;
                continue;
            }
            if live > 0 {
                self.repacked.insert(*name);
            }
            pruned.condemned_bytes += found.size;
            chosen.push(*name);
        }
        pruned.condemned = chosen.len() as u64;
        pruned.repacked = self.repacked.len() as u64;
        if chosen.is_empty() || *dry_run {
            return Ok(None);
        }
        pruned.kept_bytes += self.repack().await?;
        condemned::write(repository, *now, chosen).await.map(Some)
    }

    /// Stores what is needed of the chosen packs in new packs. Returns the bytes of these.
    async fn repack(&self) -> Result<u64> {
        let (repository, packs) = (&self.prune.repository, &self.repacked);
        let mut places = Vec::new();
        {
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            // So that the writer does not rely on them.
            let chosen = index.packs.iter_mut().filter(|pack| packs.contains(&pack.name));
            chosen.for_each(|pack| pack.is_condemned = true);
            let needed = self.marks.iter().enumerate().filter(|(_, is_needed)| **is_needed);
            places.extend(needed.map(|(at, _)| index.place(at)).filter_map(|place| {
                let name = index.packs[place.pack as usize].name;
                packs.contains(&name).then_some((name, place))
            }));
        }
        places.sort_unstable_by_key(|(name, place)| (*name, place.offset));
        let writer = Writer::new(repository.clone(), self.index.clone());
        for (name, place) in places {
            let sealed = repository.read_pack(&name, place.offset.into(), place.length.into()).await?;
            let sealed = sealed.ok_or_else(|| SnapshotError::Damaged {
                file: Kind::Pack.path(&name),
                why: "it is shorter than the index says",
            })?;
            let bytes = pack::open(&repository.keys, name, place.offset, sealed)?;
            writer.put(Stream::Data, &bytes).await?;
        }
        writer.finish().await
    }

    /// Deletes the packs of lists that are due, if nothing in them is needed.
    async fn delete(&self, due: &[Condemned], pruned: &mut Pruned) -> Result<()> {
        let repository = &self.prune.repository;
        // A list with packs that this run repacked is due only without a grace.
        let condemned = due.iter().flat_map(|list| list.packs.iter().copied());
        let gone: BTreeSet<Name> =
            condemned.filter(|name| !self.live.contains_key(name) || self.repacked.contains(name)).collect();
        let unlisted: BTreeSet<Name> = gone.union(&self.absent).copied().collect();
        if !unlisted.is_empty() {
            leave(repository, &unlisted).await?;
        }
        for name in &gone {
            repository.remove(Kind::Pack, name).await?;
            if let Some(found) = self.found.get(name) {
                pruned.deleted += 1;
                pruned.deleted_bytes += found.size;
            }
        }
        for list in due {
            repository.remove(Kind::Condemned, &list.name).await?;
        }
        Ok(())
    }
}

/// Writes the index again without these packs.
async fn leave(repository: &Repository, gone: &BTreeSet<Name>) -> Result<()> {
    let (mut packs, mut replaced): (Vec<Listed>, Vec<Name>) = (Vec::new(), Vec::new());
    for file in repository.list(Kind::Index).await? {
        let Some(contents) = repository.read_sealed(Kind::Index, file.name).await? else { continue };
        let listed = index::parse(file.name, &contents)?;
        if !listed.iter().any(|pack| gone.contains(&pack.name)) {
            continue;
        }
        packs.extend(listed.into_iter().filter(|pack| !gone.contains(&pack.name)));
        replaced.push(file.name);
        if packs.iter().map(|pack| pack.rows.len()).sum::<usize>() >= ROWS {
            replace(repository, &mut packs, &mut replaced).await?;
        }
    }
    replace(repository, &mut packs, &mut replaced).await
}

async fn replace(repository: &Repository, packs: &mut Vec<Listed>, replaced: &mut Vec<Name>) -> Result<()> {
    if !packs.is_empty() {
        index::write(repository, packs).await?;
        packs.clear();
    }
    for file in replaced.drain(..) {
        repository.remove(Kind::Index, &file).await?;
    }
    Ok(())
}
