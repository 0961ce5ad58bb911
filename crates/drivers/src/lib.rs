//! Drivers for disks and object stores: one folder for each, behind the contract of `backend`. Drivers for
//! files in folders are in the crate `file-drivers`. A driver never uses another driver. A new driver needs a
//! folder here, and a row where the server builds backends from configuration.

#![warn(unreachable_pub)]

pub mod azblob;
pub mod fs;
pub mod local;
pub mod null;
pub mod s3;

use causeway_backend as backend;
use causeway_catalog as catalog;
use causeway_core::{model, store, xml};

#[cfg(test)]
#[path = "../../../tests/support/records.rs"]
mod records;
