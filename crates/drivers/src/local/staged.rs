//! Parts of uploads, in files of a directory of the user, not beside the user's data.
//!
//! Each upload is a directory that is named after its id. `upload.json` holds what it was begun with, and each
//! part is a file whose name holds its number, its digests and its checksum, so that it appears with them.
//!
//! Invariants: a part is whole when it has its name; the newest file of a number counts; the stored form only
//! gains fields.

use crate::{
    model::{Attributes, Checksum, ChecksumAlgorithm, ChecksumSpec, Owner, PartNumber, Timestamp, UploadId},
    store::multipart::RecordedPart,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

const ABOUT: &str = "upload.json";

/// What an upload was begun with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) root: PathBuf,
    pub(super) key: String,
    pub(super) attributes: Attributes,
    pub(super) checksum: ChecksumSpec,
    pub(super) explicit_checksum: bool,
    pub(super) initiator: Owner,
    pub(super) initiated: Timestamp,
}

/// A part that is whole.
#[derive(Debug, Clone)]
pub(super) struct Staged {
    pub(super) recorded: RecordedPart,
    pub(super) modified: Timestamp,
    pub(super) path: PathBuf,
}

pub(super) fn directory(staging: &Path, upload: &UploadId) -> PathBuf {
    staging.join(upload.as_str())
}

pub(super) fn begin(staging: &Path, upload: &UploadId, about: &About) -> io::Result<()> {
    // Names and bytes of the user's data: others have no business there.
    let mut make = DirBuilder::new();
    make.mode(0o700).recursive(true).create(staging)?;
    let directory = directory(staging, upload);
    make.recursive(false).create(&directory)?;
    let new = directory.join("upload.json.new");
    fs::write(&new, serde_json::to_vec(about)?)?;
    fs::rename(new, directory.join(ABOUT))
}

/// Returns what an upload was begun with. `Ok(None)`: there is no such upload.
pub(super) fn about(staging: &Path, upload: &UploadId) -> io::Result<Option<About>> {
    match fs::read(directory(staging, upload).join(ABOUT)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the ids of all uploads, of any root.
pub(super) fn uploads(staging: &Path) -> io::Result<Vec<UploadId>> {
    let entries = match fs::read_dir(staging) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_str().and_then(UploadId::parse));
    entries.map(name).filter_map(io::Result::transpose).collect()
}

/// Opens the file of a part that is not whole yet.
pub(super) fn draft(staging: &Path, upload: &UploadId) -> io::Result<(File, PathBuf)> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(format!("no randomness: {error}")))?;
    let path = directory(staging, upload).join(format!("new-{}", hex::encode(random)));
    Ok((File::options().write(true).create_new(true).open(&path)?, path))
}

/// Lets a part appear, in place of those of its number that came before.
pub(super) fn publish(
    staging: &Path,
    upload: &UploadId,
    draft: &Path,
    part: &RecordedPart,
) -> io::Result<()> {
    let directory = directory(staging, upload);
    let before: Vec<PathBuf> = all(staging, upload)?
        .into_iter()
        .filter(|other| other.recorded.number == part.number)
        .map(|other| other.path)
        .collect();
    let path = directory.join(name_of(part));
    fs::rename(draft, &path)?;
    for other in before.into_iter().filter(|other| *other != path) {
        fs::remove_file(other)?;
    }
    Ok(())
}

/// Returns the parts in the order of their numbers.
pub(super) fn parts(staging: &Path, upload: &UploadId) -> io::Result<Vec<Staged>> {
    let mut newest: BTreeMap<PartNumber, Staged> = BTreeMap::new();
    for part in all(staging, upload)? {
        let number = part.recorded.number;
        if newest.get(&number).is_none_or(|other| other.modified < part.modified) {
            newest.insert(number, part);
        }
    }
    Ok(newest.into_values().collect())
}

fn all(staging: &Path, upload: &UploadId) -> io::Result<Vec<Staged>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory(staging, upload))? {
        let entry = entry?;
        let name = entry.file_name();
        let metadata = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        let Some(recorded) = name.to_str().and_then(|name| read_name(name, metadata.len())) else { continue };
        let modified = metadata.mtime() * 1000 + metadata.mtime_nsec() / 1_000_000;
        all.push(Staged { recorded, modified: Timestamp::from_millis(modified), path: entry.path() });
    }
    Ok(all)
}

/// `00001-MD5-ALGORITHM-CHECKSUM`, in hex. Without a checksum the last two are missing.
fn name_of(part: &RecordedPart) -> String {
    let name = format!("{:05}-{}", part.number.get(), hex::encode(part.md5));
    match &part.checksum {
        Some(sum) => format!("{name}-{}-{}", sum.algorithm().as_str(), hex::encode(sum.bytes())),
        None => name,
    }
}

fn read_name(name: &str, size: u64) -> Option<RecordedPart> {
    let mut words = name.split('-');
    let number = PartNumber::new(words.next()?.parse().ok()?)?;
    let mut md5 = [0; 16];
    hex::decode_to_slice(words.next()?, &mut md5).ok()?;
    let checksum = match (words.next(), words.next()) {
        (Some(algorithm), Some(sum)) => {
            Some(Checksum::new(ChecksumAlgorithm::parse(algorithm)?, &hex::decode(sum).ok()?)?)
        }
        _ => None,
    };
    Some(RecordedPart { number, size, md5, checksum })
}
