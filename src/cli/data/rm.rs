//! `causeway rm`.

use super::{
    Access,
    out::{Out, printable, size},
};
use crate::{
    ends::{Failure, Named, Place},
    verbs::{self, Depth, Entries, Entry},
};
use serde_json::json;
use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Remove this object, or with --recursive everything below this folder.
    end: String,
    /// Remove everything below.
    #[arg(long, short)]
    recursive: bool,
    /// Do not ask before removing a folder.
    #[arg(long, short)]
    force: bool,
    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    access: Access,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { end, recursive, access, .. } = arguments;
    let named = if *recursive { Named::Folder } else { Named::Object };
    access.on(end, named, async |place, out| match (*recursive, arguments.dry_run) {
        (true, true) => would_remove(place, out).await,
        (true, false) => folder(place, out, arguments.force).await,
        (false, dry) => one(place, out, dry).await,
    })
}

async fn one(place: &Place, out: &mut Out, dry: bool) -> Result<(), Failure> {
    if place.path.is_empty() || place.path.ends_with('/') {
        let label = &place.label;
        return Err(Failure::senseless(format!(
            "'{label}' is a folder: --recursive removes everything below it"
        )));
    }
    if dry {
        verbs::stat(place).await?;
    } else {
        verbs::remove_one(place).await?;
    }
    let words = if dry { "would remove" } else { "removed" };
    let line = || format!("{words} {}", printable(&place.label));
    out.done(line, || json!({ "key": place.path, "removed": !dry }))
}

async fn would_remove(place: &Place, out: &mut Out) -> Result<(), Failure> {
    let mut entries = Entries::below(place, &place.prefix(), Depth::All);
    while let Some(entry) = entries.next().await? {
        let key = entry.key();
        out.entry(|| format!("would remove {}", printable(key)), || json!({ "key": key, "removed": false }))?;
    }
    Ok(())
}

async fn folder(place: &Place, out: &mut Out, force: bool) -> Result<(), Failure> {
    // What does not exist is told before anybody is asked.
    let mut entries = Entries::below(place, &place.prefix(), Depth::OneFolder);
    if entries.next().await?.is_none() {
        return Err(Failure::missing(format!("'{}': there is nothing below it", place.label)));
    }
    if !force && !confirmed(&place.label)? {
        return Err(Failure::failed("nothing was removed"));
    }
    let hear = |entry: &Entry, failure: Option<Failure>| {
        if let Some(failure) = failure {
            eprintln!("causeway: {}", printable(&failure.to_string()));
            return Ok(());
        }
        let key = entry.key();
        out.done(|| format!("removed {}", printable(key)), || json!({ "key": key, "removed": true }))
    };
    let counts = verbs::remove_all(place, hear).await?;
    let words = || format!("{} objects removed, {}", counts.objects, size(counts.bytes, true));
    let (objects, bytes, failed) = (counts.objects, counts.bytes, counts.failed);
    out.done(words, || json!({ "objects": objects, "bytes": bytes, "failed": failed }))?;
    if failed > 0 {
        return Err(Failure::failed(format!("{failed} objects could not be removed: the reasons are above")));
    }
    Ok(())
}

/// Asks at the terminal. Without one, nobody can agree.
fn confirmed(label: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::senseless(format!(
            "everything below '{label}' would be removed, and there is no terminal to ask at: --force removes it, \
             --dry-run shows it"
        )));
    }
    let asked = || -> io::Result<bool> {
        eprint!("remove everything below '{}'? [y/N] ", printable(label));
        io::stderr().flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
    };
    asked().map_err(|error| Failure::failed(format!("asking at the terminal: {error}")))
}
