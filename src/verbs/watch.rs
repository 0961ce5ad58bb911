//! What changes between two listings of one end.
//!
//! The listing before is in a file, so that memory does not grow with the number of objects. The file has no
//! name, unless it is to outlive the process.
//!
//! Invariants: changes come in the order of their keys. A listing that fails changes nothing that is kept.

use super::{Depth, Entries, Entry};
use crate::{
    ends::{Failure, Place},
    model::{ETag, Timestamp},
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Seek, Write},
    path::{Path, PathBuf},
};

/// What has become of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    New,
    Changed,
    Gone,
}

/// An object as a listing showed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    key: String,
    size: u64,
    modified: Timestamp,
    etag: ETag,
}

impl Line {
    fn entry(self) -> Entry {
        let Self { key, size, modified, etag } = self;
        Entry::Object { key, size, modified, etag }
    }
}

/// What was seen last.
#[derive(Debug)]
pub struct Seen {
    path: Option<PathBuf>,
    last: Option<File>,
}

impl Seen {
    /// Begins without having seen anything, or with what the file says that an earlier process has seen.
    pub fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let last = match path {
            None => None,
            Some(path) => match File::open(path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(failed("opening", &path.display(), &error)),
            },
        };
        Ok(Self { path: path.map(Path::to_owned), last })
    }

    /// Returns whether nothing was seen yet: then everything is new.
    pub fn is_first(&self) -> bool {
        self.last.is_none()
    }

    /// Lists the place, and tells what has changed since the last time.
    pub async fn look(
        &mut self,
        place: &Place,
        mut hear: impl FnMut(What, &Entry) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let wrong = |error: &dyn std::fmt::Display| failed("keeping", &"what was seen", error);
        let (path, file) = self.make()?;
        let mut now = BufWriter::new(file);
        let mut before = match &mut self.last {
            Some(last) => {
                last.rewind().map_err(|error| wrong(&error))?;
                Some(BufReader::new(last))
            }
            None => None,
        };
        let mut old = next(&mut before)?;
        let mut entries = Entries::below(place, &place.prefix(), Depth::All);
        while let Some(entry) = entries.next().await? {
            let Entry::Object { key, size, modified, etag } = &entry else { continue };
            while let Some(gone) = old.take_if(|old| old.key < *key) {
                hear(What::Gone, &gone.entry())?;
                old = next(&mut before)?;
            }
            let line = Line { key: key.clone(), size: *size, modified: *modified, etag: etag.clone() };
            match old.take_if(|old| old.key == *key) {
                Some(same) => {
                    if same != line {
                        hear(What::Changed, &entry)?;
                    }
                    old = next(&mut before)?;
                }
                None => hear(What::New, &entry)?,
            }
            let mut text = serde_json::to_vec(&line).map_err(|error| wrong(&error))?;
            text.push(b'\n');
            now.write_all(&text).map_err(|error| wrong(&error))?;
        }
        while let Some(gone) = old {
            hear(What::Gone, &gone.entry())?;
            old = next(&mut before)?;
        }
        drop(before);
        let file = now.into_inner().map_err(|error| wrong(error.error()))?;
        if let Some(kept) = &self.path {
            fs::rename(&path, kept).map_err(|error| wrong(&error))?;
        }
        self.last = Some(file);
        Ok(())
    }

    /// Makes the file of the next listing.
    fn make(&self) -> Result<(PathBuf, File), Failure> {
        let path = match &self.path {
            Some(path) => {
                let mut name = path.clone().into_os_string();
                name.push(".new");
                PathBuf::from(name)
            }
            None => {
                let mut random = [0; 8];
                getrandom::fill(&mut random).map_err(|error| failed("making", &"a random name", &error))?;
                std::env::temp_dir().join(format!("causeway-watch-{}", hex::encode(random)))
            }
        };
        let mut options = File::options();
        let options = options.read(true).write(true);
        let options = match &self.path {
            Some(_) => options.create(true).truncate(true),
            None => options.create_new(true),
        };
        let failed = |error| failed("making", &path.display(), &error);
        let file = options.open(&path).map_err(failed)?;
        if self.path.is_none() {
            // The file goes with its descriptor.
            fs::remove_file(&path).map_err(failed)?;
        }
        Ok((path, file))
    }
}

fn next(before: &mut Option<BufReader<&mut File>>) -> Result<Option<Line>, Failure> {
    let Some(before) = before else { return Ok(None) };
    let mut text = String::new();
    let read = before.read_line(&mut text).map_err(|error| failed("reading", &"what was seen", &error))?;
    if read == 0 {
        return Ok(None);
    }
    serde_json::from_str(&text).map(Some).map_err(|error| failed("reading", &"what was seen", &error))
}

fn failed(doing: &str, what: &dyn std::fmt::Display, error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(format!("{doing} {what}: {error}"))
}
