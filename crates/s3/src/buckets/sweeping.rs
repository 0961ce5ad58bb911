//! Which backends are being swept of remains of ended uploads, in the background: a sweep that hangs blocks
//! neither a request nor another sweep.
//!
//! Invariant: at most one sweep of a backend runs at a time; a request for one while it runs causes another
//! one after it.

use crate::{
    backend::Backend,
    work::{Failure, Subject, Workers, kind},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The backends that are being swept; `true` if another sweep was requested since.
#[derive(Debug)]
pub(super) struct Sweeping {
    active: Mutex<HashMap<String, bool>>,
    workers: Workers,
}

impl Sweeping {
    pub(super) fn new(workers: Workers) -> Arc<Self> {
        Arc::new(Self { active: Mutex::default(), workers })
    }

    /// Begins a sweep, or notes that another is wanted. Failed removals are tried again with the next upkeep.
    pub(super) fn begin(self: &Arc<Self>, name: &str, backend: &Arc<dyn Backend>) {
        {
            let mut all = self.all();
            if let Some(again) = all.get_mut(name) {
                *again = true;
                return;
            }
            all.insert(name.to_owned(), false);
        }
        let (own, name, backend) = (self.clone(), name.to_owned(), backend.clone());
        tokio::spawn(async move {
            loop {
                own.sweep(&name, &*backend).await;
                if own.is_done(&name) {
                    return;
                }
            }
        });
    }

    /// One sweep, unless another process sweeps the backend.
    async fn sweep(&self, name: &str, backend: &dyn Backend) {
        let job = match self
            .workers
            .begin(&kind::UPLOAD_SWEEP, Subject::Backend(name.into()), Duration::ZERO)
            .await
        {
            Ok(Some(job)) => job,
            Ok(None) => return,
            Err(failure) => {
                return tracing::warn!(backend = name, %failure, "a backend could not be swept; it is tried again");
            }
        };
        let swept = backend.sweep().await;
        if let Err(error) = &swept {
            tracing::warn!(backend = name, %error, "parts of uploads that have ended stay for a while");
        }
        job.end(swept.err().map(|error| Failure::of(&error)));
    }

    /// Returns whether no other sweep was requested.
    fn is_done(&self, name: &str) -> bool {
        let mut all = self.all();
        match all.get_mut(name) {
            Some(again) if *again => {
                *again = false;
                false
            }
            _ => {
                all.remove(name);
                true
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{backend::memory::MemoryBackend, catalog::sqlite::SqliteCatalog, store::Durability};

    #[tokio::test]
    async fn a_sweep_that_is_asked_for_while_one_runs_comes_after_it_and_then_there_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let catalog = SqliteCatalog::open(directory.path(), Durability::Relaxed).expect("a catalog");
        let sweeping = Sweeping::new(Workers::alone(Arc::new(catalog)));
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        // The task that was spawned has no turn before this one waits.
        for _ in 0..3 {
            sweeping.begin("memory", &backend);
        }
        assert_eq!(*sweeping.all(), HashMap::from([("memory".to_owned(), true)]));
        while !sweeping.all().is_empty() {
            tokio::task::yield_now().await;
        }
        sweeping.begin("memory", &backend);
        assert_eq!(*sweeping.all(), HashMap::from([("memory".to_owned(), false)]));
    }
}
