//! What one page of a listing, one GET and one PUT cost the server in a small and in a large bucket.
//!
//! Owns: the keys, filling a bucket with them, the cases, the ratio of large to small. Does not own: load or
//! CPU accounting. Invariant: no case changes how many keys a bucket has, so the first row and the last
//! describe the same bucket.
//!
//! Keys are `FFFF/NNNN` in 1000 folders, whatever their number. A page by delimiter then has 1000 prefixes in
//! the small bucket and in the large one, so a server that reads all keys of a folder to list its prefix is
//! detected.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::client::Client;
use crate::content::{self, Random};
use crate::load::{Operation, Seen, Until, drive};
use crate::options::Options;
use crate::report::{Cell, Goal, Report};
use crate::scale::kept::Kept;
use crate::scale::table;
use crate::server::Server;

pub const BUCKET: &str = "scale";
const FOLDERS: u64 = 1000;
const OBJECT: usize = 4096;
const FILLERS: usize = 32;
const CLIENTS: usize = 4;
const LIMIT: f64 = 1.5;

pub struct Bucket {
    pub kept: Kept,
    pub keys: u64,
}

#[derive(Clone, Copy)]
enum Case {
    FirstPage,
    MiddlePage,
    ByDelimiter,
    Get,
    Overwrite,
    NewKey,
}

const CASES: [(Case, &str); 6] = [
    (Case::FirstPage, "LIST, first page"),
    (Case::MiddlePage, "LIST, page from the middle"),
    (Case::ByDelimiter, "LIST, page of 1000 prefixes"),
    (Case::Get, "GET 4KiB, any key"),
    (Case::Overwrite, "PUT 4KiB, any key again"),
    (Case::NewKey, "PUT 4KiB of a new key, DELETE"),
];

#[derive(Default)]
struct Row {
    seen: Seen,
    cpu: Duration,
}

pub fn measure_all(buckets: &[Bucket], options: &Options, report: &mut Report) -> Result<()> {
    let mut costs =
        table("Cost by number of keys", &["operation", "keys", "requests", "p50 ms", "p99 ms", "CPU µs/req"]);
    for (case, name) in CASES {
        let rows = measure(buckets, case, options).context(name)?;
        let small = rows.first().map_or(0.0, micros);
        let large = rows.last().map_or(0.0, micros);
        for (bucket, mut row) in buckets.iter().zip(rows) {
            costs.rows.push(vec![
                Cell::Text(name.into()),
                Cell::Figure(bucket.keys as f64, 0),
                Cell::Figure(row.seen.requests as f64, 0),
                Cell::Figure(row.seen.percentile(0.50), 2),
                Cell::Figure(row.seen.percentile(0.99), 2),
                Cell::Figure(micros(&row), 1),
            ]);
        }
        let what = format!("{name}: CPU at the most keys / at the fewest");
        report.goals.push(Goal { what, limit: LIMIT, measured: large / small, unit: "x" });
    }
    report.tables.push(costs);
    Ok(())
}

/// Fills one bucket for each number of keys, on a server of its own.
pub fn filled(counts: &[u64], options: &Options, report: &mut Report) -> Result<Vec<Bucket>> {
    ensure!(counts.iter().all(|keys| *keys >= FOLDERS), "--keys: at least {FOLDERS} each");
    let mut table = table("Filling", &["keys", "seconds", "PUT/s", "CPU µs/PUT"]);
    let mut buckets = Vec::new();
    for keys in counts {
        let kept = Kept::start(options, String::new())?;
        eprintln!("filling a bucket with {keys} keys");
        let row = fill(&kept.server, *keys)?;
        let seconds = row.seen.elapsed.as_secs_f64();
        table.rows.push(vec![
            Cell::Figure(*keys as f64, 0),
            Cell::Figure(seconds, 1),
            Cell::Figure(*keys as f64 / seconds, 0),
            Cell::Figure(micros(&row), 1),
        ]);
        check_pages(&kept.server, *keys)?;
        buckets.push(Bucket { kept, keys: *keys });
    }
    report.tables.push(table);
    Ok(buckets)
}

fn fill(server: &Server, keys: u64) -> Result<Row> {
    server.client().create_bucket(BUCKET)?;
    let body = content::of_size(OBJECT);
    let started = Instant::now();
    let operation = |client: &mut Client, number: u64| {
        if number > 0 && number.is_multiple_of(100_000) {
            eprintln!("  {number} after {:.0?}", started.elapsed());
        }
        client.put(&path(number), body).map(|_| OBJECT as u64)
    };
    cost(server, FILLERS, Until::Requests(keys), 0, &operation)
}

fn check_pages(server: &Server, keys: u64) -> Result<()> {
    let mut client = server.client();
    let first = client.list(BUCKET, "max-keys=1000")?;
    ensure!(first.entries.len() == 1000, "first page of {keys} keys: {} entries", first.entries.len());
    let prefixes = client.list(BUCKET, "delimiter=%2F&max-keys=1000")?;
    ensure!(prefixes.prefixes == 1000, "page by delimiter of {keys} keys: {} prefixes", prefixes.prefixes);
    Ok(())
}

fn measure(buckets: &[Bucket], case: Case, options: &Options) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = buckets.iter().map(|_| Row::default()).collect();
    for _ in 0..options.rounds {
        for (bucket, row) in buckets.iter().zip(&mut rows) {
            let first = row.seen.requests;
            let keys = bucket.keys;
            let operation = |client: &mut Client, number: u64| request(client, case, keys, number);
            let until = Until::Elapsed(options.slice);
            let slice = cost(&bucket.kept.server, CLIENTS, until, first, &operation)?;
            row.seen.add(slice.seen);
            row.cpu += slice.cpu;
        }
    }
    Ok(rows)
}

fn request(client: &mut Client, case: Case, keys: u64, number: u64) -> Result<u64> {
    let any = || any(keys, number);
    let body = content::of_size(OBJECT);
    let list = |client: &mut Client, query: &str| {
        client.list_bytes(&format!("/{BUCKET}"), query).map(|reply| reply.length)
    };
    match case {
        Case::FirstPage => list(client, "list-type=2&max-keys=1000"),
        // A small bucket has no full page after its middle, and half a page would cost half. There, the first
        // page is read instead.
        Case::MiddlePage if keys < 2 * FOLDERS => list(client, "list-type=2&max-keys=1000&start-after=0"),
        Case::MiddlePage => {
            list(client, &format!("list-type=2&max-keys=1000&start-after={:04}", FOLDERS / 2))
        }
        Case::ByDelimiter => list(client, "delimiter=%2F&list-type=2&max-keys=1000"),
        Case::Get => get(client, keys, number),
        Case::Overwrite => client.put(&any(), body).map(|_| OBJECT as u64),
        Case::NewKey => {
            let key = path(keys + number);
            client.put(&key, body)?;
            client.delete(&key).map(|()| OBJECT as u64)
        }
    }
}

/// Reads any of the keys.
pub fn get(client: &mut Client, keys: u64, number: u64) -> Result<u64> {
    client.get(&any(keys, number), &mut |_| {}).map(|reply| reply.length)
}

fn any(keys: u64, number: u64) -> String {
    path(Random::new(number).below(keys))
}

fn cost(server: &Server, connections: usize, until: Until, first: u64, operation: Operation) -> Result<Row> {
    let before = server.tree().cpu()?;
    let seen = drive(server, connections, until, first, operation)?;
    Ok(Row { seen, cpu: server.tree().cpu()? - before })
}

/// The path of a key by its number.
pub fn path(number: u64) -> String {
    format!("/{BUCKET}/{:04}/{:04}", number % FOLDERS, number / FOLDERS)
}

fn micros(row: &Row) -> f64 {
    row.cpu.as_secs_f64() * 1e6 / row.seen.requests as f64
}
