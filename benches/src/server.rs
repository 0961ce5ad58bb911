//! The servers under test: how each is started on a free port over its own directory, how durable its writes
//! are, and how it is stopped.
//!
//! Owns: child processes and their directories; both are gone when a `Server` is dropped, whatever happened.
//! Does not own: measuring. Invariant: only processes started here are ever signalled.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::Client;
use crate::connection::Connection;
use crate::process::Tree;
use crate::sigv4::Credentials;

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    CausewayStrict,
    CausewayRelaxed,
    Rclone,
    S3sFs,
    Nginx,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::CausewayStrict, Self::CausewayRelaxed, Self::Rclone, Self::S3sFs, Self::Nginx];

    pub fn name(self) -> &'static str {
        match self {
            Self::CausewayStrict => "causeway-strict",
            Self::CausewayRelaxed => "causeway-relaxed",
            Self::Rclone => "rclone",
            Self::S3sFs => "s3s-fs",
            Self::Nginx => "nginx",
        }
    }

    /// What an acknowledged write survives.
    pub fn durability(self) -> &'static str {
        match self {
            Self::CausewayStrict => "strict: fsync before 200",
            Self::CausewayRelaxed => "relaxed: survives kill -9",
            Self::Rclone | Self::S3sFs => "relaxed: no fsync",
            Self::Nginx => "reads only",
        }
    }

    pub fn writes(self) -> bool {
        self != Self::Nginx
    }
}

/// Where the programs are, and where data may be written.
#[derive(Debug, Clone)]
pub struct Programs {
    pub causeway: PathBuf,
    pub rclone: PathBuf,
    pub s3s_fs: PathBuf,
    pub nginx: PathBuf,
    pub work: PathBuf,
}

/// A new directory, removed when this value is dropped.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new(below: &Path) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = below.join(name);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(fs::canonicalize(path)?))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub struct Server {
    pub kind: Kind,
    pub address: SocketAddr,
    pub data: PathBuf,
    pub credentials: Credentials,
    child: Child,
    /// Logs, address files and, unless the data is another server's, the data.
    _home: Directory,
}

impl Server {
    /// Starts a server over a new directory; nginx serves `files`, the data directory of another server.
    pub fn start(programs: &Programs, kind: Kind, files: Option<&Path>) -> Result<Self> {
        let home = Directory::new(&programs.work)?;
        let data = files.map_or_else(|| home.path().join("data"), Path::to_path_buf);
        Self::start_over(programs, kind, home, data)
    }

    /// Starts a server over data that is there already.
    pub fn start_over(programs: &Programs, kind: Kind, home: Directory, data: PathBuf) -> Result<Self> {
        fs::create_dir_all(&data)?;
        let credentials =
            Credentials { access: "benchmark".into(), secret: "a-secret-of-the-benchmark".into() };
        let log = home.path().join("log");
        let address_file = home.path().join("address");
        let (mut command, announced) = match kind {
            Kind::CausewayStrict => {
                (causeway(programs, &credentials, &data, &address_file, "strict"), &address_file)
            }
            Kind::CausewayRelaxed => {
                (causeway(programs, &credentials, &data, &address_file, "relaxed"), &address_file)
            }
            Kind::Rclone => (rclone(programs, &credentials, &data), &log),
            Kind::S3sFs => (s3s_fs(programs, &credentials, &data), &log),
            Kind::Nginx => (nginx(programs, &home, &data, &address_file)?, &address_file),
        };
        let output = File::create(&log)?;
        command.stdout(output.try_clone()?).stderr(output);
        // SAFETY: prctl is async-signal-safe, and the closure touches nothing else. The server dies with the
        // thread that started it.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let child = command.spawn().with_context(|| format!("start {}", command.get_program().display()))?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { kind, address: nowhere, data, credentials, child, _home: home };
        server.await_ready(announced, &log)?;
        Ok(server)
    }

    pub fn client(&self) -> Client {
        Client::new(self.address, &self.credentials)
    }

    pub fn tree(&self) -> Tree {
        Tree(self.child.id())
    }

    /// SIGKILL, as a power cut would look to the process.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, then the exit status.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let pid = i32::try_from(self.child.id())?;
        // SAFETY: the child has not been waited for, so its process id is still its own.
        if unsafe { libc::kill(pid, libc::SIGTERM) } != 0 {
            return Err(std::io::Error::last_os_error()).context("SIGTERM");
        }
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            match self.child.try_wait()? {
                Some(status) => return Ok(status),
                None if Instant::now() > deadline => bail!("{} does not stop on SIGTERM", self.kind.name()),
                None => std::thread::sleep(POLL),
            }
        }
    }

    fn await_ready(&mut self, announced: &Path, log: &Path) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(exit) = self.child.try_wait()? {
                bail!("{} ended at start with {exit}:\n{}", self.kind.name(), fs::read_to_string(log)?);
            }
            let text = fs::read_to_string(announced).unwrap_or_default();
            if let Some(addresses) = announced_addresses(self.kind, &text) {
                self.address = addresses[0];
                if answers(*addresses.last().unwrap_or(&self.address), self.kind) {
                    return Ok(());
                }
            }
            if Instant::now() > deadline {
                bail!(
                    "{} is not ready after {START_LIMIT:?}:\n{}",
                    self.kind.name(),
                    fs::read_to_string(log)?
                );
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL of nginx's master process would leave its workers running; SIGTERM ends them, too.
        if matches!(self.child.try_wait(), Ok(None)) && (self.kind != Kind::Nginx || self.stop().is_err()) {
            let _ = self.kill();
        }
    }
}

fn causeway(
    programs: &Programs,
    credentials: &Credentials,
    data: &Path,
    address: &Path,
    durability: &str,
) -> Command {
    // A killed server leaves its address file, and an old address must not be taken for the new one.
    let _ = fs::remove_file(address);
    let mut command = Command::new(&programs.causeway);
    command
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--durability",
            durability,
        ])
        .arg("--data")
        .arg(data)
        .arg("--address-file")
        .arg(address)
        .env("CAUSEWAY_ROOT_USER", &credentials.access)
        .env("CAUSEWAY_ROOT_PASSWORD", &credentials.secret);
    command
}

fn rclone(programs: &Programs, credentials: &Credentials, data: &Path) -> Command {
    let mut command = Command::new(&programs.rclone);
    command
        .args(["serve", "s3", "--addr", "127.0.0.1:0", "--config", "/dev/null", "--auth-key"])
        .arg(format!("{},{}", credentials.access, credentials.secret))
        .arg(data);
    command
}

fn s3s_fs(programs: &Programs, credentials: &Credentials, data: &Path) -> Command {
    let mut command = Command::new(&programs.s3s_fs);
    command
        .args(["--host", "127.0.0.1", "--port", "0"])
        .args(["--access-key", &credentials.access, "--secret-key", &credentials.secret])
        .arg(data)
        .env("NO_COLOR", "1")
        // Its address is logged at this level; the requests are logged below it.
        .env("RUST_LOG", "s3s_fs=info");
    command
}

/// nginx cannot choose a free port itself. If another process takes this port before nginx binds it, the
/// start fails with an error.
fn nginx(programs: &Programs, home: &Directory, files: &Path, address: &Path) -> Result<Command> {
    let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let home = home.path().display();
    let configuration = format!(
        "daemon off; pid {home}/pid; error_log {home}/log; worker_processes auto; user root;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; etag on;\n\
         client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3; uwsgi_temp_path {home}/t4;\n\
         scgi_temp_path {home}/t5; default_type application/octet-stream;\n\
         server {{ listen {free} backlog=1024; root {}; }} }}\n",
        files.display()
    );
    let file = PathBuf::from(format!("{home}/nginx.conf"));
    fs::write(&file, configuration)?;
    fs::write(address, free.to_string())?;
    let mut command = Command::new(&programs.nginx);
    command.arg("-c").arg(file).arg("-e").arg(format!("{home}/log"));
    Ok(command)
}

/// The S3 address, and after it the admin address if there is one, once the server has announced both.
fn announced_addresses(kind: Kind, text: &str) -> Option<Vec<SocketAddr>> {
    match kind {
        Kind::CausewayStrict | Kind::CausewayRelaxed => {
            let addresses: Vec<SocketAddr> =
                text.lines().filter_map(|line| line.trim().parse().ok()).collect();
            (addresses.len() == 2 && text.ends_with('\n')).then_some(addresses)
        }
        Kind::Nginx => Some(vec![text.trim().parse().ok()?]),
        Kind::Rclone | Kind::S3sFs => {
            let rest = text.split("http://").nth(1)?;
            let end = rest.find(|letter: char| letter != '.' && letter != ':' && !letter.is_ascii_digit())?;
            Some(vec![rest[..end].parse().ok()?])
        }
    }
}

/// Whether the server is ready: its health check says so if it has one; otherwise any HTTP answer counts.
fn answers(address: SocketAddr, kind: Kind) -> bool {
    let request = format!("GET /-/health/ready HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let reply = Connection::new(address).exchange(request.as_bytes(), &[], true, &mut |_| {});
    match kind {
        Kind::CausewayStrict | Kind::CausewayRelaxed => reply.is_ok_and(|reply| reply.status == 200),
        _ => reply.is_ok(),
    }
}
