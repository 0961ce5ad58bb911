//! The storages that the promises are tried on. A driver is added here, and gets a row in `main`.

use crate::{
    clouds::b2::{self, B2},
    sshd::Sshd,
};
use causeway::backend::{opendal::OpenDalFiles, tree::files::Files};
use std::{any::Any, path::Path, sync::Arc};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sftp,
    /// As servers that know little more than version 3 of the protocol.
    PlainSftp,
    B2,
}

/// Empty, and gone when it is dropped.
pub struct Storage {
    pub files: Arc<dyn Files>,
    _server: Box<dyn Any + Send + Sync>,
}

impl Storage {
    pub async fn open(kind: Kind) -> Self {
        let server = match kind {
            Kind::Sftp => Sshd::start(),
            Kind::PlainSftp => Sshd::with("-P hardlink,fsync,statvfs,copy-data,limits"),
            Kind::B2 => return Self::cloud(B2::start(), b2::driver),
        };
        Self { files: Arc::new(server.files()), _server: Box::new(server) }
    }

    fn cloud<F: Send + Sync + 'static>(fake: F, driver: impl FnOnce(&F, &Path) -> OpenDalFiles) -> Self {
        let spool = tempfile::tempdir().expect("a directory");
        Self { files: Arc::new(driver(&fake, spool.path())), _server: Box::new((fake, spool)) }
    }
}
