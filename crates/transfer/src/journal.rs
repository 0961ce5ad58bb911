//! The journal of a run: a file by which a run that was killed goes on.
//!
//! One JSON document a line. The first line says which run it is: format, both ends, options. A run with
//! others is refused. Then each object that has arrived, each upload that was begun, each of its parts.
//!
//! | line | meaning |
//! |---|---|
//! | `{"journal":1,"source":…,"destination":…,"options":{…}}` | the run |
//! | `{"done":"…"}` | an object has arrived: a hash of its name, ETag and size at the source |
//! | `{"upload":{"name":…,"id":…,"etag":…,"size":…,"part_size":…,"algorithm":…}}` | an upload was begun |
//! | `{"part":{"id":…,"number":…,"etag":…,"sum":…}}` | a part of it was stored |
//! | `{"closed":"…"}` | the upload of this id was completed or aborted |
//!
//! Invariants:
//! - a line is with the kernel before the next step is taken, so it survives a killed process. Only the
//!   first line is synced to disk: after power loss the last lines may be missing, which costs repeats and
//!   never an object;
//! - a last line that was torn is cut off. Any other line that is not understood ends the run;
//! - one process has the journal at a time. In memory an object takes 16 bytes.

use crate::{
    error::TransferError,
    model::{Checksum, ChecksumAlgorithm, ChecksumHasher, ETag, PartNumber, UploadId},
    options::Options,
    store::ListedObject,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{File, OpenOptions, TryLockError},
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    journal: u32,
    source: String,
    destination: String,
    options: serde_json::Value,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Done(String),
    Upload(UploadLine),
    Part(PartLine),
    Closed(UploadId),
}

#[derive(Debug, Serialize, Deserialize)]
struct UploadLine {
    name: String,
    id: UploadId,
    etag: ETag,
    size: u64,
    part_size: u64,
    algorithm: ChecksumAlgorithm,
}

#[derive(Debug, Serialize, Deserialize)]
struct PartLine {
    id: UploadId,
    number: PartNumber,
    etag: ETag,
    /// The checksum of the part's bytes, in base64.
    sum: Option<String>,
}

/// An upload that was not completed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BegunUpload {
    pub(crate) id: UploadId,
    /// The ETag and the size of the source's object.
    pub(crate) etag: ETag,
    pub(crate) size: u64,
    pub(crate) part_size: u64,
    pub(crate) algorithm: ChecksumAlgorithm,
    pub(crate) parts: BTreeMap<PartNumber, StoredPart>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredPart {
    pub(crate) etag: ETag,
    pub(crate) sum: Option<Checksum>,
}

/// The journal of a run. A run without a file has one that remembers nothing.
#[derive(Debug, Default)]
pub struct Journal {
    file: Option<(PathBuf, Mutex<File>)>,
    done: HashSet<[u8; 16]>,
    /// By the names of their objects.
    begun: Mutex<HashMap<String, BegunUpload>>,
}

impl Journal {
    /// Opens the journal of a run, or begins one. It waits for the disk.
    pub fn open(
        path: &Path,
        source: &str,
        destination: &str,
        options: &Options,
    ) -> Result<Self, TransferError> {
        let failed = |what: &str, source: Option<std::io::Error>| TransferError::Journal {
            path: path.to_owned(),
            what: what.to_owned(),
            source,
        };
        let io = |what: &'static str| move |source| failed(what, Some(source));
        let options = serde_json::to_value(options).map_err(|error| failed(&error.to_string(), None))?;
        let header =
            Header { journal: FORMAT, source: source.into(), destination: destination.into(), options };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io("opening it"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(failed("another run uses it", None)),
            Err(TryLockError::Error(error)) => return Err(failed("locking it", Some(error))),
        }
        let mut journal = Self::default();
        let mut good = 0;
        let mut reader = BufReader::new(&mut file);
        let mut text = Vec::new();
        loop {
            text.clear();
            let length = reader.read_until(b'\n', &mut text).map_err(io("reading it"))?;
            // A line without its end was torn when the process was killed.
            if text.last() != Some(&b'\n') {
                // Nothing is cut off a file that never was a journal.
                let is_ours = good > 0 || b"{\"journal\":".iter().zip(&text).all(|(a, b)| a == b);
                if !is_ours {
                    return Err(failed("it is no journal", None));
                }
                break;
            }
            let wrong = || failed(&format!("the line at byte {good} is not understood"), None);
            if good == 0 {
                let found: Header = serde_json::from_slice(&text).map_err(|_| wrong())?;
                header.check(&found).map_err(|why| failed(&why, None))?;
            } else {
                journal.learn(serde_json::from_slice(&text).map_err(|_| wrong())?).ok_or_else(wrong)?;
            }
            good += length as u64;
        }
        file.set_len(good).map_err(io("cutting off its torn end"))?;
        file.seek(SeekFrom::Start(good)).map_err(io("reading it"))?;
        if good == 0 {
            let mut line = serde_json::to_vec(&header).map_err(|error| failed(&error.to_string(), None))?;
            line.push(b'\n');
            file.write_all(&line).and_then(|()| file.sync_all()).map_err(io("beginning it"))?;
        }
        journal.file = Some((path.to_owned(), Mutex::new(file)));
        Ok(journal)
    }

    /// Learns what a line says. `None`: it does not fit those before it.
    fn learn(&mut self, line: Line) -> Option<()> {
        let begun = self.begun.get_mut().unwrap_or_else(PoisonError::into_inner);
        match line {
            Line::Done(hash) => {
                self.done.insert(hash_of_hex(&hash)?);
            }
            Line::Upload(UploadLine { name, id, etag, size, part_size, algorithm }) => {
                let parts = BTreeMap::new();
                begun.insert(name, BegunUpload { id, etag, size, part_size, algorithm, parts });
            }
            Line::Part(part) => {
                // An upload that is closed, or replaced by a later one, needs no parts.
                if let Some(upload) = begun.values_mut().find(|upload| upload.id == part.id) {
                    let sum = part.sum.as_ref().and_then(|sum| Checksum::from_base64(upload.algorithm, sum));
                    upload.parts.insert(part.number, StoredPart { etag: part.etag, sum });
                }
            }
            Line::Closed(id) => begun.retain(|_, upload| upload.id != id),
        }
        Some(())
    }

    /// Returns whether the run before this one has brought this very object.
    pub(crate) fn has(&self, name: &str, object: &ListedObject) -> bool {
        !self.done.is_empty() && self.done.contains(&hash(name, object))
    }

    pub(crate) fn upload(&self, name: &str) -> Option<BegunUpload> {
        self.begun().get(name).cloned()
    }

    /// Returns the names whose uploads are not closed.
    pub(crate) fn begun_names(&self) -> Vec<String> {
        self.begun().keys().cloned().collect()
    }

    pub(crate) fn done(&self, name: &str, object: &ListedObject) -> Result<(), TransferError> {
        if self.file.is_none() {
            return Ok(());
        }
        let hash = hash(name, object).iter().map(|byte| format!("{byte:02x}")).collect();
        self.write(&Line::Done(hash))
    }

    /// Records that an upload was begun. It is called before the first part is sent.
    pub(crate) fn begin(&self, name: &str, upload: &BegunUpload) -> Result<(), TransferError> {
        let BegunUpload { id, etag, size, part_size, algorithm, .. } = upload.clone();
        self.write(&Line::Upload(UploadLine { name: name.into(), id, etag, size, part_size, algorithm }))?;
        self.begun().insert(name.into(), upload.clone());
        Ok(())
    }

    pub(crate) fn part(&self, name: &str, number: PartNumber, part: StoredPart) -> Result<(), TransferError> {
        let id = match self.begun().get_mut(name) {
            Some(upload) => {
                upload.parts.insert(number, part.clone());
                upload.id.clone()
            }
            None => return Ok(()),
        };
        let sum = part.sum.map(|sum| sum.to_base64());
        self.write(&Line::Part(PartLine { id, number, etag: part.etag, sum }))
    }

    pub(crate) fn close(&self, name: &str) -> Result<(), TransferError> {
        match self.begun().remove(name) {
            Some(upload) => self.write(&Line::Closed(upload.id)),
            None => Ok(()),
        }
    }

    /// Returns whether this run can go on after it was killed.
    pub(crate) fn lasts(&self) -> bool {
        self.file.is_some()
    }

    /// Removes the file, when the run has ended and nothing is left to do.
    pub(crate) fn finish(&self) -> Result<(), TransferError> {
        let Some((path, _)) = &self.file else { return Ok(()) };
        std::fs::remove_file(path).map_err(|error| self.failed("removing it", error))
    }

    fn write(&self, line: &Line) -> Result<(), TransferError> {
        let Some((_, file)) = &self.file else { return Ok(()) };
        let mut text = serde_json::to_vec(line).unwrap_or_default();
        text.push(b'\n');
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&text).map_err(|error| self.failed("writing to it", error))
    }

    fn failed(&self, what: &str, source: std::io::Error) -> TransferError {
        let path = self.file.as_ref().map(|(path, _)| path.clone()).unwrap_or_default();
        TransferError::Journal { path, what: what.to_owned(), source: Some(source) }
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<String, BegunUpload>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Header {
    fn check(&self, found: &Self) -> Result<(), String> {
        let hint = "go on with the same ones, or remove the journal to begin anew";
        if found.journal != FORMAT {
            return Err(format!("it has format {}, and this version knows format {FORMAT}", found.journal));
        }
        for (what, own, other) in
            [("source", &self.source, &found.source), ("destination", &self.destination, &found.destination)]
        {
            if own != other {
                return Err(format!("it belongs to a run with the {what} {other}, not {own}: {hint}"));
            }
        }
        if self.options != found.options {
            let names = |value: &serde_json::Value| {
                value.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
            };
            let mut changed = names(&self.options);
            changed.extend(names(&found.options));
            changed.retain(|name| self.options.get(name) != found.options.get(name));
            changed.sort();
            changed.dedup();
            return Err(format!("it belongs to a run with other options ({}): {hint}", changed.join(", ")));
        }
        Ok(())
    }
}

fn hash(name: &str, object: &ListedObject) -> [u8; 16] {
    let mut hasher = ChecksumHasher::new(ChecksumAlgorithm::Xxhash128);
    // No name has a byte of 0xff: it is UTF-8.
    hasher.update(name.as_bytes());
    hasher.update(&[0xff]);
    hasher.update(object.etag.as_str().as_bytes());
    hasher.update(&[0xff]);
    hasher.update(&object.size.to_be_bytes());
    hasher.finish().bytes().try_into().unwrap_or_default()
}

fn hash_of_hex(text: &str) -> Option<[u8; 16]> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ObjectKey, Timestamp};

    fn object(size: u64) -> ListedObject {
        ListedObject {
            key: ObjectKey::new("k").expect("a key"),
            size,
            etag: ETag::parse("e"),
            last_modified: Timestamp::from_millis(0),
            checksum: None,
            storage_class: None,
            owner: None,
        }
    }

    fn upload(id: &str) -> BegunUpload {
        BegunUpload {
            id: UploadId::parse(id).expect("an id"),
            etag: ETag::parse("e"),
            size: 7,
            part_size: 5,
            algorithm: ChecksumAlgorithm::Crc64Nvme,
            parts: BTreeMap::new(),
        }
    }

    #[test]
    fn what_was_written_is_known_again_and_a_torn_line_is_cut_off() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        let open = || Journal::open(&path, "a:", "b:", &Options::default());
        let number = PartNumber::new(1).expect("a number");
        let sum = Checksum::new(ChecksumAlgorithm::Crc64Nvme, &[7; 8]);
        {
            let journal = open().expect("opens");
            assert!(open().expect_err("is locked").to_string().contains("another run"));
            journal.done("x", &object(3)).expect("is written");
            journal.begin("big", &upload("one")).expect("is written");
            journal
                .part("big", number, StoredPart { etag: ETag::parse("p"), sum: sum.clone() })
                .expect("is written");
            journal.begin("other", &upload("two")).expect("is written");
            journal.close("other").expect("is written");
        }
        let whole = std::fs::read(&path).expect("is there");
        std::fs::write(&path, [&whole[..], b"{\"done\":\"0123"].concat()).expect("is written");
        let journal = open().expect("opens");
        assert!(
            journal.has("x", &object(3)) && !journal.has("x", &object(4)) && !journal.has("y", &object(3))
        );
        assert_eq!(journal.upload("other"), None);
        let found = journal.upload("big").expect("is known");
        assert_eq!(found.parts[&number], StoredPart { etag: ETag::parse("p"), sum });
        drop(journal);
        assert_eq!(std::fs::read(&path).expect("is there"), whole);
        std::fs::write(&path, [&whole[..], b"nonsense\n"].concat()).expect("is written");
        assert!(open().expect_err("is refused").to_string().contains("not understood"));
        std::fs::write(&path, "a note").expect("is written");
        assert!(open().expect_err("is refused").to_string().contains("no journal"));
        assert_eq!(std::fs::read(&path).expect("is there"), b"a note");
    }

    #[test]
    fn a_run_with_other_ends_or_options_is_refused_by_their_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal");
        drop(Journal::open(&path, "a:", "b:", &Options::default()).expect("opens"));
        let error =
            |source, options| Journal::open(&path, source, "b:", &options).expect_err("differs").to_string();
        assert!(error("c:", Options::default()).contains("source a:, not c:"));
        let options = Options { update: true, max_delete: Some(3), ..Default::default() };
        assert!(error("a:", options).contains("(max_delete, update)"));
    }
}
