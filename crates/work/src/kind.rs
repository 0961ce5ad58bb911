//! The table of jobs: one row each. `docs/guide/jobs.md` has the same table, which a test compares.

use serde::{Deserialize, Serialize};

/// The effect on a job when a step is dropped while it waits: the server stops, or another process has taken
/// over the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interruption {
    /// Nothing is lost. The next step starts from the beginning, and finds completed work done.
    Harmless,
    /// Nothing is lost. The next step continues near the position of this one.
    Resumes,
}

/// One kind of job.
#[derive(Debug, PartialEq, Eq)]
pub struct JobKind {
    /// The name that operators use.
    pub name: &'static str,
    /// One sentence for operators.
    pub does: &'static str,
    /// When the job works, in words for operators.
    pub pace: &'static str,
    pub interruption: Interruption,
    /// The counts that a step reports.
    pub counts: &'static [&'static str],
}

pub const UPKEEP: JobKind = JobKind {
    name: "upkeep",
    does: "Scans each bucket for changes made outside Causeway, and removes the parts of uploads that have ended.",
    pace: "every `scan_interval`, and at most a twentieth of the time",
    interruption: Interruption::Resumes,
    counts: &["buckets", "failed"],
};
pub const CHANGE_FEED: JobKind = JobKind {
    name: "change-feed",
    does: "Reads the change feed of storage that has one.",
    pace: "every 30 seconds, or `scan_interval` if that is less, and at most a twentieth of the time",
    interruption: Interruption::Resumes,
    counts: &["buckets", "failed"],
};
pub const CONTACT: JobKind = JobKind {
    name: "contact",
    does: "Asks storage that could not be reached whether it can be reached now.",
    pace: "every 5 seconds",
    interruption: Interruption::Harmless,
    counts: &["asked"],
};
pub const UPLOAD_EXPIRY: JobKind = JobKind {
    name: "upload-expiry",
    does: "Aborts uploads that are older than `upload_expiry`, and forgets how old ones ended.",
    pace: "every hour",
    interruption: Interruption::Harmless,
    counts: &["aborted", "failed"],
};
pub const UPLOAD_SWEEP: JobKind = JobKind {
    name: "upload-sweep",
    does: "Removes what a backend has staged for uploads that have ended.",
    pace: "with each upkeep, and when a bucket is deleted",
    interruption: Interruption::Harmless,
    counts: &[],
};
pub const REPLICA_REPAIR: JobKind = JobKind {
    name: "replica-repair",
    does: "Brings to the replicas of a bucket what they are known to lack.",
    pace: "after a write that a replica missed, when a backend can be reached again, and at least once a minute",
    interruption: Interruption::Harmless,
    counts: &["copied", "removed", "found", "left"],
};
pub const REPLICA_CARE: JobKind = JobKind {
    name: "replica-care",
    does: "Fills new replicas, makes missing locations again, and ends uploads that no client knows.",
    pace: "when a backend can be reached again, when many objects are missing, and at least once a minute",
    interruption: Interruption::Harmless,
    counts: &["objects", "copied"],
};
pub const REPLICA_SCRUB: JobKind = JobKind {
    name: "replica-scrub",
    does: "Compares what the replicas of a bucket list with the records, and repairs what differs.",
    pace: "every `scrub_interval` of the replicated backend",
    interruption: Interruption::Harmless,
    counts: &["objects", "differing", "copied", "failed"],
};
pub const LEFT_LOCATIONS: JobKind = JobKind {
    name: "left-locations",
    does: "Removes the locations of deleted buckets on backends that could not be reached then.",
    pace: "when a backend can be reached again, and at least every 5 minutes",
    interruption: Interruption::Harmless,
    counts: &["removed", "left"],
};
pub const SCAN: JobKind = JobKind {
    name: "scan",
    does: "Compares the files of a bucket with the index: those in folders that have changed, or all.",
    pace: "when `causeway bucket scan` asks for it",
    interruption: Interruption::Resumes,
    counts: &["folders", "objects", "changed"],
};
pub const SCRUB: JobKind = JobKind {
    name: "scrub",
    does: "Compares what a bucket lists with its objects.",
    pace: "when `causeway bucket scrub` asks for it",
    interruption: Interruption::Harmless,
    counts: &["objects", "bytes", "differing", "failed"],
};
pub const MIGRATION: JobKind = JobKind {
    name: "migration",
    does: "Copies a bucket to the backend to which it migrates, compares both places, and brings changes that one of them \
           missed.",
    pace: "from `causeway migrate start` until the migration is finished or rolled back; it rests while it is paused",
    interruption: Interruption::Resumes,
    counts: &["objects", "copied", "bytes", "failed"],
};

/// All kinds, in the order of the documents.
pub const KINDS: [&JobKind; 12] = [
    &UPKEEP,
    &CHANGE_FEED,
    &CONTACT,
    &UPLOAD_EXPIRY,
    &UPLOAD_SWEEP,
    &REPLICA_REPAIR,
    &REPLICA_CARE,
    &REPLICA_SCRUB,
    &LEFT_LOCATIONS,
    &SCAN,
    &SCRUB,
    &MIGRATION,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_job_has_a_name_of_its_own_and_counts_each_thing_once() {
        assert_eq!(KINDS.iter().map(|kind| kind.name).collect::<BTreeSet<_>>().len(), KINDS.len());
        for kind in KINDS {
            assert_eq!(kind.counts.iter().collect::<BTreeSet<_>>().len(), kind.counts.len(), "{}", kind.name);
            let is_plain = kind.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            assert!(is_plain && kind.does.ends_with('.') && !kind.pace.is_empty(), "{}", kind.name);
        }
    }
}
