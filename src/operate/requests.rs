//! Operators' requests on a data directory: answered by the server that holds it if one runs, or here.

use crate::{
    access::{AddedIdentities, Credentials, CredentialsInForce},
    assembly::{
        StartError,
        caches::Caches,
        data::{self, DataDirectory},
        graph,
    },
    buckets::Buckets,
    catalog::{BucketsQuery, Catalog, sqlite, sqlite::SqliteCatalog},
    config::Settings,
    control::{self, Done, ImportOptions, Imported, Reply, Request, RowError, Rows, Scanned, socket},
    iam::{DataKey, Directory},
    model::{Chain, Owner},
    store::Durability,
};
use std::{
    fs::File,
    io::BufReader,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc::Receiver;

/// How long a command waits for a server that holds the data directory and does not answer yet.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(100);

/// Sends a request, and passes on every reply before the last one.
pub async fn ask(
    settings: &Settings,
    request: Request,
    hear: impl AsyncFnMut(Reply) -> Result<(), StartError>,
) -> Result<Done, StartError> {
    match reach(settings, &request).await? {
        Reached::Server(replies) => drain(replies, hear).await,
        Reached::Here(visit) => {
            let done = visit.ask(request, hear).await;
            visit.end().await;
            done
        }
    }
}

/// What a running server answered, or the data directory, which is open here because no server holds it.
pub(crate) enum Asked {
    Answered(Done),
    Here(Visit),
}

/// Sends a request to the server that holds the data directory, if one does.
pub(crate) async fn ask_server(settings: &Settings, request: &Request) -> Result<Asked, StartError> {
    match reach(settings, request).await? {
        Reached::Server(replies) => drain(replies, async |_| Ok(())).await.map(Asked::Answered),
        Reached::Here(visit) => Ok(Asked::Here(visit)),
    }
}

/// Who answers a request.
enum Reached {
    Server(Receiver<Reply>),
    Here(Visit),
}

async fn reach(settings: &Settings, request: &Request) -> Result<Reached, StartError> {
    let path = &settings.server.data;
    let own = DataDirectory::own_of(path);
    let begun = Instant::now();
    loop {
        let asked = socket::ask(&own, request).await;
        let asked = asked.map_err(|error| {
            StartError::because(format_args!("asking the server that uses {}", path.display()), error)
        })?;
        if let Some(replies) = asked {
            return Ok(Reached::Server(replies));
        }
        match Visit::begin(settings, request).await {
            Ok(visit) => return Ok(Reached::Here(visit)),
            // The directory is held and no server answers yet: a starting server opens its socket a little
            // later.
            Err(error) if error.is_in_use() && begun.elapsed() < PATIENCE => tokio::time::sleep(RETRY).await,
            Err(error) if error.is_in_use() => {
                return Err(StartError::new(format!(
                    "the server that uses {} is not ready to answer yet: it is starting or stopping. Try again soon",
                    path.display()
                )));
            }
            Err(error) => return Err(error),
        }
    }
}

/// The owner that an identity of the configuration is.
pub fn owner(settings: &Settings, access_key: &str) -> Result<Owner, StartError> {
    let known = Credentials::new(data::configured(settings));
    let unknown =
        || StartError::new(format!("the configuration has no identity with the access key '{access_key}'"));
    known.find(access_key).map(|(identity, _)| identity.owner.clone()).ok_or_else(unknown)
}

async fn drain(
    mut replies: Receiver<Reply>,
    mut hear: impl AsyncFnMut(Reply) -> Result<(), StartError>,
) -> Result<Done, StartError> {
    while let Some(reply) = replies.recv().await {
        match reply {
            Reply::Done(done) => return Ok(done),
            Reply::Failed(why) => return Err(StartError::new(why)),
            reply => hear(reply).await?,
        }
    }
    Err(StartError::new("it was stopped before it was done"))
}

/// Imports an exported catalog into a data directory that no server uses. The next start rebuilds the index.
pub async fn import(
    settings: &Settings,
    file: &Path,
    options: ImportOptions,
) -> Result<Imported, StartError> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        StartError::new(format!("importing {}: {}", file.display(), Chain(error)))
    };
    let rows = || {
        File::open(file)
            .map_err(RowError::from)
            .and_then(|file| Rows::begin(BufReader::new(file)))
            .map_err(|error| failed(&error))
    };
    let data = DataDirectory::take(&settings.server.data)?;
    let catalog = open_catalog(&data)?;
    let key = DataKey::find(data.own())
        .map_err(|error| StartError::because("reading the key that seals secrets", error))?;
    let checked = control::check(&catalog, key.as_ref(), options, rows()?).await;
    let checked = checked.map_err(|error| failed(&error));
    close_catalog(catalog).await?;
    checked?;
    // The index is removed in between: it must never have less than the catalog and look complete.
    forget_index(&data)?;
    let catalog = open_catalog(&data)?;
    let imported = control::import(&catalog, options, rows()?).await.map_err(|error| failed(&error));
    close_catalog(catalog).await?;
    imported
}

fn open_catalog(data: &DataDirectory) -> Result<SqliteCatalog, StartError> {
    SqliteCatalog::open(data.own(), Durability::Strict)
        .map_err(|error| StartError::because("opening the catalog", error))
}

async fn close_catalog(catalog: SqliteCatalog) -> Result<(), StartError> {
    catalog.close().await.map_err(|error| StartError::because("closing the catalog", error))
}

/// Rebuilds the index of every bucket, from storage and catalog. No server may run.
pub async fn rebuild(
    settings: &Settings,
    mut hear: impl AsyncFnMut(&str, Result<Option<Scanned>, String>),
) -> Result<(), StartError> {
    let data = DataDirectory::take(&settings.server.data)?;
    forget_index(&data)?;
    let visit = Visit::of(settings, data).await?;
    let known = visit.buckets.list(BucketsQuery { limit: usize::MAX, ..Default::default() }).await;
    let known = known.map_err(|error| StartError::because("listing the buckets", error))?;
    for record in known.buckets {
        let name = record.bucket.name.to_string();
        let done = visit.ask(Request::Scan { bucket: name.clone(), full: true }, async |_| Ok(())).await;
        hear(
            &name,
            done.map_err(|error| error.to_string()).map(|done| match done {
                Done::Scanned(counts) => Some(counts),
                Done::Unindexed
                | Done::Exported
                | Done::Adopted { .. }
                | Done::Replicated(_)
                | Done::Scrubbed(_)
                | Done::Migrated(_)
                | Done::Keyed(_)
                | Done::Members(_)
                | Done::Explained
                | Done::Lent(_)
                | Done::Jobs { .. } => None,
            }),
        )
        .await;
    }
    visit.end().await;
    Ok(())
}

fn forget_index(data: &DataDirectory) -> Result<(), StartError> {
    sqlite::forget_index(data.own()).map_err(|error| StartError::because("forgetting the index", error))
}

/// A data directory with its catalog, opened temporarily.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) buckets: Arc<Buckets>,
    identities: Arc<AddedIdentities>,
    // Released last.
    data: DataDirectory,
}

impl Visit {
    async fn begin(settings: &Settings, request: &Request) -> Result<Self, StartError> {
        let path = &settings.server.data;
        if *request == Request::Export && !DataDirectory::was_taken(path) {
            return Err(StartError::new(format!(
                "no server ever used {}: there is nothing to export",
                path.display()
            )));
        }
        let only_of_a_server = match request {
            Request::Jobs(_) => Some("jobs run only while one does"),
            Request::Explain { .. } => Some("decisions are kept only while one does"),
            _ => None,
        };
        if let Some(why) = only_of_a_server {
            if DataDirectory::was_taken(path) {
                DataDirectory::take(path)?;
            }
            return Err(StartError::new(format!("no server uses {}: {why}", path.display())));
        }
        Self::of(settings, DataDirectory::take(path)?).await
    }

    async fn of(settings: &Settings, data: DataDirectory) -> Result<Self, StartError> {
        let known = data.credentials(settings)?;
        let graph::Stack { buckets, .. } = graph::stack(settings, &known, &data, Caches::default()).await?;
        let in_force = Arc::new(CredentialsInForce::new(known.credentials.clone()));
        let directory = Arc::new(Directory::new(buckets.catalog().clone(), data.own()));
        let read = directory.refresh().await;
        read.map_err(|error| StartError::because("reading users, groups, roles and policies", error))?;
        in_force.attach(directory.clone());
        buckets.attach(directory);
        let identities = Arc::new(AddedIdentities::new(buckets.catalog().clone(), data.own(), in_force));
        Ok(Self { buckets, identities, data })
    }

    async fn ask(
        &self,
        request: Request,
        hear: impl AsyncFnMut(Reply) -> Result<(), StartError>,
    ) -> Result<Done, StartError> {
        let sources = control::Sources {
            buckets: self.buckets.clone(),
            identities: self.identities.clone(),
            decisions: None,
            entrance: None,
        };
        drain(control::answer(sources, request), hear).await
    }

    pub(crate) async fn end(self) {
        drop(self.close().await);
    }

    /// Closes everything but the data directory, which stays locked.
    pub(crate) async fn close(self) -> DataDirectory {
        for (name, backend) in self.buckets.backends() {
            if let Err(error) = backend.release().await {
                tracing::error!(backend = name, %error, "closing a backend failed");
            }
        }
        if let Err(error) = self.buckets.catalog().close().await {
            tracing::error!(%error, "closing the catalog failed");
        }
        self.data
    }
}
