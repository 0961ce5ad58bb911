//! The storages that the promises are tried on. A driver is added here, and gets a row in `main`.

use crate::sshd::Sshd;
use causeway::{
    backend::{
        sftp::{HostKeys, SftpFiles, SftpSettings},
        tree::files::Files,
    },
    model::Secret,
};
use std::{any::Any, sync::Arc, time::Duration};

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
        Self { files: Arc::new(sftp(&server)), _server: Box::new(server) }
    }
}

pub fn sftp(server: &Sshd) -> SftpFiles {
    SftpFiles::open(sftp_settings(server)).expect("settings")
}

pub fn sftp_settings(server: &Sshd) -> SftpSettings {
    SftpSettings {
        host: server.address().ip().to_string(),
        port: server.address().port(),
        user: Sshd::user(),
        password: None,
        private_key: Some(Secret::new(server.key())),
        passphrase: None,
        agent: None,
        host_keys: HostKeys::Pinned(vec![server.fingerprint()]),
        root: server.root().to_str().expect("UTF-8").to_owned(),
        timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(5),
        attempts: 4,
        max_connections: 4,
        max_requests: 256,
    }
}
