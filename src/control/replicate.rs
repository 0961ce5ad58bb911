//! Replicated buckets: their status, the objects that replicas lack, and their members.

use super::{PROGRESS_EVERY, Reply};
use crate::{
    backend::{ReplicaState, ReplicationCounts, Scrub},
    buckets::{BucketError, Buckets},
    model::{BucketName, Chain},
};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Replicate {
    /// With `keys`, each object that a replica lacks is reported as well.
    Status {
        keys: bool,
    },
    Repair,
    Scrub {
        bytes: bool,
    },
    Add {
        backend: String,
    },
    Remove {
        backend: String,
    },
    Promote {
        backend: String,
    },
}

/// The final status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replicated {
    pub replicas: Vec<ReplicaState>,
    /// The counts of a long operation.
    pub counts: Option<ReplicationCounts>,
}

pub(super) async fn replicate(
    buckets: &Buckets,
    name: &str,
    what: Replicate,
    replies: &mpsc::Sender<Reply>,
) -> Result<Replicated, String> {
    let failed = |error: BucketError| format!("bucket '{name}': {}", Chain(&error));
    let parsed = BucketName::parse(name).map_err(|error| format!("bucket '{name}': {error}"))?;
    let bucket = buckets.get(&parsed).await.map_err(failed)?;
    let record = bucket.record();
    let backend = buckets.backend(&record.bucket.backend).map_err(failed)?;
    let Some(replication) = backend.replication() else {
        return Err(format!(
            "bucket '{name}' is on backend '{}', which is not replicated",
            record.bucket.backend
        ));
    };
    let so_far = Mutex::new(ReplicationCounts::default());
    let tell = |counts| *so_far.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    let work = async {
        Ok(match &what {
            Replicate::Status { keys: false } => None,
            Replicate::Status { keys: true } => {
                let mut after = None;
                loop {
                    let page = replication.lacking(record, after).await?;
                    for lack in page.lacks {
                        // The whole operation ends when the receiver is gone.
                        let _ = replies.send(Reply::Lacks(lack)).await;
                    }
                    after = page.after;
                    if after.is_none() {
                        break None;
                    }
                }
            }
            Replicate::Repair => Some(replication.repair(record, &tell).await?),
            Replicate::Scrub { bytes } => {
                let how = if *bytes { Scrub::Bytes } else { Scrub::Listing };
                Some(replication.scrub(record, how, &tell).await?)
            }
            Replicate::Add { backend } => {
                buckets.refuse_shared(&parsed, replication.location_on(record, backend)?).await?;
                Some(replication.add(record, backend, &tell).await?)
            }
            Replicate::Remove { backend } => {
                replication.remove(record, backend).await?;
                None
            }
            Replicate::Promote { backend } => {
                replication.promote(record, backend).await?;
                None
            }
        })
    };
    tokio::pin!(work);
    let mut ticks = interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let counts = loop {
        tokio::select! {
            done = &mut work => break done.map_err(failed)?,
            _ = ticks.tick() => {
                let counts = *so_far.lock().unwrap_or_else(PoisonError::into_inner);
                // The operation does not wait for a reader that is slow or gone.
                let _ = replies.try_send(Reply::Replicating(counts));
            }
        }
    };
    let replicas = replication.status(record).await.map_err(|error| failed(error.into()))?;
    Ok(Replicated { replicas, counts })
}
