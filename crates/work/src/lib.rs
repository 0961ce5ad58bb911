//! The contract of background jobs, and what operators see of them.
//!
//! A job is a [`Worker`]: its kind is a row of the table in `kind`, and it works in steps. Between two steps
//! it rests; its pace decides how long, and what ends the rest early. Each step has the turn of its job:
//! among all users of the same [`Turns`], one at a time works on a job of a bucket. What a step has to
//! remember across a restart is its [`Cursor`].
//!
//! | file | owns |
//! |---|---|
//! | `kind` | which jobs there are, what each does, and what an interruption means |
//! | `worker` | the contract |
//! | `run` | what a step receives |
//! | `pace` | how long a job rests |
//! | `turns` | who works on a job now |
//! | `leases` | turns of processes that share a catalog |
//! | `cursor` | the position of a job in a bucket |
//! | `entry` | the state of one job |
//! | `parts` | the state of each bucket in a job over all buckets |
//! | `workers` | all jobs of a process |
//! | `life` | the loop: turn, step, rest |
//! | `asked` | jobs that an operator requests, once |
//! | `state` | what is shown of a job |
//!
//! Invariants:
//! - a step may be dropped wherever it waits, and nothing is lost: at most its work is repeated;
//! - memory: a bucket that only jobs of the whole server handle costs nothing while its last upkeep
//!   succeeded; a bounded number of buckets with failed upkeep, and of requested jobs, is remembered.

#![warn(unreachable_pub)]

mod asked;
mod cursor;
mod entry;
mod failure;
pub mod kind;
mod leases;
mod life;
mod pace;
mod parts;
mod run;
mod state;
#[cfg(test)]
mod tests;
mod turns;
mod worker;
mod workers;

use causeway_backend as backend;
use causeway_catalog as catalog;
use causeway_core::model;
#[cfg(test)]
use causeway_core::store;

pub use asked::RequestedJob;
pub use cursor::Cursor;
pub use entry::Subject;
pub use failure::Failure;
pub use kind::{Interruption, JobKind};
pub use leases::LeaseTurns;
pub use pace::{Backoff, Every};
pub use parts::Part;
pub use run::Run;
pub use state::{JobState, JobStatus};
pub use turns::{ProcessTurns, Turn, Turns};
pub use worker::{Ended, Stepped, TurnOutcome, Worker};
pub use workers::{Listed, Wanted, Workers};
