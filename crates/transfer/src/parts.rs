//! Brings one large object in parts, several at once.
//!
//! The journal knows each part that was stored. A later attempt, or a later run, sends only the others.
//!
//! Invariants: every part is of the object with the ETag that the journal names. A part counts as stored only
//! if the journal and the storage agree on its ETag, and its size is right. Where all parts have a CRC, the
//! upload is completed only with the CRC of the whole.

use crate::{
    context::{Context, Trouble, only},
    error::TransferError,
    journal::{BegunUpload, StoredPart},
    listing::Entry,
    model::{
        ByteRange, Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumSpec, MAX_PART_NUMBER, ObjectInfo,
        ObjectKey, Owner, PartNumber, TagSet, combine_crc,
    },
    reading::{Reading, differs, with_time},
    store::{
        BeginUpload, CompletePart, CompleteUpload, CopyPartRequest, CopySource, Keeping, Written,
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
        multipart::{MAX_PART_SIZE, MIN_PART_SIZE},
    },
};
use futures_util::{StreamExt, TryStreamExt};
use std::{collections::BTreeMap, sync::Arc};

/// Number of parts that are listed at once.
const PAGE: usize = 1000;

/// Sends an object in parts, if the destination has what `guard` says when they become the object.
pub(crate) async fn send(
    context: &Context,
    entry: &Entry,
    key: &ObjectKey,
    guard: &WriteConditions,
) -> Result<Written, Trouble> {
    let (name, conditions) = (entry.name(), only(&entry.object.etag));
    let address = entry.object.key.current();
    let info = context.retry.run(|| context.source.store.describe(address, &conditions)).await?;
    let upload = match resumed(context, entry, key).await? {
        Some(Resumed::Complete(written)) => return Ok(written),
        Some(Resumed::Upload(upload)) => upload,
        None => begin(context, entry, key, &info).await?,
    };
    let missing = numbers(&upload).filter(|number| !upload.parts.contains_key(number));
    let sent: Result<Vec<_>, Trouble> = futures_util::stream::iter(missing)
        .map(|number| send_part(context, entry, key, &upload, number))
        .buffer_unordered(context.tuning.parts.max(1))
        .try_collect()
        .await;
    let done = match sent {
        Ok(sent) => {
            let mut parts = upload.parts.clone();
            parts.extend(sent);
            complete(context, key, (&upload, &info, parts), guard).await.map_err(Trouble::Object)
        }
        Err(trouble) => Err(trouble),
    };
    match &done {
        Ok(_) => context.journal.close(name)?,
        // The parts that are there may still be used, but not if they are of another object, or damaged.
        Err(Trouble::Object(error)) if !error.is_temporary() || error.kind() == StoreErrorKind::BadDigest => {
            give_up(context, name, key).await?;
        }
        Err(_) => {}
    }
    done
}

/// Ends the upload of an object that has failed for good. Where the journal lasts, a later run goes on.
pub(crate) async fn abandon(context: &Context, name: &str, key: &ObjectKey) {
    if !context.journal.lasts()
        && let Err(error) = give_up(context, name, key).await
    {
        tracing::warn!(%error, "an upload could not be given up");
    }
}

/// Ends uploads of earlier runs whose objects need them no more: the source has deleted or changed them.
pub(crate) async fn clear(context: &Context) -> Result<(), TransferError> {
    for name in context.journal.begun_names() {
        match context.destination.key(&name) {
            Ok(key) => give_up(context, &name, &key).await?,
            Err(_) => context.journal.close(&name)?,
        }
    }
    Ok(())
}

async fn give_up(context: &Context, name: &str, key: &ObjectKey) -> Result<(), TransferError> {
    let Some(upload) = context.journal.upload(name) else { return Ok(()) };
    if let Err(error) = context.retry.run(|| context.destination.store.abort_upload(key, &upload.id)).await
        && error.kind() != StoreErrorKind::NoSuchUpload
    {
        context.warn(name, &format!("an upload of it could not be aborted: {error}")).await;
    }
    context.journal.close(name)
}

enum Resumed {
    Upload(BegunUpload),
    /// The upload was completed by the run before.
    Complete(Written),
}

/// Returns the upload that an earlier attempt has begun, with the parts that are really there.
async fn resumed(context: &Context, entry: &Entry, key: &ObjectKey) -> Result<Option<Resumed>, Trouble> {
    let (name, store) = (entry.name(), &context.destination.store);
    let Some(mut upload) = context.journal.upload(name) else { return Ok(None) };
    if upload.etag != entry.object.etag || upload.size != entry.object.size {
        give_up(context, name, key).await?;
        return Ok(None);
    }
    let mut listed = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = context.retry.run(|| store.list_parts(key, &upload.id, after, PAGE)).await;
        let page = match page {
            Err(error) if error.kind() == StoreErrorKind::NoSuchUpload => {
                // Perhaps it was completed: to complete it again gives the same result then.
                let all = numbers(&upload).all(|number| upload.parts.contains_key(&number));
                let again = CompleteUpload {
                    parts: complete_parts(&upload.parts),
                    conditions: Default::default(),
                    checksum: None,
                    size: Some(upload.size),
                };
                let completed = match all {
                    true => store.complete_upload(key, &upload.id, again).await.ok(),
                    false => None,
                };
                context.journal.close(name)?;
                return Ok(completed.map(Resumed::Complete));
            }
            page => page?,
        };
        after = page.parts.last().map_or(after, |part| part.number.get());
        listed.extend(page.parts.into_iter().map(|part| (part.number, part)));
        if !page.truncated {
            break;
        }
    }
    let is_there = |number: &PartNumber, part: &StoredPart| {
        let (first, last) = range(&upload, *number);
        listed.get(number).is_some_and(|listed| listed.etag == part.etag && listed.size == last - first + 1)
    };
    let parts: BTreeMap<_, _> = upload
        .parts
        .iter()
        .filter(|(number, part)| is_there(number, part))
        .map(|(n, p)| (*n, p.clone()))
        .collect();
    context.progress.resumed(parts.len() as u64);
    upload.parts = parts;
    Ok(Some(Resumed::Upload(upload)))
}

async fn begin(
    context: &Context,
    entry: &Entry,
    key: &ObjectKey,
    info: &ObjectInfo,
) -> Result<BegunUpload, Trouble> {
    // With the algorithm of the source, the destination's checksum proves what the source's says.
    let own = info.checksum.as_ref().filter(|sum| sum.kind == ChecksumKind::FullObject);
    let algorithm = own.map(|sum| sum.algorithm()).filter(|own| own.supports(ChecksumKind::FullObject));
    let algorithm = algorithm.unwrap_or(ChecksumAlgorithm::Crc64Nvme);
    let mut attributes = with_time(info, context.source.times).0;
    (attributes.acl, attributes.storage_class, attributes.encryption) = Default::default();
    attributes.website_redirect = None;
    if !context.keeps_tags() {
        attributes.tags = TagSet::default();
    }
    let request = BeginUpload {
        attributes,
        checksum: ChecksumSpec { algorithm, kind: ChecksumKind::FullObject },
        explicit_checksum: false,
        initiator: Owner { id: "transfer".into(), display_name: "transfer".into() },
    };
    let id = context.retry.run(|| context.destination.store.begin_upload(key, request.clone())).await?;
    let upload = BegunUpload {
        id,
        etag: entry.object.etag.clone(),
        size: entry.object.size,
        part_size: part_size(entry.object.size, context.tuning.part_size),
        algorithm,
        parts: BTreeMap::new(),
    };
    context.journal.begin(entry.name(), &upload)?;
    Ok(upload)
}

async fn send_part(
    context: &Context,
    entry: &Entry,
    key: &ObjectKey,
    upload: &BegunUpload,
    number: PartNumber,
) -> Result<(PartNumber, StoredPart), Trouble> {
    let (first, last) = range(upload, number);
    let source = &context.source;
    let send = async || {
        let reading = Arc::new(Reading::new(
            source.store.clone(),
            source.times,
            Some(upload.algorithm),
            context.pace.clone(),
            context.progress.clone(),
        ));
        let request = CopyPartRequest {
            source: CopySource {
                store: reading.clone(),
                key: entry.object.key.clone(),
                version: None,
                conditions: only(&entry.object.etag),
            },
            range: Some(ByteRange::FromTo(first, last)),
        };
        let written = context.destination.store.copy_part(key, &upload.id, number, request).await?;
        let stored = written.checksum.filter(|sum| sum.algorithm() == upload.algorithm);
        let seen = reading.seen();
        if seen.is_some() && stored.is_some() && seen != stored {
            return Err(differs(key));
        }
        Ok(StoredPart { etag: written.etag, sum: seen.or(stored) })
    };
    let part = context.retry.run(send).await?;
    context.journal.part(entry.name(), number, part.clone())?;
    Ok((number, part))
}

async fn complete(
    context: &Context,
    key: &ObjectKey,
    (upload, info, parts): (&BegunUpload, &ObjectInfo, BTreeMap<PartNumber, StoredPart>),
    guard: &WriteConditions,
) -> Result<Written, StoreError> {
    let whole = whole(upload, &parts);
    let own = info.checksum.as_ref().filter(|sum| sum.kind == ChecksumKind::FullObject);
    if let (Some(whole), Some(own)) = (&whole, own)
        && whole.algorithm() == own.algorithm()
        && *whole != own.checksum
    {
        let why = "the source's bytes do not have the source's checksum: nothing was written";
        return Err(StoreError::new(StoreErrorKind::BadDigest, why));
    }
    let keeps = context.capabilities.checksums == Keeping::Kept;
    let request = CompleteUpload {
        parts: complete_parts(&parts),
        conditions: guard.clone(),
        checksum: whole.filter(|_| keeps).map(|sum| (sum.algorithm(), sum.to_base64())),
        size: Some(upload.size),
    };
    let store = &context.destination.store;
    context.retry.run(|| store.complete_upload(key, &upload.id, request.clone())).await
}

fn complete_parts(parts: &BTreeMap<PartNumber, StoredPart>) -> Vec<CompletePart> {
    let part = |(number, part): (&PartNumber, &StoredPart)| CompletePart {
        number: *number,
        etag: part.etag.clone(),
        checksum: None,
    };
    parts.iter().map(part).collect()
}

/// Returns the CRC of the whole object, if every part has one.
fn whole(upload: &BegunUpload, parts: &BTreeMap<PartNumber, StoredPart>) -> Option<Checksum> {
    let mut whole: Option<Checksum> = None;
    for (number, part) in parts {
        let (first, last) = range(upload, *number);
        let sum = part.sum.as_ref()?;
        whole = Some(match whole {
            None => sum.clone(),
            Some(before) => combine_crc(&before, sum, last - first + 1)?,
        });
    }
    whole
}

/// Returns the size of parts of an object: the wanted one, but no more than 10,000 parts.
fn part_size(size: u64, wanted: u64) -> u64 {
    let least = size.div_ceil(u64::from(MAX_PART_NUMBER)).next_multiple_of(1 << 20);
    wanted.max(least).clamp(MIN_PART_SIZE, MAX_PART_SIZE)
}

fn numbers(upload: &BegunUpload) -> impl Iterator<Item = PartNumber> + use<> {
    let count = upload.size.div_ceil(upload.part_size.max(1));
    (1..=u16::try_from(count).unwrap_or(MAX_PART_NUMBER)).filter_map(PartNumber::new)
}

/// Returns the first and the last byte of a part.
fn range(upload: &BegunUpload, number: PartNumber) -> (u64, u64) {
    let first = u64::from(number.get() - 1) * upload.part_size;
    (first, (first + upload.part_size).min(upload.size) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_ten_thousand_parts_at_most_and_none_is_too_small() {
        for (size, wanted, expected) in [
            (100 << 20, 16 << 20, 16 << 20),
            (100 << 20, 1, MIN_PART_SIZE),
            // 1 TiB: 10,000 parts of 16 MiB are too few.
            (1 << 40, 16 << 20, 105 << 20),
            (MAX_PART_SIZE * 10_000, 16 << 20, MAX_PART_SIZE),
        ] {
            let found = part_size(size, wanted);
            assert_eq!(found, expected);
            assert!(size.div_ceil(found) <= 10_000);
        }
    }
}
