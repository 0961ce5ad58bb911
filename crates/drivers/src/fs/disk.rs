//! The threads that change files and directories: few of them, and each takes one job after the other.
//!
//! The kernel lets one thread at a time change a directory, and the others spin: more threads than cores
//! cost CPU and gain nothing, except while they wait for a sync. A thread that has ended a job takes the next
//! one without a switch of threads, so under load a job costs none.
//!
//! Invariants: at most `limit` jobs run at once; a submitted job runs to its end, even if its caller is
//! dropped; a job that panics fails alone.

use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

pub(super) struct Disk {
    state: Mutex<State>,
    limit: usize,
}

#[derive(Default)]
struct State {
    /// Each belongs to a request, so requests bound their number.
    jobs: VecDeque<Job>,
    threads: usize,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Disk {
    pub(super) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), limit }
    }

    /// Runs blocking code on one of the threads.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, outcome) = oneshot::channel();
        // A caller that was dropped does not want the result.
        self.submit(Box::new(move || drop(reply.send(work()))));
        let failed =
            |error| StoreError::new(StoreErrorKind::Internal, "a storage task failed").with_source(error);
        outcome.await.map_err(failed)?
    }

    fn submit(self: &Arc<Self>, job: Job) {
        let mut state = self.state();
        state.jobs.push_back(job);
        if state.threads < self.limit {
            state.threads += 1;
            drop(state);
            let mut thread = Thread { disk: self.clone(), ended: false };
            tokio::task::spawn_blocking(move || thread.work());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that was counted. A runtime that stops may drop it before it begins.
struct Thread {
    disk: Arc<Disk>,
    ended: bool,
}

impl Thread {
    fn work(&mut self) {
        while let Some(job) = self.next() {
            // The panic was logged, and the caller learns of it by the drop of the job.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    /// Returns the next job. The thread ends in the moment in which there is none: a later job starts
    /// another one.
    fn next(&mut self) -> Option<Job> {
        let mut state = self.disk.state();
        let job = state.jobs.pop_front();
        if job.is_none() {
            state.threads -= 1;
            self.ended = true;
        }
        job
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if !self.ended {
            self.disk.state().threads -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    #[tokio::test]
    async fn only_so_many_jobs_run_at_once_and_all_of_them_run() {
        let (disk, running) = (Arc::new(Disk::new(3)), Arc::new(AtomicUsize::new(0)));
        let together = Arc::new(Barrier::new(3));
        let jobs = (0..30).map(|n| {
            let (running, together) = (running.clone(), together.clone());
            disk.run(move || {
                let at_once = running.fetch_add(1, Ordering::Relaxed) + 1;
                together.wait();
                running.fetch_sub(1, Ordering::Relaxed);
                together.wait();
                Ok((n, at_once))
            })
        });
        let done = futures_util::future::join_all(jobs).await;
        for (n, done) in done.into_iter().enumerate() {
            let (job, at_once) = done.expect("it ran");
            assert!(job == n && at_once <= 3, "{at_once} jobs ran at once");
        }
        assert_eq!(disk.state().jobs.len(), 0);
    }

    #[tokio::test]
    async fn a_job_whose_caller_is_gone_runs_to_its_end() {
        let disk = Arc::new(Disk::new(1));
        let (release, held) = mpsc::channel::<()>();
        let (tell, told) = oneshot::channel();
        let first = disk.run(move || {
            let _ = held.recv();
            Ok(())
        });
        let second = disk.run(move || {
            let _ = tell.send(());
            Ok(())
        });
        for job in [first.boxed(), second.boxed()] {
            assert!(job.now_or_never().is_none());
        }
        drop(release);
        told.await.expect("it ran");
    }

    #[tokio::test]
    async fn a_job_that_panics_fails_alone() {
        let disk = Arc::new(Disk::new(1));
        let failed = disk.run(|| -> Result<()> { panic!("expected by the test") }).await;
        assert_eq!(failed.map_err(|error| error.kind()), Err(StoreErrorKind::Internal));
        disk.run(|| Ok(())).await.expect("the next one runs");
    }
}
