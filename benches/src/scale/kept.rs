//! A server whose data outlives its process: how it ends, and how soon it answers after the next start.
//!
//! Owns: the data directory, the times of first answers. Invariant: a first answer is a complete reply with
//! the status of success.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::client::Client;
use crate::options::Options;
use crate::server::{Directory, Server};

/// The longest wait for a first answer.
const LIMIT: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(2);

pub struct Kept {
    pub server: Server,
    data: Directory,
    /// What is added to the configuration.
    more: String,
}

/// How a process ends before the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Stopped,
    Killed,
}

/// Times since the process was started.
#[derive(Debug, Clone, Copy)]
pub struct FirstAnswers {
    pub get: Duration,
    pub list: Duration,
    pub cpu: Duration,
}

impl Kept {
    pub fn start(options: &Options, more: String) -> Result<Self> {
        let data = Directory::new(&options.programs.work)?;
        let server = Self::launch(options, &data, &more)?;
        let mut kept = Self { server, data, more };
        kept.server.await_ready()?;
        Ok(kept)
    }

    /// Ends the process, starts another one, and asks for an object and for the first page of a bucket.
    pub fn restart(&mut self, options: &Options, end: End, path: &str, bucket: &str) -> Result<FirstAnswers> {
        match end {
            End::Killed => self.server.kill()?,
            End::Stopped => {
                let status = self.server.stop()?;
                ensure!(status.success(), "the server ended with {status}");
            }
        }
        let begun = Instant::now();
        self.server = Self::launch(options, &self.data, &self.more)?;
        self.server.await_announced()?;
        let mut client = self.server.client();
        let get = Self::first(begun, &mut client, |client| client.get(path, &mut |_| {}).map(drop))?;
        let list = Self::first(begun, &mut client, |client| client.list(bucket, "max-keys=1000").map(drop))?;
        Ok(FirstAnswers { get, list, cpu: self.server.tree().cpu()? })
    }

    fn launch(options: &Options, data: &Directory, more: &str) -> Result<Server> {
        let home = Directory::new(&options.programs.work)?;
        Server::launch(&options.programs, options.server()?, home, data.path().to_owned(), more)
    }

    fn first(
        begun: Instant,
        client: &mut Client,
        request: impl Fn(&mut Client) -> Result<()>,
    ) -> Result<Duration> {
        loop {
            match request(client) {
                Ok(()) => return Ok(begun.elapsed()),
                Err(error) if begun.elapsed() > LIMIT => return Err(error),
                Err(_) => std::thread::sleep(POLL),
            }
        }
    }
}
