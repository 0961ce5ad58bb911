//! What must hold between settings. Whatever is wrong in a single value was refused when it was read.

use super::{
    error::{ConfigError, Origin, nearest},
    settings::{Backend, Settings},
    tree::{Node, Raw, Table},
};
use crate::model::BucketName;
use std::collections::HashMap;

/// Where each key of the tree was said, by its path: `bucket.photos.prefix`, `identity.0.access_key`.
pub(super) struct Origins(HashMap<String, Origin>);

impl Origins {
    pub(super) fn of(tree: &Table) -> Self {
        let mut origins = HashMap::new();
        for (name, node) in tree {
            note(&mut origins, name.clone(), node);
        }
        Self(origins)
    }

    /// Of the key, or else of the section around it.
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
        Raw::Table(table) => table.iter().for_each(|(name, node)| note(origins, format!("{path}.{name}"), node)),
        Raw::List(items) => items.iter().enumerate().for_each(|(n, node)| note(origins, format!("{path}.{n}"), node)),
        _ => {}
    }
    origins.insert(path, node.origin.clone());
}

/// Also fills in the default backend where there is only one to choose.
pub(super) fn validate(settings: &mut Settings, origins: &Origins) -> Result<(), ConfigError> {
    let fail = |path: &str, problem: String| Err(ConfigError::new(origins.at(path), problem));
    let server = &settings.server;
    match (&server.tls_cert, &server.tls_key) {
        (Some(_), None) => return fail("server.tls_cert", "server.tls_cert needs server.tls_key too".to_owned()),
        (None, Some(_)) => return fail("server.tls_key", "server.tls_key needs server.tls_cert too".to_owned()),
        _ => {}
    }
    if !(8 << 10..=1 << 20).contains(&server.max_header_size.0) {
        return fail("server.max_header_size", "server.max_header_size must be between 8KiB and 1MiB".to_owned());
    }

    for (name, layers) in &settings.layers {
        if layers.stale_ttl.0.is_some() && layers.metadata_ttl.0.is_none() {
            let path = format!("backend.{name}.stale_ttl");
            return fail(&path, format!("{path} needs backend.{name}.metadata_ttl: nothing is kept without"));
        }
        let sizes = [server.data_cache_memory, server.data_cache_disk];
        if layers.data_cache && sizes.into_iter().flatten().all(|size| size.0 == 0) {
            let path = format!("backend.{name}.data_cache");
            return fail(&path, format!("{path} needs server.data_cache_memory or server.data_cache_disk"));
        }
    }

    let mut keys = HashMap::new();
    keys.extend(settings.root.as_ref().map(|root| (root.access_key.clone(), "the root user".to_owned())));
    for (n, identity) in settings.identities.iter().enumerate() {
        if let Some(other) = keys.insert(identity.access_key.clone(), format!("identity[{n}]")) {
            let path = format!("identity.{n}.access_key");
            return fail(&path, format!("identity[{n}].access_key '{}' is that of {other} too", identity.access_key));
        }
    }

    let known = |path: &str, name: &str| {
        if settings.backends.contains_key(name) {
            return Ok(());
        }
        let near = nearest(name, settings.backends.keys().map(String::as_str));
        let hint = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        fail(path, format!("{path} names the backend '{name}', which is not configured{hint}"))
    };
    let default = match (&settings.default.backend, settings.backends.len()) {
        (Some(name), _) => {
            known("default.backend", name)?;
            name.clone()
        }
        (None, 1) => settings.backends.keys().next().cloned().unwrap_or_default(),
        (None, _) => {
            let names: Vec<_> = settings.backends.keys().map(String::as_str).collect();
            return fail("backend", format!("default.backend is missing: which of {} takes new buckets?", names.join(", ")));
        }
    };
    for (name, backend) in &settings.backends {
        for part in backend.over() {
            known(&format!("backend.{name}"), part)?;
        }
        if let Backend::Replicated(replicated) = backend
            && let Some(problem) = replicated.problem()
        {
            return fail(&format!("backend.{name}"), format!("backend.{name} {problem}"));
        }
        if let Backend::Faulty(faulty) = backend
            && faulty.up.is_some() != faulty.down.is_some()
        {
            let path = format!("backend.{name}");
            return fail(&path, format!("{path}.up and {path}.down go together"));
        }
    }
    let mut opened = Vec::new();
    while opened.len() < settings.backends.len() {
        let ready = |(name, backend): &(&String, &Backend)| {
            !opened.contains(*name) && backend.over().iter().all(|part| opened.iter().any(|done: &String| done == part))
        };
        // Replicated ones last: a bucket may come to have a replica on any of the others.
        let is_replicated = |backend: &Backend| matches!(backend, Backend::Replicated(_));
        let Some((next, _)) = settings.backends.iter().filter(ready).min_by_key(|(_, backend)| is_replicated(backend)) else {
            let circular = settings.backends.keys().find(|name| !opened.contains(*name)).cloned().unwrap_or_default();
            return fail(&format!("backend.{circular}"), format!("backend.{circular} consists of itself"));
        };
        opened.push(next.clone());
    }
    settings.order = opened;
    for (name, bucket) in &settings.buckets {
        if let Some(backend) = &bucket.backend {
            known(&format!("bucket.{name}.backend"), backend)?;
        }
        if let Some(why) = bucket.place().and_then(bad_place) {
            let path = format!("bucket.{name}.prefix");
            return fail(&path, format!("{path} {why}"));
        }
    }
    settings.default.backend = Some(default);
    match overlapping(settings) {
        Some((a, b)) if a == b => {
            fail(&format!("bucket.{b}"), format!("the replicas of bucket '{b}' overlap: two of its backends are one storage"))
        }
        Some((a, b)) => {
            fail(&format!("bucket.{b}"), format!("the places of bucket '{a}' and bucket '{b}' overlap: give each its own prefix"))
        }
        None => Ok(()),
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

/// Two buckets of which one is where the other is, or inside it: each would show the other's objects. A bucket on several
/// backends that are one storage is both of them.
fn overlapping(settings: &Settings) -> Option<(&BucketName, &BucketName)> {
    let all = settings.buckets.iter().flat_map(|(name, bucket)| settings.locations_of(name, bucket).into_iter().map(move |at| (name, at)));
    let all: Vec<_> = all.collect();
    all.iter().enumerate().find_map(|(n, (b, place))| all[..n].iter().find(|(_, at)| at.touches(place)).map(|(a, _)| (*a, *b)))
}
