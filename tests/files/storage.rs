//! The storages that the promises are tried on. A driver is added here, and gets a row in `main`.

use crate::{ftpd::Ftpd, sshd::Sshd};
use causeway::backend::tree::files::Files;
use std::{any::Any, sync::Arc};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sftp,
    /// As servers that know little more than version 3 of the protocol.
    PlainSftp,
    Ftp,
    Ftps,
    /// As servers that know little more than RFC 959.
    OldFtp,
    FtpOfRclone,
    FtpOfVsftpd,
}

/// Empty, and gone when it is dropped.
pub struct Storage {
    pub files: Arc<dyn Files>,
    _server: Box<dyn Any + Send + Sync>,
}

impl Storage {
    pub async fn open(kind: Kind) -> Self {
        let place = match kind {
            Kind::Ftp => Some(Ftpd::shared()),
            Kind::Ftps => Some(Ftpd::explicit()),
            Kind::OldFtp => Some(Ftpd::old()),
            Kind::FtpOfRclone => Some(Ftpd::rclone()),
            Kind::FtpOfVsftpd => Some(Ftpd::vsftpd()),
            Kind::Sftp | Kind::PlainSftp => None,
        };
        if let Some(place) = place {
            return Self { files: Arc::new(place.files()), _server: Box::new(place) };
        }
        let server = match kind {
            Kind::PlainSftp => Sshd::with("-P hardlink,fsync,statvfs,copy-data,limits"),
            _ => Sshd::start(),
        };
        Self { files: Arc::new(server.files()), _server: Box::new(server) }
    }
}
