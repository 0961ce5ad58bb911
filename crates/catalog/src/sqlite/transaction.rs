//! One transaction: begun, filled, and committed or rolled back.

use crate::catalog::{CatalogError, Result};
use rusqlite::Connection;

/// Why a transaction has changed nothing.
pub(super) enum Attempt {
    /// Nothing can be written now.
    NotBegun(CatalogError),
    RolledBack(CatalogError),
}

impl Attempt {
    pub(super) fn error(&self) -> &CatalogError {
        match self {
            Self::NotBegun(error) | Self::RolledBack(error) => error,
        }
    }
}

/// Commits what `apply` changes, or rolls all of it back.
pub(super) fn transact(
    db: &Connection,
    apply: impl FnOnce(&Connection) -> Result<()>,
) -> std::result::Result<(), Attempt> {
    let execute = |sql| db.prepare_cached(sql)?.execute([]).map(drop);
    execute("BEGIN IMMEDIATE").map_err(|error| Attempt::NotBegun(error.into()))?;
    let done = apply(db).and_then(|()| Ok(execute("COMMIT")?));
    done.map_err(|error| {
        // After some errors SQLite has rolled back already.
        if !db.is_autocommit()
            && let Err(error) = execute("ROLLBACK")
        {
            tracing::error!(%error, "rolling back failed");
        }
        Attempt::RolledBack(error)
    })
}
