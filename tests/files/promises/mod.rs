//! The promises of [`causeway::backend::tree::files::Files`]: one function each, for any storage.

pub mod drafts;
pub mod folders;
pub mod listing;
pub mod publishing;
pub mod reading;
pub mod slots;

use bytes::Bytes;
use causeway::{
    backend::tree::files::{Draft, DraftName, Entry, EntryKind, Files, OWN, Published, Stat, is_changed},
    model::Span,
};
use futures_util::TryStreamExt;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

pub type Storage = std::sync::Arc<dyn Files>;

/// The time limit for anything that a test waits for.
pub const SOON: Duration = Duration::from_secs(60);

pub fn name() -> DraftName {
    name_of("instance")
}

pub fn name_of(instance: &str) -> DraftName {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    DraftName(format!("{instance}-{:08}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

pub async fn draft(files: &Storage, path: &str, content: &[u8]) -> Box<dyn Draft> {
    let mut draft = files.create(&name(), path, Some(content.len() as u64)).await.expect("a draft");
    draft.write(vec![Bytes::copy_from_slice(content)]).await.expect("it is taken");
    draft.finish().await.expect("it is finished");
    draft
}

pub fn published(published: Published) -> Stat {
    match published {
        Published::As(stat) => stat,
        Published::IsFolder(_) => panic!("a folder has the name"),
        Published::Obstructed(_) => panic!("a file is on the way"),
        Published::Exists(_) => panic!("a file is there"),
        Published::Spelled(_) => panic!("something is spelled like it"),
    }
}

pub async fn put(files: &Storage, path: &str, content: &[u8]) -> Stat {
    published(draft(files, path, content).await.publish(path, false).await.expect("it is published"))
}

/// The content of a file, if it exists.
pub async fn get(files: &Storage, path: &str) -> Option<Vec<u8>> {
    for _ in 0..100 {
        let read = async {
            let Some(opened) = files.open(path, None).await? else { return Ok(None) };
            let span = Span::whole(opened.stat().size);
            opened.read(span).await?.try_collect::<Vec<Bytes>>().await.map(Some)
        };
        match read.await {
            // The file was replaced, or the storage reports so: the new one is read.
            Err(error) if is_changed(&error) => {}
            read => return read.expect("all of it").map(|pieces| pieces.concat()),
        }
    }
    panic!("{path} is another file each time that it is read")
}

/// The entries of a folder, sorted by name.
pub async fn list(files: &Storage, folder: &str) -> Vec<Entry> {
    let mut entries = files.list(folder).try_concat().await.expect("a listing");
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

pub async fn names(files: &Storage, folder: &str) -> Vec<String> {
    let named = list(files, folder).await.into_iter().filter(|entry| entry.stat.kind != EntryKind::Nameless);
    named.map(|entry| entry.name).collect()
}

/// The files below the gateway's own folder.
pub async fn own_files(files: &Storage) -> Vec<String> {
    let (mut folders, mut found) = (vec![OWN.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in list(files, &folder).await {
            let path = format!("{folder}/{}", entry.name);
            match entry.stat.kind {
                EntryKind::Folder => folders.push(path),
                _ => found.push(path),
            }
        }
    }
    found
}

/// Bytes in which positions near each other are preceded by different bytes.
pub fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}
