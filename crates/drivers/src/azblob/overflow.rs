//! Attributes that do not fit into a blob's metadata: Azure allows 8 KiB of it, while tags, parts and user
//! metadata of S3 can be larger.
//!
//! The rest is in a blob in the gateway's own folder. It has a random name and is written before the object
//! that refers to it becomes visible. Overflow blobs that no object refers to are swept.

use super::{
    headers::Found,
    metadata,
    record::{self, Elsewhere, Record},
    refusal,
    store::AzblobStore,
};
use crate::{
    backend::wire::{Again, Outgoing},
    model::{Attributes, ObjectInfo, ObjectKey, TagSet},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
        record::Parts,
    },
};
use http::Method;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The metadata that is used of Azure's 8 KiB for names and values. The rest is for what else an account may
/// add.
const ROOM: usize = 8000;
const LONGEST: usize = 4 << 20;

/// The content of an overflow blob. It is a stored format: fields are only ever added.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Overflow {
    /// The object that refers to it.
    pub(super) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parts: Option<Parts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<TagSet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<BTreeMap<String, String>>,
}

fn weight(record: &Record, user: &BTreeMap<String, String>) -> usize {
    let user = user
        .iter()
        .map(|(name, value)| metadata::encode_name(name).len() + metadata::encode_value(value).len());
    user.sum::<usize>() + metadata::OWN.len() + record::text(record).len()
}

/// A group of attributes that can be moved to an overflow.
#[derive(Clone, Copy)]
enum Bulk {
    Sums,
    Parts,
    Tags,
    User,
}

/// Moves attributes that do not fit out of `record` and `user`, the least requested ones first. Names that
/// Azure would sort in another order cannot be signed, and are moved in any case.
fn split(key: &ObjectKey, record: &mut Record, user: &mut BTreeMap<String, String>) -> Option<Overflow> {
    let names: Vec<String> = user.keys().map(|name| metadata::encode_name(name)).collect();
    let mut unsignable = !metadata::have_one_order(names.iter().map(String::as_str));
    let order = if unsignable {
        [Bulk::User, Bulk::Sums, Bulk::Parts, Bulk::Tags]
    } else {
        [Bulk::Sums, Bulk::Parts, Bulk::Tags, Bulk::User]
    };
    let mut overflow = Overflow { key: key.as_str().to_owned(), ..Default::default() };
    for bulk in order {
        if !unsignable && weight(record, user) <= ROOM {
            break;
        }
        unsignable = false;
        // All references have the same length, so a placeholder is counted from here on.
        let elsewhere = record
            .own
            .elsewhere
            .get_or_insert_with(|| Elsewhere { id: "0".repeat(32), ..Default::default() });
        match bulk {
            Bulk::Sums => overflow.parts = record.object.parts.take_sums(),
            Bulk::Parts if record.object.parts.is_empty() => {}
            Bulk::Parts => {
                let parts = std::mem::take(&mut record.object.parts);
                overflow.parts.get_or_insert(parts);
            }
            Bulk::Tags => {
                let tags = std::mem::take(&mut record.object.attributes.tags);
                elsewhere.tags = tags.len();
                overflow.tags = Some(tags).filter(|tags| !tags.is_empty());
            }
            Bulk::User => {
                elsewhere.user = true;
                overflow.user = Some(std::mem::take(user));
            }
        }
    }
    record.own.elsewhere.is_some().then_some(overflow)
}

impl AzblobStore {
    fn overflow_name(&self, id: &str) -> String {
        self.own(&format!("overflow/{id}"))
    }

    /// Makes record and user metadata fit, and stores the rest in an overflow blob.
    pub(super) async fn fit(
        &self,
        key: &ObjectKey,
        record: &mut Record,
        user: &mut BTreeMap<String, String>,
    ) -> Result<()> {
        record.own.elsewhere = None;
        let Some(overflow) = split(key, record, user) else { return Ok(()) };
        let id = super::blocks::random()?;
        let id = hex::encode(id);
        let document = serde_json::to_vec(&overflow)
            .map_err(|error| StoreError::new(StoreErrorKind::Internal, "JSON").with_source(error))?;
        let call = self.blob(Method::PUT, &self.overflow_name(&id)).header("x-ms-blob-type", "BlockBlob");
        let call =
            call.header("x-ms-blob-content-type", "application/json").body(Outgoing::full(document.into()));
        refusal::accept(call.send(Again::Harmless).await?).await?;
        if let Some(elsewhere) = &mut record.own.elsewhere {
            elsewhere.id = id;
        }
        Ok(())
    }

    pub(super) async fn overflow(&self, id: &str) -> Result<Overflow> {
        let reply = self.blob(Method::GET, &self.overflow_name(id)).send(Again::Harmless).await?;
        let document = refusal::accept(reply).await?.bytes(LONGEST).await?;
        serde_json::from_slice(&document)
            .map_err(|error| StoreError::new(StoreErrorKind::Internal, "an overflow").with_source(error))
    }

    /// Reads the overflow of an object: all of it, or only what every reply has to show.
    pub(super) async fn complete_info(&self, found: &mut Found, all: bool) -> Result<()> {
        let Some(elsewhere) = found.elsewhere().filter(|elsewhere| all || elsewhere.user).cloned() else {
            return Ok(());
        };
        let lost = |error: StoreError| match error.kind() {
            StoreErrorKind::NoSuchKey => {
                StoreError::new(StoreErrorKind::Internal, "what belongs to an object is gone")
                    .with_source(error)
            }
            _ => error,
        };
        let Overflow { parts, tags, user, .. } = self.overflow(&elsewhere.id).await.map_err(lost)?;
        let ObjectInfo { attributes, parts: shown, tag_count, .. } = &mut found.info;
        let Attributes { tags: shown_tags, user: shown_user, .. } = attributes;
        if let Some(parts) = parts {
            *shown = parts.list();
        }
        if let Some(tags) = tags {
            *tag_count = tags.len();
            *shown_tags = tags;
        }
        if let Some(user) = user {
            *shown_user = user;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{ObjectPart, Tag},
        records,
        store::record::ObjectRecord,
    };

    fn record(parts: usize, tags: usize) -> Record {
        let size = |n: usize| n as u64 % 7;
        let parts: Vec<_> =
            (0..parts).map(|n| ObjectPart { number: n as u16 + 1, size: size(n), checksum: None }).collect();
        let tags = (0..tags).map(|n| Tag { key: n.to_string(), value: "\u{10348}".repeat(256) }).collect();
        let attributes = Attributes { tags: TagSet::new(tags).expect("valid tags"), ..Default::default() };
        let object = ObjectRecord { attributes, parts: Parts::of(&parts), ..records::plain() };
        Record { own: Default::default(), object }
    }

    #[test]
    fn what_there_is_no_room_for_goes_elsewhere_and_nothing_else_does() {
        let key = ObjectKey::new("k").expect("a key");
        let long = || BTreeMap::from([("n".to_owned(), "ä".repeat(1000))]);
        let many: BTreeMap<_, _> = (0..680).map(|n| (format!("{n:x}"), "ä".to_owned())).collect();
        for (parts, tags, user, moved) in [
            (0, 0, long(), [false, false, false]),
            (100, 1, long(), [false, false, false]),
            (2000, 1, long(), [true, false, false]),
            (0, 10, long(), [false, true, false]),
            (2000, 10, long(), [true, true, false]),
            (0, 0, many, [false, false, true]),
            (
                2,
                1,
                BTreeMap::from([("a_b".to_owned(), String::new()), ("a1".to_owned(), String::new())]),
                [false, false, true],
            ),
        ] {
            let (before, before_user) = (record(parts, tags), user.clone());
            let (mut after, mut user) = (before.clone(), user);
            let overflow = split(&key, &mut after, &mut user).unwrap_or_default();
            assert_eq!(
                [overflow.parts.is_some(), overflow.tags.is_some(), overflow.user.is_some()],
                moved,
                "{parts} {tags}"
            );
            assert!(weight(&after, &user) <= ROOM);
            assert_eq!(overflow.parts.unwrap_or(after.object.parts), before.object.parts);
            let tags = overflow.tags.unwrap_or(after.object.attributes.tags);
            assert_eq!(tags, before.object.attributes.tags);
            assert_eq!(overflow.user.unwrap_or(user), before_user);
        }
    }

    #[test]
    fn what_is_elsewhere_is_written_as_ever() {
        let ObjectRecord { parts, attributes: Attributes { tags, user, .. }, .. } = records::full();
        let (parts, tags, user) = (Some(parts), Some(tags), Some(user));
        let full = Overflow { key: "a/b".into(), parts, tags, user };
        let texts = [full, Overflow { key: "a/b".into(), ..Default::default() }].map(|overflow| {
            let text = serde_json::to_string(&overflow).expect("a text");
            assert_eq!(serde_json::from_str::<Overflow>(&text).expect("reads"), overflow);
            text
        });
        records::is_golden("azblob-overflow.json", &texts);
    }
}
