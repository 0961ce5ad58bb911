//! SQL of leases. The row of a released lease stays, to keep its fencing number.

use super::{
    column::{Column, get},
    job::Applied,
};
use crate::{catalog::Lease, model::Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn acquire(
    db: &Connection,
    name: &str,
    owner: &str,
    now: Timestamp,
    until: Timestamp,
) -> Applied<Option<Lease>> {
    let fencing: Option<u64> = db
        .prepare_cached(
            "INSERT INTO leases (name, owner, fencing, until) VALUES (?1, ?2, 1, ?3) ON CONFLICT (name)
             DO UPDATE SET owner = excluded.owner, fencing = fencing + 1, until = excluded.until
             WHERE owner IS NULL OR owner = excluded.owner OR until <= ?4 RETURNING fencing",
        )?
        .query_row(params![name, owner, Column(until), Column(now)], |row| get(row, 0))
        .optional()?;
    Ok(fencing.map(|fencing| Lease { name: name.to_owned(), owner: owner.to_owned(), fencing, until }))
}

/// Renews a lease, even one that has expired, unless another owner has had it since.
pub(super) fn renew(db: &Connection, lease: &Lease, until: Timestamp) -> Applied<Option<Lease>> {
    let renewed = db
        .prepare_cached("UPDATE leases SET until = ?4 WHERE name = ?1 AND owner = ?2 AND fencing = ?3")?
        .execute(params![lease.name, lease.owner, Column(lease.fencing), Column(until)])?;
    Ok((renewed > 0).then(|| Lease { until, ..lease.clone() }))
}

pub(super) fn release(db: &Connection, lease: &Lease) -> Applied<bool> {
    let released = db
        .prepare_cached(
            "UPDATE leases SET owner = NULL, until = 0 WHERE name = ?1 AND owner = ?2 AND fencing = ?3",
        )?
        .execute(params![lease.name, lease.owner, Column(lease.fencing)])?;
    Ok(released > 0)
}
