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
//! | `compare`, `own_time`, `bytes` | whether two objects are the same |
//! | `plan` | what is to be done about one name |
//! | `steps` | taking one step, and reporting it |
//! | `object`, `parts`, `reading` | bringing one object, whole or in parts |
//! | `run`, `context` | a run as a whole, and what its steps share |
//! | `check`, `mark` | comparing both ends without changing them |
//! | `two_way` | keeping two ends the same, whichever of them changes |
//! | `options`, `pace` | what a run is to do, and how fast |
//! | `journal` | how a run goes on that was killed |
//! | `events`, `progress` | what a run reports |
//! | `retry`, `error` | what is repeated, and what ends a run |

#![warn(unreachable_pub)]

mod bytes;
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
pub mod two_way;

pub use check::{Check, CheckOptions};
pub use end::{End, Side, Times, Walk};
pub use error::TransferError;
pub use journal::Journal;
pub use mark::Mark;
pub use options::{Options, Tuning};
pub use reading::with_time;
pub use run::Transfer;
pub use two_way::{TwoWay, TwoWayOptions};

use causeway_core::{model, store};
