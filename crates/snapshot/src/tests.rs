//! Tests of whole runs, on stores in memory.

mod damage;
mod kills;
mod pruning;
mod trips;

use super::{chunker::Sizes, *};
use crate::{
    model::{Attributes, ObjectKey, Tag, TagSet, Timestamp},
    store::{
        GetRequest, ListEntry, ListRequest, PutRequest, Store, condition::WriteConditions, payload::Payload,
    },
    transfer::{End, filter::Filter, retry::Retry},
};
use bytes::Bytes;
use causeway_backend::memory::MemoryStore;
use futures_util::StreamExt;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

const SMALL: Sizes = Sizes { min: 64, average: 256, max: 1024 };
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Objects by name: their bytes, and the value of a tag.
type Tree = BTreeMap<String, (Bytes, String)>;

fn memory() -> Arc<MemoryStore> {
    Arc::default()
}

fn retry() -> Arc<Retry> {
    Arc::new(Retry::new(Default::default(), 1))
}

fn key_file() -> KeyFile {
    KeyFile::parse(&format!("causeway-snapshot-key-1\n{}\n", "5a".repeat(32))).expect("a key file")
}

fn end(store: &Arc<impl Store>, prefix: &str) -> End {
    End::new(store.clone(), prefix, "memory:")
}

async fn init(store: &Arc<impl Store>) -> Arc<Repository> {
    Arc::new(Repository::init_with(end(store, "r"), &key_file(), retry(), SMALL).await.expect("is made"))
}

async fn open(store: &Arc<impl Store>) -> Arc<Repository> {
    Arc::new(Repository::open(end(store, "r"), &key_file(), retry()).await.expect("opens"))
}

/// Returns bytes that look random, and are the same for the same seed.
fn bytes(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut all = Vec::with_capacity(length + 8);
    while all.len() < length {
        all.extend_from_slice(&next().to_le_bytes());
    }
    all.truncate(length);
    all.into()
}

async fn put(end: &End, name: &str, bytes: Bytes, tag: &str) {
    let tags = TagSet::new(vec![Tag { key: "k".into(), value: tag.into() }]).expect("tags");
    let user = BTreeMap::from([("of".to_owned(), tag.to_owned())]);
    let attributes =
        Attributes { content_type: Some("text/plain".into()), tags, user, ..Attributes::default() };
    let request = PutRequest {
        attributes,
        conditions: WriteConditions::default(),
        payload: Payload::from_bytes(bytes),
    };
    end.store.put(&end.key(name).expect("a key"), request).await.expect("is written");
}

async fn delete(end: &End, name: &str) {
    let key = end.key(name).expect("a key");
    end.store.delete(key.current(), &WriteConditions::default()).await.expect("is deleted");
}

/// Lists and reads everything below an end.
async fn tree(end: &End) -> Tree {
    let (mut tree, mut after) = (Tree::new(), None);
    loop {
        let request = ListRequest { prefix: end.prefix().to_owned(), after, delimiter: None, limit: 100 };
        let page = end.store.list(request).await.expect("is listed");
        for entry in &page.entries {
            let ListEntry::Object(object) = entry else { continue };
            let reply = end.store.get(object.key.current(), GetRequest::default()).await.expect("is there");
            assert_eq!((reply.info.size, &reply.info.etag), (object.size, &object.etag));
            let attributes = end.store.describe(object.key.current(), &Default::default()).await;
            let attributes = attributes.expect("is described").attributes;
            assert_eq!(attributes.content_type.as_deref(), Some("text/plain"));
            let tag = attributes.tags.iter().next().expect("a tag").value.clone();
            assert_eq!(attributes.user.get("of"), Some(&tag));
            let mut bytes = Vec::new();
            let mut stream = reply.body.into_stream();
            while let Some(piece) = stream.next().await {
                bytes.extend_from_slice(&piece.expect("is read"));
            }
            let name = end.name(object.key.as_str()).expect("a name").to_owned();
            tree.insert(name, (bytes.into(), tag));
        }
        after = page.entries.last().filter(|_| page.truncated).map(|entry| entry.name().to_owned());
        if after.is_none() {
            return tree;
        }
    }
}

fn create(source: &End, repository: &Arc<Repository>) -> Create {
    Create {
        source: source.clone(),
        identity: "source".into(),
        repository: repository.clone(),
        filter: Arc::new(Filter::new(&Default::default(), Timestamp::now()).expect("a filter")),
        reads_all: false,
        at_once: 4,
        now: Timestamp::now(),
        cancel: CancellationToken::new(),
        hear: Arc::new(|_| {}),
    }
}

async fn created(source: &End, repository: &Arc<Repository>) -> Created {
    create(source, repository).run().await.expect("is made")
}

/// Returns an end that is a snapshot.
async fn view(repository: &Arc<Repository>, snapshot: &Snapshot) -> End {
    let view = View::open(repository.clone(), snapshot).await.expect("opens");
    End::new(Arc::new(view), "", "snapshot:")
}

async fn problems(repository: &Arc<Repository>, reads_data: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let checked = check(repository, reads_data, |problem| problems.push(problem)).await.expect("is checked");
    assert_eq!(checked.problems, problems.len() as u64);
    problems
}

/// Prunes at a time that is so many days away.
async fn prune(repository: &Arc<Repository>, keep: Option<Keep>, days: u32) -> Result<Pruned> {
    let now = Timestamp::from_millis(Timestamp::now().millis() + i64::from(days) * 86_400_000 + 1000);
    Prune { repository: repository.clone(), keep, grace: DAY, now, dry_run: false }.run().await
}

/// Returns the keys of a repository's files in a folder.
async fn files(store: &Arc<MemoryStore>, folder: &str) -> Vec<ObjectKey> {
    let request = ListRequest { prefix: format!("r/{folder}"), limit: 1000, ..ListRequest::default() };
    let page = store.list(request).await.expect("is listed");
    let keys = page.entries.into_iter().filter_map(|entry| match entry {
        ListEntry::Object(object) => Some(object.key),
        ListEntry::CommonPrefix(_) => None,
    });
    keys.collect()
}
