//! Tests for OneDrive only.

mod faults;
mod names;

use crate::{onedrive::FakeOnedrive, promises::Storage};
use std::sync::Arc;

fn started() -> (FakeOnedrive, Storage) {
    let drive = FakeOnedrive::start();
    let files = Arc::new(drive.files());
    (drive, files)
}
