//! Ranges and parts of what is read.

use super::{client::*, storage::Storage};
use causeway::{
    model::ByteRange::{From, FromTo, Suffix},
    store::{Selection, error::StoreErrorKind},
};

pub async fn a_range_yields_exactly_its_bytes(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let body = bytes(7, (3 << 20) + 17);
    let len = body.len() as u64;
    put(store, "key", body.clone()).await;
    // Positions on both sides of the sizes in which drivers read.
    let edges = [0, 1, 4095, 4096, 65_535, 65_536, 262_144, 1 << 20, (2 << 20) - 1, len - 2, len - 1];
    for (at, &from) in edges.iter().enumerate() {
        for &to in &edges[at..] {
            let got = read_range(store, "key", FromTo(from, to)).await.expect("lies inside");
            assert!(got == body[from as usize..=to as usize], "{from}-{to}");
        }
        assert!(
            read_range(store, "key", From(from)).await.expect("lies inside") == body[from as usize..],
            "{from}-"
        );
        let last = from + 1;
        assert!(
            read_range(store, "key", Suffix(last)).await.expect("lies inside")
                == body[(len - last) as usize..],
            "-{last}"
        );
    }
    assert!(
        read_range(store, "key", FromTo(len - 3, u64::MAX)).await.expect("is clipped")
            == body[(len - 3) as usize..]
    );
    assert!(read_range(store, "key", Suffix(u64::MAX)).await.expect("is clipped") == body);
}

pub async fn a_range_beyond_the_end_is_refused_with_the_size(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    put(store, "key", "hello").await;
    put(store, "empty", "").await;
    for (name, size, ranges) in [
        ("key", 5, vec![From(5), FromTo(5, 9), Suffix(0)]),
        ("empty", 0, vec![From(0), FromTo(0, 0), Suffix(1)]),
    ] {
        for range in ranges {
            assert_eq!(
                refused(read_range(store, name, range).await),
                StoreErrorKind::InvalidRange { size },
                "{name} {range:?}"
            );
        }
    }
    assert_eq!(refused(read_range(store, "absent", From(0)).await), StoreErrorKind::NoSuchKey);
}

pub async fn part_one_of_a_plain_object_is_the_whole(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    put(store, "key", "hello").await;
    let (info, body) = get(store, "key", Selection::Part(number(1))).await.expect("is there");
    assert_eq!((info.size, &body[..]), (5, &b"hello"[..]));
    assert!(matches!(
        refused(get(store, "key", Selection::Part(number(2))).await),
        StoreErrorKind::InvalidPartNumber { .. }
    ));
}

pub async fn many_read_at_once_and_each_gets_its_own(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    for n in 0..4u64 {
        put(&*bucket, &format!("key/{n}"), bytes(n, 300_000)).await;
    }
    let readers: Vec<_> = (0..32u64)
        .map(|n| {
            let store = bucket.clone();
            tokio::spawn(async move { (n, read(&*store, &format!("key/{}", n % 4)).await) })
        })
        .collect();
    for reader in readers {
        let (n, body) = reader.await.expect("no panic");
        assert!(body == bytes(n % 4, 300_000));
    }
}
