//! What a run is to do, as plain data.
//!
//! `Options` decide the result: a run that goes on must have the same ones. `Tuning` decides how fast the run
//! works, and may change.

use crate::{compare::Comparison, filter::FilterOptions, pace::Timetable, retry::RetryPolicy};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// What the source has is brought to the destination.
    #[default]
    Copy,
    /// And what only the destination has is deleted there.
    Sync,
    /// And what has arrived is deleted at the source.
    Move,
}

/// When a sync deletes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeleteWhen {
    /// Before anything is sent: both ends are listed twice.
    Before,
    /// As the listings come to it.
    During,
    /// After everything was sent, and only if nothing failed: where there is something to delete, both ends
    /// are listed twice.
    #[default]
    After,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    pub verb: Verb,
    pub compare: Comparison,
    /// Objects that are newer at the destination stay.
    pub update: bool,
    /// Whatever the destination has stays.
    pub ignore_existing: bool,
    /// An object that the destination has, and that differs, is an error.
    pub immutable: bool,
    pub delete: DeleteWhen,
    /// What the filter excludes is deleted at the destination of a sync.
    pub delete_excluded: bool,
    /// No more objects of the destination are deleted.
    pub max_delete: Option<u64>,
    /// A prefix of the destination's store, to which objects are moved that would be deleted or replaced.
    pub trash: Option<String>,
    pub filter: FilterOptions,
    /// Times that differ by less are the same. The units of both ends count in any case.
    pub modify_window: Option<Duration>,
    /// Says what would be done, and changes nothing.
    pub dry_run: bool,
}

#[derive(Debug, Clone)]
pub struct Tuning {
    /// Number of objects that are sent at once.
    pub transfers: usize,
    /// Number of pairs that are compared at once.
    pub checkers: usize,
    /// Number of parts of one object that are sent at once.
    pub parts: usize,
    /// Objects from this size on are sent in parts. `None`: 64 MiB where the destination stores parts in
    /// place. Where it stages them first, objects are sent whole.
    pub multipart_from: Option<u64>,
    /// The size of parts. Objects that would have more than 10,000 parts get larger ones.
    pub part_size: u64,
    pub retry: RetryPolicy,
    /// The seed of the jitter between attempts.
    pub seed: u64,
    pub bandwidth: Timetable,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            transfers: 4,
            checkers: 8,
            parts: 4,
            multipart_from: None,
            part_size: 16 << 20,
            retry: RetryPolicy::default(),
            seed: 0,
            bandwidth: Timetable::default(),
        }
    }
}
