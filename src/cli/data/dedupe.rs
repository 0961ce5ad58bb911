//! `causeway dedupe`: objects with the same bytes are listed, and all but one are removed or renamed on
//! request.

use super::{
    Access,
    out::{Out, printable, size},
};
use crate::{
    ends::{Failure, Named, Place},
    verbs::{self, Alike, Keep},
};
use serde_json::json;
use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Find objects with the same bytes below this folder.
    end: String,
    /// What to do with all but one of them.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = What::List)]
    action: What,
    /// Which one stays as it is.
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = Which::Oldest)]
    keep: Which,
    /// Renamed objects are named NAME.SUFFIX1, NAME.SUFFIX2, …
    #[arg(long, value_name = "SUFFIX", default_value = "duplicate", value_parser = suffix)]
    suffix: String,
    /// Read all objects of equal sizes, and compare their SHA-256: MD5s that the storage shows are not
    /// believed.
    #[arg(long)]
    download: bool,
    /// Print what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Print them.
    List,
    Delete,
    /// Give them other names.
    Rename,
    /// Ask at the terminal which one to keep; the others are deleted.
    Ask,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    Oldest,
    Newest,
    /// The first one by name.
    First,
}

fn suffix(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains('/') {
        true => Err("a suffix is not empty, and has no '/'".to_owned()),
        false => Ok(text.to_owned()),
    }
}

#[derive(Debug, Default)]
struct Counts {
    groups: u64,
    copies: u64,
    bytes: u64,
    left: u64,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, action, access, .. } = arguments;
    access.on(end, Named::Folder, async |place, out| {
        if *action == What::Ask && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
            return Err(Failure::senseless(
                "there is no terminal to ask at: --action delete or rename with --keep does it, and --action list shows \
                 it",
            ));
        }
        let mut counts = Counts::default();
        for alike in verbs::duplicates(place, arguments.download).await? {
            counts.groups += 1;
            arguments.one(place, out, &alike, &mut counts).await?;
        }
        let Counts { groups, copies, bytes, left } = counts;
        let line = || {
            let of = format!("{groups} contents, {copies} copies of them ({})", size(bytes, true));
            if left > 0 { format!("{of}; {left} changed meanwhile, and were left") } else { of }
        };
        out.done(line, || json!({ "contents": groups, "copies": copies, "bytes": bytes, "left": left }))
    })
}

impl Arguments {
    async fn one(
        &self,
        place: &Place,
        out: &mut Out,
        alike: &Alike,
        counts: &mut Counts,
    ) -> Result<(), Failure> {
        let keep = match self.keep {
            Which::Oldest => Keep::Oldest,
            Which::Newest => Keep::Newest,
            Which::First => Keep::First,
        };
        let mut kept = alike.kept(keep);
        let mut action = self.action;
        if action == What::Ask {
            out.end()?;
            match asked(alike) {
                Some(at) => (kept, action) = (at, What::Delete),
                None => return Ok(()),
            }
        }
        let first = &alike.copies[kept];
        for (at, copy) in alike.copies.iter().enumerate() {
            let key = printable(&copy.key);
            let mut tell = |done: &str, value: &str, new: Option<&str>| {
                let line = || match new {
                    Some(new) => format!("{done} {key} to {}", printable(new)),
                    None => format!("{done} {key}"),
                };
                out.entry(line, || {
                    json!({
                        "key": copy.key, "done": value, "to": new, "digest": alike.digest, "size": alike.size,
                        "modified": copy.modified.iso8601()
                    })
                })
            };
            if at == kept {
                tell("=", "kept", None)?;
                continue;
            }
            counts.copies += 1;
            counts.bytes += alike.size;
            match action {
                What::List | What::Ask => tell("+", "found", None)?,
                What::Delete if self.dry_run => tell("would remove", "planned", None)?,
                What::Rename if self.dry_run => tell("would rename", "planned", None)?,
                What::Delete => match verbs::remove_copy(place, first, copy).await? {
                    true => tell("removed", "removed", None)?,
                    false => counts.left += 1,
                },
                What::Rename => match verbs::rename_copy(place, first, copy, &self.suffix).await? {
                    Some(new) => tell("renamed", "renamed", Some(&new))?,
                    None => counts.left += 1,
                },
            }
        }
        Ok(())
    }
}

/// Asks which copy to keep. `None`: all of them.
fn asked(alike: &Alike) -> Option<usize> {
    loop {
        eprintln!("these have the same {} bytes:", alike.size);
        for (number, copy) in (1..).zip(&alike.copies) {
            eprintln!("  {number}: {} of {}", printable(&copy.key), copy.modified.iso8601());
        }
        eprint!("keep which one, and delete the others? [number, or Enter for all of them] ");
        let mut line = String::new();
        if io::stderr().flush().is_err() || io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        match line.trim() {
            "" => return None,
            text => match text.parse::<usize>() {
                Ok(number) if (1..=alike.copies.len()).contains(&number) => return Some(number - 1),
                _ => {}
            },
        }
    }
}
