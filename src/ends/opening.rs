//! From the argument to the open end.

use super::{
    EndName, Failure, Named, Place, Search, Storage,
    kept::{Directory, state},
    located::open_at,
    name::LocalPath,
    through::{self, Held},
};
pub use crate::drivers::local::Skipped;
use crate::{
    assembly::{alone::Alone, backends::Lookup},
    config::{self, AtUrl, Settings},
    drivers::local::{Hear, LocalSettings, LocalStore},
    store::Store,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Opens ends.
pub struct Opener<'a> {
    pub environment: BTreeMap<String, String>,
    pub search: Search,
    /// Also ask the metadata service of a machine in a cloud for credentials.
    pub asks_metadata: bool,
    /// Reads the configuration. It is called only for ends that need it.
    pub settings: &'a (dyn Fn() -> Result<Settings, Failure> + Sync),
    /// Hears of local entries that are no objects.
    pub hear: Hear,
}

impl Opener<'_> {
    /// Opens the end that is written like this.
    pub async fn open(&self, text: &str, named: Named) -> Result<Place, Failure> {
        self.open_with(text, named, None).await
    }

    /// Opens two ends, works on both, and closes them. If both are one storage, they have one store.
    pub async fn open_both<T>(
        &self,
        (source, source_named): (&str, Named),
        (destination, destination_named): (&str, Named),
        work: impl AsyncFnOnce(&Place, &Place) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let first = self.open(source, source_named).await?;
        let done = async {
            let mut second = self.open_with(destination, destination_named, Some(&first.held)).await?;
            if second.address == first.address {
                second.store = first.store.clone();
            }
            let done = work(&first, &second).await;
            second.end().await;
            done
        };
        let done = done.await;
        first.end().await;
        done
    }

    async fn open_with(&self, text: &str, named: Named, beside: Option<&Held>) -> Result<Place, Failure> {
        let home = self.environment.get("HOME").map(PathBuf::from);
        match EndName::parse(text, home)? {
            EndName::Local(local) => self.local(text, &local),
            EndName::Url(url) => self.url(&url, named).await,
            EndName::Bucket { bucket, path } => {
                let settings = (self.settings)()?;
                let known = through::bucket(&settings, &bucket, &self.environment, beside).await;
                known.map_err(|failure| hinted(failure, text)).map(|found| in_bucket(text, found, path))
            }
            EndName::Backend { backend, path } => self.backend(text, &backend, &path, named, beside).await,
        }
    }

    fn lookup(&self) -> Lookup {
        if self.asks_metadata { Lookup::Everywhere } else { Lookup::OnThisMachine }
    }

    fn local(&self, text: &str, local: &LocalPath) -> Result<Place, Failure> {
        // The user named this path: links in it are followed, and only those below it are not.
        let path = std::fs::canonicalize(&local.path).unwrap_or_else(|_| local.path.clone());
        let is_folder = local.is_folder || path.is_dir();
        let (root, key) = match path.file_name().filter(|_| !is_folder) {
            Some(name) => {
                let name = name.to_str().ok_or_else(|| {
                    Failure::senseless(format!("'{text}': the name of the file is not UTF-8, which keys are"))
                })?;
                let above = path.parent().filter(|above| !above.as_os_str().is_empty());
                (above.unwrap_or(Path::new(".")).to_owned(), name.to_owned())
            }
            None => (path.clone(), String::new()),
        };
        let root = std::path::absolute(&root)
            .map_err(|error| Failure::failed(format!("the path '{text}': {error}")))?;
        let staging = match state(&self.environment) {
            Some(state) => state.join("uploads"),
            None => temporary().map_err(|error| Failure::failed(format!("a name for uploads: {error}")))?,
        };
        let address = format!("file:{}", root.display());
        let settings = LocalSettings { root, staging, hear: self.hear.clone() };
        let store: Arc<dyn Store> = Arc::new(LocalStore::new(settings));
        Ok(Place {
            store,
            path: key,
            label: text.to_owned(),
            storage: Storage::LocalFiles,
            address,
            held: Held::Nothing,
        })
    }

    async fn url(&self, url: &str, named: Named) -> Result<Place, Failure> {
        let at = config::at_url(url, named, &self.search, &self.environment);
        let AtUrl { settings, bucket, path } = at.map_err(|error| Failure::senseless(error.to_string()))?;
        let location = settings.place_of(&bucket, &settings.buckets[&bucket]);
        let (store, held, address) = self.alone(&settings, config::AT_URL, &location).await?;
        Ok(Place { store, path, label: url.to_owned(), storage: Storage::Objects, address, held })
    }

    async fn backend(
        &self,
        text: &str,
        backend: &str,
        path: &str,
        named: Named,
        beside: Option<&Held>,
    ) -> Result<Place, Failure> {
        let settings = (self.settings)()?;
        let Some(configured) = settings.backends.get(backend) else {
            let known: Vec<&str> = settings.backends.keys().map(String::as_str).collect();
            return Err(Failure::senseless(format!(
                "the configuration has no backend '{backend}'; it has {}. For a local path write ./{text}",
                known.join(", ")
            )));
        };
        let (found, lock) = through::backend(&settings, backend, path, &self.environment, beside).await?;
        if let Some((found, path)) = found {
            return Ok(in_bucket(text, found, path));
        }
        // No bucket of the server is there: the storage is opened by itself.
        let (location, rest) = split(settings.below(configured), path, named)?;
        let (store, held, address) = self.alone(&settings, backend, &location).await?;
        let (label, held) = (text.to_owned(), held.with(lock));
        Ok(Place { store, path: rest, label, storage: Storage::Objects, address, held })
    }

    /// Opens a location of a backend with a catalog of its own.
    async fn alone(
        &self,
        settings: &Settings,
        name: &str,
        location: &str,
    ) -> Result<(Arc<dyn Store>, Held, String), Failure> {
        let configured = settings.backends.get(name).map(|backend| settings.below(backend));
        let lists_itself = configured.is_some_and(config::Backend::is_object_store);
        let address = configured.map(config::Backend::location).unwrap_or_default();
        let directory = if lists_itself {
            Directory::of(&self.environment, &format!("{address}\n{location}"))
        } else {
            Directory::temporary()
        };
        let directory = directory.map_err(|error| Failure::of_start(&error))?;
        let opened = Alone::open(settings, name, directory.path(), self.lookup());
        let alone = opened.map_err(|error| Failure::of_start(&error))?;
        let store = open_at(&alone, name, location).await?;
        Ok((store, Held::Alone { alone, directory, lock: None }, format!("{address}/{location}")))
    }
}

fn in_bucket(text: &str, found: through::Opened, path: String) -> Place {
    let through::Opened { store, address, held } = found;
    Place { store, path, label: text.to_owned(), storage: Storage::Objects, address, held }
}

/// Returns a directory that is not there yet, and whose name nobody can foresee.
fn temporary() -> std::io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(std::env::temp_dir().join(format!("causeway-uploads-{}", hex::encode(random))))
}

/// An argument that is a bucket which does not exist may be meant as a path.
fn hinted(failure: Failure, text: &str) -> Failure {
    if failure.kind() == super::FailureKind::Missing && Path::new(text).exists() {
        return Failure::missing(format!(
            "{failure}. There is a local path of that name: write ./{text} for it"
        ));
    }
    failure
}

/// Returns the location on a backend, and what of a path is left in it.
fn split(backend: &config::Backend, path: &str, named: Named) -> Result<(String, String), Failure> {
    if backend.is_object_store() && backend.shared().is_none() {
        let (bucket, rest) = path.split_once('/').unwrap_or((path, ""));
        if bucket.is_empty() {
            return Err(Failure::senseless(
                "the path of this backend begins with one of its buckets or containers: NAME:BUCKET/PATH",
            ));
        }
        return Ok((bucket.to_owned(), rest.to_owned()));
    }
    Ok(match (named, path.trim_end_matches('/').rsplit_once('/')) {
        (Named::Folder, _) => (path.trim_end_matches('/').to_owned(), String::new()),
        (Named::Object, Some((above, name))) => (above.to_owned(), name.to_owned()),
        (Named::Object, None) => (String::new(), path.to_owned()),
    })
}
