//! Where a repository is, its key file, and `causeway snapshot init`.
//!
//! Invariant: a key file is on the disk before anything is sealed with it, and only its owner can read it.

use super::super::Access;
use crate::{
    ends::{Failure, Named},
    snapshot::KeyFile,
    verbs,
};
use serde_json::json;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// A repository, its key, and how it is reached.
#[derive(Debug, clap::Args)]
pub(super) struct At {
    /// The folder of the repository, at any END.
    pub(super) repository: String,
    #[command(flatten)]
    pub(super) key: Key,
    #[command(flatten)]
    pub(super) access: Access,
}

#[derive(Debug, clap::Args)]
pub(super) struct Key {
    /// The file with the key of the repository. Without it nothing can be read: keep a copy elsewhere.
    #[arg(long, value_name = "FILE", env = "CAUSEWAY_SNAPSHOT_KEY_FILE")]
    key_file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Init {
    #[command(flatten)]
    at: At,
}

pub(super) fn init(arguments: &Init) -> ExitCode {
    let At { repository, key, access } = &arguments.at;
    access.on(repository, Named::Folder, async |place, out| {
        let is_new = !key.key_file.exists();
        let key_of = if is_new { key.make()? } else { key.read()? };
        verbs::init_repository(place, &key_of).await?;
        let file = key.key_file.display();
        let line = || match is_new {
            true => {
                format!("made a repository at {}, and its key in {file}: keep a copy elsewhere", place.label)
            }
            false => format!("made a repository at {} with the key in {file}", place.label),
        };
        out.done(
            line,
            || json!({ "repository": place.label, "key_file": file.to_string(), "new_key": is_new }),
        )
    })
}

impl Key {
    pub(super) fn read(&self) -> Result<KeyFile, Failure> {
        let file = self.key_file.display();
        let failed = |error: &dyn std::fmt::Display| {
            Failure::senseless(format!("reading the key file {file}: {error}"))
        };
        let text = std::fs::read_to_string(&self.key_file).map_err(|error| failed(&error))?;
        KeyFile::parse(&text).map_err(|error| failed(&error))
    }

    fn make(&self) -> Result<KeyFile, Failure> {
        let key = KeyFile::generate().map_err(|error| Failure::failed(error.to_string()))?;
        write(&self.key_file, &key.text())
            .map_err(|error| Failure::failed(format!("writing {}: {error}", self.key_file.display())))?;
        Ok(key)
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
