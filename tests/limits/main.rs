//! The layer of limits on top of a backend in memory that hangs on demand.

#[path = "../contract/client.rs"]
#[allow(dead_code)]
mod client;

use causeway::{
    backend::{Backend, Depth, OpenedBucket, Progress, memory::MemoryBackend},
    catalog::{BucketId, BucketRecord, Catalog, NewBucket, sqlite::SqliteCatalog},
    drivers::fs::{FsBackend, FsSettings},
    faults::{FaultKind, Faults, FaultyBackend, Plan},
    limits::{Account, AtBudget, Budget, Ledger, LimitedBackend, Limiter, Limits},
    model::{BucketName, Owner, Timestamp},
    store::{
        Durability, GetRequest, ListRequest, Selection, Store,
        error::StoreErrorKind,
        operation::{Operation, Operations},
        payload::{Announced, Payload},
    },
};
use client::Uploading;
use futures_util::FutureExt;
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::time::Instant;

struct Bed {
    faults: Faults,
    limiter: Arc<Limiter>,
    backend: LimitedBackend,
    store: Arc<dyn Store>,
}

impl Bed {
    async fn new(limits: Limits) -> Self {
        Self::with_budget(limits, None).await
    }

    async fn with_budget(limits: Limits, budget: Option<(Arc<Account>, Arc<Ledger>)>) -> Self {
        let faults = Faults::new(1, Plan::default());
        let below = Arc::new(FaultyBackend::new(Arc::new(MemoryBackend::new()), faults.clone()));
        let limiter = Limiter::new(limits);
        let backend = LimitedBackend::new(below, limiter.clone(), budget);
        let bucket = bucket(&backend);
        let store = backend.open(&BucketRecord::new(BucketId(1), bucket)).await.expect("opens").store;
        Self { faults, limiter, backend, store }
    }

    async fn list(&self) -> Result<(), StoreErrorKind> {
        self.store.list(ListRequest { limit: 1, ..Default::default() }).await.map(drop).map_err(client::kind)
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>, StoreErrorKind> {
        client::get(&*self.store, key, Selection::Whole).await.map(|(_, bytes)| bytes).map_err(client::kind)
    }
}

fn bucket(backend: &dyn Backend) -> NewBucket {
    let name = BucketName::parse("bucket").expect("a name");
    NewBucket {
        location: backend.location_for(&name),
        name,
        owner: Owner { id: "owner".into(), display_name: "owner".into() },
        created: Timestamp::now(),
        tenant: Default::default(),
        backend: "limited".into(),
    }
}

fn account(dir: &TempDir, budget: Budget) -> (Arc<Account>, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::open(dir.path().join("budgets.json")).expect("opens"));
    (ledger.account("disk", budget, Timestamp::now()), ledger)
}

const ONE: Limits = Limits { upload: None, download: None, requests: None, concurrency: Some(1) };

#[tokio::test(start_paused = true)]
async fn whoever_finds_no_slot_for_a_second_is_told_to_slow_down_and_asks_nothing_below() {
    let bed = Bed::new(ONE).await;
    bed.faults.set(Plan::hanging());
    let held = async {
        bed.faults.seen(|counts| counts.of(FaultKind::Hang) == 1).await;
        let begun = Instant::now();
        assert_eq!(bed.list().await, Err(StoreErrorKind::Busy));
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
        bed.faults.heal();
    };
    let (first, ()) = tokio::join!(bed.list(), held);
    assert_eq!(first, Ok(()));
    assert_eq!(bed.faults.counts().calls(), 1);
    assert_eq!(bed.limiter.throttled().refused, 1);
    assert_eq!(bed.list().await, Ok(()), "the slot is free again");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_read_is_a_request_in_work() {
    let bed = Bed::new(ONE).await;
    let frames = [Ok("one".into()), Ok("two".into())];
    let payload = Payload::from_stream(futures_util::stream::iter(frames), Announced::default());
    bed.store.put(&client::key("a"), client::request(payload)).await.expect("is put");
    let reply = bed.store.get(client::key("a").current(), GetRequest::default()).await.expect("begins");
    assert_eq!(bed.list().await, Err(StoreErrorKind::Busy));
    assert_eq!(client::collect(reply).await.expect("is whole"), b"onetwo");
    assert_eq!(bed.list().await, Ok(()));
    drop(bed.store.get(client::key("a").current(), GetRequest::default()).await.expect("begins"));
    assert_eq!(bed.list().await, Ok(()), "a reader that went away is out of work");
}

#[tokio::test(start_paused = true)]
async fn a_copy_within_a_backend_does_not_wait_for_itself() {
    let bed = Bed::new(Limits { requests: Some(1000), ..ONE }).await;
    client::put(&*bed.store, "a", "1").await;
    client::copy(&*bed.store, "b", &bed.store, "a").await.expect("is copied");
    let mut upload = Uploading::begin(&*bed.store, "c").await;
    let part = causeway::store::CopyPartRequest { source: client::copy_source(&bed.store, "a"), range: None };
    let part =
        bed.store.copy_part(&upload.key, &upload.id, client::number(1), part).await.expect("is copied");
    upload.sent(1, &part);
    upload.complete().await;
    assert_eq!((bed.get("b").await, bed.get("c").await), (Ok(b"1".to_vec()), Ok(b"1".to_vec())));
}

#[tokio::test(start_paused = true)]
async fn bodies_keep_their_bytes_and_their_pace() {
    let bed = Bed::new(Limits { upload: Some(100_000), download: Some(50_000), ..Limits::default() }).await;
    let bytes = client::bytes(1, 300_000);
    let begun = Instant::now();
    client::put(&*bed.store, "a", bytes.clone()).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    let begun = Instant::now();
    assert_eq!(bed.get("a").await.as_deref(), Ok(&bytes[..]));
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert_eq!(bed.limiter.throttled().waited.as_millis() / 100, 70);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_its_turn_can_be_given_up() {
    let bed = Bed::new(ONE).await;
    bed.faults.set(Plan::hanging().on(Operations::LISTS));
    let mut first = Box::pin(bed.list());
    assert!(first.as_mut().now_or_never().is_none());
    assert!(bed.list().now_or_never().is_none());
    drop(first);
    bed.faults.heal();
    assert_eq!(bed.list().await, Ok(()));
    assert_eq!(bed.faults.counts().calls_of(Operation::List), 2, "who waited never asked");
}

#[tokio::test]
async fn a_budget_of_requests_stops_them_and_says_to_go_elsewhere() {
    let dir = tempfile::tempdir().expect("a directory");
    let budget = Budget { requests: Some(3), download: None, at_budget: AtBudget::Stop };
    let bed = Bed::with_budget(Limits::default(), Some(account(&dir, budget))).await;
    client::put(&*bed.store, "a", "1").await;
    assert_eq!(bed.get("a").await, Ok(b"1".to_vec()));
    assert!(!bed.backend.avoid());
    assert_eq!(bed.list().await, Ok(()));
    assert!(bed.backend.avoid());
    assert_eq!(bed.get("a").await, Err(StoreErrorKind::Busy));
    assert_eq!((bed.faults.counts().calls(), bed.limiter.throttled().refused), (3, 1));
}

#[tokio::test]
async fn a_budget_of_downloads_counts_bytes_that_were_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let budget = Budget { requests: None, download: Some(250), at_budget: AtBudget::Avoid };
    let (account, ledger) = account(&dir, budget);
    let bed = Bed::with_budget(Limits::default(), Some((account.clone(), ledger))).await;
    client::put(&*bed.store, "a", client::bytes(1, 100)).await;
    for read in 1..=4 {
        assert_eq!(bed.get("a").await.map(|bytes| bytes.len()), Ok(100));
        assert_eq!(
            (account.used().download, bed.backend.avoid()),
            (100 * read, read >= 3),
            "served all the same"
        );
    }
    bed.backend.close().await.expect("closes");
    let kept = std::fs::read_to_string(dir.path().join("budgets.json")).expect("is written");
    assert!(kept.contains("\"download\": 400") && kept.contains("\"requests\": 5"), "{kept}");
}

fn deletions(count: usize) -> Vec<causeway::store::DeleteRequest> {
    (0..count).map(|n| client::deletion(&format!("{n}"))).collect()
}

#[tokio::test(start_paused = true)]
async fn of_objects_deleted_together_each_counts_for_the_rate_and_all_take_one_slot() {
    let bed = Bed::new(Limits { requests: Some(100), ..ONE }).await;
    let begun = Instant::now();
    let outcomes = bed.store.delete_all(deletions(300)).await;
    assert!(outcomes.len() == 300 && outcomes.iter().all(Result::is_ok));
    // The first hundred are those of the second that was saved.
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert_eq!(bed.faults.counts().calls_of(Operation::Delete), 300);
    assert_eq!(bed.list().await, Ok(()), "others have their turn at once, or within a second");
}

#[tokio::test(start_paused = true)]
async fn objects_deleted_together_that_find_no_slot_are_refused_and_reach_nothing() {
    let bed = Bed::new(ONE).await;
    bed.faults.set(Plan::hanging().on(Operations::LISTS));
    let mut list = Box::pin(bed.list());
    assert!(list.as_mut().now_or_never().is_none());
    let refused: Vec<_> = bed
        .store
        .delete_all(deletions(3))
        .await
        .into_iter()
        .map(|outcome| client::refused(outcome))
        .collect();
    assert_eq!(refused, [StoreErrorKind::Busy; 3]);
    assert_eq!(bed.faults.counts().calls_of(Operation::Delete), 0);
}

#[tokio::test]
async fn of_objects_deleted_together_those_beyond_the_budget_stay() {
    let dir = tempfile::tempdir().expect("a directory");
    let budget = Budget { requests: Some(5), download: None, at_budget: AtBudget::Stop };
    let bed = Bed::with_budget(Limits::default(), Some(account(&dir, budget))).await;
    let outcomes = bed.store.delete_all(deletions(8)).await;
    let deleted: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(deleted, [true, true, true, true, true, false, false, false]);
    assert_eq!((bed.faults.counts().calls(), bed.limiter.throttled().refused), (5, 3));
}

#[tokio::test]
async fn upkeep_reaches_the_driver_through_limits_and_faults() {
    let dir = tempfile::tempdir().expect("a directory");
    let catalog: Arc<dyn Catalog> =
        Arc::new(SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("a catalog"));
    let settings = FsSettings::new(dir.path().join("root"), Durability::Relaxed);
    let fs = Arc::new(FsBackend::open(settings, catalog.clone()).expect("opens"));
    let faults = Faults::new(1, Plan::default());
    let backend =
        LimitedBackend::new(Arc::new(FaultyBackend::new(fs, faults.clone())), Limiter::new(ONE), None);
    let record = catalog.create_bucket(bucket(&backend)).await.expect("a bucket");
    let OpenedBucket { store, upkeep, .. } = backend.open(&record).await.expect("opens");
    client::put(&*store, "a", "1").await;
    upkeep.maintain().await.expect("is tended");
    assert!(
        upkeep.scan(Depth::Everything, &Progress::default()).await.expect("is walked"),
        "there is an index"
    );
    faults.set(Plan::down().on(Operations::UPKEEP));
    upkeep.scan(Depth::Everything, &Progress::default()).await.expect_err("is down");
    backend.close().await.expect("closes");
}
