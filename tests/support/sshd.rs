//! OpenSSH's own server for tests: one process for each connection, behind a port of the test, for one user
//! with generated keys.
//!
//! If the machine has no server, Debian's package is unpacked below the target directory, or installed when
//! run as root.

// Each test target uses another part of this module.
#![allow(dead_code)]

use causeway::{
    drivers::sftp::{HostKeys, SftpFiles, SftpSettings},
    model::Secret,
};
use russh::keys::{Algorithm, HashAlg, PrivateKey, ssh_key::LineEnding};
use std::{
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};
use tempfile::TempDir;

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Sshd {
    address: SocketAddr,
    dir: TempDir,
    host_key: PrivateKey,
    connections: Arc<Mutex<Option<Vec<Child>>>>,
}

impl Sshd {
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts a server with further arguments for its SFTP server: `-P hardlink` denies a request.
    pub fn with(arguments: &str) -> Self {
        Self::speaking(&format!("internal-sftp {arguments}"))
    }

    /// Starts a server with another program that speaks SFTP on its standard input and output.
    pub fn speaking(subsystem: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("root")).expect("a directory");
        let host_key = new_key(&path("host_key"));
        let key = new_key(&path("key"));
        let authorized = key.public_key().to_openssh().expect("a public key");
        std::fs::write(path("authorized_keys"), authorized).expect("a file");
        let configuration = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin yes\nSubsystem sftp {subsystem}\nLogLevel VERBOSE\n",
            path("host_key").display(),
            path("authorized_keys").display(),
        );
        std::fs::write(path("sshd_config"), configuration).expect("a file");

        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(Mutex::new(Some(Vec::new())));
        let (children, home) = (connections.clone(), dir.path().to_owned());
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let mut children = children.lock().expect("no panic");
                let Some(children) = children.as_mut() else { return };
                let second = client.try_clone().expect("a second handle");
                let child = Command::new(&*BINARY)
                    .args(["-i", "-f"])
                    .arg(home.join("sshd_config"))
                    .arg("-E")
                    .arg(home.join("log"))
                    .stdin(Stdio::from(OwnedFd::from(client)))
                    .stdout(Stdio::from(OwnedFd::from(second)))
                    .stderr(Stdio::null())
                    .spawn();
                children.push(child.expect("sshd starts"));
            }
        });
        Self { address, dir, host_key, connections }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory that tests use.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// The file with the user's private key.
    pub fn key_file(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    pub fn key(&self) -> String {
        std::fs::read_to_string(self.key_file()).expect("a key")
    }

    pub fn fingerprint(&self) -> String {
        self.host_key.public_key().fingerprint(HashAlg::Sha256).to_string()
    }

    /// The host key as in `known_hosts`, without the name of the host.
    pub fn host_key(&self) -> String {
        self.host_key.public_key().to_openssh().expect("a public key")
    }

    pub fn user() -> String {
        let id = Command::new("id").arg("-un").output().expect("id");
        String::from_utf8(id.stdout).expect("a name").trim().to_owned()
    }

    /// The settings of the driver.
    pub fn settings(&self) -> SftpSettings {
        SftpSettings {
            host: self.address.ip().to_string(),
            port: self.address.port(),
            user: Self::user(),
            password: None,
            private_key: Some(Secret::new(self.key())),
            passphrase: None,
            agent: None,
            host_keys: HostKeys::Pinned(vec![self.fingerprint()]),
            root: self.root().to_str().expect("UTF-8").to_owned(),
            timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            attempts: 4,
            max_connections: 4,
            max_requests: 256,
        }
    }

    pub fn files(&self) -> SftpFiles {
        SftpFiles::open(self.settings()).expect("settings")
    }

    /// The number of connections so far.
    pub fn connections(&self) -> usize {
        self.connections.lock().expect("no panic").as_ref().map_or(0, Vec::len)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        for mut child in self.connections.lock().expect("no panic").take().unwrap_or_default() {
            // The process may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
        // The connection wakes the thread, which then ends.
        let _ = std::net::TcpStream::connect(self.address);
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            eprintln!(
                "--- the end of sshd's log ---\n{}",
                lines[lines.len().saturating_sub(30)..].join("\n")
            );
        }
    }
}

pub fn new_key(path: &Path) -> PrivateKey {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).expect("a key");
    std::fs::write(path, key.to_openssh(LineEnding::LF).expect("a key").as_bytes()).expect("a file");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path, private).expect("permissions");
    key
}

/// The machine's sshd, or that of Debian's package as `make test-setup` unpacked it.
static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    // As root, sshd needs this directory for its processes without rights.
    let _ = std::fs::create_dir_all("/run/sshd");
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openssh-server");
    let places = [PathBuf::from("/usr/sbin/sshd"), "/usr/bin/sshd".into(), unpacked.join("usr/sbin/sshd")];
    let found = places.into_iter().find(|path| path.exists());
    found.expect("no OpenSSH server (sshd) is here: run 'make test-setup'")
});
