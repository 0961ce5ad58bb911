//! From settings to components: the one place that knows all parts and how they are connected.

use super::{
    backends::{self, Lookup, Opened, Opening},
    caches::Caches,
    data::{DataDirectory, KnownCredentials},
    error::StartError,
    limits::{LimitsInForce, OfBackend},
    settle::{self, Owners},
};
use crate::{
    access::{Credentials, CredentialsInForce},
    buckets::{Buckets, Homes, Setup},
    catalog::{Catalog, sqlite::SqliteCatalog},
    config::{self, Grant, Settings},
    edge::{Edge, EdgeSettings, Paces},
    jobs::{self, JobSettings},
    migrate::BucketMigrations,
    model::{Grants, Right},
    s3::{self, Service},
    work::Workers,
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) struct Graph {
    pub(crate) edge: Edge,
    pub(crate) service: Service,
    pub(crate) stack: Stack,
    pub(crate) jobs: TaskTracker,
}

/// The buckets and the components below them. Clones share the same parts.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) buckets: Arc<Buckets>,
    pub(crate) limits: Arc<LimitsInForce>,
    pub(crate) caches: Caches,
    /// Backends by name, below their caches: the parts of other backends.
    pub(crate) opened: Opened,
}

/// Background work ends with the `stop` of `paces`.
pub(crate) async fn build(
    settings: &Settings,
    known: &KnownCredentials,
    keys: Arc<CredentialsInForce>,
    data: &DataDirectory,
    paces: Paces,
) -> Result<Graph, StartError> {
    let server = &settings.server;
    let caches = Caches::default();
    caches.open(settings, data)?;
    let stack = stack(settings, known, data, caches).await?;
    let domains = server.domain.as_ref().map(|domains| domains.0.clone()).unwrap_or_default();
    let stop = paces.stop.clone();
    let only_region = server.only_region().map(str::to_owned);
    let s3_settings = s3::Settings {
        region: server.region_name().to_owned(),
        any_region: only_region.is_none(),
        object_ownership: server.default_object_ownership,
    };
    let edge_settings = EdgeSettings {
        domains,
        website_domains: settings.website.domains().to_vec(),
        paces,
        region: only_region,
        signature_v2: server.signature_v2,
    };
    let edge = Edge::new(edge_settings, keys.clone());
    // Its files have no names, and so meet nothing of the backends.
    let spool = s3::Spool::new(spool_of(settings, data), server.spool_size.0);
    let service = Service::new(stack.buckets.clone(), s3_settings, spool).with_accounts(keys);
    let jobs = JobSettings {
        // The job's value for "never again".
        scan_interval: server.scan_interval.0.unwrap_or_default(),
        upload_expiry: server.upload_expiry.0.unwrap_or(Duration::MAX),
    };
    let jobs = jobs::spawn(stack.buckets.clone(), jobs, stop.clone());
    keep_ledger(&stack.limits, &jobs, stop);
    Ok(Graph { edge, service, stack, jobs })
}

/// Starts writing the use of budgets, if there is a budget now and no task writes it yet.
pub(crate) fn keep_ledger(limits: &LimitsInForce, jobs: &TaskTracker, stop: CancellationToken) {
    if let Some(ledger) = limits.to_be_kept() {
        jobs.spawn(stop.run_until_cancelled_owned(ledger.keep()));
    }
}

/// The catalog of a data directory, every backend, and the buckets upon them.
pub(crate) async fn stack(
    settings: &Settings,
    known: &KnownCredentials,
    data: &DataDirectory,
    caches: Caches,
) -> Result<Stack, StartError> {
    let catalog = SqliteCatalog::open(data.own(), settings.server.durability);
    let catalog: Arc<dyn Catalog> =
        Arc::new(catalog.map_err(|error| StartError::because("opening the catalog", error))?);
    let limits = Arc::new(LimitsInForce::of(settings));
    let workers = Workers::alone(catalog.clone());
    let of_all = OfAll { catalog: catalog.clone(), workers: workers.clone(), limits: &limits, data };
    let NewBackends { opened, limits: of_backends, problems } =
        open_backends(settings, &settings.order, &Opened::new(), of_all);
    if !problems.is_empty() {
        return Err(StartError::all(problems));
    }
    limits.add(of_backends);
    let setup = setup(settings, &known.credentials, caches.above_all(settings, opened.clone()));
    let wanted =
        settle::check(settings, &known.credentials, &setup, &*catalog).await.map_err(StartError::all)?;
    let migrations = BucketMigrations::new(catalog.clone(), workers.clone());
    let buckets = Arc::new(Buckets::with_workers(catalog, setup, workers));
    buckets.migrate_by(Arc::new(migrations));
    let settled = settle::settle(&buckets, &wanted).await.map_err(|(_, error)| error)?;
    settle::open(&buckets, &wanted, &settled).await?;
    settle::adopt(&buckets).await?;
    Ok(Stack { buckets, limits, caches, opened })
}

/// The directory for what waits on local disk.
fn spool_of(settings: &Settings, data: &DataDirectory) -> PathBuf {
    settings.server.spool.clone().unwrap_or_else(|| data.own().join("spool"))
}

/// Backends that were opened and are not used yet.
#[derive(Debug, Default)]
pub(crate) struct NewBackends {
    pub(crate) opened: Opened,
    pub(crate) limits: Vec<OfBackend>,
    /// Why others were not opened.
    pub(crate) problems: Vec<StartError>,
}

/// What all backends share.
pub(crate) struct OfAll<'s> {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) workers: Workers,
    pub(crate) limits: &'s LimitsInForce,
    pub(crate) data: &'s DataDirectory,
}

/// Opens backends, each after its limits and its parts, in addition to those that are already `open`.
pub(crate) fn open_backends(
    settings: &Settings,
    names: &[String],
    open: &Opened,
    of_all: OfAll<'_>,
) -> NewBackends {
    let OfAll { catalog, workers, limits, data } = of_all;
    let (mut new, mut all) = (NewBackends::default(), open.clone());
    let spool = spool_of(settings, data);
    for (name, backend) in names.iter().filter_map(|name| settings.backends.get_key_value(name)) {
        // The missing part was already reported.
        if backend.over().iter().any(|part| !all.contains_key(*part)) {
            continue;
        }
        let opening = Opening {
            settings,
            name,
            spool: &spool,
            catalog: catalog.clone(),
            workers: workers.clone(),
            opened: &all,
            lookup: Lookup::Everywhere,
        };
        let limited = backends::open(backend, opening)
            .map_err(|error| StartError::because(format_args!("opening backend '{name}'"), error))
            .and_then(|opened| limits.upon(name, opened, settings.layers.get(name), data));
        match limited {
            Ok((backend, upon)) => {
                all.insert(name.clone(), backend.clone());
                new.opened.insert(name.clone(), backend);
                new.limits.extend(upon);
            }
            Err(error) => new.problems.push(error),
        }
    }
    new
}

/// What the settings say about buckets.
pub(crate) fn setup(settings: &Settings, credentials: &Credentials, backends: Opened) -> Setup {
    let owners = Owners::of(settings, credentials);
    let grants = |bucket| Arc::new(grants(&owners, bucket));
    Setup {
        backends,
        default_backend: settings.default_backend().map(str::to_owned),
        homes: Homes::new(settings.homes()),
        administrator: credentials.administrator().cloned(),
        grants: settings.buckets.iter().map(|(name, bucket)| (name.clone(), grants(bucket))).collect(),
        cors: settings.cors_rules(),
    }
}

/// The grants that the configuration gives in a bucket.
fn grants(owners: &Owners<'_>, bucket: &config::Bucket) -> Grants {
    let right = |grant: &Grant| match grant {
        Grant::ReadOnly => Right::Read,
        Grant::ReadWrite => Right::Write,
    };
    Grants::new(bucket.grants().iter().filter_map(|(name, grant)| Some((owners.find(name)?, right(grant)))))
}
