//! Recognises directories in MinIO's own format, which must not become buckets: an object is a directory
//! there, with its bytes and metadata in files that only MinIO reads.
//!
//! This module only reads, and reads few entries, no matter how large a directory is. A directory that cannot
//! be read is not recognised. MinIO's former file-system mode (`"format":"fs"`) keeps objects as plain files:
//! those directories are served.

use super::{
    codec::RESERVED_DIR,
    root::{Root, entries},
};
use rustix::{fs::FileType, io::Errno};
use std::{fs::File, io::Read, path::Path};

/// The message for operators: the format, and what to do about it.
pub const WORDS: &str = "it is in MinIO's own format, in which files are not objects and only MinIO can read them. Start MinIO on that \
                         directory, add its buckets here with 'causeway bucket add NAME http://HOST:PORT/BUCKET', and copy the objects \
                         from there with any S3 client";

const FORMAT: &str = ".minio.sys/format.json";
const SYSTEM: &str = ".minio.sys";
/// MinIO keeps an object as a directory with a file of this name, which begins with these bytes.
const META: &str = "xl.meta";
const MAGIC: &[u8; 4] = b"XL2 ";

/// The number of entries of a directory that are checked.
const MOST_ENTRIES: usize = 16;
/// The number of levels that are opened in search of an object.
const DEEPEST: usize = 8;
/// The number of bytes of `format.json` that are read; the file has a few hundred.
const MOST_BYTES: u64 = 16 << 10;

/// Returns whether a directory is a drive of MinIO.
pub fn is_drive(path: &Path) -> bool {
    path.join(SYSTEM).is_dir() && !File::open(path.join(FORMAT)).is_ok_and(is_plain)
}

fn is_plain(format: File) -> bool {
    let mut text = String::new();
    let read = format.take(MOST_BYTES).read_to_string(&mut text);
    let format: Option<serde_json::Value> = read.ok().and_then(|_| serde_json::from_str(&text).ok());
    format.is_some_and(|format| format.get("format").and_then(serde_json::Value::as_str) == Some("fs"))
}

/// Returns whether a directory is a drive of MinIO, or a bucket on one: every entry that was checked leads to
/// an `xl.meta`.
pub(super) fn is_foreign(root: &Root, location: &str) -> bool {
    let is_drive = root.open_dir(&join(location, SYSTEM)).is_ok()
        && !root.open_file(&join(location, FORMAT)).is_ok_and(|format| is_plain(File::from(format)));
    is_drive || is_bucket(root, location).unwrap_or(false)
}

fn is_bucket(root: &Root, location: &str) -> Result<bool, Errno> {
    let objects = names(root, location)?;
    for (name, kind) in &objects {
        if *kind != FileType::Directory || !leads_to_object(root, join(location, name))? {
            return Ok(false);
        }
    }
    Ok(!objects.is_empty())
}

/// Returns whether a path leads to an object; in each directory only the first subdirectory is opened.
fn leads_to_object(root: &Root, mut path: String) -> Result<bool, Errno> {
    for _ in 0..DEEPEST {
        if is_object(root, &path) {
            return Ok(true);
        }
        match names(root, &path)?.into_iter().find(|(_, kind)| *kind == FileType::Directory) {
            Some((name, _)) => path = join(&path, &name),
            None => return Ok(false),
        }
    }
    Ok(false)
}

fn is_object(root: &Root, path: &str) -> bool {
    let mut start = [0; MAGIC.len()];
    let meta = root.open_file(&join(path, META));
    // Opening a directory with this name succeeds, but reading it fails.
    meta.and_then(|meta| rustix::io::pread(&meta, &mut start[..], 0)).is_ok_and(|read| read == MAGIC.len())
        && start == *MAGIC
}

/// Returns some entries of a directory, without those of Causeway.
fn names(root: &Root, path: &str) -> Result<Vec<(String, FileType)>, Errno> {
    let dir = root.open_dir(path)?;
    let mut names = Vec::new();
    for entry in entries(&dir)?.take(MOST_ENTRIES) {
        let (name, kind) = entry?;
        let name = name.into_string().map_err(|_| Errno::ILSEQ)?;
        if name != RESERVED_DIR {
            names.push((name, kind));
        }
    }
    Ok(names)
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::Mode;

    fn root(dir: &Path) -> Root {
        Root::open(dir, Mode::from_raw_mode(0o700)).expect("a root")
    }

    fn write(dir: &Path, path: &str, bytes: &[u8]) {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, bytes).expect("written");
    }

    #[test]
    fn a_drive_is_known_by_its_format_unless_that_is_of_plain_files() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(!is_drive(dir.path()));
        std::fs::create_dir(dir.path().join(SYSTEM)).expect("made");
        assert!(is_drive(dir.path()));
        write(dir.path(), ".minio.sys/format.json", br#"{"version":"1","format":"xl-single","id":"x"}"#);
        assert!(is_drive(dir.path()) && is_foreign(&root(dir.path()), ""));
        write(dir.path(), ".minio.sys/format.json", br#"{"version":"1","format":"fs","id":"x"}"#);
        assert!(!is_drive(dir.path()) && !is_foreign(&root(dir.path()), ""));
    }

    #[test]
    fn a_bucket_is_minios_if_all_in_it_leads_to_its_objects() {
        let dir = tempfile::tempdir().expect("a directory");
        let is = |location: &str| is_foreign(&root(dir.path()), location);
        write(dir.path(), "theirs/cat.jpg/xl.meta", b"XL2 1 0");
        write(dir.path(), "theirs/2024/summer/dog.jpg/xl.meta", b"XL2 1 0");
        assert!(is("theirs"));
        // With any other file beside it, the format is not recognised.
        write(dir.path(), "mixed/cat.jpg/xl.meta", b"XL2 1 0");
        write(dir.path(), "mixed/notes.txt", b"hello");
        write(dir.path(), "other/cat.jpg/xl.meta", b"an object of that name");
        write(dir.path(), "deep/a/b/c", b"x");
        std::fs::create_dir(dir.path().join("empty")).expect("made");
        std::fs::create_dir_all(dir.path().join("folder/xl.meta")).expect("made");
        for location in ["mixed", "other", "deep", "empty", "folder", "missing"] {
            assert!(!is(location), "{location}");
        }
    }
}
