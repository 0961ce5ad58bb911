//! Two ends, and the people who change them.
//!
//! Invariant: a version counts as superseded only if somebody replaced or deleted it, knowing what was there:
//! people write under conditions, too.

use super::naive::Tree;
use bytes::Bytes;
use causeway::{
    model::{Attributes, ETag, ObjectKey},
    store::{
        CopyAttributes, CopyRequest, CopySource, GetRequest, ListEntry, ListRequest, PutRequest,
        condition::{ETagMatch, WriteConditions},
        error::StoreErrorKind,
        payload::Payload,
    },
    transfer::{End, own_time::MTIME},
};
use futures_util::StreamExt;
use std::collections::{BTreeMap, BTreeSet};

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Some names are next to each other in the order, and some are in folders.
const NAMES: [&str; 9] = ["a", "a-", "b", "c/d", "c/e", "c/e.txt", "f g", "é", "z"];

pub struct World {
    /// The ends beneath whatever watches the run.
    pub ends: [End; 2],
    pub random: Random,
    pub sizes: BTreeMap<u64, usize>,
    pub superseded: BTreeSet<u64>,
    pub log: Vec<String>,
}

fn some(etag: &ETag) -> WriteConditions {
    WriteConditions { if_match: Some(ETagMatch::OneOf(vec![etag.clone()])), ..Default::default() }
}

fn none() -> WriteConditions {
    WriteConditions { if_none_match: Some(ETagMatch::Any), ..Default::default() }
}

/// Returns the version that an object is.
async fn read(end: &End, key: &ObjectKey) -> Option<(u64, ETag)> {
    let reply = match end.store.get(key.current(), GetRequest::default()).await {
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => return None,
        reply => reply.expect("is read"),
    };
    let (etag, mut bytes) = (reply.info.etag, Vec::new());
    let mut stream = reply.body.into_stream();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece.expect("is read"));
    }
    let text = String::from_utf8(bytes).expect("text");
    Some((text.trim_end_matches('.').parse().expect("a version"), etag))
}

pub async fn tree(end: &End) -> Tree {
    let mut tree = Tree::new();
    let request = ListRequest { prefix: end.prefix().to_owned(), limit: 1000, ..Default::default() };
    for entry in end.store.list(request).await.expect("is listed").entries {
        let ListEntry::Object(object) = entry else { continue };
        let name = end.name(object.key.as_str()).expect("a name").to_owned();
        // A deletion that a killed run had begun may come to its end meanwhile.
        tree.extend(read(end, &object.key).await.map(|(version, _)| (name, version)));
    }
    tree
}

impl World {
    pub fn new(ends: [End; 2], random: Random) -> Self {
        let (sizes, superseded, log) = Default::default();
        Self { ends, random, sizes, superseded, log }
    }

    /// Somebody does something at one of the ends.
    pub async fn edit(&mut self) {
        let side = self.random.below(2) as usize;
        let end = self.ends[side].clone();
        let there: Vec<String> = tree(&end).await.into_keys().collect();
        let choice = self.random.below(10);
        let any = NAMES[self.random.below(NAMES.len() as u64) as usize].to_owned();
        let old = match there.len() as u64 {
            0 => None,
            count => Some(there[self.random.below(count) as usize].clone()),
        };
        match (choice, old) {
            (0..2, Some(old)) => self.delete(side, &end, &old).await,
            (2..4, Some(old)) if !there.contains(&any) => self.rename(side, &end, &old, &any).await,
            (4..7, Some(old)) => self.write(side, &end, &old).await,
            _ => self.write(side, &end, &any).await,
        }
    }

    async fn write(&mut self, side: usize, end: &End, name: &str) {
        let key = end.key(name).expect("a key");
        let number = self.sizes.len() as u64 + 1;
        let padding = self.random.below(3) as usize;
        let text = format!("{number}{}", ".".repeat(padding + 6 - number.to_string().len().min(6)));
        self.sizes.insert(number, text.len());
        let user = BTreeMap::from([(MTIME.to_owned(), format!("{}", 1_000_000 + number))]);
        loop {
            let old = read(end, &key).await;
            let conditions = old.as_ref().map_or_else(none, |(_, etag)| some(etag));
            let attributes = Attributes { user: user.clone(), ..Default::default() };
            let payload = Payload::from_bytes(Bytes::from(text.clone()));
            match end.store.put(&key, PutRequest { attributes, conditions, payload }).await {
                Ok(_) => {
                    self.log
                        .push(format!("{side}: {name} = {number}, was {:?}", old.as_ref().map(|old| old.0)));
                    self.superseded.extend(old.map(|(old, _)| old));
                    return;
                }
                Err(error) if is_other(error.kind()) => {}
                // A file has the name of a folder that this one needs, or the other way round.
                Err(error) if error.kind() == StoreErrorKind::InvalidRequest => {
                    self.superseded.insert(number);
                    return;
                }
                Err(error) => panic!("writing {name}: {error}"),
            }
        }
    }

    async fn delete(&mut self, side: usize, end: &End, name: &str) {
        let key = end.key(name).expect("a key");
        while let Some((old, etag)) = read(end, &key).await {
            match end.store.delete(key.current(), &some(&etag)).await {
                Ok(_) => {
                    self.log.push(format!("{side}: {name} deleted, was {old}"));
                    self.superseded.insert(old);
                    return;
                }
                Err(error) if is_other(error.kind()) => {}
                Err(error) => panic!("deleting {name}: {error}"),
            }
        }
    }

    async fn rename(&mut self, side: usize, end: &End, old: &str, new: &str) {
        let (from, to) = (end.key(old).expect("a key"), end.key(new).expect("a key"));
        let Some((number, etag)) = read(end, &from).await else { return };
        let source = CopySource {
            store: end.store.clone(),
            key: from.clone(),
            version: None,
            conditions: Default::default(),
        };
        let request =
            CopyRequest { source, attributes: CopyAttributes::default(), conditions: none(), checksum: None };
        // Whatever keeps it from being copied, the old name stays then.
        if end.store.copy(&to, request).await.is_ok()
            && end.store.delete(from.current(), &some(&etag)).await.is_ok()
        {
            self.log.push(format!("{side}: {old} -> {new}, is {number}"));
        }
    }
}

fn is_other(kind: StoreErrorKind) -> bool {
    use StoreErrorKind::{Conflict, NoSuchKey, PreconditionFailed};
    matches!(kind, PreconditionFailed | NoSuchKey | Conflict)
}
