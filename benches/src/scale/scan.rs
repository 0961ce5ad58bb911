//! What clients notice of a scan of a whole bucket.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::client::Client;
use crate::load::{Seen, Until, drive};
use crate::options::Options;
use crate::report::{Cell, Goal, Report};
use crate::scale::keys::{self, BUCKET, Bucket};

const CLIENTS: usize = 4;
/// The 99th percentile during a scan, relative to that without.
const LIMIT: f64 = 2.0;

pub fn measure(bucket: &Bucket, options: &Options, report: &mut Report) -> Result<()> {
    let server = &bucket.kept.server;
    let get = |client: &mut Client, number: u64| keys::get(client, bucket.keys, number);
    eprintln!("GETs without a scan");
    let rounds = u32::try_from(options.rounds)?;
    let mut without = drive(server, CLIENTS, Until::Elapsed(options.slice * rounds), 0, &get)?;

    eprintln!("GETs during a scan of {} files", bucket.keys);
    let over = AtomicBool::new(false);
    let scan = || {
        let begun = Instant::now();
        let mut command = Command::new(options.programs.path(server.peer.program)?);
        command.args(["bucket", "scan", BUCKET, "--data"]).arg(&server.data);
        let ended = command.stdin(Stdio::null()).output();
        over.store(true, Ordering::Relaxed);
        let ended = ended?;
        ensure!(ended.status.success(), "the scan failed: {}", String::from_utf8_lossy(&ended.stderr));
        anyhow::Ok(begun.elapsed())
    };
    let (scanned, during) = std::thread::scope(|scope| {
        let scanning = scope.spawn(scan);
        let during = drive(server, CLIENTS, Until::Set(&over), 0, &get);
        (scanning.join(), during)
    });
    let (Ok(scanned), mut during) = (scanned, during?) else { bail!("the thread of the scan panicked") };
    let seconds = scanned?.as_secs_f64();

    let columns = ["GET 4 KiB, any key", "requests", "p50 ms", "p99 ms"];
    let title = format!("During a scan of {} files, which took {seconds:.1} s", bucket.keys);
    let mut table = super::table(&title, &columns);
    let mut row = |name: &str, seen: &mut Seen| {
        table.rows.push(vec![
            Cell::Text(name.into()),
            Cell::Figure(seen.requests as f64, 0),
            Cell::Figure(seen.percentile(0.50), 2),
            Cell::Figure(seen.percentile(0.99), 2),
        ]);
        seen.percentile(0.99)
    };
    let idle = row("without a scan", &mut without);
    let busy = row("during the scan", &mut during);
    report.tables.push(table);
    let what = "p99 of GET during a scan / without".into();
    report.goals.push(Goal { what, limit: LIMIT, measured: busy / idle, unit: "x" });
    Ok(())
}
