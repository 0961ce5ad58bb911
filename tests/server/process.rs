//! The binary in a directory of its own, with only the arguments and the environment that a test gives it.

use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine; reaching it is a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Place {
    dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.path(name), text).expect("written");
        self
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).expect("a directory");
        let mut names: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_under(&[], arguments)
    }

    /// The command, started by another program with these arguments.
    fn command_under(&self, wrapper: &[&str], arguments: &[&str]) -> Command {
        let mut words = wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_causeway")]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).args(arguments).env_clear().current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        let output = self.command(arguments).envs(environment.iter().copied()).output().expect("it runs");
        Ended::of(&output)
    }

    /// Runs the command to its end, with an input.
    pub fn run_with_input(&self, input: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
        let mut command = self.command(arguments);
        command
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("it runs");
        // A command that fails may end before it has read everything.
        let _ = child.stdin.take().expect("an input").write_all(input.as_bytes());
        Ended::of(&child.wait_with_output().expect("it ends"))
    }

    /// The permissions of a file.
    pub fn mode(&self, name: &str) -> u32 {
        std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(self.path(name)).expect("a file").permissions(),
        ) & 0o777
    }

    /// Starts `serve` on free ports, with `causeway.toml` if the test wrote one, and returns once it serves.
    /// Listen addresses in that file are used.
    pub fn serve(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
        self.serve_under(&[], arguments, environment)
    }

    /// The same as `serve`, in a process for which modes of files apply: root loses the capabilities that
    /// bypass them.
    pub fn serve_bound_by_modes(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
        const BOUND: [&str; 2] = ["/usr/bin/setpriv", "--bounding-set=-dac_override,-dac_read_search"];
        let wrapper = if rustix::process::geteuid().is_root() { &BOUND[..] } else { &[] };
        self.serve_under(wrapper, arguments, environment)
    }

    /// The same as `serve`, with a maximum number of descriptors.
    pub fn serve_with_descriptors(
        &self,
        most: u32,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Running {
        self.serve_under(
            &["/bin/sh", "-c", &format!("ulimit -n {most}; exec \"$0\" \"$@\"")],
            arguments,
            environment,
        )
    }

    fn serve_under(&self, wrapper: &[&str], arguments: &[&str], environment: &[(&str, &str)]) -> Running {
        let _ = std::fs::remove_file(self.path("addresses"));
        let mut command =
            self.command_under(wrapper, &["serve", "--address-file", "addresses", "--durability", "relaxed"]);
        if !arguments.contains(&"--listen") && !self.read("causeway.toml").contains("\nlisten = ") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(["--admin-listen", "127.0.0.1:0"]);
        if self.path("causeway.toml").exists() {
            command.args(["--config", "causeway.toml"]);
        }
        let file =
            |name: &str| File::options().create(true).append(true).open(self.path(name)).expect("a file");
        command
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(file("stdout"))
            .stderr(file("stderr"));
        let mut child = command.spawn().expect("it starts");
        let addresses: Vec<SocketAddr> = within(|| {
            assert!(
                child.try_wait().expect("a child").is_none(),
                "it did not come up: {}",
                self.read("stderr")
            );
            let lines: Vec<_> = self.read("addresses").lines().filter_map(|line| line.parse().ok()).collect();
            (lines.len() >= 2).then_some(lines)
        });
        Running { child, s3: addresses[0], admin: addresses[1], website: addresses.get(2).copied() }
    }
}

#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// The output of a command that must succeed.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// The output of a command that must fail with this code.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self.out + &self.err
    }

    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

#[derive(Debug)]
pub struct Running {
    child: Child,
    pub s3: SocketAddr,
    pub admin: SocketAddr,
    /// The listener for websites, if the configuration has one.
    pub website: Option<SocketAddr>,
}

impl Running {
    pub fn signal(&self, signal: rustix::process::Signal) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, signal).expect("it runs");
    }

    pub fn wait(&mut self) -> ExitStatus {
        within(|| self.child.try_wait().expect("a child"))
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.s3)
    }

    /// Sends a request to the admin listener and returns status and body.
    pub fn ask_admin(&self, path: &str) -> (u16, String) {
        let mut stream = connect(self.admin);
        write!(stream, "GET {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").expect("sent");
        let reply = read_all(&mut stream);
        let status = reply.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, reply.split_once("\r\n\r\n").expect("a head").1.to_owned())
    }

    /// The value of a metric that has no labels, or whose labels are part of `name`.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.ask_admin("/-/metrics");
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Reads until the connection ends, in whatever way.
pub fn read_all(stream: &mut impl Read) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        all.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Calls `ask` until it returns an answer.
pub fn within<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it did not happen in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
