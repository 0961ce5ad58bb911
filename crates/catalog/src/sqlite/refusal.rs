//! Refusals: a refused change has changed nothing, and does not undo the other changes in its group.

use super::job::Failure;
use crate::catalog::{CatalogError, CatalogErrorKind};

pub(super) fn no_such_bucket() -> Failure {
    Failure::Refused(CatalogError::new(CatalogErrorKind::NoSuchBucket, "no such bucket"))
}

/// Refuses a change because the stored value is not the one that the caller read.
pub(super) fn conflict(what: &str) -> Failure {
    Failure::Refused(CatalogError::new(
        CatalogErrorKind::Conflict,
        format!("{what} was changed by somebody else meanwhile"),
    ))
}
