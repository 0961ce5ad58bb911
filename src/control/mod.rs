//! Operators' requests on buckets and the catalog, beside S3: one request, answered line by line.
//!
//! The same code answers in a running server, through the socket in its data directory (`socket`), and in a
//! command that has opened a data directory that no server uses.
//!
//! | file | owns |
//! |---|---|
//! | `adopt` | making a bucket of existing data on a backend |
//! | `scan` | bringing the index of a bucket up to date with its storage |
//! | `scrub` | whether a bucket's objects match what it lists |
//! | `key` | identities that are added and removed at run time |
//! | `members` | users, groups, roles and policies of an account |
//! | `jobs` | background jobs |
//! | `explain` | why a request was allowed or denied |
//! | `lend` | what commands need to reach the buckets of a running server |
//! | `migrate` | buckets that migrate to another backend |
//! | `replicate` | replicated buckets: their status and members |
//! | `rows` | the format of an exported catalog |
//! | `export`, `import` | writing and reading what only the catalog knows |
//! | `socket` | requests and replies as lines |

mod adopt;
mod explain;
mod export;
mod import;
mod jobs;
mod key;
mod lend;
mod members;
mod migrate;
mod replicate;
mod rows;
mod scan;
mod scrub;
pub mod socket;

pub use adopt::Adoption;
pub use import::{Clash, ImportError, ImportOptions, Imported, check, import};
pub use jobs::JobsQuery;
pub use key::{Change, Hidden, Key, Keyed, LastUsed, ListedKey};
pub use lend::{Entrance, Lend, Lent, find};
pub use members::{AccessChange, Action, Members, Simulate};
pub use migrate::Migrate;
pub use replicate::{Replicate, Replicated};
pub use rows::{Header, Row, RowError, Rows};

pub use crate::buckets::scrub::{Finding, ScrubCounts};
use crate::{
    access::AddedIdentities,
    backend::{Depth, Lack, ReplicationCounts, migration::MigrationState},
    buckets::Buckets,
    model::Chain,
    s3::{Decisions, Explained},
    work::JobState,
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Without `full`, as much as upkeep does.
    Scan {
        bucket: String,
        full: bool,
    },
    Scrub {
        bucket: String,
        bytes: bool,
    },
    Adopt(Adoption),
    Export,
    Replicate {
        bucket: String,
        what: Replicate,
    },
    Migrate {
        bucket: String,
        what: Migrate,
    },
    Key(Key),
    Members(Members),
    Jobs(JobsQuery),
    Explain {
        request: String,
    },
    Lend(Lend),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Scanning(Scanned),
    Scrubbing(ScrubCounts),
    Differs(Finding),
    Row(Row),
    Replicating(ReplicationCounts),
    Lacks(Lack),
    Job(JobState),
    Explained(Explained),
    /// The last reply, on success.
    Done(Done),
    /// The last reply, on failure.
    Failed(String),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanned {
    pub folders: u64,
    pub objects: u64,
    pub changed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    Scanned(Scanned),
    /// There is no index: the storage serves listings itself.
    Unindexed,
    Scrubbed(ScrubCounts),
    Exported,
    Adopted {
        backend: String,
        place: String,
        owner: String,
    },
    Replicated(Replicated),
    /// `None`: the bucket does not migrate.
    Migrated(Option<Box<MigrationState>>),
    Keyed(Keyed),
    /// JSON.
    Members(Hidden),
    Jobs {
        /// How many more there are than were reported.
        left_out: usize,
    },
    Explained,
    /// `None`: the server has no such bucket.
    Lent(Option<Lent>),
}

/// The time between two progress messages of a scan.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// How long a command waits for another one that does the same on the same bucket.
const TURN: Duration = Duration::from_secs(10);
/// Maximum number of replies that wait for a slow reader.
const AHEAD: usize = 64;

/// What answers are made of.
#[derive(Debug, Clone)]
pub struct Sources {
    pub buckets: Arc<Buckets>,
    pub identities: Arc<AddedIdentities>,
    /// The decisions of a running server.
    pub decisions: Option<Arc<Decisions>>,
    /// Where a running server serves this machine.
    pub entrance: Option<Arc<Entrance>>,
}

/// Answers a request. Dropping the receiver ends the work.
pub fn answer(
    Sources { buckets, identities, decisions, entrance }: Sources,
    request: Request,
) -> mpsc::Receiver<Reply> {
    let (replies, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let work = async {
            match request {
                Request::Scan { bucket, full } => {
                    let depth = if full { Depth::Everything } else { Depth::Changed };
                    scan::scan(&buckets, &bucket, depth, &replies).await
                }
                Request::Scrub { bucket, bytes } => {
                    scrub::scrub(&buckets, &bucket, bytes, &replies).await.map(Done::Scrubbed)
                }
                Request::Adopt(adoption) => adopt::adopt(&buckets, adoption).await,
                Request::Replicate { bucket, what } => {
                    replicate::replicate(&buckets, &bucket, what, &replies).await.map(Done::Replicated)
                }
                Request::Migrate { bucket, what } => migrate::migrate(&buckets, &bucket, what)
                    .await
                    .map(|state| Done::Migrated(state.map(Box::new))),
                Request::Key(key) => key::answer(&identities, key).await.map(Done::Keyed),
                Request::Members(asked) => members::answer(&identities, asked).await.map(Done::Members),
                Request::Jobs(query) => jobs::jobs(&buckets, query, &replies).await,
                Request::Explain { request } => {
                    explain::explain(decisions.as_deref(), &request, &replies).await
                }
                Request::Lend(wanted) => lend::lend(&buckets, &identities, entrance.as_deref(), wanted).await,
                Request::Export => {
                    let exported = export::export(&**buckets.catalog(), &replies).await;
                    exported.map(|()| Done::Exported).map_err(|error| Chain(&error).to_string())
                }
            }
        };
        let last = tokio::select! {
            () = replies.closed() => return,
            done = work => done.map_or_else(Reply::Failed, Reply::Done),
        };
        // The receiver may be gone.
        let _ = replies.send(last).await;
    });
    receiver
}
