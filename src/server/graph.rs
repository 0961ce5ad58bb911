//! From settings to components: the one place that knows which parts there are and how they hang together.

use super::{
    backends::{self, Opening},
    caches::Caches,
    data::{DataDirectory, KnownCredentials},
    error::StartError,
    limits::LimitsInForce,
};
use crate::{
    access::Credentials,
    backend::Backend,
    buckets::{Bucket, BucketError, Buckets, Homes},
    catalog::{BucketsQuery, Catalog, NewBucket, sqlite::SqliteCatalog},
    config::{self, Grant, Settings},
    edge::{Edge, EdgeSettings, Keys, Pace},
    jobs::{self, JobSettings},
    model::{BucketName, CannedAcl, Grants, Identity, Owner, Right, Secret, Timestamp},
    s3::{self, Service},
    store::error::StoreErrorKind,
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(super) struct Graph {
    pub(super) edge: Edge,
    pub(super) service: Service,
    pub(super) limits: Arc<LimitsInForce>,
    pub(super) buckets: Arc<Buckets>,
    pub(super) caches: Caches,
    pub(super) jobs: TaskTracker,
}

impl Keys for Credentials {
    fn find(&self, access_key: &str) -> Option<(Arc<Identity>, Secret)> {
        Credentials::find(self, access_key)
    }
}

/// Background work ends with `stop`.
pub(super) async fn build(
    settings: &Settings,
    known: &KnownCredentials,
    data: &DataDirectory,
    stop: CancellationToken,
) -> Result<Graph, StartError> {
    let server = &settings.server;
    let caches = Caches::open(settings, data)?;
    let (buckets, limits) = buckets(settings, known, data, &caches).await?;
    let domains = server.domain.as_ref().map(|domains| domains.0.clone()).unwrap_or_default();
    let pace = Pace { stall: server.body_timeout, ..Pace::default() };
    let only_region = server.only_region().map(str::to_owned);
    let s3_settings = s3::Settings { region: server.region_name().to_owned(), any_region: only_region.is_none() };
    let edge_settings = EdgeSettings { domains, pace, region: only_region, signature_v2: server.signature_v2 };
    let edge = Edge::new(edge_settings, known.credentials.clone());
    let service = Service::new(buckets.clone(), s3_settings);
    let jobs = JobSettings {
        // The job's words for "never again".
        scan_interval: server.scan_interval.0.unwrap_or_default(),
        upload_expiry: server.upload_expiry.0.unwrap_or(Duration::MAX),
    };
    let jobs = jobs::spawn(buckets.clone(), jobs, stop.clone());
    if let Some(ledger) = limits.kept() {
        jobs.spawn(stop.run_until_cancelled_owned(ledger.keep()));
    }
    Ok(Graph { edge, service, limits, jobs, caches, buckets })
}

/// The catalog of a data directory, every backend, and the buckets upon them.
pub(super) async fn buckets(
    settings: &Settings,
    known: &KnownCredentials,
    data: &DataDirectory,
    caches: &Caches,
) -> Result<(Arc<Buckets>, Arc<LimitsInForce>), StartError> {
    let server = &settings.server;
    let catalog = SqliteCatalog::open(data.own(), server.durability).map_err(|error| StartError::because("opening the catalog", error))?;
    let catalog: Arc<dyn Catalog> = Arc::new(catalog);
    let mut limits = LimitsInForce::of(settings);
    let mut opened_backends: HashMap<String, Arc<dyn Backend>> = HashMap::new();
    for (name, backend) in settings.in_order() {
        let spool = server.spool.clone().unwrap_or_else(|| data.own().join("spool"));
        let opened = backends::open(backend, Opening { settings, name, spool: &spool, catalog: catalog.clone(), opened: &opened_backends });
        let opened = opened.map_err(|error| StartError::because(format_args!("opening backend '{name}'"), error))?;
        let opened = limits.upon(name, opened, settings.layers.get(name), data)?;
        opened_backends.insert(name.clone(), opened);
    }
    let served = opened_backends.into_iter().map(|(name, backend)| (name.clone(), caches.above(settings, &name, backend))).collect();
    let buckets = Buckets::new(catalog, served, settings.default_backend().map(str::to_owned)).on(Homes::new(settings.homes()));
    let buckets = buckets.granting(settings.buckets.iter().map(|(name, bucket)| (name.clone(), grants(settings, known, bucket))));
    let buckets = Arc::new(buckets.for_administrator(known.credentials.administrator().cloned()));
    let Some(steward) = known.credentials.steward() else {
        return Err(StartError::new("there is no identity"));
    };
    settle_buckets(settings, &buckets, known, steward).await?;
    Ok((buckets, Arc::new(limits)))
}

/// Whom the configuration gives what in a bucket.
fn grants(settings: &Settings, known: &KnownCredentials, bucket: &config::Bucket) -> Grants {
    let right = |grant: &Grant| match grant {
        Grant::ReadOnly => Right::Read,
        Grant::ReadWrite => Right::Write,
    };
    Grants::new(bucket.grants().iter().filter_map(|(name, grant)| Some((owner(settings, known, name)?, right(grant)))))
}

/// An identity that the configuration names: the names were validated.
fn owner(settings: &Settings, known: &KnownCredentials, name: &str) -> Option<Owner> {
    let (access_key, _) = *settings.identities_named(name).first()?;
    Some(known.credentials.find(access_key.as_str())?.0.owner.clone())
}

const SHARED: &str = "each would show the other's objects. Take one of them out of the configuration, or out of the catalog with \
                      'causeway bucket forget NAME'; its objects stay where they are";

/// Buckets of the configuration, then those that lie on the default backend already: these only an administrator gets.
async fn settle_buckets(settings: &Settings, buckets: &Buckets, known: &KnownCredentials, steward: &Owner) -> Result<(), StartError> {
    let clash = buckets.clash().await.map_err(|error| StartError::because("looking at the places of the buckets", error))?;
    if let Some(clash) = clash {
        return Err(StartError::new(format!("{clash}: {SHARED}")));
    }
    let failed = |name: &BucketName| {
        let name = name.clone();
        move |error: BucketError| match error {
            BucketError::PlaceTaken(why) => StartError::new(format!("bucket '{name}': {why}: {SHARED}")),
            error => StartError::because(format_args!("opening bucket '{name}'"), error),
        }
    };
    let bucket = |name: &BucketName, owner: &Owner, backend: &str, place: String| NewBucket {
        name: name.clone(),
        owner: owner.clone(),
        created: Timestamp::now(),
        acl: CannedAcl::Private,
        location: String::new(),
        backend: backend.to_owned(),
        place,
    };
    for (name, configured) in &settings.buckets {
        let backend_name = settings.backend_of(configured);
        let backend = buckets.backend(backend_name).map_err(failed(name))?;
        let place = backend.place_at(name, configured.remote.as_deref(), configured.place());
        let place = place.map_err(|error| failed(name)(error.into()))?;
        let named = configured.owner.as_deref().and_then(|name| owner(settings, known, name));
        if let Some(owner) = &named
            && buckets.give(name, owner).await.map_err(failed(name))?
        {
            tracing::info!(bucket = %name, owner = %owner.display_name, "a bucket was given to the owner that the configuration names");
        }
        let ensured = buckets.ensure(bucket(name, named.as_ref().unwrap_or(steward), backend_name, place.clone())).await;
        let Some(opened) = unless_denied(name, ensured).map_err(failed(name))? else {
            continue;
        };
        let known = &opened.record().bucket;
        if known.backend != backend_name || known.place != place {
            return Err(StartError::new(format!(
                "bucket '{name}' is at '{}' on backend '{}', but the configuration says '{place}' on '{backend_name}': \
                 a bucket does not move by configuration",
                known.place, known.backend
            )));
        }
    }

    let known = buckets.list(BucketsQuery { limit: usize::MAX, ..Default::default() }).await;
    let known = known.map_err(|error| StartError::because("listing the buckets", error))?.buckets;
    for record in known.iter().filter(|record| buckets.backend(&record.bucket.backend).is_err()) {
        tracing::warn!(bucket = %record.bucket.name, backend = record.bucket.backend, "a bucket is on a backend that is not configured");
    }
    let Some(default) = settings.default_backend() else { return Ok(()) };
    let backend = buckets.backend(default).map_err(|error| StartError::because("the default backend", error))?;
    let found = backend.discover().await.map_err(|error| StartError::because("looking for buckets", error))?;
    for name in found {
        if known.iter().any(|record| record.bucket.name == name) {
            continue;
        }
        let Some(owner) = buckets.administrator() else {
            tracing::warn!(bucket = %name, backend = default, "what was there already is no bucket: there is no administrator to own it");
            continue;
        };
        let place = backend.place_for(&name);
        match unless_denied(&name, buckets.ensure(bucket(&name, owner, default, place)).await) {
            Ok(Some(_)) => tracing::info!(bucket = %name, owner = %owner.display_name, "adopted a bucket that was there already"),
            Ok(None) => {}
            // It lies in a bucket of the configuration, or around one.
            Err(BucketError::PlaceTaken(_)) => {}
            Err(error @ BucketError::Foreign(_)) => {
                tracing::warn!(bucket = %name, backend = default, %error, "a directory that was there already did not become a bucket");
            }
            Err(error) => return Err(failed(&name)(error)),
        }
    }
    Ok(())
}

/// A bucket whose place we may not enter is refused to whoever asks for it, until we may. All others are served.
fn unless_denied(name: &BucketName, opened: Result<Arc<Bucket>, BucketError>) -> Result<Option<Arc<Bucket>>, BucketError> {
    match opened {
        Err(BucketError::Store(error)) if error.kind() == StoreErrorKind::AccessDenied => {
            tracing::warn!(bucket = %name, %error, "a bucket cannot be entered: it is refused, and all others are served");
            Ok(None)
        }
        opened => opened.map(Some),
    }
}
