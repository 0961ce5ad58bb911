//! Drives one operation over many connections and times it.
//!
//! Owns: the threads, the tickets that number requests, latencies. Does not own: what an operation does, or
//! what it costs the server. Invariant: one failed request fails the whole slice; nothing that was refused is
//! ever counted as work done.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::client::Client;
use crate::server::Server;

/// When a slice ends. Requests under way are finished and counted.
#[derive(Debug, Clone, Copy)]
pub enum Until<'a> {
    Elapsed(Duration),
    Requests(u64),
    Set(&'a AtomicBool),
}

/// The results that the clients measured.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub requests: u64,
    pub bytes: u64,
    pub elapsed: Duration,
    /// Microseconds, in no order.
    pub latencies: Vec<u32>,
}

impl Seen {
    pub fn add(&mut self, other: Seen) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.elapsed += other.elapsed;
        self.latencies.extend(other.latencies);
    }

    /// The latency in milliseconds that this share of the requests did not exceed.
    pub fn percentile(&mut self, share: f64) -> f64 {
        self.latencies.sort_unstable();
        let rank =
            ((self.latencies.len() as f64 * share).ceil() as usize).clamp(1, self.latencies.len().max(1));
        self.latencies.get(rank - 1).map_or(0.0, |micros| f64::from(*micros) / 1e3)
    }
}

/// Sends the request with the given number, and returns how many bytes of content it moved.
pub type Operation<'a> = &'a (dyn Fn(&mut Client, u64) -> Result<u64> + Sync);

/// Runs `operation` on `connections` new connections. Request numbers count up from `first` without a gap.
pub fn drive(
    server: &Server,
    connections: usize,
    until: Until,
    first: u64,
    operation: Operation,
) -> Result<Seen> {
    let ticket = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let total = Mutex::new(Seen::default());
    let barrier = Barrier::new(connections + 1);
    let work = || -> Result<()> {
        let mut client = server.client();
        let connected = client.connect();
        barrier.wait();
        connected?;
        let started = Instant::now();
        let mut seen = Seen::default();
        while !failed.load(Ordering::Relaxed) {
            let number = ticket.fetch_add(1, Ordering::Relaxed);
            let over = match until {
                Until::Elapsed(limit) => seen.requests > 0 && started.elapsed() >= limit,
                Until::Requests(limit) => number >= first + limit,
                Until::Set(over) => seen.requests > 0 && over.load(Ordering::Relaxed),
            };
            if over {
                break;
            }
            let sent = Instant::now();
            match operation(&mut client, number) {
                Ok(bytes) => seen.bytes += bytes,
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
            seen.requests += 1;
            seen.latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        if let Ok(mut total) = total.lock() {
            total.add(seen);
        }
        Ok(())
    };
    let elapsed = std::thread::scope(|scope| -> Result<Duration> {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(work)).collect();
        barrier.wait();
        let started = Instant::now();
        for thread in threads {
            match thread.join() {
                Ok(outcome) => outcome?,
                Err(_) => bail!("a client thread panicked"),
            }
        }
        Ok(started.elapsed())
    })?;
    let mut seen = total.into_inner().unwrap_or_default();
    seen.elapsed = elapsed;
    Ok(seen)
}
