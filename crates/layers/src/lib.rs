//! The layers between a bucket and its drivers: layers over one backend (`cache`, `limits`, `faults`),
//! backends made of several (`replicate`), and buckets that move (`migrate`). No layer uses another.

#![warn(unreachable_pub)]

pub mod cache;
pub mod faults;
pub mod limits;
pub mod migrate;
pub mod replicate;

use causeway_backend as backend;
use causeway_catalog as catalog;
use causeway_core::{model, store};
use causeway_work as work;

#[cfg(test)]
#[path = "../../../tests/support/records.rs"]
mod records;
