//! SQL of the identities that were added at run time.

use super::{
    column::{Column, get},
    refusal::conflict,
    writer::Applied,
};
use crate::{
    catalog::{Expected, Identities, IdentityRecord, NewIdentity, Revision},
    model::AccessKey,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) fn revision(db: &Connection) -> rusqlite::Result<Revision> {
    db.prepare_cached("SELECT revision FROM revisions WHERE name = 'identities'")?
        .query_row([], |row| row.get(0).map(Revision))
}

pub(super) fn all(db: &Connection) -> rusqlite::Result<Identities> {
    let all = db
        .prepare_cached(
            "SELECT tenant, access_key, role, name, secret, revision FROM identities ORDER BY access_key",
        )?
        .query_map([], record)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Identities { revision: revision(db)?, all })
}

pub(super) fn set(db: &Connection, identity: &NewIdentity, expected: Expected) -> Applied<Revision> {
    expect(db, &identity.access_key, expected)?;
    let revision = moved(db)?;
    db.prepare_cached("REPLACE INTO identities (tenant, access_key, role, name, secret, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            identity.tenant.as_str(),
            identity.access_key.as_str(),
            Column(identity.role),
            identity.name,
            identity.sealed_secret,
            revision.0,
        ])?;
    Ok(revision)
}

pub(super) fn remove(db: &Connection, access_key: &AccessKey, expected: Expected) -> Applied<bool> {
    expect(db, access_key, expected)?;
    let removed =
        db.prepare_cached("DELETE FROM identities WHERE access_key = ?1")?.execute([access_key.as_str()])?;
    if removed > 0 {
        moved(db)?;
    }
    Ok(removed > 0)
}

fn expect(db: &Connection, access_key: &AccessKey, expected: Expected) -> Applied<()> {
    if expected == Expected::Any {
        return Ok(());
    }
    let found = db
        .prepare_cached("SELECT revision FROM identities WHERE access_key = ?1")?
        .query_row([access_key.as_str()], |row| row.get(0).map(Revision))
        .optional()?;
    if expected.admits(found.unwrap_or(Revision::NONE)) { Ok(()) } else { Err(conflict("the identity")) }
}

fn moved(db: &Connection) -> rusqlite::Result<Revision> {
    db.prepare_cached(
        "UPDATE revisions SET revision = revision + 1 WHERE name = 'identities' RETURNING revision",
    )?
    .query_row([], |row| row.get(0).map(Revision))
}

fn record(row: &Row<'_>) -> rusqlite::Result<IdentityRecord> {
    let identity = NewIdentity {
        tenant: get(row, 0)?,
        access_key: AccessKey(row.get::<_, String>(1)?.into()),
        role: get(row, 2)?,
        name: row.get(3)?,
        sealed_secret: row.get(4)?,
    };
    Ok(IdentityRecord { identity, revision: Revision(row.get(5)?) })
}
