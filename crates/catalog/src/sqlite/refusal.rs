//! Answers of no: a change that is refused has changed nothing, and takes none of its group with it.

use super::writer::Failure;
use crate::catalog::{CatalogError, CatalogErrorKind};

pub(super) fn no_such_bucket() -> Failure {
    Failure::Refused(CatalogError::new(CatalogErrorKind::NotFound, "no such bucket"))
}

/// The caller has read something else than what is there by now.
pub(super) fn conflict(what: &str) -> Failure {
    Failure::Refused(CatalogError::new(CatalogErrorKind::Conflict, format!("{what} was changed by somebody else meanwhile")))
}
