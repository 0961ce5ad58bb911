//! Whether two objects have the same bytes.
//!
//! Checksums and MD5s that are known are used first. Where one object has a digest, only the other one is
//! read; where none has, both are.
//!
//! Invariant: equal sizes and times are no proof here: two people may have written within one unit of time.

use super::version::Version;
use crate::{
    bytes::{digest, same_bytes},
    compare::{Subject, checksums, md5_of},
    end::Times,
    listing::Entry,
    model::{Checksum, ChecksumAlgorithm, ChecksumKind, ObjectInfo},
    pace::Pace,
    store::error::{StoreError, StoreErrorKind},
};

pub(crate) async fn same_content(
    pace: &Pace,
    left: &mut Subject<'_>,
    right: &mut Subject<'_>,
) -> Result<bool, StoreError> {
    if left.entry.object.size != right.entry.object.size {
        return Ok(false);
    }
    if left.entry.object.size == 0 {
        return Ok(true);
    }
    if let Some(is_same) = checksums(left, right).await? {
        return Ok(is_same);
    }
    let (of_left, of_right) = (known_digest(left.info().await?), known_digest(right.info().await?));
    let (left_entry, right_entry) = (readable(left).await?, readable(right).await?);
    // What is on this machine is read, if there is a choice.
    let right_is_near = right.end.times == Times::Listed;
    match (of_left, of_right) {
        (Some(sum), other) if right_is_near || other.is_none() => {
            Ok(digest(pace, (right.end, &right_entry), sum.algorithm()).await? == sum)
        }
        (_, Some(sum)) => Ok(digest(pace, (left.end, &left_entry), sum.algorithm()).await? == sum),
        _ => same_bytes(pace, (left.end, &left_entry), (right.end, &right_entry)).await,
    }
}

/// Returns whether the bytes of an object have this MD5.
pub(crate) async fn has_md5(
    pace: &Pace,
    subject: &mut Subject<'_>,
    md5: [u8; 16],
) -> Result<bool, StoreError> {
    let entry = readable(subject).await?;
    let found = digest(pace, (subject.end, &entry), ChecksumAlgorithm::Md5).await?;
    Ok(found.bytes() == md5)
}

/// Returns the entry with an ETag that a condition can name.
async fn readable(subject: &mut Subject<'_>) -> Result<Entry, StoreError> {
    if !Version::of(&subject.entry.object).is_provisional() {
        return Ok(subject.entry.clone());
    }
    let info = subject.info().await?.clone();
    let key = subject.entry.object.key.clone();
    Entry::of_info(subject.end, key, info).ok_or_else(|| StoreErrorKind::Internal.into())
}

/// Returns a digest of the whole object.
fn known_digest(info: &ObjectInfo) -> Option<Checksum> {
    let own = info.checksum.as_ref().filter(|sum| sum.kind == ChecksumKind::FullObject);
    let md5 = || Checksum::new(ChecksumAlgorithm::Md5, &md5_of(info)?);
    own.map(|sum| sum.checksum.clone()).or_else(md5)
}
