//! Moving objects between two stores: copy, sync, move and check. Commands and jobs share this engine.
//!
//! Its one way to data is the contract [`Store`](crate::store::Store). It knows neither the configuration
//! nor the command line: a caller opens both ends, and gives it options that are plain data.
//!
//! | file | owns |
//! |---|---|
//! | `end` | one side of a transfer: a store, and a prefix in it |
//! | `listing`, `pairs` | one end in order, and both in step |
//! | `filter`, `takes` | which objects take part: by name, and by what is known of each |
//! | `compare`, `own_time` | whether two objects are the same |
//! | `plan` | what is to be done about one name |
//! | `steps` | taking one step, and reporting it |
//! | `object`, `parts`, `reading` | bringing one object, whole or in parts |
//! | `run`, `context` | a run as a whole, and what its steps share |
//! | `check`, `mark` | comparing both ends without changing them |
//! | `options`, `pace` | what a run is to do, and how fast |
//! | `journal` | how a run goes on that was killed |
//! | `events`, `progress` | what a run reports |
//! | `retry`, `error` | what is repeated, and what ends a run |

#![warn(unreachable_pub)]

pub mod check;
pub mod compare;
mod context;
pub mod end;
pub mod error;
pub mod events;
pub mod filter;
pub mod journal;
pub mod listing;
mod mark;
mod object;
pub mod options;
pub mod own_time;
pub mod pace;
pub mod pairs;
mod parts;
mod plan;
pub mod progress;
mod reading;
pub mod retry;
mod run;
mod steps;
mod takes;

pub use check::{Check, CheckOptions};
pub use end::{End, Times, Walk};
pub use error::TransferError;
pub use journal::Journal;
pub use mark::Mark;
pub use options::{Options, Tuning};
pub use reading::with_time;
pub use run::Transfer;

use causeway_core::{model, store};
