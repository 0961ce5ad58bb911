//! The storages that the promises are tried on. A driver is added here, and gets a row in `main`.

use crate::{
    clouds::{
        self,
        b2::{self, B2},
        pcloud::{self, Pcloud},
        yandex::{self, Yandex},
    },
    sshd::Sshd,
    upstream::Upstream,
};
use causeway::backend::{opendal::OpenDalFiles, tree::files::Files};
use std::{
    any::Any,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sftp,
    /// As servers that know little more than version 3 of the protocol.
    PlainSftp,
    B2,
    Pcloud,
    Swift,
    Yandex,
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
            Kind::Pcloud => return Self::cloud(Pcloud::start(), pcloud::driver),
            Kind::Swift => {
                static NEXT: AtomicUsize = AtomicUsize::new(0);
                let root = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
                return Self::cloud(Upstream::swift(), |server, spool| clouds::swift(&server.endpoint(), &root, spool));
            }
            Kind::Yandex => return Self::cloud(Yandex::start(), yandex::driver),
        };
        Self { files: Arc::new(server.files()), _server: Box::new(server) }
    }

    fn cloud<F: Send + Sync + 'static>(fake: F, driver: impl FnOnce(&F, &Path) -> OpenDalFiles) -> Self {
        let spool = tempfile::tempdir().expect("a directory");
        Self { files: Arc::new(driver(&fake, spool.path())), _server: Box::new((fake, spool)) }
    }
}
