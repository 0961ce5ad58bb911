//! `run`: the same operations against every server, in turns, within one run.
//!
//! Owns: the operations, the order of the turns, the goals relative to rclone. Does not own: how servers
//! start or load is driven. Invariant: a row's figures come from slices interleaved with those of the rows it
//! is compared with, so that whatever else the machine does falls on all of them.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use md5::{Digest, Md5};

use crate::client::Client;
use crate::content;
use crate::load::{Seen, Until, drive};
use crate::options::Options;
use crate::report::{Cell, Goal, Report, Table};
use crate::server::{Kind, Server};
use crate::sigv4::hex;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const READ: &str = "read";
const WRITE: &str = "write";
const LISTED: &str = "listed";
const KEYS_LISTED: u64 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Get,
    Put,
    Head,
    List,
}

/// One row of the benchmark per server and number of connections.
#[derive(Debug)]
struct Task {
    name: &'static str,
    verb: Verb,
    size: usize,
    /// The number of objects that are read in turn, or of keys that are written in turn. If it is larger than
    /// the number of writes in a slice, every write creates a new key.
    ring: u64,
    /// The highest allowed CPU time per request, relative to rclone.
    goal: Option<f64>,
}

const TASKS: [Task; 8] = [
    Task { name: "HEAD", verb: Verb::Head, size: 4 * KIB, ring: 1000, goal: None },
    Task { name: "GET 4KiB", verb: Verb::Get, size: 4 * KIB, ring: 1000, goal: Some(1.0 / 4.0) },
    Task { name: "PUT 4KiB", verb: Verb::Put, size: 4 * KIB, ring: u64::MAX, goal: Some(1.0 / 2.0) },
    Task { name: "GET 1MiB", verb: Verb::Get, size: MIB, ring: 64, goal: Some(1.0 / 3.0) },
    Task { name: "PUT 1MiB", verb: Verb::Put, size: MIB, ring: 256, goal: Some(1.0 / 2.0) },
    Task { name: "GET 64MiB", verb: Verb::Get, size: 64 * MIB, ring: 4, goal: None },
    Task { name: "PUT 64MiB", verb: Verb::Put, size: 64 * MIB, ring: 32, goal: None },
    Task { name: "LIST 1000", verb: Verb::List, size: 0, ring: 1, goal: None },
];

/// What one row accumulates over its slices.
#[derive(Default)]
struct Row {
    seen: Seen,
    cpu: Duration,
    peak: u64,
}

pub fn run(options: &Options) -> Result<Report> {
    let servers = start(options)?;
    let tasks: Vec<&Task> = TASKS.iter().filter(|task| options.wants_task(task.name)).collect();
    for server in servers.iter().filter(|server| server.kind.writes()) {
        prepare(server, &tasks).with_context(|| format!("prepare {}", server.kind.name()))?;
    }
    for server in &servers {
        verify(server, &tasks).with_context(|| format!("verify {}", server.kind.name()))?;
    }
    let mut report = Report::default();
    let mut figures = HashMap::new();
    let mut table = Table { title: "Side by side".into(), columns: columns(), rows: Vec::new() };
    for task in &tasks {
        for connections in &options.connections {
            let mut rows: Vec<Row> = servers.iter().map(|_| Row::default()).collect();
            for server in servers.iter().filter(|server| applies(task, server.kind)) {
                warm(server, task, *connections, options)
                    .with_context(|| format!("{} against {}", task.name, server.kind.name()))?;
            }
            for round in 0..options.rounds {
                for (server, row) in
                    servers.iter().zip(&mut rows).filter(|(server, _)| applies(task, server.kind))
                {
                    eprintln!(
                        "{} on {connections}: {} ({}/{})",
                        task.name,
                        server.kind.name(),
                        round + 1,
                        options.rounds
                    );
                    slice(server, task, *connections, options, row)
                        .with_context(|| format!("{} against {}", task.name, server.kind.name()))?;
                }
            }
            for (server, mut row) in servers.iter().zip(rows).filter(|(_, row)| row.seen.requests > 0) {
                figures.insert((task.name, *connections, server.kind), micros_per_request(&row));
                table.rows.push(cells(task, *connections, server.kind, &mut row));
            }
        }
    }
    report.tables.push(table);
    report.tables.push(relative(&tasks, options, &servers, &figures));
    report.goals = goals(&tasks, options, &figures);
    Ok(report)
}

fn start(options: &Options) -> Result<Vec<Server>> {
    let mut servers: Vec<Server> = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| options.servers.contains(kind)) {
        // nginx reads what a server with the native layout wrote: Causeway's own files where it takes part.
        let files = servers
            .iter()
            .filter(|server| server.kind != Kind::CausewayStrict)
            .map(|server| server.data.clone())
            .next();
        let files = if kind == Kind::Nginx {
            Some(files.context("nginx needs another server to write its files")?)
        } else {
            None
        };
        servers.push(Server::start(&options.programs, kind, files.as_deref())?);
    }
    Ok(servers)
}

fn prepare(server: &Server, tasks: &[&Task]) -> Result<()> {
    let mut client = server.client();
    for bucket in [READ, WRITE, LISTED] {
        client.create_bucket(bucket)?;
    }
    let mut read: Vec<(usize, u64)> = tasks
        .iter()
        .filter(|task| matches!(task.verb, Verb::Get | Verb::Head))
        .map(|task| (task.size, task.ring))
        .collect();
    read.dedup();
    for (size, ring) in read {
        for number in 0..ring {
            client.put(&read_path(size, number), content::of_size(size))?;
        }
    }
    if tasks.iter().any(|task| task.verb == Verb::List) {
        for number in 0..KEYS_LISTED {
            client.put(&format!("/{LISTED}/key-{number:04}"), content::of_size(100))?;
        }
    }
    Ok(())
}

/// A server that answers fast but wrongly must not get a row.
fn verify(server: &Server, tasks: &[&Task]) -> Result<()> {
    let mut client = server.client();
    for task in tasks.iter().filter(|task| task.verb == Verb::Get) {
        let (reply, body) = client.fetch(&read_path(task.size, 0))?.context("no such object")?;
        ensure!(body == content::of_size(task.size), "{}: other bytes than those written", task.name);
        let etag = hex(&Md5::digest(&body));
        ensure!(
            !server.kind.writes() || reply.etag == etag,
            "{}: ETag {} instead of {etag}",
            task.name,
            reply.etag
        );
    }
    if server.kind.writes() && tasks.iter().any(|task| task.verb == Verb::List) {
        let page = client.list(LISTED, "max-keys=1000")?;
        ensure!(page.entries.len() as u64 == KEYS_LISTED, "the listing has {} keys", page.entries.len());
    }
    Ok(())
}

fn slice(server: &Server, task: &Task, connections: usize, options: &Options, row: &mut Row) -> Result<()> {
    settle(&options.programs.work)?;
    let operation = |client: &mut Client, number: u64| request(client, task, connections, number);
    let first = row.seen.requests;
    let tree = server.tree();
    tree.forget_peak()?;
    let before = tree.cpu()?;
    row.seen.add(drive(server, connections, Until::Elapsed(options.slice), first, &operation)?);
    row.cpu += tree.cpu()? - before;
    row.peak = row.peak.max(tree.peak_rss()?);
    Ok(())
}

/// Lets heaps grow and caches fill before measurement begins. This helps the other servers more than
/// Causeway.
fn warm(server: &Server, task: &Task, connections: usize, options: &Options) -> Result<()> {
    /// Far above the numbers of measured requests, so that those still write new keys.
    const FIRST: u64 = 1 << 40;
    let operation = |client: &mut Client, number: u64| request(client, task, connections, number);
    drive(server, connections, Until::Elapsed(options.slice / 4), FIRST, &operation).map(drop)
}

fn request(client: &mut Client, task: &Task, connections: usize, number: u64) -> Result<u64> {
    let place = number % task.ring;
    match task.verb {
        Verb::Head => client.head(&read_path(task.size, place)).map(|_| 0),
        Verb::List => client.list_bytes(&format!("/{LISTED}"), "list-type=2&max-keys=1000").map(|_| 0),
        Verb::Put => {
            // Writers of different numbers of connections must not share new keys, or the later ones would
            // overwrite.
            let path = format!("/{WRITE}/{}/{connections}/{:02x}/{place}", task.size, place % 64);
            client.put(&path, content::of_size(task.size)).map(|_| task.size as u64)
        }
        Verb::Get => {
            let reply = client.get(&read_path(task.size, place), &mut |_| {})?;
            ensure!(reply.length == task.size as u64, "a body of {} bytes", reply.length);
            Ok(reply.length)
        }
    }
}

/// Writes back what earlier slices left dirty, so that no server pays for another's pages.
fn settle(work: &std::path::Path) -> Result<()> {
    let directory = File::open(work)?;
    // SAFETY: the descriptor is open for the length of the call.
    ensure!(
        unsafe { libc::syncfs(directory.as_raw_fd()) } == 0,
        "syncfs: {}",
        std::io::Error::last_os_error()
    );
    Ok(())
}

fn applies(task: &Task, kind: Kind) -> bool {
    kind.writes() || task.verb == Verb::Get
}

fn read_path(size: usize, number: u64) -> String {
    format!("/{READ}/{size}/{number:04}")
}

fn micros_per_request(row: &Row) -> f64 {
    row.cpu.as_secs_f64() * 1e6 / row.seen.requests as f64
}

fn columns() -> Vec<String> {
    [
        "operation",
        "conns",
        "server",
        "durability",
        "requests",
        "req/s",
        "MiB/s",
        "p50 ms",
        "p99 ms",
        "CPU us/req",
        "CPU ms/MiB",
        "peak MiB",
    ]
    .map(String::from)
    .into()
}

fn cells(task: &Task, connections: usize, kind: Kind, row: &mut Row) -> Vec<Cell> {
    let (median, high) = (row.seen.percentile(0.50), row.seen.percentile(0.99));
    let seconds = row.seen.elapsed.as_secs_f64();
    let mebibytes = row.seen.bytes as f64 / MIB as f64;
    let per_mebibyte =
        |figure: f64, decimals| if row.seen.bytes > 0 { Cell::Figure(figure, decimals) } else { Cell::Empty };
    vec![
        Cell::Text(task.name.into()),
        Cell::Figure(connections as f64, 0),
        Cell::Text(kind.name().into()),
        Cell::Text(kind.durability().into()),
        Cell::Figure(row.seen.requests as f64, 0),
        Cell::Figure(row.seen.requests as f64 / seconds, 1),
        per_mebibyte(mebibytes / seconds, 1),
        Cell::Figure(median, 2),
        Cell::Figure(high, 2),
        Cell::Figure(micros_per_request(row), 1),
        per_mebibyte(row.cpu.as_secs_f64() * 1e3 / mebibytes, 3),
        Cell::Figure(row.peak as f64 / MIB as f64, 1),
    ]
}

type Figures = HashMap<(&'static str, usize, Kind), f64>;

fn relative(tasks: &[&Task], options: &Options, servers: &[Server], figures: &Figures) -> Table {
    let names = servers.iter().map(|server| server.kind.name().to_owned());
    let mut table = Table {
        title: "Server CPU per request, relative to rclone".into(),
        columns: ["operation".to_owned(), "conns".to_owned()].into_iter().chain(names).collect(),
        rows: Vec::new(),
    };
    for task in tasks {
        for connections in &options.connections {
            let rclone = figures.get(&(task.name, *connections, Kind::Rclone));
            let ratio = |server: &Server| match (figures.get(&(task.name, *connections, server.kind)), rclone)
            {
                (Some(figure), Some(rclone)) => Cell::Figure(figure / rclone, 3),
                _ => Cell::Empty,
            };
            let head = [Cell::Text(task.name.into()), Cell::Figure(*connections as f64, 0)];
            table.rows.push(head.into_iter().chain(servers.iter().map(ratio)).collect());
        }
    }
    table
}

/// rclone syncs nothing, so the comparison at equal durability is with the relaxed setting.
fn goals(tasks: &[&Task], options: &Options, figures: &Figures) -> Vec<Goal> {
    let mut goals = Vec::new();
    for task in tasks {
        for connections in &options.connections {
            let of = |kind| figures.get(&(task.name, *connections, kind));
            if let (Some(limit), Some(ours), Some(rclone)) =
                (task.goal, of(Kind::CausewayRelaxed), of(Kind::Rclone))
            {
                let what =
                    format!("{} on {connections}: CPU per request, causeway-relaxed / rclone", task.name);
                goals.push(Goal { what, limit, measured: ours / rclone, unit: "x" });
            }
        }
    }
    goals
}
