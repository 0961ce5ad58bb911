//! Whether an object of the destination is that of the source.
//!
//! What the listings say is used first; a HEAD is sent only where they do not say enough.
//!
//! Invariant: objects count as equal only by what was asked for. A checksum that one end lacks proves
//! nothing: what counts then is said at each way to compare.

use crate::{
    end::End,
    listing::Entry,
    model::{ChecksumKind, EncryptionAlgorithm, ObjectInfo},
    own_time::OwnTime,
    retry::Retry,
    store::error::StoreError,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How objects are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Size and own time. Where only the times differ, and checksums that both ends have are equal, the
    /// time is corrected, and no bytes are sent.
    #[default]
    SizeAndTime,
    /// Size, and a checksum that both ends have. Where there is none, the size alone.
    Checksum,
    /// The ETags are the same text.
    Etag,
    /// A checksum that both ends have. Where there is none, the objects differ.
    ChecksumOnly,
    SizeOnly,
    /// Everything differs: all objects are sent.
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    /// The bytes are the same, and the destination's time is another one.
    OtherTime,
    Different,
}

/// One object that is compared, with the HEAD if it was needed.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) end: &'a End,
    pub(crate) entry: &'a Entry,
    retry: &'a Retry,
    info: Option<ObjectInfo>,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(end: &'a End, entry: &'a Entry, retry: &'a Retry) -> Self {
        Self { end, entry, retry, info: None }
    }

    pub(crate) async fn info(&mut self) -> Result<&ObjectInfo, StoreError> {
        let info = match self.info.take() {
            Some(info) => info,
            None => {
                let address = self.entry.object.key.current();
                let conditions = Default::default();
                self.retry.run(|| self.end.store.head(address, &conditions)).await?
            }
        };
        Ok(self.info.insert(info))
    }

    pub(crate) async fn time(&mut self) -> Result<OwnTime, StoreError> {
        match OwnTime::of_listed(&self.entry.object, self.end.times) {
            Some(time) => Ok(time),
            None => {
                let times = self.end.times;
                Ok(OwnTime::of_info(self.info().await?, times))
            }
        }
    }

    fn size(&self) -> u64 {
        self.entry.object.size
    }
}

/// Returns the window within which times of both ends are the same.
pub(crate) fn window(source: &End, destination: &End, least: Option<Duration>) -> Duration {
    source.precision.max(destination.precision).max(least.unwrap_or_default())
}

pub(crate) async fn compare(
    how: Comparison,
    source: &mut Subject<'_>,
    destination: &mut Subject<'_>,
    window: Duration,
) -> Result<Verdict, StoreError> {
    let of = |is_same| if is_same { Verdict::Same } else { Verdict::Different };
    let same_size = source.size() == destination.size();
    match how {
        Comparison::Never => Ok(Verdict::Different),
        Comparison::Etag => Ok(of(source.entry.object.etag == destination.entry.object.etag)),
        Comparison::SizeOnly => Ok(of(same_size)),
        Comparison::ChecksumOnly => Ok(of(checksums(source, destination).await? == Some(true))),
        _ if !same_size => Ok(Verdict::Different),
        Comparison::Checksum => Ok(of(checksums(source, destination).await?.unwrap_or(true))),
        Comparison::SizeAndTime => {
            if source.time().await?.is_near(destination.time().await?, window) {
                return Ok(Verdict::Same);
            }
            match checksums(source, destination).await? {
                Some(true) => Ok(Verdict::OtherTime),
                _ => Ok(Verdict::Different),
            }
        }
    }
}

/// Returns whether checksums are equal. `None`: there is none that both ends have.
pub(crate) async fn checksums(
    source: &mut Subject<'_>,
    destination: &mut Subject<'_>,
) -> Result<Option<bool>, StoreError> {
    let md5 = |subject: &Subject<'_>| subject.entry.object.etag.as_md5();
    // Equal MD5s are a proof. Others are none: where a key service holds the keys, an ETag looks like an MD5.
    if let (Some(left), Some(right)) = (md5(source), md5(destination))
        && left == right
    {
        return Ok(Some(true));
    }
    Ok(common(source.info().await?, destination.info().await?))
}

/// Compares the first checksum over the whole object that both have.
pub(crate) fn common(source: &ObjectInfo, destination: &ObjectInfo) -> Option<bool> {
    let whole = |info: &ObjectInfo| {
        info.checksum.clone().filter(|sum| sum.kind == ChecksumKind::FullObject).map(|sum| sum.checksum)
    };
    if let (Some(left), Some(right)) = (whole(source), whole(destination))
        && left.algorithm() == right.algorithm()
    {
        return Some(left == right);
    }
    if source.checksum.is_some() && source.checksum == destination.checksum {
        return Some(true);
    }
    Some(md5_of(source)? == md5_of(destination)?)
}

/// Returns the MD5 of an object, if its ETag is one.
pub(crate) fn md5_of(info: &ObjectInfo) -> Option<[u8; 16]> {
    let plain =
        info.attributes.encryption.as_ref().is_none_or(|with| with.algorithm == EncryptionAlgorithm::Aes256);
    info.etag.as_md5().filter(|_| plain)
}
