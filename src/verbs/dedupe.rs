//! Objects with the same bytes below one folder.
//!
//! Only objects that share their size can be the same. Their MD5 is the ETag, or is computed by reading them;
//! or all of them are read, and their SHA-256 counts.
//!
//! Invariants: empty objects are never the same. A copy is removed or renamed only if it is still the one
//! that was compared, and the object that is kept is still there. At most `MOST` objects that share their
//! sizes are held.

use super::{Depth, Digest, Entries, Entry, digests, open};
use crate::{
    ends::{Failure, Place},
    model::{ETag, ObjectKey, Timestamp},
    store::{
        CopyAttributes, CopyRequest, CopySource, Guarantee,
        condition::{ETagMatch, ReadConditions, WriteConditions},
        error::{StoreError, StoreErrorKind},
    },
};
use std::collections::{BTreeMap, HashMap};

/// Maximum number of objects whose sizes are those of others.
const MOST: usize = 1_000_000;

/// One of several objects with the same bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    pub key: String,
    pub modified: Timestamp,
    etag: ETag,
}

/// Objects with the same bytes, in the order of their keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Alike {
    pub size: u64,
    pub digest: String,
    pub copies: Vec<Copy>,
}

/// Which copy is kept.
#[derive(Debug, Clone, std::marker::Copy, PartialEq, Eq)]
pub enum Keep {
    Newest,
    Oldest,
    /// The first key in byte order.
    First,
}

impl Alike {
    /// Returns the position of the copy that is kept. Of several with one time it is the first one.
    pub fn kept(&self, keep: Keep) -> usize {
        let copies = self.copies.iter().enumerate();
        let found = match keep {
            Keep::First => None,
            Keep::Newest => copies.rev().max_by_key(|(_, copy)| copy.modified),
            Keep::Oldest => copies.min_by_key(|(_, copy)| copy.modified),
        };
        found.map_or(0, |(at, _)| at)
    }
}

/// Returns all objects below the folder that share their bytes, by size. `reads`: ETags are not believed.
pub async fn duplicates(place: &Place, reads: bool) -> Result<Vec<Alike>, Failure> {
    let mut sizes: HashMap<u64, bool> = HashMap::new();
    let mut entries = Entries::of(place, Depth::All).await?;
    while let Some(entry) = entries.next().await? {
        if let Entry::Object { size: size @ 1.., .. } = entry {
            sizes.entry(size).and_modify(|several| *several = true).or_insert(false);
        }
    }
    let mut groups: BTreeMap<(u64, String), Vec<Copy>> = BTreeMap::new();
    let mut held = 0;
    let mut entries = Entries::of(place, Depth::All).await?;
    while let Some(entry) = entries.next().await? {
        let Entry::Object { key, size, modified, etag } = entry else { continue };
        if !sizes.get(&size).is_some_and(|several| *several) {
            continue;
        }
        held += 1;
        if held > MOST {
            return Err(Failure::failed(format!(
                "more than {MOST} objects below '{}' have the size of another one: name a smaller folder",
                place.label
            )));
        }
        let digest = match etag.as_md5().filter(|_| !reads) {
            Some(md5) => hex::encode(md5),
            None => read(place, &key, if reads { Digest::Sha256 } else { Digest::Md5 }).await?,
        };
        groups.entry((size, digest)).or_default().push(Copy { key, modified, etag });
    }
    let alike = groups.into_iter().filter(|(_, copies)| copies.len() > 1);
    Ok(alike.map(|((size, digest), copies)| Alike { size, digest, copies }).collect())
}

async fn read(place: &Place, key: &str, digest: Digest) -> Result<String, Failure> {
    let reading = open(place, &place.key_of(key)?, 0, None).await?;
    let sums = digests(reading, &[digest]).await?;
    Ok(sums.first().map(|sum| hex::encode(sum.bytes())).unwrap_or_default())
}

/// Removes a copy, and returns whether it was still there as it was compared.
pub async fn remove_copy(place: &Place, kept: &Copy, copy: &Copy) -> Result<bool, Failure> {
    let Some(etag) = both_are_there(place, kept, copy).await? else { return Ok(false) };
    remove(place, &place.key_of(&copy.key)?, etag).await
}

/// Gives a copy the first free name `KEY.SUFFIX1`, `KEY.SUFFIX2`, …, and returns it.
pub async fn rename_copy(
    place: &Place,
    kept: &Copy,
    copy: &Copy,
    suffix: &str,
) -> Result<Option<String>, Failure> {
    let Some(etag) = both_are_there(place, kept, copy).await? else { return Ok(None) };
    let key = place.key_of(&copy.key)?;
    let failed = |error: StoreError| Failure::of_store(format_args!("renaming {key:?}"), &error);
    let guards = place.store.capabilities().conditional_writes != Guarantee::Refused;
    for number in 1..=1000 {
        let name = format!("{}.{suffix}{number}", copy.key);
        let to = place.key_of(&name)?;
        match place.store.head(to.current(), &ReadConditions::default()).await {
            Ok(_) => continue,
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => {}
            Err(error) => return Err(failed(error)),
        }
        let if_none_match = guards.then_some(ETagMatch::Any);
        let request = CopyRequest {
            source: CopySource {
                store: place.store.clone(),
                key: key.clone(),
                version: None,
                conditions: ReadConditions { if_match: matching(&etag), ..Default::default() },
            },
            attributes: CopyAttributes::default(),
            conditions: WriteConditions { if_none_match, ..Default::default() },
            checksum: None,
        };
        place.store.copy(&to, request).await.map_err(failed)?;
        return Ok(remove(place, &key, etag).await?.then_some(name));
    }
    Err(Failure::failed(format!("renaming {key:?}: a thousand names like that are taken")))
}

fn matching(etag: &ETag) -> Option<ETagMatch> {
    Some(ETagMatch::OneOf(vec![etag.clone()]))
}

/// Returns the present ETag of the copy, if both objects are what they were when they were compared.
async fn both_are_there(place: &Place, kept: &Copy, copy: &Copy) -> Result<Option<ETag>, Failure> {
    let mut etag = None;
    for expected in [kept, copy] {
        let key = place.key_of(&expected.key)?;
        let info = match place.store.head(key.current(), &ReadConditions::default()).await {
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => return Ok(None),
            info => info.map_err(|error| Failure::of_store(format_args!("looking at {key:?}"), &error))?,
        };
        // Files in folders show another ETag once their bytes were read, and keep their time.
        if info.etag != expected.etag && info.last_modified != expected.modified {
            return Ok(None);
        }
        etag = Some(info.etag);
    }
    Ok(etag)
}

async fn remove(place: &Place, key: &ObjectKey, etag: ETag) -> Result<bool, Failure> {
    let guards = place.store.capabilities().conditional_deletes != Guarantee::Refused;
    let if_match = if guards { matching(&etag) } else { None };
    let conditions = WriteConditions { if_match, ..Default::default() };
    match place.store.delete(key.current(), &conditions).await {
        Ok(_) => Ok(true),
        Err(error)
            if matches!(error.kind(), StoreErrorKind::PreconditionFailed | StoreErrorKind::NoSuchKey) =>
        {
            Ok(false)
        }
        Err(error) => Err(Failure::of_store(format_args!("removing {key:?}"), &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_copy_is_kept_by_its_time_or_its_name() {
        let copy = |key: &str, millis| Copy {
            key: key.to_owned(),
            modified: Timestamp::from_millis(millis),
            etag: ETag::opaque("x"),
        };
        let copies = vec![copy("a", 5), copy("b", 9), copy("c", 1), copy("d", 9), copy("e", 1)];
        let alike = Alike { size: 3, digest: String::new(), copies };
        let kept = [Keep::First, Keep::Newest, Keep::Oldest].map(|keep| alike.kept(keep));
        assert_eq!(kept, [0, 1, 2]);
    }
}
