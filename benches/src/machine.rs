//! Describes the machine of a measurement, and how busy it was before.
//!
//! Owns: what is read from /proc. Invariant: what cannot be read is named as unknown, and fails nothing.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::sigv4;

/// The machine as it was before the measurement began. Figures of two machines cannot be compared, only
/// ratios can.
pub struct Machine {
    cores: usize,
    model: String,
    mebibytes: u64,
    kernel: String,
    file_system: String,
    /// Processes that ran or waited for a core, on average over the last minute.
    load: f64,
    date: String,
}

impl Machine {
    /// `work` is where the servers keep their data.
    pub fn now(work: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |path: &str, name: &str| {
            let text = read(path);
            let value =
                text.lines().find_map(|line| Some(line.strip_prefix(name)?.split_once(':')?.1.trim()));
            value.unwrap_or("unknown").to_owned()
        };
        let kibibytes: u64 = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
        let date = sigv4::timestamp(SystemTime::now());
        Self {
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            model: field("/proc/cpuinfo", "model name"),
            mebibytes: kibibytes / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/self/mounts"), work),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or(f64::NAN),
            date: format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..8]),
        }
    }

    pub fn described(&self) -> String {
        let Self { cores, model, mebibytes, kernel, file_system, load, date } = self;
        let gibibytes = *mebibytes as f64 / 1024.0;
        let busy = match *load > *cores as f64 / 2.0 {
            true => ": **the machine was busy with other work**, so only ratios mean something",
            false => "",
        };
        format!(
            "{date}, {cores} cores ({model}), {gibibytes:.0} GiB of memory, Linux {kernel}, {file_system}; \
             load average before the run {load:.1}{busy}"
        )
    }
}

/// The type of the file system with the longest mount point above `path`.
fn file_system(mounts: &str, path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or("unknown", |(_, kind)| kind)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_is_that_of_the_nearest_mount_point() {
        let mounts = "a / ext4 rw 0 0\nb /tmp tmpfs rw 0 0\nc /tmp/x/y xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/nowhere/at/all")), "ext4");
        assert_eq!(file_system(mounts, Path::new("/tmp")), "tmpfs");
    }
}
