//! Moving objects between two stores: copy, sync, move and check. Commands and jobs share this engine.
//!
//! Its one way to data is the contract [`Store`](crate::store::Store). It knows neither the configuration
//! nor the command line: a caller opens both ends, and gives it options that are plain data.
//!
//! | file | owns |
//! |---|---|
//! | `end` | one side of a transfer: a store, and a prefix in it |
//! | `listing`, `pairs` | one end in order, and both in step |
//! | `filter` | which objects take part |
//! | `retry`, `error` | what is repeated, and what ends a run |

#![warn(unreachable_pub)]

pub mod end;
pub mod error;
pub mod filter;
pub mod listing;
pub mod pairs;
pub mod retry;

pub use end::{End, Times, Walk};
pub use error::TransferError;

use causeway_core::{model, store};
