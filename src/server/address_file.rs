//! The file that tells scripts where the server listens: S3's first address, then the admin's, then that of
//! websites, if there is a listener for them.
//!
//! A reader that sees the file sees all lines, and a server that answers.

use crate::assembly::StartError;
use std::{net::SocketAddr, path::Path};

/// Checks before anything is started that the file's directory exists.
pub(super) fn check(path: Option<&Path>) -> Result<(), StartError> {
    let Some(path) = path else { return Ok(()) };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if parent.is_dir() {
        Ok(())
    } else {
        Err(StartError::new(format!("the address file {}: no such directory", path.display())))
    }
}

pub(super) fn write(path: Option<&Path>, addresses: &[SocketAddr]) -> Result<(), StartError> {
    let Some(path) = path else { return Ok(()) };
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let lines: String = addresses.iter().map(|address| format!("{address}\n")).collect();
    std::fs::write(&new, lines).and_then(|()| std::fs::rename(&new, path)).map_err(|error| {
        StartError::because(format_args!("writing the address file {}", path.display()), error)
    })
}

/// A server that has stopped has no address.
pub(super) fn remove(path: Option<&Path>) {
    if let Some(path) = path {
        // The file may already be removed.
        let _ = std::fs::remove_file(path);
    }
}
