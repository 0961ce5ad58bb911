//! Index rows that are committed after the reply.
//!
//! A PUT does not wait for the commit of its row, so that many rows share one. Whoever lists waits for it:
//! the change of the key ends only with the commit (`KeyChange`).
//!
//! Invariants: a listing shows every acknowledged object, or fails; if a row could not be committed, the key
//! is owed, and the next listing or write of the bucket brings it before anything else, or fails; a stop with
//! owed rows leaves no mark of an orderly stop, so that the next start scans.

use super::{Inner, change::KeyChange, reconcile};
use crate::{
    catalog::{IndexChange, IndexRow},
    model::ObjectKey,
    store::Result,
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// The keys of a bucket whose rows could not be committed.
#[derive(Debug, Default)]
pub(super) struct Owed {
    any: AtomicBool,
    keys: Mutex<BTreeSet<ObjectKey>>,
    /// Held while the rows are brought, so that nobody lists meanwhile.
    bringing: tokio::sync::Mutex<()>,
}

impl Owed {
    fn add(&self, key: ObjectKey) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        self.any.store(true, Ordering::Release);
    }

    fn first(&self) -> Option<ObjectKey> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    fn remove(&self, key: &ObjectKey) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(key);
        self.any.store(!keys.is_empty(), Ordering::Release);
    }
}

/// Enqueues the row of a key that was published. The caller holds the key's lock, so that the order of rows
/// is that of publishing. It may block.
pub(super) fn index(inner: &Arc<Inner>, change: Arc<KeyChange>, row: IndexRow) {
    let key = row.key.clone();
    let mut pending = Pending { inner: inner.clone(), key: Some(key), _change: change };
    let ended = move |committed: crate::catalog::Result<()>| match committed {
        Ok(()) => pending.key = None,
        // One line is enough for all that follow.
        Err(_) if pending.inner.owed.any.load(Ordering::Acquire) => {}
        Err(error) => {
            tracing::warn!(bucket = pending.inner.bucket.0, %error, "the index row of an object could not be committed: it is tried again before the next listing");
        }
    };
    inner.catalog.index_deferred(inner.bucket, IndexChange::Put(row), Box::new(ended));
}

/// A row that is not committed yet. If it is dropped with its key, the row is owed.
struct Pending {
    inner: Arc<Inner>,
    key: Option<ObjectKey>,
    _change: Arc<KeyChange>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.inner.volume.staging.index_lacks_rows();
            self.inner.owed.add(key);
        }
    }
}

/// Brings the rows that are owed.
pub(super) async fn bring(inner: &Arc<Inner>) -> Result<()> {
    if !inner.owed.any.load(Ordering::Acquire) {
        return Ok(());
    }
    let _bringing = inner.owed.bringing.lock().await;
    while let Some(key) = inner.owed.first() {
        reconcile::refresh(inner, key.clone()).await?;
        inner.owed.remove(&key);
    }
    Ok(())
}
