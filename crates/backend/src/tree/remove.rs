//! The course of one DELETE: pending row, file, record, index, and the folders it leaves empty.
//!
//! Invariant: after an interrupted delete either the object or nothing is found, never its file without what
//! the catalog knew of it.

use super::{
    bucket::{Bucket, to_the_end},
    record::{Intent, Row},
    write::checked,
};
use crate::{
    model::ObjectKey,
    store::{Deleted, ListRequest, Removal, Result, condition::WriteConditions},
};
use std::sync::Arc;

pub(super) async fn remove(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    conditions: &WriteConditions,
) -> Result<Deleted> {
    let (bucket, key, conditions) = (bucket.clone(), key.clone(), conditions.clone());
    to_the_end(async move {
        let guard = bucket.lock(&key).await;
        let row = checked(&bucket, &key, &conditions).await?;
        let path = match &row.stands {
            Some(record) => record.own.path.clone(),
            None => match bucket.find_locked(&key).await?.0 {
                Some(foreign) => foreign.path,
                None => return Ok(Removal::Absent.into()),
            },
        };
        if row.stands.is_some() {
            bucket.set_row_to_remove(&key, &Row { intended: Some(Intent::Delete), ..row }).await?;
        }
        let change = bucket.change(&key);
        if let Err(error) = bucket.files.remove(&bucket.at(&path)).await {
            // Whether the file is gone or not, the row must say so.
            if let Err(settling) = bucket.settled(&key).await {
                tracing::warn!(%key, error = %settling, "whether a delete came true is found out later");
            }
            return Err(error);
        }
        bucket.record(&key, &Row::default()).await?;
        drop((change, guard));
        prune(&bucket, &path).await;
        Ok(Removal::Removed.into())
    })
    .await
}

/// Removes the folders that are empty now. One that stays is no prefix to anybody: listings are of keys.
async fn prune(bucket: &Bucket, path: &str) {
    let mut path = path;
    while let Some((folder, _)) = path.rsplit_once('/') {
        path = folder;
        // Asking ourselves costs nothing. Escaped names are not asked for: the storage knows.
        let request = ListRequest { prefix: format!("{folder}/"), limit: 1, ..Default::default() };
        match bucket.catalog.list(bucket.id, request).await {
            Ok(page) if page.entries.is_empty() => {}
            _ => return,
        }
        match bucket.files.remove_folder(&bucket.at(folder)).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::debug!(%error, "an empty folder stays");
                return;
            }
        }
    }
}
