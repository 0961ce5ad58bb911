//! Compares a configuration that was read again with the one in force: which parts take effect at once, and
//! which wait for the next start.
//!
//! | takes effect at once | waits for the next start |
//! |---|---|
//! | the root user, identities, their limits, CORS rules | everything else of `[server]` |
//! | buckets, their owners, grants and limits | backends that were changed or removed, and their layers |
//! | | sections that the table in `sections` lets wait: providers, directory, sign-in, websites |
//! | backends that are new | new buckets on a backend that moves with the next start |
//! | `default.backend`, `server.log_level`, paths of a certificate | TLS where there was none; the reverse |
//!
//! Invariants:
//! - a setting that waits keeps the value that is in force, so that the next reading compares with that;
//! - values are compared as they are read, secrets too; only names are ever reported.

use super::{
    backend::Backend,
    bucket::Bucket,
    layers::Layers,
    section::Section,
    sections::SECTIONS,
    settings::{Server, Settings},
};
use crate::model::BucketName;
use std::fmt;

/// The result of reading a configuration again.
#[derive(Debug)]
pub struct Reread {
    /// The settings in force once the configuration has taken effect.
    pub next: Settings,
    /// New backends, each behind those that it consists of.
    pub added: Vec<String>,
    pub waiting: Vec<Waiting>,
}

/// A setting that keeps its value until the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// `server.listen`, `backend.lake`
    pub setting: String,
    why: &'static str,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}: it takes effect at the next start", self.setting, self.why)
    }
}

const CHANGED: &str = "was changed";
const REMOVED: &str = "was removed";
const ELSEWHERE: &str = "is new on a backend whose settings were changed";

impl Settings {
    /// Compares these settings, which are in force, with the `new` ones.
    pub fn reread(&self, new: Self) -> Reread {
        let mut waiting = Vec::new();
        let server = self.server_until_restart(&new, &mut waiting);
        let (mut backends, mut layers, mut order) =
            (self.backends.clone(), self.layers.clone(), self.order.clone());
        let mut added = Vec::new();
        for (name, backend) in new.in_order() {
            if let Some(in_force) = self.backends.get(name) {
                let changed = in_force.changed(backend).into_iter().chain(self.layers_changed(&new, name));
                waiting.extend(
                    changed.map(|key| Waiting { setting: format!("backend.{name}.{key}"), why: CHANGED }),
                );
                continue;
            }
            backends.insert(name.clone(), backend.clone());
            layers.extend(new.layers.get(name).map(|upon| (name.clone(), upon.clone())));
            order.push(name.clone());
            added.push(name.clone());
        }
        let removed = self.backends.keys().filter(|name| !new.backends.contains_key(*name));
        waiting.extend(removed.map(|name| Waiting { setting: format!("backend.{name}"), why: REMOVED }));
        let mut next = Self { server, backends, layers, order, ..new.clone() };
        for waits in SECTIONS.iter().filter_map(|section| section.waits.as_ref()) {
            let changed = (waits.changed)(self, &new).into_iter();
            waiting.extend(changed.map(|setting| Waiting { setting, why: CHANGED }));
            (waits.keep)(self, &mut next);
        }
        for (name, bucket) in &new.buckets {
            self.keep_in_place(&mut next, &new, name, bucket, &mut waiting);
        }
        Reread { next, added, waiting }
    }

    /// Returns `[server]` as it is until the next start.
    fn server_until_restart(&self, new: &Self, waiting: &mut Vec<Waiting>) -> Server {
        let mut server = self.server.clone();
        let wanted = &new.server;
        server.log_level = wanted.log_level.clone();
        if server.tls_cert.is_some() && wanted.tls_cert.is_some() {
            (server.tls_cert, server.tls_key) = (wanted.tls_cert.clone(), wanted.tls_key.clone());
        }
        // A cache that is not open yet is opened by the first backend that needs it, with the new size.
        if !self.layers.values().any(|layers| layers.metadata_ttl.0.is_some()) {
            server.metadata_cache_size = wanted.metadata_cache_size;
        }
        if !self.layers.values().any(|layers| layers.data_cache) {
            (server.data_cache_memory, server.data_cache_disk) =
                (wanted.data_cache_memory, wanted.data_cache_disk);
            (server.data_cache_dir, server.data_cache_max_object) =
                (wanted.data_cache_dir.clone(), wanted.data_cache_max_object);
        }
        let changed = server.changed(wanted).into_iter();
        waiting.extend(changed.map(|key| Waiting { setting: format!("server.{key}"), why: CHANGED }));
        server
    }

    fn layers_changed(&self, new: &Self, name: &str) -> Vec<&'static str> {
        let of = |settings: &Self| settings.layers.get(name).cloned().unwrap_or(Layers::NONE);
        of(self).changed(&of(new))
    }

    /// Keeps a bucket on its location until the next start, if its backend has another location after it. A
    /// new bucket on such a backend is created at the next start.
    fn keep_in_place(
        &self,
        next: &mut Self,
        new: &Self,
        name: &BucketName,
        bucket: &Bucket,
        waiting: &mut Vec<Waiting>,
    ) {
        if next.locations_of(name, bucket) == new.locations_of(name, bucket) {
            return;
        }
        match self.buckets.get(name) {
            Some(in_force) => {
                let (remote, prefix) = (in_force.remote.clone(), in_force.prefix.clone());
                let backend = Some(self.backend_of(in_force).to_owned());
                next.buckets.insert(name.clone(), Bucket { backend, remote, prefix, ..bucket.clone() });
            }
            None => {
                next.buckets.remove(name);
                waiting.push(Waiting { setting: format!("bucket.{name}"), why: ELSEWHERE });
            }
        }
    }
}

impl Backend {
    /// Returns the keys whose values differ. Backends of different types have no keys to compare.
    fn changed(&self, other: &Self) -> Vec<&'static str> {
        match (self, other) {
            (Self::Fs(own), Self::Fs(other)) => own.changed(other),
            (Self::Memory(own), Self::Memory(other)) => own.changed(other),
            (Self::Null(own), Self::Null(other)) => own.changed(other),
            (Self::S3(own), Self::S3(other)) => own.changed(other),
            (Self::Gcs(own), Self::Gcs(other)) => own.changed(other),
            (Self::Azblob(own), Self::Azblob(other)) => own.changed(other),
            (Self::Sftp(own), Self::Sftp(other)) => own.changed(other),
            (Self::Webdav(own), Self::Webdav(other)) => own.changed(other),
            (Self::Gdrive(own), Self::Gdrive(other)) => own.changed(other),
            (Self::Ftp(own), Self::Ftp(other)) => own.changed(other),
            (Self::Onedrive(own), Self::Onedrive(other)) => own.changed(other),
            (Self::Dropbox(own), Self::Dropbox(other)) => own.changed(other),
            (Self::Faulty(own), Self::Faulty(other)) => own.changed(other),
            (Self::Replicated(own), Self::Replicated(other)) => own.changed(other),
            (Self::Service(own), Self::Service(other)) => own.changed(other),
            _ => vec!["type"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::load::Sources, *};
    use std::path::PathBuf;

    fn settings(text: &str) -> Settings {
        let sources = Sources { file: Some(PathBuf::from("c.toml")), ..Sources::default() };
        Settings::of(&sources, Some(text), None).expect("a configuration")
    }

    fn waiting(reread: &Reread) -> Vec<&str> {
        reread.waiting.iter().map(|waiting| waiting.setting.as_str()).collect()
    }

    const LAKE: &str = "[backend.lake]\ntype = 's3'\nendpoint = 'http://lake:1'\naccess_key = 'a'\nsecret_key = 'first-secret'\n";
    const DISK: &str = "[backend.disk]\ntype = 'fs'\nroot = '/srv/a'\n[default]\nbackend = 'disk'\n";

    #[test]
    fn what_waits_is_named_keeps_its_value_and_is_named_again_the_next_time() {
        let first = settings("[server]\nlisten = '127.0.0.1:1'\nlog_level = 'info'\nidle_timeout = '1m'\n");
        let wanted = "[server]\nlisten = '127.0.0.1:2'\nlog_level = 'debug'\nidle_timeout = '1m'\ntls_cert = 'c'\ntls_key = 'k'\n";
        let mut in_force = first.clone();
        for _ in 0..2 {
            let reread = in_force.reread(settings(wanted));
            assert_eq!(waiting(&reread), ["server.listen", "server.tls_cert", "server.tls_key"]);
            assert_eq!(
                reread.waiting[0].to_string(),
                "`server.listen` was changed: it takes effect at the next start"
            );
            in_force = reread.next;
        }
        assert_eq!(in_force.server.changed(&first.server), ["log_level"]);
        assert!(in_force.reread(first).waiting.is_empty(), "back to what is in force");
    }

    #[test]
    fn a_secret_of_a_backend_that_was_changed_is_noticed_and_not_told() {
        let in_force = settings(&format!("{LAKE}{DISK}"));
        let reread =
            in_force.reread(settings(&format!("{}{DISK}", LAKE.replace("first-secret", "other-secret"))));
        assert_eq!(waiting(&reread), ["backend.lake.secret_key"]);
        assert!(!format!("{reread:?}{}", reread.waiting[0]).contains("-secret"));
        assert_eq!(reread.next.backends, in_force.backends);
    }

    #[test]
    fn new_backends_come_at_once_and_removed_and_changed_ones_stay_until_the_next_start() {
        let in_force = settings(&format!("{LAKE}{DISK}"));
        let wanted = format!(
            "[backend.both]\ntype = 'replicated'\nbackends = ['disk', 'more']\n[backend.more]\ntype = 'fs'\nroot = '/srv/b'\n{}",
            DISK.replace("root", "upload_rate = '1MB/s'\nadopt = false\nroot")
        );
        let reread = in_force.reread(settings(&wanted));
        assert_eq!(reread.added, ["more", "both"]);
        assert_eq!(waiting(&reread), ["backend.disk.adopt", "backend.disk.upload_rate", "backend.lake"]);
        assert_eq!(reread.next.order, [&in_force.order[..], &reread.added[..]].concat());
        assert!(reread.next.layers["disk"].upload_rate.is_none());
    }

    #[test]
    fn a_new_bucket_on_storage_that_moves_at_the_next_start_is_made_then() {
        let in_force = settings(&format!("{DISK}[bucket.old]\n"));
        let wanted =
            format!("{}[bucket.old]\nconcurrency = 3\n[bucket.new]\n", DISK.replace("/srv/a", "/srv/b"));
        let reread = in_force.reread(settings(&wanted));
        assert_eq!(waiting(&reread), ["backend.disk.root", "bucket.new"]);
        let names: Vec<_> = reread.next.buckets.keys().map(BucketName::as_str).collect();
        assert_eq!(names, ["old"]);
        assert!(
            reread.next.buckets.values().all(|bucket| bucket.concurrency == Some(3)),
            "what does not move takes effect"
        );
    }

    #[test]
    fn who_vouches_for_others_waits_for_the_next_start() {
        let in_force = settings(DISK);
        let wanted = format!(
            "{DISK}[ldap]\nurl = 'ldaps://ldap'\nuser_base = 'dc=x'\ngroup_base = 'dc=x'\n\
             [[oidc]]\nissuer = 'https://id.example'\naudience = 'a'\n\
             [sign_in]\nissuer = 'https://id.example'\nclient_id = 'c'\nrole = 'r'\n\
             redirect = 'https://admin.example/sign-in/callback'\n"
        );
        let reread = in_force.reread(settings(&wanted));
        let mut named = waiting(&reread);
        named.sort_unstable();
        assert_eq!(named, ["ldap", "oidc", "sign_in"]);
        assert!(reread.next.ldap.is_none() && reread.next.sign_in.is_none());
    }

    #[test]
    fn settings_of_a_cache_that_nobody_used_yet_take_effect_with_it() {
        let in_force = settings(DISK);
        let wanted = format!(
            "[server]\nmetadata_cache_size = '1MiB'\n[backend.far]\ntype = 'memory'\nmetadata_ttl = '1m'\n{DISK}"
        );
        let reread = in_force.reread(settings(&wanted));
        assert_eq!((waiting(&reread).len(), reread.next.server.metadata_cache_size.0), (0, 1 << 20));
        let reread = reread.next.reread(settings(&wanted.replace("1MiB", "2MiB")));
        assert_eq!(waiting(&reread), ["server.metadata_cache_size"]);
    }
}
