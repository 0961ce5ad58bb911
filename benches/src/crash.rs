//! `crash`: kill -9 under writers, restart over the same data, and hold the server to every acknowledgement
//! it gave.
//!
//! Owns: writers, the moment of the kill, the inspection afterwards. Does not own: what is legal (`history`).
//! Invariants: only connection errors after the kill are excused; an object is judged by all of its bytes,
//! its ETag and its place in the listing; everything that is seen and not legal is printed and fails the run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::client::{Client, Refused, encode};
use crate::content::Random;
use crate::history::{History, Shape, Version};
use crate::listing::Entry;
use crate::options::Options;
use crate::report::{Cell, Goal, Report, Table};
use crate::server::{Directory, Server};

const BUCKET: &str = "crash";
const LARGEST: u64 = 256 * 1024;
/// The number of keys of each writer, small enough that most are overwritten, and the number of keys that all
/// writers share.
const OWN_KEYS: u64 = 100;
const SHARED_KEYS: u64 = 16;
/// A round ends after a number of acknowledgements from this range.
const ACKNOWLEDGED: std::ops::Range<u64> = 20..400;
/// The server may still clean up after it is ready, but not for longer than this.
const CLEANING_LIMIT: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Counts {
    acknowledged: u64,
    deletes: u64,
    multiparts: u64,
    open: u64,
    open_seen: u64,
    bodies: u64,
    temporary_at_kill: u64,
    temporary_left: u64,
    slowest_start: Duration,
    violations: u64,
}

pub fn run(options: &Options) -> Result<Report> {
    let peer = options.server()?;
    let data = Directory::new(&options.programs.work)?;
    let start = || {
        Server::start_over(
            &options.programs,
            peer,
            Directory::new(&options.programs.work)?,
            data.path().to_owned(),
        )
    };
    let mut server = start()?;
    server.client().create_bucket(BUCKET)?;
    let mut random = Random::new(options.seed);
    let mut history = History::default();
    let mut counts = Counts::default();
    for round in 0..options.rounds {
        history = write_until_killed(&mut server, history, options.connections, &mut random, &mut counts)?;
        counts.temporary_at_kill += temporary_files(data.path());
        let began = Instant::now();
        server = start().with_context(|| format!("restart after round {}", round + 1))?;
        counts.slowest_start = counts.slowest_start.max(began.elapsed());
        counts.temporary_left += left_after_cleaning(data.path());
        let last = round + 1 == options.rounds;
        inspect(&server, &mut history, last, &mut counts)?;
        eprintln!(
            "round {}: {} acknowledged so far, {} violations",
            round + 1,
            counts.acknowledged,
            counts.violations
        );
    }
    let status = server.stop()?;
    Ok(report(options, &counts, history.keys().count(), status.code()))
}

/// Takes the history and returns it, so that no other code reads it while writers add to it.
fn write_until_killed(
    server: &mut Server,
    history: History,
    writers: usize,
    random: &mut Random,
    counts: &mut Counts,
) -> Result<History> {
    let target = ACKNOWLEDGED.start + random.below(ACKNOWLEDGED.end - ACKNOWLEDGED.start);
    let seeds: Vec<u64> = (0..writers).map(|_| random.next()).collect();
    // The moment of the kill between two acknowledgements is random, too.
    let pause = Duration::from_micros(random.below(5_000));
    let history = Mutex::new(history);
    let killed = AtomicBool::new(false);
    let (sender, receiver) = channel();
    let clients: Vec<Client> = (0..writers).map(|_| server.client()).collect();
    std::thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = clients
            .into_iter()
            .zip(seeds)
            .enumerate()
            .map(|(writer, (client, seed))| {
                let (history, killed, sender) = (&history, &killed, sender.clone());
                scope.spawn(move || write(writer, client, Random::new(seed), history, killed, &sender))
            })
            .collect();
        drop(sender);
        let mut acknowledged: Vec<Shape> = receiver.iter().take(usize::try_from(target)?).collect();
        std::thread::sleep(pause);
        killed.store(true, Ordering::SeqCst);
        server.kill()?;
        acknowledged.extend(receiver);
        counts.acknowledged += acknowledged.len() as u64;
        counts.deletes += acknowledged.iter().filter(|shape| **shape == Shape::Absent).count() as u64;
        counts.multiparts +=
            acknowledged.iter().filter(|shape| matches!(shape, Shape::Multipart { .. })).count() as u64;
        for thread in threads {
            match thread.join() {
                Ok(outcome) => outcome?,
                Err(_) => bail!("a writer panicked"),
            }
        }
        Ok(())
    })?;
    history.into_inner().ok().context("a writer panicked")
}

fn write(
    writer: usize,
    mut client: Client,
    mut random: Random,
    history: &Mutex<History>,
    killed: &AtomicBool,
    acknowledged: &Sender<Shape>,
) -> Result<()> {
    let locked = || history.lock().ok().context("another writer panicked");
    loop {
        let key = match random.below(5) {
            0 => format!("shared/{:02}", random.below(SHARED_KEYS)),
            _ => format!("own/{writer:02}/{:03}", random.below(OWN_KEYS)),
        };
        let shape = any_shape(&mut random);
        let version = locked()?.begin(&key, shape);
        match apply(&mut client, &key, &version) {
            Ok(()) => {
                locked()?.acknowledge(&key, version.id);
                let _ = acknowledged.send(shape);
            }
            Err(error) if killed.load(Ordering::SeqCst) && error.downcast_ref::<Refused>().is_none() => {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

fn any_shape(random: &mut Random) -> Shape {
    let size = random.below(LARGEST + 1) as usize;
    match random.below(40) {
        0..3 => Shape::Absent,
        3..6 => Shape::Multipart { full_parts: 0, last: size },
        6 => Shape::Multipart { full_parts: 1, last: size.max(1) },
        _ => Shape::Put { size },
    }
}

fn apply(client: &mut Client, key: &str, version: &Version) -> Result<()> {
    let path = format!("/{BUCKET}/{key}");
    match version.shape {
        Shape::Absent => client.delete(&path),
        Shape::Put { .. } => client.put(&path, &version.parts().concat()).map(drop),
        Shape::Multipart { .. } => {
            let upload = client.create_multipart(&path)?;
            let parts = version.parts().into_iter().enumerate();
            let etags: Vec<String> = parts
                .map(|(index, bytes)| client.upload_part(&path, &upload, index + 1, &bytes))
                .collect::<Result<_>>()?;
            client.complete_multipart(&path, &upload, &etags).map(drop)
        }
    }
}

/// Reads every key that was touched (all keys in the last round) and compares the whole bucket with its
/// listing.
fn inspect(server: &Server, history: &mut History, everything: bool, counts: &mut Counts) -> Result<()> {
    let mut client = server.client();
    let mut listed = list(&mut client, counts)?;
    let keys: Vec<String> = history.keys().cloned().collect();
    for key in keys {
        let entry = listed.remove(&key);
        let legal = history.legal(&key);
        let open = legal.iter().filter(|version| !version.acknowledged()).count() as u64;
        let found = if everything || history.is_open(&key) {
            counts.bodies += 1;
            read(&mut client, &key, &legal)?
        } else {
            legal.first().map(|version| (*version, version.etag())).ok_or_else(String::new)
        };
        counts.open += open;
        match found {
            Ok((version, etag)) => {
                counts.open_seen += u64::from(!version.acknowledged());
                let size = version.parts().iter().map(|part| part.len() as u64).sum();
                let expected =
                    (version.shape != Shape::Absent).then(|| Entry { key: key.clone(), size, etag });
                if entry != expected {
                    violation(counts, &format!("{key}: listed as {entry:?}, read as {expected:?}"));
                }
                history.settle(&key, version);
            }
            Err(what) => {
                violation(counts, &format!("{key}: {what}; legal: {legal:?}"));
                // The key is deleted, so that each fault is reported only once.
                client.delete(&format!("/{BUCKET}/{key}"))?;
                let version = history.begin(&key, Shape::Absent);
                history.settle(&key, version);
            }
        }
    }
    for key in listed.keys() {
        violation(counts, &format!("{key}: listed, but never written"));
    }
    Ok(())
}

/// The legal version that the server shows with its ETag, or what is wrong.
fn read(client: &mut Client, key: &str, legal: &[Version]) -> Result<Result<(Version, String), String>> {
    let Some((reply, body)) = client.fetch(&format!("/{BUCKET}/{key}"))? else {
        let absent = legal.iter().find(|version| version.shape == Shape::Absent);
        return Ok(absent.map(|version| (*version, String::new())).ok_or_else(|| "lost".to_owned()));
    };
    let same =
        legal.iter().find(|version| version.shape != Shape::Absent && version.parts().concat() == body);
    let Some(version) = same else {
        return Ok(Err(format!("{} bytes that are no legal version", body.len())));
    };
    // Several legal versions may be empty and so have the same bytes: one whose ETag matches is taken.
    let fits = |version: &&Version| version.parts().concat() == body && version.etag() == reply.etag;
    match legal.iter().filter(|version| version.shape != Shape::Absent).find(fits) {
        Some(version) => Ok(Ok((*version, reply.etag))),
        None => Ok(Err(format!("ETag {} instead of {}", reply.etag, version.etag()))),
    }
}

fn list(client: &mut Client, counts: &mut Counts) -> Result<BTreeMap<String, Entry>> {
    let mut listed = BTreeMap::new();
    let mut query = String::from("max-keys=500");
    loop {
        let page = client.list(BUCKET, &query)?;
        for entry in page.entries {
            if let Some(twice) = listed.insert(entry.key.clone(), entry) {
                violation(counts, &format!("{}: listed twice", twice.key));
            }
        }
        match page.token {
            Some(token) => query = format!("continuation-token={}&max-keys=500", encode(&token)),
            None => return Ok(listed),
        }
    }
}

fn violation(counts: &mut Counts, what: &str) {
    counts.violations += 1;
    eprintln!("VIOLATION {what}");
}

fn left_after_cleaning(data: &Path) -> u64 {
    let deadline = Instant::now() + CLEANING_LIMIT;
    loop {
        match temporary_files(data) {
            0 => return 0,
            left if Instant::now() > deadline => return left,
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn temporary_files(data: &Path) -> u64 {
    fn files(directory: &Path) -> u64 {
        let Ok(entries) = fs::read_dir(directory) else { return 0 };
        entries.flatten().map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
    }
    files(&data.join(".causeway/tmp"))
}

fn report(options: &Options, counts: &Counts, keys: usize, exit: Option<i32>) -> Report {
    let figures = [
        ("rounds of kill -9", options.rounds as f64),
        ("writes acknowledged", counts.acknowledged as f64),
        ("  of them deletes", counts.deletes as f64),
        ("  of them multipart", counts.multiparts as f64),
        ("writes under way at a kill", counts.open as f64),
        ("  of them visible afterwards, whole", counts.open_seen as f64),
        ("keys", keys as f64),
        ("bodies read and compared", counts.bodies as f64),
        ("temporary files at the kills", counts.temporary_at_kill as f64),
        ("slowest restart, ms", counts.slowest_start.as_secs_f64() * 1e3),
    ];
    let table = Table {
        title: format!("Crashes, seed {}", options.seed),
        columns: ["what", "count"].map(String::from).into(),
        rows: figures.map(|(name, figure)| vec![Cell::Text(name.into()), Cell::Figure(figure, 0)]).into(),
    };
    let goal = |what: &str, measured| Goal { what: what.into(), limit: 0.0, measured, unit: "" };
    let goals = vec![
        goal("objects lost, torn, wrongly tagged or wrongly listed", counts.violations as f64),
        goal("temporary files left after a start", counts.temporary_left as f64),
        goal("exit status on SIGTERM", exit.map_or(f64::INFINITY, f64::from)),
    ];
    Report { tables: vec![table], goals }
}
