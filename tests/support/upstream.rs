//! Storage servers behind the gateway under test: real processes on ports of their own, one of each per test
//! binary.
//!
//! They end with the test binary, however that ends: beside each, a shell waits until a pipe from the test
//! closes, and then kills the server.

// Each test target uses another part of this module.
#![allow(dead_code)]

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::{
    ffi::OsStr,
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const START: Duration = Duration::from_secs(180);

/// One server, and how to connect to it.
#[derive(Debug)]
pub struct Upstream {
    pub address: SocketAddr,
    pub access_key: &'static str,
    pub secret_key: &'static str,
    leashed: Leashed,
    dir: TempDir,
}

impl Upstream {
    /// The gateway itself over a directory: a complete S3 server.
    pub fn causeway() -> &'static Self {
        static ONE: OnceLock<Upstream> = OnceLock::new();
        ONE.get_or_init(Self::new_causeway)
    }

    /// A gateway for one test, which may kill or pause it.
    pub fn new_causeway() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let addresses = dir.path().join("addresses");
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\ndata = {:?}\naddress_file = {addresses:?}\n\
             durability = \"relaxed\"\n",
            dir.path().join("data"),
        );
        std::fs::write(dir.path().join("causeway.toml"), config).expect("a configuration on disk");
        let (access_key, secret_key) = ("upstream-root", "upstream-root-secret");
        let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
        command.arg("serve").arg("--config").arg(dir.path().join("causeway.toml")).env_clear();
        command.env("CAUSEWAY_ROOT_USER", access_key).env("CAUSEWAY_ROOT_PASSWORD", secret_key);
        let mut leashed = Leashed::spawn(command, dir.path());
        let address = leashed.wait_for(|_| {
            let text = std::fs::read_to_string(&addresses).ok()?;
            // Both lines exist once the server is ready.
            let mut lines =
                text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')?.parse().ok());
            lines.next().filter(|_| lines.next().is_some())
        });
        Self { address, access_key, secret_key, leashed, dir }
    }

    /// moto, in memory: it verifies no signatures, and accepts any key.
    pub fn moto() -> &'static Self {
        static ONE: OnceLock<Upstream> = OnceLock::new();
        ONE.get_or_init(|| {
            let dir = tempfile::tempdir().expect("a directory");
            let mut command = Command::new(installed("moto").join("bin/moto_server"));
            command.args(["-H", "127.0.0.1", "-p", "0"]).env("PYTHONUNBUFFERED", "1");
            let mut leashed = Leashed::spawn(command, dir.path());
            let address = leashed.wait_for(|log| {
                let (_, rest) = log.split_once("Running on http://")?;
                rest.lines().next().filter(|_| rest.contains('\n'))?.trim().parse().ok()
            });
            Self { address, access_key: "moto-key", secret_key: "moto-secret", leashed, dir }
        })
    }

    /// `rclone serve s3` over a directory: it verifies signatures, and ignores most of what else a request
    /// says.
    pub fn rclone() -> &'static Self {
        static ONE: OnceLock<Upstream> = OnceLock::new();
        ONE.get_or_init(|| {
            let dir = tempfile::tempdir().expect("a directory");
            let (access_key, secret_key) = ("rclone-key", "rclone-secret");
            let mut command = Command::new(installed("rclone").join("bin/rclone"));
            command.args([
                "serve",
                "s3",
                "--config",
                "",
                "--addr",
                "127.0.0.1:0",
                "--auth-key",
                &format!("{access_key},{secret_key}"),
            ]);
            command.arg(dir.path().join("data"));
            std::fs::create_dir(dir.path().join("data")).expect("a directory");
            let mut leashed = Leashed::spawn(command, dir.path());
            let address = leashed.wait_for(|log| {
                let (_, rest) = log.split_once("Starting s3 server on [http://")?;
                rest.split_once('/').and_then(|(address, _)| address.parse().ok())
            });
            Self { address, access_key, secret_key, leashed, dir }
        })
    }

    /// Microsoft's own emulator of Azure Storage, in memory. It verifies signatures.
    pub fn azurite() -> &'static Self {
        static ONE: OnceLock<Upstream> = OnceLock::new();
        ONE.get_or_init(Self::new_azurite)
    }

    /// An Azurite for one test, which may kill or pause it.
    pub fn new_azurite() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = Command::new(installed("azurite").join("bin/azurite-blob"));
        command.args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"]);
        command.args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"]);
        let mut leashed = Leashed::spawn(command, dir.path());
        let address = leashed.wait_for(|log| {
            let (_, rest) = log.split_once("successfully listens on http://")?;
            rest.lines().next().filter(|_| rest.contains('\n'))?.trim().parse().ok()
        });
        // The account that every Azurite has.
        let secret_key =
            "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
        Self { address, access_key: "devstoreaccount1", secret_key, leashed, dir }
    }

    /// OpenStack's own Object Storage, with a container `bucket`.
    pub fn swift() -> &'static Self {
        static ONE: OnceLock<Upstream> = OnceLock::new();
        ONE.get_or_init(|| {
            let dir = tempfile::tempdir().expect("a directory");
            let mut command = Command::new(installed("swift").join("bin/python"));
            command
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/swift/server.py"))
                .arg(dir.path().join("swift"));
            let mut leashed = Leashed::spawn(command, dir.path());
            let address = leashed.wait_for(|log| {
                let (_, rest) = log.split_once("listening on ")?;
                rest.lines().next().filter(|_| rest.contains('\n'))?.trim().parse().ok()
            });
            Self { address, access_key: "test:tester", secret_key: "testing", leashed, dir }
        })
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// SIGSTOP: connections stay open, and none is answered.
    pub fn pause(&self) {
        self.leashed.signal(Signal::STOP);
        // The signal is asynchronous: until every thread has stopped, one may still answer.
        let (pid, how) = (Pid::from_child(&self.leashed.server), WaitOptions::UNTRACED);
        let (_, status) = waitpid(Some(pid), how).expect("our child").expect("a change of its state");
        assert!(status.stopped(), "{status:?}");
    }

    pub fn resume(&self) {
        self.leashed.signal(Signal::CONT);
    }

    /// SIGKILL. The server's data are removed with it.
    pub fn kill(self) {
        drop(self);
    }
}

/// The directory of a program that `make test-setup` installed, pinned, in the cache that tests share with
/// conformance runs.
pub fn installed(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("conformance");
    let run = Command::new("python3")
        .arg(root.join("conformance/run"))
        .args(["where", name, "--cache"])
        .arg(&cache)
        .output();
    let output = run.expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a path").lines().last().expect("the directory").into()
}

/// A server process that does not outlive the test. Its output goes to a file, which is shown if the server
/// does not start.
#[derive(Debug)]
pub struct Leashed {
    server: Child,
    /// The shell that waits for the end of a pipe, and the holder of that pipe.
    watcher: Child,
    log: PathBuf,
}

impl Leashed {
    pub fn spawn(mut command: Command, dir: &Path) -> Self {
        let path = dir.join("log");
        let log = File::create(&path).expect("a log file");
        let server = command
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
        let watcher = Command::new("sh")
            .args([
                OsStr::new("-c"),
                OsStr::new("cat > /dev/null; kill -9 \"$0\""),
                OsStr::new(&server.id().to_string()),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a watcher");
        Self { server, watcher, log: path }
    }

    /// Waits until `ready` finds something in the log, and returns it.
    pub fn wait_for<T>(&mut self, ready: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + START;
        loop {
            let log = String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned();
            if let Some(found) = ready(&log) {
                return found;
            }
            let ended = self.server.try_wait().expect("a child");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the upstream did not come up ({ended:?}):\n{log}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.server), signal).expect("a running process");
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        // The watcher is killed first. Otherwise, it might kill another process that gets the number of the
        // server.
        let _ = (self.watcher.kill(), self.watcher.wait());
        let _ = (self.server.kill(), self.server.wait());
    }
}
