//! Conditions of a write, judged upon the blob that was found. Does not own what holds the blob still until the write (`guard`).

use super::headers::Found;
use crate::store::{
    Result,
    condition::{Current, WriteConditions},
};

pub(super) fn judge(conditions: &WriteConditions, found: Option<&Found>) -> Result<()> {
    let current = found.map(|found| &found.info);
    let current = current.map(|info| Current { etag: &info.etag, size: info.size, last_modified: info.last_modified });
    Ok(conditions.check(current)?)
}
