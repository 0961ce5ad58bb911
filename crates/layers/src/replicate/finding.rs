//! What a key of a replicated bucket holds: from its row, and from the replicas if the row does not say it.
//!
//! Does not own how the replicas are asked (`resolve`).

use super::{
    bucket::Bucket,
    record::{Record, Row},
    records::{Hold, SeenRow},
    resolve,
};
use crate::{
    backend::locks::Guard,
    catalog::WhichObjects,
    model::ObjectKey,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use futures_util::StreamExt;
use std::{sync::Arc, time::Duration};

/// Maximum number of superseded changes in a row before the key is resolved.
const SUPERSEDED: usize = 8;
/// How many rows are read from the catalog at once, and how many keys are resolved at once.
const PAGE: usize = 1000;
const AT_ONCE: usize = 16;
/// How long a listing waits for the first full scan of existing objects.
const FIRST_WALK: Duration = Duration::from_secs(20);

impl Bucket {
    /// Returns the row of a key, to be changed. A pending change that a crash left is resolved first.
    /// `_guard` is the lock of the key.
    pub(super) async fn hold(self: &Arc<Self>, key: &ObjectKey, _guard: &Guard<ObjectKey>) -> Result<Hold> {
        let hold = self.records.hold(key).await?;
        if hold.row().pending.is_some() {
            resolve::pending(self, key, &hold).await?;
        } else if self.may_be_foreign(&hold.row()) {
            resolve::adopt(self, key, &hold).await?;
        }
        Ok(hold)
    }

    /// Like `hold`, for a change whose result does not depend on the earlier state. A pending change with an
    /// unknown outcome is left as it is: it is superseded, and need not be resolved.
    pub(super) async fn hold_blindly(
        self: &Arc<Self>,
        key: &ObjectKey,
        _guard: &Guard<ObjectKey>,
    ) -> Result<Hold> {
        let hold = self.records.hold(key).await?;
        if hold.row().pending.is_some_and(|pending| pending.chain().count() >= SUPERSEDED) {
            resolve::pending(self, key, &hold).await?;
        } else if self.may_be_foreign(&hold.row()) {
            resolve::adopt(self, key, &hold).await?;
        }
        Ok(hold)
    }

    /// Returns what a key is known to hold, without asking any replica.
    pub(super) async fn glance(&self, key: &ObjectKey) -> Result<Option<Row>> {
        Ok(match self.records.see(key).await? {
            SeenRow::Row(row) if !self.may_be_foreign(&row) => Some(row),
            _ => None,
        })
    }

    /// Returns what a key holds. If the row does not say it, the replicas are asked.
    pub(super) async fn see(self: &Arc<Self>, key: &ObjectKey) -> Result<Row> {
        if let Some(row) = self.glance(key).await? {
            return Ok(row);
        }
        let guard = self.lock(key).await;
        Ok(self.hold(key, &guard).await?.row())
    }

    /// Returns the record of the object that a key holds.
    pub(super) async fn find(self: &Arc<Self>, key: &ObjectKey) -> Result<Arc<Record>> {
        let committed = self.see(key).await?.committed;
        committed.filter(|record| record.object().is_some()).ok_or_else(|| StoreErrorKind::NoSuchKey.into())
    }

    /// Returns whether the key may have a foreign object: nothing is known about it, and some replica was
    /// never scanned.
    fn may_be_foreign(&self, row: &Row) -> bool {
        row.committed.is_none()
            && row.pending.is_none()
            && self.members().iter().any(|member| member.is_unexplored())
    }

    /// Waits until the existing objects are known: they are once any replica was complete.
    pub(super) async fn looked_through(&self) -> Result<()> {
        let mut seeded = self.seeded.since_now();
        let known = async {
            while !self.members().iter().any(|member| member.is_seeded()) {
                seeded.grown().await;
            }
        };
        match tokio::time::timeout(FIRST_WALK, known).await {
            Ok(()) => Ok(()),
            Err(_) => Err(StoreError::new(
                StoreErrorKind::Busy,
                "the replicas are being scanned for the first time: try again soon",
            )),
        }
    }

    /// Resolves, once and before the first listing, the changes that a crash left pending: readers may have
    /// seen them before the crash, and the index does not contain them. A listing does not wait for replicas
    /// that cannot be reached.
    pub(super) async fn caught_up(self: &Arc<Self>) {
        let catch_up = || async {
            match tokio::time::timeout(FIRST_WALK, self.resolve_all()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(bucket = %self.record.bucket.name, %error, "changes that a crash left were not looked for")
                }
                Err(_) => {
                    tracing::warn!(bucket = %self.record.bucket.name, "some changes that a crash left are not found out about yet: listings go on without")
                }
            }
        };
        self.caught_up.get_or_init(catch_up).await;
    }

    async fn resolve_all(self: &Arc<Self>) -> Result<()> {
        let mut after = None;
        loop {
            let page =
                self.catalog.objects(self.record.id, after.take(), PAGE, WhichObjects::Unsettled).await?;
            let (is_last, last) = (page.len() < PAGE, page.last().map(|row| row.key.clone()));
            let pending =
                page.into_iter().filter(|row| Row::parse(row).is_ok_and(|row| row.pending.is_some()));
            let found_out = futures_util::stream::iter(pending).map(|row| async move {
                if let Err(error) = self.see(&row.key).await {
                    tracing::debug!(key = %row.key, %error, "what a crash left is not found out about yet");
                }
            });
            found_out.buffer_unordered(AT_ONCE).collect::<()>().await;
            match last {
                Some(last) if !is_last => after = Some(last),
                _ => return Ok(()),
            }
        }
    }
}
