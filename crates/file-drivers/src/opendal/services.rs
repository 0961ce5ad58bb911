//! The services that OpenDAL's drivers reach: one row for each, with everything that is known of it.
//! Settings, the driver and the page `docs/guide/services.md` are made from this table; there is no other
//! source.

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
    /// Which characters OpenDAL passes unchanged and the service accepts in names.
    pub names: Names,
    pub folds_names: bool,
    pub space: Space,
    pub writing: Writing,
    pub upload: Upload,
    pub longest: Longest,
    /// The size of the largest file, in bytes.
    pub max_size: u64,
    pub identity: Identity,
    /// The precision of times, in milliseconds, wherever the service reports one.
    pub precision: i64,
    pub removal: Removal,
    /// How a file is renamed within its folder.
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
    /// Prefixes of names, and empty objects `name/`. The storage could have a file `a` beside `a/b`; the
    /// gateway never creates both.
    Flat,
    /// Prefixes as for `Flat`. A request for an object returns everything whose name begins with it, so a
    /// check needs a listing.
    FlatByListing,
    /// Real folders. A request for one needs a `/` at the end of its name.
    Folders,
    /// Real folders, found by name as files are.
    FoldersByName,
}

/// How a file gets its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// A complete upload replaces the file in one step; the old file stays visible until then.
    Direct,
    /// Incomplete uploads are visible: a file is uploaded into the driver's own folder and renamed over the
    /// old file in one step.
    Renamed,
    /// The service is never written to, for this reason.
    Never(&'static str),
}

/// The longest names that a service accepts, in bytes. Longer ones are refused before a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Longest {
    /// The longest part between two slashes.
    pub name: usize,
    /// The longest path, including the root.
    pub path: usize,
}

impl Longest {
    const ANY: Self = Self { name: usize::MAX, path: usize::MAX };
}

/// How bytes are sent to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// The body of a request may be read from disk while it is sent. Where signatures cover the body's
    /// length, it has to be in memory.
    pub is_streamed: bool,
    /// Larger files are uploaded in parts.
    pub parts_above: Option<u64>,
}

/// The property that shows that a file is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// A tag of the bytes, which also comes with them when they are read.
    Tag,
    /// A tag of the bytes that only HEAD reports.
    TagAside,
    /// The time and the size.
    Time,
    /// The size only.
    Size,
}

/// The effect of a request to remove a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Only an empty folder is removed: a file that is created meanwhile keeps it.
    Empty,
    /// The content is removed too: the folder is checked first, and this process writes nothing meanwhile.
    Recursive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renaming {
    Native,
    /// The service copies the file, then the old name is removed.
    Copied,
    /// The file is downloaded and uploaded by this process.
    Rewritten,
}

/// How the row was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The suites ran against a real server.
    Server(&'static str),
    /// The suites ran against a server of this project, made from the public API documents.
    Fake,
    /// No suite ran.
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

/// Returns all services, by name.
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
