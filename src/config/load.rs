//! From sources to settings, in the order of their precedence.

use super::{
    environment,
    error::{ConfigError, Origin, nearest},
    file,
    layers::Layers,
    seal::{self, SealKey},
    section::{Reader, Section},
    services::ServiceBackend,
    settings::{BACKEND_TYPES, Backend, Bucket, Defaults, FsBackend, Identity, LISTS, Root, Server, Settings},
    tree::{Node, Raw, Table},
    validate,
    value::{Context, Setting},
};
use crate::{
    backend::opendal::{service, services},
    model::{AccessKey, BucketName, Secret},
};
use std::{collections::BTreeMap, path::PathBuf};

/// Everything that can say a setting, from weakest to strongest. Defaults are below all of them.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
    pub flags: Vec<Flag>,
}

/// A command-line flag that overrides a key.
#[derive(Debug, Clone)]
pub struct Flag {
    pub name: &'static str,
    /// `server.listen`
    pub key: &'static str,
    pub value: String,
}

/// The root user and its password, each by its name and by MinIO's.
const ROOT: [[&str; 2]; 2] = [["CAUSEWAY_ROOT_USER", "CAUSEWAY_ROOT_PASSWORD"], ["MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"]];

const SECTIONS: &[&str] = &["server", "identity", "backend", "bucket", "default"];

impl Settings {
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        match &sources.file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
                Self::of(sources, Some(&text), None)
            }
            None => Self::of(sources, None, None),
        }
    }

    /// As `load`, had the file this text, and were there this seal key.
    pub(super) fn of(sources: &Sources, text: Option<&str>, new: Option<&SealKey>) -> Result<Self, ConfigError> {
        let mut tree = match (&sources.file, text) {
            (Some(path), Some(text)) => file::parse(path, text)?,
            _ => Table::new(),
        };
        environment::overlay(&mut tree, &sources.environment)?;
        for flag in &sources.flags {
            let path: Vec<String> = flag.key.split('.').map(str::to_owned).collect();
            let origin = Origin::Flag(flag.name);
            environment::set(&mut tree, &path, Node::text(&flag.value, origin.clone()))
                .map_err(|problem| ConfigError::new(origin, problem))?;
        }
        let environment = &sources.environment;
        let seal = seal::Sources { environment, file: sources.file.as_deref(), new };
        Self::read(tree, &Context { environment, seal, key: "" })
    }

    fn read(mut tree: Table, context: &Context<'_>) -> Result<Self, ConfigError> {
        refuse_unknown_sections(&tree)?;
        let origins = validate::Origins::of(&tree);
        let server = Server::read(&mut Reader::new("server", take(&mut tree, "server"), context)?)?;
        let identities = numbered(take(&mut tree, "identity"))?
            .into_iter()
            .enumerate()
            .map(|(n, node)| Identity::read(&mut Reader::new(format!("identity[{n}]"), node, context)?))
            .collect::<Result<_, _>>()?;
        let (mut backends, mut layers) = (BTreeMap::new(), BTreeMap::new());
        for (name, node) in named(take(&mut tree, "backend"), "backend")? {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
                return Err(ConfigError::new(node.origin, format!("backend '{name}': a name has letters, digits, '-' and '_'")));
            }
            let mut reader = Reader::new(format!("backend.{name}"), node, context)?;
            layers.insert(name.clone(), Layers::read(&mut reader.set_apart(Layers::ROWS))?);
            backends.insert(name, backend(reader)?);
        }
        if backends.is_empty() {
            let disk = FsBackend::at(server.data.clone());
            backends.insert("disk".to_owned(), Backend::Fs(disk));
        }
        let mut buckets = BTreeMap::new();
        for (name, node) in named(take(&mut tree, "bucket"), "bucket")? {
            let parsed =
                BucketName::parse(&name).map_err(|why| ConfigError::new(node.origin.clone(), format!("bucket '{name}': {why}")))?;
            buckets.insert(parsed, Bucket::read(&mut Reader::new(format!("bucket.{name}"), node, context)?)?);
        }
        let default = Defaults::read(&mut Reader::new("default", take(&mut tree, "default"), context)?)?;
        let mut settings =
            Self { server, root: root(context.environment)?, identities, backends, layers, order: Vec::new(), buckets, default };
        validate::validate(&mut settings, &origins)?;
        Ok(settings)
    }

    /// The backend of buckets created through S3.
    pub fn default_backend(&self) -> &str {
        self.default.backend.as_deref().unwrap_or_default()
    }
}

fn refuse_unknown_sections(tree: &Table) -> Result<(), ConfigError> {
    let Some((name, node)) = tree.iter().find(|(name, _)| !SECTIONS.contains(&name.as_str())) else { return Ok(()) };
    let mut problem = format!("unknown key '{name}'");
    if Server::ROWS.iter().any(|row| row.name == name) {
        problem += &format!("; did you mean 'server.{name}'?");
    } else if let Some(near) = nearest(name, SECTIONS.iter().copied()) {
        problem += &format!("; did you mean '{near}'?");
    }
    Err(ConfigError::new(node.origin.clone(), problem))
}

fn take(tree: &mut Table, section: &str) -> Node {
    let at = tree.iter().position(|(name, _)| name == section);
    let empty = if LISTS.contains(&section) { Raw::List(Vec::new()) } else { Raw::Table(Table::new()) };
    at.map_or(Node { raw: empty, origin: Origin::Default }, |at| tree.remove(at).1)
}

fn numbered(node: Node) -> Result<Vec<Node>, ConfigError> {
    match node.raw {
        Raw::List(items) => Ok(items),
        _ => Err(ConfigError::new(node.origin, "'identity' is a list of sections: write [[identity]]")),
    }
}

fn named(node: Node, section: &str) -> Result<Table, ConfigError> {
    match node.raw {
        Raw::Table(entries) => Ok(entries),
        _ => Err(ConfigError::new(node.origin, format!("'{section}' holds named sections: write [{section}.NAME]"))),
    }
}

fn backend(mut reader: Reader<'_>) -> Result<Backend, ConfigError> {
    let known = || BACKEND_TYPES.iter().map(|row| row.name).chain(services().map(|service| service.name));
    let Some(node) = reader.take("type") else {
        return Err(reader.missing("type", &known().collect::<Vec<_>>().join(", ")));
    };
    let Raw::Text(given) = &node.raw else {
        return Err(ConfigError::new(node.origin, "the type of a backend is text"));
    };
    if let Some(row) = BACKEND_TYPES.iter().find(|row| row.name == given) {
        return (row.read)(&mut reader);
    }
    if let Some(service) = service(given) {
        return ServiceBackend::read(service, &mut reader).map(Backend::Service);
    }
    let near = nearest(given, known()).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
    Err(ConfigError::new(node.origin, format!("unknown backend type '{given}'{near}")))
}

fn root(environment: &BTreeMap<String, String>) -> Result<Option<Root>, ConfigError> {
    for [user, password] in ROOT {
        let origin = |name: &str| Origin::Environment(name.into());
        let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        return match (set(user), set(password)) {
            (None, None) => continue,
            (Some(access_key), Some(secret)) => {
                let access_key = AccessKey::parse(&Node::text(access_key, origin(user)), &Context::of(environment))
                    .map_err(|why| ConfigError::new(origin(user), why))?;
                Ok(Some(Root { access_key, secret_key: Secret::new(secret.as_str()) }))
            }
            (Some(_), None) => Err(ConfigError::new(origin(user), format!("is set, but {password} is not"))),
            (None, Some(_)) => Err(ConfigError::new(origin(password), format!("is set, but {user} is not"))),
        };
    }
    Ok(None)
}
