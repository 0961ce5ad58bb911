//! Names of drafts, and the removal of drafts without an owner. Every run of a gateway names its drafts after
//! itself, and remembers earlier runs until their drafts were removed.

use super::files::{DraftName, Files};
use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

#[derive(Debug)]
pub(super) struct Drafts {
    /// The file with the name of the gateway, then one run per line; the last one is the current run.
    list: PathBuf,
    run: String,
    /// The name of the gateway, which all its runs share.
    gateway: String,
    next: AtomicU64,
    before: tokio::sync::Mutex<Vec<String>>,
}

impl Drafts {
    /// Begins a run. `dir` exists and belongs to this backend alone.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let list = dir.join("runs");
        let failed = |error| StoreError::io(format!("reading {}", list.display()), error);
        let before: Vec<String> = match fs::read_to_string(&list) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let mut lines = before.into_iter();
        let (gateway, before) = (lines.next().map_or_else(random, Ok)?, lines.collect::<Vec<_>>());
        let drafts =
            Self { list, run: random()?, gateway, next: AtomicU64::new(0), before: Default::default() };
        drafts.remember(&before)?;
        Ok(Self { before: before.into(), ..drafts })
    }

    pub(super) fn name(&self) -> DraftName {
        DraftName(format!("{}-{:x}", self.run, self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// Returns the prefix of the names of everything that outlives a run.
    pub(super) fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Removes the drafts that earlier runs have left.
    pub(super) async fn tidy(&self, files: &dyn Files) -> Result<()> {
        let mut before = self.before.lock().await;
        while let Some(run) = before.last() {
            files.tidy(run).await?;
            before.pop();
            self.remember(&before)?;
        }
        Ok(())
    }

    fn remember(&self, before: &[String]) -> Result<()> {
        let written = || {
            let new = self.list.with_extension("new");
            let mut file = File::create(&new)?;
            [&self.gateway]
                .into_iter()
                .chain(before)
                .chain([&self.run])
                .try_for_each(|run| writeln!(file, "{run}"))?;
            file.sync_all()?;
            fs::rename(&new, &self.list)
        };
        written().map_err(|error| StoreError::io(format!("writing {}", self.list.display()), error).in_data())
    }
}

fn random() -> Result<String> {
    let mut random = [0; 12];
    let unlucky =
        |error| StoreError::new(StoreErrorKind::Internal, "no randomness").with_source(format!("{error}"));
    getrandom::fill(&mut random).map_err(unlucky)?;
    Ok(hex::encode(random))
}
