//! `memory`: how much memory the server holds when idle, and when many clients move large objects at once.
//!
//! Owns: the three loads and their goals. Invariant: every byte read back is compared with what was written,
//! so a server cannot be small by dropping data.

use anyhow::{Context, Result, ensure};

use crate::client::Client;
use crate::content;
use crate::load::{Operation, Until, drive};
use crate::options::Options;
use crate::report::{Cell, Goal, Report, Table};
use crate::server::Server;

const MIB: usize = 1024 * 1024;
const BUSY_LIMIT: f64 = 128.0;
const IDLE_LIMIT: f64 = 25.0;

pub fn run(options: &Options) -> Result<Report> {
    let size = options.mebibytes * MIB;
    ensure!(size <= content::LARGEST, "--size: at most {} MiB", content::LARGEST / MIB);
    let server = Server::start(&options.programs, options.server()?, None)?;
    let idle = mebibytes(server.tree().rss()?);
    server.client().create_bucket("memory")?;
    let clients = options.connections;
    let put = |client: &mut Client, number: u64| put(client, number, size);
    let get = |client: &mut Client, number: u64| get(client, number % clients as u64, size);
    // Readers read what the first load wrote; writers of the mixed load write elsewhere.
    let mixed = |client: &mut Client, number: u64| match number % 2 {
        0 => get(client, number),
        _ => put(client, number + clients as u64),
    };
    let loads: [(&str, Operation); 3] =
        [("all put", &put), ("all get", &get), ("half put, half get", &mixed)];
    let mut table = Table {
        title: format!("{clients} clients, objects of {} MiB, {}", options.mebibytes, server.peer.durability),
        columns: ["load", "seconds", "MiB/s", "peak RSS MiB", "RSS after MiB"].map(String::from).into(),
        rows: Vec::new(),
    };
    let mut peak: f64 = 0.0;
    for (name, operation) in loads {
        eprintln!("{clients} clients: {name}");
        server.tree().forget_peak()?;
        let seen = drive(&server, clients, Until::Requests(clients as u64), 0, operation).context(name)?;
        let highest = mebibytes(server.tree().peak_rss()?);
        peak = peak.max(highest);
        let seconds = seen.elapsed.as_secs_f64();
        table.rows.push(vec![
            Cell::Text(name.into()),
            Cell::Figure(seconds, 2),
            Cell::Figure(mebibytes(seen.bytes) / seconds, 1),
            Cell::Figure(highest, 1),
            Cell::Figure(mebibytes(server.tree().rss()?), 1),
        ]);
    }
    let goal = |what: &str, limit, measured| Goal { what: what.into(), limit, measured, unit: "MiB" };
    let goals = vec![
        goal(&format!("peak resident memory under {clients} clients"), BUSY_LIMIT, peak),
        goal("resident memory when idle after start", IDLE_LIMIT, idle),
    ];
    Ok(Report { tables: vec![table], goals })
}

fn put(client: &mut Client, number: u64, size: usize) -> Result<u64> {
    client.put(&format!("/memory/{number:04}"), content::of_size(size)).map(|_| size as u64)
}

fn get(client: &mut Client, number: u64, size: usize) -> Result<u64> {
    let (mut at, mut same) = (0, true);
    let expected = content::of_size(size);
    let reply = client.get(&format!("/memory/{number:04}"), &mut |bytes| {
        same &= expected.get(at..at + bytes.len()) == Some(bytes);
        at += bytes.len();
    })?;
    ensure!(same && at == size, "object {number}: other bytes than those written");
    Ok(reply.length)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}
