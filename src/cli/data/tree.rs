//! `causeway tree`: names are indented below their folders. Entries come in the order of their keys, so that
//! only the folders on the way to one are held.

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
    /// Show everything below this folder.
    end: String,
    /// Show folders down to this depth, and nothing below them.
    #[arg(long, short, value_name = "N")]
    depth: Option<usize>,
    /// Also print sizes.
    #[arg(long, short)]
    sizes: bool,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, depth, sizes, access } = arguments;
    let most = depth.unwrap_or(usize::MAX);
    access.on(end, Named::Folder, async |place, out| {
        let mut entries = Entries::of(place, Depth::All).await?;
        let (mut folders, mut objects, mut bytes) = (0u64, 0u64, 0u64);
        let mut open: Vec<String> = Vec::new();
        while let Some(entry) = entries.next().await? {
            let Entry::Object { size: own, .. } = &entry else { continue };
            let name = entries.name(&entry);
            let mut names: Vec<&str> = name.split('/').collect();
            let last = names.pop().unwrap_or_default();
            let same = open.iter().zip(&names).take_while(|(a, b)| a == b).count();
            open.truncate(same);
            for folder in &names[same..] {
                if open.len() < most {
                    let line = format!("{}{}/", "  ".repeat(open.len()), printable(folder));
                    let level = open.len();
                    out.entry(|| line, || json!({ "folder": folder, "level": level }))?;
                }
                open.push((*folder).to_owned());
                folders += 1;
            }
            // A marker of a folder is the folder.
            if last.is_empty() {
                continue;
            }
            objects += 1;
            bytes += own;
            if open.len() < most {
                let shown = if *sizes { format!("  {}", size(*own, true)) } else { String::new() };
                let line = format!("{}{}{shown}", "  ".repeat(open.len()), printable(last));
                let level = open.len();
                out.entry(|| line, || json!({ "name": last, "level": level, "size": own }))?;
            }
        }
        let line = || format!("\n{folders} folders, {objects} objects, {}", size(bytes, true));
        out.done(line, || json!({ "folders": folders, "objects": objects, "bytes": bytes }))
    })
}
