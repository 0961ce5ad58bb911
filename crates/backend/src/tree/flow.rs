//! Flows: parts of an upload that are sent to the storage while later parts still arrive. If the parts arrive
//! more or less in order, a draft is written part by part as they are recorded, and Complete has to send only
//! the rest.
//!
//! A flow is only an optimisation. A draft does not outlive the process, but an acknowledged part must, so
//! the spool keeps every part until the upload ends. If a flow fails, Complete builds the object from the
//! spool.
//!
//! Invariants: a request that puts a part never waits for a flow; an upload has at most one flow, which
//! begins while the upload is known to exist and ends with it; a flow reports exactly the parts that it
//! wrote, and Complete uses it only if the object begins with them.

use super::{
    files::{Draft, DraftName, Files},
    spool::{PartReader, Spool},
};
use crate::{
    backend::slots::{Location, Move},
    catalog::{BucketId, Catalog},
    model::{PartNumber, UploadId},
    store::Result,
};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

/// A flow that has not advanced for this long ends, so that another upload can have one: its client has
/// disconnected, or does not send the next part.
const IDLE: Duration = Duration::from_secs(5 * 60);
/// How long a shutdown waits for drafts to be discarded.
const CLOSING: Duration = Duration::from_secs(5);
/// The flows of the uploads of one bucket. A flow that has failed is remembered until its upload ends, so
/// that it does not begin again.
pub(super) struct Flows {
    /// The permits for flows, which all buckets of a backend share.
    permits: Arc<Semaphore>,
    all: Mutex<HashMap<UploadId, Flow>>,
}

/// A flow. When it is dropped, it ends and its draft is discarded.
struct Flow {
    /// Changed whenever a part was recorded.
    wish: watch::Sender<Wish>,
    /// The number of the part that the flow writes or waits for.
    at: Arc<AtomicU16>,
    task: JoinHandle<Option<Flowed>>,
}

#[derive(Debug, Clone, Copy)]
enum Wish {
    GoOn,
    GiveUp,
    HandOver,
}

impl fmt::Debug for Flows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flows").field("places", &self.permits).finish_non_exhaustive()
    }
}

impl Flows {
    pub(super) fn new(permits: Arc<Semaphore>) -> Self {
        Self { permits, all: Mutex::default() }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<UploadId, Flow>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_room(&self) -> bool {
        self.permits.available_permits() > 0
    }

    /// Informs the flow of an upload that a part was recorded; `again` means that it replaced an earlier one.
    /// Returns whether the upload has a flow.
    pub(super) fn tell(&self, id: &UploadId, number: PartNumber, again: bool) -> bool {
        let all = self.all();
        let Some(flow) = all.get(id) else { return false };
        let overtaken = again && number.get() <= flow.at.load(Ordering::Acquire);
        flow.wish.send_modify(|wish| *wish = if overtaken { Wish::GiveUp } else { *wish });
        true
    }

    /// Begins the flow of an upload, unless it has one or there are too many. A task that ends the upload
    /// must wait meanwhile.
    pub(super) fn begin(&self, beginning: Beginning) {
        let Beginning { catalog, spool, bucket, upload, files, draft, path } = beginning;
        let mut all = self.all();
        if let (false, Ok(permit)) = (all.contains_key(&upload), self.permits.clone().try_acquire_owned()) {
            let (wish, receiver) = watch::channel(Wish::GoOn);
            let at = Arc::new(AtomicU16::new(0));
            let source = FlowContext {
                catalog,
                spool,
                bucket,
                upload: upload.clone(),
                at: at.clone(),
                patience: IDLE,
            };
            let task = tokio::spawn(async move {
                match files.create(&draft, &path, None).await {
                    Ok(draft) => run(source, draft, receiver, permit).await,
                    Err(error) => {
                        tracing::debug!(path, %error, "parts do not flow on");
                        None
                    }
                }
            });
            all.insert(upload, Flow { wish, at, task });
        }
    }

    /// Ends the flow of an upload that is being completed, and returns what it has written.
    pub(super) async fn take(&self, id: &UploadId) -> Option<Flowed> {
        let flow = self.all().remove(id)?;
        flow.wish.send_replace(Wish::HandOver);
        flow.task.await.ok().flatten()
    }

    /// Ends all flows and prevents new ones: their drafts would remain until the next start.
    pub(super) async fn close(&self) {
        self.permits.close();
        let ending = std::mem::take(&mut *self.all()).into_values().map(|flow| flow.task);
        // The next start removes what is not discarded in time.
        let _ = timeout(CLOSING, futures_util::future::join_all(ending.collect::<Vec<_>>())).await;
    }

    /// Ends the flow of an upload that has ended.
    pub(super) fn end(&self, id: &UploadId) {
        self.all().remove(id);
    }
}

/// The values that a flow begins with.
pub(super) struct Beginning {
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) spool: Arc<Spool>,
    pub(super) bucket: BucketId,
    pub(super) upload: UploadId,
    pub(super) files: Arc<dyn Files>,
    /// The name of the draft that the flow writes.
    pub(super) draft: DraftName,
    /// The path of the future object.
    pub(super) path: String,
}

/// The parts of its bucket that a flow uses. It does not keep the bucket open.
struct FlowContext {
    catalog: Arc<dyn Catalog>,
    spool: Arc<Spool>,
    bucket: BucketId,
    upload: UploadId,
    at: Arc<AtomicU16>,
    patience: Duration,
}

/// The reason why a flow stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    Wanted,
    /// A part that the flow had written was replaced.
    Overtaken,
    Idle,
    /// The upload has ended, or the bucket was closed.
    Ended,
}

async fn run(
    source: FlowContext,
    draft: Box<dyn Draft>,
    mut wish: watch::Receiver<Wish>,
    permit: OwnedSemaphorePermit,
) -> Option<Flowed> {
    let mut flowed = Flowed { draft, written: Vec::new(), open: None, _permit: permit };
    let upload = &source.upload;
    match flowed.fill(&source, &mut wish).await {
        Ok(Stopped::Wanted) => return Some(flowed),
        Ok(why) => tracing::debug!(%upload, ?why, "parts do not flow on any more"),
        Err(error) => tracing::debug!(%upload, %error, "parts do not flow on any more"),
    }
    flowed.draft.discard().await;
    None
}

/// The parts that a flow has written.
pub(super) struct Flowed {
    draft: Box<dyn Draft>,
    /// The names of the written parts in the spool, which are never used twice. The object has to begin with
    /// these parts.
    written: Vec<Location>,
    /// The last part, if it is not written completely.
    open: Option<PartReader>,
    _permit: OwnedSemaphorePermit,
}

impl Flowed {
    async fn fill(&mut self, source: &FlowContext, wish: &mut watch::Receiver<Wish>) -> Result<Stopped> {
        let mut advanced = Instant::now();
        for number in 1.. {
            source.at.store(number, Ordering::Release);
            let part = loop {
                // A change that is reported after this point is noticed again below.
                if let Some(why) = stopped(wish) {
                    return Ok(why);
                }
                let next = source
                    .catalog
                    .parts(source.bucket, &source.upload, number - 1, 1)
                    .await?
                    .into_iter()
                    .next();
                if let Some(part) = next.filter(|part| part.number.get() == number) {
                    break part;
                }
                match timeout_at(advanced + source.patience, wish.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Ok(Stopped::Ended),
                    Err(_) => return Ok(Stopped::Idle),
                }
            };
            let reader = source.spool.read(source.bucket, &source.upload, &part.location).await?;
            self.written.push(Location::Own(part.location));
            let reader = self.open.insert(reader);
            while let Some(bytes) = reader.next().await? {
                self.draft.write(vec![bytes]).await?;
                if let Some(why) = stopped(wish) {
                    return Ok(why);
                }
            }
            self.open = None;
            advanced = Instant::now();
        }
        Ok(Stopped::Idle)
    }

    /// Returns the draft, written up to the end of a part, and the number of the object's parts in it.
    /// `None`: the object does not begin with the written parts, or writing failed; then the draft was
    /// discarded.
    pub(super) async fn up_to_a_part(mut self, object: &[Move]) -> Option<(Box<dyn Draft>, usize)> {
        let begins_so =
            self.written.iter().eq(object.iter().take(self.written.len()).map(|part| &part.location));
        if begins_so && !self.written.is_empty() {
            match self.end_part().await {
                Ok(()) => return Some((self.draft, self.written.len())),
                Err(error) => tracing::debug!(%error, "what has flowed on is lost"),
            }
        }
        self.draft.discard().await;
        None
    }

    async fn end_part(&mut self) -> Result<()> {
        if let Some(mut reader) = self.open.take() {
            while let Some(bytes) = reader.next().await? {
                self.draft.write(vec![bytes]).await?;
            }
        }
        Ok(())
    }
}

fn stopped(wish: &mut watch::Receiver<Wish>) -> Option<Stopped> {
    let wanted = *wish.borrow_and_update();
    match (wanted, wish.has_changed()) {
        (Wish::HandOver, _) => Some(Stopped::Wanted),
        (Wish::GiveUp, _) => Some(Stopped::Overtaken),
        (Wish::GoOn, Err(_)) => Some(Stopped::Ended),
        (Wish::GoOn, Ok(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::tree::files::{Published, Stat},
        catalog::{NewBucket, PartRecord, UploadRecord, sqlite::SqliteCatalog},
        model::{Attributes, BucketName, ChecksumAlgorithm, ChecksumSpec, Owner, Timestamp},
        store::{Durability, error::StoreErrorKind},
    };
    use async_trait::async_trait;
    use bytes::Bytes;

    /// A draft that records what is written and whether it was discarded.
    #[derive(Clone, Default)]
    struct Paper {
        text: Arc<Mutex<Vec<u8>>>,
        discarded: Arc<Mutex<bool>>,
    }

    #[async_trait]
    impl Draft for Paper {
        async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
            self.text.lock().expect("no panic").extend(bytes.concat());
            Ok(())
        }

        async fn finish(&mut self) -> Result<Option<Stat>> {
            Ok(None)
        }

        async fn publish(self: Box<Self>, _path: &str, _absent: bool) -> Result<Published> {
            Err(StoreErrorKind::NotImplemented.into())
        }

        async fn discard(self: Box<Self>) {
            *self.discarded.lock().expect("no panic") = true;
        }
    }

    #[tokio::test]
    async fn a_flow_that_does_not_advance_leaves_its_place_and_discards_its_draft() {
        let dir = tempfile::tempdir().expect("a directory");
        let catalog: Arc<dyn Catalog> =
            Arc::new(SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("opens"));
        let spool = Spool::open(dir.path().join("parts"), 1 << 20, false).expect("opens");
        let owner = Owner { id: "o".into(), display_name: "o".into() };
        let name = BucketName::parse("bucket").expect("a name");
        let (backend, location, created) = ("b".into(), String::new(), Timestamp::now());
        let new =
            NewBucket { name, owner: owner.clone(), created, tenant: Default::default(), backend, location };
        let bucket = catalog.create_bucket(new).await.expect("is made").id;
        let upload = UploadId::parse("a").expect("an id");
        let algorithm = ChecksumAlgorithm::Crc64Nvme;
        let begun = UploadRecord {
            bucket,
            upload: upload.clone(),
            key: crate::model::ObjectKey::new("key").expect("a key"),
            initiator: owner,
            initiated: Timestamp::now(),
            attributes: Attributes::default(),
            checksum: ChecksumSpec { algorithm, kind: algorithm.default_kind() },
            explicit_checksum: false,
            location: String::new(),
        };
        catalog.begin_upload(begun).await.expect("begins");
        for n in [1, 2, 4] {
            let number = PartNumber::new(n).expect("a number");
            let mut part = spool.create(bucket, &upload, number).await.expect("is begun");
            part.write(vec![Bytes::from(n.to_string())]).await.expect("is written");
            part.finish().await.expect("is whole");
            let location = part.name().to_owned();
            part.keep();
            let record = PartRecord {
                number,
                size: 1,
                md5: [0; 16],
                checksum: None,
                last_modified: Timestamp::now(),
                location,
            };
            catalog.put_part(bucket, &upload, record).await.expect("is recorded");
        }
        let permits = Arc::new(Semaphore::new(1));
        let permit = permits.clone().try_acquire_owned().expect("a place");
        let (_wish, receiver) = watch::channel(Wish::GoOn);
        let source =
            FlowContext { catalog, spool, bucket, upload, at: Arc::default(), patience: Duration::ZERO };
        let paper = Paper::default();
        assert!(run(source, Box::new(paper.clone()), receiver, permit).await.is_none());
        assert_eq!(*paper.text.lock().expect("no panic"), b"12");
        assert!(*paper.discarded.lock().expect("no panic"));
        assert_eq!(permits.available_permits(), 1);
    }
}
