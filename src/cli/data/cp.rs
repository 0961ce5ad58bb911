//! `causeway cp | mv`: one object, or with `--recursive` what is below a folder. `upload-folder` and
//! `download-folder` are names for `cp --recursive`.
//!
//! A destination that ends with `/`, that is a directory, or that is all of a bucket is a folder: the object
//! keeps its name in it. Any other destination is the new name of the object.

use super::{
    copy::Whole,
    out::Out,
    rules::Rules,
    run::{Going, Pair},
};
use crate::{
    ends::{Failure, Named, Opener, Place},
    model::ObjectKey,
    transfer::{filter::FilterOptions, options::Verb},
    verbs,
};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Take this object, or with --recursive what is below this folder.
    source: String,
    /// Bring it to this name, or into this folder.
    destination: String,
    /// Take everything below the source.
    #[arg(long, short)]
    recursive: bool,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    going: Going,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct FolderArguments {
    /// Take what is below this folder.
    source: String,
    /// Bring it to this folder.
    destination: String,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    going: Going,
}

pub(in crate::cli) fn folder(arguments: &FolderArguments) -> ExitCode {
    let FolderArguments { source, destination, rules, going } = arguments;
    let whole = Whole { verb: Verb::Copy, deletions: None, allow_empty: false, rules, going };
    going.access.run(async |opener, out| whole.run(opener, out, source, destination).await)
}

pub(in crate::cli) fn run(verb: Verb, arguments: &Arguments) -> ExitCode {
    let Arguments { source, destination, recursive, rules, going } = arguments;
    going.access.run(async |opener, out| {
        if *recursive {
            let whole = Whole { verb, deletions: None, allow_empty: false, rules, going };
            return whole.run(opener, out, source, destination).await;
        }
        let named = if destination.ends_with('/') { Named::Folder } else { Named::Object };
        opener
            .open_both((source, Named::Object), (destination, named), async |from, to| {
                one(verb, arguments, opener, out, from, to).await
            })
            .await
    })
}

async fn one(
    verb: Verb,
    arguments: &Arguments,
    opener: &Opener<'_>,
    out: &mut Out,
    source: &Place,
    destination: &Place,
) -> Result<(), Failure> {
    let Arguments { rules, going, .. } = arguments;
    if source.path.is_empty() || source.path.ends_with('/') {
        let label = &source.label;
        return Err(Failure::senseless(format!("'{label}' is a folder: --recursive takes what is below it")));
    }
    let (from, to) = (source.key()?, target(source, destination)?);
    if source.address == destination.address && from == to {
        let (from, to) = (&source.label, &destination.label);
        return Err(Failure::senseless(format!("'{from}' and '{to}' are the same object")));
    }
    // What does not exist is told before anything is begun.
    verbs::stat(source).await?;
    let options = rules.options(verb, None, "")?;
    if options.filter != FilterOptions::default() || options.trash.is_some() {
        return Err(Failure::senseless("filters and the trash are for trees: they need --recursive"));
    }
    let ends = (verbs::object(source, &from), verbs::object(destination, &to));
    let pair = Pair { source, destination, part: "" };
    going.run(opener, out, &pair, ends, options, Some(source.label.clone())).await
}

/// Returns the key of the object at the destination.
fn target(source: &Place, destination: &Place) -> Result<ObjectKey, Failure> {
    if !destination.path.is_empty() && !destination.path.ends_with('/') {
        return destination.key();
    }
    let name = source.path.rsplit('/').next().unwrap_or_default();
    destination.key_of(&format!("{}{name}", destination.prefix()))
}
