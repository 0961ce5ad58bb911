//! The servers under test: how each is started on a free port over its own directory, and how it is stopped.
//!
//! Owns: child processes and their directories; both are gone when a `Server` is dropped, whatever
//! happened. Does not own: which servers there are (`peers`), measuring. Invariant: only processes started here are ever signalled.

use std::collections::BTreeMap;
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
use crate::peers::{Peer, Role};
use crate::process::Tree;
use crate::sigv4::Credentials;

const START_LIMIT: Duration = Duration::from_secs(600);
const STOP_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// Where the programs are, and where data may be written.
#[derive(Debug, Clone)]
pub struct Programs {
    pub of: BTreeMap<String, Program>,
    pub work: PathBuf,
}

#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    /// The version that was installed, as its pin says.
    pub version: String,
}

impl Programs {
    pub fn has(&self, peer: &Peer) -> bool {
        self.of.contains_key(peer.program)
    }

    /// Whether our server is a debug build, as the script says.
    pub fn is_debug_build(&self) -> bool {
        self.of.get("causeway").is_some_and(|program| program.version.contains("debug build"))
    }

    pub fn path(&self, name: &str) -> Result<&Path> {
        let program = self.of.get(name).with_context(|| format!("--program {name}=PATH is missing"))?;
        Ok(&program.path)
    }
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
    pub peer: &'static Peer,
    pub address: SocketAddr,
    pub data: PathBuf,
    pub credentials: Credentials,
    child: Child,
    /// Logs, address files and, unless it lies elsewhere, the data.
    home: Directory,
}

impl Server {
    /// Starts a server over a new directory, or over `files`, the data directory of another server.
    pub fn start(programs: &Programs, peer: &'static Peer, files: Option<&Path>) -> Result<Self> {
        let home = Directory::new(&programs.work)?;
        let data = files.map_or_else(|| home.path().join("data"), Path::to_path_buf);
        Self::start_over(programs, peer, home, data)
    }

    /// Starts a server over data that is there already.
    pub fn start_over(
        programs: &Programs,
        peer: &'static Peer,
        home: Directory,
        data: PathBuf,
    ) -> Result<Self> {
        let mut server = Self::launch(programs, peer, home, data, "")?;
        server.await_ready()?;
        Ok(server)
    }

    /// Like `start_over`, without waiting for anything. `more` is added to its configuration.
    pub fn launch(
        programs: &Programs,
        peer: &'static Peer,
        home: Directory,
        data: PathBuf,
        more: &str,
    ) -> Result<Self> {
        fs::create_dir_all(&data)?;
        let credentials =
            Credentials { access: "benchmark".into(), secret: "a-secret-of-the-benchmark".into() };
        let log = home.path().join("log");
        // Not every server can choose a port and say which. If another process takes this one before the
        // server binds it, the start fails with an error.
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let filled = |text: &str| {
            text.replace("{address}", &free.to_string())
                .replace("{port}", &free.port().to_string())
                .replace("{access}", &credentials.access)
                .replace("{secret}", &credentials.secret)
                .replace("{home}", &home.path().display().to_string())
                .replace("{data}", &data.display().to_string())
        };
        for (name, text) in peer.files {
            fs::write(home.path().join(name), filled(text) + more)?;
        }
        let mut command = Command::new(programs.path(peer.program)?);
        command.args(peer.arguments.iter().map(|argument| filled(argument)));
        command.envs(peer.environment.iter().map(|(name, value)| (name, filled(value))));
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
        Ok(Self { peer, address: free, data, credentials, child, home })
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
                None if Instant::now() > deadline => bail!("{} does not stop on SIGTERM", self.peer.name),
                None => std::thread::sleep(POLL),
            }
        }
    }

    /// Waits until the server answers a request, and one of ours until its health check says that it is ready.
    pub fn await_ready(&mut self) -> Result<()> {
        self.await_until(|server| match server.announced() {
            _ if !server.peer.is_causeway() => answers(server.address, |_| true),
            Some([_, admin]) => answers(admin, |status| status == 200),
            None => false,
        })
    }

    /// Waits until a server of ours has announced its addresses.
    pub fn await_announced(&mut self) -> Result<()> {
        self.await_until(|server| server.announced().is_some())
    }

    fn await_until(&mut self, holds: impl Fn(&Self) -> bool) -> Result<()> {
        let log = self.home.path().join("log");
        let deadline = Instant::now() + START_LIMIT;
        while !holds(self) {
            if let Some(exit) = self.child.try_wait()? {
                bail!("{} ended at start with {exit}:\n{}", self.peer.name, fs::read_to_string(log)?);
            }
            if Instant::now() > deadline {
                let said = fs::read_to_string(log)?;
                bail!("{} is not ready after {START_LIMIT:?}:\n{said}", self.peer.name);
            }
            std::thread::sleep(POLL);
        }
        if let Some([s3, _]) = self.announced() {
            self.address = s3;
        }
        Ok(())
    }

    /// The addresses of S3 and of health, once the server has announced both.
    fn announced(&self) -> Option<[SocketAddr; 2]> {
        let text = fs::read_to_string(self.home.path().join("address")).ok()?;
        let addresses: Vec<SocketAddr> = text.lines().filter_map(|line| line.trim().parse().ok()).collect();
        addresses.try_into().ok().filter(|_| text.ends_with('\n'))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL of nginx's master process would leave its workers running; SIGTERM ends them, too.
        let leaves_children = self.peer.role == Role::Files;
        if matches!(self.child.try_wait(), Ok(None)) && (!leaves_children || self.stop().is_err()) {
            let _ = self.kill();
        }
    }
}

/// Whether the server answers a request for its health with a status that will do.
fn answers(address: SocketAddr, will_do: impl Fn(u16) -> bool) -> bool {
    let request = format!("GET /-/health/ready HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let reply = Connection::new(address).exchange(request.as_bytes(), &[], true, &mut |_| {});
    reply.is_ok_and(|reply| will_do(reply.status))
}
