//! The types of backends: a table with one row per type, and one value for all of them.
//!
//! Owns the sections of directories, of storage in memory and of the one that keeps nothing. The sections of other types are in a file each.
//! Services that OpenDAL reaches are a table of their driver's; see `services`.

use super::{
    dropbox::DropboxBackend,
    error::ConfigErrors,
    faulty::FaultyBackend,
    ftp::FtpBackend,
    gdrive::GdriveBackend,
    object_stores::{AzblobBackend, GcsBackend, S3Backend},
    onedrive::OnedriveBackend,
    replicated::ReplicatedBackend,
    section::{Fallback, Reader, Row, Section, section},
    services::ServiceBackend,
    sftp::SftpBackend,
    unit::Size,
    value::{FileMode, Setting},
    webdav::WebdavBackend,
};
use crate::store::Durability;
use Fallback::{Required, Text, Unset};
use std::path::PathBuf;

section! {
    /// `type = "fs"`: a directory. Object `a/b.jpg` of a bucket is the file `a/b.jpg` in the bucket's
    /// directory.
    FsBackend {
        /// The directory that holds the buckets. It is created if it does not exist.
        root: PathBuf = Required,
        /// Like `server.durability`, for this backend.
        durability: Option<Durability> = Unset("that of `server`"),
        /// Whether directories that are in `root` at the start, and are not buckets yet, become buckets of
        /// the first administrator. Without this setting, or without an administrator, only `causeway bucket
        /// adopt` makes buckets of them.
        adopt: bool = Text("true"),
        /// The mode of the files of objects, as `chmod` takes it. Files that are not objects yet, and all
        /// files in `.causeway`, always have `0600`. Files created outside Causeway keep their mode until
        /// they are replaced.
        file_mode: FileMode = Text("0600"),
        /// The mode of directories that are created for buckets and objects.
        directory_mode: FileMode = Text("0700"),
    }
}

impl FsBackend {
    /// Returns the settings of a root, with everything else at its default.
    pub(super) fn at(root: PathBuf) -> Self {
        Self {
            root,
            durability: None,
            adopt: true,
            file_mode: FileMode(0o600),
            directory_mode: FileMode(0o700),
        }
    }
}

section! {
    /// `type = "memory"`: keeps objects in memory. For tests: everything is lost when the server stops.
    MemoryBackend {}
}

section! {
    /// `type = "null"`: keeps nothing. For measuring what the protocol costs without a storage: every body is
    /// read, verified and dropped, every key has an object of zeros, and every bucket lists the same keys.
    /// Conditional writes, tags and ACLs are answered 501.
    NullBackend {
        /// The size of every object.
        object_size: Size = Text("4KiB"),
        /// The number of keys that every bucket lists: numbers with leading zeros. A bucket that lists keys
        /// cannot be deleted.
        keys: Option<usize> = Unset("none"),
    }
}

/// `[backend.NAME]`, by its `type`.
#[derive(Debug, Clone, PartialEq)]
pub enum Backend {
    Fs(FsBackend),
    Memory(MemoryBackend),
    Null(NullBackend),
    S3(S3Backend),
    Gcs(GcsBackend),
    Azblob(AzblobBackend),
    Sftp(SftpBackend),
    Webdav(WebdavBackend),
    Gdrive(GdriveBackend),
    Ftp(FtpBackend),
    Onedrive(OnedriveBackend),
    Dropbox(DropboxBackend),
    Faulty(FaultyBackend),
    Replicated(ReplicatedBackend),
    /// A service that OpenDAL reaches.
    Service(ServiceBackend),
}

/// The table of types. A new type of backend adds a section, a variant and a row.
pub(super) struct BackendType {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) rows: &'static [Row],
    pub(super) read: fn(&mut Reader<'_>) -> Result<Backend, ConfigErrors>,
}

pub(super) const BACKEND_TYPES: &[BackendType] = &[
    BackendType {
        name: "fs",
        about: FsBackend::ABOUT,
        rows: FsBackend::ROWS,
        read: |reader| FsBackend::read(reader).map(Backend::Fs),
    },
    BackendType {
        name: "memory",
        about: MemoryBackend::ABOUT,
        rows: MemoryBackend::ROWS,
        read: |reader| MemoryBackend::read(reader).map(Backend::Memory),
    },
    BackendType {
        name: "null",
        about: NullBackend::ABOUT,
        rows: NullBackend::ROWS,
        read: |reader| NullBackend::read(reader).map(Backend::Null),
    },
    BackendType {
        name: "s3",
        about: S3Backend::ABOUT,
        rows: S3Backend::ROWS,
        read: |reader| S3Backend::read(reader).map(Backend::S3),
    },
    BackendType {
        name: "gcs",
        about: GcsBackend::ABOUT,
        rows: GcsBackend::ROWS,
        read: |reader| GcsBackend::read(reader).map(Backend::Gcs),
    },
    BackendType {
        name: "azblob",
        about: AzblobBackend::ABOUT,
        rows: AzblobBackend::ROWS,
        read: |reader| AzblobBackend::read(reader).map(Backend::Azblob),
    },
    BackendType {
        name: "sftp",
        about: SftpBackend::ABOUT,
        rows: SftpBackend::ROWS,
        read: |reader| SftpBackend::read(reader).map(Backend::Sftp),
    },
    BackendType {
        name: "webdav",
        about: WebdavBackend::ABOUT,
        rows: WebdavBackend::ROWS,
        read: |reader| WebdavBackend::read(reader).map(Backend::Webdav),
    },
    BackendType {
        name: "gdrive",
        about: GdriveBackend::ABOUT,
        rows: GdriveBackend::ROWS,
        read: |reader| GdriveBackend::read(reader).map(Backend::Gdrive),
    },
    BackendType {
        name: "ftp",
        about: FtpBackend::ABOUT,
        rows: FtpBackend::ROWS,
        read: |reader| FtpBackend::read(reader).map(Backend::Ftp),
    },
    BackendType {
        name: "onedrive",
        about: OnedriveBackend::ABOUT,
        rows: OnedriveBackend::ROWS,
        read: |reader| OnedriveBackend::read(reader).map(Backend::Onedrive),
    },
    BackendType {
        name: "dropbox",
        about: DropboxBackend::ABOUT,
        rows: DropboxBackend::ROWS,
        read: |reader| DropboxBackend::read(reader).map(Backend::Dropbox),
    },
    BackendType {
        name: "faulty",
        about: FaultyBackend::ABOUT,
        rows: FaultyBackend::ROWS,
        read: |reader| FaultyBackend::read(reader).map(Backend::Faulty),
    },
    BackendType {
        name: "replicated",
        about: ReplicatedBackend::ABOUT,
        rows: ReplicatedBackend::ROWS,
        read: |reader| ReplicatedBackend::read(reader).map(Backend::Replicated),
    },
];

impl Backend {
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Fs(_) => "fs",
            Self::Memory(_) => "memory",
            Self::Null(_) => "null",
            Self::S3(_) => "s3",
            Self::Gcs(_) => "gcs",
            Self::Azblob(_) => "azblob",
            Self::Sftp(_) => "sftp",
            Self::Webdav(_) => "webdav",
            Self::Gdrive(_) => "gdrive",
            Self::Ftp(_) => "ftp",
            Self::Onedrive(_) => "onedrive",
            Self::Dropbox(_) => "dropbox",
            Self::Faulty(_) => "faulty",
            Self::Replicated(_) => "replicated",
            Self::Service(service) => service.service.name,
        }
    }

    /// Returns the backends that this backend consists of.
    pub fn over(&self) -> Vec<&str> {
        match self {
            Self::Faulty(faulty) => vec![&faulty.backend],
            Self::Replicated(replicated) => replicated.backends.0.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the address of the storage, in words for an operator.
    pub fn address(&self) -> String {
        match self {
            Self::Fs(fs) => fs.root.display().to_string(),
            Self::Memory(_) => "memory".to_owned(),
            Self::Null(_) => "null".to_owned(),
            Self::S3(s3) => {
                s3.endpoint.as_ref().map_or_else(|| format!("AWS {}", s3.region), ToString::to_string)
            }
            Self::Gcs(gcs) => gcs.endpoint.to_string(),
            Self::Azblob(azblob) => match (&azblob.endpoint, &azblob.account) {
                (Some(endpoint), _) => endpoint.to_string(),
                (None, Some(account)) => format!("https://{account}.blob.core.windows.net"),
                (None, None) => "(its connection string says where)".to_owned(),
            },
            Self::Sftp(sftp) => sftp.address(),
            Self::Webdav(webdav) => webdav.url.to_string(),
            Self::Gdrive(gdrive) => {
                let place =
                    gdrive.folder.as_ref().or(gdrive.drive.as_ref()).map_or("My Drive", String::as_str);
                join(format!("Google Drive: {place}"), gdrive.root.trim_matches('/'))
            }
            Self::Ftp(ftp) => ftp.address(),
            Self::Onedrive(onedrive) => {
                let place = onedrive.drive.as_deref().unwrap_or("the person's own");
                join(format!("OneDrive: {place}"), onedrive.root.trim_matches('/'))
            }
            Self::Dropbox(dropbox) => join("Dropbox".to_owned(), dropbox.root.trim_matches('/')),
            Self::Faulty(faulty) => format!("backend '{}'", faulty.backend),
            Self::Replicated(replicated) => format!("backends {}", replicated.backends.0.join(", ")),
            Self::Service(service) => service.address(),
        }
    }

    /// Like `address`, with the bucket or container if the backend has just one.
    pub fn location(&self) -> String {
        join(self.address(), self.shared().unwrap_or_default())
    }

    /// Returns the one remote bucket or container that holds all of this backend's buckets, if there is one.
    pub fn shared(&self) -> Option<&str> {
        match self {
            Self::Fs(_)
            | Self::Memory(_)
            | Self::Null(_)
            | Self::Sftp(_)
            | Self::Ftp(_)
            | Self::Webdav(_)
            | Self::Gdrive(_) => None,
            Self::Onedrive(_)
            | Self::Dropbox(_)
            | Self::Service(_)
            | Self::Faulty(_)
            | Self::Replicated(_) => None,
            Self::S3(s3) => s3.bucket.as_deref(),
            Self::Gcs(gcs) => gcs.bucket.as_deref(),
            Self::Azblob(azblob) => azblob.container.as_deref(),
        }
    }

    /// Returns whether the storage has buckets or containers of its own.
    pub fn is_object_store(&self) -> bool {
        matches!(self, Self::S3(_) | Self::Gcs(_) | Self::Azblob(_))
    }

    pub(super) fn show(&self) -> Vec<(&'static str, Option<String>)> {
        match self {
            Self::Fs(fs) => fs.show(),
            Self::Memory(memory) => memory.show(),
            Self::Null(null) => null.show(),
            Self::S3(s3) => s3.show(),
            Self::Gcs(gcs) => gcs.show(),
            Self::Azblob(azblob) => azblob.show(),
            Self::Sftp(sftp) => sftp.show(),
            Self::Webdav(webdav) => webdav.show(),
            Self::Gdrive(gdrive) => gdrive.show(),
            Self::Ftp(ftp) => ftp.show(),
            Self::Onedrive(onedrive) => onedrive.show(),
            Self::Dropbox(dropbox) => dropbox.show(),
            Self::Faulty(faulty) => faulty.show(),
            Self::Replicated(replicated) => replicated.show(),
            Self::Service(service) => service.show(),
        }
    }
}

/// A place inside another one: `outer/inner`.
pub(super) fn join(outer: String, inner: &str) -> String {
    if inner.is_empty() { outer } else { format!("{}/{inner}", outer.trim_end_matches('/')) }
}
