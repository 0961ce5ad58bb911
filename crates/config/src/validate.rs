//! Checks between settings. Every problem within a single value was reported when it was read.

use super::{
    backend::Backend,
    bucket::Grant,
    error::{ConfigError, ConfigErrors, Origin, nearest},
    settings::Settings,
    tree::{Node, Raw, Table},
};
use crate::model::{AccessKey, Issuer, Role};
use std::collections::{BTreeSet, HashMap};

/// The source of each key in the tree, by the path of the key: `bucket.photos.prefix`,
/// `identity.0.access_key`.
pub(super) struct Origins(HashMap<String, Origin>);

impl Origins {
    pub(super) fn of(tree: &Table) -> Self {
        let mut origins = HashMap::new();
        for (name, node) in tree {
            note(&mut origins, name.clone(), node);
        }
        Self(origins)
    }

    /// Returns the source of a key, or else of the section around it.
    fn at(&self, path: &str) -> Origin {
        let mut path = path;
        loop {
            match (self.0.get(path), path.rsplit_once('.')) {
                (Some(origin), _) => return origin.clone(),
                (None, Some((section, _))) => path = section,
                (None, None) => return Origin::Default,
            }
        }
    }
}

fn note(origins: &mut HashMap<String, Origin>, path: String, node: &Node) {
    match &node.raw {
        Raw::Table(table) => {
            table.iter().for_each(|(name, node)| note(origins, format!("{path}.{name}"), node))
        }
        Raw::List(items) => {
            items.iter().enumerate().for_each(|(n, node)| note(origins, format!("{path}.{n}"), node))
        }
        _ => {}
    }
    origins.insert(path, node.origin.clone());
}

/// Sections that were given and could not be read. Other settings are not reported as missing because of
/// them.
#[derive(Debug, Default)]
pub(super) struct Broken {
    pub(super) backends: BTreeSet<String>,
    pub(super) identity: bool,
    pub(super) bucket: bool,
    pub(super) default: bool,
}

/// Checks the settings. It also sets the order of the backends, and the default backend if there is only one.
pub(super) fn validate(
    settings: &mut Settings,
    origins: &Origins,
    broken: &Broken,
    wrong: &mut ConfigErrors,
) {
    let mut check = Check { settings, origins, broken, wrong };
    check.server();
    check.website();
    check.layers();
    check.access_keys();
    check.ldap();
    check.sign_in();
    let default = check.default();
    let sound = check.backends();
    let order = if sound { check.order() } else { Vec::new() };
    // Whoever looks through layers needs that no backend consists of itself.
    if order.len() == check.settings.backends.len() {
        check.replicas();
    }
    let placed = check.buckets();
    check.access();
    settings.order = order;
    settings.default.backend = default;
    // Locations are compared only if every backend and every bucket could be read.
    if sound && placed && broken.backends.is_empty() {
        overlapping(settings, origins, wrong);
    }
}

struct Check<'a> {
    settings: &'a Settings,
    origins: &'a Origins,
    broken: &'a Broken,
    wrong: &'a mut ConfigErrors,
}

impl Check<'_> {
    fn fail(&mut self, path: &str, problem: impl Into<String>) {
        self.wrong.push(ConfigError::new(self.origins.at(path), problem));
    }

    fn server(&mut self) {
        let server = &self.settings.server;
        match (&server.tls_cert, &server.tls_key) {
            (Some(_), None) => self.fail("server.tls_cert", "server.tls_cert needs server.tls_key too"),
            (None, Some(_)) => self.fail("server.tls_key", "server.tls_key needs server.tls_cert too"),
            _ => {}
        }
        if !(8 << 10..=1 << 20).contains(&server.max_header_size.0) {
            self.fail("server.max_header_size", "server.max_header_size must be between 8KiB and 1MiB");
        }
    }

    /// A host cannot be that of S3 and that of a website.
    fn website(&mut self) {
        let of_s3 = self.settings.server.domain.as_ref();
        let of_s3 = of_s3.map_or(&[][..], |domains| &domains.0);
        let both = self.settings.website.domains().iter().find(|domain| of_s3.contains(domain));
        if let Some(domain) = both.cloned() {
            let problem = format!("website.domain and server.domain must differ, and both have '{domain}'");
            self.fail("website.domain", problem);
        }
    }

    fn layers(&mut self) {
        let server = &self.settings.server;
        for (name, layers) in &self.settings.layers {
            if layers.stale_ttl.0.is_some() && layers.metadata_ttl.0.is_none() {
                let path = format!("backend.{name}.stale_ttl");
                self.fail(
                    &path,
                    format!("{path} needs backend.{name}.metadata_ttl: nothing is kept without"),
                );
            }
            let sizes = [server.data_cache_memory, server.data_cache_disk];
            if layers.data_cache && sizes.into_iter().flatten().all(|size| size.0 == 0) {
                let path = format!("backend.{name}.data_cache");
                self.fail(&path, format!("{path} needs server.data_cache_memory or server.data_cache_disk"));
            }
        }
    }

    fn access_keys(&mut self) {
        let mut keys = HashMap::new();
        keys.extend(self.settings.root.as_ref().map(|root| (&root.access_key, "the root user".to_owned())));
        for (n, identity) in self.settings.identities.iter().enumerate() {
            if let Some(other) = keys.insert(&identity.access_key, format!("identity[{n}]")) {
                let path = format!("identity.{n}.access_key");
                self.fail(
                    &path,
                    format!("identity[{n}].access_key '{}' is that of {other} too", identity.access_key),
                );
            }
        }
    }

    fn ldap(&mut self) {
        let settings = self.settings;
        let Some(ldap) = &settings.ldap else {
            if !settings.ldap_groups.is_empty() {
                self.fail("ldap_group", "[[ldap_group]] needs the section [ldap]");
            }
            return;
        };
        for (key, problem) in ldap.problems() {
            self.fail(&format!("ldap.{key}"), problem);
        }
        self.account("ldap.account", ldap.account.as_ref());
    }

    fn sign_in(&mut self) {
        let settings = self.settings;
        let Some(sign_in) = &settings.sign_in else {
            if !settings.sign_in_roles.is_empty() {
                self.fail("sign_in_role", "[[sign_in_role]] needs the section [sign_in]");
            }
            return;
        };
        let issuers: Vec<&Issuer> = settings.oidc.iter().map(|oidc| &oidc.issuer).collect();
        for (key, problem) in sign_in.problems(&issuers, settings.sign_in_roles.len()) {
            self.fail(&format!("sign_in.{key}"), problem);
        }
        self.account("sign_in.account", sign_in.account.as_ref());
    }

    /// Checks the account whose members a section is about.
    fn account(&mut self, path: &str, account: Option<&AccessKey>) {
        let Some(account) = account else { return };
        let settings = self.settings;
        match settings.identities_named(account.as_str())[..] {
            [(key, Role::Admin | Role::ReadWrite)] if key == account => {}
            [(key, Role::ReadOnly)] if key == account => {
                self.fail(path, format!("{path} names '{account}', which only reads"));
            }
            _ if self.broken.identity => {}
            _ => self.fail(path, format!("{path} names '{account}', which is no access key of an identity")),
        }
    }

    /// Returns whether there is such a backend, including one that was given and could not be read.
    fn known(&mut self, path: &str, name: &str) -> bool {
        let backends = &self.settings.backends;
        let is_known = backends.contains_key(name) || self.broken.backends.contains(name);
        if !is_known {
            let near = nearest(name, backends.keys().map(String::as_str));
            let hint = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            self.fail(path, format!("{path} names the backend '{name}', which is not configured{hint}"));
        }
        is_known
    }

    /// Returns the backend of buckets created through S3. If there are several backends, one must be named,
    /// unless every bucket names its own.
    fn default(&mut self) -> Option<String> {
        let settings = self.settings;
        if let Some(name) = &settings.default.backend {
            return self.known("default.backend", name).then(|| name.clone());
        }
        let mut names: Vec<&str> =
            settings.backends.keys().chain(&self.broken.backends).map(String::as_str).collect();
        if let [only] = names[..] {
            return Some(only.to_owned());
        }
        if self.broken.default {
            return None;
        }
        names.sort_unstable();
        let names = names.join(", ");
        if settings.buckets.is_empty() && !self.broken.bucket {
            self.fail("backend", format!("default.backend is missing: which of {names} takes new buckets?"));
        }
        for (name, _) in settings.buckets.iter().filter(|(_, bucket)| bucket.backend.is_none()) {
            let path = format!("bucket.{name}");
            self.fail(
                &path,
                format!("{path}.backend is missing, and so is default.backend: which of {names} holds it?"),
            );
        }
        None
    }

    /// Returns whether all backends that others consist of exist.
    fn backends(&mut self) -> bool {
        let mut sound = true;
        for (name, backend) in &self.settings.backends {
            let path = format!("backend.{name}");
            for part in backend.over() {
                sound &= self.known(&path, part) && !self.broken.backends.contains(part);
            }
            match backend {
                Backend::Replicated(replicated) => {
                    if let Some(problem) = replicated.problem() {
                        self.fail(&path, format!("{path} {problem}"));
                    }
                }
                Backend::Faulty(faulty) if faulty.up.is_some() != faulty.down.is_some() => {
                    self.fail(&path, format!("{path}.up and {path}.down go together"));
                }
                _ => {}
            }
        }
        sound
    }

    /// Returns the names of all backends, each behind those that it consists of.
    fn order(&mut self) -> Vec<String> {
        let backends = &self.settings.backends;
        let mut opened: Vec<String> = Vec::new();
        while opened.len() < backends.len() {
            let ready = |(name, backend): &(&String, &Backend)| {
                !opened.contains(*name)
                    && backend.over().iter().all(|part| opened.iter().any(|done| done == part))
            };
            // Replicated backends are last: a bucket may later get a replica on any of the others.
            let is_replicated = |backend: &Backend| matches!(backend, Backend::Replicated(_));
            let Some((next, _)) =
                backends.iter().filter(ready).min_by_key(|(_, backend)| is_replicated(backend))
            else {
                let circular =
                    backends.keys().find(|name| !opened.contains(*name)).cloned().unwrap_or_default();
                self.fail(&format!("backend.{circular}"), format!("backend.{circular} consists of itself"));
                return opened;
            };
            opened.push(next.clone());
        }
        opened
    }

    /// A replica that keeps nothing would count in a quorum, and the write would be lost.
    fn replicas(&mut self) {
        let settings = self.settings;
        let keeps_nothing =
            |name: &&String| matches!(settings.backends.get(settings.bottom(name)), Some(Backend::Null(_)));
        for (name, backend) in &settings.backends {
            let Backend::Replicated(replicated) = backend else { continue };
            if let Some(replica) = replicated.backends.0.iter().find(keeps_nothing) {
                let path = format!("backend.{name}");
                self.fail(&path, format!("{path} names '{replica}', which keeps nothing that is written"));
            }
        }
    }

    /// Returns whether every bucket has a backend and a valid location.
    fn buckets(&mut self) -> bool {
        let mut placed = !self.broken.bucket;
        for (name, bucket) in &self.settings.buckets {
            match &bucket.backend {
                Some(backend) => placed &= self.known(&format!("bucket.{name}.backend"), backend),
                // The problem with the default was already reported.
                None => {
                    placed &= self
                        .settings
                        .default
                        .backend
                        .as_ref()
                        .is_none_or(|name| self.settings.backends.contains_key(name))
                }
            }
            if let Some(why) = bucket.location().and_then(bad_place) {
                let path = format!("bucket.{name}.prefix");
                self.fail(&path, format!("{path} {why}"));
                placed = false;
            }
        }
        placed
    }

    /// Checks that every owner and every grantee of a bucket is an identity that may have it.
    fn access(&mut self) {
        for (name, bucket) in &self.settings.buckets {
            if let Some(owner) = &bucket.owner {
                self.identity(&format!("bucket.{name}.owner"), owner);
            }
            for (who, grant) in bucket.grants() {
                let path = format!("bucket.{name}.access");
                match (self.identity(&path, who), grant) {
                    (Some(Role::ReadOnly), Grant::ReadWrite) => {
                        self.fail(
                            &path,
                            format!(
                                "{path} lets '{who}' write, whose policy is \"readonly\": change one of them"
                            ),
                        );
                    }
                    (Some(Role::Admin), Grant::ReadOnly) => {
                        self.fail(
                            &path,
                            format!("{path} lets '{who}' only read, who is an administrator and does everything: leave it out"),
                        );
                    }
                    _ => {}
                }
            }
        }
    }

    fn identity(&mut self, path: &str, name: &str) -> Option<Role> {
        match self.settings.identities_named(name)[..] {
            [(_, role)] => return Some(role),
            [] if self.broken.identity => {}
            [] => {
                let known = self.settings.root.iter().map(|root| root.access_key.as_str());
                let known = known
                    .chain(self.settings.identities.iter().flat_map(|it| [Some(it.access_key.as_str()), it.name.as_deref()]).flatten());
                let hint = nearest(name, known).map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
                self.fail(path, format!("{path} names the identity '{name}', which is not configured{hint}"));
            }
            _ => self.fail(path, format!("{path} names '{name}', which is the name of several identities: say which by its access key")),
        }
        None
    }
}

fn bad_place(place: &str) -> Option<&'static str> {
    let mut segments = place.split('/');
    if place.is_empty() {
        None
    } else if segments.clone().any(|segment| matches!(segment, "" | "." | "..")) || place.contains('\0') {
        Some("must be a relative path without empty, '.' and '..' segments")
    } else if segments.next() == Some(".causeway") {
        Some("must not be below '.causeway', which is Causeway's own")
    } else {
        None
    }
}

/// Reports locations of which one is the same as another or inside it: each bucket would show the other's
/// objects. The replicas of one bucket are compared, too.
fn overlapping(settings: &Settings, origins: &Origins, wrong: &mut ConfigErrors) {
    let all = settings
        .buckets
        .iter()
        .flat_map(|(name, bucket)| settings.locations_of(name, bucket).into_iter().map(move |at| (name, at)));
    let all: Vec<_> = all.collect();
    for (n, (b, place)) in all.iter().enumerate() {
        let problem = match all[..n].iter().find(|(_, at)| at.touches(place)) {
            None => continue,
            Some((a, _)) if a == b => {
                format!("the replicas of bucket '{b}' overlap: two of its backends are one storage")
            }
            Some((a, _)) => {
                format!("the locations of bucket '{a}' and bucket '{b}' overlap: give each its own prefix")
            }
        };
        wrong.push(ConfigError::new(origins.at(&format!("bucket.{b}")), problem));
    }
}
