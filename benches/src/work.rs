//! What every server is asked to do: a table, one row each, and the request that a row stands for.
//!
//! Owns: sizes, numbers of clients, units, the goals. Does not own: who takes part and when
//! (`side_by_side`). Invariant: a request that moved another number of bytes than it should is an error.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::client::Client;
use crate::content;
use crate::load::{Seen, Until, drive};
use crate::peers::{Peer, Role};
use crate::server::Server;

pub const KIB: usize = 1024;
pub const MIB: usize = 1024 * KIB;
pub const WRITE: &str = "write";
pub const LISTED: &str = "listed";
/// The keys of the bucket that is listed, and those of one page.
pub const KEYS: u64 = 10_000;
pub const PAGE: usize = 1000;
/// The size of the parts of an upload.
const PART: usize = 16 * MIB;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    Put,
    Multipart,
    List,
}

#[derive(Debug)]
pub struct Work {
    pub name: &'static str,
    pub verb: Verb,
    pub size: usize,
    pub clients: usize,
    /// The number of objects that are read in turn, or of keys that are written in turn. If it is larger than
    /// the number of writes, every write creates a new key.
    pub ring: u64,
    pub goal: Goal,
}

/// The highest figure that Causeway should need, with relaxed durability.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    TimesNginx(f64),
    TimesMd5(f64),
    /// In the unit of the row.
    Figure(f64),
}

pub const WORK: &[Work] = &[
    Work {
        name: "GET 4 KiB",
        verb: Verb::Get,
        size: 4 * KIB,
        clients: 16,
        ring: 1000,
        goal: Goal::TimesNginx(2.0),
    },
    Work {
        name: "PUT 4 KiB",
        verb: Verb::Put,
        size: 4 * KIB,
        clients: 16,
        ring: u64::MAX,
        goal: Goal::Figure(130.0),
    },
    Work {
        name: "GET 1 MiB",
        verb: Verb::Get,
        size: MIB,
        clients: 16,
        ring: 64,
        goal: Goal::TimesNginx(1.0),
    },
    // With MD5 in 1.8 ms/MiB these are 2.0, 2.2 and 2.0 ms/MiB.
    Work {
        name: "PUT 1 MiB",
        verb: Verb::Put,
        size: MIB,
        clients: 16,
        ring: 256,
        goal: Goal::TimesMd5(2.0 / 1.8),
    },
    Work {
        name: "GET 64 MiB",
        verb: Verb::Get,
        size: 64 * MIB,
        clients: 8,
        ring: 4,
        goal: Goal::TimesNginx(1.0),
    },
    Work {
        name: "PUT 64 MiB",
        verb: Verb::Put,
        size: 64 * MIB,
        clients: 8,
        ring: 16,
        goal: Goal::TimesMd5(2.2 / 1.8),
    },
    Work {
        name: "multipart 256 MiB",
        verb: Verb::Multipart,
        size: 256 * MIB,
        clients: 4,
        ring: 1,
        goal: Goal::TimesMd5(2.0 / 1.8),
    },
    Work { name: "LIST 1000", verb: Verb::List, size: 0, clients: 4, ring: 1, goal: Goal::Figure(0.5) },
];

/// What a row accumulates over its slices.
#[derive(Default)]
pub struct Row {
    pub seen: Seen,
    pub cpu: Duration,
    pub peak: u64,
}

impl Work {
    pub fn applies(&self, peer: &Peer) -> bool {
        match peer.role {
            Role::Whole | Role::Nothing => true,
            Role::Writes => matches!(self.verb, Verb::Put | Verb::Multipart),
            Role::Files => self.verb == Verb::Get,
        }
    }

    pub fn is_per_mebibyte(&self) -> bool {
        self.size >= MIB
    }

    pub fn unit(&self) -> &'static str {
        match self.verb {
            _ if self.is_per_mebibyte() => "ms/MiB",
            Verb::List => "ms",
            _ => "µs",
        }
    }

    /// The server's CPU time, in the unit of this row.
    pub fn cost(&self, row: &Row) -> f64 {
        let seconds = row.cpu.as_secs_f64();
        match self.verb {
            _ if self.is_per_mebibyte() => seconds * 1e3 / (row.seen.bytes as f64 / MIB as f64),
            Verb::List => seconds * 1e3 / row.seen.requests as f64,
            _ => seconds * 1e6 / row.seen.requests as f64,
        }
    }

    /// What came through on the clock, and its unit.
    pub fn rate(&self, row: &Row) -> (f64, &'static str) {
        let seconds = row.seen.elapsed.as_secs_f64();
        match self.is_per_mebibyte() {
            true => (row.seen.bytes as f64 / MIB as f64 / seconds, "MiB/s"),
            false => (row.seen.requests as f64 / seconds, "1/s"),
        }
    }

    /// Does this work for a while. Numbers of requests count up from `first`.
    pub fn drive(&self, server: &Server, slice: Duration, first: u64) -> Result<Seen> {
        match self.verb {
            Verb::Multipart => self.upload(server, slice),
            _ => {
                let operation = |client: &mut Client, number: u64| self.request(client, number);
                drive(server, self.clients, Until::Elapsed(slice), first, &operation)
            }
        }
    }

    fn request(&self, client: &mut Client, number: u64) -> Result<u64> {
        let number = number % self.ring;
        match self.verb {
            Verb::Get => {
                let reply = client.get(&read_path(self.size, number), &mut |_| {})?;
                ensure!(reply.length == self.size as u64, "a body of {} bytes", reply.length);
                Ok(reply.length)
            }
            Verb::List => client.list_bytes(&format!("/{LISTED}"), "list-type=2&max-keys=1000").map(|_| 0),
            Verb::Put | Verb::Multipart => {
                let path = format!("/{WRITE}/{}/{:02x}/{number}", self.size, number % 64);
                client.put(&path, content::of_size(self.size)).map(|_| self.size as u64)
            }
        }
    }

    /// Uploads objects in parts, one object after the other, as many parts at once as there are clients.
    fn upload(&self, server: &Server, slice: Duration) -> Result<Seen> {
        const PATH: &str = "/write/multipart";
        let mut client = server.client();
        let mut seen = Seen::default();
        let started = Instant::now();
        while seen.requests == 0 || started.elapsed() < slice {
            let begun = Instant::now();
            let upload = client.create_multipart(PATH)?;
            let etags = Mutex::new(vec![String::new(); self.size / PART]);
            let send = |client: &mut Client, number: u64| {
                let number = usize::try_from(number)?;
                let etag = client.upload_part(PATH, &upload, number + 1, content::of_size(PART))?;
                if let Ok(mut etags) = etags.lock() {
                    etags[number] = etag;
                }
                Ok(PART as u64)
            };
            let parts = Until::Requests((self.size / PART) as u64);
            seen.bytes += drive(server, self.clients, parts, 0, &send)?.bytes;
            client.complete_multipart(PATH, &upload, &etags.into_inner().unwrap_or_default())?;
            seen.requests += 1;
            seen.latencies.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        seen.elapsed = started.elapsed();
        Ok(seen)
    }
}

/// The bucket of the objects of one size that are read.
pub fn read_bucket(size: usize) -> String {
    format!("read-{size}")
}

pub fn read_path(size: usize, number: u64) -> String {
    format!("/{}/{number:04}", read_bucket(size))
}
