//! `causeway sync`: a folder is made the same as another one, or with `--two-way` both are kept the same.

use super::{
    copy::Whole,
    rules::{Deletions, Rules},
    run::Going,
    two_way::{Asked, Conflicts, working_directory},
};
use crate::{
    ends::{self, Failure, Named},
    transfer::options::Verb,
};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Take what is below this folder.
    #[arg(required_unless_present = "two_way")]
    source: Option<String>,
    /// Make this folder the same.
    #[arg(required_unless_present = "two_way")]
    destination: Option<String>,
    /// Bring changes of either folder to the other one, as bisync does. Without folders: those of the pair
    /// that the current directory is part of, by the rules of the last time that they were named.
    #[arg(long)]
    two_way: bool,
    /// Also sync a source that has nothing at all below it: everything at the destination is deleted.
    #[arg(long, conflicts_with = "two_way")]
    allow_empty_source: bool,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    deletions: Deletions,
    #[command(flatten)]
    conflicts: Conflicts,
    #[command(flatten)]
    going: Going,
}

pub(in crate::cli) fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { rules, deletions, conflicts, going, .. } = arguments;
    if let Err(failure) = arguments.check() {
        return going.access.run(async |_, _| Err(failure));
    }
    let ends = arguments.source.as_deref().zip(arguments.destination.as_deref());
    if arguments.two_way {
        let asked = Asked {
            conflicts,
            filters: &rules.filters,
            pace: &going.pace,
            access: &going.access,
            limit: deletions.max_delete,
            checksum: rules.checksum,
            dry_run: rules.dry_run,
        };
        return match ends {
            Some((source, destination)) => two_ways(&asked, source, destination),
            None => again(&asked),
        };
    }
    let (deletions, allow_empty) = (Some(*deletions), arguments.allow_empty_source);
    let whole = Whole { verb: Verb::Sync, deletions, allow_empty, rules, going };
    let (source, destination) = ends.unwrap_or_default();
    going.access.run(async |opener, out| whole.run(opener, out, source, destination).await)
}

impl Arguments {
    /// Fails if some of the arguments have no meaning together.
    fn check(&self) -> Result<(), Failure> {
        let Self { rules, deletions, conflicts, going, .. } = self;
        if !self.two_way && conflicts.is_given() {
            return Err(Failure::senseless(
                "--conflict, --loser, --conflict-suffix, --force, --resync and --state need --two-way",
            ));
        }
        let one_way = rules.are_one_way() || deletions.are_one_way() || going.names_a_journal();
        if self.two_way && one_way {
            return Err(Failure::senseless(
                "--size-only, --update, --ignore-existing, --immutable, --trash, --delete, --delete-excluded, --resume \
                 and --no-resume are for one direction: --two-way has none of them",
            ));
        }
        if self.two_way && self.source.is_some() != self.destination.is_some() {
            return Err(Failure::senseless("name both folders, or none of them"));
        }
        Ok(())
    }
}

fn two_ways(asked: &Asked<'_>, source: &str, destination: &str) -> ExitCode {
    asked.access.run(async |opener, out| {
        opener
            .open_both((source, Named::Folder), (destination, Named::Folder), async |from, to| {
                asked.between(opener, out, from, to).await
            })
            .await
    })
}

/// Runs the pair of the current directory.
fn again(asked: &Asked<'_>) -> ExitCode {
    let recalled = working_directory().and_then(|directory| {
        let (folder, pair) = ends::recall_pair(&crate::cli::environment(), &directory)?;
        // Paths in the configuration are those of that time.
        std::env::set_current_dir(&pair.directory).map_err(|error| {
            Failure::failed(format!("the directory {}: {error}", pair.directory.display()))
        })?;
        Ok((folder, pair))
    });
    let (folder, pair) = match recalled {
        Ok(found) => found,
        Err(failure) => return asked.access.run(async |_, _| Err(failure)),
    };
    let access = asked.access.with(pair.config.clone(), pair.data.clone());
    access.run(async |opener, out| {
        let (source, destination) = (pair.source.text.as_str(), pair.destination.text.as_str());
        opener
            .open_both((source, Named::Folder), (destination, Named::Folder), async |from, to| {
                asked.again(out, (from, to), (folder, &pair)).await
            })
            .await
    })
}
