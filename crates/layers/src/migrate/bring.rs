//! Makes one key of a place what it is at the other place.
//!
//! The caller holds the key's lock, so that no two bring the same key, and has the key marked.
//!
//! Invariants: an object counts as brought only if its bytes were verified on their way and its size is right.
//! A place that cannot keep the tags, the ACL or the metadata of an object does not get it. Two objects are
//! equal if their storages report the same, or what they reported right after one was brought.

use super::{parts, place::Place};
use crate::{
    model::{Acl, Attributes, ETag, ObjectInfo, ObjectKey},
    store::{
        Capabilities, Change, CopyAttributes, CopyRequest, CopySource, Guarantee, Keeping, Result, Written,
        condition::{ETagMatch, ReadConditions, WriteConditions},
        error::{StoreError, StoreErrorKind},
    },
};
use serde::Serialize;

/// How often a key is compared again because it changed meanwhile.
const ATTEMPTS: usize = 4;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    Equal,
    Copied(u64),
    Updated,
    Removed,
}

/// Makes `key` of `to` what it is at `from`. Returns what has to be remembered of the two objects, if their
/// storages report them differently.
pub(super) async fn bring(
    from: &Place,
    to: &Place,
    key: &ObjectKey,
    pair: Option<&str>,
) -> Result<(Brought, Option<String>)> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match bring_once(from, to, key, pair).await {
            // The source changed, or the destination did.
            Err(error) if error.kind() == StoreErrorKind::PreconditionFailed => last = Some(error),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => last = Some(error),
            done => return done,
        }
    }
    let error = StoreError::new(StoreErrorKind::Busy, "the object changes faster than it can be copied");
    Err(last.map_or(StoreErrorKind::Busy.into(), |last| error.with_source(last)))
}

async fn bring_once(
    from: &Place,
    to: &Place,
    key: &ObjectKey,
    pair: Option<&str>,
) -> Result<(Brought, Option<String>)> {
    let (wanted, found) = tokio::join!(describe(from, key), describe(to, key));
    let (wanted, found) = (wanted?, found?);
    let keeps = common_keeping(from, to);
    match (wanted, found) {
        (None, None) => Ok((Brought::Equal, None)),
        (None, Some(found)) => {
            let guards = to.store().capabilities().conditional_deletes != Guarantee::Refused;
            let if_match = guards.then(|| ETagMatch::OneOf(vec![found.etag]));
            let conditions = WriteConditions { if_match, ..Default::default() };
            to.store().delete(key.current(), &conditions).await?;
            Ok((Brought::Removed, None))
        }
        (Some(wanted), Some(found)) if is_same(&wanted, &found, keeps) => Ok((Brought::Equal, None)),
        (Some(wanted), Some(found)) if pair == Some(&pair_of(from, &wanted, to, &found)) => {
            Ok((Brought::Equal, pair.map(str::to_owned)))
        }
        (Some(wanted), found) => {
            if let Some(found) = &found
                && update(to, key, &wanted, found, keeps).await?
            {
                return Ok((Brought::Updated, None));
            }
            let size = wanted.size;
            copy(from, to, key, &wanted, WriteConditions::default()).await?;
            let found = describe(to, key).await?.ok_or(StoreErrorKind::NoSuchKey)?;
            let pair = match is_same(&wanted, &found, keeps) {
                true => None,
                false => Some(checked_pair(from, &wanted, to, &found)?),
            };
            Ok((Brought::Copied(size), pair))
        }
    }
}

/// Returns what a place has of a key now, with parts and tags.
pub(super) async fn describe(place: &Place, key: &ObjectKey) -> Result<Option<ObjectInfo>> {
    match place.uncached().describe(key.current(), &ReadConditions::default()).await {
        Ok(info) => Ok(Some(info)),
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(None),
        Err(error) => Err(error),
    }
}

/// Changes tags and ACL alone, if nothing else differs.
async fn update(
    to: &Place,
    key: &ObjectKey,
    wanted: &ObjectInfo,
    found: &ObjectInfo,
    keeps: Keeps,
) -> Result<bool> {
    let mut same = found.clone();
    let Attributes { tags, acl, .. } = wanted.attributes.clone();
    (same.attributes.tags, same.attributes.acl) = (tags.clone(), acl.clone());
    if !is_same(wanted, &same, keeps) {
        return Ok(false);
    }
    if keeps.tags && found.attributes.tags != tags {
        to.store().update(key.current(), Change::Tags(tags)).await?;
    }
    if keeps.acls && found.attributes.acl != acl {
        to.store().update(key.current(), Change::Acl(acl)).await?;
    }
    Ok(true)
}

/// Copies the object that `info` describes, and no other.
pub(super) async fn copy(
    from: &Place,
    to: &Place,
    key: &ObjectKey,
    info: &ObjectInfo,
    conditions: WriteConditions,
) -> Result<Written> {
    let capabilities = to.store().capabilities();
    let attributes = carried(&info.attributes, capabilities)?;
    let source = CopySource {
        store: from.uncached().clone(),
        key: key.clone(),
        version: None,
        conditions: only(info),
    };
    if parts::is_of_parts(info) && capabilities.parts == Keeping::Kept {
        return parts::copy(to, key, info, attributes, source, conditions).await;
    }
    let attributes = CopyAttributes {
        tags: Some(attributes.tags.clone()),
        acl: attributes.acl.clone(),
        owner: attributes.owner.clone(),
        storage_class: attributes.storage_class,
        encryption: attributes.encryption.clone(),
        metadata: Some(attributes),
    };
    to.store().copy(key, CopyRequest { source, attributes, conditions, checksum: None }).await
}

fn only(info: &ObjectInfo) -> ReadConditions {
    ReadConditions { if_match: Some(ETagMatch::OneOf(vec![info.etag.clone()])), ..Default::default() }
}

/// Returns the attributes that the copy gets. An object whose tags or ACL would be lost is refused.
fn carried(attributes: &Attributes, to: Capabilities) -> Result<Attributes> {
    let lost = |what: &str| {
        let words = format!("the other place does not keep {what}, and this object has some");
        Err(StoreError::new(StoreErrorKind::NotImplemented, words))
    };
    if to.tags == Keeping::NotKept && !attributes.tags.is_empty() {
        return lost("tags");
    }
    if to.object_acls == Keeping::NotKept && !attributes.acl.is_private() {
        return lost("ACLs of objects");
    }
    let mut attributes = attributes.clone();
    if to.object_acls == Keeping::NotKept {
        attributes.owner = None;
    }
    // Both are words of the storage where the object is: they do not travel to one that lacks them.
    if to.storage_classes == Keeping::NotKept {
        attributes.storage_class = None;
    }
    if to.encryption == Keeping::NotKept {
        attributes.encryption = None;
    }
    Ok(attributes)
}

/// What both places keep.
#[derive(Debug, Clone, Copy)]
struct Keeps {
    tags: bool,
    acls: bool,
}

fn common_keeping(from: &Place, to: &Place) -> Keeps {
    let (one, other) = (from.store().capabilities(), to.store().capabilities());
    let kept = |one, other| one == Keeping::Kept && other == Keeping::Kept;
    Keeps { tags: kept(one.tags, other.tags), acls: kept(one.object_acls, other.object_acls) }
}

/// Returns whether two objects are the same for a client, but for their times.
fn is_same(one: &ObjectInfo, other: &ObjectInfo, keeps: Keeps) -> bool {
    let compared = |info: &ObjectInfo| compared(&info.attributes, keeps);
    (one.size, &one.etag) == (other.size, &other.etag) && compared(one) == compared(other)
}

/// Returns the attributes as far as two storages report them alike.
fn compared(attributes: &Attributes, keeps: Keeps) -> Attributes {
    let mut attributes = attributes.clone();
    (attributes.storage_class, attributes.encryption) = (None, None);
    // What S3 reports of an object without a type.
    attributes.content_type = attributes.content_type.filter(|value| value != "binary/octet-stream");
    if !keeps.tags {
        attributes.tags = Default::default();
    }
    if !keeps.acls {
        (attributes.acl, attributes.owner) = (Acl::default(), None);
    }
    attributes
}

/// What a storage reports of an object.
#[derive(Serialize)]
struct Reported<'i> {
    backend: &'i str,
    etag: &'i ETag,
    size: u64,
    attributes: &'i Attributes,
}

/// Returns a short text for two objects as their storages report them. The order of the places does not matter.
fn pair_of(from: &Place, wanted: &ObjectInfo, to: &Place, found: &ObjectInfo) -> String {
    let reported = |place: &Place, info: &ObjectInfo| {
        let (backend, etag) = (place.site.backend.as_str(), &info.etag);
        let reported = Reported { backend, etag, size: info.size, attributes: &info.attributes };
        serde_json::to_vec(&reported).unwrap_or_default()
    };
    let mut both = [reported(from, wanted), reported(to, found)];
    both.sort();
    hex::encode(ring::digest::digest(&ring::digest::SHA256, &both.concat()))
}

/// The same, for an object that was just copied. What may not differ was compared.
fn checked_pair(from: &Place, wanted: &ObjectInfo, to: &Place, found: &ObjectInfo) -> Result<String> {
    if wanted.size != found.size {
        let words = format!("{} bytes were copied, and {} arrived", wanted.size, found.size);
        return Err(StoreError::new(StoreErrorKind::Unavailable, words));
    }
    if wanted.attributes.user != found.attributes.user {
        let words = "the other place does not keep the metadata of this object";
        return Err(StoreError::new(StoreErrorKind::NotImplemented, words));
    }
    Ok(pair_of(from, wanted, to, found))
}
