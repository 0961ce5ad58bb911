//! What idle connections cost in memory.

use anyhow::{Context, Result};

use crate::client::Client;
use crate::options::Options;
use crate::report::{Cell, Goal, Report};
use crate::scale::kept::Kept;

const KIB: f64 = 1024.0;
/// The most memory that the server may hold with 10,000 of them.
const LIMIT_MEBIBYTES: f64 = 160.0;

pub fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let count = options.connections;
    let more = count + 100;
    let kept = Kept::start(
        options,
        format!("max_connections = {more}\nmax_connections_per_address = {more}\nidle_timeout = \"30m\"\n"),
    )?;
    let mut first = kept.server.client();
    first.create_bucket("idle")?;
    first.put("/idle/object", b"one object")?;
    let before = kept.server.tree().rss()?;
    eprintln!("opening {count} connections");
    let mut clients: Vec<Client> = Vec::with_capacity(count);
    for number in 0..count {
        let mut client = kept.server.client();
        client.head("/idle/object").with_context(|| format!("connection {number}: see 'ulimit -n'"))?;
        clients.push(client);
    }
    let after = kept.server.tree().rss()?;
    // All of them are still open, and the server still answers on each.
    for client in clients.iter_mut().step_by(count.div_ceil(100).max(1)) {
        client.head("/idle/object")?;
    }
    let (before, after) = (before as f64 / KIB, after as f64 / KIB);
    let each = (after - before) / count as f64;
    let columns = ["idle connections", "resident before, MiB", "resident with them, MiB", "KiB for each"];
    let mut table = super::table("Idle connections, each after one request", &columns);
    table.rows.push(vec![
        Cell::Figure(count as f64, 0),
        Cell::Figure(before / KIB, 1),
        Cell::Figure(after / KIB, 1),
        Cell::Figure(each, 1),
    ]);
    report.tables.push(table);
    let what = format!("resident with {count} idle connections");
    report.goals.push(Goal { what, limit: LIMIT_MEBIBYTES, measured: after / KIB, unit: "MiB" });
    Ok(())
}
