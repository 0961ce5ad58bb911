//! `causeway ls`.

use super::{
    Access,
    out::{printable, size},
};
use crate::{
    ends::Named,
    verbs::{Depth, Entries, Entry},
};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// List what is in this folder, or this one object.
    end: String,
    /// Also print size and time.
    #[arg(long, short)]
    long: bool,
    /// List everything below, not only one folder.
    #[arg(long, short)]
    recursive: bool,
    /// Print sizes with units.
    #[arg(long, short = 'H')]
    human: bool,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, long, recursive, human, access } = arguments;
    let depth = if *recursive { Depth::All } else { Depth::OneFolder };
    access.on(end, Named::Folder, async |place, out| {
        let mut entries = Entries::of(place, depth).await?;
        while let Some(entry) = entries.next().await? {
            let name = entries.name(&entry);
            let line = || match &entry {
                _ if !long => printable(name),
                Entry::Folder { .. } => format!("{:>12}  {:<24}  {}", "-", "", printable(name)),
                Entry::Object { size: bytes, modified, .. } => {
                    let (size, time) = (size(*bytes, *human), modified.iso8601());
                    format!("{size:>12}  {time}  {}", printable(name))
                }
            };
            out.entry(line, || described(&entry, name))?;
        }
        Ok(())
    })
}

/// An entry in JSON.
pub(super) fn described(entry: &Entry, name: &str) -> serde_json::Value {
    match entry {
        Entry::Folder { key } => json!({ "name": name, "key": key, "folder": true }),
        Entry::Object { key, size, modified, etag } => json!({
            "name": name,
            "key": key,
            "size": size,
            "modified": modified.iso8601(),
            "etag": etag.as_str(),
        }),
    }
}
