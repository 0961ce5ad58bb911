//! Packs that are to be deleted: the first half of a deletion in two phases.
//!
//! A list of packs is written, and the packs stay for a time of grace. A run that begins meanwhile relies on
//! none of them; a run that began before looks for the list before it writes its record. Only then are the
//! packs deleted. So neither locks nor leases are needed, and no clock but for the length of the grace.

use crate::{
    Result, SnapshotError,
    files::{Kind, NAME, Name},
    model::Timestamp,
    repository::Repository,
};

/// A list of condemned packs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condemned {
    pub(crate) name: Name,
    /// When the list was written, by the clock of its writer.
    pub(crate) since: Timestamp,
    pub(crate) packs: Vec<Name>,
}

/// Reads all lists. One that disappears meanwhile has done its work.
pub(crate) async fn load(repository: &Repository) -> Result<Vec<Condemned>> {
    let mut lists = Vec::new();
    for found in repository.list(Kind::Condemned).await? {
        if let Some(contents) = repository.read_sealed(Kind::Condemned, found.name).await? {
            lists.push(parse(found.name, &contents)?);
        }
    }
    Ok(lists)
}

pub(crate) async fn write(repository: &Repository, now: Timestamp, packs: Vec<Name>) -> Result<Condemned> {
    let mut contents = now.millis().to_le_bytes().to_vec();
    packs.iter().for_each(|pack| contents.extend_from_slice(&pack.0));
    let name = repository.write_sealed(Kind::Condemned, &contents).await?;
    Ok(Condemned { name, since: now, packs })
}

fn parse(name: Name, contents: &[u8]) -> Result<Condemned> {
    let broken =
        || SnapshotError::Damaged { file: Kind::Condemned.path(&name), why: "it is no list of packs" };
    let (since, packs) = contents.split_first_chunk::<8>().ok_or_else(broken)?;
    let packs = packs.chunks_exact(NAME);
    if !packs.remainder().is_empty() {
        return Err(broken());
    }
    let packs = packs.filter_map(|pack| pack.first_chunk().copied().map(Name)).collect();
    Ok(Condemned { name, since: Timestamp::from_millis(i64::from_le_bytes(*since)), packs })
}
