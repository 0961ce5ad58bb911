//! Tests for Google Drive only.

mod duplicates;
mod faults;

use crate::{gdrive::FakeDrive, promises::Storage};
use std::sync::Arc;

fn started() -> (FakeDrive, Storage) {
    let drive = FakeDrive::start();
    let files = Arc::new(drive.files());
    (drive, files)
}
