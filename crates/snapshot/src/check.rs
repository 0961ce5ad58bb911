//! Whether a repository is whole.
//!
//! The structure is: each pack of the index is stored, has its size, and has a table that says what the index
//! says; each chunk that a snapshot needs is in such a pack. Reading the data is: each chunk of each pack
//! opens, and is the one that it should be.
//!
//! Nothing is changed. What is found is reported, and the check goes on.

use crate::{
    Result, SnapshotError,
    files::{Kind, Name},
    index::{self, Index},
    model::Chain,
    pack::{self, Listed},
    reach::Reach,
    reader::Reader,
    record::Snapshot,
    repository::{Found, Repository},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, RwLock},
};

/// What a check has found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    pub snapshots: u64,
    pub packs: u64,
    pub chunks: u64,
    pub bytes: u64,
    /// Packs that no index names: a killed run left them, or one goes on. Pruning removes them.
    pub unlisted: u64,
    pub problems: u64,
}

/// Checks a repository. `hear` is told each problem.
pub async fn check(
    repository: &Arc<Repository>,
    reads_data: bool,
    mut hear: impl FnMut(String),
) -> Result<Checked> {
    let mut checked = Checked::default();
    let mut report = |checked: &mut Checked, problem: String| {
        checked.problems += 1;
        hear(problem);
    };
    let mut records = Vec::new();
    for found in repository.list(Kind::Record).await? {
        match Snapshot::read(repository, found.name).await {
            Ok(record) => records.extend(record),
            Err(error) => report(&mut checked, fatal(error)?),
        }
    }
    let files = repository.list(Kind::Index).await?;
    // In this order: an index names only packs that were stored before.
    let stored: BTreeMap<Name, Found> =
        repository.list(Kind::Pack).await?.into_iter().map(|found| (found.name, found)).collect();
    let (mut broken, mut names) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        let packs = match listed(repository, file.name).await {
            Ok(packs) => packs,
            Err(error) => {
                report(&mut checked, fatal(error)?);
                continue;
            }
        };
        for listed in packs {
            // Two runs that prune may both have written of it.
            if !names.insert(listed.name) {
                continue;
            }
            checked.packs += 1;
            checked.chunks += listed.rows.len() as u64;
            checked.bytes += u64::from(listed.size);
            if let Err(error) = of_pack(repository, &stored, &listed, reads_data).await {
                report(&mut checked, fatal(error)?);
                broken.insert(listed.name);
            }
        }
    }
    checked.unlisted = stored.keys().filter(|name| !names.contains(name)).count() as u64;
    let index = match Index::load_stored(repository).await {
        Ok((index, _)) => Arc::new(RwLock::new(index)),
        Err(error) => {
            report(&mut checked, fatal(error)?);
            return Ok(checked);
        }
    };
    let reader = Arc::new(Reader::new(repository.clone(), index.clone()));
    let mut reach = Reach::new(index.clone(), reader);
    for record in &records {
        checked.snapshots += 1;
        if let Err(error) = reach.visit(record).await {
            let why = fatal(error)?;
            report(&mut checked, format!("snapshot {} cannot be restored as a whole: {why}", record.name));
        }
    }
    let needed_and_broken = {
        let index = index.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let needed = reach.marks.iter().enumerate().filter(|(_, is_needed)| **is_needed);
        let packs = needed.map(|(at, _)| index.packs[index.place(at).pack as usize].name);
        packs.filter(|name| broken.contains(name)).count()
    };
    if needed_and_broken > 0 {
        let problem = format!("{needed_and_broken} chunks that snapshots need are in damaged packs");
        report(&mut checked, problem);
    }
    Ok(checked)
}

/// Returns the words of a problem of the repository. What its storage fails with ends the check.
fn fatal(error: SnapshotError) -> Result<String> {
    match error {
        SnapshotError::Store { .. } => Err(error),
        error => Ok(Chain(&error).to_string()),
    }
}

fn damaged(name: &Name, why: &'static str) -> SnapshotError {
    SnapshotError::Damaged { file: Kind::Pack.path(name), why }
}

/// Returns what an index file says. One that is gone was replaced.
async fn listed(repository: &Repository, name: Name) -> Result<Vec<Listed>> {
    match repository.read_sealed(Kind::Index, name).await? {
        Some(contents) => index::parse(name, &contents),
        None => Ok(Vec::new()),
    }
}

async fn of_pack(
    repository: &Repository,
    stored: &BTreeMap<Name, Found>,
    listed: &Listed,
    reads_data: bool,
) -> Result<()> {
    match stored.get(&listed.name) {
        None => return Err(damaged(&listed.name, "it is missing")),
        Some(found) if found.size != u64::from(listed.size) => {
            return Err(damaged(&listed.name, "its size is not that in the index"));
        }
        Some(_) => {}
    }
    let rows = pack::table(repository, listed.name, listed.size.into()).await?;
    if rows != listed.rows {
        return Err(damaged(&listed.name, "its table is not what the index says"));
    }
    if !reads_data {
        return Ok(());
    }
    let whole = repository.read_pack(&listed.name, 0, listed.size.into()).await?;
    let whole = whole.ok_or_else(|| damaged(&listed.name, "it is shorter than the index says"))?;
    for row in rows {
        let at = row.offset as usize;
        let sealed = whole.get(at..at + row.length as usize);
        let sealed = sealed.ok_or_else(|| damaged(&listed.name, "a chunk lies behind its end"))?;
        pack::chunk(&repository.keys, listed.name, row, sealed.to_vec())?;
    }
    Ok(())
}
