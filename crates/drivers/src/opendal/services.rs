//! The services that OpenDAL's drivers reach: one row for each, with all that is known of it. Settings, the
//! driver and the page `docs/guide/services.md` follow this table; there is no other source.

use crate::backend::codec::Names;

mod drives;
mod hadoop;
mod object_stores;
mod others;

/// One type of backend.
#[derive(Debug)]
pub struct Service {
    /// The `type` in the configuration; the cargo feature is `service-<name>`.
    pub name: &'static str,
    pub about: &'static str,
    pub is_built: bool,
    pub options: &'static [ServiceOption],
    /// Names that OpenDAL hands on unchanged and the service takes.
    pub names: Names,
    pub folds_names: bool,
    pub space: Space,
    pub writing: Writing,
    pub upload: Upload,
    pub longest: Longest,
    /// Largest file.
    pub max_size: u64,
    pub identity: Identity,
    /// The precision of times, in milliseconds, wherever the service reports one.
    pub precision: i64,
    pub removal: Removal,
    /// How files get another name in their folder.
    pub renaming: Renaming,
    /// Whether listings come in the order of names. Nothing depends on it.
    pub is_sorted: bool,
    pub evidence: Evidence,
    /// Notes for operators.
    pub notes: &'static str,
}

/// An option, by the name that OpenDAL documents.
#[derive(Debug)]
pub struct ServiceOption {
    pub name: &'static str,
    pub is_secret: bool,
    pub is_required: bool,
    pub help: &'static str,
}

/// The kind of folders that a service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// Prefixes of names, and empty objects `name/`. A file `a` may be beside `a/b`: we do not make such.
    Flat,
    /// Like `Flat`, where a request for an object returns whatever begins with its name: a check is a
    /// listing.
    FlatByListing,
    /// Folders. Looking at one needs a `/` behind its name.
    Folders,
    /// Real folders, found by name as files are.
    FoldersByName,
}

/// How a file takes its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// An upload that has ended is the file; until then the old one is.
    Direct,
    /// Uploads grow in sight: they go into our folder, and are renamed over the old file in one step.
    Renamed,
    /// Not here, and why.
    Never(&'static str),
}

/// The longest names that a service takes, in bytes. What is longer is refused here, in words of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Longest {
    /// Between slashes.
    pub name: usize,
    /// In all, with the root.
    pub path: usize,
}

impl Longest {
    const ANY: Self = Self { name: usize::MAX, path: usize::MAX };
}

/// How bytes go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// A request body may come from disk while it is sent. Where signatures cover its length, it has to be in
    /// memory.
    pub is_streamed: bool,
    /// Larger files are uploaded in parts.
    pub parts_above: Option<u64>,
}

/// The property that shows that a file is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// A tag of the bytes, also reported with them when they are read.
    Tag,
    /// A tag of the bytes, reported only by HEAD.
    TagAside,
    /// Time and size.
    Time,
    /// Size only.
    Size,
}

/// The effect of removing a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Only the folder goes: what came into it meanwhile keeps it.
    Empty,
    /// All in it goes too: we look first, and nothing of ours is written meanwhile.
    Recursive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renaming {
    Native,
    /// The service copies, then the old name is removed.
    Copied,
    /// Through here.
    Rewritten,
}

/// The evidence by which the row was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The suites ran against a real server.
    Server(&'static str),
    /// The suites ran against a server of our own, made from the public API documents.
    Fake,
    /// Nothing ran.
    Never,
}

impl Service {
    pub fn is_read_only(&self) -> bool {
        matches!(self.writing, Writing::Never(_))
    }

    pub fn is_flat(&self) -> bool {
        matches!(self.space, Space::Flat | Space::FlatByListing)
    }
}

/// All of them, by name.
pub fn services() -> impl Iterator<Item = &'static Service> {
    [object_stores::ROWS, drives::ROWS, hadoop::ROWS, others::ROWS].into_iter().flatten()
}

pub fn service(name: &str) -> Option<&'static Service> {
    services().find(|service| service.name == name)
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

const fn required(name: &'static str, help: &'static str) -> ServiceOption {
    ServiceOption { name, is_secret: false, is_required: true, help }
}

const fn optional(name: &'static str, help: &'static str) -> ServiceOption {
    ServiceOption { name, is_secret: false, is_required: false, help }
}

const fn secret(name: &'static str, help: &'static str) -> ServiceOption {
    ServiceOption { name, is_secret: true, is_required: true, help }
}

const fn perhaps_secret(name: &'static str, help: &'static str) -> ServiceOption {
    ServiceOption { name, is_secret: true, is_required: false, help }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_has_a_name_of_its_own_and_options_that_make_sense() {
        let names: BTreeSet<_> = services().map(|service| service.name).collect();
        assert_eq!(names.len(), services().count());
        for service in services() {
            let options: BTreeSet<_> = service.options.iter().map(|option| option.name).collect();
            assert_eq!(options.len(), service.options.len(), "{}", service.name);
            let common = [
                "type",
                "root",
                "hosts",
                "timeout",
                "connect_timeout",
                "attempts",
                "max_requests",
                "rate",
                "ca_file",
            ];
            assert!(!common.iter().any(|name| options.contains(name)), "{}", service.name);
            assert!(
                service.upload.is_streamed
                    || service.upload.parts_above.unwrap_or(service.max_size) <= 16 * MIB,
                "{}",
                service.name
            );
        }
    }
}
