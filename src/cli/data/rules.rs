//! The arguments that decide what a run does about each object.

use super::{filters::Filters, two_way::limit};
use crate::{
    ends::Failure,
    transfer::{
        Options,
        compare::Comparison,
        options::{DeleteWhen, Verb},
        two_way::DeleteLimit,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Rules {
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Compare sizes and checksums instead of sizes and times.
    #[arg(long, conflicts_with = "size_only")]
    pub(super) checksum: bool,
    /// Compare sizes alone.
    #[arg(long)]
    size_only: bool,
    /// Leave objects that are newer at the destination.
    #[arg(long)]
    update: bool,
    /// Leave whatever the destination has.
    #[arg(long)]
    ignore_existing: bool,
    /// Fail for objects that the destination has, and that differ.
    #[arg(long)]
    immutable: bool,
    /// Keep what would be deleted or replaced in this folder of the destination, which takes no part otherwise.
    #[arg(long, value_name = "FOLDER", visible_alias = "backup-dir", value_parser = trash)]
    trash: Option<String>,
    #[command(flatten)]
    pub(super) filters: Filters,
}

/// What a sync deletes.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Deletions {
    /// When to delete what only the destination has.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::After)]
    delete: When,
    /// Delete at most so many objects. With --two-way also a part: 10%.
    #[arg(long, value_name = "LIMIT", value_parser = limit)]
    pub(super) max_delete: Option<DeleteLimit>,
    /// Also delete what the filters exclude at the destination.
    #[arg(long)]
    delete_excluded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum When {
    Before,
    During,
    After,
}

fn trash(text: &str) -> Result<String, String> {
    let folder = text.trim_end_matches('/');
    let is_path = folder.split('/').all(|name| !matches!(name, "" | "." | ".."));
    if !is_path || folder.contains(':') {
        return Err("it is the name of a folder in the destination, such as .trash".to_owned());
    }
    Ok(format!("{folder}/"))
}

impl Deletions {
    /// Returns whether there is something that only a run in one direction has.
    pub(super) fn are_one_way(&self) -> bool {
        self.delete != When::After || self.delete_excluded
    }
}

impl Rules {
    /// Returns whether there is something that only a run in one direction has.
    pub(super) fn are_one_way(&self) -> bool {
        self.size_only || self.update || self.ignore_existing || self.immutable || self.trash.is_some()
    }

    /// Returns the options of a run. `prefix` is that of the destination.
    pub(super) fn options(
        &self,
        verb: Verb,
        deletions: Option<Deletions>,
        prefix: &str,
    ) -> Result<Options, Failure> {
        let compare = match (self.checksum, self.size_only) {
            (true, _) => Comparison::Checksum,
            (false, true) => Comparison::SizeOnly,
            (false, false) => Comparison::SizeAndTime,
        };
        let mut options = Options {
            verb,
            compare,
            update: self.update,
            ignore_existing: self.ignore_existing,
            immutable: self.immutable,
            trash: self.trash.as_ref().map(|folder| format!("{prefix}{folder}")),
            filter: self.filters.options()?,
            dry_run: self.dry_run,
            ..Options::default()
        };
        if let Some(deletions) = deletions {
            options.delete = match deletions.delete {
                When::Before => DeleteWhen::Before,
                When::During => DeleteWhen::During,
                When::After => DeleteWhen::After,
            };
            options.max_delete = match deletions.max_delete {
                None => None,
                Some(DeleteLimit::Count(count)) => Some(count),
                Some(limit) => {
                    let words = format!("--max-delete {limit} is for --two-way: write a number");
                    return Err(Failure::senseless(words));
                }
            };
            options.delete_excluded = deletions.delete_excluded;
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trash_is_a_folder_in_the_destination() {
        assert_eq!(trash(".trash"), Ok(".trash/".to_owned()));
        assert_eq!(trash("old/2026/"), Ok("old/2026/".to_owned()));
        for wrong in ["", "/", "/srv/old", "../old", "./old", "s3://old", "disk:old"] {
            assert!(trash(wrong).is_err(), "{wrong}");
        }
    }
}
