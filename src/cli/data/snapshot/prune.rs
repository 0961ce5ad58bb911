//! `causeway snapshot forget | prune`.

use super::super::out::size;
use super::{key::At, show::SHOWN};
use crate::{
    ends::{Failure, Named},
    model::Timestamp,
    snapshot::{Keep, Prune, Pruned, Snapshot},
    verbs,
};
use serde_json::json;
use std::{process::ExitCode, time::Duration};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Forget {
    #[command(flatten)]
    at: At,
    /// The snapshots: each by its name, or by enough of the beginning of one.
    #[arg(required = true)]
    snapshots: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    rules: Rules,
    /// Delete packs so long after they were condemned. No run on the repository may take longer. With 0s
    /// nothing else may use the repository.
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = grace)]
    grace: Duration,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Without a rule all snapshots stay.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(next_help_heading = "Which snapshots of each source stay")]
struct Rules {
    /// Keep the last snapshots.
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_last: u32,
    /// Keep the last snapshot of each of the last hours that have one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_hourly: u32,
    /// Keep the last snapshot of each of the last days that have one, and so on. All of it is in UTC.
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_daily: u32,
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_weekly: u32,
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_monthly: u32,
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_yearly: u32,
}

fn grace(text: &str) -> Result<Duration, String> {
    verbs::span(text).ok_or_else(|| format!("'{text}' is no span of time: write 30m, 24h or 7d"))
}

impl Rules {
    fn keep(self) -> Option<Keep> {
        let keep = Keep {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
        };
        (!keep.is_empty()).then_some(keep)
    }
}

pub(super) fn forget(arguments: &Forget) -> ExitCode {
    let At { repository, key, access } = &arguments.at;
    access.on(repository, Named::Folder, async |place, out| {
        let repository = verbs::repository(place, &key.read()?).await?;
        // All names are looked up before anything is removed.
        let mut meant = Vec::new();
        for text in &arguments.snapshots {
            let found = Snapshot::find(&repository, text).await;
            meant.push(found.map_err(|error| verbs::snapshot_failure(&error))?);
        }
        for snapshot in meant {
            snapshot.forget(&repository).await.map_err(|error| verbs::snapshot_failure(&error))?;
            let name = snapshot.name.to_string();
            out.done(|| format!("forgot {}", &name[..SHOWN]), || json!({ "forgot": name }))?;
        }
        Ok(())
    })
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let At { repository, key, access } = &arguments.at;
    access.on(repository, Named::Folder, async |place, out| {
        let repository = verbs::repository(place, &key.read()?).await?;
        let Arguments { rules, grace, dry_run, .. } = arguments;
        let run =
            Prune { repository, keep: rules.keep(), grace: *grace, now: Timestamp::now(), dry_run: *dry_run };
        let pruned = run.run().await.map_err(|error| verbs::snapshot_failure(&error))?;
        let verb = if *dry_run { "would forget" } else { "forgot" };
        for snapshot in &pruned.forgotten {
            let name = snapshot.name.to_string();
            let line = || format!("{verb} {} of {}", &name[..SHOWN], snapshot.created.iso8601());
            out.done(line, || json!({ "forgot": name, "dry_run": dry_run }))?;
        }
        summary(&pruned, *dry_run, out)
    })
}

fn summary(pruned: &Pruned, dry_run: bool, out: &mut super::super::out::Out) -> Result<(), Failure> {
    let Pruned { condemned, condemned_bytes, repacked, deleted, deleted_bytes, kept_bytes, .. } = pruned;
    let line = || {
        let would = if dry_run { "would be " } else { "" };
        format!(
            "{condemned} packs ({}) {would}condemned, {repacked} of them after copying what is needed; {deleted} packs \
             ({}) deleted; {} stay",
            size(*condemned_bytes, true),
            size(*deleted_bytes, true),
            size(*kept_bytes, true)
        )
    };
    let value = || {
        json!({
            "condemned": condemned, "condemned_bytes": condemned_bytes, "repacked": repacked,
            "deleted": deleted, "deleted_bytes": deleted_bytes, "kept_bytes": kept_bytes, "dry_run": dry_run,
        })
    };
    out.done(line, value)
}
