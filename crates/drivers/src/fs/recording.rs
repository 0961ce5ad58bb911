//! The record of a found file. A foreign file has none: it is computed from the file's bytes.
//!
//! Callers hold the key's lock and may block. This module does not decide when a record is computed
//! (`adopt`).

use super::{
    record::{self, Record},
    volume::{Found, Volume},
};
use crate::{
    model::{ETag, ObjectInfo},
    store::{Result, error::StoreError, record::ObjectRecord},
};
use md5::{Digest, Md5};
use rustix::{fd::OwnedFd, io::Errno};

/// Returns what a client sees of a found file, with its final ETag. The caller holds the lock and may block.
pub(super) fn described(volume: &Volume, found: Found) -> Result<ObjectInfo> {
    Ok(recorded(volume, found)?.object.info())
}

/// Returns the record of a found file. If there is none, it is computed, and stored if the file is writable.
pub(super) fn recorded(volume: &Volume, found: Found) -> Result<Record> {
    if let Some(record) = found.record {
        return Ok(record);
    }
    let fingerprint = found.fingerprint;
    let md5 = digest(&found.file).map_err(|e| StoreError::of_entry("reading a foreign file", e))?;
    let object = ObjectRecord::new(fingerprint.size, fingerprint.modified(), ETag::from_md5(md5));
    let record = record::of(fingerprint, object);
    match volume.staging.records.write(&found.file, fingerprint, &record, false) {
        // The file belongs to another user, so the record is kept only in the index row.
        Ok(()) | Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Ok(record),
        Err(error) => Err(StoreError::of_entry("recording a foreign file", error)),
    }
}

fn digest(file: &OwnedFd) -> std::result::Result<[u8; 16], Errno> {
    let mut md5 = Md5::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut at = 0;
    loop {
        match rustix::io::pread(file, &mut buffer[..], at) {
            Ok(0) => return Ok(md5.finalize().into()),
            Ok(read) => {
                md5.update(&buffer[..read]);
                at += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
