//! WebDAV servers of other projects, each over a directory: one of each per test binary, with a folder for
//! every test.

// Each test target uses another part of this module.
#![allow(dead_code)]

use super::{
    apache,
    upstream::{Leashed, installed},
};
use causeway::{
    backend::WireSettings,
    drivers::webdav::{Access, WebdavFiles, WebdavSettings},
    model::{Endpoint, Secret},
};
use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};
use tempfile::TempDir;

pub const USER: &str = "alice";
pub const PASSWORD: &str = "open sesame";

#[derive(Debug)]
pub struct Dav {
    address: String,
    /// The server cannot move files to names that contain marks.
    escapes_marks: bool,
    leashed: Leashed,
    dir: TempDir,
}

/// The number of folders, which suffices for the tests of one binary.
const FOLDERS: usize = 1000;

/// The name contains a blank, which URLs encode, to test the encoding.
fn folder_name(n: usize) -> String {
    format!("test {n}")
}

/// A folder that belongs to one test.
#[derive(Debug)]
pub struct DavFolder {
    pub url: String,
    /// The same folder on disk.
    pub path: PathBuf,
    escapes_marks: bool,
}

impl DavFolder {
    pub fn settings(&self) -> WebdavSettings {
        WebdavSettings {
            url: Endpoint::parse(&self.url).expect("an address"),
            access: Access::Basic { user: USER.into(), password: Secret::new(PASSWORD) },
            escapes_marks: self.escapes_marks,
            wire: WireSettings::default(),
        }
    }

    pub fn files(&self) -> WebdavFiles {
        WebdavFiles::new(self.settings()).expect("settings")
    }
}

impl Dav {
    pub fn apache() -> &'static Self {
        static ONE: OnceLock<Dav> = OnceLock::new();
        ONE.get_or_init(|| {
            let (dir, data) = Self::data();
            let (command, address) = apache::command(&data);
            let mut leashed = Leashed::spawn(command, dir.path());
            leashed.wait_for(|_| TcpStream::connect(address).ok());
            Self { address: address.to_string(), escapes_marks: false, leashed, dir }
        })
    }

    pub fn wsgidav() -> &'static Self {
        static ONE: OnceLock<Dav> = OnceLock::new();
        ONE.get_or_init(|| {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/serve_wsgidav.py");
            Self::start("serving on http://", true, |data| {
                let mut command = Command::new(installed("wsgidav").join("bin/python"));
                command.arg(script).arg(data).args([USER, PASSWORD]);
                command
            })
        })
    }

    pub fn rclone() -> &'static Self {
        static ONE: OnceLock<Dav> = OnceLock::new();
        ONE.get_or_init(|| {
            Self::start("WebDav Server started on [http://", false, |data| {
                let mut command = Command::new(installed("rclone").join("bin/rclone"));
                command.args([
                    "serve",
                    "webdav",
                    "--config",
                    "",
                    "--addr",
                    "127.0.0.1:0",
                    "--user",
                    USER,
                    "--pass",
                    PASSWORD,
                ]);
                command.arg(data);
                command
            })
        })
    }

    fn data() -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let data = dir.path().join("data");
        // The folders are created before the server starts, because some servers remember missing folders.
        for n in 0..FOLDERS {
            std::fs::create_dir_all(data.join(folder_name(n))).expect("a directory");
        }
        (dir, data)
    }

    fn start(listens: &str, escapes_marks: bool, command: impl FnOnce(&Path) -> Command) -> Self {
        let (dir, data) = Self::data();
        let mut leashed = Leashed::spawn(command(&data), dir.path());
        let address = leashed.wait_for(|log| {
            let (_, rest) = log.split_once(listens)?;
            let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ':')))?;
            Some(rest[..end].to_owned())
        });
        Self { address, escapes_marks, leashed, dir }
    }

    pub fn folder(&self) -> DavFolder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(n < FOLDERS, "more tests than folders");
        let name = folder_name(n);
        let path = self.dir.path().join("data").join(&name);
        DavFolder {
            url: format!("http://{}/{}", self.address, name.replace(' ', "%20")),
            path,
            escapes_marks: self.escapes_marks,
        }
    }
}
