//! Tests of the life of workers, and of what is shown of them. The clock is paused: it moves on when every
//! task waits.

use super::{
    Cursor, Ended, Failure, Interruption, JobKind, JobState, JobStatus, ProcessTurns, Run, Stepped, Subject,
    Turn, Turns, Wanted, Worker, Workers, kind,
};
use crate::{
    catalog::{BucketId, BucketRecord, Catalog, NewBucket, sqlite::SqliteCatalog},
    model::{BucketName, Owner, Timestamp},
    store::Durability,
};
use async_trait::async_trait;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

fn catalog() -> (Arc<dyn Catalog>, TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    (Arc::new(SqliteCatalog::open(directory.path(), Durability::Relaxed).expect("a catalog")), directory)
}

fn workers() -> (Workers, TempDir) {
    let (catalog, directory) = catalog();
    (Workers::alone(catalog), directory)
}

fn name(text: &str) -> BucketName {
    BucketName::parse(text).expect("a name")
}

fn about(text: &str) -> Subject {
    Subject::Bucket { id: id(text), name: name(text) }
}

/// Returns an id that differs for each name.
fn id(text: &str) -> BucketId {
    BucketId(text.bytes().fold(0, |id, byte| (id * 31 + i64::from(byte)) % 1_000_003))
}

async fn bucket(catalog: &dyn Catalog, text: &str) -> BucketRecord {
    let owner = Owner { id: "o".into(), display_name: "o".into() };
    let (created, tenant) = (Timestamp::from_millis(0), Default::default());
    let (backend, location) = ("disk".to_owned(), text.to_owned());
    catalog
        .create_bucket(NewBucket { tenant, name: name(text), owner, created, backend, location })
        .await
        .expect("made")
}

/// What a scripted step does.
#[derive(Debug)]
enum Deed {
    Ends(Result<Stepped, Failure>),
    /// The step waits until it is dropped.
    Hangs,
}

/// A worker that does what its script says, and reports each step to the test.
#[derive(Debug)]
struct Scripted {
    subject: Subject,
    script: VecDeque<Deed>,
    begun: mpsc::UnboundedSender<()>,
    call: Arc<Notify>,
    /// `None`: the job is over after a step.
    rest: Option<Duration>,
}

impl Scripted {
    fn new(subject: Subject, script: impl IntoIterator<Item = Deed>) -> (Self, mpsc::UnboundedReceiver<()>) {
        let (begun, steps) = mpsc::unbounded_channel();
        let script = script.into_iter().collect();
        (Self { subject, script, begun, call: Arc::default(), rest: Some(60 * SECOND) }, steps)
    }
}

#[async_trait]
impl Worker for Scripted {
    fn kind(&self) -> &'static JobKind {
        &kind::REPLICA_REPAIR
    }

    fn subject(&self) -> Subject {
        self.subject.clone()
    }

    async fn step(&mut self, run: &Run) -> Result<Stepped, Failure> {
        run.set("copied", 3);
        run.add("copied", 4);
        self.begun.send(()).expect("the test listens");
        match self.script.pop_front() {
            Some(Deed::Ends(outcome)) => outcome,
            Some(Deed::Hangs) | None => std::future::pending().await,
        }
    }

    fn rest(&mut self, _ended: &Ended) -> Option<Duration> {
        self.rest
    }

    async fn called(&mut self) {
        self.call.notified().await;
    }
}

fn list(workers: &Workers) -> Vec<JobState> {
    workers.list(&Wanted::default(), 100).jobs
}

fn only(workers: &Workers) -> JobState {
    let mut jobs = list(workers);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

/// Lets all tasks run until they wait.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_shown_while_it_runs_while_it_rests_and_with_its_error() {
    let (workers, _directory) = workers();
    let (worker, mut steps) = Scripted::new(
        about("photos"),
        [Deed::Ends(Err(Failure::new("no route"))), Deed::Ends(Ok(Stepped::Done)), Deed::Hangs],
    );
    let stop = CancellationToken::new();
    let life = tokio::spawn(workers.clone().live(Box::new(worker), stop.clone()));
    steps.recv().await.expect("a step");
    settle().await;
    let failed = only(&workers);
    assert_eq!(
        (failed.job.as_str(), failed.bucket.as_deref(), failed.state),
        ("replica-repair", Some("photos"), JobStatus::Failed)
    );
    assert_eq!((failed.error.as_deref(), failed.interruption), (Some("no route"), Interruption::Harmless));
    assert_eq!(failed.progress[0], ("copied".to_owned(), 7));
    let rest = failed.next.expect("it rests").millis() - failed.ended.expect("it ended").millis();
    assert!((59_000..=61_000).contains(&rest), "{rest}");

    steps.recv().await.expect("another step, after the rest");
    settle().await;
    let waiting = only(&workers);
    assert_eq!((waiting.state, waiting.error), (JobStatus::Waiting, None));

    steps.recv().await.expect("another step");
    let running = only(&workers);
    assert_eq!((running.state, running.next), (JobStatus::Running, None));
    stop.cancel();
    life.await.expect("it ends");
    assert_eq!(list(&workers), [], "whoever stops it knows");
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_a_rest_and_a_job_ends_with_what_it_is_about() {
    let (workers, _directory) = workers();
    let (worker, mut steps) =
        Scripted::new(about("photos"), [Deed::Ends(Ok(Stepped::Left)), Deed::Ends(Ok(Stepped::Gone))]);
    let call = worker.call.clone();
    let life = tokio::spawn(workers.clone().live(Box::new(worker), CancellationToken::new()));
    steps.recv().await.expect("a step");
    let rests_since = tokio::time::Instant::now();
    call.notify_one();
    steps.recv().await.expect("a step that was called for");
    assert!(rests_since.elapsed() < SECOND);
    life.await.expect("the bucket is no more");
    assert_eq!(list(&workers), []);
}

#[tokio::test(start_paused = true)]
async fn a_job_of_the_server_that_is_over_is_still_shown() {
    let (workers, _directory) = workers();
    let (worker, _steps) = Scripted::new(Subject::Server, [Deed::Ends(Ok(Stepped::Done))]);
    workers.clone().live(Box::new(Scripted { rest: None, ..worker }), CancellationToken::new()).await;
    let over = only(&workers);
    assert_eq!((over.state, over.next, over.ended.is_some()), (JobStatus::Done, None, true));
}

#[tokio::test(start_paused = true)]
async fn the_same_job_of_a_bucket_never_runs_twice_at_once() {
    let (catalog, _directory) = catalog();
    let turns: Arc<dyn Turns> = Arc::new(ProcessTurns::default());
    // Two gateways that share the same turns.
    let gateways = [Workers::new(catalog.clone(), turns.clone()), Workers::new(catalog, turns)];
    let (first, mut of_first) = Scripted::new(about("photos"), [Deed::Hangs]);
    let (second, mut of_second) = Scripted::new(about("photos"), [Deed::Hangs]);
    let (other, mut of_other) = Scripted::new(about("films"), [Deed::Hangs]);
    let stop = CancellationToken::new();
    let life = tokio::spawn(gateways[0].clone().live(Box::new(first), stop.clone()));
    of_first.recv().await.expect("a step");
    tokio::spawn(gateways[1].clone().live(Box::new(second), CancellationToken::new()));
    tokio::spawn(gateways[1].clone().live(Box::new(other), CancellationToken::new()));
    of_other.recv().await.expect("another bucket does not wait");
    tokio::time::sleep(200 * SECOND).await;
    assert!(of_second.try_recv().is_err(), "the first has the turn");
    let shown = gateways[1].list(&Wanted { bucket: Some(name("photos")), ..Wanted::default() }, 9).jobs;
    assert_eq!(shown.iter().map(|job| job.state).collect::<Vec<_>>(), [JobStatus::Elsewhere]);
    stop.cancel();
    life.await.expect("it ends");
    of_second.recv().await.expect("the turn is free");
}

/// Turns that are lost when the test says so.
#[derive(Debug, Default)]
struct Losing(Mutex<CancellationToken>);

#[async_trait]
impl Turns for Losing {
    async fn take(&self, _name: &str) -> Result<Option<Turn>, Failure> {
        let lost = CancellationToken::new();
        *self.0.lock().expect("not poisoned") = lost.clone();
        Ok(Some(Turn::new((), lost)))
    }

    async fn wait(&self, name: &str, _patience: Duration) -> Result<Option<Turn>, Failure> {
        self.take(name).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_turn_is_lost_ends_and_the_next_one_asks_again() {
    let (catalog, _directory) = catalog();
    let turns = Arc::new(Losing::default());
    let workers = Workers::new(catalog, turns.clone());
    let (worker, mut steps) = Scripted::new(about("photos"), [Deed::Hangs, Deed::Ends(Ok(Stepped::Done))]);
    tokio::spawn(workers.clone().live(Box::new(worker), CancellationToken::new()));
    steps.recv().await.expect("a step");
    turns.0.lock().expect("not poisoned").cancel();
    settle().await;
    let lost = only(&workers);
    assert_eq!(
        (lost.state, lost.error.as_deref()),
        (JobStatus::Failed, Some("another process took the job over"))
    );
    steps.recv().await.expect("a step after the rest");
    settle().await;
    assert_eq!(only(&workers).state, JobStatus::Waiting);
}

/// A worker that visits ten keys, and stores each in its cursor.
#[derive(Debug)]
struct Walking {
    subject: Subject,
    seen: mpsc::UnboundedSender<u32>,
    /// The key at which it hangs, like a storage that does not answer.
    hangs_at: Option<u32>,
}

#[async_trait]
impl Worker for Walking {
    fn kind(&self) -> &'static JobKind {
        &kind::SCAN
    }

    fn subject(&self) -> Subject {
        self.subject.clone()
    }

    async fn step(&mut self, run: &Run) -> Result<Stepped, Failure> {
        let cursor = run.cursor().expect("it is about a bucket");
        let after: u32 = cursor.load().await?.and_then(|position| position.parse().ok()).unwrap_or(0);
        for key in after + 1..=10 {
            if self.hangs_at == Some(key) {
                std::future::pending::<()>().await;
            }
            self.seen.send(key).expect("the test listens");
            cursor.store(Some(key.to_string())).await?;
        }
        cursor.store(None).await?;
        Ok(Stepped::Done)
    }

    fn rest(&mut self, _ended: &Ended) -> Option<Duration> {
        None
    }
}

#[tokio::test]
async fn a_job_that_was_interrupted_resumes_at_its_cursor_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut seen = Vec::new();
    let mut record = None;
    for hangs_at in [Some(5), None, None] {
        let catalog: Arc<dyn Catalog> =
            Arc::new(SqliteCatalog::open(directory.path(), Durability::Relaxed).expect("a catalog"));
        let record = match &record {
            Some(record) => BucketRecord::clone(record),
            None => record.insert(bucket(&*catalog, "photos").await).clone(),
        };
        let (tell, mut told) = mpsc::unbounded_channel();
        let subject = Subject::Bucket { id: record.id, name: record.bucket.name.clone() };
        let stop = CancellationToken::new();
        let walking = Walking { subject, seen: tell, hangs_at };
        let life = tokio::spawn(Workers::alone(catalog.clone()).live(Box::new(walking), stop.clone()));
        if let Some(at) = hangs_at {
            for key in 1..at {
                assert_eq!(told.recv().await, Some(key));
                seen.push(key);
            }
            // The worker reports a key before it stores the position: wait until the last position is stored.
            let cursor = Cursor::new(catalog.clone(), record.id, &kind::SCAN);
            while cursor.load().await.expect("read").as_deref() != Some("4") {
                tokio::task::yield_now().await;
            }
            stop.cancel();
        }
        life.await.expect("it ends");
        while let Ok(key) = told.try_recv() {
            seen.push(key);
        }
        catalog.close().await.expect("closed");
    }
    let all: Vec<u32> = (1..=10).collect();
    assert_eq!(
        seen,
        [all.clone(), all].concat(),
        "nothing twice until it came to the end, then all of it again"
    );
}

#[tokio::test]
async fn of_buckets_only_those_that_failed_are_remembered_until_they_succeed_or_are_gone() {
    let (workers, _directory) = workers();
    let part =
        async |bucket: &str| workers.part(&kind::UPKEEP, id(bucket), &name(bucket)).await.expect("answers");
    let began = Timestamp::now();
    for bucket in ["one", "two", "three"] {
        part(bucket).await.expect("its turn").end((bucket != "two").then(|| Failure::new("gone")));
    }
    let shown = |workers: &Workers| {
        list(workers).into_iter().map(|job| (job.bucket.expect("a bucket"), job.state)).collect::<Vec<_>>()
    };
    assert_eq!(
        shown(&workers),
        [("one".to_owned(), JobStatus::Failed), ("three".to_owned(), JobStatus::Failed)]
    );

    let held = part("one").await.expect("its turn");
    assert!(part("one").await.is_none(), "it is worked on");
    assert_eq!(shown(&workers)[0], ("one".to_owned(), JobStatus::Running));
    held.end(None);
    assert_eq!(shown(&workers), [("three".to_owned(), JobStatus::Failed)]);
    workers.went_over_all(&kind::UPKEEP, began);
    assert_eq!(shown(&workers), [("three".to_owned(), JobStatus::Failed)], "it failed since the round began");
    workers.went_over_all(&kind::CHANGE_FEED, Timestamp::from_millis(i64::MAX));
    assert_eq!(shown(&workers).len(), 1, "that is another job");
    workers.went_over_all(&kind::UPKEEP, Timestamp::from_millis(Timestamp::now().millis() + 1));
    assert_eq!(shown(&workers), [], "a round did not meet it");
    part("one").await.expect("its turn").end(Some(Failure::new("gone")));
    workers.forget(id("one"));
    assert_eq!(shown(&workers), []);
    drop(part("two").await.expect("its turn"));
    assert_eq!(shown(&workers), [], "given up, nothing is known");
}

#[tokio::test]
async fn what_is_remembered_of_twenty_thousand_buckets_is_bounded() {
    let (workers, _directory) = workers();
    for number in 0..20_000 {
        let part = workers
            .part(&kind::UPKEEP, BucketId(number), &name(&format!("bucket-{number:05}")))
            .await
            .expect("answers");
        part.expect("its turn").end((number % 2 == 0).then(|| Failure::new("the storage is away")));
    }
    let listed = workers.list(&Wanted::default(), usize::MAX);
    assert_eq!((listed.jobs.len(), listed.left_out), (256, 0));
    let some = workers.list(&Wanted { job: Some("upkeep".to_owned()), bucket: None }, 10);
    assert_eq!((some.jobs.len(), some.left_out), (10, 246));
    let one = workers.list(&Wanted { job: None, bucket: Some(name("bucket-00002")) }, 10);
    assert_eq!((one.jobs.len(), one.left_out), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_asked_for_waits_for_its_turn_and_is_remembered_when_it_has_ended() {
    let (workers, _directory) = workers();
    let begin =
        async |patience| workers.begin(&kind::SCAN, about("photos"), patience).await.expect("answers");
    let first = begin(Duration::ZERO).await.expect("its turn");
    first.run().set("objects", 12);
    assert!(begin(10 * SECOND).await.is_none(), "the first is at it all the time");
    let (second, ()) = tokio::join!(begin(10 * SECOND), async { first.end(None) });
    let second = second.expect("the first has ended");
    assert_eq!(
        list(&workers).iter().map(|job| job.state).collect::<Vec<_>>(),
        [JobStatus::Running, JobStatus::Done]
    );
    drop(second);
    let interrupted = only(&workers);
    assert_eq!(
        (interrupted.state, interrupted.next),
        (JobStatus::Failed, None),
        "the newest takes the place of the one before"
    );
    assert!(interrupted.error.expect("an error").contains("interrupted"));
    for number in 0..100 {
        let subject = about(&format!("bucket-{number}"));
        workers
            .begin(&kind::SCAN, subject, Duration::ZERO)
            .await
            .expect("answers")
            .expect("its turn")
            .end(None);
    }
    assert_eq!(list(&workers).len(), 64);
}

#[tokio::test(start_paused = true)]
async fn failures_come_first_and_jobs_of_all_buckets_belong_to_each_bucket() {
    let (workers, _directory) = workers();
    let stop = CancellationToken::new();
    for (subject, outcome) in [
        (Subject::Server, Ok(Stepped::Done)),
        (about("photos"), Ok(Stepped::Done)),
        (about("films"), Err(Failure::new("away"))),
        (Subject::Backend("disk".into()), Ok(Stepped::Done)),
    ] {
        let (worker, mut steps) = Scripted::new(subject, [Deed::Ends(outcome)]);
        tokio::spawn(workers.clone().live(Box::new(worker), stop.clone()));
        steps.recv().await.expect("a step");
        settle().await;
    }
    let of = |job: &JobState| job.bucket.clone().or(job.backend.clone()).unwrap_or_default();
    assert_eq!(list(&workers).iter().map(of).collect::<Vec<_>>(), ["films", "", "photos", "disk"]);
    let of_photos = workers.list(&Wanted { bucket: Some(name("photos")), ..Wanted::default() }, 9);
    assert_eq!(of_photos.jobs.iter().map(of).collect::<Vec<_>>(), ["", "photos"]);
    let cut = workers.list(&Wanted::default(), 1);
    assert_eq!((cut.jobs.iter().map(of).collect::<Vec<_>>(), cut.left_out), (vec!["films".to_owned()], 3));
}

#[test]
fn a_job_of_a_bucket_costs_a_few_hundred_bytes_while_it_rests() {
    let (workers, _directory) = workers();
    let (worker, _steps) = Scripted::new(about("photos"), []);
    let life = workers.live(Box::new(worker), CancellationToken::new());
    let (entry, life) = (size_of::<super::entry::Entry>(), size_of_val(&life));
    println!("a row: {entry} bytes, a life: {life} bytes");
    assert!(entry <= 208 && life <= 512, "a row has {entry} bytes, a life {life}");
}
