//! The changes that are under way in a root: which keys a killed process may have changed on disk without
//! telling the index.
//!
//! A change takes a slot of the file `under-way`, and writes its key there before the disk changes. It gives
//! the slot back when the index has the change, and writes nothing then: what stands in a free slot is an old
//! change, which is harmless to look at once more. So a change costs one write into the kernel's memory, and
//! after a kill as many keys are looked at as changes were ever under way at once.
//!
//! Invariants: a slot belongs to one change at a time; slots that were found at the start stay taken until
//! their keys were looked at, so that a second kill loses none; a slot never crosses a page, so that a killed
//! process has written it or not.

use super::root::Root;
use crate::{
    catalog::BucketId,
    model::{MAX_KEY_BYTES, ObjectKey},
};
use rustix::{fd::OwnedFd, io::Errno};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const FILE: &str = "under-way";
/// Bucket, length and key. A page has two of them.
const SLOT: usize = 2048;
const HEAD: usize = 10;
/// Slots whose space is allocated at the start, so that deleting works on a full disk.
const ALLOCATED: usize = 64;

#[derive(Debug)]
pub(super) struct Journal {
    /// `None`: the disk is full, so nothing can be noted.
    file: Option<OwnedFd>,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// Free ones among the first `count`; the last one is taken first, so that the file stays small.
    free: Vec<u32>,
    count: u32,
}

/// A slot of a change, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    journal: Arc<Journal>,
    number: u32,
}

/// A change that was under way when the last process was killed.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) bucket: BucketId,
    pub(super) key: ObjectKey,
    _slot: Slot,
}

impl Journal {
    /// Opens the journal, and returns the changes that it has. Without `keeps` they mean nothing, and are
    /// removed.
    pub(super) fn open(reserved: &Root, keeps: bool) -> Result<(Arc<Self>, Vec<Late>), Errno> {
        let file = match reserved.open_or_create(FILE) {
            Ok(file) => file,
            // Deleting must be possible on a full disk.
            Err(Errno::NOSPC | Errno::DQUOT) => {
                return Ok((Arc::new(Self { file: None, slots: Mutex::default() }), Vec::new()));
            }
            Err(error) => return Err(error),
        };
        if !keeps {
            rustix::fs::ftruncate(&file, 0)?;
        }
        let found = read(&file)?;
        match allocate(&file) {
            Ok(()) | Err(Errno::NOSPC | Errno::DQUOT) => {}
            Err(error) => return Err(error),
        }
        let count = found.iter().map(|(number, ..)| number + 1).max().unwrap_or(0);
        let taken = |number: &u32| found.iter().any(|(known, ..)| known == number);
        let free = (0..count).filter(|number| !taken(number)).rev().collect();
        let journal = Arc::new(Self { file: Some(file), slots: Mutex::new(Slots { free, count }) });
        let late = found.into_iter().map(|(number, bucket, key)| Late {
            bucket,
            key,
            _slot: Slot { journal: journal.clone(), number },
        });
        let late = late.collect();
        Ok((journal, late))
    }

    /// Takes a slot. It waits for nothing.
    pub(super) fn take(self: &Arc<Self>) -> Slot {
        let mut slots = self.slots();
        let number = slots.free.pop().unwrap_or_else(|| {
            slots.count += 1;
            slots.count - 1
        });
        drop(slots);
        Slot { journal: self.clone(), number }
    }

    /// Forgets all changes at an orderly stop, if none is left to be looked at. The caller has closed the
    /// index.
    pub(super) fn stop(&self) -> Result<(), Errno> {
        let slots = self.slots();
        if slots.free.len() < slots.count as usize {
            return Ok(());
        }
        self.file.as_ref().map_or(Ok(()), |file| rustix::fs::ftruncate(file, 0))
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Notes the change. It must be called before the disk changes, on a thread that may block.
    pub(super) fn note(&self, bucket: BucketId, key: &ObjectKey) -> Result<(), Errno> {
        let key = key.as_str().as_bytes();
        let length = u16::try_from(key.len()).map_err(|_| Errno::INVAL)?;
        let mut text = Vec::with_capacity(HEAD + key.len());
        text.extend(bucket.0.to_be_bytes());
        text.extend(length.to_be_bytes());
        text.extend(key);
        let file = self.journal.file.as_ref().ok_or(Errno::NOSPC)?;
        write_at(file, &text, u64::from(self.number) * SLOT as u64)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.journal.slots().free.push(self.number);
    }
}

/// Extends the file by empty slots, and so allocates their space.
fn allocate(file: &OwnedFd) -> Result<(), Errno> {
    let size = usize::try_from(rustix::fs::fstat(file)?.st_size).unwrap_or(usize::MAX);
    (size.div_ceil(SLOT)..ALLOCATED).try_for_each(|at| write_at(file, &[0; SLOT], (at * SLOT) as u64))
}

fn read(file: &OwnedFd) -> Result<Vec<(u32, BucketId, ObjectKey)>, Errno> {
    let mut found = Vec::new();
    let mut slot = [0; SLOT];
    for number in 0.. {
        let read = rustix::io::pread(file, &mut slot[..], u64::from(number) * SLOT as u64)?;
        if read < HEAD {
            break;
        }
        if let Some((bucket, key)) = parse(&slot[..read]) {
            found.push((number, bucket, key));
        }
    }
    Ok(found)
}

fn parse(slot: &[u8]) -> Option<(BucketId, ObjectKey)> {
    let bucket = i64::from_be_bytes(slot.get(..8)?.try_into().ok()?);
    let length = usize::from(u16::from_be_bytes(slot.get(8..HEAD)?.try_into().ok()?));
    if length == 0 || length > MAX_KEY_BYTES {
        return None;
    }
    let key = std::str::from_utf8(slot.get(HEAD..HEAD + length)?).ok()?;
    Some((BucketId(bucket), ObjectKey::new(key).ok()?))
}

fn write_at(file: &OwnedFd, mut bytes: &[u8], mut at: u64) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(file, bytes, at) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => {
                bytes = &bytes[written..];
                at += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::private, *};

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(name).expect("a key")
    }

    fn names(late: &[Late]) -> Vec<&str> {
        let mut names: Vec<_> = late.iter().map(|late| late.key.as_str()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_change_under_way_is_found_until_it_was_looked_at() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = Root::open(dir.path(), private::DIRECTORY).expect("opens");
        let long = "k".repeat(MAX_KEY_BYTES);
        let (journal, late) = Journal::open(&root, true).expect("opens");
        assert!(late.is_empty());
        let slots: Vec<Slot> = ["a", "b/c", &long]
            .map(|name| {
                let slot = journal.take();
                slot.note(BucketId(7), &key(name)).expect("noted");
                slot
            })
            .into();
        std::mem::forget(slots);
        // Killed twice: the second process changes another key, and looks at nothing.
        let (journal, late) = Journal::open(&root, true).expect("opens");
        assert_eq!(names(&late), ["a", "b/c", &long]);
        assert!(late.iter().all(|late| late.bucket == BucketId(7)));
        let slot = journal.take();
        slot.note(BucketId(8), &key("d")).expect("noted");
        let (_, found) = Journal::open(&root, true).expect("opens");
        assert_eq!(names(&found), ["a", "b/c", "d", &long]);
        journal.stop().expect("stopped");
        let (_, found) = Journal::open(&root, true).expect("opens");
        assert_eq!(found.len(), 4, "a stop keeps what was not looked at");
        drop((late, slot));
        journal.stop().expect("stopped");
        assert!(Journal::open(&root, true).expect("opens").1.is_empty());
    }

    #[test]
    fn one_change_after_another_uses_one_slot() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = Root::open(dir.path(), private::DIRECTORY).expect("opens");
        let (journal, _) = Journal::open(&root, true).expect("opens");
        for n in 0..1000 {
            journal.take().note(BucketId(1), &key(&n.to_string())).expect("noted");
        }
        let (_, late) = Journal::open(&root, true).expect("opens");
        assert_eq!(names(&late), ["999"], "what is looked at is bounded by what was under way at once");
        let (_, late) = Journal::open(&root, false).expect("opens");
        assert!(late.is_empty(), "after a loss of power a scan looks at everything");
    }
}
