//! The configuration's data about buckets: the backends, their locations, and the grants. It is replaced as a
//! whole when the configuration is read again.
//!
//! Invariants:
//! - a setup that is in force is never changed, only replaced;
//! - it is replaced while the table of open buckets is locked, so that no bucket is opened by one setup and
//!   missed by the other;
//! - checking a setup changes nothing, neither here nor on storage.

use super::{
    Bucket, BucketError, Buckets, Homes, has_come_from,
    locations::{self, Clash, all_locations},
    unwritten,
};
use crate::{
    backend::Backend,
    catalog::{BackendLocation, BucketRecord, Catalog, NewBucket},
    model::{BucketName, CorsRules, Grants, Owner},
    store::error::StoreErrorKind,
};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

#[derive(Debug, Clone, Default)]
pub struct Setup {
    pub backends: HashMap<String, Arc<dyn Backend>>,
    /// Where buckets created through S3 go, if anywhere.
    pub default_backend: Option<String>,
    /// The known relations between backends and storages.
    pub homes: Homes,
    /// The owner of everything without another owner.
    pub administrator: Option<Owner>,
    /// The rights of others than the owner in buckets of the configuration. Buckets that clients created have
    /// no grants.
    pub grants: HashMap<BucketName, Arc<Grants>>,
    /// The CORS rules of buckets without their own.
    pub cors: CorsRules,
}

/// The advice for two buckets at one location.
pub const SHARED: &str = "each would show the other's objects. Take one of them out of the configuration, or out of the catalog with \
                          'causeway bucket forget NAME'; its objects stay where they are";

/// Why buckets cannot be as the configuration describes them.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("{0}: {shared}", shared = SHARED)]
    Clash(Box<Clash>),
    #[error(
        "bucket '{}' is at '{}' on backend '{}', but the configuration says '{}' on '{}': a bucket does not move by configuration",
        .wanted.name, .known.location, .known.backend, .wanted.location, .wanted.backend
    )]
    Moves { known: Box<NewBucket>, wanted: Box<NewBucket> },
    #[error("opening bucket '{0}'")]
    Bucket(BucketName, #[source] BucketError),
    #[error("looking at the locations of the buckets")]
    Catalog(#[source] BucketError),
}

impl Setup {
    pub fn backend(&self, name: &str) -> Result<&Arc<dyn Backend>, BucketError> {
        self.backends.get(name).ok_or_else(|| BucketError::NoSuchBackend(name.to_owned()))
    }

    pub(super) fn grants_in(&self, name: &BucketName) -> Arc<Grants> {
        self.grants.get(name).cloned().unwrap_or_default()
    }

    /// All problems with these buckets, compared with each other and with those in the catalog.
    pub async fn check(&self, catalog: &dyn Catalog, wanted: &[NewBucket]) -> Vec<Unfit> {
        let mut all = match all_locations(catalog, &self.backends).await {
            Ok(all) => all,
            Err(error) => return vec![Unfit::Catalog(error.into())],
        };
        let mut unfit = Vec::new();
        for bucket in wanted {
            match self.check_one(catalog, bucket).await {
                Ok(parts) => all.extend(parts),
                Err(why) => unfit.push(why),
            }
        }
        unfit.extend(self.homes.clash(all).map(|clash| Unfit::Clash(Box::new(clash))));
        unfit
    }

    /// The locations that a bucket would take, if it does not exist yet.
    async fn check_one(
        &self,
        catalog: &dyn Catalog,
        bucket: &NewBucket,
    ) -> Result<Vec<(BucketName, BackendLocation)>, Unfit> {
        let failed = |error: BucketError| Unfit::Bucket(bucket.name.clone(), error);
        if let Some(known) = catalog.bucket(&bucket.name).await.map_err(|error| failed(error.into()))? {
            return refuse_move(&known, bucket).map(|()| Vec::new());
        }
        let backend = self.backend(&bucket.backend).map_err(failed)?;
        match backend.foreign_format(&unwritten(bucket)).await {
            Ok(Some(words)) => return Err(failed(BucketError::Foreign(words))),
            Ok(None) => {}
            // A bucket whose location denies access is refused alone, and all others are served.
            Err(error) if error.kind() == StoreErrorKind::AccessDenied => {}
            Err(error) => return Err(failed(error.into())),
        }
        let parts = locations::parts(&**backend, bucket).map_err(|error| failed(error.into()))?;
        Ok(parts.into_iter().map(|part| (bucket.name.clone(), part)).collect())
    }
}

/// Refuses a bucket that the catalog has at another location, unless the bucket has migrated from the one that
/// the configuration says.
pub fn refuse_move(known: &BucketRecord, wanted: &NewBucket) -> Result<(), Unfit> {
    let BucketRecord { bucket, .. } = known;
    if (&bucket.backend, &bucket.location) == (&wanted.backend, &wanted.location)
        || has_come_from(known, wanted)
    {
        return Ok(());
    }
    Err(Unfit::Moves { known: Box::new(bucket.clone()), wanted: Box::new(wanted.clone()) })
}

impl Buckets {
    /// The setup in force now. It does not change for its holder.
    pub fn setup(&self) -> Arc<Setup> {
        self.setup.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another setup in force, from the next request on. Open buckets stay open: their stores stay the
    /// same, and requests in progress keep the rights that they began with.
    pub fn replace(&self, setup: Setup) {
        let mut open = self.write();
        for bucket in open.values_mut() {
            let grants = setup.grants_in(bucket.name());
            if bucket.grants != grants {
                *bucket = Arc::new(Bucket { grants, ..bucket.again() });
            }
        }
        *self.setup.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(setup);
    }

    /// Undoes the catalog entry of a bucket that `ensure` has just created. What its driver created on the
    /// storage stays there.
    pub async fn disown(&self, name: &BucketName) -> Result<(), BucketError> {
        let _changing = self.changing.lock(name).await;
        if let Some(record) = self.catalog.bucket(name).await? {
            self.catalog.delete_bucket(record.id).await?;
            self.workers.forget(record.id);
        }
        self.write().remove(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::memory::MemoryBackend,
        buckets::settings::BucketAcl,
        catalog::sqlite::SqliteCatalog,
        model::{CannedAcl, Right, Timestamp},
        store::Durability,
    };
    use tempfile::TempDir;

    fn owner(name: &str) -> Owner {
        Owner { id: name.into(), display_name: name.into() }
    }

    fn name(text: &str) -> BucketName {
        BucketName::parse(text).expect("a name")
    }

    fn bucket(text: &str, location: &str) -> NewBucket {
        NewBucket {
            name: name(text),
            owner: owner("alice"),
            created: Timestamp::from_millis(0),
            tenant: Default::default(),
            backend: "memory".to_owned(),
            location: location.to_owned(),
        }
    }

    fn setup(grants: &[(&str, &str)]) -> Setup {
        let grant =
            |(bucket, who): &(&str, &str)| (name(bucket), Arc::new(Grants::new([(owner(who), Right::Read)])));
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        Setup {
            backends: [("memory".to_owned(), memory)].into(),
            grants: grants.iter().map(grant).collect(),
            ..Setup::default()
        }
    }

    fn buckets(setup: Setup) -> (Buckets, TempDir) {
        let dir = tempfile::tempdir().expect("a directory");
        let catalog = SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("a catalog");
        (Buckets::of(Arc::new(catalog), setup), dir)
    }

    #[tokio::test]
    async fn an_open_bucket_takes_owner_and_grants_and_keeps_store_and_acl() {
        let (buckets, _dir) = buckets(setup(&[]));
        let held = buckets.ensure(bucket("photos", "photos")).await.expect("made");
        let with_bob = Setup { backends: buckets.setup().backends.clone(), ..setup(&[("photos", "bob")]) };
        buckets.replace(with_bob);
        assert_eq!(
            buckets.give(&name("photos"), &owner("carol")).await.expect("given"),
            Some(owner("alice"))
        );
        assert_eq!(buckets.give(&name("photos"), &owner("carol")).await.expect("hers already"), None);
        let now = buckets.get(&name("photos")).await.expect("open");
        assert!(
            now.grants().names(&owner("bob")) && !held.grants().names(&owner("bob")),
            "what is in work keeps its rights"
        );
        assert_eq!((now.owner(), held.owner()), (&owner("carol"), &owner("alice")));
        assert!(Arc::ptr_eq(now.store(), held.store()));
        assert_eq!(buckets.given_to(&owner("bob")), [name("photos")]);
        buckets.set::<BucketAcl>(&held, &CannedAcl::PublicRead.into()).await.expect("set");
        assert_eq!(now.acl(), CannedAcl::PublicRead.into(), "set by a request that began before");
    }

    #[tokio::test]
    async fn a_check_tells_all_that_is_wrong_and_changes_nothing() {
        let (buckets, _dir) = buckets(setup(&[]));
        buckets.ensure(bucket("photos", "photos")).await.expect("made");
        let setup = buckets.setup();
        let fine = [bucket("photos", "photos"), bucket("more", "more")];
        assert!(setup.check(&**buckets.catalog(), &fine).await.is_empty());
        let wrong = [
            bucket("photos", "elsewhere"),
            bucket("inner", "photos/inner"),
            NewBucket { backend: "none".into(), ..bucket("lost", "x") },
        ];
        let unfit = setup.check(&**buckets.catalog(), &wrong).await;
        let words: Vec<String> = unfit.iter().map(ToString::to_string).collect();
        assert!(
            words[0].contains(
                "'photos' is at 'photos' on backend 'memory', but the configuration says 'elsewhere'"
            ),
            "{words:?}"
        );
        assert!(
            words[1].contains("'lost'") && words[2].contains("share a location") && words.len() == 3,
            "{words:?}"
        );
        for absent in ["more", "inner", "lost"] {
            assert!(matches!(buckets.get(&name(absent)).await, Err(BucketError::NoSuchBucket)));
        }
    }

    #[tokio::test]
    async fn a_bucket_that_is_taken_back_was_never_there() {
        let (buckets, _dir) = buckets(setup(&[]));
        buckets.ensure(bucket("photos", "photos")).await.expect("made");
        buckets.disown(&name("photos")).await.expect("taken back");
        assert!(matches!(buckets.get(&name("photos")).await, Err(BucketError::NoSuchBucket)));
        buckets.ensure(bucket("other", "photos")).await.expect("its location is free");
    }
}
