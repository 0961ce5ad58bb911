//! Keeping two ends the same, whichever of them changes.
//!
//! What both ends had after the last run is kept in a folder (`state`), sorted by name. A run reads it in
//! step with both listings, so that it knows what each end has changed since. It plans first and changes
//! nothing: limits, conflicts and renames are decided on the whole plan, which is a file too. Then it takes
//! the steps.
//!
//! Invariants:
//! - a version that somebody wrote is replaced or deleted only if the other end replaced or deleted the very
//!   version that both had, or if the policy for conflicts says so;
//! - each step compares both ends again right before the change, and changes under a condition where the end
//!   has conditions: what changed meanwhile is left for the next run;
//! - what was done is written down before the next step, so a run that was killed goes on. What was done and
//!   not written down is recognised: both ends have the same bytes;
//! - memory does not grow with the number of objects, but for 24 bytes for each name that may be part of a
//!   rename, of which there are at most a million.
//!
//! | file | owns |
//! |---|---|
//! | `options` | what a run is to do, as plain data |
//! | `version` | an object as one end had it, and whether it still has it |
//! | `state`, `known` | what both ends had after the last run, in a folder, under a lock |
//! | `lines`, `sorting` | files of lines about names |
//! | `triples` | that state and both listings in step |
//! | `same` | whether both ends have the same bytes |
//! | `judge` | what is to be done about one name |
//! | `conflict` | what is to be done where both ends have changed |
//! | `question` | what somebody is asked about a conflict |
//! | `step`, `plan` | one step, and all of them in a file |
//! | `renames` | a deletion and a new name that are one rename |
//! | `both` | the contexts of both directions |
//! | `change` | one guarded change of one end |
//! | `perform` | taking one step |
//! | `planning`, `run` | a run as a whole |

mod both;
mod change;
mod conflict;
mod judge;
mod known;
mod lines;
mod options;
mod perform;
mod plan;
mod planning;
mod question;
mod renames;
mod run;
mod same;
mod sorting;
mod state;
mod step;
mod triples;
mod version;

pub use options::{DeleteLimit, Loser, Policy, TwoWayOptions};
pub use question::{Answer, Ask, Question};
pub use run::TwoWay;
