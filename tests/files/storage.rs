//! The storages that the promises are tried on. A driver is added here, and gets a row in `main`.

use crate::sshd::Sshd;
use causeway::backend::tree::files::Files;
use std::{any::Any, sync::Arc};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sftp,
    /// As servers that know little more than version 3 of the protocol.
    PlainSftp,
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
        };
        Self { files: Arc::new(server.files()), _server: Box::new(server) }
    }
}
