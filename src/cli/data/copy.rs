//! `causeway copy | move`: what is below one folder is brought to another one. A sync works in the same way.

use super::{
    out::Out,
    rules::{Deletions, Rules},
    run::{Going, Pair},
};
use crate::{
    ends::{Failure, Named, Opener, Place},
    transfer::options::Verb,
    verbs,
};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    tree: Tree,
}

#[derive(Debug, clap::Args)]
struct Tree {
    /// Take what is below this folder.
    source: String,
    /// Bring it to this folder.
    destination: String,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    going: Going,
}

pub(in crate::cli) fn run(verb: Verb, arguments: &Arguments) -> ExitCode {
    let Tree { source, destination, rules, going } = &arguments.tree;
    let whole = Whole { verb, deletions: None, allow_empty: false, rules, going };
    going.access.run(async |opener, out| whole.run(opener, out, source, destination).await)
}

/// A run on two folders.
pub(super) struct Whole<'a> {
    pub(super) verb: Verb,
    pub(super) deletions: Option<Deletions>,
    pub(super) allow_empty: bool,
    pub(super) rules: &'a Rules,
    pub(super) going: &'a Going,
}

impl Whole<'_> {
    pub(super) async fn run(
        &self,
        opener: &Opener<'_>,
        out: &mut Out,
        source: &str,
        destination: &str,
    ) -> Result<(), Failure> {
        opener
            .open_both((source, Named::Folder), (destination, Named::Folder), async |from, to| {
                self.between(opener, out, from, to).await
            })
            .await
    }

    async fn between(
        &self,
        opener: &Opener<'_>,
        out: &mut Out,
        source: &Place,
        destination: &Place,
    ) -> Result<(), Failure> {
        let pair = Pair { source, destination, part: "" };
        pair.refuse_overlap()?;
        if !self.allow_empty {
            verbs::something_below(source).await.map_err(|failure| self.explained(failure))?;
        }
        let options = self.rules.options(self.verb, self.deletions, &destination.prefix())?;
        let ends = (verbs::folder(source), verbs::folder(destination));
        self.going.run(opener, out, &pair, ends, options, None).await
    }

    fn explained(&self, failure: Failure) -> Failure {
        match (self.verb, failure.kind()) {
            (Verb::Sync, crate::ends::FailureKind::Missing) => Failure::missing(format!(
                "{failure}, and a sync would delete everything at the destination. --allow-empty-source does it"
            )),
            _ => failure,
        }
    }
}
