//! Several objects that are deleted by one request (DeleteObjects of S3).
//!
//! This file owns which deletions go together, the document, and what its reply says of each key. A deletion
//! of a key that XML cannot carry, under a condition that the storage does not check here, or on a storage
//! without DeleteObjects is a request of its own (`store`).
//!
//! Invariants: each key has its own outcome; a key that the reply does not mention is not said to be deleted;
//! a request whose answer was lost is not sent again.

use super::{
    bucket::S3Store,
    client::{Call, Client},
    dialect::Dialect,
    features::Features,
    refusal::{self, Refusal, RequestSubject},
    scratch::{NO_TAG, ask},
};
use crate::{
    backend::wire::{Again, Reply},
    model::ETag,
    store::{
        DeleteRequest, Deleted, Removal, Result,
        condition::{ETagMatch, WriteConditions},
        deleting,
        error::{StoreError, StoreErrorKind},
    },
    xml,
};
use futures_util::{StreamExt, future::join, stream};
use http::{Method, StatusCode};
use std::collections::{HashMap, HashSet};

/// S3 API reference, DeleteObjects.
const MOST_KEYS: usize = 1000;
/// The keys of one document in bytes, as they are escaped. Some storages refuse documents of a megabyte.
const MOST_BYTES: usize = 512 << 10;
/// An outcome has a key that is as long as in the document, and some words.
const LONGEST_REPLY: usize = 4 << 20;
/// How many documents are under way at once: there is more than one if keys are long.
const AT_ONCE: usize = 2;

/// One object of a document.
struct Entry {
    name: String,
    /// The object is deleted only if it has this ETag.
    etag: Option<ETag>,
}

/// The objects of one document.
struct Batch {
    /// The names as elements of the document.
    elements: xml::Writer,
    names: Vec<String>,
    /// The positions of their requests.
    positions: Vec<usize>,
    /// Whether each is deleted under a condition.
    guarded: Vec<bool>,
}

impl Batch {
    fn new() -> Self {
        Self {
            elements: xml::Writer::fragment(),
            names: Vec::new(),
            positions: Vec::new(),
            guarded: Vec::new(),
        }
    }

    fn is_full(&self) -> bool {
        self.names.len() >= MOST_KEYS || self.elements.size() >= MOST_BYTES
    }

    fn push(&mut self, at: usize, entry: Entry) {
        let Entry { name, etag } = entry;
        self.elements.element("Object", |w| {
            w.text("Key", &name);
            if let Some(etag) = &etag {
                w.text("ETag", etag.quoted());
            }
        });
        self.names.push(name);
        self.positions.push(at);
        self.guarded.push(etag.is_some());
    }

    /// Returns the outcome of each, with the position of its request.
    fn outcomes(self, answers: Result<Answers>) -> Vec<(usize, Result<Deleted>)> {
        let outcome = |name: &str, is_guarded| match &answers {
            Ok(answers) => answers.of(name, is_guarded),
            // It is not known which of them were deleted.
            Err(error) => Err(error.again()),
        };
        let outcomes = self.names.iter().zip(self.guarded).map(|(name, guarded)| outcome(name, guarded));
        self.positions.into_iter().zip(outcomes).collect()
    }
}

impl S3Store {
    pub(super) async fn delete_several(&self, requests: Vec<DeleteRequest>) -> Vec<Result<Deleted>> {
        let features = if requests.len() > 1 { self.features_of_deletes().await } else { None };
        let Some(features) = features else { return deleting::one_by_one(self, requests).await };
        let (mut batches, mut alone): (Vec<Batch>, Vec<_>) = Default::default();
        let mut seen = HashSet::new();
        for (at, request) in requests.into_iter().enumerate() {
            // A reply does not tell two entries of one key apart.
            let is_first = seen.insert(request.key.clone());
            let entry = if is_first { self.entry(&request, features).await } else { None };
            match (entry, batches.last_mut().filter(|batch| !batch.is_full())) {
                (None, _) => alone.push((at, request)),
                (Some(entry), Some(batch)) => batch.push(at, entry),
                (Some(entry), None) => {
                    let mut batch = Batch::new();
                    batch.push(at, entry);
                    batches.push(batch);
                }
            }
        }
        let (positions, alone): (Vec<_>, Vec<_>) = alone.into_iter().unzip();
        let together = stream::iter(batches).map(|batch| self.delete_batch(batch)).buffered(AT_ONCE).concat();
        let (together, alone) = join(together, deleting::one_by_one(self, alone)).await;
        deleting::in_order(together.into_iter().chain(positions.into_iter().zip(alone)))
    }

    /// Returns the features of a storage that has DeleteObjects. If they cannot be found out now, objects are
    /// deleted one by one.
    async fn features_of_deletes(&self) -> Option<Features> {
        let features = if self.dialect() == Dialect::S3 { self.features().await.ok() } else { None };
        features.filter(|features| features.deletes_together)
    }

    /// Returns what a document says of an object. `None`: its deletion is a request of its own, which also
    /// says what is wrong with it.
    async fn entry(&self, request: &DeleteRequest, features: Features) -> Option<Entry> {
        let key = request.address().unversioned().ok()?;
        let etag = match &request.conditions {
            conditions if conditions.is_empty() => None,
            WriteConditions {
                if_match: Some(ETagMatch::OneOf(tags)),
                if_none_match: None,
                last_modified: None,
                size: None,
            } if features.conditional_deletes_together && tags.len() == 1 => tags.first().cloned(),
            _ => return None,
        };
        let name = self.name_of_existing(key).await.ok().filter(|name| is_carried(name))?;
        Some(Entry { name, etag })
    }

    async fn delete_batch(&self, mut batch: Batch) -> Vec<(usize, Result<Deleted>)> {
        let elements = std::mem::replace(&mut batch.elements, xml::Writer::fragment());
        batch.outcomes(self.ask_to_delete(elements).await)
    }

    async fn ask_to_delete(&self, elements: xml::Writer) -> Result<Answers> {
        let call = request(&self.client, &self.location.remote, elements);
        Answers::read(call.patiently().send(Again::OnlyIfRefused).await?).await
    }
}

/// Makes the request that deletes objects of a remote bucket.
fn request<'c>(client: &'c Client, remote: &str, elements: xml::Writer) -> Call<'c> {
    let mut document = xml::Writer::document();
    document.root("Delete", |w| w.insert(&elements));
    client.call(Method::POST, remote, None).query(&[("delete", None)]).document(document.finish())
}

/// What a trial found out about DeleteObjects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) deletes_together: bool,
    pub(super) conditional_deletes_together: bool,
}

/// Tries out whether the storage deletes a scratch object together with one that does not exist, and says so
/// of both, and whether it keeps the scratch object under a condition that does not hold. The name of the
/// other one has markup in it.
pub(super) async fn try_out(client: &Client, remote: &str, name: &str) -> Result<Found> {
    let delete = async |etag: Option<ETag>| {
        let mut batch = Batch::new();
        for (at, name) in [name.to_owned(), format!("{name}&amp;")].into_iter().enumerate() {
            batch.push(at, Entry { name, etag: etag.clone() });
        }
        let elements = std::mem::replace(&mut batch.elements, xml::Writer::fragment());
        let reply = ask(request(client, remote, elements), Again::OnlyIfRefused).await?;
        let outcomes = batch.outcomes(Answers::read(reply).await);
        let seen = ask(client.call(Method::HEAD, remote, Some(name)), Again::Harmless).await?;
        let outcomes: Vec<_> =
            outcomes.into_iter().map(|(_, outcome)| outcome.map_err(|error| error.kind())).collect();
        Ok::<_, StoreError>((outcomes, seen.status))
    };
    let (outcomes, seen) = delete(Some(ETag::parse(NO_TAG))).await?;
    let is_kept = matches!(outcomes.first(), Some(Err(StoreErrorKind::PreconditionFailed)));
    let conditional_deletes_together = is_kept && seen.is_success();
    let (outcomes, seen) = delete(None).await?;
    let deletes_together = outcomes.iter().all(|outcome| outcome.is_ok()) && seen == StatusCode::NOT_FOUND;
    Ok(Found { deletes_together, conditional_deletes_together })
}

/// Whether every storage reads the name as it was written. XML 1.0 does not have all characters (section
/// 2.2), and line ends are read as others (2.11). A storage that drops spaces around a name would delete
/// another object.
fn is_carried(name: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    name.chars().all(is_plain) && name.trim() == name
}

/// What a reply says of each object. `None`: the object was deleted.
struct Answers(HashMap<String, Option<Refusal>>);

impl Answers {
    async fn read(reply: Reply) -> Result<Self> {
        if !reply.status.is_success() {
            return Err(refusal::read(reply, RequestSubject::Bucket).await.into());
        }
        let status = reply.status;
        let document = reply.bytes(LONGEST_REPLY).await?;
        // S3 may begin a reply with 200 and end it with an error.
        let Ok(root) = xml::parse_reply(&document) else {
            return Err(refusal::of_document(status, &document, RequestSubject::Bucket).into());
        };
        Ok(Self::of_root(&root))
    }

    fn of_root(root: &xml::Element) -> Self {
        let mut answers = HashMap::new();
        for child in &root.children {
            let Some(name) = child.value("Key") else { continue };
            match child.name.as_str() {
                "Deleted" => {
                    answers.entry(name.to_owned()).or_insert(None);
                }
                "Error" => {
                    answers.insert(name.to_owned(), Some(refusal::of_entry(child, RequestSubject::Object)));
                }
                _ => {}
            }
        }
        Self(answers)
    }

    fn of(&self, name: &str, is_guarded: bool) -> Result<Deleted> {
        match self.0.get(name) {
            // S3's reply does not show whether an object existed, unless a tag had to match.
            Some(None) => Ok(if is_guarded { Removal::Removed } else { Removal::Unknown }.into()),
            // Some storages report a missing object, S3 does not: it counts as deleted.
            Some(Some(refusal)) if refusal.kind() == StoreErrorKind::NoSuchKey && !is_guarded => {
                Ok(Removal::Absent.into())
            }
            Some(Some(refusal)) => Err(refusal.clone().into()),
            None => Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "the storage's reply does not say what became of the object",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(document: &str) -> Answers {
        Answers::of_root(&xml::parse_reply(document.as_bytes()).expect("well-formed"))
    }

    #[test]
    fn each_key_has_the_outcome_that_the_reply_says_of_it() {
        let answers = answers(
            "<DeleteResult><Deleted><Key>a&amp;b</Key></Deleted>\
             <Error><Key>kept</Key><Code>AccessDenied</Code><Message>m</Message></Error>\
             <Error><Key>busy</Key><Code>SlowDown</Code></Error>\
             <Error><Key>broken</Key><Code>InternalError</Code></Error>\
             <Error><Key>odd</Key><Code>XOdd</Code></Error>\
             <Error><Key>gone</Key><Code>NoSuchKey</Code></Error></DeleteResult>",
        );
        let kind =
            |name: &str| answers.of(name, false).map(|deleted| deleted.removal).map_err(|error| error.kind());
        assert_eq!(kind("a&b"), Ok(Removal::Unknown));
        assert_eq!(kind("gone"), Ok(Removal::Absent));
        let guarded = answers.of("gone", true).map_err(|error| error.kind());
        assert_eq!(guarded, Err(StoreErrorKind::NoSuchKey), "a condition required it");
        assert_eq!(kind("kept"), Err(StoreErrorKind::Internal));
        assert_eq!(kind("busy"), Err(StoreErrorKind::Busy));
        assert_eq!(kind("broken"), Err(StoreErrorKind::Unavailable));
        assert_eq!(kind("odd"), Err(StoreErrorKind::Internal));
        assert_eq!(kind("never mentioned"), Err(StoreErrorKind::Unavailable));
    }

    #[test]
    fn a_key_that_xml_cannot_carry_or_changes_is_in_no_document() {
        assert!(is_carried("a &<b>\u{1f600}"));
        for name in ["\r", "a\nb", "\t", "\0", "\u{85}", "\u{ffff}", " a", "a "] {
            assert!(!is_carried(name), "{name:?}");
        }
    }
}
