//! SQL of the identities that were added at run time.

use super::{
    column::{Column, get},
    job::Applied,
    refusal::conflict,
};
use crate::{
    catalog::{Expected, Identities, IdentityRecord, KeyUse, NewIdentity, Revision},
    model::{AccessKey, Timestamp},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) fn revision(db: &Connection) -> rusqlite::Result<Revision> {
    db.prepare_cached("SELECT revision FROM revisions WHERE name = 'identities'")?
        .query_row([], |row| row.get(0).map(Revision))
}

pub(super) fn all(db: &Connection) -> rusqlite::Result<Identities> {
    let all = db
        .prepare_cached(
            "SELECT tenant, access_key, role, name, secret, revision, details FROM identities ORDER BY access_key",
        )?
        .query_map([], record)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Identities { revision: revision(db)?, all })
}

pub(super) fn set(db: &Connection, identity: &NewIdentity, expected: Expected) -> Applied<Revision> {
    expect(db, &identity.access_key, expected)?;
    let revision = moved(db)?;
    db.prepare_cached("REPLACE INTO identities (tenant, access_key, role, name, secret, revision, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            identity.tenant.as_str(),
            identity.access_key.as_str(),
            Column(identity.role),
            identity.name,
            identity.sealed_secret,
            revision.0,
            identity.details,
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
        details: row.get(6)?,
    };
    Ok(IdentityRecord { identity, revision: Revision(row.get(5)?) })
}

pub(super) fn uses(db: &Connection) -> rusqlite::Result<Vec<KeyUse>> {
    let read = |row: &Row<'_>| {
        let at = Timestamp::from_millis(row.get(1)?);
        Ok(KeyUse { access_key: row.get(0)?, at, service: row.get(2)? })
    };
    db.prepare_cached("SELECT access_key, at, service FROM key_uses ORDER BY access_key")?
        .query_map([], read)?
        .collect()
}

/// Another process may have recorded a later use.
pub(super) fn set_uses(db: &Connection, uses: &[KeyUse], gone: &[String]) -> Applied<()> {
    for key in gone {
        db.prepare_cached("DELETE FROM key_uses WHERE access_key = ?1")?.execute([key])?;
    }
    for KeyUse { access_key, at, service } in uses {
        db.prepare_cached(
            "INSERT INTO key_uses (access_key, at, service) VALUES (?1, ?2, ?3)
             ON CONFLICT (access_key) DO UPDATE SET at = excluded.at, service = excluded.service
             WHERE excluded.at > at",
        )?
        .execute(params![access_key, at.millis(), service])?;
    }
    Ok(())
}
