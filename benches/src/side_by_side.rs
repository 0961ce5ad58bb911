//! `run`: the same work on every server, in turns, within one run.
//!
//! Owns: who takes part, the order of the turns, what is compared. Does not own: how servers start, what the
//! work is, how figures are printed. Invariant: a row's figures come from slices interleaved with those of
//! the rows it is compared with, so that whatever else the machine does falls on all of them; MD5 alone is
//! measured in the same turns.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use md5::{Digest, Md5};

use crate::client::Client;
use crate::content;
use crate::figures::Figures;
use crate::load::{Until, drive};
use crate::options::Options;
use crate::peers::{PEERS, Peer, Role};
use crate::server::Server;
use crate::sigv4::hex;
use crate::work::{self, KEYS, LISTED, MIB, PAGE, Row, Verb, WORK, WRITE, Work};

/// Objects are written by this many clients before anything is measured.
const FILLERS: usize = 16;

pub fn run(options: &Options) -> Result<Figures> {
    let peers: Vec<&'static Peer> = PEERS.iter().filter(|peer| options.wants_server(peer.name)).collect();
    let (peers, skipped): (Vec<_>, Vec<_>) = peers.into_iter().partition(|peer| options.programs.has(peer));
    let work: Vec<&'static Work> = WORK.iter().filter(|work| options.wants_work(work.name)).collect();
    let servers = start(options, &peers)?;
    for server in &servers {
        eprintln!("writing what {} is read from", server.peer.name);
        prepare(server, &work).with_context(|| format!("prepare {}", server.peer.name))?;
    }
    for server in &servers {
        verify(server, &work).with_context(|| format!("verify {}", server.peer.name))?;
    }
    let mut figures = Figures::new(&servers, &work, skipped);
    for (at, work) in work.iter().enumerate() {
        let taking_part: Vec<(usize, &Server)> =
            servers.iter().enumerate().filter(|(_, server)| work.applies(server.peer)).collect();
        for (_, server) in &taking_part {
            // Heaps grow, caches fill and code is compiled before measurement begins. This helps the other
            // servers more than Causeway. The numbers are far above those of measured requests, which still
            // write new keys.
            let of = || format!("{} against {}", work.name, server.peer.name);
            work.drive(server, options.slice, 1 << 40).with_context(of)?;
        }
        for round in 0..options.rounds {
            figures.md5.push(md5_alone(options.slice)?);
            for (column, server) in &taking_part {
                let name = server.peer.name;
                eprintln!("{}: {name} ({}/{})", work.name, round + 1, options.rounds);
                slice(server, work, options, &mut figures.rows[at][*column])
                    .with_context(|| format!("{} against {name}", work.name))?;
            }
        }
    }
    for (server, memory) in servers.iter().zip(&mut figures.memory) {
        *memory = server.tree().rss()?;
    }
    Ok(figures)
}

/// Starts all servers, in the order of the table. One that serves another's files gets those of the first
/// server of ours, which keeps objects as files of their names.
fn start(options: &Options, peers: &[&'static Peer]) -> Result<Vec<Server>> {
    let (files, others): (Vec<&Peer>, Vec<&Peer>) = peers.iter().partition(|peer| peer.role == Role::Files);
    let mut servers: Vec<Server> = others
        .iter()
        .map(|peer| Server::start(&options.programs, Peer::named(peer.name)?, None))
        .collect::<Result<_>>()?;
    for peer in files {
        let is_ours = |server: &&Server| server.peer.is_causeway() && server.peer.role == Role::Whole;
        let Some(ours) = servers.iter().find(is_ours).map(|server| server.data.clone()) else {
            bail!("{} reads the files of causeway-relaxed, which takes no part", peer.name);
        };
        servers.push(Server::start(&options.programs, Peer::named(peer.name)?, Some(&ours))?);
    }
    servers.sort_by_key(|server| PEERS.iter().position(|peer| peer == server.peer));
    Ok(servers)
}

fn prepare(server: &Server, work: &[&Work]) -> Result<()> {
    // The buckets of the one are in its configuration, and the other has none.
    if matches!(server.peer.role, Role::Nothing | Role::Files) {
        return Ok(());
    }
    let applying = || work.iter().filter(|work| work.applies(server.peer));
    server.client().create_bucket(WRITE)?;
    for Work { size, ring, .. } in applying().filter(|work| work.verb == Verb::Get) {
        server.client().create_bucket(&work::read_bucket(*size))?;
        let put = |client: &mut Client, number: u64| {
            client.put(&work::read_path(*size, number), content::of_size(*size)).map(|_| *size as u64)
        };
        drive(server, FILLERS.min(usize::try_from(*ring)?), Until::Requests(*ring), 0, &put)?;
    }
    if applying().any(|work| work.verb == Verb::List) {
        server.client().create_bucket(LISTED)?;
        let put = |client: &mut Client, number: u64| {
            client.put(&format!("/{LISTED}/key-{number:05}"), content::of_size(100)).map(|_| 100)
        };
        drive(server, FILLERS, Until::Requests(KEYS), 0, &put)?;
    }
    Ok(())
}

/// A server that answers fast but wrongly must not get a row.
fn verify(server: &Server, work: &[&Work]) -> Result<()> {
    let mut client = server.client();
    let (keeps, applies) = (server.peer.role != Role::Nothing, |work: &&&Work| work.applies(server.peer));
    for work in work.iter().filter(applies).filter(|work| work.verb == Verb::Get) {
        let (reply, body) = client.fetch(&work::read_path(work.size, 0))?.context("no such object")?;
        let same = if keeps { body == content::of_size(work.size) } else { body.len() == work.size };
        ensure!(same, "{}: other bytes than those written", work.name);
        let etag = hex(&Md5::digest(&body));
        ensure!(
            server.peer.role != Role::Whole || reply.etag == etag,
            "{}: ETag {} instead of {etag}",
            work.name,
            reply.etag
        );
    }
    if work.iter().filter(applies).any(|work| work.verb == Verb::List) {
        let page = client.list(LISTED, &format!("max-keys={PAGE}"))?;
        ensure!(page.entries.len() == PAGE && page.token.is_some(), "a page of {}", page.entries.len());
    }
    Ok(())
}

fn slice(server: &Server, work: &Work, options: &Options, row: &mut Row) -> Result<()> {
    settle(&options.programs.work)?;
    let first = row.seen.requests;
    let tree = server.tree();
    tree.forget_peak()?;
    let before = tree.cpu()?;
    row.seen.add(work.drive(server, options.slice, first)?);
    row.cpu += tree.cpu()? - before;
    row.peak = row.peak.max(tree.peak_rss()?);
    Ok(())
}

/// The CPU time of MD5 over a MiB, in milliseconds, by scalar code on one core.
fn md5_alone(slice: Duration) -> Result<f64> {
    let body = content::of_size(16 * MIB);
    let (begun, mut digested) = (thread_time()?, 0);
    let spent = loop {
        std::hint::black_box(Md5::digest(std::hint::black_box(body)));
        digested += body.len() / MIB;
        let spent = thread_time()? - begun;
        if spent >= slice / 8 {
            break spent;
        }
    };
    Ok(spent.as_secs_f64() * 1e3 / digested as f64)
}

fn thread_time() -> Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec, which lives until the call returns.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    ensure!(failed == 0, "clock_gettime: {}", std::io::Error::last_os_error());
    Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?))
}

/// Writes back what earlier slices left dirty, so that no server pays for another's pages.
fn settle(work: &Path) -> Result<()> {
    let directory = File::open(work)?;
    // SAFETY: the descriptor is open for the length of the call.
    ensure!(
        unsafe { libc::syncfs(directory.as_raw_fd()) } == 0,
        "syncfs: {}",
        std::io::Error::last_os_error()
    );
    Ok(())
}
