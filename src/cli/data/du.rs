//! `causeway du`.

use super::{
    Access,
    out::{Out, printable, size},
};
use crate::{
    ends::{Failure, Named},
    verbs::{Depth, Entries, Total, Usage},
};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Show how much is in each folder below this one.
    end: String,
    /// Show folders down to this depth. What is deeper counts for them.
    #[arg(long, short, value_name = "N", default_value_t = 1)]
    depth: usize,
    /// Print sizes with units.
    #[arg(long, short = 'H')]
    human: bool,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, depth, human, access } = arguments;
    access.on(end, Named::Folder, async |place, out| {
        let mut entries = Entries::of(place, Depth::All).await?;
        let mut usage = Usage::new(*depth);
        while let Some(entry) = entries.next().await? {
            for ended in usage.take(entries.name(&entry), &entry) {
                show(out, &ended, *human)?;
            }
        }
        usage.end().iter().try_for_each(|ended| show(out, ended, *human))
    })
}

fn show(out: &mut Out, (folder, total): &(String, Total), human: bool) -> Result<(), Failure> {
    let Total { objects, bytes } = *total;
    let line = || {
        let name = if folder.is_empty() { "." } else { folder };
        format!("{:>12}  {objects:>8}  {}", size(bytes, human), printable(name))
    };
    out.entry(line, || json!({ "folder": folder, "objects": objects, "bytes": bytes }))
}
