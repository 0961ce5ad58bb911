//! Changes a configuration file: its current text, the new text, and writing it as a whole or not at all.
//!
//! Invariants: the new text was read back as valid settings before it is written; text that the change does
//! not concern stays as it is; a file that changed since it was read is not written; a new file is readable
//! by its user only.

use super::{
    error::{ConfigError, ConfigErrors},
    load::Sources,
    seal::{self, SealKey},
    settings::{Settings, holds_secret},
};
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use toml_edit::{DocumentMut, Item};

/// Why a configuration is not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error("writing {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

pub(super) fn refuse<T>(words: impl Into<String>) -> Result<T, EditError> {
    Err(EditError::Refused(words.into()))
}

/// Seals a secret for a key of a configuration. Returns the value to write there, and the file of the seal
/// key if it was created.
pub fn seal(
    configuration: &Path,
    environment: &BTreeMap<String, String>,
    key: &str,
    secret: &str,
) -> Result<(String, Option<PathBuf>), EditError> {
    if !holds_secret(key) {
        return refuse(format!(
            "{key} is no key that holds a secret: it must be like backend.NAME.secret_key or identity[0].secret_key"
        ));
    }
    if secret.is_empty() {
        return refuse("the secret is empty");
    }
    let mut seal_key = seal::Sources { environment, file: Some(configuration), new: None }
        .find_or_make()
        .map_err(EditError::Refused)?;
    let sealed = seal_key.seal(key, secret).map_err(EditError::Refused)?;
    let made = seal_key.unsaved.as_ref().map(|(path, _)| path.clone());
    seal_key.save().map_err(|source| EditError::Write { path: made.clone().unwrap_or_default(), source })?;
    Ok((format!("{{ sealed = {} }}", super::value::quote(&sealed)), made))
}

/// A configuration file that is being changed.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    sources: Sources,
    /// `None`: the file does not exist yet.
    before: Option<String>,
    /// The text with which a new configuration begins, whatever the file has.
    beginning: Option<String>,
    pub(super) settings: Settings,
}

impl Draft {
    pub(super) fn open(path: &Path, sources: Sources) -> Result<Self, EditError> {
        Self::of(path, sources, None)
    }

    /// A new configuration, which takes the place of what the file has.
    pub(super) fn begin(path: &Path, sources: Sources, text: String) -> Result<Self, EditError> {
        Self::of(path, sources, Some(text))
    }

    fn of(path: &Path, sources: Sources, beginning: Option<String>) -> Result<Self, EditError> {
        let sources = Sources { file: Some(path.to_owned()), ..sources };
        let before = match fs::read_to_string(path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(EditError::Config(ConfigError::unreadable(path, &error).into())),
        };
        let text = beginning.as_deref().or(before.as_deref()).unwrap_or_default();
        let settings = Settings::of(&sources, Some(text), None)?;
        Ok(Self { path: path.to_owned(), sources, before, beginning, settings })
    }

    pub(super) fn text(&self) -> &str {
        self.beginning.as_deref().or(self.before.as_deref()).unwrap_or_default()
    }

    /// Returns whether the configuration begins here.
    pub(super) fn is_new(&self) -> bool {
        self.beginning.is_some()
    }

    pub(super) fn document(&self) -> Result<DocumentMut, EditError> {
        self.text()
            .parse()
            .map_err(|error: toml_edit::TomlError| EditError::Refused(error.message().to_owned()))
    }

    /// Returns whether the file has `section.key`, or the section if no key is given.
    pub(super) fn says(&self, section: &str, key: Option<&str>) -> Result<bool, EditError> {
        let document = self.document()?;
        let found = document.get(section).and_then(Item::as_table_like);
        Ok(found.is_some_and(|table| key.map_or(!table.is_empty(), |key| table.contains_key(key))))
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.sources.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns whether the name of any environment variable begins with `prefix`.
    pub(super) fn has_variables(&self, prefix: &str) -> bool {
        self.sources.environment.keys().any(|name| name.starts_with(prefix))
    }

    /// Returns the key to seal with. It is generated if there is none.
    pub(super) fn seal_key(&self) -> Result<SealKey, EditError> {
        let sources =
            seal::Sources { environment: &self.sources.environment, file: Some(&self.path), new: None };
        sources.find_or_make().map_err(EditError::Refused)
    }

    /// Reads another text as if it were in this file.
    pub(super) fn read(&self, text: &str, key: Option<&SealKey>) -> Result<Settings, EditError> {
        Ok(Settings::of(&self.sources, Some(text), key)?)
    }

    /// Returns the change, ready to be written.
    pub(super) fn into_edit(self, after: String, key: Option<SealKey>) -> Result<Edit, EditError> {
        let settings = self.read(&after, key.as_ref())?;
        Ok(Edit { path: self.path, before: self.before, after, key, settings })
    }
}

/// A change whose result was read back as valid settings.
#[derive(Debug)]
pub struct Edit {
    path: PathBuf,
    before: Option<String>,
    after: String,
    key: Option<SealKey>,
    settings: Settings,
}

impl Edit {
    /// Returns the settings that will be in effect.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the change, and reports what was created besides the configuration.
    pub fn write(mut self) -> Result<Vec<String>, EditError> {
        let mut made = Vec::new();
        if let Some(key) = &mut self.key
            && let Some((path, _)) = key.unsaved.clone()
        {
            key.save().map_err(|source| EditError::Write { path: path.clone(), source })?;
            made.push(format!(
                "made the seal key {}: keep it, and keep it apart from backups of the configuration",
                path.display()
            ));
        }
        let path = self.path.clone();
        self.replace().map_err(|source| EditError::Write { path, source })?;
        Ok(made)
    }

    fn replace(&self) -> io::Result<()> {
        // A symbolic link is kept: its target is replaced.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let now = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if now != self.before {
            return Err(io::Error::other("it was changed meanwhile; nothing was written"));
        }
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".new-{}", std::process::id()));
        let new = PathBuf::from(name);
        let written = self.write_new(&new, fs::metadata(&path).ok()).and_then(|()| fs::rename(&new, &path));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(folder)?.sync_all()
    }

    fn write_new(&self, path: &Path, replaced: Option<fs::Metadata>) -> io::Result<()> {
        let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
        io::Write::write_all(&mut file, self.after.as_bytes())?;
        if let Some(replaced) = replaced {
            let ours = file.metadata()?;
            if (ours.uid(), ours.gid()) != (replaced.uid(), replaced.gid()) {
                std::os::unix::fs::fchown(&file, Some(replaced.uid()), Some(replaced.gid()))?;
            }
            file.set_permissions(fs::Permissions::from_mode(replaced.mode() & 0o7777))?;
        }
        file.sync_all()
    }
}
