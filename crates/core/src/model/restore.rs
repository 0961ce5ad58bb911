//! Restored objects: copies, for some days, of objects in a storage class that cannot be read at once.

use super::Timestamp;
use serde::{Deserialize, Serialize};

/// What `x-amz-restore` says of an object. An object that was never restored has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Restore {
    /// The copy is being made. It is kept for this many days from then on.
    Ongoing { days: u32 },
    /// The copy can be read until then.
    Done { until: Timestamp },
}
