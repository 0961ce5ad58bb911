//! Drivers for files in folders: one folder for each kind of storage that keeps names, sizes and times, and
//! nothing else of S3. They are on top of `backend::tree`. Disks and object stores are in the crate `drivers`.
//! A driver never uses another driver.
//!
//! Such storage is far slower than this code, so a release compiles the crate for size.

#![warn(unreachable_pub)]

pub mod dropbox;
pub mod ftp;
pub mod gdrive;
pub mod onedrive;
pub mod opendal;
pub mod sftp;
pub mod webdav;

use causeway_backend as backend;
use causeway_core::{model, store, xml};
