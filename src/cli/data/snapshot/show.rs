//! `causeway snapshot list | check`.

use super::super::out::{printable, size};
use super::key::At;
use crate::{
    ends::{Failure, Named},
    snapshot::{self, Checked, Snapshot},
    verbs,
};
use serde_json::{Value, json};
use std::process::ExitCode;

/// How many digits of a name are shown.
pub(super) const SHOWN: usize = 12;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Check {
    #[command(flatten)]
    at: At,
    /// Also read all chunks, and compare each with its identity.
    #[arg(long)]
    read_data: bool,
}

pub(super) fn list(arguments: &List) -> ExitCode {
    let At { repository, key, access } = &arguments.at;
    access.on(repository, Named::Folder, async |place, out| {
        let repository = verbs::repository(place, &key.read()?).await?;
        let all = Snapshot::all(&repository).await.map_err(|error| verbs::snapshot_failure(&error))?;
        for snapshot in &all {
            out.entry(|| line(snapshot), || value(snapshot))?;
        }
        Ok(())
    })
}

fn line(snapshot: &Snapshot) -> String {
    let name = snapshot.name.to_string();
    let failed = match snapshot.failed {
        0 => String::new(),
        failed => format!("  without {failed} objects that could not be read"),
    };
    format!(
        "{}  {}  {:>9} objects  {:>9}  {}{failed}",
        &name[..SHOWN],
        snapshot.created.iso8601(),
        snapshot.objects,
        size(snapshot.bytes, true),
        printable(&snapshot.source)
    )
}

pub(super) fn value(snapshot: &Snapshot) -> Value {
    json!({
        "snapshot": snapshot.name.to_string(),
        "created": snapshot.created.iso8601(),
        "source": snapshot.source,
        "objects": snapshot.objects,
        "bytes": snapshot.bytes,
        "failed": snapshot.failed,
    })
}

pub(super) fn check(arguments: &Check) -> ExitCode {
    let At { repository, key, access } = &arguments.at;
    access.on(repository, Named::Folder, async |place, out| {
        let repository = verbs::repository(place, &key.read()?).await?;
        let hear = |problem: String| eprintln!("causeway: {}", printable(&problem));
        let checked = snapshot::check(&repository, arguments.read_data, hear).await;
        let checked = checked.map_err(|error| verbs::snapshot_failure(&error))?;
        let Checked { snapshots, packs, chunks, bytes, unlisted, problems } = checked;
        let line = || {
            let beside = match unlisted {
                0 => String::new(),
                unlisted => format!("; {unlisted} packs are of runs that were killed, or that go on"),
            };
            format!(
                "{snapshots} snapshots, {packs} packs with {chunks} chunks ({}), {problems} problems{beside}",
                size(bytes, true)
            )
        };
        let value = || {
            json!({
                "snapshots": snapshots, "packs": packs, "chunks": chunks, "bytes": bytes,
                "unlisted": unlisted, "problems": problems,
            })
        };
        out.done(line, value)?;
        match problems {
            0 => Ok(()),
            _ => Err(Failure::failed("the repository is damaged: the problems are above")),
        }
    })
}
