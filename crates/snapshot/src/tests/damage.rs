//! What is damaged is noticed, and never passed on as if it were whole.

use super::*;

/// Returns a repository with two snapshots.
async fn filled() -> (Arc<MemoryStore>, Vec<(Snapshot, Tree)>) {
    let (from, store) = (memory(), memory());
    let source = end(&from, "");
    let repository = init(&store).await;
    let mut made = Vec::new();
    for round in 0..2 {
        for at in 0..20 {
            put(&source, &format!("{at}"), bytes(at + round * 10, 3000), "1").await;
        }
        put(&source, "large", bytes(round, 80_000), "1").await;
        made.push((created(&source, &repository).await.snapshot, tree(&source).await));
    }
    (store, made)
}

async fn read(store: &Arc<MemoryStore>, key: &ObjectKey) -> Vec<u8> {
    let reply = store.get(key.current(), GetRequest::default()).await.expect("is there");
    let pieces: Vec<Bytes> = reply.body.into_stream().map(|piece| piece.expect("is read")).collect().await;
    pieces.concat()
}

async fn write(store: &Arc<MemoryStore>, key: &ObjectKey, bytes: Vec<u8>) {
    let request = PutRequest {
        attributes: Attributes::default(),
        conditions: WriteConditions::default(),
        payload: Payload::from_bytes(bytes),
    };
    store.put(key, request).await.expect("is written");
}

#[tokio::test]
async fn another_key_opens_nothing() {
    let (store, _) = filled().await;
    let other = KeyFile::generate().expect("random numbers");
    let opened = Repository::open(end(&store, "r"), &other, retry()).await;
    assert!(matches!(opened, Err(SnapshotError::WrongKey)));
}

#[tokio::test]
async fn a_flipped_bit_in_any_file_is_noticed() {
    let (store, _) = filled().await;
    for folder in ["packs/", "index/", "snapshots/"] {
        for key in files(&store, folder).await {
            let whole = read(&store, &key).await;
            let last = whole.len() - 1;
            for at in [0, 7, 8, 39, 40, 57, 100.min(last), last / 2, last - 20, last - 4, last - 3, last] {
                let mut other = whole.clone();
                other[at] ^= 1 << (at % 8);
                write(&store, &key, other).await;
                let repository = open(&store).await;
                let problems = problems(&repository, true).await;
                assert!(!problems.is_empty(), "{key} at {at} of {last}");
            }
            write(&store, &key, whole).await;
        }
    }
    assert_eq!(problems(&open(&store).await, true).await, Vec::<String>::new());
    let header = ObjectKey::new("r/repository.json").expect("a key");
    let whole = read(&store, &header).await;
    for at in 0..whole.len() {
        let mut other = whole.clone();
        other[at] ^= 1;
        write(&store, &header, other).await;
        let opened = Repository::open(end(&store, "r"), &key_file(), retry()).await;
        assert!(opened.is_err(), "{at}");
    }
}

#[tokio::test]
async fn a_truncated_a_missing_and_an_exchanged_pack_are_noticed_without_reading_data() {
    let (store, made) = filled().await;
    let packs = files(&store, "packs/").await;
    assert!(packs.len() >= 2);
    for (at, key) in packs.iter().enumerate() {
        let whole = read(&store, key).await;
        for length in [0, 10, 50, whole.len() / 2, whole.len() - 1] {
            write(&store, key, whole[..length].to_vec()).await;
            let repository = open(&store).await;
            assert!(!problems(&repository, false).await.is_empty(), "{key} with {length} bytes");
            assert!(prune(&repository, None, 9).await.is_err(), "nothing is deleted by half a repository");
        }
        store.delete(key.current(), &WriteConditions::default()).await.expect("is deleted");
        assert!(!problems(&open(&store).await, false).await.is_empty());
        let other = read(&store, &packs[(at + 1) % packs.len()]).await;
        write(&store, key, other).await;
        assert!(!problems(&open(&store).await, false).await.is_empty(), "{key} is another one");
        write(&store, key, whole).await;
    }
    let repository = open(&store).await;
    for (snapshot, expected) in made {
        assert_eq!(tree(&view(&repository, &snapshot).await).await, expected);
    }
}

#[tokio::test]
async fn a_snapshot_stores_again_what_a_lost_pack_held() {
    let (from, store) = (memory(), memory());
    let source = end(&from, "");
    for at in 0..20 {
        put(&source, &format!("{at}"), bytes(at, 3000), "1").await;
    }
    let repository = init(&store).await;
    created(&source, &repository).await;
    for key in files(&store, "packs/").await {
        store.delete(key.current(), &WriteConditions::default()).await.expect("is deleted");
    }
    let made = created(&source, &repository).await;
    assert_eq!(made.read, 20, "all is read again");
    assert_eq!(tree(&view(&repository, &made.snapshot).await).await, tree(&source).await);
}
