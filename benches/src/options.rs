//! The command line.
//!
//! Owns: flags, their defaults and the help text. Invariant: an unknown command, flag or value is an error
//! before anything starts.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;

use crate::server::{Kind, Programs};

pub const HELP: &str = "\
causeway-bench COMMAND [FLAGS]

  run        GET, PUT, HEAD and LIST against every server, in turns
  scale      cost of a LIST page, a GET and a PUT at few and at many keys
  memory     resident memory under many clients with large objects, and idle
  complete   cost of CompleteMultipartUpload of a large upload in uniform parts
  crash      kill -9 under writers, restart, and check every object; N rounds

  --json                 one JSON document on standard output
  --check                exit with 1 when a goal is missed
  --work DIR             where data directories are made       [target/bench/data]
  --causeway PATH        the server                            [target/release/causeway]
  --rclone PATH          [rclone]    --s3s-fs PATH [s3s-fs]    --nginx PATH [nginx]
  --servers A,B          run: causeway-strict, causeway-relaxed, rclone, s3s-fs, nginx
                         other commands: the one to measure    [causeway-strict; scale: causeway-relaxed]
run:
  --connections N,M      [1,32]      --rounds N  [3]           --seconds S  per slice [2]
  --tasks A,B            by name, such as 'GET 4KiB'           [all]
scale:
  --keys N,M             [1000,1000000]
memory:
  --connections N        [64]        --size MIB  [64]
complete:
  --size MIB             [4096]      --part MIB  [16]
crash:
  --rounds N             [50]        --connections N  [16]     --seed N  [1]
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
    pub programs: Programs,
    pub servers: Vec<Kind>,
    pub connections: Vec<usize>,
    pub rounds: usize,
    pub slice: Duration,
    pub tasks: Vec<String>,
    pub keys: Vec<u64>,
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
                Long("work") => options.programs.work = parser.value()?.into(),
                Long("causeway") => options.programs.causeway = parser.value()?.into(),
                Long("rclone") => options.programs.rclone = parser.value()?.into(),
                Long("s3s-fs") => options.programs.s3s_fs = parser.value()?.into(),
                Long("nginx") => options.programs.nginx = parser.value()?.into(),
                Long("servers") => options.servers = list(&parser.value()?.string()?, kind)?,
                Long("connections") => options.connections = list(&parser.value()?.string()?, number)?,
                Long("rounds") => options.rounds = parser.value()?.parse()?,
                Long("seconds") => options.slice = Duration::from_secs_f64(parser.value()?.parse()?),
                Long("tasks") => {
                    options.tasks = list(&parser.value()?.string()?, |name| Ok(name.to_owned()))?
                }
                Long("keys") => options.keys = list(&parser.value()?.string()?, number)?,
                Long("size") => options.mebibytes = parser.value()?.parse()?,
                Long("part") => options.part_mebibytes = parser.value()?.parse()?,
                Long("seed") => options.seed = parser.value()?.parse()?,
                Short('h') | Long("help") => return Ok(None),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(Some(options))
    }

    pub fn wants_task(&self, name: &str) -> bool {
        self.tasks.is_empty() || self.tasks.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    }

    /// The one server that commands other than `run` measure.
    pub fn server(&self) -> Result<Kind> {
        self.servers.first().copied().context("no server named")
    }

    /// The one number of connections that commands other than `run` use.
    pub fn clients(&self) -> Result<usize> {
        self.connections.first().copied().filter(|count| *count > 0).context("no connections")
    }

    fn defaults(command: Command) -> Self {
        let (servers, connections, rounds, mebibytes) = match command {
            Command::Run => (Kind::ALL.to_vec(), vec![1, 32], 3, 0),
            Command::Scale => (vec![Kind::CausewayRelaxed], vec![4], 5, 0),
            Command::Memory => (vec![Kind::CausewayStrict], vec![64], 1, 64),
            Command::Complete => (vec![Kind::CausewayStrict], vec![4], 1, 4096),
            Command::Crash => (vec![Kind::CausewayStrict], vec![16], 50, 0),
        };
        let programs = Programs {
            causeway: PathBuf::from("target/release/causeway"),
            rclone: PathBuf::from("rclone"),
            s3s_fs: PathBuf::from("s3s-fs"),
            nginx: PathBuf::from("nginx"),
            work: PathBuf::from("target/bench/data"),
        };
        Self {
            command,
            json: false,
            check: false,
            programs,
            servers,
            connections,
            rounds,
            slice: Duration::from_secs(2),
            tasks: Vec::new(),
            keys: vec![1_000, 1_000_000],
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

fn kind(name: &str) -> Result<Kind> {
    Kind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .with_context(|| format!("no server {name:?}; see --help"))
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
