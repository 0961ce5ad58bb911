//! What both ends had after the last run of a pair, in a folder that one run has at a time.
//!
//! | file | meaning |
//! |---|---|
//! | `lock` | locked while a run works; it names the run |
//! | `state` | a line for each name that both ends had, in order, between a line about the pair and a last one with their number |
//! | `changes` | what the present run, or one that was killed, has done: later lines count |
//! | `plan` | the steps of the present run |
//! | `to-source`, `to-destination` | the journals of large objects that are under way |
//!
//! Invariants: `state` is replaced by a rename, after it was synced. `changes` is removed only after that,
//! and to fold it into `state` again gives the same. A line of `changes` is with the kernel before the next
//! step.

use super::{
    known::{End, Known},
    lines::{Line, Lines, damaged, failed, write},
    sorting::{Sorted, merge, sort},
    version::Base,
};
use crate::{end::Side, error::TransferError};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

const FORMAT: u32 = 1;

/// The first line of a state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Header {
    pair: u32,
    source: String,
    destination: String,
}

/// The state of a pair. It is locked as long as this exists.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
    header: Header,
    changes: Mutex<Option<File>>,
    _lock: File,
}

impl State {
    /// Opens the state in a folder, or begins one. `owner` names this run to others. It waits for the disk.
    pub(crate) fn open(
        folder: &Path,
        [source, destination]: &[String; 2],
        owner: &str,
        resync: bool,
    ) -> Result<Self, TransferError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(failed(folder, "making the folder"))?;
        let lock = lock(&folder.join("lock"), owner)?;
        let header = Header { pair: FORMAT, source: source.clone(), destination: destination.clone() };
        let state = Self { folder: folder.to_owned(), header, changes: Mutex::default(), _lock: lock };
        if resync {
            for name in ["state", "changes", "to-source", "to-destination"] {
                state.remove(name)?;
            }
        }
        // What a run has done that was killed.
        state.fold()?;
        Ok(state)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns the journal of what is brought to an end.
    pub(crate) fn journal(&self, to: Side) -> PathBuf {
        self.path(match to {
            Side::Source => "to-source",
            Side::Destination => "to-destination",
        })
    }

    /// Returns what both ends had, in order. `None`: this is the first run.
    pub(crate) fn read(&self) -> Result<Option<Known>, TransferError> {
        let path = self.path("state");
        if !path.exists() {
            return Ok(None);
        }
        let mut lines = Lines::open(&path)?;
        let found = lines.next()?.and_then(|line| serde_json::from_slice::<Header>(line).ok());
        let found = found.ok_or_else(|| damaged(&path, "it is damaged: begin anew with a resync"))?;
        if found.pair != FORMAT {
            let what = format!("it has format {}, and this version knows format {FORMAT}", found.pair);
            return Err(damaged(&path, &what));
        }
        if found != self.header {
            let Header { source, destination, .. } = &found;
            let what = format!(
                "it is of the ends {source} and {destination}: name them in that order, or begin anew with a resync"
            );
            return Err(damaged(&path, &what));
        }
        Ok(Some(Known::new(lines)))
    }

    /// Writes down what both ends have now of a name. `None`: they have nothing.
    pub(crate) fn record(&self, name: &str, both: Option<Base>) -> Result<(), TransferError> {
        let path = self.path("changes");
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &mut *changes {
            Some(file) => file,
            none => {
                let opened = OpenOptions::new().append(true).create(true).open(&path);
                none.insert(opened.map_err(failed(&path, "opening it"))?)
            }
        };
        write(file, &Line { name: name.to_owned(), both }).map_err(failed(&path, "writing it"))
    }

    /// Makes the changes part of the state.
    pub(crate) fn fold(&self) -> Result<(), TransferError> {
        let mut open = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = self.path("changes");
        if !changes.exists() {
            return Ok(());
        }
        let mut sources = Vec::new();
        if let Some(known) = self.read()? {
            sources.push(Sorted::State(known));
        }
        let path = self.path("state.new");
        let io = |what: &'static str| failed(&path, what);
        let mut file = BufWriter::new(File::create(&path).map_err(io("making it"))?);
        write(&mut file, &self.header).map_err(io("writing it"))?;
        sources.extend(sort(Lines::open(&changes)?, &self.path("sorting"))?);
        let mut names = 0;
        merge(sources, |line| {
            if line.both.is_none() {
                return Ok(());
            }
            names += 1;
            write(&mut file, &line).map_err(io("writing it"))
        })?;
        write(&mut file, &End { names }).map_err(io("writing it"))?;
        let file = file.into_inner().map_err(|error| io("writing it")(error.into_error()))?;
        file.sync_all().map_err(io("syncing it"))?;
        fs::rename(&path, self.path("state")).map_err(io("renaming it"))?;
        *open = None;
        self.remove("changes")
    }

    /// Begins a state without names, so that the next run is not a first one.
    pub(crate) fn begin(&self) -> Result<(), TransferError> {
        if self.path("state").exists() || self.path("changes").exists() {
            return Ok(());
        }
        let path = self.path("changes");
        File::create(&path).map(drop).map_err(failed(&path, "making it"))
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), TransferError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed(&path, "removing it")(error))
            }
            _ => Ok(()),
        }
    }
}

/// Takes the lock of a pair, and writes down who has it.
fn lock(path: &Path, owner: &str) -> Result<File, TransferError> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).create(true).truncate(false).open(path);
    let mut file = opened.map_err(failed(path, "opening it"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            file.read_to_string(&mut owner).map_err(failed(path, "reading it"))?;
            return Err(TransferError::PairInUse { owner: owner.trim().to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(failed(path, "locking it")(error)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(format!("{owner}\n").as_bytes()));
    written.map_err(failed(path, "writing it"))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{ETag, Timestamp},
        two_way::version::Version,
    };

    fn both(size: u64) -> Option<Base> {
        let version = Version { size, etag: ETag::opaque("x"), modified: Timestamp::from_millis(0) };
        Some((version.clone(), version))
    }

    fn open(folder: &Path) -> Result<State, TransferError> {
        State::open(folder, &["a:", "b:"].map(str::to_owned), "process 7", false)
    }

    fn names(state: &State) -> Vec<(String, u64)> {
        let mut known = state.read().expect("is read").expect("is there");
        let mut names = Vec::new();
        while let Some((name, both)) = known.next().expect("is read") {
            names.push((name, both.0.size));
        }
        names
    }

    #[test]
    fn changes_of_a_killed_run_are_part_of_the_state_of_the_next_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = open(folder.path()).expect("opens");
        assert!(state.read().expect("is read").is_none(), "the first run knows nothing");
        state.record("b", both(1)).expect("written");
        state.record("a", both(1)).expect("written");
        state.record("b", both(2)).expect("written");
        drop(state);
        let state = open(folder.path()).expect("opens");
        assert_eq!(names(&state), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        state.record("a", None).expect("written");
        state.record("c", both(3)).expect("written");
        state.fold().expect("folds");
        state.record("d", both(4)).expect("written");
        state.fold().expect("folds");
        assert_eq!(names(&state), [("b".to_owned(), 2), ("c".to_owned(), 3), ("d".to_owned(), 4)]);
    }

    #[test]
    fn one_run_has_a_pair_at_a_time_and_the_error_names_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = open(folder.path()).expect("opens");
        let error = open(folder.path()).expect_err("is refused").to_string();
        assert_eq!(error, "another run has this pair: process 7");
        drop(first);
        open(folder.path()).expect("opens");
    }

    #[test]
    fn a_state_of_other_ends_or_without_its_end_is_refused_and_a_resync_forgets_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = open(folder.path()).expect("opens");
        state.record("a", both(1)).expect("written");
        state.fold().expect("folds");
        drop(state);
        let other =
            |resync| State::open(folder.path(), &["b:", "a:"].map(str::to_owned), "process 8", resync);
        let error = other(false).expect("opens").read().expect_err("is refused").to_string();
        assert!(error.contains("it is of the ends a: and b:"), "{error}");
        let path = folder.path().join("state");
        let text = fs::read(&path).expect("is read");
        fs::write(&path, &text[..text.len() - 12]).expect("is written");
        let state = open(folder.path()).expect("opens");
        let mut known = state.read().expect("is read").expect("is there");
        known.next().expect("is read");
        assert!(known.next().is_err(), "the last line is missing");
        drop(state);
        assert!(other(true).expect("opens").read().expect("is read").is_none());
    }
}
