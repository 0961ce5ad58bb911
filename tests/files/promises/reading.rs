//! Reading is exact, streams, and does not disturb other requests.

use super::*;
use futures_util::{StreamExt, future::join_all};

async fn read(files: &Storage, path: &str, ahead: Option<Span>, span: Span) -> Vec<u8> {
    let opened = files.open(path, ahead).await.expect("an answer").expect("a file");
    let pieces: Vec<Bytes> =
        opened.read(span).await.expect("a stream").try_collect().await.expect("all of it");
    pieces.concat()
}

pub async fn a_range_yields_exactly_its_bytes(files: Storage) {
    let content = pattern(400_000, 5);
    put(&files, "k", &content).await;
    for (start, end) in [
        (0, 1),
        (0, 0),
        (5, 5),
        (399_999, 400_000),
        (400_000, 400_000),
        (65_535, 65_537),
        (100, 300_001),
        (0, 400_000),
    ] {
        let span = Span { start, end };
        assert!(read(&files, "k", None, span).await == content[start as usize..end as usize], "{span:?}");
        assert!(
            read(&files, "k", Some(span), span).await == content[start as usize..end as usize],
            "{span:?} ahead"
        );
    }
}

pub async fn what_is_no_file_is_not_opened(files: Storage) {
    put(&files, "d/k", b"1").await;
    for path in ["missing", "d", "", "d/missing", "d/k/below", "missing/below"] {
        assert!(files.open(path, None).await.expect("an answer").is_none(), "{path}");
    }
    assert_eq!(files.stat("d").await.expect("an answer").map(|stat| stat.kind), Some(EntryKind::Folder));
    for path in ["missing", "d/missing", "d/k/below", "missing/below"] {
        assert_eq!(files.stat(path).await.expect("an answer"), None, "{path}");
    }
}

pub async fn what_was_asked_for_ahead_may_be_anything(files: Storage) {
    let content = pattern(300_000, 6);
    put(&files, "k", &content).await;
    let wanted = Span { start: 1000, end: 250_000 };
    for (start, end) in [
        (0, 10),
        (1000, 2000),
        (1000, 1_000_000),
        (999_999, 2_000_000),
        (300_000, 300_001),
        (1000, 1000),
        (70_000, 80_000),
    ] {
        let ahead = Some(Span { start, end });
        assert!(read(&files, "k", ahead, wanted).await == content[1000..250_000], "{ahead:?}");
    }
}

pub async fn a_big_file_streams_both_ways(files: Storage) {
    const PIECES: u64 = 1024;
    let piece = |n: u64| Bytes::from(pattern(64 << 10, n));
    let mut draft = files.create(&name(), "big", Some(PIECES << 16)).await.expect("a draft");
    for n in 0..PIECES {
        draft.write(vec![piece(n)]).await.expect("it is taken");
    }
    draft.finish().await.expect("it is finished");
    let stat = published(draft.publish("big", false).await.expect("it is published"));
    assert_eq!(stat.size, PIECES << 16);
    let opened = files.open("big", None).await.expect("an answer").expect("a file");
    let mut stream = opened.read(Span::whole(stat.size)).await.expect("a stream");
    let (mut n, mut left) = (0, Bytes::new());
    while let Some(bytes) = stream.try_next().await.expect("a piece") {
        let mut bytes = bytes;
        while !bytes.is_empty() {
            if left.is_empty() {
                left = piece(n);
                n += 1;
            }
            let length = left.len().min(bytes.len());
            assert!(left.split_to(length) == bytes.split_to(length), "in piece {n}");
        }
    }
    assert_eq!((n, left.len()), (PIECES, 0));
}

pub async fn readers_that_go_away_leave_the_storage_usable(files: Storage) {
    let content = pattern(2 << 20, 7);
    put(&files, "k", &content).await;
    let size = content.len() as u64;
    // In total these are more readers than a server keeps open at once.
    for round in 0..60 {
        let readers = (0..32).map(|n| {
            let files = files.clone();
            async move {
                let opening = files.open("k", Some(Span { start: 0, end: size }));
                // Some readers are dropped before they have an answer, some after it, and some while they
                // read.
                match n % 4 {
                    0 => drop(tokio::time::timeout(Duration::from_micros(200 * (n + 1)), opening).await),
                    1 => drop(opening.await.expect("an answer").expect("a file")),
                    _ => {
                        let opened = opening.await.expect("an answer").expect("a file");
                        let mut stream = opened.read(Span { start: 0, end: size }).await.expect("a stream");
                        stream.next().await.expect("a piece").expect("a piece");
                    }
                }
            }
        });
        join_all(readers).await;
        if round % 20 == 19 {
            assert!(get(&files, "k").await.as_ref() == Some(&content));
        }
    }
}

pub async fn many_read_and_write_at_once(files: Storage) {
    let all = (0..64).map(|n| {
        let files = files.clone();
        tokio::spawn(async move {
            let content = pattern(100_000 + 1000 * n, n as u64);
            let path = format!("many/{}/{n}", n % 8);
            put(&files, &path, &content).await;
            assert!(get(&files, &path).await == Some(content), "{path}");
        })
    });
    for one in join_all(all).await {
        one.expect("it works");
    }
}
