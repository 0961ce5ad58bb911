//! `causeway size`.

use super::{Access, out};
use crate::{
    ends::Named,
    verbs::{Depth, Entries, Entry, Total},
};
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Count the objects below this folder, and their bytes.
    end: String,
    /// Print the size with a unit.
    #[arg(long, short = 'H')]
    human: bool,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, human, access } = arguments;
    access.on(end, Named::Folder, async |place, out| {
        let mut entries = Entries::of(place, Depth::All).await?;
        let mut total = Total::default();
        while let Some(entry) = entries.next().await? {
            if let Entry::Object { size, .. } = entry {
                total.add(size);
            }
        }
        let Total { objects, bytes } = total;
        let line = || format!("objects  {objects}\nbytes    {}", out::size(bytes, *human));
        out.entry(line, || json!({ "objects": objects, "bytes": bytes }))
    })
}
