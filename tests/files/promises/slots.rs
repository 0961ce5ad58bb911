//! Files that are written at any position, where the storage has such files.

use super::*;
use futures_util::future::join_all;

pub async fn parts_that_come_in_any_order_are_one_file(files: Storage) {
    let Some(slots) = files.slots() else { return };
    const PART: usize = 700_000;
    let content = pattern(8 * PART + 1234, 8);
    let parts = content.chunks(PART).enumerate().map(|(n, part)| async move {
        let mut slot = slots.open("upload").await.expect("a slot");
        for (m, piece) in part.chunks(100_000).enumerate() {
            let offset = (n * PART + m * 100_000) as u64;
            slot.write(offset, vec![Bytes::copy_from_slice(piece)]).await.expect("it is taken");
        }
        slot.finish().await.expect("it is finished");
    });
    let mut parts: Vec<_> = parts.collect();
    parts.reverse();
    join_all(parts).await;
    // More than the whole is written: a part was longer at first, and was sent again.
    let mut slot = slots.open("upload").await.expect("a slot");
    slot.write(content.len() as u64, vec![Bytes::from(pattern(5000, 9))]).await.expect("it is taken");
    slot.finish().await.expect("it is finished");

    let span = Span { start: 650_000, end: 2_000_000 };
    let read: Vec<Bytes> =
        slots.read("upload", span).await.expect("a stream").try_collect().await.expect("all of it");
    assert!(read.concat() == content[650_000..2_000_000]);

    assert_eq!(get(&files, "whole").await, None);
    let mut draft = slots.draft("upload", content.len() as u64).await.expect("a draft");
    draft.finish().await.expect("it is finished");
    let stat = published(draft.publish("whole", false).await.expect("it is published"));
    assert_eq!(stat.size, content.len() as u64);
    assert!(get(&files, "whole").await == Some(content));
    assert_eq!(own_files(&files).await, [""; 0]);
}

pub async fn slots_are_named_read_and_removed(files: Storage) {
    let Some(slots) = files.slots() else { return };
    assert_eq!(slots.names().await.expect("an answer"), [""; 0]);
    for name in ["one", "two"] {
        let mut slot = slots.open(name).await.expect("a slot");
        slot.write(10, vec![Bytes::from_static(b"bytes")]).await.expect("it is taken");
        slot.finish().await.expect("it is finished");
    }
    let mut names = slots.names().await.expect("an answer");
    names.sort();
    assert_eq!(names, ["one", "two"]);
    let read: Vec<Bytes> = slots
        .read("one", Span { start: 8, end: 15 })
        .await
        .expect("a stream")
        .try_collect()
        .await
        .expect("all of it");
    assert_eq!(read.concat(), b"\0\0bytes");
    slots.remove("one").await.expect("an answer");
    slots.remove("one").await.expect("what is gone is gone");
    assert_eq!(slots.names().await.expect("an answer"), ["two"]);
    assert_eq!(list(&files, "").await.iter().filter(|entry| entry.name != OWN).count(), 0);
}
