//! How soon a server answers after a start, with many buckets, identities or files: after an orderly stop,
//! and after SIGKILL.

use anyhow::Result;

use crate::client::Client;
use crate::load::{Until, drive};
use crate::options::Options;
use crate::report::{Cell, Goal, Report, Table};
use crate::scale::kept::{End, Kept};
use crate::scale::keys::{self, Bucket};

const CLIENTS: usize = 16;
/// The longest time until a first answer.
const LIMIT_SECONDS: f64 = 1.0;

pub fn table() -> Table {
    let columns = ["with", "the process before", "first GET, s", "first LIST, s", "server CPU until then, s"];
    super::table("First answers after a start", &columns)
}

pub fn with_files(
    bucket: &mut Bucket,
    options: &Options,
    table: &mut Table,
    report: &mut Report,
) -> Result<()> {
    let with = format!("{} files", bucket.keys);
    measure(&mut bucket.kept, options, &with, (&keys::path(0), keys::BUCKET), table, report)
}

pub fn with_buckets(options: &Options, table: &mut Table, report: &mut Report) -> Result<()> {
    let mut kept = Kept::start(options, String::new())?;
    eprintln!("making {} buckets", options.buckets);
    let create = |client: &mut Client, number: u64| client.create_bucket(&bucket(number)).map(|()| 0);
    drive(&kept.server, CLIENTS, Until::Requests(options.buckets), 0, &create)?;
    let last = bucket(options.buckets.saturating_sub(1));
    let path = format!("/{last}/object");
    kept.server.client().put(&path, b"one object")?;
    let with = format!("{} buckets", options.buckets);
    measure(&mut kept, options, &with, (&path, &last), table, report)
}

pub fn with_identities(options: &Options, table: &mut Table, report: &mut Report) -> Result<()> {
    let identity = |number: u64| {
        format!(
            "[[identity]]\naccess_key = \"identity-{number:06}\"\n\
             secret_key = \"a-secret-of-identity-{number:06}\"\n"
        )
    };
    let mut kept = Kept::start(options, (0..options.identities).map(identity).collect())?;
    kept.server.client().create_bucket("one")?;
    kept.server.client().put("/one/object", b"one object")?;
    let with = format!("{} identities", options.identities);
    measure(&mut kept, options, &with, ("/one/object", "one"), table, report)
}

fn measure(
    kept: &mut Kept,
    options: &Options,
    with: &str,
    (path, bucket): (&str, &str),
    table: &mut Table,
    report: &mut Report,
) -> Result<()> {
    for (end, before) in [(End::Stopped, "was stopped"), (End::Killed, "was killed")] {
        eprintln!("first answers with {with}: the process before {before}");
        let first = kept.restart(options, end, path, bucket)?;
        table.rows.push(vec![
            Cell::Text(with.to_owned()),
            Cell::Text(before.into()),
            Cell::Figure(first.get.as_secs_f64(), 3),
            Cell::Figure(first.list.as_secs_f64(), 3),
            Cell::Figure(first.cpu.as_secs_f64(), 2),
        ]);
        let what = format!("first GET and LIST with {with}, when the process before {before}");
        let measured = first.list.as_secs_f64();
        report.goals.push(Goal { what, limit: LIMIT_SECONDS, measured, unit: "s" });
    }
    Ok(())
}

fn bucket(number: u64) -> String {
    format!("bucket-{number:06}")
}
