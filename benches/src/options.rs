//! The command line.
//!
//! Owns: flags, their defaults and the help text. Invariant: an unknown command, flag or value is an error
//! before anything starts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;

use crate::peers::{PEERS, Peer};
use crate::scale::SECTIONS;
use crate::server::{Program, Programs};
use crate::work::WORK;

pub const HELP: &str = "\
benches/run [COMMAND] [FLAGS]

  run        the same work on every server, in turns (the default)
  scale      what costs more as there is more: keys, buckets, identities, files, idle connections
  memory     resident memory under many clients with large objects, and idle
  complete   cost of CompleteMultipartUpload of a large upload in uniform parts
  crash      kill -9 under writers, restart, and check every object; N rounds

  --binary PATH          the server                            [built: target/release/causeway]
  --json                 one JSON document on standard output
  --check                exit with 1 when a goal is missed
  --write                run, scale: write the figures into docs/benchmarks.md; run: and into README.md
  --work DIR             where data directories are made       [target/bench/data]
run:
  --only A,B             these rows, such as 'GET 4 KiB', and these servers: nginx, causeway-relaxed,
                         causeway-strict, causeway-null, versitygw, minio, s3proxy, rclone; of either
                         kind all, if none is named
  --rounds N  [3]        --seconds S  per slice [2]
scale:
  --only A,B             of keys, files, scan, buckets, identities, idle [all]
  --keys N,M  [10000,1000000]  for keys; files and scan take the largest
  --buckets N [10000]    --identities N [10000]    --connections N  idle ones [10000]
  --rounds N  [5]        --seconds S  per slice [2]
memory:
  --connections N [64]   --size MIB  [64]
complete:
  --size MIB  [4096]     --part MIB  [16]
crash:
  --rounds N  [50]       --connections N  [16]     --seed N  [1]
all but run and scale:
  --server NAME          the one to measure                    [causeway-strict]
";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Run,
    Scale,
    Memory,
    Complete,
    Crash,
}

const COMMANDS: [(&str, Command); 5] = [
    ("run", Command::Run),
    ("scale", Command::Scale),
    ("memory", Command::Memory),
    ("complete", Command::Complete),
    ("crash", Command::Crash),
];

#[derive(Debug)]
pub struct Options {
    pub command: Command,
    pub json: bool,
    pub check: bool,
    pub write: bool,
    pub programs: Programs,
    pub server: String,
    /// Rows, servers or sections. Empty: all.
    pub only: Vec<String>,
    pub connections: usize,
    pub rounds: usize,
    pub slice: Duration,
    pub keys: Vec<u64>,
    pub buckets: u64,
    pub identities: u64,
    pub mebibytes: usize,
    pub part_mebibytes: usize,
    pub seed: u64,
}

impl Options {
    /// Returns `None` if the help was requested.
    pub fn parse() -> Result<Option<Self>> {
        let mut parser = lexopt::Parser::from_env();
        let command = match parser.next()? {
            Some(Value(name)) => command(&name.string()?)?,
            _ => return Ok(None),
        };
        let mut options = Self::defaults(command);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("json") => options.json = true,
                Long("check") => options.check = true,
                Long("write") => options.write = true,
                Long("work") => options.programs.work = parser.value()?.into(),
                Long("program") => options.program(&parser.value()?.string()?)?,
                Long("server") => options.server = parser.value()?.string()?,
                Long("only") => options.only = list(&parser.value()?.string()?, |name| Ok(name.to_owned()))?,
                Long("connections") => options.connections = parser.value()?.parse()?,
                Long("rounds") => options.rounds = parser.value()?.parse()?,
                Long("seconds") => options.slice = Duration::from_secs_f64(parser.value()?.parse()?),
                Long("keys") => options.keys = list(&parser.value()?.string()?, number)?,
                Long("buckets") => options.buckets = parser.value()?.parse()?,
                Long("identities") => options.identities = parser.value()?.parse()?,
                Long("size") => options.mebibytes = parser.value()?.parse()?,
                Long("part") => options.part_mebibytes = parser.value()?.parse()?,
                Long("seed") => options.seed = parser.value()?.parse()?,
                Short('h') | Long("help") => return Ok(None),
                other => return Err(other.unexpected().into()),
            }
        }
        let known = options.choices();
        if let Some(wrong) = options.only.iter().find(|name| !known.contains(&name.as_str())) {
            bail!("--only has {wrong:?}, which is none of {}", known.join(", "));
        }
        Ok(Some(options))
    }

    pub fn wants_work(&self, name: &str) -> bool {
        self.wants(name, &WORK.iter().map(|work| work.name).collect::<Vec<_>>())
    }

    pub fn wants_server(&self, name: &str) -> bool {
        self.wants(name, &PEERS.iter().map(|peer| peer.name).collect::<Vec<_>>())
    }

    pub fn wants_section(&self, name: &str) -> bool {
        self.wants(name, &SECTIONS)
    }

    /// Names of one kind limit that kind alone.
    fn wants(&self, name: &str, kind: &[&str]) -> bool {
        let is_limited = self.only.iter().any(|only| kind.contains(&only.as_str()));
        !is_limited || self.only.iter().any(|only| only == name)
    }

    fn choices(&self) -> Vec<&'static str> {
        match self.command {
            Command::Run => {
                WORK.iter().map(|work| work.name).chain(PEERS.iter().map(|peer| peer.name)).collect()
            }
            Command::Scale => SECTIONS.to_vec(),
            _ => Vec::new(),
        }
    }

    /// The one server that commands other than `run` measure.
    pub fn server(&self) -> Result<&'static Peer> {
        Peer::named(&self.server)
    }

    /// Takes `NAME@VERSION=PATH`.
    fn program(&mut self, text: &str) -> Result<()> {
        let (name, path) = text.split_once('=').context("--program: NAME@VERSION=PATH")?;
        let (name, version) = name.split_once('@').unwrap_or((name, "of unknown version"));
        let program = Program { path: path.into(), version: version.to_owned() };
        self.programs.of.insert(name.to_owned(), program);
        Ok(())
    }

    fn defaults(command: Command) -> Self {
        let (server, connections, rounds, mebibytes) = match command {
            Command::Run => ("", 0, 3, 0),
            Command::Scale => ("causeway-relaxed", 10_000, 5, 0),
            Command::Memory => ("causeway-strict", 64, 1, 64),
            Command::Complete => ("causeway-strict", 4, 1, 4096),
            Command::Crash => ("causeway-strict", 16, 50, 0),
        };
        Self {
            command,
            json: false,
            check: false,
            write: false,
            programs: Programs { of: BTreeMap::new(), work: PathBuf::from("target/bench/data") },
            server: server.to_owned(),
            only: Vec::new(),
            connections,
            rounds,
            slice: Duration::from_secs(2),
            keys: vec![10_000, 1_000_000],
            buckets: 10_000,
            identities: 10_000,
            mebibytes,
            part_mebibytes: 16,
            seed: 1,
        }
    }
}

fn command(name: &str) -> Result<Command> {
    COMMANDS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, command)| *command)
        .with_context(|| format!("no command {name:?}; see --help"))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().ok().with_context(|| format!("{text:?} is not a number"))
}

fn list<T>(text: &str, item: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    let items: Vec<T> = text.split(',').map(|part| item(part.trim())).collect::<Result<_>>()?;
    if items.is_empty() {
        bail!("an empty list");
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_kind_limit_that_kind_alone() {
        let mut options = Options::defaults(Command::Run);
        assert!(options.wants_work("GET 4 KiB") && options.wants_server("nginx"));
        options.only = vec!["nginx".to_owned()];
        assert!(
            options.wants_work("GET 4 KiB")
                && options.wants_server("nginx")
                && !options.wants_server("minio")
        );
        options.only = vec!["PUT 1 MiB".to_owned()];
        assert!(
            options.wants_server("minio")
                && options.wants_work("PUT 1 MiB")
                && !options.wants_work("GET 4 KiB")
        );
    }
}
