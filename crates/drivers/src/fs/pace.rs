//! How fast a scan goes: in small steps, on a thread of its own that gives way to all others, and with rests
//! while clients are served.
//!
//! Owns the thread, and the count of requests by which a scan notices that there are clients. Does not own
//! what a step does.
//!
//! Invariant: a scan takes no thread of the pool that requests need, unless a request waits for it.

use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, Sender},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// The number of entries that one step looks at: a step takes well under a millisecond, if nothing is read
/// from the disk.
pub(super) const STEP: usize = 128;
/// While there are requests, a scan rests this many times as long as it works.
const REST: u32 = 4;
/// A longer rest would make a scan of a slow disk endless.
const LONGEST_REST: Duration = Duration::from_millis(100);
/// By how much the thread is nicer than those that serve.
const NICE: i32 = 10;

type Work = Box<dyn FnOnce() + Send>;

/// The requests to a backend since its start.
#[derive(Debug, Default)]
pub(super) struct Requests(AtomicU64);

impl Requests {
    pub(super) fn begin(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn begun(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The thread on which the scans of a backend work, one step at a time.
#[derive(Debug)]
pub(super) struct Scanner {
    work: Sender<Work>,
    requests: Arc<Requests>,
}

impl Scanner {
    pub(super) fn start() -> std::io::Result<Self> {
        let (work, steps) = mpsc::channel::<Work>();
        thread::Builder::new().name("fs-scan".to_owned()).spawn(move || {
            // On Linux this is of the thread alone. Where it is refused, the rests remain.
            let _ = rustix::process::nice(NICE);
            for step in steps {
                // A step that panics fails its scan alone: its reply is dropped.
                let _ = catch_unwind(AssertUnwindSafe(step));
            }
        })?;
        Ok(Self { work, requests: Arc::default() })
    }

    pub(super) fn requests(&self) -> &Arc<Requests> {
        &self.requests
    }

    /// Does a step.
    pub(super) async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, done) = oneshot::channel();
        let work = Box::new(move || {
            // A scan that was dropped does not want the result.
            let _ = reply.send(step());
        });
        let gone = || StoreError::new(StoreErrorKind::Internal, "the thread of scans is gone");
        self.work.send(work).map_err(|_| gone())?;
        done.await.map_err(|_| gone())?
    }

    pub(super) fn pace(&self) -> Pace {
        Pace { requests: self.requests.clone(), begun: self.requests.begun(), since: Instant::now() }
    }
}

/// The pace of one scan.
#[derive(Debug)]
pub(super) struct Pace {
    requests: Arc<Requests>,
    begun: u64,
    since: Instant,
}

impl Pace {
    /// Rests after a step, if requests came since the last one.
    pub(super) async fn rest(&mut self) {
        if let Some(rest) = self.due(self.since.elapsed()) {
            tokio::time::sleep(rest).await;
        }
        self.since = Instant::now();
    }

    fn due(&mut self, worked: Duration) -> Option<Duration> {
        let begun = self.requests.begun();
        let is_busy = begun != std::mem::replace(&mut self.begun, begun);
        is_busy.then(|| (worked * REST).min(LONGEST_REST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_scan_rests_while_there_are_requests_and_only_then() {
        let scanner = Scanner::start().expect("starts");
        let mut pace = scanner.pace();
        assert_eq!(pace.due(Duration::from_millis(1)), None);
        scanner.requests().begin();
        assert_eq!(pace.due(Duration::from_millis(1)), Some(Duration::from_millis(4)));
        assert_eq!(pace.due(Duration::from_millis(1)), None, "the request was before the last step");
        scanner.requests().begin();
        assert_eq!(pace.due(Duration::from_secs(9)), Some(LONGEST_REST));
    }

    #[tokio::test]
    async fn steps_are_done_on_one_thread_that_is_not_of_the_pool() {
        let scanner = Scanner::start().expect("starts");
        let name = || Ok(thread::current().name().map(str::to_owned));
        assert_eq!(scanner.step(name).await.expect("done").as_deref(), Some("fs-scan"));
        let failed = scanner.step(|| panic!("expected by the test") as Result<()>).await;
        assert_eq!(failed.expect_err("it panicked").kind(), StoreErrorKind::Internal);
        assert_eq!(scanner.step(name).await.expect("the next one is done").as_deref(), Some("fs-scan"));
    }
}
