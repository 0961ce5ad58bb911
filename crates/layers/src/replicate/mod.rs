//! Replicated buckets: one bucket on several backends of any types, with one record of its state.
//!
//! This is a backend of its own on top of others: `type = "replicated"`. Each replica is an ordinary bucket
//! to its driver. What an object is, and which replicas hold it, is a record in the catalog (`record`). A PUT
//! is read once and sent to all replicas at once (`broadcast`, `write`), takes effect under the key's lock
//! (`publish`), and is acknowledged when enough replicas have it. A read asks one replica for exactly the
//! ETag that the record has for it, and continues with another replica if that one fails (`read`, `relay`).
//! Missing copies are repaired (`repair`, `worker`), and the content of replicas is compared with the records
//! (`survey`).
//!
//! Owns no protocol and no storage. Invariants:
//! - an acknowledged change is never lost while one replica that has it exists, and never returns once it was
//!   replaced;
//! - no client reads a copy whose ETag differs from the record's, however late, torn or changed outside the
//!   gateway that copy is; bytes that are corrupt under the right ETag are found by scrubs;
//! - a replica that is slow or cannot be reached delays only requests that need it.

mod bodies;
mod broadcast;
mod bucket;
mod digest;
mod distrust;
mod finding;
mod health;
mod lanes;
mod large;
mod left;
mod locations;
mod member;
mod multipart;
mod opening;
mod operate;
mod orphans;
mod pace;
mod publish;
mod queue;
mod read;
mod recent;
mod record;
mod records;
mod relay;
mod repair;
mod repair_steps;
mod resolve;
mod scrub;
mod store;
mod survey;
mod tally;
mod together;
mod trouble;
mod untaken;
mod upkeep;
mod uploads;
mod worker;
mod write;

use crate::{
    backend::{Backend, Found, OpenedBucket, Replication},
    catalog::{BackendLocation, BucketId, BucketRecord, Catalog, NewBucket, NewReplica, ReplicaRecord},
    model::BucketName,
    store::{
        Capabilities,
        error::{StoreError, StoreErrorKind},
    },
    work::Workers,
};
use async_trait::async_trait;
use bucket::{Bucket, Opening};
use health::Health;
use left::{LeftLocations, Removing};
use member::Member;
use recent::Recent;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tally::Tally;
use tokio_util::sync::{CancellationToken, DropGuard};

/// When a write is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WritePolicy {
    /// When every replica has it.
    All,
    /// When this many replicas have it.
    Quorum(usize),
    /// When one replica has it; the others get it in the background.
    First,
    /// When all replicas have answered or are late, and at least one has it.
    BestEffort,
}

/// Which replica is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadPolicy {
    /// The first that answers, in order of rank.
    Ordered,
    /// The replica that was fastest recently.
    Fastest,
    /// Like `Fastest`, and also a second replica when the first takes longer than nearly all its answers.
    Hedged,
}

#[derive(Debug)]
pub struct ReplicatedSettings {
    /// The name of the replicated backend.
    pub name: String,
    /// The names of the backends that the replicated backend consists of, in order.
    pub members: Vec<String>,
    /// All backends on which replicas can be placed, including those of `members`.
    pub backends: HashMap<String, Arc<dyn Backend>>,
    pub write: WritePolicy,
    pub read: ReadPolicy,
    /// The time between two automatic scrubs of a bucket. Zero means that there are none.
    pub scrub: Duration,
}

#[derive(Debug)]
pub struct ReplicatedBackend {
    settings: ReplicatedSettings,
    catalog: Arc<dyn Catalog>,
    health: Mutex<HashMap<String, Arc<Health>>>,
    recovered: Tally,
    buckets: Mutex<HashMap<BucketId, Weak<Bucket>>>,
    recent: Recent,
    left: Arc<LeftLocations>,
    workers: Workers,
    stop: CancellationToken,
    _stopped_when_dropped: DropGuard,
}

impl ReplicatedBackend {
    /// Opens the backend. `workers` shows its background work.
    pub fn open(
        settings: ReplicatedSettings,
        catalog: Arc<dyn Catalog>,
        workers: Workers,
    ) -> Result<Self, StoreError> {
        let wrong = |why: String| Err(StoreError::new(StoreErrorKind::InvalidRequest, why));
        let distinct: BTreeSet<_> = settings.members.iter().collect();
        if distinct.len() != settings.members.len() || distinct.is_empty() {
            return wrong("its backends must be several, each once".to_owned());
        }
        if let Some(unknown) = settings.members.iter().find(|name| !settings.backends.contains_key(*name)) {
            return wrong(format!("there is no backend '{unknown}'"));
        }
        if let WritePolicy::Quorum(count) = settings.write
            && !(1..=settings.members.len()).contains(&count)
        {
            return wrong(format!(
                "a quorum of {count} of {} backends makes no sense",
                settings.members.len()
            ));
        }
        let stop = CancellationToken::new();
        let recovered = Tally::default();
        let left = LeftLocations::new(catalog.clone(), settings.backends.clone());
        let removing = Removing::new(left.clone(), &settings.name, recovered.since_now());
        tokio::spawn(workers.clone().live(Box::new(removing), stop.clone()));
        Ok(Self {
            settings,
            catalog,
            health: Mutex::default(),
            recovered,
            buckets: Mutex::default(),
            recent: Recent::default(),
            left,
            workers,
            _stopped_when_dropped: stop.clone().drop_guard(),
            stop,
        })
    }

    fn backend(&self, name: &str) -> Result<&Arc<dyn Backend>, StoreError> {
        let unknown = || {
            StoreError::new(
                StoreErrorKind::Unavailable,
                format!("a replica is on backend '{name}', which is not configured"),
            )
        };
        self.settings.backends.get(name).ok_or_else(unknown)
    }

    fn members(&self) -> impl Iterator<Item = (&String, &Arc<dyn Backend>)> {
        self.settings.members.iter().filter_map(|name| self.settings.backends.get_key_value(name))
    }

    /// Returns the state of a backend. All buckets share it: what one bucket learns helps the others.
    fn health_of(&self, name: &str) -> Arc<Health> {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.entry(name.to_owned()).or_insert_with(|| Arc::new(Health::new(self.recovered.clone()))).clone()
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<BucketId, Weak<Bucket>>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the location of a bucket on one of the backends.
    fn location_of(backend: &dyn Backend, bucket: &NewBucket) -> Result<String, StoreError> {
        let prefix = (bucket.location != bucket.name.as_str()).then_some(bucket.location.as_str());
        backend.location_at(&bucket.name, None, prefix)
    }

    fn member(&self, bucket: &BucketRecord, replica: ReplicaRecord) -> Result<Arc<Member>, StoreError> {
        let (backend, health) = (self.backend(&replica.backend)?.clone(), self.health_of(&replica.backend));
        Ok(Member::new(bucket, replica, backend, health, self.stop.clone()))
    }

    /// Returns the replicas in the catalog. Replicas that only the configuration names are added, and filled
    /// later.
    async fn replicas(&self, bucket: &BucketRecord) -> Result<Vec<ReplicaRecord>, StoreError> {
        let mut known = self.catalog.replicas(bucket.id).await?;
        for (name, backend) in self.members() {
            if !known.iter().any(|replica| replica.backend == *name) {
                let new = NewReplica {
                    backend: name.clone(),
                    location: Self::location_of(&**backend, &bucket.bucket)?,
                };
                known.push(self.catalog.add_replica(bucket.id, new).await?);
            }
        }
        for replica in known.iter().filter(|replica| !self.settings.members.contains(&replica.backend)) {
            tracing::warn!(
                bucket = %bucket.bucket.name, backend = replica.backend,
                "a replica is not in the configuration of '{}': it is kept until 'causeway replicate remove'", self.settings.name
            );
        }
        Ok(known)
    }

    /// Returns how many replicas must have a write by the policy.
    fn promised(&self) -> usize {
        match self.settings.write {
            WritePolicy::All => self.settings.members.len(),
            WritePolicy::Quorum(count) => count,
            WritePolicy::First | WritePolicy::BestEffort => 1,
        }
    }

    async fn opened_bucket(&self, bucket: &BucketRecord) -> Result<Arc<Bucket>, StoreError> {
        if let Some(open) = self.opened().get(&bucket.id).and_then(Weak::upgrade) {
            return Ok(open);
        }
        let replicas = self.replicas(bucket).await?;
        let members =
            replicas.into_iter().map(|replica| self.member(bucket, replica)).collect::<Result<_, _>>()?;
        let (write, read, recovered) = (self.settings.write, self.settings.read, self.recovered.since_now());
        let (record, catalog, stop) = (bucket.clone(), self.catalog.clone(), self.stop.child_token());
        let scrub = self.settings.scrub;
        let open = Bucket::new(Opening {
            record,
            catalog,
            write,
            read,
            scrub,
            recent: self.recent.clone(),
            recovered,
            members,
            stop,
        });
        // Another task may have opened it first: then that one is used.
        let mut opened = self.opened();
        if let Some(first) = opened.get(&bucket.id).and_then(Weak::upgrade) {
            return Ok(first);
        }
        opened.insert(bucket.id, Arc::downgrade(&open));
        worker::start(&open, &self.workers);
        Ok(open)
    }
}

#[async_trait]
impl Backend for ReplicatedBackend {
    fn capabilities(&self) -> Capabilities {
        store::capabilities(self.members().map(|(_, backend)| backend.capabilities()))
    }

    fn location_for(&self, name: &BucketName) -> String {
        name.as_str().to_owned()
    }

    fn parts(&self, bucket: &NewBucket) -> Result<Vec<BackendLocation>, StoreError> {
        let part = |(name, backend): (&String, &Arc<dyn Backend>)| {
            Ok(BackendLocation { backend: name.clone(), location: Self::location_of(&**backend, bucket)? })
        };
        self.members().map(part).collect()
    }

    /// Checks the replicas that answer. The others are checked when they answer, before they are used.
    async fn found(&self, bucket: &BucketRecord) -> Result<Found, StoreError> {
        let mut members = Vec::new();
        for BackendLocation { backend, location } in self.parts(&bucket.bucket)? {
            let new = ReplicaRecord {
                id: BucketId(0),
                backend,
                location,
                rank: 0,
                seeded: false,
                refilled: false,
                unmade: false,
                revision: Default::default(),
            };
            members.push(self.member(bucket, new)?);
        }
        locations::found(&self.left, &members, self.promised()).await
    }

    async fn create(&self, bucket: &BucketRecord) -> Result<(), StoreError> {
        let replicas = self.replicas(bucket).await?;
        let members: Vec<_> =
            replicas.into_iter().map(|replica| self.member(bucket, replica)).collect::<Result<_, _>>()?;
        locations::make(&self.catalog, &self.left, bucket, &members, self.promised()).await
    }

    async fn open(&self, bucket: &BucketRecord) -> Result<OpenedBucket, StoreError> {
        let open = self.opened_bucket(bucket).await?;
        Ok(OpenedBucket::new(
            Arc::new(store::ReplicatedStore(open.clone())),
            Arc::new(upkeep::ReplicatedUpkeep(open)),
        ))
    }

    async fn remove(&self, bucket: &BucketRecord) -> Result<bool, StoreError> {
        let open = self.opened_bucket(bucket).await?;
        // There are objects whose deletion has not reached every replica.
        if queue::drain(&open, |_| ()).await?.left > 0 {
            return Err(locations::still_has_deleted());
        }
        if !locations::remove(&self.left, &open, self.promised()).await? {
            return Ok(false);
        }
        open.stop.cancel();
        self.opened().remove(&bucket.id);
        Ok(true)
    }

    async fn discover(&self) -> Result<Vec<BucketName>, StoreError> {
        let mut names = BTreeSet::new();
        for (name, backend) in self.members() {
            match backend.discover().await {
                Ok(found) => names.extend(found),
                Err(error) => {
                    tracing::warn!(backend = name, %error, "buckets on a replica could not be looked for")
                }
            }
        }
        Ok(names.into_iter().collect())
    }

    fn tells_changes(&self) -> bool {
        self.members().any(|(_, backend)| backend.tells_changes())
    }

    fn replication(&self) -> Option<&dyn Replication> {
        Some(self)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.stop.cancel();
        let open: Vec<_> = self.opened().values().filter_map(Weak::upgrade).collect();
        for bucket in open {
            bucket.tasks.close();
            bucket.tasks.wait().await;
        }
        Ok(())
    }
}
