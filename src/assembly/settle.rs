//! Buckets of the configuration: all are checked together, then created and given to their owners. Also
//! directories that become buckets because they were created outside the gateway.
//!
//! Invariants:
//! - `check` finds every problem that can be found, and changes nothing;
//! - what `settle` has changed when it fails is reported, so that a running server can undo it
//!   (`Settled::undo`).

use super::error::StartError;
use crate::{
    access::Credentials,
    buckets::{Bucket, BucketError, Buckets, SHARED, Setup, Unfit, has_come_from, refuse_move},
    catalog::{BucketsQuery, Catalog, NewBucket},
    config::Settings,
    model::{BucketName, Owner, Timestamp},
    store::error::StoreErrorKind,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// A bucket as the configuration describes it.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The bucket that is created if none of the name exists.
    bucket: NewBucket,
    /// The owner that the configuration names: an existing bucket is given to this owner.
    named: Option<Owner>,
}

/// The changes that were made.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Buckets with a new owner, and the earlier owner of each.
    given: Vec<(BucketName, Owner)>,
    /// Buckets that were created.
    pub(crate) made: Vec<BucketName>,
}

/// The buckets of the configuration, or all problems with them.
pub(crate) async fn check(
    settings: &Settings,
    credentials: &Credentials,
    setup: &Setup,
    catalog: &dyn Catalog,
) -> Result<Vec<Wanted>, Vec<StartError>> {
    let (wanted, mut problems) = placed(settings, credentials, setup);
    let buckets: Vec<NewBucket> = wanted.iter().map(|wanted| wanted.bucket.clone()).collect();
    problems.extend(setup.check(catalog, &buckets).await.iter().map(|unfit| StartError::caused(unfit)));
    if problems.is_empty() { Ok(wanted) } else { Err(problems) }
}

/// Each bucket at its location, and why others have none.
fn placed(settings: &Settings, credentials: &Credentials, setup: &Setup) -> (Vec<Wanted>, Vec<StartError>) {
    let Some(steward) = credentials.steward() else {
        return (Vec::new(), vec![StartError::new("there is no identity")]);
    };
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    let owners = Owners::of(settings, credentials);
    for (name, configured) in &settings.buckets {
        let backend = settings.backend_of(configured);
        // The backend that could not be opened was already reported.
        let Ok(on) = setup.backend(backend) else { continue };
        let named = configured.owner.as_deref().and_then(|name| owners.find(name));
        match on.location_at(name, configured.remote.as_deref(), configured.location()) {
            Ok(location) => {
                let bucket = new_bucket(name, named.as_ref().unwrap_or(steward), backend, location);
                all.push(Wanted { bucket, named });
            }
            Err(error) => problems.push(failed(name, error.into())),
        }
    }
    (all, problems)
}

/// The identities that the configuration may name as owners, by access key and by name. It is built once for
/// all buckets: a search for each bucket would cost buckets times identities.
#[derive(Debug)]
pub(crate) struct Owners<'s>(HashMap<&'s str, Owner>);

impl<'s> Owners<'s> {
    pub(crate) fn of(settings: &'s Settings, credentials: &Credentials) -> Self {
        let owner = |access_key: &str| Some(credentials.find(access_key)?.0.owner.clone());
        let mut owners = HashMap::new();
        for identity in &settings.identities {
            if let (Some(name), Some(owner)) = (identity.name.as_deref(), owner(identity.access_key.as_str()))
            {
                owners.entry(name).or_insert(owner);
            }
        }
        // An access key comes before a name that reads the same.
        let root = settings.root.iter().map(|root| &root.access_key);
        for access_key in root.chain(settings.identities.iter().map(|identity| &identity.access_key)) {
            if let Some(owner) = owner(access_key.as_str()) {
                owners.insert(access_key.as_str(), owner);
            }
        }
        Self(owners)
    }

    /// The identity that the configuration names: names were validated.
    pub(crate) fn find(&self, name: &str) -> Option<Owner> {
        self.0.get(name).cloned()
    }
}

fn new_bucket(name: &BucketName, owner: &Owner, backend: &str, location: String) -> NewBucket {
    NewBucket {
        name: name.clone(),
        owner: owner.clone(),
        created: Timestamp::now(),
        tenant: Default::default(),
        backend: backend.to_owned(),
        location,
    }
}

/// Creates the missing buckets, and gives each to its owner.
pub(crate) async fn settle(buckets: &Buckets, wanted: &[Wanted]) -> Result<Settled, (Settled, StartError)> {
    let mut settled = Settled::default();
    for wanted in wanted {
        if let Err(error) = settle_one(buckets, wanted, &mut settled).await {
            return Err((settled, error));
        }
    }
    Ok(settled)
}

async fn settle_one(
    buckets: &Buckets,
    Wanted { bucket, named }: &Wanted,
    settled: &mut Settled,
) -> Result<(), StartError> {
    let name = &bucket.name;
    let Some(known) = buckets.catalog().bucket(name).await.map_err(|error| failed(name, error.into()))?
    else {
        settled.made.push(name.clone());
        unless_denied(name, buckets.ensure(bucket.clone()).await).map_err(|error| failed(name, error))?;
        return Ok(());
    };
    // A client may have created it since the check.
    refuse_move(&known, bucket).map_err(|error| StartError::caused(&error))?;
    if has_come_from(&known, bucket) {
        tracing::warn!(bucket = %name, from = bucket.backend, to = known.bucket.backend, location = known.bucket.location, "the bucket has migrated, and the configuration still says where it was: it should say where it is");
    }
    let Some(owner) = named else { return Ok(()) };
    if let Some(before) = buckets.give(name, owner).await.map_err(|error| failed(name, error))? {
        settled.given.push((name.clone(), before));
        tracing::info!(bucket = %name, owner = %owner.display_name, "a bucket was given to the owner that the configuration names");
    }
    Ok(())
}

impl Settled {
    /// Undoes all changes. What cannot be undone is reported: the next start checks everything again.
    pub(crate) async fn undo(self, buckets: &Buckets) {
        for name in &self.made {
            if let Err(error) = buckets.disown(name).await {
                tracing::error!(bucket = %name, %error, "a bucket could not be taken back; it stays until 'causeway bucket forget'");
            }
        }
        for (name, before) in &self.given {
            if let Err(error) = buckets.give(name, before).await {
                tracing::error!(bucket = %name, owner = %before.display_name, %error, "a bucket could not be given back to its owner");
            }
        }
    }
}

/// Opens the existing buckets: a start fails if one of them cannot be served.
pub(crate) async fn open(buckets: &Buckets, wanted: &[Wanted], settled: &Settled) -> Result<(), StartError> {
    for name in wanted.iter().map(|wanted| &wanted.bucket.name).filter(|name| !settled.made.contains(name)) {
        unless_denied(name, buckets.get(name).await).map_err(|error| failed(name, error))?;
    }
    Ok(())
}

/// Existing directories on the default backend become buckets, which only an administrator gets.
pub(crate) async fn adopt(buckets: &Buckets) -> Result<(), StartError> {
    let setup = buckets.setup();
    let known = buckets.list(BucketsQuery { limit: usize::MAX, ..Default::default() }).await;
    let known = known.map_err(|error| StartError::because("listing the buckets", error))?.buckets;
    for record in known.iter().filter(|record| setup.backend(&record.bucket.backend).is_err()) {
        tracing::warn!(bucket = %record.bucket.name, backend = record.bucket.backend, "a bucket is on a backend that is not configured");
    }
    // A set: with a search for each directory, a start would take time with the square of the buckets.
    let known: HashSet<BucketName> = known.into_iter().map(|record| record.bucket.name).collect();
    let Some(default) = &setup.default_backend else { return Ok(()) };
    let backend =
        setup.backend(default).map_err(|error| StartError::because("the default backend", error))?;
    let found =
        backend.discover().await.map_err(|error| StartError::because("looking for buckets", error))?;
    for name in found {
        if known.contains(&name) {
            continue;
        }
        let Some(owner) = &setup.administrator else {
            tracing::warn!(bucket = %name, backend = default, "what was there already is no bucket: there is no administrator to own it");
            continue;
        };
        let location = backend.location_for(&name);
        match unless_denied(&name, buckets.ensure(new_bucket(&name, owner, default, location)).await) {
            Ok(Some(_)) => {
                tracing::info!(bucket = %name, owner = %owner.display_name, "adopted a bucket that was there already")
            }
            Ok(None) => {}
            // It is inside a bucket of the configuration, or contains one.
            Err(BucketError::LocationTaken(_)) => {}
            Err(error @ BucketError::Foreign(_)) => {
                tracing::warn!(bucket = %name, backend = default, %error, "a directory that was there already did not become a bucket");
            }
            Err(error) => return Err(failed(&name, error)),
        }
    }
    Ok(())
}

fn failed(name: &BucketName, error: BucketError) -> StartError {
    match error {
        BucketError::LocationTaken(why) => StartError::new(format!("bucket '{name}': {why}: {SHARED}")),
        error => StartError::caused(&Unfit::Bucket(name.clone(), error)),
    }
}

/// Requests for a bucket whose location denies access are refused until access is granted. All others are
/// served.
fn unless_denied(
    name: &BucketName,
    opened: Result<Arc<Bucket>, BucketError>,
) -> Result<Option<Arc<Bucket>>, BucketError> {
    match opened {
        Err(BucketError::Store(error)) if error.kind() == StoreErrorKind::AccessDenied => {
            tracing::warn!(bucket = %name, %error, "a bucket cannot be entered: it is refused, and all others are served");
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backend::{Backend, memory::MemoryBackend},
        catalog::sqlite::SqliteCatalog,
        store::Durability,
    };

    fn owner(name: &str) -> Owner {
        Owner { id: name.into(), display_name: name.into() }
    }

    fn name(text: &str) -> BucketName {
        BucketName::parse(text).expect("a name")
    }

    fn wanted(text: &str, location: &str, named: Option<&str>) -> Wanted {
        let bucket = new_bucket(&name(text), &owner(named.unwrap_or("root")), "memory", location.to_owned());
        Wanted { bucket, named: named.map(owner) }
    }

    #[tokio::test]
    async fn what_was_settled_before_a_failure_is_taken_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let catalog = SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("a catalog");
        let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let buckets = Buckets::of(
            Arc::new(catalog),
            Setup { backends: [("memory".to_owned(), memory)].into(), ..Setup::default() },
        );
        let first = [wanted("old", "old", Some("alice")), wanted("clients", "theirs", None)];
        settle(&buckets, &first).await.expect("made");

        // A client created the last one at another location, after the check.
        let second = [
            wanted("old", "old", Some("bob")),
            wanted("fresh", "fresh", None),
            wanted("clients", "clients", None),
        ];
        let (settled, error) = settle(&buckets, &second).await.expect_err("a bucket does not move");
        assert!(error.to_string().contains("bucket 'clients' is at 'theirs'"), "{error}");
        let owned = async |text: &str| {
            buckets.get(&name(text)).await.map(|bucket| bucket.owner().display_name.to_string()).ok()
        };
        assert_eq!(
            (owned("old").await.as_deref(), owned("fresh").await.as_deref()),
            (Some("bob"), Some("root"))
        );
        settled.undo(&buckets).await;
        assert_eq!((owned("old").await.as_deref(), owned("fresh").await), (Some("alice"), None));
        assert_eq!(
            buckets.catalog().bucket(&name("old")).await.expect("read").expect("there").bucket.owner,
            owner("alice")
        );
    }
}
