//! Removing one object, or all below a prefix.
//!
//! Keys are removed while they are listed, a bounded number at once. A key that cannot be removed does not
//! keep the others: it is reported, and counted.

use super::{Depth, Entries, Entry};
use crate::{
    ends::{Failure, Place, Storage},
    store::{Removal, condition::WriteConditions},
};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};

/// Maximum number of keys that are being removed.
const AT_ONCE: usize = 16;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    pub objects: u64,
    pub bytes: u64,
    pub failed: u64,
}

/// Removes the object that was named. One that does not exist is missing.
pub async fn remove_one(place: &Place) -> Result<(), Failure> {
    let key = place.key()?;
    let failed = |error| Failure::of_store(format_args!("removing '{}'", place.label), &error);
    // Most storages do not say whether the object existed.
    super::stat(place).await?;
    let deleted = place.store.delete(key.current(), &WriteConditions::default()).await.map_err(failed)?;
    if deleted.removal == Removal::Absent {
        return Err(Failure::missing(format!("removing '{}': there is no such object", place.label)));
    }
    Ok(())
}

/// Removes everything below the prefix that was named, and `hear`s of each key, with why it was not removed.
pub async fn remove_all(
    place: &Place,
    mut hear: impl FnMut(&Entry, Option<Failure>) -> Result<(), Failure>,
) -> Result<Removed, Failure> {
    let prefix = place.prefix();
    let mut entries = Entries::below(place, &prefix, Depth::All);
    let remove = |entry: Entry| async move {
        let removed = async {
            let key = place.key_of(entry.key())?;
            let deleted = place.store.delete(key.current(), &WriteConditions::default()).await;
            deleted.map_err(|error| Failure::of_store(format_args!("removing {key:?}"), &error))
        };
        let failure = removed.await.err();
        (entry, failure)
    };
    let (mut counts, mut removing) = (Removed::default(), FuturesUnordered::new());
    let mut is_listed = false;
    loop {
        while !is_listed && removing.len() < AT_ONCE {
            match entries.next().await? {
                Some(entry) => removing.push(remove(entry)),
                None => is_listed = true,
            }
        }
        let Some((entry, failure)) = removing.next().await else { break };
        match (&failure, &entry) {
            (Some(_), _) => counts.failed += 1,
            (None, Entry::Object { size, .. }) => {
                counts.objects += 1;
                counts.bytes += size;
            }
            (None, Entry::Folder { .. }) => {}
        }
        hear(&entry, failure)?;
    }
    if place.storage == Storage::LocalFiles {
        remove_folders(place, prefix).await?;
    }
    Ok(counts)
}

/// Removes the empty folders below a prefix, which are no objects, the innermost first. The prefix itself
/// goes, too, unless it is all of the end.
fn remove_folders(place: &Place, prefix: String) -> BoxFuture<'_, Result<(), Failure>> {
    Box::pin(async move {
        let mut entries = Entries::below(place, &prefix, Depth::OneFolder);
        while let Some(entry) = entries.next().await? {
            if let Entry::Folder { key } = entry {
                remove_folders(place, key).await?;
            }
        }
        if !prefix.is_empty() {
            let key = place.key_of(&prefix)?;
            let deleted = place.store.delete(key.current(), &WriteConditions::default()).await;
            deleted.map_err(|error| Failure::of_store(format_args!("removing {key:?}"), &error))?;
        }
        Ok(())
    })
}
