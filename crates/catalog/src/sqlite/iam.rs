//! SQL of users, groups, roles and managed policies.

use super::{column::get, job::Applied, refusal::conflict};
use crate::catalog::{Expected, IamChange, IamDocument, IamDocuments, IamKey, Revision};
use rusqlite::{Connection, Row, params};

fn revision(db: &Connection) -> rusqlite::Result<Revision> {
    db.prepare_cached("SELECT revision FROM revisions WHERE name = 'iam'")?
        .query_row([], |row| row.get(0).map(Revision))
}

pub(super) fn all(db: &Connection) -> rusqlite::Result<IamDocuments> {
    let all = db
        .prepare_cached(
            "SELECT tenant, account, kind, name, body, revision FROM iam ORDER BY tenant, account, kind, name",
        )?
        .query_map([], document)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(IamDocuments { revision: revision(db)?, all })
}

/// Whether the changes only delete.
pub(super) fn frees_space(changes: &[IamChange]) -> bool {
    changes.iter().all(|change| matches!(change, IamChange::Delete(_)))
}

/// All changes or none. A set of changes that is empty changes no revision.
pub(super) fn change(db: &Connection, changes: &[IamChange], expected: Expected) -> Applied<Revision> {
    let found = revision(db)?;
    if !expected.admits(found) {
        return Err(conflict("a user, group, role or policy"));
    }
    if changes.is_empty() {
        return Ok(found);
    }
    let revision = db
        .prepare_cached("UPDATE revisions SET revision = revision + 1 WHERE name = 'iam' RETURNING revision")?
        .query_row([], |row| row.get(0).map(Revision))?;
    for change in changes {
        match change {
            IamChange::Put(IamKey { tenant, account, kind, name }, body) => db
                .prepare_cached(
                    "REPLACE INTO iam (tenant, account, kind, name, body, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![tenant.as_str(), account, kind, name, body, revision.0])?,
            IamChange::Delete(IamKey { tenant, account, kind, name }) => db
                .prepare_cached(
                    "DELETE FROM iam WHERE tenant = ?1 AND account = ?2 AND kind = ?3 AND name = ?4",
                )?
                .execute(params![tenant.as_str(), account, kind, name])?,
        };
    }
    Ok(revision)
}

fn document(row: &Row<'_>) -> rusqlite::Result<IamDocument> {
    let key = IamKey { tenant: get(row, 0)?, account: row.get(1)?, kind: row.get(2)?, name: row.get(3)? };
    Ok(IamDocument { key, body: row.get(4)?, revision: Revision(row.get(5)?) })
}
