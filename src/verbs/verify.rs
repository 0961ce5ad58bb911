//! Objects against their recorded checksums: the bytes are read, whatever the storage says about them.
//!
//! What is recorded is the checksum of the whole object, or else the MD5 that its ETag is. Objects of several
//! parts may have neither: they are counted, and are no failure.
//!
//! Invariant: what could not be read is a failure, never verified.

use super::{Depth, Entries, Entry, open};
use crate::{
    ends::{Failure, FailureKind, Place},
    model::{Checksum, ChecksumAlgorithm, ChecksumHasher, ChecksumKind, EncryptionAlgorithm, ObjectInfo},
};
use futures_util::{StreamExt, stream};
use serde::Serialize;

/// What was found about one object.
#[derive(Debug)]
pub enum Verified {
    Whole(ChecksumAlgorithm),
    /// Its bytes are not those that were recorded.
    Damaged {
        algorithm: ChecksumAlgorithm,
        recorded: String,
        found: String,
    },
    /// Nothing is recorded that the whole object could be compared with.
    Unrecorded,
    Failed(Failure),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct VerifySummary {
    pub verified: u64,
    pub damaged: u64,
    pub unrecorded: u64,
    pub failed: u64,
    pub bytes: u64,
}

/// Verifies the object that was named, or everything below the folder. Some are read at once.
pub async fn verify(
    place: &Place,
    at_once: usize,
    mut hear: impl FnMut(&str, &Verified) -> Result<(), Failure>,
) -> Result<VerifySummary, Failure> {
    let entries = Entries::of(place, Depth::All).await?;
    let entries = stream::try_unfold(entries, async |mut entries| {
        let next = entries.next().await?;
        Ok(next.map(|entry| (entry, entries)))
    });
    let verified = entries
        .map(|entry| async {
            let (key, size) = match entry? {
                Entry::Folder { .. } => return Ok(None),
                Entry::Object { key, size, .. } => (key, size),
            };
            let verified = one(place, &key).await.unwrap_or_else(Verified::Failed);
            Ok::<_, Failure>(Some((key, size, verified)))
        })
        .buffered(at_once.max(1));
    let mut verified = std::pin::pin!(verified);
    let mut summary = VerifySummary::default();
    while let Some(found) = verified.next().await {
        let Some((key, size, verified)) = found? else { continue };
        match &verified {
            Verified::Whole(_) => {
                summary.verified += 1;
                summary.bytes += size;
            }
            Verified::Damaged { .. } => summary.damaged += 1,
            Verified::Unrecorded => summary.unrecorded += 1,
            // It is gone since it was listed.
            Verified::Failed(failure) if failure.kind() == FailureKind::Missing => continue,
            Verified::Failed(_) => summary.failed += 1,
        }
        hear(&key, &verified)?;
    }
    Ok(summary)
}

async fn one(place: &Place, key: &str) -> Result<Verified, Failure> {
    let mut reading = open(place, &place.key_of(key)?, 0, None).await?;
    let Some(recorded) = recorded(&reading.info) else { return Ok(Verified::Unrecorded) };
    let algorithm = recorded.algorithm();
    let mut hasher = ChecksumHasher::new(algorithm);
    while let Some(bytes) = reading.next().await? {
        hasher.update(&bytes);
    }
    let found = hasher.finish();
    Ok(match found == recorded {
        true => Verified::Whole(algorithm),
        false => Verified::Damaged { algorithm, recorded: recorded.to_base64(), found: found.to_base64() },
    })
}

fn recorded(info: &ObjectInfo) -> Option<Checksum> {
    if let Some(sum) = info.checksum.as_ref().filter(|sum| sum.kind == ChecksumKind::FullObject) {
        return Some(sum.checksum.clone());
    }
    // Where a key service holds the keys, an ETag only looks like an MD5.
    let encryption = info.attributes.encryption.as_ref();
    let is_plain = encryption.is_none_or(|with| with.algorithm == EncryptionAlgorithm::Aes256);
    Checksum::new(ChecksumAlgorithm::Md5, &info.etag.as_md5().filter(|_| is_plain)?)
}
