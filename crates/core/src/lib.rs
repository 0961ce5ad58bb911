//! The vocabulary of S3 (`model`), the syntax of its documents (`xml`), and the contract of one bucket's
//! storage (`store`). This crate knows nothing of disks, networks or SQL.

#![warn(unreachable_pub)]

pub mod model;
pub mod store;
pub mod xml;

use causeway_digest as digest;

#[cfg(test)]
#[path = "../../../tests/support/records.rs"]
mod records;
