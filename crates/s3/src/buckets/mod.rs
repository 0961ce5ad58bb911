//! The buckets, their owners, and the stack of stores behind each.
//!
//! The catalog is the truth; only the opened stacks are kept here. The data from the configuration (`setup`)
//! is replaced as a whole while requests are served. Settings made by clients are in the bucket's documents
//! (`settings`). Creating, opening and deleting one bucket are serialised, so that a bucket is never opened
//! while its location is being removed.

mod accounts;
mod bucket;
mod documents;
mod error;
mod locations;
mod migrating;
pub mod scrub;
pub mod settings;
mod setup;
mod sweeping;

use crate::{
    backend::{
        Backend, Found,
        locks::Locks,
        migration::{Migration, Migrations},
    },
    catalog::{
        BackendLocation, BucketChange, BucketId, BucketRecord, BucketsPage, BucketsQuery, Catalog,
        CatalogErrorKind, Expected, LeftLocation, NewBucket, NewDocument,
    },
    model::{Acl, BucketName, ObjectOwnership, Owner, Timestamp},
    store::{
        ListRequest,
        error::{StoreError, StoreErrorKind},
    },
    work::Workers,
};
pub use accounts::AccountSettings;
use accounts::AccountsInForce;
pub use bucket::Bucket;
pub use error::{BucketError, Taken};
pub use locations::{Clash, Homes, all_locations};
pub use migrating::{Destination, has_come_from};
use settings::{BucketAcl, Location, OwnershipControls, SettingsInForce};
pub use setup::{SHARED, Setup, Unfit, refuse_move};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, PoisonError, RwLock, Weak},
};
use sweeping::Sweeping;

/// A bucket to be made through S3.
#[derive(Debug, Clone)]
pub struct CreateBucket {
    pub name: BucketName,
    pub owner: Owner,
    pub acl: Acl,
    /// `None`: none is written down, and ACLs count.
    pub ownership: Option<ObjectOwnership>,
    pub location: String,
}

#[derive(Debug)]
pub struct Buckets {
    catalog: Arc<dyn Catalog>,
    /// Replaced only while `open` is locked for writing.
    setup: RwLock<Arc<Setup>>,
    open: RwLock<HashMap<BucketName, Arc<Bucket>>>,
    /// Creating, opening and deleting one bucket take turns. Other buckets do not wait: a backend that hangs
    /// blocks only one.
    changing: Arc<Locks<BucketName>>,
    workers: Workers,
    sweeping: Arc<Sweeping>,
    accounts: AccountsInForce,
    /// What serves buckets that migrate.
    migrations: OnceLock<Arc<dyn Migrations>>,
}

impl Buckets {
    pub fn new(
        catalog: Arc<dyn Catalog>,
        backends: HashMap<String, Arc<dyn Backend>>,
        default_backend: impl Into<Option<String>>,
    ) -> Self {
        Self::of(catalog, Setup { backends, default_backend: default_backend.into(), ..Setup::default() })
    }

    /// Makes buckets with a job registry of their own.
    pub fn of(catalog: Arc<dyn Catalog>, setup: Setup) -> Self {
        let workers = Workers::alone(catalog.clone());
        Self::with_workers(catalog, setup, workers)
    }

    /// `workers` also show the jobs of the backends.
    pub fn with_workers(catalog: Arc<dyn Catalog>, setup: Setup, workers: Workers) -> Self {
        let (open, changing, accounts, migrations) = Default::default();
        let sweeping = Sweeping::new(workers.clone());
        let setup = RwLock::new(Arc::new(setup));
        Self { catalog, setup, open, changing, workers, sweeping, accounts, migrations }
    }

    pub async fn get(&self, name: &BucketName) -> Result<Arc<Bucket>, BucketError> {
        if let Some(bucket) = self.opened(name) {
            return Ok(bucket);
        }
        let _changing = self.changing.lock(name).await;
        if let Some(bucket) = self.opened(name) {
            return Ok(bucket);
        }
        let record = self.catalog.bucket(name).await?.ok_or(BucketError::NoSuchBucket)?;
        self.open(record).await
    }

    /// Continues if the caller is dropped: work begun on a backend is finished, or undone.
    pub async fn create(self: &Arc<Self>, request: CreateBucket) -> Result<Arc<Bucket>, BucketError> {
        let own = self.clone();
        to_the_end(async move { own.create_now(request).await }).await
    }

    async fn create_now(&self, request: CreateBucket) -> Result<Arc<Bucket>, BucketError> {
        let default = &self.default_backend().ok_or(BucketError::NoDefaultBackend)?;
        let backend = &self.backend(default)?;
        let documents = [
            settings::document::<BucketAcl>(&request.acl),
            settings::document::<OwnershipControls>(&request.ownership),
            settings::document::<Location>(&request.location.into()),
        ];
        let bucket = NewBucket {
            tenant: Default::default(),
            location: backend.location_for(&request.name),
            name: request.name,
            owner: request.owner,
            created: Timestamp::now(),
            backend: default.clone(),
        };
        let name = bucket.name.clone();
        let changing = self.changing.lock(&name).await;
        match self.make(backend, bucket, documents.into_iter().flatten().collect()).await {
            Ok(Some(bucket)) => Ok(bucket),
            Ok(None) => {
                drop(changing);
                Err(BucketError::Exists(self.get(&name).await?))
            }
            Err(error) => {
                if let BucketError::LocationTaken(why) = &error {
                    tracing::info!(bucket = %name, backend = default, %why, "a bucket was not created: its location is taken");
                }
                Err(error)
            }
        }
    }

    /// Creates a bucket at an unused location. `None` means that the name is taken.
    async fn make(
        &self,
        backend: &Arc<dyn Backend>,
        bucket: NewBucket,
        documents: Vec<NewDocument>,
    ) -> Result<Option<Arc<Bucket>>, BucketError> {
        if self.catalog.bucket(&bucket.name).await?.is_some() {
            return Ok(None);
        }
        // Checked before the bucket has an owner: so a server that is killed later has not given away foreign
        // data.
        let was_left = self.refuse_taken(&**backend, &bucket).await?;
        let Some(record) = self.write_down(bucket, documents).await? else { return Ok(None) };
        let (id, left) = (record.id, left_location(&record.bucket));
        let made = async {
            if was_left {
                self.catalog.forget_location(&left.backend, &left.location).await?;
            }
            backend.create(&record).await?;
            self.open(record).await
        };
        match made.await {
            Ok(bucket) => Ok(Some(bucket)),
            Err(error) => {
                // The storage may have created it despite the error: a second attempt finds a location of
                // ours.
                let may_be_made = matches!(&error, BucketError::Store(error) if error.is_temporary());
                if may_be_made && backend.replication().is_none() {
                    self.catalog.leave_location(left).await?;
                }
                // Without its location the bucket does not exist; the client gets the error and may try
                // again.
                self.catalog.delete_bucket(id).await?;
                Err(match error {
                    BucketError::Store(error) if error.kind() == StoreErrorKind::Conflict => {
                        BucketError::LocationTaken(Taken::OnStorage(error))
                    }
                    error => error,
                })
            }
        }
    }

    /// Refuses a location with content that the gateway did not create. Returns whether a failed creation has
    /// left an empty one.
    async fn refuse_taken(&self, backend: &dyn Backend, bucket: &NewBucket) -> Result<bool, BucketError> {
        if self.setup().homes.is_around_another(&locations::parts(backend, bucket)?) {
            return Err(BucketError::LocationTaken(Taken::ByBackend));
        }
        let is_left = async || {
            let (left, own) = (self.catalog.left_locations().await?, left_location(bucket));
            Ok::<_, BucketError>(
                left.iter().any(|left| left.backend == own.backend && left.location == own.location),
            )
        };
        match backend.found(&unwritten(bucket)).await? {
            Found::Nothing => Ok(false),
            Found::Empty if is_left().await? => Ok(true),
            Found::Empty | Found::Something => Err(BucketError::LocationTaken(Taken::ByOthers)),
        }
    }

    /// Refuses a location that is not a bucket yet and never can be one.
    async fn refuse_foreign(&self, bucket: &NewBucket) -> Result<(), BucketError> {
        let foreign = self.backend(&bucket.backend)?.foreign_format(&unwritten(bucket)).await?;
        foreign.map_or(Ok(()), |words| Err(BucketError::Foreign(words)))
    }

    /// Writes a bucket to the catalog, serialised with all others. `None` means that the name is taken.
    async fn write_down(
        &self,
        bucket: NewBucket,
        documents: Vec<NewDocument>,
    ) -> Result<Option<BucketRecord>, BucketError> {
        let parts = locations::parts(&*self.backend(&bucket.backend)?, &bucket)?;
        let around = self.setup().homes.around(&parts);
        match self.catalog.create_bucket_apart(bucket, documents, around).await {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == CatalogErrorKind::Exists => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A bucket of the configuration, or one found on a backend: created if it is unknown, and opened in any
    /// case.
    pub async fn ensure(&self, bucket: NewBucket) -> Result<Arc<Bucket>, BucketError> {
        let name = bucket.name.clone();
        let changing = self.changing.lock(&name).await;
        if self.catalog.bucket(&name).await?.is_none() {
            self.refuse_foreign(&bucket).await?;
        }
        match self.write_down(bucket, Vec::new()).await? {
            Some(record) => self.open(record).await,
            None => {
                drop(changing);
                self.get(&name).await
            }
        }
    }

    /// Makes a bucket of existing data on a backend.
    pub async fn adopt(&self, bucket: NewBucket) -> Result<Arc<Bucket>, BucketError> {
        let name = bucket.name.clone();
        let changing = self.changing.lock(&name).await;
        if self.catalog.bucket(&name).await?.is_some() {
            drop(changing);
            return Err(BucketError::Exists(self.get(&name).await?));
        }
        if self.backend(&bucket.backend)?.found(&unwritten(&bucket)).await? == Found::Nothing {
            return Err(BucketError::NothingThere);
        }
        self.refuse_foreign(&bucket).await?;
        let Some(record) = self.write_down(bucket, Vec::new()).await? else {
            return Err(BucketError::NothingThere);
        };
        let id = record.id;
        match self.open(record).await {
            Ok(bucket) => Ok(bucket),
            Err(error) => {
                self.catalog.delete_bucket(id).await?;
                Err(error)
            }
        }
    }

    /// Continues if the caller is dropped, like `create`.
    pub async fn delete(self: &Arc<Self>, name: &BucketName) -> Result<(), BucketError> {
        let (own, name) = (self.clone(), name.clone());
        to_the_end(async move { own.delete_now(&name).await }).await
    }

    async fn delete_now(&self, name: &BucketName) -> Result<(), BucketError> {
        let bucket = self.get(name).await?;
        let _changing = self.changing.lock(name).await;
        if self.opened(name).is_none_or(|open| open.id() != bucket.id()) {
            // Another request deleted it meanwhile.
            return Err(BucketError::NoSuchBucket);
        }
        if Migration::under_way(&bucket.record)?.is_some() {
            return Err(BucketError::Migrating);
        }
        let page = bucket.store().list(ListRequest { limit: 1, ..Default::default() }).await?;
        if !page.entries.is_empty()
            || !self.backend(&bucket.record.bucket.backend)?.remove(&bucket.record).await?
        {
            return Err(BucketError::NotEmpty);
        }
        self.catalog.delete_bucket(bucket.id()).await?;
        self.write().remove(name);
        self.workers.forget(bucket.id());
        // Only now: until then the parts of its uploads are acknowledged parts of an existing bucket.
        self.sweep();
        Ok(())
    }

    /// Starts a sweep on every backend, in the background: it removes staged parts of uploads that can no
    /// longer be completed.
    pub fn sweep(&self) {
        for (name, backend) in self.backends() {
            self.sweeping.begin(&name, &backend);
        }
    }

    /// Changes the owner of a bucket, and returns the earlier one. `None` means that nothing changes or the
    /// bucket does not exist.
    pub async fn give(&self, name: &BucketName, owner: &Owner) -> Result<Option<Owner>, BucketError> {
        let _changing = self.changing.lock(name).await;
        match self.catalog.bucket(name).await? {
            Some(mut record) if record.bucket.owner != *owner => {
                let expected = Expected::Exactly(record.revision);
                record.revision = self
                    .catalog
                    .update_bucket(record.id, expected, BucketChange::Owner(owner.clone()))
                    .await?;
                let before = std::mem::replace(&mut record.bucket.owner, owner.clone());
                if let Some(open) = self.write().get_mut(name) {
                    *open = Arc::new(Bucket { record, ..open.again() });
                }
                Ok(Some(before))
            }
            _ => Ok(None),
        }
    }

    /// The buckets in which an identity has a grant.
    pub fn given_to(&self, owner: &Owner) -> Vec<BucketName> {
        self.setup()
            .grants
            .iter()
            .filter(|(_, grants)| grants.names(owner))
            .map(|(name, _)| name.clone())
            .collect()
    }

    pub async fn list(&self, query: BucketsQuery) -> Result<BucketsPage, BucketError> {
        Ok(self.catalog.buckets(query).await?)
    }

    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.catalog
    }

    /// The background jobs.
    pub fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Refuses another location for a bucket if another bucket is there.
    pub async fn refuse_shared(
        &self,
        name: &BucketName,
        location: BackendLocation,
    ) -> Result<(), BucketError> {
        let setup = self.setup();
        let (mut all, new) =
            (all_locations(&*self.catalog, &setup.backends).await?, (name.clone(), location));
        if !all.contains(&new) {
            all.push(new);
        }
        setup
            .homes
            .clash(all)
            .map_or(Ok(()), |clash| Err(BucketError::LocationTaken(Taken::ByReplica(clash.into()))))
    }

    pub fn administrator(&self) -> Option<Owner> {
        self.setup().administrator.clone()
    }

    pub fn default_backend(&self) -> Option<String> {
        self.setup().default_backend.clone()
    }

    pub fn backends(&self) -> Vec<(String, Arc<dyn Backend>)> {
        self.setup().backends.iter().map(|(name, backend)| (name.clone(), backend.clone())).collect()
    }

    pub fn backend(&self, name: &str) -> Result<Arc<dyn Backend>, BucketError> {
        self.setup().backend(name).cloned()
    }

    async fn open(&self, record: BucketRecord) -> Result<Arc<Bucket>, BucketError> {
        let base = self.backend(&record.bucket.backend)?.open(&record).await?;
        let opened = self.layered(&record, &base, Weak::new()).await?;
        let settings = Arc::new(SettingsInForce::of(&record.documents)?);
        let mut open = self.write();
        // Under the lock: a setup that is put in force now finds the bucket open, or is the one that gives it
        // its grants.
        let grants = self.setup().grants_in(&record.bucket.name);
        let (account, held, accounts) = (Default::default(), Default::default(), self.accounts.clone());
        let bucket = Bucket { record, settings, grants, account, accounts, base, opened, held };
        let bucket = Arc::new(bucket);
        open.insert(bucket.name().clone(), bucket.clone());
        Ok(bucket)
    }

    /// The bucket, if it is open: whether it exists, the catalog knows.
    pub fn opened(&self, name: &BucketName) -> Option<Arc<Bucket>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<BucketName, Arc<Bucket>>> {
        self.open.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn left_location(bucket: &NewBucket) -> LeftLocation {
    LeftLocation {
        backend: bucket.backend.clone(),
        location: bucket.location.clone(),
        bucket: bucket.name.clone(),
    }
}

/// The record of a bucket that is not in the catalog, in the form that drivers need.
fn unwritten(bucket: &NewBucket) -> BucketRecord {
    BucketRecord::new(BucketId(0), bucket.clone())
}

async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, BucketError>> + Send + 'static,
) -> Result<T, BucketError> {
    match tokio::spawn(change).await {
        Ok(result) => result,
        Err(error) => {
            Err(StoreError::new(StoreErrorKind::Internal, "creating or deleting a bucket was interrupted")
                .with_source(error)
                .into())
        }
    }
}
