//! Drivers: one folder for each kind of storage, behind the contract of `backend`. A driver never uses
//! another driver. A new driver needs a folder here, and a row where the server builds backends from
//! configuration.

#![warn(unreachable_pub)]

pub mod azblob;
pub mod dropbox;
pub mod fs;
pub mod ftp;
pub mod gdrive;
pub mod local;
pub mod onedrive;
pub mod opendal;
pub mod s3;
pub mod sftp;
pub mod webdav;

use causeway_backend as backend;
use causeway_catalog as catalog;
use causeway_core::{model, store, xml};

#[cfg(test)]
#[path = "../../../tests/support/records.rs"]
mod records;
