//! The mapping of SQLite's errors to those of the catalog. Nothing of the driver's own error types leaves
//! `sqlite`.

use crate::catalog::{CatalogError, CatalogErrorKind};
use rusqlite::{Error, ErrorCode};

/// Returns whether the content of the file is damaged, as opposed to the file being unreachable.
pub(super) fn is_corrupt(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn kind(error: &Error) -> CatalogErrorKind {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase,
        ) => CatalogErrorKind::Unavailable,
        Some(ErrorCode::DiskFull) => CatalogErrorKind::Full,
        _ => CatalogErrorKind::Internal,
    }
}

// The text goes into the message instead of the source: callers could downcast a source, and would then
// depend on the driver.
impl From<Error> for CatalogError {
    fn from(error: Error) -> Self {
        Self::new(kind(&error), format!("sqlite: {error}"))
    }
}

pub(super) fn closed() -> CatalogError {
    CatalogError::new(CatalogErrorKind::Closed, "the catalog is closed")
}

pub(super) fn unavailable(message: impl Into<String>) -> CatalogError {
    CatalogError::new(CatalogErrorKind::Unavailable, message)
}

pub(super) fn internal(message: impl Into<String>) -> CatalogError {
    CatalogError::new(CatalogErrorKind::Internal, message)
}
