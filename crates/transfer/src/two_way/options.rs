//! What a two-way run is to do, as plain data.

use crate::filter::FilterOptions;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which version wins where both ends have changed an object, or where one has changed and the other one has
/// deleted it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Both versions get new names, at both ends. A version wins against a deletion.
    #[default]
    Both,
    /// The later own time. Where there is none, both are kept. A version wins against a deletion, here and in
    /// the next three.
    Newer,
    Older,
    Larger,
    Smaller,
    /// What the source has, even if that is nothing.
    Source,
    Destination,
    /// Nothing is done about the name, in this run and in later ones.
    Skip,
    /// A run with a conflict changes nothing at all.
    Fail,
    /// Somebody is asked about each conflict.
    Ask,
}

/// What becomes of the version that loses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loser {
    /// It gets another name, at both ends.
    #[default]
    Keep,
    Overwrite,
}

/// How many deletions of one end a run may bring to the other one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeleteLimit {
    /// Half of what was there after the last run, but at least ten.
    #[default]
    Half,
    Count(u64),
    Percent(u8),
}

impl DeleteLimit {
    /// Returns whether it allows `count` deletions where `known` objects were.
    pub(crate) fn allows(self, count: u64, known: u64) -> bool {
        match self {
            Self::Half => count <= 10 || count * 2 <= known,
            Self::Count(limit) => count <= limit,
            Self::Percent(percent) => u128::from(count) * 100 <= u128::from(known) * u128::from(percent),
        }
    }
}

impl fmt::Display for DeleteLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Half => f.write_str("50 %"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TwoWayOptions {
    pub policy: Policy,
    pub loser: Loser,
    /// A version that is kept is named `NAME.SUFFIX1`, or with the next number that is free.
    pub suffix: String,
    pub limit: DeleteLimit,
    pub filter: FilterOptions,
    /// In the first run of a pair, equal sizes and times do not make objects equal: their bytes count.
    pub checksum: bool,
    /// Neither the limit nor an end without objects keeps a run from deleting.
    #[serde(skip)]
    pub force: bool,
    /// What is known of the last run is forgotten: this run is a first one.
    #[serde(skip)]
    pub resync: bool,
    /// Says what would be done, and changes nothing.
    #[serde(skip)]
    pub dry_run: bool,
}

impl Default for TwoWayOptions {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            loser: Loser::default(),
            suffix: "conflict".to_owned(),
            limit: DeleteLimit::default(),
            filter: FilterOptions::default(),
            checksum: false,
            force: false,
            resync: false,
            dry_run: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_a_part_of_what_was_there() {
        for (limit, count, known, allowed) in [
            (DeleteLimit::Half, 10, 10, true),
            (DeleteLimit::Half, 11, 22, true),
            (DeleteLimit::Half, 12, 22, false),
            (DeleteLimit::Count(0), 1, 100, false),
            (DeleteLimit::Count(2), 2, 2, true),
            (DeleteLimit::Percent(10), 1, 10, true),
            (DeleteLimit::Percent(10), 2, 19, false),
            (DeleteLimit::Percent(100), 5, 5, true),
            (DeleteLimit::Percent(0), 0, 0, true),
        ] {
            assert_eq!(limit.allows(count, known), allowed, "{limit} {count} {known}");
        }
    }
}
