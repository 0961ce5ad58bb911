//! From sources to settings, in the order of their precedence.

use super::{
    backend::{BACKEND_TYPES, Backend, FsBackend},
    cors::Cors,
    environment,
    error::{ConfigError, ConfigErrors, Origin, nearest},
    file,
    layers::Layers,
    ldap::{Ldap, LdapGroup},
    seal::{self, SealKey},
    section::{Reader, Section},
    sections::{SECTIONS, is_list},
    services::ServiceBackend,
    settings::{Defaults, Root, Server, Settings},
    sign_in::{SignIn, SignInRole},
    tree::{Node, Raw, Table},
    validate::{self, Broken},
    value::{Context, Setting},
    website::Website,
};
use crate::{
    drivers::opendal::{service, services},
    model::{AccessKey, BucketName, Secret},
};
use std::{collections::BTreeMap, path::PathBuf};

/// All sources of settings, from weakest to strongest. Defaults are below all of them.
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
    /// The path of the key, such as `server.listen`.
    pub key: &'static str,
    pub value: String,
}

/// The variables that name the root user and its password: Causeway's names, and those of MinIO.
const ROOT: [[&str; 2]; 2] =
    [["CAUSEWAY_ROOT_USER", "CAUSEWAY_ROOT_PASSWORD"], ["MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"]];

impl Settings {
    /// Returns the settings, or all problems with them.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        match &sources.file {
            Some(path) => {
                let text =
                    std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
                Self::of(sources, Some(&text), None)
            }
            None => Self::of(sources, None, None),
        }
    }

    /// Like `load`, with this text instead of the file's, and with this seal key.
    pub(super) fn of(
        sources: &Sources,
        text: Option<&str>,
        new: Option<&SealKey>,
    ) -> Result<Self, ConfigErrors> {
        let mut tree = match (&sources.file, text) {
            (Some(path), Some(text)) => file::parse(path, text)?,
            _ => Table::new(),
        };
        let mut wrong = environment::overlay(&mut tree, &sources.environment);
        for flag in &sources.flags {
            let path: Vec<String> = flag.key.split('.').map(str::to_owned).collect();
            let origin = Origin::Flag(flag.name);
            let set = environment::set(&mut tree, &path, Node::text(&flag.value, origin.clone()));
            wrong.note(set.map_err(|problem| ConfigError::new(origin, problem)));
        }
        let environment = &sources.environment;
        let seal = seal::Sources { environment, file: sources.file.as_deref(), new };
        Self::read(tree, &Context { environment, seal, key: "" }, wrong)
    }

    /// Returns the settings of a tree that comes from no file, or all problems with them. Variables are only
    /// for secrets that name one.
    pub(super) fn of_tree(tree: Table, environment: &BTreeMap<String, String>) -> Result<Self, ConfigErrors> {
        Self::read(tree, &Context::of(environment), ConfigErrors::default())
    }

    /// `wrong` has the problems that were found before.
    fn read(mut tree: Table, context: &Context<'_>, mut wrong: ConfigErrors) -> Result<Self, ConfigErrors> {
        note_unknown_sections(&tree, &mut wrong);
        let origins = validate::Origins::of(&tree);
        let mut broken = Broken::default();
        let server: Option<Server> = section("server", take(&mut tree, "server"), context, &mut wrong);
        // The problem is already noted: the default values serve to check everything else.
        let server = match server {
            Some(server) => server,
            None => section("server", empty("server"), context, &mut wrong).ok_or_else(|| wrong.clone())?,
        };
        let website = section("website", take(&mut tree, "website"), context, &mut wrong);
        let website = website.unwrap_or(Website { listen: None, domain: None });
        let mut identities = Vec::new();
        let listed = wrong.note(numbered(take(&mut tree, "identity"), "identity"));
        broken.identity = listed.is_none();
        for (n, node) in listed.unwrap_or_default().into_iter().enumerate() {
            match section(format!("identity[{n}]"), node, context, &mut wrong) {
                Some(identity) => identities.push(identity),
                None => broken.identity = true,
            }
        }
        let oidc = repeated("oidc", &mut tree, context, &mut wrong);
        let oidc_allowed = repeated("oidc_allowed", &mut tree, context, &mut wrong);
        let ldap: Option<Ldap> = optional("ldap", &mut tree, context, &mut wrong);
        let ldap_groups: Vec<LdapGroup> = repeated("ldap_group", &mut tree, context, &mut wrong);
        let sign_in: Option<SignIn> = optional("sign_in", &mut tree, context, &mut wrong);
        let sign_in_roles: Vec<SignInRole> = repeated("sign_in_role", &mut tree, context, &mut wrong);
        let cors = cors(take(&mut tree, "cors"), context, &mut wrong);
        let (mut backends, mut layers) = (BTreeMap::new(), BTreeMap::new());
        for (name, node) in wrong.note(named(take(&mut tree, "backend"), "backend")).unwrap_or_default() {
            match backend(&name, node, context, &mut wrong) {
                Some((read, upon)) => {
                    layers.insert(name.clone(), upon);
                    backends.insert(name, read);
                }
                None => {
                    broken.backends.insert(name);
                }
            }
        }
        if backends.is_empty() && broken.backends.is_empty() {
            let disk = FsBackend::at(server.data.clone());
            backends.insert("disk".to_owned(), Backend::Fs(disk));
        }
        let mut buckets = BTreeMap::new();
        for (name, node) in wrong.note(named(take(&mut tree, "bucket"), "bucket")).unwrap_or_default() {
            let parsed = BucketName::parse(&name)
                .map_err(|why| ConfigError::new(node.origin.clone(), format!("bucket '{name}': {why}")));
            match (wrong.note(parsed), section(format!("bucket.{name}"), node, context, &mut wrong)) {
                (Some(name), Some(bucket)) => {
                    buckets.insert(name, bucket);
                }
                _ => broken.bucket = true,
            }
        }
        let default = section("default", take(&mut tree, "default"), context, &mut wrong);
        broken.default = default.is_none();
        let default = default.unwrap_or(Defaults { backend: None });
        let root = wrong.note(root(context.environment)).flatten();
        let mut settings = Self {
            server,
            website,
            root,
            identities,
            oidc,
            oidc_allowed,
            ldap,
            ldap_groups,
            sign_in,
            sign_in_roles,
            cors,
            backends,
            layers,
            order: Vec::new(),
            buckets,
            default,
        };
        validate::validate(&mut settings, &origins, &broken, &mut wrong);
        wrong.or(settings)
    }

    /// Returns the backend of buckets created through S3. `None`: there are several backends, and none was
    /// named.
    pub fn default_backend(&self) -> Option<&str> {
        self.default.backend.as_deref()
    }
}

fn section<S: Section>(
    path: impl Into<String>,
    node: Node,
    context: &Context<'_>,
    wrong: &mut ConfigErrors,
) -> Option<S> {
    let mut reader = wrong.note(Reader::new(path, node, context))?;
    wrong.note(S::read(&mut reader))
}

/// Reads a section that repeats.
fn repeated<S: Section>(
    name: &str,
    tree: &mut Table,
    context: &Context<'_>,
    wrong: &mut ConfigErrors,
) -> Vec<S> {
    let listed = wrong.note(numbered(take(tree, name), name)).unwrap_or_default();
    let read = |(n, node)| section(format!("{name}[{n}]"), node, context, wrong);
    listed.into_iter().enumerate().filter_map(read).collect()
}

/// Reads a section that counts only if it is there.
fn optional<S: Section>(
    name: &str,
    tree: &mut Table,
    context: &Context<'_>,
    wrong: &mut ConfigErrors,
) -> Option<S> {
    let is_there = tree.iter().any(|(given, _)| given == name);
    is_there.then(|| section(name, take(tree, name), context, wrong)).flatten()
}

fn note_unknown_sections(tree: &Table, wrong: &mut ConfigErrors) {
    let known = || SECTIONS.iter().map(|section| section.name);
    for (name, node) in tree.iter().filter(|(name, _)| !known().any(|section| section == name)) {
        let mut problem = format!("unknown key '{name}'");
        if Server::ROWS.iter().any(|row| row.name == name) {
            problem += &format!("; did you mean 'server.{name}'?");
        } else if let Some(near) = nearest(name, known()) {
            problem += &format!("; did you mean '{near}'?");
        }
        wrong.push(ConfigError::new(node.origin.clone(), problem));
    }
}

fn take(tree: &mut Table, section: &str) -> Node {
    let at = tree.iter().position(|(name, _)| name == section);
    at.map_or_else(|| empty(section), |at| tree.remove(at).1)
}

/// Returns a section without any key.
fn empty(section: &str) -> Node {
    let raw = if is_list(section) { Raw::List(Vec::new()) } else { Raw::Table(Table::new()) };
    Node { raw, origin: Origin::Default }
}

fn numbered(node: Node, section: &str) -> Result<Vec<Node>, ConfigError> {
    match node.raw {
        Raw::List(items) => Ok(items),
        _ => Err(ConfigError::new(
            node.origin,
            format!("'{section}' is a list of sections: write [[{section}]]"),
        )),
    }
}

/// Reads the CORS rules, and checks them together.
fn cors(node: Node, context: &Context<'_>, wrong: &mut ConfigErrors) -> Vec<Cors> {
    let origin = node.origin.clone();
    let listed = wrong.note(numbered(node, "cors")).unwrap_or_default();
    let read = |(n, node)| section(format!("cors[{n}]"), node, context, wrong);
    let all: Vec<Cors> = listed.into_iter().enumerate().filter_map(read).collect();
    if let Err(why) = Cors::rules(&all) {
        wrong.push(ConfigError::new(origin, format!("cors: {why}")));
    }
    all
}

fn named(node: Node, section: &str) -> Result<Table, ConfigError> {
    match node.raw {
        Raw::Table(entries) => Ok(entries),
        _ => Err(ConfigError::new(
            node.origin,
            format!("'{section}' holds named sections: write [{section}.NAME]"),
        )),
    }
}

/// Reads a backend and its layers.
fn backend(
    name: &str,
    node: Node,
    context: &Context<'_>,
    wrong: &mut ConfigErrors,
) -> Option<(Backend, Layers)> {
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        wrong.push(ConfigError::new(
            node.origin,
            format!("backend '{name}': a name has letters, digits, '-' and '_'"),
        ));
        return None;
    }
    let mut reader = wrong.note(Reader::new(format!("backend.{name}"), node, context))?;
    let layers = wrong.note(Layers::read(&mut reader.set_apart(Layers::ROWS)));
    let read = wrong.note(typed(reader));
    Some((read?, layers?))
}

fn typed(mut reader: Reader<'_>) -> Result<Backend, ConfigErrors> {
    let known = || BACKEND_TYPES.iter().map(|row| row.name).chain(services().map(|service| service.name));
    let Some(node) = reader.take("type") else {
        return Err(reader.missing("type", &known().collect::<Vec<_>>().join(", ")).into());
    };
    let Raw::Text(given) = &node.raw else {
        return Err(ConfigError::new(node.origin, "the type of a backend is text").into());
    };
    if let Some(row) = BACKEND_TYPES.iter().find(|row| row.name == given) {
        return (row.read)(&mut reader);
    }
    if let Some(service) = service(given) {
        return ServiceBackend::read(service, &mut reader).map(Backend::Service);
    }
    let near = nearest(given, known()).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
    Err(ConfigError::new(node.origin, format!("unknown backend type '{given}'{near}")).into())
}

fn root(environment: &BTreeMap<String, String>) -> Result<Option<Root>, ConfigError> {
    for [user, password] in ROOT {
        let origin = |name: &str| Origin::Environment(name.into());
        let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        return match (set(user), set(password)) {
            (None, None) => continue,
            (Some(access_key), Some(secret)) => {
                let access_key =
                    AccessKey::parse(&Node::text(access_key, origin(user)), &Context::of(environment))
                        .map_err(|why| ConfigError::new(origin(user), why))?;
                Ok(Some(Root { access_key, secret_key: Secret::new(secret.as_str()) }))
            }
            (Some(_), None) => Err(ConfigError::new(origin(user), format!("is set, but {password} is not"))),
            (None, Some(_)) => Err(ConfigError::new(origin(password), format!("is set, but {user} is not"))),
        };
    }
    Ok(None)
}
