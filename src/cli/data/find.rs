//! `causeway find`.

use super::{Access, ls::described, out::printable};
use crate::{
    ends::Named,
    model::Timestamp,
    transfer::filter::{Glob, PatternError},
    verbs::{self, Depth, Entries, Filter},
};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Look below this folder.
    end: String,
    /// Find names like this: * is any text, ? one character, [a-z] one of these, {a,b} one of both. Quote it for
    /// the shell.
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    name: Option<Glob>,
    /// Find objects of at least this size: 512, 10K, 1.5M, 2G.
    #[arg(long, value_name = "SIZE", value_parser = verbs::size)]
    larger: Option<u64>,
    /// Find objects of at most this size.
    #[arg(long, value_name = "SIZE", value_parser = verbs::size)]
    smaller: Option<u64>,
    /// Find objects that changed after this age or day: 30s, 15m, 2h, 7d, 2026-11-30.
    #[arg(long, value_name = "AGE", value_parser = age)]
    newer: Option<Timestamp>,
    /// Find objects that did not change since this age or day.
    #[arg(long, value_name = "AGE", value_parser = age)]
    older: Option<Timestamp>,
    #[command(flatten)]
    access: Access,
}

fn pattern(text: &str) -> Result<Glob, PatternError> {
    Glob::rclone(text, false)
}

fn age(text: &str) -> Result<Timestamp, String> {
    verbs::age(text, Timestamp::now())
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, name, larger, smaller, newer, older, access } = arguments;
    let filter =
        Filter { name: name.clone(), at_least: *larger, at_most: *smaller, since: *newer, before: *older };
    access.on(end, Named::Folder, async |place, out| {
        let mut entries = Entries::of(place, Depth::All).await?;
        while let Some(entry) = entries.next().await? {
            if filter.passes(&entry) {
                let name = entries.name(&entry);
                out.entry(|| printable(name), || described(&entry, name))?;
            }
        }
        Ok(())
    })
}
