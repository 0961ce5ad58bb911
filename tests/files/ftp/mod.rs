//! Tests for FTP only.

mod faults;
mod hostile;
mod servers;

use crate::{
    ftpd::{Ftpd, PASSWORD, Place},
    promises::{Storage, draft, get, list, names, own_files, pattern, published, put},
};
use causeway::{
    backend::tree::files::{EntryKind, Published},
    drivers::ftp::{FtpFiles, FtpSettings, Tls},
    model::{Secret, Span},
    store::error::StoreErrorKind,
};
use std::sync::Arc;

fn on(settings: FtpSettings) -> Storage {
    Arc::new(FtpFiles::open(settings).expect("settings"))
}

fn of(place: &Place) -> Storage {
    on(place.settings())
}
