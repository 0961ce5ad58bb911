//! `scale`: what costs more as there is more. Each section can be run alone, and with smaller counts.
//!
//! Owns: the sections, and which share a filled bucket. Does not own: what a section measures.

mod idle;
mod kept;
mod keys;
mod scan;
mod start;

use anyhow::{Context, Result};

use crate::options::Options;
use crate::report::{Report, Table};

const KEYS: &str = "keys";
const FILES: &str = "files";
const SCAN: &str = "scan";
const BUCKETS: &str = "buckets";
const IDENTITIES: &str = "identities";
const IDLE: &str = "idle";
pub const SECTIONS: [&str; 6] = [KEYS, FILES, SCAN, BUCKETS, IDENTITIES, IDLE];

pub fn run(options: &Options) -> Result<Report> {
    let mut report = Report::default();
    let mut starts = start::table();
    if [KEYS, FILES, SCAN].into_iter().any(|section| options.wants_section(section)) {
        let most = options.keys.iter().max().context("--keys is empty")?;
        let all = options.wants_section(KEYS);
        let counts = if all { options.keys.clone() } else { vec![*most] };
        let mut buckets = keys::filled(&counts, options, &mut report)?;
        if all {
            keys::measure_all(&buckets, options, &mut report)?;
        }
        buckets.sort_by_key(|bucket| bucket.keys);
        let mut largest = buckets.pop().context("--keys is empty")?;
        if options.wants_section(SCAN) {
            scan::measure(&largest, options, &mut report)?;
        }
        if options.wants_section(FILES) {
            start::with_files(&mut largest, options, &mut starts, &mut report)?;
        }
    }
    if options.wants_section(BUCKETS) {
        start::with_buckets(options, &mut starts, &mut report)?;
    }
    if options.wants_section(IDENTITIES) {
        start::with_identities(options, &mut starts, &mut report)?;
    }
    if options.wants_section(IDLE) {
        idle::measure(options, &mut report)?;
    }
    if !starts.rows.is_empty() {
        report.tables.push(starts);
    }
    Ok(report)
}

fn table(title: &str, columns: &[&str]) -> Table {
    Table {
        title: title.into(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        rows: Vec::new(),
    }
}
