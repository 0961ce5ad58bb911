//! What the kernel counts about a server and all processes below it.
//!
//! Owns: CPU time, resident memory, bytes written, read from /proc. Does not own: starting or stopping
//! anything. Invariant: CPU time of threads and children that have exited and been waited for is included, so
//! differences never shrink.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// A process and its descendants.
#[derive(Debug, Clone, Copy)]
pub struct Tree(pub u32);

/// Bytes a process tree handed to the kernel: `characters` by any write call, `storage` by dirtying pages of
/// files.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    pub characters: u64,
    pub storage: u64,
}

impl Tree {
    /// User and system time so far, at the resolution of the kernel's clock tick (10 ms).
    pub fn cpu(self) -> Result<Duration> {
        let mut ticks = 0;
        for pid in self.members()? {
            let stat = read(pid, "stat")?;
            // Fields 14 to 17: utime, stime, cutime, cstime. The command name, field 2, may hold blanks:
            // count from its closing parenthesis.
            let after = stat.rsplit_once(')').context("no command in stat")?.1;
            ticks += after
                .split_whitespace()
                .skip(11)
                .take(4)
                .filter_map(|field| field.parse::<u64>().ok())
                .sum::<u64>();
        }
        // SAFETY: sysconf only reads a constant of the system.
        let per_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).context("clock ticks")?;
        Ok(Duration::from_micros(ticks * 1_000_000 / per_second))
    }

    /// Highest resident size since the start or since `forget_peak`.
    pub fn peak_rss(self) -> Result<u64> {
        self.status("VmHWM:")
    }

    pub fn rss(self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// Resets the peak, so that the next `peak_rss` covers only the time from now on.
    pub fn forget_peak(self) -> Result<()> {
        for pid in self.members()? {
            fs::write(format!("/proc/{pid}/clear_refs"), "5")
                .with_context(|| format!("clear_refs of {pid}"))?;
        }
        Ok(())
    }

    pub fn written(self) -> Result<Written> {
        let mut total = Written { characters: 0, storage: 0 };
        for pid in self.members()? {
            let io = read(pid, "io")?;
            total.characters += field(&io, "wchar:").context("wchar")?;
            total.storage += field(&io, "write_bytes:").context("write_bytes")?;
        }
        Ok(total)
    }

    fn status(self, name: &str) -> Result<u64> {
        let mut kibibytes = 0;
        for pid in self.members()? {
            kibibytes += field(&read(pid, "status")?, name).with_context(|| format!("{name} of {pid}"))?;
        }
        Ok(kibibytes * 1024)
    }

    fn members(self) -> Result<HashSet<u32>> {
        let mut members = HashSet::from([self.0]);
        let parents: Vec<(u32, u32)> = fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Some((pid, parent_of(pid)?)))
            .collect();
        loop {
            let before = members.len();
            members.extend(
                parents
                    .iter()
                    .filter(|(_, parent)| members.contains(parent))
                    .map(|(pid, _)| *pid)
                    .collect::<Vec<_>>(),
            );
            if members.len() == before {
                return Ok(members);
            }
        }
    }
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn read(pid: u32, file: &str) -> Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}"))
        .with_context(|| format!("/proc/{pid}/{file}: has the server died?"))
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}
