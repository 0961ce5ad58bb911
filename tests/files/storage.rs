//! The storages that the promises are tried on. A driver is added here, and gets a row in `main`.

use crate::{
    dav::{Dav, DavFolder},
    dropbox::FakeDropbox,
    ftpd::{Ftpd, Place},
    gdrive::FakeDrive,
    onedrive::{FakeOnedrive, Manners},
    sshd::Sshd,
};
use causeway::backend::{
    dropbox::{DropboxFiles, DropboxSettings},
    gdrive::{GdriveFiles, GdriveSettings},
    onedrive::OnedriveFiles,
    tree::files::Files,
};
use std::{any::Any, sync::Arc};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sftp,
    /// As servers that know little more than version 3 of the protocol.
    PlainSftp,
    Apache,
    Wsgidav,
    Rclone,
    /// Google Drive, or what we make of its documentation.
    Drive,
    SharedDrive,
    Ftp,
    Ftps,
    /// As servers that know little more than RFC 959.
    OldFtp,
    FtpOfRclone,
    FtpOfVsftpd,
    /// OneDrive, or what we make of its documentation.
    Onedrive,
    /// A document library that replaces nothing on a move, encodes paths and tells no hashes.
    Library,
    /// Dropbox, or what we make of its documentation.
    Dropbox,
}

/// Empty, and gone when it is dropped.
pub struct Storage {
    pub files: Arc<dyn Files>,
    _server: Box<dyn Any + Send + Sync>,
}

impl Storage {
    pub async fn open(kind: Kind) -> Self {
        match kind {
            Kind::Sftp => Self::sftp(Sshd::start()),
            Kind::PlainSftp => Self::sftp(Sshd::with("-P hardlink,fsync,statvfs,copy-data,limits")),
            Kind::Ftp => Self::ftp(Ftpd::shared()),
            Kind::Ftps => Self::ftp(Ftpd::explicit()),
            Kind::OldFtp => Self::ftp(Ftpd::old()),
            Kind::FtpOfRclone => Self::ftp(Ftpd::rclone()),
            Kind::FtpOfVsftpd => Self::ftp(Ftpd::vsftpd()),
            Kind::Apache => Self::webdav(Dav::apache().folder()),
            Kind::Wsgidav => Self::webdav(Dav::wsgidav().folder()),
            Kind::Rclone => Self::webdav(Dav::rclone().folder()),
            Kind::Drive => {
                let drive = FakeDrive::start();
                Self { files: Arc::new(drive.files()), _server: Box::new(drive) }
            }
            Kind::Onedrive => {
                let drive = FakeOnedrive::start();
                Self { files: Arc::new(drive.files()), _server: Box::new(drive) }
            }
            Kind::Library => {
                let drive = FakeOnedrive::with(Manners { replaces: false, encodes_paths: true, tells_hashes: false });
                Self { files: Arc::new(onedrive_library(&drive)), _server: Box::new(drive) }
            }
            Kind::Dropbox => {
                let dropbox = FakeDropbox::start();
                let settings = DropboxSettings { root: "objects of/everybody".into(), ..dropbox.settings() };
                Self { files: Arc::new(DropboxFiles::new(settings).expect("settings")), _server: Box::new(dropbox) }
            }
            Kind::SharedDrive => {
                let drive = FakeDrive::start();
                let shared = Some(drive.share_drive("team"));
                let settings = GdriveSettings { drive: shared, root: "objects of/everybody".into(), trash: false, ..drive.settings() };
                Self { files: Arc::new(GdriveFiles::new(settings).expect("settings")), _server: Box::new(drive) }
            }
        }
    }

    fn ftp(place: Place) -> Self {
        Self { files: Arc::new(place.files()), _server: Box::new(place) }
    }

    fn sftp(server: Sshd) -> Self {
        Self { files: Arc::new(server.files()), _server: Box::new(server) }
    }

    fn webdav(folder: DavFolder) -> Self {
        Self { files: Arc::new(folder.files()), _server: Box::new(folder) }
    }
}

pub fn onedrive_library(drive: &FakeOnedrive) -> OnedriveFiles {
    OnedriveFiles::new(drive.library()).expect("settings")
}
