//! Buckets that migrate to another backend: which rows of the catalog they have, and when the layer over both
//! places is put on and taken off.
//!
//! The new place is a replica of the bucket in the catalog, with an id of its own; so is the row that lists what
//! one place may lack. The layer itself is behind a contract (`backend::migration`).
//!
//! Invariants:
//! - a bucket whose documents say that it migrates is never opened without the layer;
//! - at the end, one transaction makes the new place the bucket. The document that says so follows; until then a
//!   bucket that is at its destination counts as one that has arrived.

use super::{
    Bucket, BucketError, Buckets, locations,
    settings::{MigrationDocument, document},
    unwritten,
};
use crate::{
    backend::{
        Backend, Found, OpenedBucket,
        migration::{self, Ending, LEDGER, Migration, Migrations, Opening, Site, Stage, record_at},
    },
    catalog::{BackendLocation, BucketRecord, Expected, NewBucket, NewReplica, ReplicaRecord},
    model::{BucketName, Timestamp},
    store::error::{StoreError, StoreErrorKind},
};
use async_trait::async_trait;
use std::sync::{Arc, Weak};

/// Where a bucket shall go.
#[derive(Debug, Clone)]
pub struct Destination {
    pub backend: String,
    /// A bucket or container of the storage, and a prefix in it, as in the configuration of a bucket.
    pub remote: Option<String>,
    pub prefix: Option<String>,
    /// The place may have objects: those that the bucket has not are removed there.
    pub overwrite: bool,
    /// The maximum number of bytes that are copied in a second.
    pub rate: Option<u64>,
}

/// Ends migrations for the layer.
#[derive(Debug)]
struct EndingBuckets(Weak<Buckets>);

#[async_trait]
impl Ending for EndingBuckets {
    async fn end(&self, bucket: &BucketName) -> Result<(), StoreError> {
        let Some(buckets) = self.0.upgrade() else { return Ok(()) };
        buckets.end_migration(bucket).await.map_err(|error| match error {
            BucketError::Store(error) => error,
            error => {
                StoreError::new(StoreErrorKind::Internal, "ending a migration failed").with_source(error)
            }
        })
    }
}

fn refused(why: impl Into<String>) -> BucketError {
    BucketError::Store(StoreError::new(StoreErrorKind::InvalidRequest, why))
}

impl Buckets {
    /// Serves buckets that migrate through `migrations`.
    pub fn migrate_by(self: &Arc<Self>, migrations: Arc<dyn Migrations>) {
        migrations.end_by(Arc::new(EndingBuckets(Arc::downgrade(self))));
        // It is set once, where the buckets are made.
        let _ = self.migrations.set(migrations);
    }

    pub fn migrations(&self) -> Option<&Arc<dyn Migrations>> {
        self.migrations.get()
    }

    /// Puts the layer over an opened bucket, if it migrates. `earlier` is held by requests without the layer.
    pub(super) async fn layered(
        &self,
        record: &BucketRecord,
        base: &OpenedBucket,
        earlier: Weak<()>,
    ) -> Result<OpenedBucket, BucketError> {
        let Some(migration) = Migration::under_way(record)?.filter(|migration| !is_at(record, &migration.to))
        else {
            return Ok(base.clone());
        };
        let Some(migrations) = self.migrations() else {
            let words = "the bucket migrates, and nothing here can serve it meanwhile";
            return Err(StoreError::new(StoreErrorKind::Unavailable, words).into());
        };
        let (new, ledger) = self.rows(record, &migration).await?;
        let at_new = record_at(record, &new);
        let new = self.backend(&migration.to.backend)?.open(&at_new).await?;
        let opening = Opening { migration, old: base.clone(), new, ledger: ledger.id, earlier };
        Ok(migrations.over(record, opening))
    }

    /// Returns the rows of the new place and of the keys that one place may lack.
    async fn rows(
        &self,
        record: &BucketRecord,
        migration: &Migration,
    ) -> Result<(ReplicaRecord, ReplicaRecord), BucketError> {
        let rows = self.catalog.replicas(record.id).await?;
        let find = |backend: &str| rows.iter().find(|row| row.backend == backend).cloned();
        find(&migration.to.backend).zip(find(LEDGER)).ok_or_else(|| {
            let words = "the catalog lacks the rows of the bucket's migration: restore it from a backup";
            StoreError::new(StoreErrorKind::Internal, words).into()
        })
    }

    /// Begins to migrate a bucket. Requests go on meanwhile.
    pub async fn begin_migration(&self, name: &BucketName, to: Destination) -> Result<(), BucketError> {
        self.get(name).await?;
        let _changing = self.changing.lock(name).await;
        let bucket = self.opened(name).ok_or(BucketError::NoSuchBucket)?;
        let record = self.catalog.bucket(name).await?.ok_or(BucketError::NoSuchBucket)?;
        if Migration::under_way(&record)?.is_some_and(|migration| !is_at(&record, &migration.to)) {
            return Err(refused(
                "the bucket migrates already: 'causeway migrate status' shows how far it is",
            ));
        }
        let (from, on) = (self.backend(&record.bucket.backend)?, self.backend(&to.backend)?);
        if to.backend == record.bucket.backend {
            return Err(refused(format!("the bucket is on backend '{}' already", to.backend)));
        }
        if let Some(why) = migration::refuses(&*from, &*on) {
            return Err(refused(why));
        }
        // What an earlier attempt has left, which was killed before it began.
        for row in self.catalog.replicas(record.id).await? {
            self.catalog.delete_bucket(row.id).await?;
        }
        let location = on.location_at(name, to.remote.as_deref(), to.prefix.as_deref())?;
        let wanted = NewBucket { backend: to.backend.clone(), location, ..record.bucket.clone() };
        let found = self.look_at(&*on, &wanted, to.overwrite).await?;
        let new = NewReplica { backend: wanted.backend.clone(), location: wanted.location.clone() };
        let new = self.catalog.add_replica(record.id, new).await?;
        let begun = async {
            let ledger = NewReplica { backend: LEDGER.to_owned(), location: record.id.0.to_string() };
            self.catalog.add_replica(record.id, ledger).await?;
            if found == Found::Nothing {
                on.create(&record_at(&record, &new)).await?;
            }
            let site = |bucket: &NewBucket| Site {
                backend: bucket.backend.clone(),
                location: bucket.location.clone(),
            };
            let migration = Migration {
                stage: Stage::Copying,
                from: site(&record.bucket),
                to: site(&wanted),
                began: Timestamp::now(),
                paused: false,
                rate: to.rate,
            };
            self.set_migration(&record, &migration).await?;
            let record = self.catalog.bucket(name).await?.ok_or(BucketError::NoSuchBucket)?;
            self.reopen(&bucket, record).await
        };
        let begun = begun.await;
        if begun.is_err() {
            // The document goes first: without it the rows are leftovers.
            self.catalog.delete_document(record.id, migration::DOCUMENT, Expected::Any).await?;
            for row in self.catalog.replicas(record.id).await? {
                self.catalog.delete_bucket(row.id).await?;
            }
        }
        begun
    }

    /// Refuses a place that another bucket has, or where something is that nobody said may be overwritten.
    async fn look_at(
        &self,
        on: &dyn Backend,
        wanted: &NewBucket,
        overwrite: bool,
    ) -> Result<Found, BucketError> {
        let at = BackendLocation { backend: wanted.backend.clone(), location: wanted.location.clone() };
        self.refuse_shared(&wanted.name, at).await?;
        if self.setup().homes.is_around_another(&locations::parts(on, wanted)?) {
            return Err(refused("all that another backend has lies in that location"));
        }
        if let Some(words) = on.foreign_format(&unwritten(wanted)).await? {
            return Err(BucketError::Foreign(words));
        }
        let found = on.found(&unwritten(wanted)).await?;
        if found == Found::Something && !overwrite {
            return Err(refused(format!(
                "there is something at '{}' on backend '{}': choose another location with --prefix or --remote, or let \
                 it be replaced with --overwrite",
                wanted.location, wanted.backend
            )));
        }
        Ok(found)
    }

    /// Opens a bucket anew, by its record as it is now, on the place that is open.
    async fn reopen(&self, bucket: &Bucket, record: BucketRecord) -> Result<(), BucketError> {
        let opened = self.layered(&record, &bucket.base, Arc::downgrade(&bucket.held)).await?;
        let reopened = Bucket { record, opened, held: Arc::default(), ..bucket.again() };
        self.write().insert(reopened.name().clone(), Arc::new(reopened));
        Ok(())
    }

    async fn set_migration(&self, record: &BucketRecord, migration: &Migration) -> Result<(), BucketError> {
        if let Some(document) = document::<MigrationDocument>(&Some(migration.clone())) {
            self.catalog.set_document(record.id, Expected::Any, document).await?;
        }
        Ok(())
    }

    /// Leaves one of the two places of a bucket: nothing is under way there any more.
    async fn end_migration(&self, name: &BucketName) -> Result<(), BucketError> {
        let _changing = self.changing.lock(name).await;
        let Some(migrations) = self.migrations() else { return Ok(()) };
        let bucket = self.opened(name).ok_or(BucketError::NoSuchBucket)?;
        let record = self.catalog.bucket(name).await?.ok_or(BucketError::NoSuchBucket)?;
        let Some(migration) = Migration::under_way(&record)? else { return Ok(()) };
        let (opened, record) = match migration.stage {
            Stage::Finishing => {
                let (new, _) = self.rows(&record, &migration).await?;
                self.catalog.replace_bucket(record.id, new.id).await?;
                let migration = Migration { stage: Stage::Done, ..migration };
                let moved = self.catalog.bucket(name).await?.ok_or(BucketError::NoSuchBucket)?;
                self.set_migration(&moved, &migration).await?;
                let opened = migrations.leave(record.id).unwrap_or_else(|| bucket.base.clone());
                self.workers.forget(record.id);
                let Site { backend, location } = &migration.from;
                tracing::info!(bucket = %name, backend, location, "a migration is done; the objects at the old place stay there");
                (opened, moved)
            }
            Stage::RollingBack => {
                self.catalog.delete_document(record.id, migration::DOCUMENT, Expected::Any).await?;
                for row in self.catalog.replicas(record.id).await? {
                    self.catalog.delete_bucket(row.id).await?;
                }
                migrations.leave(record.id);
                tracing::info!(bucket = %name, "a migration was rolled back; what was copied stays where it is");
                (bucket.base.clone(), record)
            }
            _ => return Ok(()),
        };
        let record = self.catalog.bucket(name).await?.unwrap_or(record);
        let base = opened.clone();
        let left = Bucket { record, opened, base, held: Arc::default(), ..bucket.again() };
        self.write().insert(name.clone(), Arc::new(left));
        Ok(())
    }
}

/// Returns whether a bucket is at a site, as the catalog has it.
fn is_at(record: &BucketRecord, site: &Site) -> bool {
    (&record.bucket.backend, &record.bucket.location) == (&site.backend, &site.location)
}

/// Returns whether a bucket has come from this place by a migration that is over.
pub fn has_come_from(record: &BucketRecord, place: &NewBucket) -> bool {
    let document = record.documents.all.iter().find(|document| document.kind == migration::DOCUMENT);
    let migration = document.and_then(|document| Migration::parse(&document.body).ok());
    migration.is_some_and(|migration| {
        is_at(record, &migration.to)
            && (&place.backend, &place.location) == (&migration.from.backend, &migration.from.location)
    })
}
