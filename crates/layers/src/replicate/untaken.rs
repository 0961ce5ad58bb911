//! Why too few replicas received a body. It is determined afterwards, from the replicas that stopped
//! receiving it.
//!
//! Storage that receives conditions with the first byte of a long body refuses the body early when another
//! change has reached the key since. That does not count against the storage: the client gets the error that
//! its own condition does not hold, or that it has to try again.

use super::{
    bucket::Bucket,
    distrust::distrust_later,
    member::too_few,
    publish::{Running, Step, overtaken, telling},
    record::Row,
};
use crate::{
    model::ObjectKey,
    store::{
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// Maximum time for replicas to report the reason, which was known before they stopped.
const PATIENCE: Duration = Duration::from_millis(500);

/// Returns the error for the client if a body could not be sent completely. The replicas that still receive
/// the body are stopped. `before` is what the key held when the conditions were sent.
pub(super) async fn reason(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    conditions: &WriteConditions,
    (steps, before): (Vec<Step>, Option<Row>),
) -> StoreError {
    let had = steps.len();
    let mut running = Running::default();
    for Step { member, go, outcome, .. } in steps {
        drop(go);
        running.push(member, outcome);
    }
    let late = sleep(PATIENCE);
    tokio::pin!(late);
    let (mut errors, mut surprised) = (Vec::new(), Vec::new());
    while running.len() > 0 {
        tokio::select! {
            biased;
            (member, outcome) = running.next() => {
                if outcome.as_ref().is_err_and(is_surprise) {
                    surprised.push(member);
                }
                errors.extend(outcome.err());
            }
            () = &mut late => break,
        }
    }
    // The errors of replicas that had to stop now are not the reason.
    errors.retain(|error| error.kind() != StoreErrorKind::Payload);
    if surprised.is_empty() {
        let stopped = errors.len();
        return match stopped {
            0 => too_few(0, bucket.needed()),
            _ => telling(errors, had.saturating_sub(stopped), bucket.needed()),
        };
    }
    if let Some(record) = before.and_then(|row| row.committed) {
        // Without another change, a replica that refused does not hold what the record says.
        distrust_later(bucket, key, record.change.generation, surprised);
    }
    let seen = bucket.glance(key).await.ok().flatten();
    match seen.map_or(Ok(()), |row| row.check(conditions)) {
        Err(refused) => refused,
        Ok(()) if conditions.is_empty() => overtaken(),
        Ok(()) => StoreErrorKind::Conflict.into(),
    }
}

/// Returns whether the error says that the replica did not hold what was expected.
pub(super) fn is_surprise(error: &StoreError) -> bool {
    matches!(
        error.kind(),
        StoreErrorKind::PreconditionFailed | StoreErrorKind::NoSuchKey | StoreErrorKind::Conflict
    )
}
