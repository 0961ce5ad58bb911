//! Whether a bucket is consistent: each row of its listing is compared with its object, and each object with
//! its bytes.
//!
//! Owns what is compared, and what counts as a difference. Does not own how bytes are digested (`digest`),
//! how results are reported (`control`), nor files in the storage that are in no listing: a full scan finds
//! those.
//!
//! Invariants:
//! - a change by a client in the meantime is no difference: anything that looks wrong is checked again, from
//!   the listing on;
//! - nothing is changed or repaired here, but drivers may update their index from what they see;
//! - memory is bounded by a page of the listing and [`AT_ONCE`] reads; every page continues after the one
//!   before.

mod digest;
#[cfg(test)]
mod tests;

use crate::{
    model::{ObjectInfo, ObjectKey, StorageClass, Timestamp},
    store::{
        GetRequest, ListEntry, ListRequest, ListedObject, ObjectBody, Result, Store,
        error::{StoreError, StoreErrorKind},
    },
};
use digest::Digest;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

/// Rows of a page.
const PAGE: usize = 500;
/// How many objects are checked at once.
const AT_ONCE: usize = 4;
/// After each page the storage rests for this fraction of the time that the page took: clients come first.
const REST: u32 = 4;
/// How often an object that looks wrong is checked.
const ROUNDS: usize = 5;
/// The longest silence of a storage, and the longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How far the clocks of storages may be off.
const SKEW: Duration = Duration::from_secs(60);

/// How closely objects are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Compares what the storage reports about the objects.
    Records,
    /// Compares every byte, too.
    Bytes,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubCounts {
    pub objects: u64,
    /// Bytes that were read and are correct.
    pub bytes: u64,
    /// Objects that differ from what the bucket lists.
    pub differing: u64,
    /// Objects that could not be checked or read.
    pub failed: u64,
    /// Objects that clients changed meanwhile.
    pub changed: u64,
    /// Objects that were read and have neither an MD5 nor a checksum to compare.
    pub unverified: u64,
}

/// An object that is wrong, in words for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub key: String,
    pub what: String,
}

/// Checks every object of a bucket. The counts grow meanwhile; findings are sent as they are made.
pub async fn scrub(
    store: Arc<dyn Store>,
    depth: Depth,
    counts: &Mutex<ScrubCounts>,
    findings: &mpsc::Sender<Finding>,
) -> Result<ScrubCounts> {
    let scrub = Scrub { store, depth, counts, findings };
    let mut after: Option<String> = None;
    loop {
        let begun = Instant::now();
        let request = ListRequest { after: after.clone(), limit: PAGE, ..Default::default() };
        let listed = Timestamp::now();
        let page = timely(scrub.store.list(request)).await?;
        let last = page.entries.last().map(|entry| entry.name().to_owned());
        let objects = page.entries.into_iter().filter_map(|entry| match entry {
            ListEntry::Object(object) => Some(object),
            ListEntry::CommonPrefix(_) => None,
        });
        stream::iter(objects).for_each_concurrent(AT_ONCE, |row| scrub.object(row, listed)).await;
        match last {
            Some(last) if page.truncated && after.as_deref().is_none_or(|after| after < last.as_str()) => {
                after = Some(last)
            }
            Some(_) if page.truncated => {
                return Err(StoreError::new(
                    StoreErrorKind::Internal,
                    "the listing does not go on behind its last name",
                ));
            }
            _ => return Ok(*scrub.counts.lock().unwrap_or_else(PoisonError::into_inner)),
        }
        tokio::time::sleep(begun.elapsed() / REST).await;
    }
}

struct Scrub<'s> {
    store: Arc<dyn Store>,
    depth: Depth,
    counts: &'s Mutex<ScrubCounts>,
    findings: &'s mpsc::Sender<Finding>,
}

/// The result of one check of an object.
enum CheckResult {
    /// Everything is correct; how many of its bytes were read, and whether there was a digest to compare.
    Right {
        read: u64,
        unverified: bool,
    },
    Wrong {
        what: String,
        modified: Option<Timestamp>,
    },
}

/// Something that looked wrong, with its row of the listing. It is wrong if it looks the same under the same
/// row once more.
struct UnconfirmedFinding {
    row: ListedObject,
    what: String,
    modified: Option<Timestamp>,
}

impl Scrub<'_> {
    async fn object(&self, row: ListedObject, listed: Timestamp) {
        let key = row.key.clone();
        let judged = self.judge(row, listed).await;
        let finding = {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            counts.objects += 1;
            match judged {
                Ok(Verdict::Right { read, unverified }) => {
                    counts.bytes += read;
                    counts.unverified += u64::from(unverified);
                    None
                }
                Ok(Verdict::Changed) => {
                    counts.changed += 1;
                    None
                }
                Ok(Verdict::Wrong(what)) => {
                    counts.differing += 1;
                    Some(what)
                }
                Err(error) => {
                    counts.failed += 1;
                    Some(format!("it could not be looked at: {error}"))
                }
            }
        };
        if let Some(what) = finding {
            // The receiver may be gone; the work ends with it.
            let _ = self.findings.send(Finding { key: key.to_string(), what }).await;
        }
    }

    async fn judge(&self, mut row: ListedObject, listed: Timestamp) -> Result<Verdict> {
        let mut before: Option<UnconfirmedFinding> = None;
        for _ in 0..ROUNDS {
            let (what, modified) = match (self.look(&row).await?, before.take()) {
                (CheckResult::Right { read, unverified }, None) => {
                    return Ok(Verdict::Right { read, unverified });
                }
                // The driver has corrected its listing because of this check. A change that is as old as that
                // came from no client.
                (CheckResult::Right { .. }, Some(doubt))
                    if doubt.modified.is_some_and(|modified| is_older(modified, listed)) =>
                {
                    return Ok(Verdict::Wrong(doubt.what));
                }
                (CheckResult::Right { .. }, Some(_)) => return Ok(Verdict::Changed),
                (CheckResult::Wrong { what, .. }, Some(doubt)) if what == doubt.what && row == doubt.row => {
                    return Ok(Verdict::Wrong(what));
                }
                (CheckResult::Wrong { what, modified }, _) => (what, modified),
            };
            let Some(now) = self.row(&row.key).await? else { return Ok(Verdict::Changed) };
            before = Some(UnconfirmedFinding { row: std::mem::replace(&mut row, now), what, modified });
        }
        Ok(Verdict::Changed)
    }

    /// The current row of a key in the listing. No key with this prefix comes before it.
    async fn row(&self, key: &ObjectKey) -> Result<Option<ListedObject>> {
        let request = ListRequest { prefix: key.to_string(), limit: 1, ..Default::default() };
        let page = timely(self.store.list(request)).await?;
        Ok(page.entries.into_iter().find_map(|entry| match entry {
            ListEntry::Object(object) if object.key == *key => Some(object),
            _ => None,
        }))
    }

    async fn look(&self, row: &ListedObject) -> Result<CheckResult> {
        let info = match timely(self.store.describe(row.key.current(), &Default::default())).await {
            Ok(info) => info,
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => {
                return Ok(CheckResult::Wrong {
                    what: "it is listed and cannot be found".to_owned(),
                    modified: None,
                });
            }
            Err(error) => return Err(error),
        };
        if let Some(what) = contradiction(row, &info) {
            return Ok(CheckResult::Wrong { what, modified: Some(info.last_modified) });
        }
        match self.depth {
            Depth::Records => Ok(CheckResult::Right { read: 0, unverified: false }),
            Depth::Bytes => self.read(&row.key, info).await,
        }
    }

    async fn read(&self, key: &ObjectKey, info: ObjectInfo) -> Result<CheckResult> {
        let modified = Some(info.last_modified);
        let reply = timely(self.store.get(key.current(), GetRequest::default())).await?;
        if reply.info.etag != info.etag || reply.info.size != info.size {
            let (read, said) = (&reply.info, &info);
            let what = format!(
                "GET answers with {} bytes of {}, HEAD with {} of {}",
                read.size,
                read.etag.quoted(),
                said.size,
                said.etag.quoted()
            );
            return Ok(CheckResult::Wrong { what, modified });
        }
        let mut digest = Digest::of(&info);
        match reply.body {
            ObjectBody::Full(bytes) => digest.update(&bytes),
            body => {
                let mut stream = body.into_stream();
                while let Some(frame) = timely(async { stream.next().await.transpose() }).await? {
                    digest.update(&frame);
                    // Digesting takes CPU time: other tasks of this thread get their turn in between.
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(match digest.finish(&info) {
            Ok(verified) => CheckResult::Right { read: info.size, unverified: !verified },
            Err(what) => CheckResult::Wrong { what, modified },
        })
    }
}

enum Verdict {
    Right { read: u64, unverified: bool },
    Wrong(String),
    Changed,
}

/// Whether a change was made before the listing was asked for, whatever the clocks say.
fn is_older(modified: Timestamp, listed: Timestamp) -> bool {
    let skew = i64::try_from(SKEW.as_millis()).unwrap_or(i64::MAX);
    modified.millis().saturating_add(skew) < listed.millis()
}

/// A contradiction between a row of the listing and its object.
fn contradiction(row: &ListedObject, info: &ObjectInfo) -> Option<String> {
    let class = |class| StorageClass::shown(class).to_owned();
    // Some storages report milliseconds in one place and seconds in the other.
    let second = |time: Timestamp| Timestamp::from_millis(time.seconds() * 1000).iso8601();
    let said = [
        ("size", row.size.to_string(), info.size.to_string()),
        ("ETag", row.etag.quoted(), info.etag.quoted()),
        ("modification time", second(row.last_modified), second(info.last_modified)),
        ("storage class", class(row.storage_class), class(info.attributes.storage_class)),
    ];
    let differing: Vec<_> = said.into_iter().filter(|(_, listed, real)| listed != real).collect();
    let words = |(name, listed, real): &(&str, String, String)| {
        format!("{name} {listed} in the listing and {real} in the object")
    };
    (!differing.is_empty()).then(|| differing.iter().map(words).collect::<Vec<_>>().join(", "))
}

async fn timely<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| {
        Err(StoreError::new(StoreErrorKind::Unavailable, "the storage did not answer in time"))
    })
}
