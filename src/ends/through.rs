//! Buckets and backends of the configuration: through the server that holds the data directory, or, where
//! none does, with what it would open.

use super::{Failure, kept::Directory, located::open_at};
use crate::{
    assembly::{StartError, alone::Alone, data::DataDirectory},
    backend::{Backend, WireSettings},
    buckets::Buckets,
    catalog::Catalog,
    config::{self, Settings},
    control::{self, Done, Lend, Lent, Request},
    drivers::s3::{Credentials, Dialect, S3Backend, S3Settings},
    model::{BucketName, Endpoint, Secret},
    operate::{self, Visit},
    store::Store,
};
use std::{sync::Arc, time::Duration};

/// What is held while an end is used.
#[derive(Debug)]
pub(super) enum Held {
    Nothing,
    /// The catalog, the backends and the lock of the data directory.
    Stack(Visit),
    /// One backend with a catalog of its own, and the lock of the data directory if the backend may be a
    /// server's.
    Alone {
        alone: Alone,
        directory: Directory,
        lock: Option<DataDirectory>,
    },
}

impl Held {
    pub(super) async fn end(self) {
        match self {
            Self::Nothing => {}
            Self::Stack(visit) => visit.end().await,
            Self::Alone { alone, directory, lock } => {
                alone.end().await;
                drop((directory, lock));
            }
        }
    }

    pub(super) fn with(self, taken: Option<DataDirectory>) -> Self {
        match self {
            Self::Alone { alone, directory, .. } => Self::Alone { alone, directory, lock: taken },
            other => other,
        }
    }
}

type Environment = std::collections::BTreeMap<String, String>;

/// A bucket that is open.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    /// The same for each way that leads to the bucket.
    pub(super) address: String,
    pub(super) held: Held,
}

fn address(settings: &Settings, bucket: &str) -> String {
    format!("{}#{bucket}", settings.server.data.display())
}

/// Opens a bucket of the configuration, or one that clients created.
pub(super) async fn bucket(
    settings: &Settings,
    name: &BucketName,
    environment: &Environment,
    beside: Option<&Held>,
) -> Result<Opened, Failure> {
    let is_configured = settings.buckets.contains_key(name);
    if !is_configured && !DataDirectory::was_taken(&settings.server.data) {
        return Err(no_bucket(settings, name));
    }
    let lend = Lend::Bucket { bucket: name.as_str().to_owned() };
    match reach(settings, lend, beside).await? {
        Reached::Server(Some(lent)) => lent_store(settings, &lent, environment).await,
        Reached::Server(None) => Err(no_bucket(settings, name)),
        Reached::Here(visit, found) => {
            let opened = match found {
                Some((name, _)) => opened(settings, &visit.buckets, &name).await,
                None => Err(no_bucket(settings, name)),
            };
            held(visit, opened).await
        }
        Reached::Beside(visit, Some((name, _))) => opened(settings, &visit.buckets, &name).await,
        Reached::Beside(_, None) => Err(no_bucket(settings, name)),
    }
}

/// Returns the store with what it needs, or closes that.
async fn held(visit: Visit, opened: Result<Opened, Failure>) -> Result<Opened, Failure> {
    match opened {
        Ok(opened) => Ok(Opened { held: Held::Stack(visit), ..opened }),
        Err(failure) => {
            visit.end().await;
            Err(failure)
        }
    }
}

fn no_bucket(settings: &Settings, name: &BucketName) -> Failure {
    let known: Vec<&str> = settings.buckets.keys().map(BucketName::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Failure::missing(format!(
        "there is no bucket '{name}': the configuration has {known}, and clients created none of that name in {}. \
         'causeway bucket add' makes one. A local path begins with './' or '/'",
        settings.server.data.display()
    ))
}

/// A bucket and the path in it; or no bucket is there, and the lock of the data directory.
pub(super) type OfBackend = (Option<(Opened, String)>, Option<DataDirectory>);

/// Opens the bucket that has a path of a backend.
pub(super) async fn backend(
    settings: &Settings,
    name: &str,
    path: &str,
    environment: &Environment,
    beside: Option<&Held>,
) -> Result<OfBackend, Failure> {
    if !DataDirectory::was_taken(&settings.server.data) {
        return Ok((None, None));
    }
    let lend = Lend::Backend { backend: name.to_owned(), path: path.to_owned() };
    match reach(settings, lend, beside).await? {
        Reached::Server(Some(lent)) => {
            let rest = lent.path.clone();
            Ok((Some((lent_store(settings, &lent, environment).await?, rest)), None))
        }
        Reached::Beside(visit, Some((bucket, rest))) => {
            Ok((Some((opened(settings, &visit.buckets, &bucket).await?, rest)), None))
        }
        found @ (Reached::Server(None) | Reached::Beside(_, None)) => {
            let whose =
                if matches!(found, Reached::Server(_)) { "the running server" } else { "the configuration" };
            let below = settings.backends.get(name).map(|backend| settings.below(backend));
            if matches!(
                below,
                Some(config::Backend::Fs(_) | config::Backend::Memory(_) | config::Backend::Replicated(_))
            ) {
                return Err(Failure::missing(format!(
                    "no bucket of {whose} has '{path}' on backend '{name}', which is in use: 'causeway bucket adopt' makes a \
                     bucket of it"
                )));
            }
            Ok((None, None))
        }
        Reached::Here(visit, Some((bucket, rest))) => {
            let opened = opened(settings, &visit.buckets, &bucket).await;
            Ok((Some((held(visit, opened).await?, rest)), None))
        }
        Reached::Here(visit, None) => Ok((None, Some(visit.close().await))),
    }
}

/// Who answers for the data directory.
enum Reached<'h> {
    Server(Option<Lent>),
    /// Nobody else: it is open here, and has this bucket and path.
    Here(Visit, Option<(BucketName, String)>),
    /// The first of two ends has it open.
    Beside(&'h Visit, Option<(BucketName, String)>),
}

async fn reach<'h>(
    settings: &Settings,
    lend: Lend,
    beside: Option<&'h Held>,
) -> Result<Reached<'h>, Failure> {
    let failed = |error: StartError| Failure::of_start(&error);
    let not_found = |why: String| Failure::failed(format!("looking for the bucket: {why}"));
    if let Some(Held::Stack(visit)) = beside {
        let found = control::find(&visit.buckets, &lend).await.map_err(not_found)?;
        return Ok(Reached::Beside(visit, found));
    }
    match operate::ask_server(settings, &Request::Lend(lend.clone())).await.map_err(failed)? {
        operate::Asked::Answered(Done::Lent(lent)) => Ok(Reached::Server(lent)),
        operate::Asked::Answered(_) => Err(Failure::failed("the server answered something else")),
        operate::Asked::Here(visit) => match control::find(&visit.buckets, &lend).await {
            Ok(found) => Ok(Reached::Here(visit, found)),
            Err(why) => {
                visit.end().await;
                Err(not_found(why))
            }
        },
    }
}

async fn opened(settings: &Settings, buckets: &Buckets, name: &BucketName) -> Result<Opened, Failure> {
    let bucket = buckets.get(name).await;
    let bucket = bucket.map_err(|error| Failure::failed(format!("opening bucket '{name}': {error}")))?;
    let (store, address) = (bucket.store().clone(), address(settings, name.as_str()));
    Ok(Opened { store, address, held: Held::Nothing })
}

/// Opens a bucket of a running server, as an object store that speaks S3.
async fn lent_store(settings: &Settings, lent: &Lent, environment: &Environment) -> Result<Opened, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::failed(format!("reaching bucket '{}' through the running server: {why}", lent.bucket))
    };
    let endpoint = Endpoint::parse(&format!("http://{}", lent.address));
    let s3 = S3Settings {
        dialect: Dialect::S3,
        endpoint: Some(endpoint.ok_or_else(|| failed(&"its address is none"))?),
        region: lent.region.clone(),
        virtual_hosts: false,
        shared: None,
        credentials: Credentials::Keys {
            access_key: lent.access_key.clone(),
            secret_key: Secret::new(lent.secret_key.0.as_str()),
            session_token: Some(Secret::new(lent.session_token.0.as_str())),
        },
        project: None,
        conditional_writes: Some(true),
        checksums: Some(true),
        wire: WireSettings { timeout: Duration::from_secs(300), ..WireSettings::default() },
    };
    // The address may change with the next start of the server, and the data directory does not.
    let description = format!("server\n{}\n{}", settings.server.data.display(), lent.bucket);
    let directory = Directory::of(environment, &description).map_err(|error| Failure::of_start(&error))?;
    let alone = Alone::of(directory.path(), |catalog: Arc<dyn Catalog>| {
        Ok(Arc::new(S3Backend::open(s3, catalog)?) as Arc<dyn Backend>)
    });
    let alone = alone.map_err(|error| Failure::of_start(&error))?;
    let store = open_at(&alone, "server", &lent.bucket).await?;
    let address = address(settings, &lent.bucket);
    Ok(Opened { store, address, held: Held::Alone { alone, directory, lock: None } })
}
