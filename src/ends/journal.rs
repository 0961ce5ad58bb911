//! Where the journals of runs between two ends are: in the user's state directory, a file for each run.

use super::{Failure, kept::state};
use std::{collections::BTreeMap, fs::DirBuilder, os::unix::fs::DirBuilderExt, path::PathBuf};

/// Returns the file of the run with this description, which is hashed. `None`: the user has no such directory.
pub fn journal(environment: &BTreeMap<String, String>, run: &str) -> Result<Option<PathBuf>, Failure> {
    let Some(base) = state(environment) else { return Ok(None) };
    let folder = base.join("runs");
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| {
        Failure::failed(format!(
            "making {} for journals: {error}. --no-resume does without",
            folder.display()
        ))
    })?;
    let digest = ring::digest::digest(&ring::digest::SHA256, run.as_bytes());
    Ok(Some(folder.join(format!("{}.jsonl", hex::encode(&digest.as_ref()[..16])))))
}
