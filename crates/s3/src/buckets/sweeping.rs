//! Which backends are being swept of what ended uploads left, in the background: one that hangs holds up neither a request nor another.
//!
//! Invariant: at most one sweep of a backend runs at a time, and whoever asks for one while it runs gets another behind it.

use crate::backend::Backend;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The backends that are swept now; `true` where it was asked for again since.
#[derive(Debug, Default)]
pub(super) struct Sweeping(Mutex<HashMap<String, bool>>);

impl Sweeping {
    /// Begins a sweep, or notes that another is wanted. What fails is tried again with the next upkeep.
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
                if let Err(error) = backend.sweep().await {
                    tracing::warn!(backend = name, %error, "parts of uploads that have ended stay for a while");
                }
                if own.is_done(&name) {
                    return;
                }
            }
        });
    }

    /// Whether nobody has asked for another.
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::memory::MemoryBackend;

    #[tokio::test]
    async fn a_sweep_that_is_asked_for_while_one_runs_comes_after_it_and_then_there_is_none() {
        let (sweeping, backend): (Arc<Sweeping>, Arc<dyn Backend>) = (Arc::default(), Arc::new(MemoryBackend::new()));
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
