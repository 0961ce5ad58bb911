//! The arguments by which objects take part in a run. Names and rules are rclone's.

use crate::{
    ends::Failure,
    transfer::filter::{FilterOptions, IGNORE_FILE, RuleTexts, lines},
    verbs,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(super) struct Filters {
    /// Take only names like this: *.jpg, /folder/**. The option may be repeated, as may the next ones.
    #[arg(long, value_name = "PATTERN")]
    include: Vec<String>,
    /// Leave out names like this.
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Use this rule: '+ PATTERN', '- PATTERN' or '!'. The first rule that matches a name decides.
    #[arg(long, value_name = "RULE", allow_hyphen_values = true)]
    filter: Vec<String>,
    /// Use the rules of this file, a line each, after those of --filter.
    #[arg(long, value_name = "FILE")]
    filter_from: Vec<PathBuf>,
    /// Take only the names in this file, a line each. Other rules for names do not count then.
    #[arg(long, value_name = "FILE")]
    files_from: Vec<PathBuf>,
    /// Let letters match whatever their case.
    #[arg(long)]
    ignore_case: bool,
    /// Leave out what files of this name in the source's folders exclude, in the syntax of gitignore
    /// [default: none; such as .causewayignore].
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = IGNORE_FILE)]
    ignore_file: Option<String>,
    /// Take objects of at least this size: 512, 10K, 1.5M, 2G. A number alone is in bytes.
    #[arg(long, value_name = "SIZE", value_parser = verbs::size)]
    min_size: Option<u64>,
    /// Take objects of at most this size.
    #[arg(long, value_name = "SIZE", value_parser = verbs::size)]
    max_size: Option<u64>,
    /// Take objects that are at least so old: 30s, 15m, 2h, 7d, 2w.
    #[arg(long, value_name = "AGE", value_parser = age)]
    min_age: Option<Duration>,
    /// Take objects that are at most so old.
    #[arg(long, value_name = "AGE", value_parser = age)]
    max_age: Option<Duration>,
}

fn age(text: &str) -> Result<Duration, String> {
    verbs::span(text).ok_or_else(|| format!("'{text}' is no age: write 30s, 15m, 2h, 7d or 2w"))
}

impl Filters {
    pub(super) fn options(&self) -> Result<FilterOptions, Failure> {
        let mut filter = self.filter.clone();
        for file in &self.filter_from {
            filter.extend(read(file)?);
        }
        let mut only = Vec::new();
        for file in &self.files_from {
            only.extend(read(file)?);
        }
        if !self.files_from.is_empty() && only.is_empty() {
            // An empty list would take everything.
            return Err(Failure::senseless("the files of --files-from name nothing"));
        }
        Ok(FilterOptions {
            names: RuleTexts {
                include: self.include.clone(),
                exclude: self.exclude.clone(),
                filter,
                ignore_case: self.ignore_case,
            },
            only,
            ignore_file: self.ignore_file.clone(),
            min_size: self.min_size,
            max_size: self.max_size,
            min_age: self.min_age,
            max_age: self.max_age,
            ..FilterOptions::default()
        })
    }
}

fn read(file: &Path) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(file);
    text.map(|text| lines(&text))
        .map_err(|error| Failure::senseless(format!("reading {}: {error}", file.display())))
}
