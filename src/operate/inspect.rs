//! One backend or bucket of a configuration, opened without a server, to probe what it supports.
//!
//! Owns the choice of the location for the probe. Leaves nothing
//! behind: neither on the backend, nor in any data directory.

use super::probe;
use crate::{
    assembly::{
        StartError,
        alone::{Alone, Scratch},
        backends::Lookup,
        data::DataDirectory,
        signals,
    },
    backend::{Backend, Found},
    catalog::{BucketId, BucketRecord, Catalog, NewBucket},
    config::{self, Settings},
    model::{BucketName, Owner, Timestamp},
    store::error::StoreError,
};
pub use probe::{Depth, Report, Step, StepOutcome};
use std::sync::Arc;

/// What was probed, where, and the result.
#[derive(Debug)]
pub struct Inspected {
    pub backend: String,
    /// The location on the backend: a bucket or container with a prefix, or a directory.
    pub location: String,
    pub report: Report,
}

/// Probes everything on a backend: in `location`, or where that is harmless, or else in the first bucket of the
/// configuration that it holds.
pub async fn backend(
    settings: &Settings,
    name: &str,
    location: Option<&str>,
) -> Result<Inspected, StartError> {
    let configured = known(settings, name)?;
    let visit = Visit::begin(settings, name).await?;
    let found = async {
        let location = match location {
            Some(location) => visit.within(location.trim_matches('/').to_owned())?,
            None if settings.below(configured).shared().is_some()
                || !settings.below(configured).is_object_store() =>
            {
                visit.beside_all()?
            }
            None => {
                let mut held =
                    settings.buckets.iter().filter(|(_, bucket)| settings.backend_of(bucket) == name);
                let Some((bucket, _)) = held.next() else {
                    return Err(StartError::new(format!(
                        "backend '{name}' holds no bucket of the configuration to try it in: name one of its buckets or containers \
                         with --place NAME or --place NAME/PREFIX"
                    )));
                };
                visit.location_of(bucket)?
            }
        };
        visit.try_out(location, Depth::Everything).await
    };
    let found = found.await;
    visit.end().await;
    found
}

/// Probes what any use of a bucket of the configuration needs, at its own location.
pub async fn bucket(settings: &Settings, name: &str) -> Result<Inspected, StartError> {
    let (name, backend) = known_bucket(settings, name)?;
    refuse_missing(settings, &name)?;
    let visit = Visit::begin(settings, backend).await?;
    let found = async {
        let location = visit.location_of(&name)?;
        visit.refuse_foreign(&location.shown).await?;
        visit.try_out(location, Depth::Permissions).await
    };
    let found = found.await;
    visit.end().await;
    found
}

/// A bucket on local disk has a directory once a server has started. The check works while a server uses the
/// directory.
fn refuse_missing(settings: &Settings, name: &BucketName) -> Result<(), StartError> {
    let bucket = &settings.buckets[name];
    let backend = settings.backend_of(bucket);
    let config::Backend::Fs(fs) = settings.below(known(settings, backend)?) else { return Ok(()) };
    let directory = fs.root.join(bucket.location().unwrap_or(name.as_str()));
    if directory.exists() || !DataDirectory::was_taken(&settings.server.data) {
        return Ok(());
    }
    Err(StartError::new(format!(
        "the directory {} of bucket '{name}' on backend '{backend}' does not exist. If the bucket is new, the server makes it on SIGHUP \
         or at its next start. If it had objects, they are gone, or their file system is not mounted: bring it back, and restart the server",
        directory.display()
    )))
}

/// Creates the bucket or container of a bucket of the configuration, if it does not exist.
pub async fn create(settings: &Settings, name: &str) -> Result<(), StartError> {
    let (name, backend) = known_bucket(settings, name)?;
    let visit = Visit::begin(settings, backend).await?;
    let made = async {
        let location = visit.location_of(&name)?;
        // Object stores create a whole bucket; in a location, the part before the prefix comes first.
        let is_object_store = settings.below(known(settings, backend)?).is_object_store();
        let remote = if is_object_store {
            location.shown.split('/').next().unwrap_or_default()
        } else {
            &location.shown
        };
        let record = visit.record(remote.to_owned()).await?;
        let made = visit.backend.create(&record).await;
        made.map_err(|error| {
            StartError::because(format_args!("making {remote} on backend '{backend}'"), error)
        })
    };
    let made = made.await;
    visit.end().await;
    made
}

/// Whether the location of a bucket of the configuration exists, on file storage. On object stores the probe
/// finds out.
pub async fn is_there(settings: &Settings, name: &str) -> Result<bool, StartError> {
    let (name, backend) = known_bucket(settings, name)?;
    let below = settings.below(known(settings, backend)?);
    if below.is_object_store()
        || matches!(
            below,
            config::Backend::Memory(_) | config::Backend::Null(_) | config::Backend::Replicated(_)
        )
    {
        return Ok(true);
    }
    let visit = Visit::begin(settings, backend).await?;
    let found = async {
        let location = visit.location_of(&name)?;
        let record = visit.record(location.shown.clone()).await?;
        let found = visit.backend.found(&record).await;
        found.map_err(|error| {
            StartError::because(
                format_args!("looking for '{}' on backend '{backend}'", location.shown),
                error,
            )
        })
    };
    let found = found.await;
    visit.end().await;
    Ok(found? != Found::Nothing)
}

fn known_bucket<'s>(settings: &'s Settings, name: &str) -> Result<(BucketName, &'s str), StartError> {
    let known = BucketName::parse(name).ok().and_then(|name| settings.buckets.get_key_value(&name));
    match known {
        Some((name, bucket)) => Ok((name.clone(), settings.backend_of(bucket))),
        None => {
            let known: Vec<_> = settings.buckets.keys().map(BucketName::as_str).collect();
            Err(StartError::new(format!(
                "the configuration has no bucket '{name}'; it has {}",
                listed(&known)
            )))
        }
    }
}

fn known<'s>(settings: &'s Settings, name: &str) -> Result<&'s config::Backend, StartError> {
    settings.backends.get(name).ok_or_else(|| {
        let known: Vec<_> = settings.backends.keys().map(String::as_str).collect();
        StartError::new(format!("the configuration has no backend '{name}'; it has {}", listed(&known)))
    })
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A location on a backend, and where inside it is probed.
struct ProbedLocation {
    shown: String,
    tried: String,
}

/// One backend, opened temporarily.
struct Visit<'s> {
    settings: &'s Settings,
    name: &'s str,
    is_directory: bool,
    backend: Arc<dyn Backend>,
    catalog: Arc<dyn Catalog>,
    _scratch: Scratch,
}

impl<'s> Visit<'s> {
    async fn begin(settings: &'s Settings, name: &'s str) -> Result<Self, StartError> {
        let configured = known(settings, name)?;
        let scratch = Scratch::make()?;
        let alone = Alone::open(settings, name, scratch.path(), Lookup::Everywhere)?;
        Ok(Self {
            settings,
            name,
            is_directory: matches!(settings.below(configured), config::Backend::Fs(_)),
            backend: alone.backend,
            catalog: alone.catalog,
            _scratch: scratch,
        })
    }

    /// The location of a bucket of the configuration.
    fn location_of(&self, name: &BucketName) -> Result<ProbedLocation, StartError> {
        let bucket = &self.settings.buckets[name];
        let location = self.backend.location_at(name, bucket.remote.as_deref(), bucket.location());
        let location =
            location.map_err(|error| StartError::because(format_args!("bucket '{name}'"), error))?;
        self.within(location)
    }

    /// A location as it is named, and where inside it is probed. A directory is scanned before it is listed,
    /// which takes longer the more files it has: there, a new directory inside is enough.
    fn within(&self, shown: String) -> Result<ProbedLocation, StartError> {
        if !self.is_directory {
            return Ok(ProbedLocation { tried: shown.clone(), shown });
        }
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|error| StartError::new(format!("there is no randomness: {error}")))?;
        let own = format!(".causeway-trial-{}", hex::encode(random));
        Ok(ProbedLocation { tried: if shown.is_empty() { own } else { format!("{shown}/{own}") }, shown })
    }

    /// A location that belongs to no bucket.
    fn beside_all(&self) -> Result<ProbedLocation, StartError> {
        self.within(if self.is_directory { String::new() } else { self.backend.location_for(&trial_name()) })
    }

    async fn record(&self, location: String) -> Result<BucketRecord, StartError> {
        let known = self
            .catalog
            .bucket(&trial_name())
            .await
            .map_err(|error| StartError::because("the temporary catalog", error))?;
        if let Some(record) = known {
            return Ok(record);
        }
        let made = self.catalog.create_bucket(self.trial(location)).await;
        made.map_err(|error| StartError::because("the temporary catalog", error))
    }

    fn trial(&self, location: String) -> NewBucket {
        NewBucket {
            name: trial_name(),
            owner: Owner { id: "causeway".into(), display_name: "causeway".into() },
            created: Timestamp::now(),
            tenant: Default::default(),
            backend: self.name.to_owned(),
            location,
        }
    }

    /// A location in a foreign format is not a bucket, whatever access it allows.
    async fn refuse_foreign(&self, location: &str) -> Result<(), StartError> {
        let failed = |error: StoreError| {
            StartError::because(format_args!("looking at '{location}' on backend '{}'", self.name), error)
        };
        let record = BucketRecord::new(BucketId(0), self.trial(location.to_owned()));
        match self.backend.foreign_format(&record).await.map_err(failed)? {
            Some(words) => Err(StartError::new(format!(
                "'{location}' on backend '{}' cannot be a bucket: {words}",
                self.name
            ))),
            None => Ok(()),
        }
    }

    async fn try_out(&self, location: ProbedLocation, depth: Depth) -> Result<Inspected, StartError> {
        let failed = |error: StoreError| {
            StartError::because(
                format_args!("opening '{}' on backend '{}'", location.shown, self.name),
                error,
            )
        };
        let record = self.record(location.tried.clone()).await?;
        // Installed before the first request: an interrupt that ended the process would leave what the probe
        // has written.
        let (mut stopping, _) = signals::install()?;
        let store = self.backend.open(&record).await.map_err(failed)?.store;
        let stop = async || stopping.wait().await;
        let report = probe::probe(store, depth, stop).await;
        if self.is_directory {
            self.backend.remove(&record).await.map_err(failed)?;
        }
        Ok(Inspected { backend: self.name.to_owned(), location: location.shown, report })
    }

    /// What is left open is closed by the end of the process.
    async fn end(self) {
        let _ = self.backend.release().await;
        let _ = self.catalog.close().await;
    }
}

/// A name that is never shown: only the location counts.
fn trial_name() -> BucketName {
    match BucketName::parse("causeway-trial") {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}
