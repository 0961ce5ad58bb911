//! One backend of the settings, opened without a server, with a catalog of its own.
//!
//! Owns the order in which the parts of a backend are opened, and directories that are removed afterwards. The
//! catalog is none of a data directory: what a server knows of the storage is neither used nor changed.

use super::{
    StartError,
    backends::{self, Lookup, Opening},
};
use crate::{
    backend::Backend,
    catalog::{Catalog, sqlite::SqliteCatalog},
    config::{self, Settings},
    store::{
        Durability,
        error::{StoreError, StoreErrorKind},
    },
    work::Workers,
};
use std::{
    collections::HashMap,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

#[derive(Debug)]
pub(crate) struct Alone {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) catalog: Arc<dyn Catalog>,
}

impl Alone {
    /// Opens a backend. Its catalog and its spool are in `directory`.
    pub(crate) fn open(
        settings: &Settings,
        name: &str,
        directory: &Path,
        lookup: Lookup,
    ) -> Result<Self, StartError> {
        let catalog = catalog(directory)?;
        let (workers, mut opened) = (Workers::alone(catalog.clone()), HashMap::new());
        for (name, part) in settings.parts_of(name) {
            let (spool, catalog, workers) = (&directory.join("spool"), catalog.clone(), workers.clone());
            let opening = Opening { settings, name, spool, catalog, workers, opened: &opened, lookup };
            let backend = backends::open(part, opening).map_err(|error| match (part, error.kind()) {
                (config::Backend::Fs(_), StoreErrorKind::Unavailable) => StartError::new(format!(
                    "backend '{name}' is in use: {error}; it can be tried out once that process has stopped"
                )),
                _ => StartError::because(format_args!("opening backend '{name}'"), error),
            })?;
            opened.insert(name.clone(), backend);
        }
        let Some(backend) = opened.remove(name) else {
            return Err(StartError::new(format!("there is no backend '{name}'")));
        };
        Ok(Self { backend, catalog })
    }

    /// Opens a backend that no settings describe.
    pub(crate) fn of(
        directory: &Path,
        open: impl FnOnce(Arc<dyn Catalog>) -> Result<Arc<dyn Backend>, StoreError>,
    ) -> Result<Self, StartError> {
        let catalog = catalog(directory)?;
        let backend = open(catalog.clone());
        let backend = backend.map_err(|error| StartError::because("opening a backend", error))?;
        Ok(Self { backend, catalog })
    }

    /// What is left open is closed by the end of the process.
    pub(crate) async fn end(&self) {
        let _ = self.backend.release().await;
        let _ = self.catalog.close().await;
    }
}

fn catalog(directory: &Path) -> Result<Arc<dyn Catalog>, StartError> {
    let catalog = SqliteCatalog::open(directory, Durability::Relaxed);
    Ok(Arc::new(catalog.map_err(|error| StartError::because("opening a temporary catalog", error))?))
}

/// A temporary directory that is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn make() -> Result<Self, StartError> {
        let made = || -> std::io::Result<Self> {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
            let path = std::env::temp_dir().join(format!("causeway-{}", hex::encode(random)));
            std::fs::DirBuilder::new().mode(0o700).create(&path)?;
            Ok(Self(path))
        };
        made().map_err(|error| StartError::because("making a temporary directory", error))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
