//! FTP servers for tests: pyftpdlib with all its features or with fewer, rclone's, and vsftpd where Debian's
//! package is available. There is one of each per test binary, in which every test has a folder of its own.

// Each test target uses another part of this module.
#![allow(dead_code)]

use super::upstream::{Leashed, installed};
use causeway::{
    drivers::ftp::{FtpFiles, FtpSettings, Tls},
    model::Secret,
};
use std::{
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

pub const USER: &str = "user";
pub const PASSWORD: &str = "pass word";

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Ftpd {
    pub address: SocketAddr,
    pub tls: Tls,
    user: &'static str,
    dir: TempDir,
    _server: Option<Leashed>,
}

/// An empty folder on a server.
#[derive(Debug)]
pub struct Place {
    pub server: &'static Ftpd,
    name: String,
}

/// The servers; options are those of `ftpd.py`.
impl Ftpd {
    /// pyftpdlib with all its features: MLSD, REST and others.
    pub fn shared() -> Place {
        static ONE: OnceLock<Ftpd> = OnceLock::new();
        Place::on(ONE.get_or_init(|| Self::start(Tls::None, &[])))
    }

    pub fn explicit() -> Place {
        static ONE: OnceLock<Ftpd> = OnceLock::new();
        Place::on(ONE.get_or_init(|| Self::start(Tls::Explicit, &[])))
    }

    pub fn implicit() -> Place {
        static ONE: OnceLock<Ftpd> = OnceLock::new();
        Place::on(ONE.get_or_init(|| Self::start(Tls::Implicit, &[])))
    }

    /// A server like those of the last century: LIST for people, no EPSV, no REST.
    pub fn old() -> Place {
        static ONE: OnceLock<Ftpd> = OnceLock::new();
        Place::on(ONE.get_or_init(|| {
            Self::start(Tls::None, &["--without", "MLST", "MLSD", "EPSV", "REST", "FEAT", "OPTS"])
        }))
    }

    pub fn rclone() -> Place {
        static ONE: OnceLock<Ftpd> = OnceLock::new();
        Place::on(ONE.get_or_init(Self::start_rclone))
    }

    pub fn vsftpd() -> Place {
        static ONE: OnceLock<Ftpd> = OnceLock::new();
        Place::on(ONE.get_or_init(Self::start_vsftpd))
    }

    /// Starts a server for one test.
    pub fn start(tls: Tls, options: &[&str]) -> Self {
        let dir = new_dir();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/ftpd.py");
        let mut command = Command::new(installed("pyftpdlib").join("bin/python"));
        command.arg(script).arg(dir.path().join("root")).args(options).env("PYTHONUNBUFFERED", "1");
        if tls != Tls::None {
            command
                .arg("--certificate")
                .arg(dir.path().join("certificate.pem"))
                .arg(dir.path().join("key.pem"));
        }
        if tls == Tls::Implicit {
            command.arg("--implicit");
        }
        let mut server = Leashed::spawn(command, dir.path());
        let address = server.wait_for(|log| {
            let (_, rest) = log.split_once(" server on ")?;
            rest.split_once(',').and_then(|(address, _)| address.parse().ok())
        });
        Self { address, tls, user: USER, dir, _server: Some(server) }
    }

    fn start_rclone() -> Self {
        let dir = new_dir();
        // rclone does not accept port 0.
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let mut command = Command::new(installed("rclone").join("bin/rclone"));
        command.args([
            "serve",
            "ftp",
            "-v",
            "--config",
            "",
            "--vfs-cache-mode",
            "off",
            "--user",
            USER,
            "--pass",
            PASSWORD,
        ]);
        command.arg("--addr").arg(address.to_string()).arg(dir.path().join("root"));
        let mut server = Leashed::spawn(command, dir.path());
        server.wait_for(|log| log.contains("listening on").then_some(()));
        Self { address, tls: Tls::None, user: USER, dir, _server: Some(server) }
    }

    /// A vsftpd for each connection, behind a port of the test, for anonymous users with all rights.
    fn start_vsftpd() -> Self {
        let dir = new_dir();
        let owner = Command::new("id").arg("-un").output().expect("id");
        let is_root = owner.stdout.starts_with(b"root");
        let as_whom = if is_root { "ftp_username=daemon\n" } else { "run_as_launching_user=YES\n" };
        if is_root {
            // vsftpd requires that its anonymous user cannot write to the root. That user may write below it.
            let _ = Command::new("chown").args(["-R", "daemon"]).arg(dir.path().join("root/below")).status();
            let traversable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(dir.path(), traversable).expect("permissions");
        }
        let configuration = format!(
            "listen=NO\nlisten_ipv6=NO\nanonymous_enable=YES\nlocal_enable=NO\nno_anon_password=NO\nwrite_enable=YES\n\
             anon_upload_enable=YES\nanon_mkdir_write_enable=YES\nanon_other_write_enable=YES\nanon_world_readable_only=NO\n\
             anon_umask=022\nanon_root={}\nsecure_chroot_dir={}\nallow_writeable_chroot=YES\nseccomp_sandbox=NO\n{as_whom}",
            dir.path().join("root").display(),
            dir.path().join("empty").display(),
        );
        std::fs::create_dir(dir.path().join("empty")).expect("a directory");
        let file = dir.path().join("vsftpd.conf");
        std::fs::write(&file, configuration).expect("a file");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let binary = vsftpd();
        // The thread runs as long as the tests do; each vsftpd ends with its connection.
        std::thread::spawn(move || {
            let children = Mutex::new(Vec::new());
            while let Ok((client, _)) = listener.accept() {
                let second = client.try_clone().expect("a second handle");
                let child = Command::new(&binary)
                    .arg(&file)
                    .stdin(Stdio::from(OwnedFd::from(client)))
                    .stdout(Stdio::from(OwnedFd::from(second)))
                    .stderr(Stdio::null())
                    .spawn();
                let mut children = children.lock().expect("no panic");
                children.retain_mut(|child: &mut std::process::Child| matches!(child.try_wait(), Ok(None)));
                children.push(child.expect("vsftpd starts"));
            }
        });
        Self { address, tls: Tls::None, user: "anonymous", dir, _server: None }
    }

    /// The settings of the driver.
    pub fn settings(&self) -> FtpSettings {
        FtpSettings {
            port: self.address.port(),
            user: self.user.to_owned(),
            tls: self.tls,
            ca_file: (self.tls != Tls::None).then(|| self.dir.path().join("certificate.pem")),
            ..Self::nowhere()
        }
    }

    /// Settings for a server of a test; the test has to set the port.
    pub fn nowhere() -> FtpSettings {
        FtpSettings {
            host: "127.0.0.1".to_owned(),
            port: 0,
            user: USER.to_owned(),
            password: Some(Secret::new(PASSWORD)),
            root: "/".to_owned(),
            tls: Tls::None,
            ca_file: None,
            timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            attempts: 4,
            max_connections: 8,
        }
    }

    /// The directory that the server serves.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }
}

impl Place {
    fn on(server: &'static Ftpd) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self { server, name: format!("below/place-{}", NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    pub fn settings(&self) -> FtpSettings {
        FtpSettings { root: format!("/{}", self.name), ..self.server.settings() }
    }

    pub fn files(&self) -> FtpFiles {
        FtpFiles::open(self.settings()).expect("settings")
    }

    /// The folder on local disk.
    pub fn root(&self) -> PathBuf {
        self.server.root().join(&self.name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Files that are still open are removed with the server.
        let _ = std::fs::remove_dir_all(self.root());
    }
}

/// A directory with a folder `root/below`, and a certificate for 127.0.0.1.
fn new_dir() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(dir.path().join("root/below")).expect("a directory");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    std::fs::write(dir.path().join("certificate.pem"), made.cert.pem()).expect("a file");
    std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
    dir
}

/// The machine's vsftpd, or that of Debian's package as `make test-setup` unpacked it.
fn vsftpd() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vsftpd");
    let places = [PathBuf::from("/usr/sbin/vsftpd"), unpacked.join("usr/sbin/vsftpd")];
    let found = places.into_iter().find(|path| path.exists());
    found.expect("no vsftpd is here: run 'make test-setup'")
}
