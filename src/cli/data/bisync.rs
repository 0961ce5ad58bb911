//! `causeway bisync`: two folders are kept the same, whichever of them changes.

use super::{
    Access,
    filters::Filters,
    pace::Pace,
    two_way::{Asked, Conflicts, limit},
};
use crate::{ends::Named, transfer::two_way::DeleteLimit};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Keep this folder …
    source: String,
    /// … and this one the same.
    destination: String,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Bring at most so many deletions of one end to the other one: 100, or 10% of what was there [default:
    /// 50%, and at least 10].
    #[arg(long, value_name = "LIMIT", value_parser = limit)]
    max_delete: Option<DeleteLimit>,
    /// In the first run, compare bytes even where sizes and times are equal.
    #[arg(long)]
    checksum: bool,
    #[command(flatten)]
    conflicts: Conflicts,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { source, destination, conflicts, filters, pace, access, .. } = arguments;
    let asked = Asked {
        conflicts,
        filters,
        pace,
        access,
        limit: arguments.max_delete,
        checksum: arguments.checksum,
        dry_run: arguments.dry_run,
    };
    access.run(async |opener, out| {
        opener
            .open_both((source, Named::Folder), (destination, Named::Folder), async |from, to| {
                asked.between(opener, out, from, to).await
            })
            .await
    })
}
