//! The steps of one DELETE: pending row, file, record, index, and the folders that become empty.
//!
//! Invariant: after an interrupted delete, a reader finds either the object or nothing, never its file
//! without its record.

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
        let path = match &row.committed {
            Some(record) => record.own.path.clone(),
            None => match bucket.find_locked(&key).await?.0 {
                Some(foreign) => foreign.path,
                None => return Ok(Removal::Absent.into()),
            },
        };
        if row.committed.is_some() {
            bucket.set_row_to_remove(&key, &Row { pending: Some(Intent::Delete), ..row }).await?;
        }
        let change = bucket.change(&key);
        if let Err(error) = bucket.files.remove(&bucket.at(&path)).await {
            // The row has to say whether the file is gone.
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

/// Removes the folders that are empty now. A folder that remains has no effect: listings show keys only.
async fn prune(bucket: &Bucket, path: &str) {
    let mut path = path;
    while let Some((folder, _)) = path.rsplit_once('/') {
        path = folder;
        // A look-up in the index is cheaper than a request to the storage. Escaped names are not looked up:
        // the storage decides.
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
