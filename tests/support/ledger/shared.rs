//! The part of a ledger that belongs to no bucket: leases, identities that were added at run time, users and
//! policies.

use super::state::expect;
use causeway::{
    catalog::{
        Expected, IamChange, IamDocument, IamDocuments, IamKey, Identities, IdentityRecord, KeyUse, Lease,
        NewIdentity, Result, Revision,
    },
    model::{AccessKey, Timestamp},
};
use std::{collections::BTreeMap, time::Duration};

#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The leases by name. A released lease has no owner.
    leases: BTreeMap<String, (Option<String>, u64, Timestamp)>,
    identities: BTreeMap<AccessKey, IdentityRecord>,
    revision: Revision,
    uses: BTreeMap<String, KeyUse>,
    iam: BTreeMap<IamKey, IamDocument>,
    iam_revision: Revision,
}

fn later(now: Timestamp, ttl: Duration) -> Timestamp {
    Timestamp::from_millis(now.millis() + i64::try_from(ttl.as_millis()).expect("a short time"))
}

impl Shared {
    pub(super) fn acquire_lease(
        &mut self,
        name: String,
        owner: String,
        now: Timestamp,
        ttl: Duration,
    ) -> Option<Lease> {
        let known = self.leases.entry(name.clone()).or_insert((None, 0, now));
        let is_anothers = known.0.as_ref().is_some_and(|holder| *holder != owner) && known.2 > now;
        if is_anothers {
            return None;
        }
        *known = (Some(owner.clone()), known.1 + 1, later(now, ttl));
        Some(Lease { name, owner, fencing: known.1, until: known.2 })
    }

    pub(super) fn renew_lease(&mut self, lease: &Lease, now: Timestamp, ttl: Duration) -> Option<Lease> {
        let (_, _, until) = self.held(lease)?;
        *until = later(now, ttl);
        Some(Lease { until: *until, ..lease.clone() })
    }

    pub(super) fn release_lease(&mut self, lease: &Lease) -> bool {
        self.held(lease).map(|(owner, ..)| *owner = None).is_some()
    }

    fn held(&mut self, lease: &Lease) -> Option<&mut (Option<String>, u64, Timestamp)> {
        let is_same = |(owner, fencing, _): &(Option<String>, u64, Timestamp)| {
            *fencing == lease.fencing && *owner == Some(lease.owner.clone())
        };
        self.leases.get_mut(&lease.name).filter(|known| is_same(known))
    }

    pub(super) fn identities(&self) -> Identities {
        Identities { revision: self.revision, all: self.identities.values().cloned().collect() }
    }

    pub(super) fn set_identity(&mut self, identity: NewIdentity, expected: Expected) -> Result<Revision> {
        self.expect(&identity.access_key, expected)?;
        self.revision.0 += 1;
        let revision = self.revision;
        self.identities.insert(identity.access_key.clone(), IdentityRecord { identity, revision });
        Ok(revision)
    }

    pub(super) fn remove_identity(&mut self, access_key: &AccessKey, expected: Expected) -> Result<bool> {
        self.expect(access_key, expected)?;
        let removed = self.identities.remove(access_key).is_some();
        self.revision.0 += i64::from(removed);
        Ok(removed)
    }

    pub(super) fn key_uses(&self) -> Vec<KeyUse> {
        self.uses.values().cloned().collect()
    }

    pub(super) fn set_key_uses(&mut self, uses: Vec<KeyUse>, gone: Vec<String>) -> Result<()> {
        self.uses.retain(|key, _| !gone.contains(key));
        for used in uses {
            let is_later = |known: &KeyUse| known.at >= used.at;
            if !self.uses.get(&used.access_key).is_some_and(is_later) {
                self.uses.insert(used.access_key.clone(), used);
            }
        }
        Ok(())
    }

    pub(super) fn iam(&self) -> IamDocuments {
        IamDocuments { revision: self.iam_revision, all: self.iam.values().cloned().collect() }
    }

    pub(super) fn change_iam(&mut self, changes: Vec<IamChange>, expected: Expected) -> Result<Revision> {
        expect(expected, self.iam_revision)?;
        self.iam_revision.0 += i64::from(!changes.is_empty());
        let revision = self.iam_revision;
        for change in changes {
            match change {
                IamChange::Put(key, body) => {
                    drop(self.iam.insert(key.clone(), IamDocument { key, body, revision }))
                }
                IamChange::Delete(key) => drop(self.iam.remove(&key)),
            }
        }
        Ok(revision)
    }

    fn expect(&self, access_key: &AccessKey, expected: Expected) -> Result<()> {
        expect(expected, self.identities.get(access_key).map_or(Revision::NONE, |known| known.revision))
    }
}
