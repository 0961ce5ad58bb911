//! Refusals: a change that is refused has changed nothing, and does not undo the others in its group.

use super::writer::Failure;
use crate::catalog::{CatalogError, CatalogErrorKind};

pub(super) fn no_such_bucket() -> Failure {
    Failure::Refused(CatalogError::new(CatalogErrorKind::NotFound, "no such bucket"))
}

/// The caller has read something else than what is there by now.
pub(super) fn conflict(what: &str) -> Failure {
    Failure::Refused(CatalogError::new(
        CatalogErrorKind::Conflict,
        format!("{what} was changed by somebody else meanwhile"),
    ))
}
