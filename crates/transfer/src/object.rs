//! Brings one object to the destination.
//!
//! Invariants: what is read is one object, that of the ETag that was compared; where the source changes
//! meanwhile, the transfer begins anew with what is there then. An object counts as brought only after what
//! the destination stored was compared with what was read.

use crate::{
    compare::{common, md5_of},
    context::{Context, Trouble, only},
    listing::Entry,
    model::{Attributes, ChecksumKind, ObjectInfo, ObjectKey, TagSet},
    own_time::{MTIME, OwnTime},
    parts,
    reading::{Reading, differs, with_time},
    store::{
        CopyAttributes, CopyRequest, CopySource, Guarantee, Store, Written,
        condition::{ETagMatch, WriteConditions},
        error::{StoreError, StoreErrorKind},
    },
};
use std::sync::Arc;

/// Brings an object, and returns the one that was brought. `old` is what the destination has.
pub(crate) async fn bring(context: &Context, entry: Entry, old: Option<&Entry>) -> Result<Entry, Trouble> {
    let key = destination_key(context, entry.name())?;
    if let Some(old) = old {
        keep_in_trash(context, old).await?;
    }
    let mut entry = entry;
    let mut failed = 0;
    loop {
        let sent = match context.sends_in_parts(entry.object.size) {
            true => parts::send(context, &entry, &key, &Default::default()).await,
            false => send_whole(context, &entry, &key, &Default::default()).await,
        };
        let error = match sent {
            Ok(_) => return Ok(entry),
            Err(Trouble::Object(error)) if failed + 1 < context.retry.attempts() => error,
            Err(trouble) => {
                parts::abandon(context, entry.name(), &key).await;
                return Err(trouble);
            }
        };
        match error.kind() {
            StoreErrorKind::PreconditionFailed => {
                context.warn(entry.name(), "the source changed while it was read: it is read again").await;
                entry = refreshed(context, &entry).await?;
            }
            // The upload expired, or a part was damaged on its way: all parts are sent again.
            StoreErrorKind::NoSuchUpload | StoreErrorKind::InvalidPart | StoreErrorKind::BadDigest => {
                context.retry.pause(failed, None).await;
            }
            _ if error.is_temporary() => context.retry.pause(failed, error.wait()).await,
            _ => {
                parts::abandon(context, entry.name(), &key).await;
                return Err(error.into());
            }
        }
        failed += 1;
    }
}

pub(crate) fn destination_key(context: &Context, name: &str) -> Result<ObjectKey, StoreError> {
    context.destination.key(name).map_err(|error| {
        StoreError::new(StoreErrorKind::KeyTooLong, "the name has no key at the destination")
            .with_source(error)
    })
}

async fn refreshed(context: &Context, entry: &Entry) -> Result<Entry, StoreError> {
    let (key, conditions) = (&entry.object.key, Default::default());
    let info = context.retry.run(|| context.source.store.head(key.current(), &conditions)).await?;
    Entry::of_info(&context.source, key.clone(), info).ok_or_else(|| StoreErrorKind::Internal.into())
}

/// Sends an object at once, if the destination has what `guard` says.
pub(crate) async fn send_whole(
    context: &Context,
    entry: &Entry,
    key: &ObjectKey,
    guard: &WriteConditions,
) -> Result<Written, Trouble> {
    let source = &context.source;
    let conditions = only(&entry.object.etag);
    let may_be_native =
        source.store.native_source().is_some() && context.destination.store.native_source().is_some();
    let mut info = None;
    let mut metadata = None;
    if may_be_native {
        // The storage copies attributes as they are: the request has to name the object's own time.
        let found = source.store.describe(entry.object.key.current(), &conditions).await?;
        let (attributes, was_added) = with_time(&found, source.times);
        metadata = was_added.then_some(Attributes { website_redirect: None, ..attributes });
        info = Some(found);
    }
    let reading = Arc::new(Reading::new(
        source.store.clone(),
        source.times,
        None,
        context.pace.clone(),
        context.progress.clone(),
    ));
    let request = CopyRequest {
        source: CopySource {
            store: reading.clone(),
            key: entry.object.key.clone(),
            version: None,
            conditions,
        },
        attributes: CopyAttributes {
            metadata,
            tags: (!context.keeps_tags()).then(TagSet::default),
            ..Default::default()
        },
        conditions: guard.clone(),
        checksum: None,
    };
    let written = context.destination.store.copy(key, request).await?;
    verify(context, entry, info.as_ref(), &reading, &written, key).await?;
    Ok(written)
}

/// Compares what was stored with what was read.
async fn verify(
    context: &Context,
    entry: &Entry,
    source: Option<&ObjectInfo>,
    reading: &Reading,
    written: &Written,
    key: &ObjectKey,
) -> Result<(), StoreError> {
    let seen = reading.seen();
    let stored = written.checksum.as_ref().filter(|sum| sum.kind == ChecksumKind::FullObject);
    if let (Some(seen), Some(stored)) = (&seen, stored)
        && seen.algorithm() == stored.algorithm()
    {
        return if *seen == stored.checksum { Ok(()) } else { Err(differs(key)) };
    }
    if entry.object.etag.as_md5().is_some_and(|md5| written.etag.as_md5() == Some(md5)) {
        return Ok(());
    }
    let conditions = Default::default();
    let found = context.retry.run(|| context.destination.store.head(key.current(), &conditions)).await?;
    let differs_in_md5 = || match (entry.object.etag.as_md5(), md5_of(&found)) {
        // The source's ETag is known to be the MD5 only where its attributes are known.
        (Some(_), Some(stored)) => source.and_then(md5_of).is_some_and(|md5| md5 != stored),
        _ => false,
    };
    let differs_in_sum = source.is_some_and(|source| common(source, &found) == Some(false));
    match found.size != entry.object.size || differs_in_sum || differs_in_md5() {
        true => Err(differs(key)),
        false => Ok(()),
    }
}

/// Corrects the time of an object of the destination, which has the bytes of the source already.
pub(crate) async fn set_time(context: &Context, time: OwnTime, old: &Entry) -> Result<(), StoreError> {
    let store = &context.destination.store;
    let (key, conditions) = (&old.object.key, only(&old.object.etag));
    let info = context.retry.run(|| store.describe(key.current(), &conditions)).await?;
    let mut attributes = info.attributes;
    attributes.user.insert(MTIME.to_owned(), time.text());
    let source = CopySource { store: store.clone(), key: key.clone(), version: None, conditions };
    let copy = || {
        let attributes = CopyAttributes::of_itself(attributes.clone());
        store.copy(
            key,
            CopyRequest {
                source: source.clone(),
                attributes,
                conditions: Default::default(),
                checksum: None,
            },
        )
    };
    context.retry.run(copy).await.map(drop)
}

/// Copies an object of the destination to the trash, if the run has one.
async fn keep_in_trash(context: &Context, old: &Entry) -> Result<(), StoreError> {
    let Some(trash) = &context.options.trash else { return Ok(()) };
    let key = ObjectKey::new(format!("{trash}{}", old.name())).map_err(|error| {
        StoreError::new(StoreErrorKind::KeyTooLong, "the name has no key in the trash").with_source(error)
    })?;
    let store = &context.destination.store;
    let copy = || {
        let source = CopySource {
            store: store.clone(),
            key: old.object.key.clone(),
            version: None,
            conditions: Default::default(),
        };
        let request = CopyRequest {
            source,
            attributes: CopyAttributes::default(),
            conditions: Default::default(),
            checksum: None,
        };
        store.copy(&key, request)
    };
    match context.retry.run(copy).await {
        // Somebody else has deleted it.
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(()),
        Err(error) => Err(error),
        Ok(_) => {
            context.progress.trashed(1);
            Ok(())
        }
    }
}

/// Deletes an object of the destination, if it is still the one that was listed.
pub(crate) async fn delete_at_destination(context: &Context, old: &Entry) -> Result<(), StoreError> {
    keep_in_trash(context, old).await?;
    let guards = context.capabilities.conditional_deletes != Guarantee::Refused;
    delete(context, &*context.destination.store, old, guards).await
}

/// Deletes an object of the source, if it is still the one that was brought.
pub(crate) async fn delete_at_source(context: &Context, brought: &Entry) -> Result<(), StoreError> {
    let guards = context.source_capabilities.conditional_deletes != Guarantee::Refused;
    delete(context, &*context.source.store, brought, guards).await
}

async fn delete(context: &Context, store: &dyn Store, entry: &Entry, guards: bool) -> Result<(), StoreError> {
    let if_match = guards.then(|| ETagMatch::OneOf(vec![entry.object.etag.clone()]));
    let conditions = WriteConditions { if_match, ..Default::default() };
    match context.retry.run(|| store.delete(entry.object.key.current(), &conditions)).await {
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(()),
        deleted => deleted.map(drop),
    }
}
