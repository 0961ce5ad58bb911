//! Evaluates the conditions of a write against the blob that was found. It does not ensure that the blob
//! stays the same until the write (`guard`).

use super::headers::Found;
use crate::store::{
    Result,
    condition::{Current, WriteConditions},
};

pub(super) fn judge(conditions: &WriteConditions, found: Option<&Found>) -> Result<()> {
    let current = found.map(|found| &found.info);
    let current =
        current.map(|info| Current { etag: &info.etag, size: info.size, last_modified: info.last_modified });
    Ok(conditions.check(current)?)
}
