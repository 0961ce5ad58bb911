//! Cached blocks on disk: they survive the process. Damaged blocks are never served.

use super::{
    blocks::used,
    client::{bytes, put, read},
    watched::{Bed, record},
};
use causeway::{
    cache::{CachedBackend, DataCache, DataSettings},
    model::CacheUse,
    store::{Selection, Store},
};
use std::{fs, path::Path, sync::Arc};
use tokio::task::yield_now;

const MIB: usize = 1 << 20;
const HIT: Option<CacheUse> = Some(CacheUse::Hit);
const MISS: Option<CacheUse> = Some(CacheUse::Miss);

fn open(directory: &Path) -> Arc<DataCache> {
    let settings =
        DataSettings { memory: 0, disk: Some((8 * MIB as u64, directory.to_owned())), max_object: 8 << 20 };
    DataCache::open(settings).expect("opens")
}

/// Waits until the cache has written so many bytes.
async fn written(data: &DataCache, size: usize) {
    while data.sizes().1 < size as u64 {
        yield_now().await;
    }
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// A bucket whose object of 2.5 MiB is on disk.
async fn kept(directory: &Path) -> (Bed, Arc<DataCache>, Vec<u8>) {
    let data = open(directory);
    let bed = Bed::with(None, Some(data.clone())).await;
    let whole = bytes(1, 5 * MIB / 2);
    put(&*bed.below, "a", whole.clone()).await;
    assert_eq!(read(&*bed.store, "a").await, whole);
    written(&data, whole.len()).await;
    assert_eq!(used(&*bed.store, "a", Selection::Whole).await, (whole.to_vec(), HIT));
    assert_eq!(bed.watch.asked("get"), 1);
    (bed, data, whole.to_vec())
}

/// Opens the same bucket after a restart over the same directory.
async fn again(bed: &Bed, directory: &Path) -> Arc<dyn Store> {
    let backend = CachedBackend::new(bed.backend.clone(), "nas", None, Some(open(directory)));
    causeway::backend::Backend::open(&backend, &record("bucket")).await.expect("opens").store
}

#[tokio::test]
async fn blocks_outlive_the_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let (bed, _data, whole) = kept(directory.path()).await;
    let beside = Bed::with(None, None).await;
    put(&*beside.below, "a", whole.clone()).await;
    let store = again(&beside, directory.path()).await;
    assert_eq!(used(&*store, "a", Selection::Whole).await, (whole, HIT));
    assert_eq!(beside.watch.asked("get"), 0);
    drop(bed);
}

#[tokio::test]
async fn the_directory_can_be_deleted_at_any_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let cache = directory.path().join("cache");
    let (bed, _data, whole) = kept(&cache).await;
    fs::remove_dir_all(&cache).expect("is deleted");
    assert_eq!(read(&*bed.store, "a").await, whole);
    while !cache.exists()
        || files(&cache).iter().filter(|path| !path.to_string_lossy().contains("draft")).count() < 3
    {
        yield_now().await;
    }
    bed.watch.asked("get");
    assert_eq!(used(&*bed.store, "a", Selection::Whole).await, (whole, HIT), "it is made again");
    assert_eq!(bed.watch.asked("get"), 0);
}

#[tokio::test]
async fn a_block_that_is_not_what_was_written_is_read_anew() {
    let damages: [fn(&Path); 4] = [
        |path| fs::write(path, "").expect("is written"),
        |path| {
            let mut all = fs::read(path).expect("a block");
            all.pop();
            fs::write(path, all).expect("is written");
        },
        |path| {
            let mut all = fs::read(path).expect("a block");
            let middle = all.len() / 2;
            all[middle] ^= 1;
            fs::write(path, all).expect("is written");
        },
        |path| fs::remove_file(path).expect("is removed"),
    ];
    for damage in damages {
        let directory = tempfile::tempdir().expect("a directory");
        let (bed, _data, whole) = kept(directory.path()).await;
        files(directory.path()).iter().for_each(|path| damage(path));
        assert_eq!(read(&*bed.store, "a").await, whole);
        assert!(bed.watch.asked("get") > 0);
    }
}

#[tokio::test]
async fn a_block_under_the_name_of_another_is_not_taken_for_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let (bed, _data, whole) = kept(directory.path()).await;
    let mut large: Vec<_> = files(directory.path())
        .into_iter()
        .filter(|path| fs::metadata(path).expect("a file").len() > MIB as u64)
        .collect();
    let (one, other) = (large.pop().expect("a block"), large.pop().expect("a block"));
    let (first, second) = (fs::read(&one).expect("a block"), fs::read(&other).expect("a block"));
    fs::write(&one, second).expect("is written");
    fs::write(&other, first).expect("is written");
    assert_eq!(read(&*bed.store, "a").await, whole);
}

#[tokio::test]
async fn what_is_not_understood_is_not_used_and_what_is_not_ours_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    fs::create_dir_all(path("blocks-0/ab")).expect("a folder");
    fs::write(path("blocks-0/ab/cd"), "of an older format").expect("is written");
    fs::create_dir_all(path("blocks-1/ab")).expect("a folder");
    fs::write(path("blocks-1/ab/cd"), "no block").expect("is written");
    fs::write(path("blocks-1/draft-7"), "half a block").expect("is written");
    fs::write(path("photo.jpg"), "somebody's").expect("is written");
    let data = open(directory.path());
    assert_eq!(data.sizes(), (0, 0));
    let mut left = files(directory.path());
    left.sort();
    assert_eq!(left, [path("photo.jpg")]);
    assert!(!path("blocks-0").exists());
}

#[tokio::test]
async fn the_disk_stays_within_its_bound() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = open(directory.path());
    let bed = Bed::with(None, Some(data.clone())).await;
    for n in 0..24 {
        let whole = bytes(n, MIB);
        put(&*bed.below, &n.to_string(), whole.clone()).await;
        let (read, how) = used(&*bed.store, &n.to_string(), Selection::Whole).await;
        assert_eq!((read == whole, how), (true, MISS));
    }
    // The cache writes as much as fits, and counts the sizes of its files.
    written(&data, 4 * MIB).await;
    let on_disk = || {
        files(directory.path())
            .iter()
            .map(|path| fs::metadata(path).map_or(0, |file| file.len()))
            .sum::<u64>()
    };
    while on_disk() > 8 * MIB as u64 {
        data.sizes();
        yield_now().await;
    }
    assert!(data.sizes().1 <= 8 * MIB as u64);
}
