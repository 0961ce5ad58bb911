//! Adds a bucket to a configuration, or to one that begins: the sections that it needs are appended to the
//! text.

mod folder;
mod needs;

pub use needs::{Need, Needs, needs};

use super::{
    backend::Backend,
    edit::{Draft, Edit, EditError, refuse},
    environment,
    load::Sources,
    provider::{ProviderKind, Remote},
    schemes::{self, Target},
    seal::SealKey,
    settings::Settings,
};
use crate::model::BucketName;
use std::path::{Path, PathBuf};
use toml_edit::{DocumentMut, InlineTable, Item, Table, Value};

/// The operator's description of a new bucket.
#[derive(Default)]
pub struct Addition {
    pub bucket: String,
    pub url: String,
    /// The name of an existing backend, or the name for a new one.
    pub backend: Option<String>,
    pub region: Option<String>,
    /// The access key id; for Azure the name of the account.
    pub access_key: Option<String>,
    pub secret_key: Option<SecretSource>,
    /// Only for Azure: where the connection string is.
    pub connection_string: Option<String>,
    /// Only for Google: a file with the JSON of an account.
    pub credentials: Option<PathBuf>,
    /// Only for Google: the project that new buckets belong to.
    pub project: Option<String>,
    /// Further keys of a new backend, and their values.
    pub settings: Vec<(String, String)>,
    /// Further keys of a new backend whose values are secret.
    pub secrets: Vec<(String, SecretSource)>,
}

impl Addition {
    /// Returns whether any credentials were given. They are for a new backend on an object store.
    fn has_credentials(&self) -> bool {
        let texts = [&self.region, &self.access_key, &self.connection_string, &self.project];
        texts.into_iter().any(Option::is_some) || self.secret_key.is_some() || self.credentials.is_some()
    }

    /// Returns whether keys of a new backend were given.
    fn has_settings(&self) -> bool {
        !self.settings.is_empty() || !self.secrets.is_empty()
    }
}

/// Where a secret is read from before it is sealed. This type is not `Debug`, because it may be the secret
/// itself.
pub enum SecretSource {
    Environment(String),
    File(PathBuf),
    Typed(String),
}

impl SecretSource {
    fn read(&self, draft: &Draft) -> Result<String, EditError> {
        let secret = match self {
            Self::Environment(name) => match draft.variable(name) {
                Some(secret) => secret.to_owned(),
                None => return refuse(format!("the variable {name} is not set")),
            },
            Self::File(path) => match std::fs::read_to_string(path) {
                Ok(text) => text.trim_end_matches(['\r', '\n']).to_owned(),
                Err(error) => return refuse(format!("the secret in {}: {error}", path.display())),
            },
            Self::Typed(secret) => secret.clone(),
        };
        if secret.is_empty() { refuse("the secret is empty") } else { Ok(secret) }
    }
}

/// A bucket that can be added, and the change that adds it.
#[derive(Debug)]
pub struct Added {
    pub edit: Edit,
    pub backend: String,
    pub backend_is_new: bool,
    /// Other changes in the file, and their reasons.
    pub notes: Vec<String>,
    /// The directory of a bucket on disk.
    pub directory: Option<PathBuf>,
    /// Nothing can be probed before a person has authorized the backend.
    pub awaits_authorization: bool,
}

/// Where a new bucket is placed.
struct Site {
    /// The name of an existing backend, or the name for a new one.
    backend: String,
    new: Option<Keys>,
    /// The keys of the bucket that say where it is, with their values.
    place: Vec<(&'static str, String)>,
}

/// The keys of a new backend, with their values.
type Keys = Vec<(&'static str, Said)>;

enum Said {
    Plain(String),
    Number(i64),
    Secret(String),
}

pub fn add(path: &Path, sources: Sources, addition: &Addition) -> Result<Added, EditError> {
    added(Draft::open(path, sources)?, addition)
}

/// Begins a configuration with keys of `[server]` and a bucket. It takes the place of a file that is there.
pub fn begin(
    path: &Path,
    sources: Sources,
    server: &[(&'static str, String)],
    addition: &Addition,
) -> Result<Added, EditError> {
    let mut sections = Sections::default();
    sections.put("server", None, server.iter().map(|(key, value)| (*key, value.as_str().into())));
    added(Draft::begin(path, sources, sections.after(""))?, addition)
}

fn added(draft: Draft, addition: &Addition) -> Result<Added, EditError> {
    let name = BucketName::parse(&addition.bucket)
        .map_err(|why| EditError::Refused(format!("bucket '{}': {why}", addition.bucket)))?;
    if draft.settings.buckets.contains_key(&name) {
        return refuse(format!("the configuration has a bucket '{name}' already"));
    }
    let target = schemes::target(&addition.url).map_err(EditError::Refused)?;
    let mut sections = Sections::default();
    // A directory that is one bucket takes no others: new ones go to the data directory, as without a file. A
    // storage that has others is the default of a configuration that begins with it.
    let has_implied = !draft.is_new() || matches!(target, Target::Directory(_));
    let mut notes = if has_implied { make_explicit(&draft, &mut sections)? } else { Vec::new() };
    if draft.is_new() {
        // Nobody has seen what is written down now.
        notes.clear();
    }
    let (site, directory) = match target {
        Target::Directory(path) => {
            let path = settled(&path)?;
            (directory(&draft, addition, &name, &path)?, Some(path))
        }
        Target::Remote(remote) => (object_store(&draft, addition, &name, remote)?, None),
        Target::Folder(folder) => (folder::site(&draft, addition, &name, &folder)?, None),
    };
    if site.new.is_none() && addition.has_settings() {
        return refuse(format!("backend '{}' exists: its settings are in the configuration", site.backend));
    }
    // Only settings can be compared: the new section is read first, to find a backend with the same settings.
    let (mut key, mut backend, mut backend_is_new) = (None, site.backend, false);
    if let Some(mut said) = site.new {
        folder::complete(&draft, addition, &mut said)?;
        let secret = said.iter().any(|(_, said)| matches!(said, Said::Secret(_)));
        key = if secret { Some(draft.seal_key()?) } else { None };
        let mut with = sections.clone();
        with.backend(&backend, &said, key.as_ref())?;
        let read = draft.read(&with.after(draft.text()), key.as_ref())?;
        match twin(&draft.settings, &read.backends[&backend]) {
            Some(twin) => {
                notes.push(format!("backend '{twin}' is the same storage and is used"));
                (backend, key) = (twin, None);
            }
            None => (sections, backend_is_new) = (with, true),
        }
    }
    let mut bucket = vec![("backend", backend.clone())];
    bucket.extend(site.place);
    sections.put("bucket", Some(name.as_str()), bucket.into_iter().map(|(key, value)| (key, value.into())));
    let after = sections.after(draft.text());
    let edit = draft.into_edit(after, key)?;
    let awaits_authorization =
        edit.settings().backends.get(&backend).is_some_and(folder::awaits_authorization);
    Ok(Added { edit, backend, backend_is_new, notes, directory, awaits_authorization })
}

fn twin(settings: &Settings, backend: &Backend) -> Option<String> {
    settings.backends.iter().find(|(_, other)| *other == backend).map(|(name, _)| name.clone())
}

/// Writes down what the configuration implies. Without any section for a backend, the implicit backend is the
/// default, and it must stay the default when another backend is added.
fn make_explicit(draft: &Draft, sections: &mut Sections) -> Result<Vec<String>, EditError> {
    let (settings, mut notes) = (&draft.settings, Vec::new());
    let variables = |section: &str| draft.has_variables(&format!("{}{section}__", environment::PREFIX));
    if !draft.says("backend", None)? && !variables("BACKEND") {
        let root = settings.server.data.to_string_lossy().into_owned();
        notes.push(format!("backend 'disk' at {root}, so far implied, is now written down"));
        sections.put("backend", Some("disk"), [("type", "fs".into()), ("root", root.into())]);
    }
    if let Some(default) = settings.default_backend()
        && !draft.says("default", Some("backend"))?
        && !variables("DEFAULT")
    {
        notes.push(format!("backend '{default}' stays the default, which is now written down"));
        sections.put("default", None, [("backend", default.into())]);
    }
    Ok(notes)
}

/// Returns the absolute path, with links resolved as far as the path exists.
fn settled(path: &Path) -> Result<PathBuf, EditError> {
    let absolute = std::path::absolute(path)
        .map_err(|error| EditError::Refused(format!("{}: {error}", path.display())))?;
    if absolute.components().any(|part| part == std::path::Component::ParentDir) {
        return refuse(format!("{}: a path must not have '..' in it", path.display()));
    }
    Ok(std::fs::canonicalize(&absolute).unwrap_or(absolute))
}

/// Places the directory on a backend whose root contains it, or else on a new backend.
fn directory(draft: &Draft, addition: &Addition, name: &BucketName, path: &Path) -> Result<Site, EditError> {
    if addition.has_credentials() {
        return refuse("a directory has neither a region nor credentials");
    }
    let Some(text) = path.to_str() else { return refuse("a path must be UTF-8") };
    for (backend, configured) in &draft.settings.backends {
        let Backend::Fs(fs) = configured else { continue };
        let root = settled(&fs.root)?;
        if let Ok(inside) = path.strip_prefix(&root)
            && addition.backend.as_ref().is_none_or(|wanted| wanted == backend)
        {
            let place = vec![("prefix", inside.to_string_lossy().into_owned())];
            return Ok(Site { backend: backend.clone(), new: None, place });
        }
        if root.starts_with(path) {
            return refuse(format!("{text} holds the root of backend '{backend}'"));
        }
    }
    if let Some(taken) = addition.backend.as_ref().filter(|name| draft.settings.backends.contains_key(*name))
    {
        return refuse(format!("{text} is not in a root of backend '{taken}'"));
    }
    let backend = free_name(draft, addition, name.as_str());
    let said = vec![("type", Said::Plain("fs".to_owned())), ("root", Said::Plain(text.to_owned()))];
    Ok(Site { backend, new: Some(said), place: vec![("prefix", String::new())] })
}

fn object_store(
    draft: &Draft,
    addition: &Addition,
    bucket: &BucketName,
    remote: Remote,
) -> Result<Site, EditError> {
    let mut place = vec![("remote", remote.name.clone())];
    place.extend((!remote.prefix.is_empty()).then(|| ("prefix", remote.prefix.clone())));
    if let Some((name, known)) =
        addition.backend.as_ref().and_then(|name| draft.settings.backends.get_key_value(name))
    {
        if addition.has_credentials() {
            return refuse(format!(
                "backend '{name}' exists: its region and credentials are in the configuration"
            ));
        }
        if known.type_name() != remote.kind.as_str()
            || remote.endpoint.as_ref().is_some_and(|it| it.to_string() != known.address())
        {
            return refuse(format!(
                "backend '{name}' is {} at {}, which is not where the URL leads",
                known.type_name(),
                known.location()
            ));
        }
        return Ok(Site { backend: name.clone(), new: None, place });
    }
    let mut said = vec![("type", Said::Plain(remote.kind.as_str().to_owned()))];
    said.extend(remote.endpoint.as_ref().map(|endpoint| ("endpoint", Said::Plain(endpoint.to_string()))));
    match remote.kind {
        ProviderKind::S3 => s3(draft, addition, &remote, &mut said)?,
        ProviderKind::Gcs => gcs(draft, addition, &mut said)?,
        ProviderKind::Azblob => azblob(draft, addition, &remote, &mut said)?,
    }
    Ok(Site {
        backend: free_name(draft, addition, remote.provider.unwrap_or(bucket.as_str())),
        new: Some(said),
        place,
    })
}

fn s3(draft: &Draft, addition: &Addition, remote: &Remote, said: &mut Keys) -> Result<(), EditError> {
    if addition.connection_string.is_some() || addition.credentials.is_some() || addition.project.is_some() {
        return refuse(
            "S3 takes an access key and a secret key, neither a connection string nor an account of Google",
        );
    }
    let anywhere =
        || draft.variable("AWS_REGION").or(draft.variable("AWS_DEFAULT_REGION")).map(str::to_owned);
    let region = addition
        .region
        .clone()
        .or(remote.region.clone())
        .or_else(|| if remote.endpoint.is_none() { anywhere() } else { None });
    said.extend(region.map(|region| ("region", Said::Plain(region))));
    access_key(draft, addition, said)
}

fn gcs(draft: &Draft, addition: &Addition, said: &mut Keys) -> Result<(), EditError> {
    if addition.connection_string.is_some() || addition.region.is_some() {
        return refuse(
            "Google Cloud Storage takes an account or an access key, neither a connection string nor a region",
        );
    }
    said.extend(addition.project.clone().map(|project| ("project", Said::Plain(project))));
    if let Some(path) = &addition.credentials {
        if addition.access_key.is_some() || addition.secret_key.is_some() {
            return refuse("of an account and an access key only one can be used");
        }
        said.push(("credentials", Said::Secret(SecretSource::File(path.clone()).read(draft)?)));
    }
    access_key(draft, addition, said)
}

fn access_key(draft: &Draft, addition: &Addition, said: &mut Keys) -> Result<(), EditError> {
    match (&addition.access_key, &addition.secret_key) {
        (None, None) => {}
        (Some(access_key), Some(secret)) => {
            said.push(("access_key", Said::Plain(access_key.clone())));
            said.push(("secret_key", Said::Secret(secret.read(draft)?)));
        }
        (Some(_), None) => {
            return refuse("the access key has no secret key: give --secret-key-env or --secret-key-file");
        }
        (None, Some(_)) => return refuse("the secret key has no access key: give --access-key"),
    }
    Ok(())
}

fn azblob(draft: &Draft, addition: &Addition, remote: &Remote, said: &mut Keys) -> Result<(), EditError> {
    if addition.region.is_some() || addition.credentials.is_some() || addition.project.is_some() {
        return refuse(
            "Azure takes a connection string or an account and its key, neither a region nor an account of Google",
        );
    }
    if let Some(variable) = &addition.connection_string {
        if addition.access_key.is_some() || addition.secret_key.is_some() {
            return refuse("of a connection string and an account's key only one can be used");
        }
        said.push((
            "connection_string",
            Said::Secret(SecretSource::Environment(variable.clone()).read(draft)?),
        ));
        return Ok(());
    }
    let account = match (&remote.account, &addition.access_key) {
        (Some(a), Some(b)) if a != b => {
            return refuse(format!("the URL names the account {a}, and --access-key another"));
        }
        (Some(account), _) | (None, Some(account)) => account.clone(),
        (None, None) => {
            return refuse(
                "the URL names no account: use https://ACCOUNT.blob.core.windows.net/CONTAINER, --access-key or --connection-string-env",
            );
        }
    };
    said.push(("account", Said::Plain(account)));
    if let Some(secret) = &addition.secret_key {
        said.push(("account_key", Said::Secret(secret.read(draft)?)));
    }
    Ok(())
}

fn free_name(draft: &Draft, addition: &Addition, base: &str) -> String {
    if let Some(name) = &addition.backend {
        return name.clone();
    }
    // The name of a backend has no dots.
    let base = base.replace('.', "-");
    let numbered = (2..).map(|n| format!("{base}-{n}"));
    std::iter::once(base.clone())
        .chain(numbered)
        .find(|name| !draft.settings.backends.contains_key(name))
        .unwrap_or_default()
}

/// The appended sections.
#[derive(Debug, Clone, Default)]
struct Sections(DocumentMut);

impl Sections {
    fn put(
        &mut self,
        section: &str,
        name: Option<&str>,
        keys: impl IntoIterator<Item = (&'static str, Value)>,
    ) {
        let table = keys.into_iter().map(|(key, value)| (key, Item::Value(value))).collect::<Table>();
        let position = self.0.iter().count();
        let Some(name) = name else {
            self.0.insert(section, Item::Table(table));
            return;
        };
        let outer = self.0.entry(section).or_insert_with(|| {
            let mut outer = Table::new();
            outer.set_implicit(true);
            outer.set_position(Some(position as isize));
            Item::Table(outer)
        });
        if let Some(outer) = outer.as_table_mut() {
            outer.insert(name, Item::Table(table));
        }
    }

    fn backend(&mut self, name: &str, said: &Keys, key: Option<&SealKey>) -> Result<(), EditError> {
        let mut values = Vec::new();
        for (field, said) in said {
            let value = match (said, key) {
                (Said::Plain(text), _) => text.as_str().into(),
                (Said::Number(number), _) => (*number).into(),
                (Said::Secret(secret), Some(key)) => {
                    let sealed =
                        key.seal(&format!("backend.{name}.{field}"), secret).map_err(EditError::Refused)?;
                    Value::InlineTable(InlineTable::from_iter([("sealed", sealed)]))
                }
                (Said::Secret(_), None) => return refuse("there is no key to seal with"),
            };
            values.push((*field, value));
        }
        self.put("backend", Some(name), values);
        Ok(())
    }

    /// Returns `text` with these sections appended.
    fn after(&self, text: &str) -> String {
        let gap = match text {
            "" => "",
            text if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        format!("{text}{gap}{}", self.0)
    }
}
