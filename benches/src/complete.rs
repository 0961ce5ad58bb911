//! `complete`: what CompleteMultipartUpload costs when a large upload came in uniform parts.
//!
//! Owns: the upload in shuffled order, the figures around Complete, the check of the resulting object.
//! Invariant: the finished object is read back whole and compared, so a Complete that is fast because it is
//! wrong fails.

use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use md5::{Digest, Md5};

use crate::client::Client;
use crate::content::{self, Random};
use crate::load::{Until, drive};
use crate::options::Options;
use crate::report::{Cell, Goal, Report, Table};
use crate::server::Server;
use crate::sigv4::hex;

const MIB: usize = 1024 * 1024;
const BUCKET: &str = "complete";
const PATH: &str = "/complete/large";
/// The goal "well under a second", as a number.
const SECONDS_LIMIT: f64 = 0.5;
const MEBIBYTES_LIMIT: f64 = 1.0;

pub fn run(options: &Options) -> Result<Report> {
    let part = options.part_mebibytes * MIB;
    ensure!((5 * MIB..=content::LARGEST).contains(&part), "--part: 5 to {} MiB", content::LARGEST / MIB);
    let count = options.mebibytes / options.part_mebibytes;
    ensure!((1..=10_000).contains(&count), "--size and --part: 1 to 10000 parts");
    let server = Server::start(&options.programs, options.server()?, None)?;
    let mut client = server.client();
    client.create_bucket(BUCKET)?;
    let upload = client.create_multipart(PATH)?;

    eprintln!("{count} parts of {} MiB, shuffled", options.part_mebibytes);
    let order = shuffled(count, options.seed);
    let digests: Mutex<Vec<[u8; 16]>> = Mutex::new(vec![[0; 16]; count]);
    let send = |client: &mut Client, ticket: u64| {
        let number = order[usize::try_from(ticket)?];
        let bytes = part_bytes(number, part);
        let digest: [u8; 16] = Md5::digest(&bytes).into();
        let etag = client.upload_part(PATH, &upload, number, &bytes)?;
        ensure!(etag == hex(&digest), "part {number}: ETag {etag} instead of {}", hex(&digest));
        if let Ok(mut digests) = digests.lock() {
            digests[number - 1] = digest;
        }
        Ok(part as u64)
    };
    let sent = drive(&server, options.connections, Until::Requests(count as u64), 0, &send)?;
    let digests = digests.into_inner().unwrap_or_default();
    let etags: Vec<String> = digests.iter().map(|digest| hex(digest)).collect();

    let (before, cpu) = (server.tree().written()?, server.tree().cpu()?);
    let started = Instant::now();
    let etag = client.complete_multipart(PATH, &upload, &etags)?;
    let elapsed = started.elapsed().as_secs_f64();
    let (after, cpu) = (server.tree().written()?, server.tree().cpu()? - cpu);

    let expected = format!("{}-{count}", hex(&Md5::digest(digests.concat())));
    ensure!(etag == expected, "ETag {etag} instead of {expected}");
    eprintln!("reading it back");
    read_back(&mut client, part, count, &expected)?;

    let storage = mebibytes(after.storage - before.storage);
    let characters = mebibytes(after.characters - before.characters);
    let figures = [
        ("upload, MiB/s", mebibytes(sent.bytes) / sent.elapsed.as_secs_f64()),
        ("Complete, seconds", elapsed),
        ("Complete, server CPU seconds", cpu.as_secs_f64()),
        ("Complete, MiB of file pages dirtied", storage),
        ("Complete, MiB through write calls", characters),
    ];
    let table = Table {
        title: format!("{} MiB in {count} parts, {}", options.mebibytes, server.peer.durability),
        columns: ["what", "figure"].map(String::from).into(),
        rows: figures.map(|(name, figure)| vec![Cell::Text(name.into()), Cell::Figure(figure, 3)]).into(),
    };
    let goal = |what: &str, limit, measured, unit| Goal { what: what.into(), limit, measured, unit };
    let goals = vec![
        goal("wall time of Complete", SECONDS_LIMIT, elapsed, "s"),
        goal("file pages dirtied by Complete", MEBIBYTES_LIMIT, storage, "MiB"),
        goal("written by system calls in Complete", MEBIBYTES_LIMIT, characters, "MiB"),
    ];
    Ok(Report { tables: vec![table], goals })
}

/// Part numbers 1 to `count` in an order that is never ascending for more than a few.
fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut random = Random::new(seed);
    let mut order: Vec<usize> = (1..=count).collect();
    for place in (1..count).rev() {
        order.swap(place, random.below(place as u64 + 1) as usize);
    }
    order
}

/// Every part differs, so parts in the wrong order are found.
fn part_bytes(number: usize, size: usize) -> Vec<u8> {
    let mut bytes = content::of_size(size).to_vec();
    bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
    bytes
}

fn read_back(client: &mut Client, part: usize, count: usize, etag: &str) -> Result<()> {
    let (mut at, mut same) = (0, true);
    let mut expected = part_bytes(1, part);
    let reply = client.get(PATH, &mut |mut bytes| {
        while !bytes.is_empty() && same {
            let place = at % part;
            if place == 0 {
                expected[..8].copy_from_slice(&((at / part + 1) as u64).to_le_bytes());
            }
            let take = bytes.len().min(part - place);
            same = expected[place..place + take] == bytes[..take];
            bytes = &bytes[take..];
            at += take;
        }
    })?;
    ensure!(same && at == part * count, "the object differs from its parts near byte {at}");
    ensure!(reply.etag == etag, "GET answers ETag {} instead of {etag}", reply.etag);
    client.head(PATH).context("HEAD of the finished object").map(drop)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffled_order_holds_every_part_once_and_not_in_order() {
        let order = shuffled(256, 1);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (1..=256).collect::<Vec<_>>());
        assert_ne!(order, sorted);
    }
}
