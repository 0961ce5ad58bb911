//! Tests for SFTP only.

mod faults;
mod foreign;
mod hostile;
mod passwords;
mod servers;
mod trust;

use crate::{promises::Storage, sshd::Sshd};
use causeway::drivers::sftp::{HostKeys, SftpFiles, SftpSettings};
use std::sync::Arc;

fn started() -> (Sshd, Storage) {
    let server = Sshd::start();
    let files = Arc::new(server.files());
    (server, files)
}
