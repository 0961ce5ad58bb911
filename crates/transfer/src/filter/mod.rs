//! Which objects take part in a run: by name, size, age and metadata.
//!
//! Names and folders are decided while an end is listed, so that what is excluded is not held, and excluded
//! folders are not listed. The rest is decided for each object: size and age by what the listing says if it
//! says enough, metadata by a HEAD.
//!
//! Invariant: both ends are filtered alike, as rclone does. So what is excluded is neither copied nor
//! deleted, unless excluded objects of the destination are to be deleted.

mod class;
mod glob;
mod ignore;
mod rules;

use crate::{
    end::End,
    error::TransferError,
    model::{Attributes, Timestamp},
    retry::Retry,
};
pub use glob::{Glob, PatternError};
use ignore::Ignores;
use rules::Rules;
pub use rules::{RuleTexts, lines};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, ops::Bound, sync::Arc, time::Duration};

/// The name of the ignore files that are honoured by default.
pub const IGNORE_FILE: &str = ".causewayignore";

/// The filter of a run, as its caller writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FilterOptions {
    pub names: RuleTexts,
    /// Only these names, if there are any: `--files-from`. Other rules for names do not count then.
    pub only: Vec<String>,
    /// The name of ignore files in the source's folders. `None`: there are none.
    pub ignore_file: Option<String>,
    pub min_size: Option<u64>,
    pub max_size: Option<u64>,
    /// Only objects of at least this age.
    pub min_age: Option<Duration>,
    pub max_age: Option<Duration>,
    /// Rules for `key=value` of the user metadata.
    pub metadata: RuleTexts,
    /// Folders that never take part, each with a `/` at its end: the trash of a run.
    pub reserved: Vec<String>,
}

#[derive(Debug)]
pub struct Filter {
    names: Rules,
    only: Option<BTreeSet<String>>,
    sizes: (Option<u64>, Option<u64>),
    /// The earliest and the latest time.
    times: (Option<Timestamp>, Option<Timestamp>),
    metadata: Rules,
    reserved: Vec<String>,
    ignore_file: Option<Arc<str>>,
}

impl Filter {
    /// `now` is the time from which ages count.
    pub fn new(options: &FilterOptions, now: Timestamp) -> Result<Self, PatternError> {
        let before = |age: Duration| {
            let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            Timestamp::from_millis(now.millis().saturating_sub(millis))
        };
        let only = options.only.iter().map(|name| name.trim_start_matches('/').to_owned()).collect();
        Ok(Self {
            names: Rules::of_names(&options.names)?,
            only: (!options.only.is_empty()).then_some(only),
            sizes: (options.min_size, options.max_size),
            times: (options.max_age.map(before), options.min_age.map(before)),
            metadata: Rules::of_lines(&options.metadata)?,
            reserved: options.reserved.clone(),
            ignore_file: options.ignore_file.as_deref().map(Into::into),
        })
    }

    /// Returns whether objects are filtered by their own times.
    pub fn needs_time(&self) -> bool {
        self.times != (None, None)
    }

    /// Returns whether objects are filtered by what only a HEAD says.
    pub fn needs_metadata(&self) -> bool {
        !self.metadata.is_empty()
    }

    pub fn keeps_size(&self, size: u64) -> bool {
        let (min, max) = self.sizes;
        min.is_none_or(|min| size >= min) && max.is_none_or(|max| size <= max)
    }

    pub fn keeps_time(&self, time: Timestamp) -> bool {
        let (earliest, latest) = self.times;
        earliest.is_none_or(|earliest| time >= earliest) && latest.is_none_or(|latest| time <= latest)
    }

    pub fn keeps_metadata(&self, attributes: &Attributes) -> bool {
        let mut lines: Vec<String> =
            attributes.user.iter().map(|(key, value)| format!("{key}={value}")).collect();
        if lines.is_empty() {
            // As rclone has it, an object without metadata has one empty line.
            lines.push(String::new());
        }
        self.metadata.include_any(&lines)
    }

    fn keeps_name(&self, name: &str) -> bool {
        if self.reserved.iter().any(|folder| name.starts_with(folder.as_str())) {
            return false;
        }
        match &self.only {
            Some(only) => only.contains(name),
            None => self.names.include(name),
        }
    }

    fn skips(&self, folder: &str) -> bool {
        if self.reserved.iter().any(|reserved| folder.starts_with(reserved.as_str())) {
            return true;
        }
        match &self.only {
            Some(only) => {
                let mut names = only.range::<str, _>((Bound::Included(folder), Bound::Unbounded));
                !names.next().is_some_and(|name| name.starts_with(folder))
            }
            None => self.names.exclude_all_below(folder),
        }
    }
}

/// What one listing keeps. It is asked for names in ascending order.
#[derive(Debug)]
pub struct Scope {
    filter: Arc<Filter>,
    ignores: Option<Ignores>,
    /// Everything takes part but what is reserved.
    is_open: bool,
}

impl Scope {
    /// Creates the scope of a listing of either end. Ignore files are those of `source`.
    pub fn new(filter: Arc<Filter>, source: &End, retry: &Arc<Retry>) -> Self {
        let ignores =
            filter.ignore_file.clone().map(|file| Ignores::new(source.clone(), file, retry.clone()));
        Self { filter, ignores, is_open: false }
    }

    /// Creates the scope of a destination whose excluded objects are to be deleted: all but what is reserved.
    pub fn open(filter: Arc<Filter>) -> Self {
        Self { filter, ignores: None, is_open: true }
    }

    pub(crate) async fn keeps(&mut self, name: &str) -> Result<bool, TransferError> {
        if self.is_open {
            return Ok(!self.filter.reserved.iter().any(|folder| name.starts_with(folder.as_str())));
        }
        if !self.filter.keeps_name(name) {
            return Ok(false);
        }
        match &mut self.ignores {
            Some(ignores) => Ok(!ignores.ignores(name).await?),
            None => Ok(true),
        }
    }

    /// Returns whether nothing below the folder is kept.
    pub(crate) async fn skips(&mut self, folder: &str) -> Result<bool, TransferError> {
        if self.is_open {
            return Ok(self.filter.reserved.iter().any(|reserved| folder.starts_with(reserved.as_str())));
        }
        if self.filter.skips(folder) {
            return Ok(true);
        }
        match &mut self.ignores {
            Some(ignores) => ignores.ignores_folder(folder).await,
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(change: impl FnOnce(&mut FilterOptions)) -> Filter {
        let mut options = FilterOptions::default();
        change(&mut options);
        Filter::new(&options, Timestamp::from_millis(1_000_000)).expect("a filter")
    }

    #[test]
    fn sizes_and_ages_have_two_limits_each_and_both_belong_to_what_is_kept() {
        let sizes = filter(|options| (options.min_size, options.max_size) = (Some(5), Some(7)));
        assert_eq!([4, 5, 7, 8].map(|size| sizes.keeps_size(size)), [false, true, true, false]);
        let ages = filter(|options| {
            options.min_age = Some(Duration::from_secs(100));
            options.max_age = Some(Duration::from_secs(300));
        });
        let kept = |millis| ages.keeps_time(Timestamp::from_millis(millis));
        assert_eq!([699_999, 700_000, 900_000, 900_001].map(kept), [false, true, true, false]);
        assert!(ages.needs_time() && !sizes.needs_time());
    }

    #[test]
    fn metadata_is_included_by_any_of_its_lines() {
        let filter = filter(|options| options.metadata.include = vec!["team=*".into()]);
        let with = |entries: &[(&str, &str)]| {
            let user = entries.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            filter.keeps_metadata(&Attributes { user, ..Default::default() })
        };
        assert!(with(&[("a", "b"), ("team", "x/y")]) && !with(&[("a", "b")]) && !with(&[]));
    }

    #[test]
    fn a_list_of_names_overrides_rules_and_leaves_out_other_folders() {
        let filter = filter(|options| {
            options.only = vec!["/a/b.txt".into(), "c".into()];
            options.names.exclude = vec!["*".into()];
        });
        assert!(filter.keeps_name("a/b.txt") && filter.keeps_name("c") && !filter.keeps_name("a/c.txt"));
        assert!(!filter.skips("a/") && filter.skips("b/") && filter.skips("a/b.txt/"));
    }

    #[test]
    fn a_reserved_folder_takes_no_part() {
        let filter = filter(|options| options.reserved = vec![".trash/".into()]);
        assert!(!filter.keeps_name(".trash/x") && filter.skips(".trash/y/") && filter.keeps_name("x"));
    }
}
