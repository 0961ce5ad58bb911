//! Objects that the disk has to bring: a thread that serves requests does not wait for them.
//!
//! Pages are evicted from the kernel's memory, and the pool of threads that may wait for a disk is held
//! still. What needs the disk then stands still, and everything else on the one thread of the runtime is
//! answered.

use super::{client, life::Disk};
use bytes::Bytes;
use causeway::{
    model::ObjectKey,
    store::{GetReply, GetRequest, ObjectBody, Store, file_body::Piece},
};
use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture};
use rustix::{
    fs::{Advice, fadvise},
    io::{ReadWriteFlags, preadv2},
};
use std::{fs::File, io::IoSliceMut, os::unix::fs::FileExt, sync::mpsc};

/// More than one region of a body, so that its beginning can be in memory and its end not.
const LONG: usize = 3 << 20;

/// A pool of one thread, which waits until this is dropped.
struct Held(#[expect(dead_code, reason = "dropped, not read")] mpsc::Sender<()>);

fn hold_pool() -> Held {
    let (release, held) = mpsc::channel();
    tokio::task::spawn_blocking(move || held.recv());
    Held(release)
}

/// Drops all pages of a file from the kernel's memory, but for those before `kept`. Returns false where that
/// is impossible: not every file system has pages on a disk.
fn evict(disk: &Disk, name: &str, kept: usize) -> bool {
    let file = File::open(disk.path(name)).expect("opens");
    file.sync_all().expect("is on disk");
    fadvise(&file, 0, None, Advice::DontNeed).expect("advice");
    // Without reading ahead, exactly these pages come back.
    fadvise(&file, 0, None, Advice::Random).expect("advice");
    file.read_exact_at(&mut vec![0; kept], 0).expect("is read");
    let mut last = [0];
    let buffers = &mut [IoSliceMut::new(&mut last)];
    let is_evicted = preadv2(&file, buffers, LONG as u64 - 1, ReadWriteFlags::NOWAIT).is_err();
    if !is_evicted {
        eprintln!("not tested: the file system of {} keeps all pages in memory", disk.path(name).display());
    }
    is_evicted
}

fn get<'s>(store: &'s dyn Store, key: &'s ObjectKey) -> BoxFuture<'s, GetReply> {
    async move { store.get(key.current(), GetRequest::default()).await.expect("is there") }.boxed()
}

/// Reads to the end without waiting for anything.
fn read_at_once(store: &dyn Store, name: &str) -> Vec<u8> {
    let read = async { client::read(store, name).await };
    read.now_or_never().expect("it needs neither the disk nor the pool")
}

fn content() -> Bytes {
    client::bytes(5, LONG)
}

#[test]
fn a_body_that_the_disk_has_to_bring_lets_others_of_the_same_thread_pass() {
    let disk = Disk::new();
    disk.live_with_pool(1, async |life| {
        client::put(life.store(), "cold", content()).await;
        client::put(life.store(), "warm", "warm").await;
        client::put(life.store(), "long", content()).await;
        if !evict(&disk, "cold", 0) {
            return;
        }
        let cold = client::key("cold");
        let pool = hold_pool();
        let mut reading = get(life.store(), &cold);
        for _ in 0..3 {
            assert!((&mut reading).now_or_never().is_none(), "the pool has to read it");
            assert_eq!(read_at_once(life.store(), "warm"), b"warm");
            assert!(read_at_once(life.store(), "long") == content());
        }
        drop(pool);
        assert!(client::collect(reading.await).await.expect("readable") == content());
    });
}

#[test]
fn a_body_whose_end_the_disk_has_to_bring_stands_still_there_and_lets_others_pass() {
    for as_pieces in [false, true] {
        let disk = Disk::new();
        disk.live_with_pool(1, async |life| {
            client::put(life.store(), "half", content()).await;
            client::put(life.store(), "warm", "warm").await;
            if !evict(&disk, "half", LONG / 2) {
                return;
            }
            let half = client::key("half");
            let pool = hold_pool();
            let reply = get(life.store(), &half).now_or_never().expect("its beginning is in memory");
            let ObjectBody::File(file) = reply.body else { panic!("a long body is a file") };
            let read = |piece| match piece {
                Piece::Bytes(bytes) => bytes,
                Piece::Region(region) => {
                    let mut bytes = vec![0; region.span.len() as usize];
                    region.file.read_exact_at(&mut bytes, region.span.start).expect("is read");
                    bytes.into()
                }
            };
            let mut body = match as_pieces {
                true => file.into_pieces().map_ok(read).boxed(),
                false => file.into_stream(),
            };
            let mut sent = Vec::new();
            while let Some(piece) = body.try_next().now_or_never() {
                sent.extend_from_slice(&piece.expect("readable").expect("it has not ended"));
            }
            assert!((1 << 20..LONG).contains(&sent.len()), "{} bytes came without the disk", sent.len());
            assert_eq!(read_at_once(life.store(), "warm"), b"warm");
            assert!(body.try_next().now_or_never().is_none(), "the pool has to read the rest");
            drop(pool);
            while let Some(piece) = body.try_next().await.expect("readable") {
                sent.extend_from_slice(&piece);
            }
            assert!(sent == content());
        });
    }
}
