//! Which buckets there are, who owns them, and the stack of stores behind each.
//!
//! The catalog is the truth; what is kept here are the opened stacks. Creating, opening and deleting one bucket are serialised, so
//! that a bucket is never opened while its place is being removed.

pub mod probe;
pub mod scrub;

use crate::{
    backend::{Backend, locks::Locks},
    catalog::{BucketChange, BucketId, BucketRecord, BucketsPage, BucketsQuery, Catalog, CatalogError, CatalogErrorKind, NewBucket},
    model::{BucketName, CannedAcl, Owner, Timestamp},
    store::{
        ListRequest, Store,
        error::{StoreError, StoreErrorKind},
    },
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    #[error("no such bucket")]
    NoSuchBucket,
    /// The name is taken, by this owner.
    #[error("the bucket exists")]
    Exists(Arc<Bucket>),
    #[error("the bucket is not empty")]
    NotEmpty,
    #[error("the configuration has no backend '{0}'")]
    NoSuchBackend(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CatalogError> for BucketError {
    fn from(error: CatalogError) -> Self {
        Self::Store(error.into())
    }
}

/// An open bucket.
pub struct Bucket {
    record: BucketRecord,
    acl: RwLock<CannedAcl>,
    store: Arc<dyn Store>,
}

impl Bucket {
    pub fn id(&self) -> BucketId {
        self.record.id
    }

    pub fn record(&self) -> &BucketRecord {
        &self.record
    }

    pub fn name(&self) -> &BucketName {
        &self.record.bucket.name
    }

    pub fn owner(&self) -> &Owner {
        &self.record.bucket.owner
    }

    pub fn created(&self) -> Timestamp {
        self.record.bucket.created
    }

    pub fn location(&self) -> &str {
        &self.record.bucket.location
    }

    pub fn acl(&self) -> CannedAcl {
        *self.acl.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(self.name()).finish()
    }
}

/// A bucket to be made through S3.
#[derive(Debug, Clone)]
pub struct CreateBucket {
    pub name: BucketName,
    pub owner: Owner,
    pub acl: CannedAcl,
    pub location: String,
}

#[derive(Debug)]
pub struct Buckets {
    catalog: Arc<dyn Catalog>,
    backends: HashMap<String, Arc<dyn Backend>>,
    /// Where buckets created through S3 go.
    default_backend: String,
    open: RwLock<HashMap<BucketName, Arc<Bucket>>>,
    /// Creating, opening and deleting one bucket take turns. Those of others do not wait: a backend that hangs hangs for one.
    changing: Arc<Locks<BucketName>>,
}

impl Buckets {
    pub fn new(catalog: Arc<dyn Catalog>, backends: HashMap<String, Arc<dyn Backend>>, default_backend: String) -> Self {
        Self { catalog, backends, default_backend, open: RwLock::default(), changing: Arc::default() }
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

    /// Goes on to its end if the caller goes away: what was begun on a backend is finished, or undone.
    pub async fn create(self: &Arc<Self>, request: CreateBucket) -> Result<Arc<Bucket>, BucketError> {
        let own = self.clone();
        to_the_end(async move { own.create_now(request).await }).await
    }

    async fn create_now(&self, request: CreateBucket) -> Result<Arc<Bucket>, BucketError> {
        let backend = self.backend(&self.default_backend)?;
        let bucket = NewBucket {
            place: backend.place_for(&request.name),
            name: request.name,
            owner: request.owner,
            created: Timestamp::now(),
            acl: request.acl,
            location: request.location,
            backend: self.default_backend.clone(),
        };
        let name = bucket.name.clone();
        let changing = self.changing.lock(&name).await;
        match self.catalog.create_bucket(bucket).await {
            Ok(record) => {
                let id = record.id;
                let made = async {
                    backend.create(&record).await?;
                    self.open(record).await
                };
                match made.await {
                    Ok(bucket) => Ok(bucket),
                    Err(error) => {
                        // Without its place the bucket does not exist; the client is told so and may try again.
                        self.catalog.delete_bucket(id).await?;
                        Err(error)
                    }
                }
            }
            Err(error) if error.kind() == CatalogErrorKind::Exists => {
                drop(changing);
                Err(BucketError::Exists(self.get(&name).await?))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A bucket of the configuration or one found on a backend: made if it is not known yet, opened in any case.
    pub async fn ensure(&self, bucket: NewBucket) -> Result<Arc<Bucket>, BucketError> {
        let name = bucket.name.clone();
        let changing = self.changing.lock(&name).await;
        match self.catalog.create_bucket(bucket).await {
            Ok(record) => self.open(record).await,
            Err(error) if error.kind() == CatalogErrorKind::Exists => {
                drop(changing);
                self.get(&name).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Goes on to its end if the caller goes away, as `create` does.
    pub async fn delete(self: &Arc<Self>, name: &BucketName) -> Result<(), BucketError> {
        let (own, name) = (self.clone(), name.clone());
        to_the_end(async move { own.delete_now(&name).await }).await
    }

    async fn delete_now(&self, name: &BucketName) -> Result<(), BucketError> {
        let bucket = self.get(name).await?;
        let _changing = self.changing.lock(name).await;
        if self.opened(name).is_none_or(|open| open.id() != bucket.id()) {
            // Somebody else deleted it meanwhile.
            return Err(BucketError::NoSuchBucket);
        }
        let page = bucket.store.list(ListRequest { limit: 1, ..Default::default() }).await?;
        if !page.entries.is_empty() || !self.backend(&bucket.record.bucket.backend)?.remove(&bucket.record).await? {
            return Err(BucketError::NotEmpty);
        }
        self.catalog.delete_bucket(bucket.id()).await?;
        self.write().remove(name);
        Ok(())
    }

    pub async fn list(&self, query: BucketsQuery) -> Result<BucketsPage, BucketError> {
        Ok(self.catalog.buckets(query).await?)
    }

    pub async fn set_acl(&self, bucket: &Bucket, acl: CannedAcl) -> Result<(), BucketError> {
        self.catalog.update_bucket(bucket.id(), BucketChange::Acl(acl)).await?;
        *bucket.acl.write().unwrap_or_else(PoisonError::into_inner) = acl;
        Ok(())
    }

    pub fn catalog(&self) -> &Arc<dyn Catalog> {
        &self.catalog
    }

    pub fn backends(&self) -> impl Iterator<Item = (&str, &Arc<dyn Backend>)> {
        self.backends.iter().map(|(name, backend)| (name.as_str(), backend))
    }

    pub fn backend(&self, name: &str) -> Result<&Arc<dyn Backend>, BucketError> {
        self.backends.get(name).ok_or_else(|| BucketError::NoSuchBackend(name.to_owned()))
    }

    async fn open(&self, record: BucketRecord) -> Result<Arc<Bucket>, BucketError> {
        let store = self.backend(&record.bucket.backend)?.open(&record).await?;
        let bucket = Arc::new(Bucket { acl: RwLock::new(record.bucket.acl), record, store });
        self.write().insert(bucket.name().clone(), bucket.clone());
        Ok(bucket)
    }

    fn opened(&self, name: &BucketName) -> Option<Arc<Bucket>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<BucketName, Arc<Bucket>>> {
        self.open.write().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn to_the_end<T: Send + 'static>(change: impl Future<Output = Result<T, BucketError>> + Send + 'static) -> Result<T, BucketError> {
    match tokio::spawn(change).await {
        Ok(result) => result,
        Err(error) => {
            Err(StoreError::new(StoreErrorKind::Internal, "creating or deleting a bucket was interrupted").with_source(error).into())
        }
    }
}
