//! Operators' requests on a replicated bucket: its status, and changes of its members.

use super::{
    ReplicatedBackend,
    bucket::Bucket,
    member::Member,
    queue,
    record::Row,
    scrub,
    survey::{self, Depth, Pace, StrayObjects},
};
use crate::{
    backend::{Backend, Lack, Lacking, ReplicaHealth, ReplicaState, Replication, ReplicationCounts, Scrub},
    catalog::{BackendLocation, BucketRecord, Expected, NewReplica, ObjectRow, ReplicaChange, WhichObjects},
    model::ObjectKey,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use std::sync::Arc;

const PAGE: usize = 1000;

fn refuse<T>(why: String) -> Result<T> {
    Err(StoreError::new(StoreErrorKind::InvalidRequest, why))
}

/// The objects in the queue that a member lacks.
#[derive(Debug, Clone, Copy, Default)]
struct Lacks {
    objects: u64,
    /// The number of changes in progress among them.
    in_flight: u64,
}

/// A key of the queue, and what is known about it now.
struct Queued {
    key: ObjectKey,
    row: Row,
    /// A change of the key is in progress.
    is_in_flight: bool,
}

impl Queued {
    fn of(bucket: &Bucket, row: &ObjectRow) -> Result<Self> {
        let in_flight = bucket.records.in_flight(&row.key);
        let is_in_flight = in_flight.is_some();
        Ok(Self { key: row.key.clone(), row: in_flight.map_or_else(|| Row::parse(row), Ok)?, is_in_flight })
    }

    fn is_at(&self, member: &Member) -> bool {
        self.row.pending.is_none()
            && self.row.committed.as_ref().is_some_and(|record| record.is_at(&member.name))
    }

    /// Returns why a member did not get the object, or cannot get it now.
    fn why_not_at(&self, member: &Member) -> String {
        if let Some((_, why)) = member.health.down() {
            return why;
        }
        if let Some(why) = member.troubles.why(&self.key) {
            return why;
        }
        if let Some(why) = member.troubles.unseen().filter(|_| !member.is_seeded()) {
            return why;
        }
        let words = match (&self.row.pending, member.is_seeded()) {
            (Some(_), _) => "a change was begun, and it is not known yet whether it took effect",
            (None, false) => "the replica is being filled",
            (None, true) => "no failure is noted: repair comes to it",
        };
        words.to_owned()
    }
}

/// Returns a page of the queue, and the key after which the next page begins.
async fn queue(bucket: &Bucket, after: Option<ObjectKey>) -> Result<(Vec<Queued>, Option<ObjectKey>)> {
    let page = bucket.catalog.objects(bucket.record.id, after, PAGE, WhichObjects::Unsettled).await?;
    let next = page.last().filter(|_| page.len() == PAGE).map(|row| row.key.clone());
    let queued: Result<Vec<_>> = page.iter().map(|row| Queued::of(bucket, row)).collect();
    Ok((queued?, next))
}

/// Returns the objects in the queue that each member lacks.
async fn pending(bucket: &Bucket) -> Result<Vec<(Arc<Member>, Lacks)>> {
    let mut lacking: Vec<_> =
        bucket.members().iter().map(|member| (member.clone(), Lacks::default())).collect();
    let mut after = None;
    loop {
        let (page, next) = queue(bucket, after).await?;
        for queued in &page {
            for (member, lacks) in &mut lacking {
                *if queued.is_in_flight { &mut lacks.in_flight } else { &mut lacks.objects } +=
                    u64::from(!queued.is_at(member));
            }
        }
        if next.is_none() {
            return Ok(lacking);
        }
        after = next;
    }
}

fn find(bucket: &Bucket, backend: &str) -> Result<Arc<Member>> {
    match bucket.member(backend) {
        Some(member) => Ok(member),
        None => refuse(format!("there is no replica on backend '{backend}'")),
    }
}

impl ReplicatedBackend {
    /// Returns the backend on which a replica is to be placed.
    fn driver(&self, name: &str) -> Result<&dyn Backend> {
        match self.settings.backends.get(name) {
            Some(driver) => Ok(&**driver),
            None => refuse(format!("there is no backend '{name}' that a replica could be on")),
        }
    }
}

impl From<survey::Surveyed> for ReplicationCounts {
    fn from(
        survey::Surveyed { objects, adopted, stray, differing, copied, failed, unreachable }: survey::Surveyed,
    ) -> Self {
        Self { objects, adopted, stray, differing, copied, failed, unreachable }
    }
}

#[async_trait]
impl Replication for ReplicatedBackend {
    fn health(&self) -> Vec<ReplicaHealth> {
        let open: Vec<_> = self.opened().values().filter_map(std::sync::Weak::upgrade).collect();
        let health = |name: &String| ReplicaHealth {
            backend: name.clone(),
            out: self.health_of(name).down().map(|(since, why)| format!("for {} s: {why}", since.as_secs())),
            failing: open
                .iter()
                .filter_map(|bucket| bucket.member(name))
                .map(|member| member.troubles.count())
                .sum(),
        };
        self.settings.members.iter().map(health).collect()
    }

    async fn status(&self, bucket: &BucketRecord) -> Result<Vec<ReplicaState>> {
        let open = self.opened_bucket(bucket).await?;
        let next = match open.next_repair() {
            Some(rest) => format!("repair is tried again in {} s", rest.as_secs() + 1),
            None => "repair is being tried".to_owned(),
        };
        let state = |(member, lacks): (Arc<Member>, Lacks)| ReplicaState {
            backend: member.name.clone(),
            location: member.record.bucket.location.clone(),
            down: member.health.down().map(|(_, why)| why),
            seeded: member.is_seeded(),
            unfilled: member.troubles.unseen().filter(|_| !member.is_seeded()),
            pending: lacks.objects,
            in_flight: lacks.in_flight,
            troubles: member.troubles.list(if member.health.is_up() {
                &next
            } else {
                "it is tried again when the backend answers"
            }),
        };
        Ok(pending(&open).await?.into_iter().map(state).collect())
    }

    async fn lacking(&self, bucket: &BucketRecord, after: Option<ObjectKey>) -> Result<Lacking> {
        let open = self.opened_bucket(bucket).await?;
        let (page, after) = queue(&open, after).await?;
        let mut lacks = Vec::new();
        for queued in page.iter().filter(|queued| !queued.is_in_flight) {
            for member in open.members().iter().filter(|member| !queued.is_at(member)) {
                let (backend, key) = (member.name.clone(), queued.key.as_str().to_owned());
                lacks.push(Lack { backend, key, why: queued.why_not_at(member) });
            }
        }
        Ok(Lacking { lacks, after })
    }

    async fn repair(
        &self,
        bucket: &BucketRecord,
        tell: &(dyn Fn(ReplicationCounts) + Send + Sync),
    ) -> Result<ReplicationCounts> {
        let open = self.opened_bucket(bucket).await?;
        let counts = |repaired: super::repair::Repaired| ReplicationCounts {
            objects: repaired.copied + repaired.removed + repaired.found,
            copied: repaired.copied,
            failed: repaired.left,
            ..Default::default()
        };
        queue::drain(&open, |repaired| tell(counts(repaired))).await.map(counts)
    }

    async fn scrub(
        &self,
        bucket: &BucketRecord,
        how: Scrub,
        tell: &(dyn Fn(ReplicationCounts) + Send + Sync),
    ) -> Result<ReplicationCounts> {
        let open = self.opened_bucket(bucket).await?;
        let depth = if how == Scrub::Bytes { Depth::Bytes } else { Depth::Listing };
        scrub::all(&open, depth, Pace::Full, |seen| tell(seen.into())).await.map(Into::into)
    }

    async fn add(
        &self,
        bucket: &BucketRecord,
        backend: &str,
        tell: &(dyn Fn(ReplicationCounts) + Send + Sync),
    ) -> Result<ReplicationCounts> {
        let open = self.opened_bucket(bucket).await?;
        let member = match open.member(backend) {
            // The fill was begun before and interrupted.
            Some(member) if !member.is_seeded() => member,
            Some(_) => return refuse(format!("there is a replica on backend '{backend}' already")),
            None => {
                let driver = self.driver(backend)?;
                if driver.replication().is_some() {
                    return refuse(format!("backend '{backend}' is replicated itself"));
                }
                let location = Self::location_of(driver, &bucket.bucket)?;
                let replica = self
                    .catalog
                    .add_replica(bucket.id, NewReplica { backend: backend.to_owned(), location })
                    .await?;
                let member = self.member(bucket, replica)?;
                open.change_members(|members| members.push(member.clone()));
                member
            }
        };
        // New changes go to the replica from now on; this copies the existing objects.
        survey::survey(&open, &member, Depth::Listing, StrayObjects::Adopted, Pace::Full, |seen| {
            tell(seen.into())
        })
        .await
        .map(Into::into)
    }

    fn location_on(&self, bucket: &BucketRecord, backend: &str) -> Result<BackendLocation> {
        let location = Self::location_of(self.driver(backend)?, &bucket.bucket)?;
        Ok(BackendLocation { backend: backend.to_owned(), location })
    }

    async fn remove(&self, bucket: &BucketRecord, backend: &str) -> Result<()> {
        let open = self.opened_bucket(bucket).await?;
        let member = find(&open, backend)?;
        if self.settings.members.iter().any(|name| name == backend) {
            return refuse(format!(
                "backend '{backend}' is in the configuration of '{}': take it out there first",
                self.settings.name
            ));
        }
        let others: Vec<_> = open
            .members()
            .iter()
            .filter(|other| other.number != member.number && other.is_seeded())
            .cloned()
            .collect();
        let promised = self.promised();
        if others.len() < promised {
            return refuse(format!(
                "{} replicas would be left that have everything, and {promised} are promised",
                others.len()
            ));
        }
        // Every object must have enough copies on other replicas.
        let lacking: u64 = pending(&open)
            .await?
            .iter()
            .filter(|(other, _)| other.number != member.number)
            .map(|(_, lacks)| lacks.objects + lacks.in_flight)
            .sum();
        if lacking > 0 {
            return refuse(format!(
                "the other replicas lack {lacking} copies still: 'causeway replicate repair' brings them"
            ));
        }
        open.change_members(|members| members.retain(|other| other.number != member.number));
        self.catalog.delete_bucket(member.record.id).await?;
        tracing::info!(bucket = %bucket.bucket.name, backend, "a replica was removed: what is on its backend stays there");
        Ok(())
    }

    async fn promote(&self, bucket: &BucketRecord, backend: &str) -> Result<()> {
        let open = self.opened_bucket(bucket).await?;
        let member = find(&open, backend)?;
        self.catalog.update_replica(member.record.id, Expected::Any, ReplicaChange::First).await?;
        let ranks = self.catalog.replicas(bucket.id).await?;
        for member in open.members().iter() {
            if let Some(replica) = ranks.iter().find(|replica| replica.id == member.record.id) {
                member.set_rank(replica.rank);
            }
        }
        open.change_members(|_| ());
        Ok(())
    }
}
