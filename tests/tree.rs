//! S3 on top of files in folders, beyond the store contract: out-of-band changes, what a killed process
//! leaves, and what operations cost.

#[path = "tree/bytes.rs"]
mod bytes;
#[path = "tree/feed.rs"]
mod feed;
#[path = "tree/flow.rs"]
mod flow;
#[path = "tree/hostile.rs"]
mod hostile;
#[path = "tree/slots.rs"]
mod slots;
#[path = "tree/spool.rs"]
mod spool;
mod support;

use ::bytes::{Bytes, BytesMut};
use causeway::{
    backend::{
        Backend, Counts, Depth, OpenedBucket, Progress, Upkeep,
        tree::{TreeBackend, TreeSettings, files::Files},
    },
    catalog::{BucketRecord, Catalog, NewBucket, WhichObjects, sqlite::SqliteCatalog},
    model::{Attributes, BucketName, ETag, ObjectInfo, ObjectKey, Owner, Timestamp},
    store::{
        Durability, GetRequest, ListEntry, ListRequest, ObjectBody, PutRequest, Store,
        error::{StoreError, StoreErrorKind},
        payload::Payload,
    },
};
use futures_util::StreamExt;
use md5::{Digest, Md5};
use std::sync::{Arc, atomic::Ordering};
use support::files::{MemoryFiles, Quirks, Stop};
use tempfile::TempDir;

struct Bed {
    files: MemoryFiles,
    directory: TempDir,
    catalog: Arc<dyn Catalog>,
    backend: Arc<dyn Backend>,
    record: BucketRecord,
    store: Arc<dyn Store>,
    upkeep: Arc<dyn Upkeep>,
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text).expect("a key")
}

async fn open(
    files: Arc<dyn Files>,
    directory: &TempDir,
    is_new: bool,
) -> (Arc<dyn Catalog>, Arc<dyn Backend>, BucketRecord, OpenedBucket) {
    let catalog: Arc<dyn Catalog> =
        Arc::new(SqliteCatalog::open(directory.path(), Durability::Relaxed).expect("opens"));
    let settings = TreeSettings {
        dir: directory.path().join("spool"),
        spool_size: 256 << 20,
        durability: Durability::Relaxed,
    };
    let backend: Arc<dyn Backend> =
        Arc::new(TreeBackend::open(files, settings, catalog.clone()).expect("opens"));
    let name = BucketName::parse("photos").expect("a name");
    let record = match catalog.bucket(&name).await.expect("answers") {
        Some(record) => record,
        None => {
            let owner = Owner { id: "o".into(), display_name: "o".into() };
            let (created, place) = (Timestamp::now(), name.to_string());
            let bucket = NewBucket {
                name,
                owner,
                created,
                tenant: Default::default(),
                backend: "b".into(),
                location: place,
            };
            let record = catalog.create_bucket(bucket).await.expect("is made");
            if is_new {
                backend.create(&record).await.expect("is made");
            }
            record
        }
    };
    let opened = backend.open(&record).await.expect("opens");
    (catalog, backend, record, opened)
}

impl Bed {
    async fn new(quirks: Quirks) -> Self {
        Self::upon(MemoryFiles::new(quirks), true).await
    }

    async fn upon(files: MemoryFiles, is_new: bool) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (catalog, backend, record, OpenedBucket { store, upkeep, .. }) =
            open(Arc::new(files.clone()), &directory, is_new).await;
        Self { files, directory, catalog, backend, record, store, upkeep }
    }

    /// Simulates a kill: pending calls never end, and only the catalog's content survives.
    async fn kill(self) -> Self {
        self.catalog.close().await.expect("closes");
        let (catalog, backend, record, opened) =
            open(Arc::new(self.files.clone()), &self.directory, true).await;
        let OpenedBucket { store, upkeep, .. } = opened;
        Self { catalog, backend, record, store, upkeep, ..self }
    }

    async fn put(&self, name: &str, body: &str) -> Result<ETag, StoreError> {
        put(self.store.clone(), name.to_owned(), body.to_owned()).await
    }

    async fn head(&self, name: &str) -> Result<ObjectInfo, StoreErrorKind> {
        self.store.head(key(name).current(), &Default::default()).await.map_err(|error| error.kind())
    }

    /// The body, and the user's note that was stored with it.
    async fn get(&self, name: &str) -> Result<(Bytes, Option<String>), StoreErrorKind> {
        let reply =
            self.store.get(key(name).current(), GetRequest::default()).await.map_err(|error| error.kind())?;
        let note = reply.info.attributes.user.get("note").cloned();
        let body = match reply.body {
            ObjectBody::Full(bytes) => bytes,
            other => {
                let mut stream = other.into_stream();
                let mut all = BytesMut::new();
                while let Some(bytes) = stream.next().await {
                    all.extend_from_slice(&bytes.expect("reads"));
                }
                all.freeze()
            }
        };
        assert_eq!(reply.info.etag, md5(&body), "{name}");
        Ok((body, note))
    }

    async fn list(&self) -> Vec<(String, u64, ETag)> {
        let page = self.store.list(ListRequest { limit: 1000, ..Default::default() }).await.expect("lists");
        let object = |entry| match entry {
            ListEntry::Object(object) => (object.key.as_str().to_owned(), object.size, object.etag),
            ListEntry::CommonPrefix(prefix) => panic!("{prefix}"),
        };
        page.entries.into_iter().map(object).collect()
    }

    async fn names(&self) -> Vec<String> {
        self.list().await.into_iter().map(|(name, ..)| name).collect()
    }

    async fn maintain(&self) {
        self.upkeep.maintain().await.expect("is tended");
    }

    async fn unsettled(&self) -> usize {
        self.catalog.objects(self.record.id, None, 100, WhichObjects::Unsettled).await.expect("answers").len()
    }
}

/// Puts an object with a note that repeats the body.
async fn put(store: Arc<dyn Store>, name: String, body: String) -> Result<ETag, StoreError> {
    let attributes = Attributes { user: [("note".to_owned(), body.clone())].into(), ..Default::default() };
    let payload = Payload::from_bytes(body);
    let request = PutRequest { attributes, conditions: Default::default(), payload };
    store.put(&key(&name), request).await.map(|written| written.etag)
}

fn md5(bytes: &[u8]) -> ETag {
    ETag::from_md5(Md5::digest(bytes).into())
}

fn told(body: &str) -> Result<(Bytes, Option<String>), StoreErrorKind> {
    Ok((Bytes::copy_from_slice(body.as_bytes()), Some(body.to_owned())))
}

const BOTH: [Quirks; 2] = [Quirks::Sftp, Quirks::Drive];

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_differ_in_case_are_objects_of_their_own_where_their_names_would_be_one() {
    let bed = Bed::new(Quirks::Folding).await;
    bed.files.place("photos/Taken/x", b"theirs");
    let keys = ["A", "B/x", "a", "a/x", "b/x", "taken/x", "ü", "Ü/y"];
    for name in keys {
        bed.put(name, name).await.expect("is put");
    }
    let files: Vec<_> = bed.files.all().into_iter().map(|(path, _)| path).collect();
    let natural = ["photos/A", "photos/B/x", "photos/Taken/x", "photos/ü"];
    let apart = [".cw~da/.cw~fx", ".cw~db/.cw~fx", ".cw~dtaken/.cw~fx", ".cw~d%C3%9C/.cw~fy", ".cw~fa"];
    let mut expected: Vec<_> =
        natural.map(str::to_owned).into_iter().chain(apart.map(|path| format!("photos/{path}"))).collect();
    expected.sort();
    assert_eq!(files, expected);
    for look in 0..3 {
        for name in keys {
            assert_eq!(bed.get(name).await, told(name), "{name}, after {look} looks");
        }
        bed.maintain().await;
        assert_eq!(bed.names().await, ["A", "B/x", "Taken/x", "a", "a/x", "b/x", "taken/x", "Ü/y", "ü"]);
    }
    // A key that was stored apart stays there, even when the key that took the name first is deleted.
    bed.store.delete(key("A").current(), &Default::default()).await.expect("is deleted");
    bed.put("a", "again").await.expect("is put");
    assert_eq!(bed.head("A").await, Err(StoreErrorKind::NoSuchKey));
    assert_eq!(bed.get("a").await, told("again"));
    for name in ["B/x", "a", "a/x", "b/x", "taken/x", "Taken/x", "ü", "Ü/y"] {
        bed.store.delete(key(name).current(), &Default::default()).await.expect("is deleted");
    }
    assert_eq!(bed.files.all(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_that_does_not_say_that_it_folds_names_loses_no_object_to_another() {
    let bed = Bed::new(Quirks::Blind).await;
    bed.files.place("photos/Theirs.JPG", b"theirs");
    let keys = ["A", "B/x", "a", "a/x", "b/x", "ü", "Ü/y"];
    for name in keys {
        bed.put(name, name).await.expect("is put");
    }
    let bed = bed.kill().await;
    for look in 0..3 {
        for name in keys {
            assert_eq!(bed.get(name).await, told(name), "{name}, after {look} looks");
        }
        bed.maintain().await;
        assert_eq!(bed.names().await, ["A", "B/x", "Theirs.JPG", "a", "a/x", "b/x", "Ü/y", "ü"]);
    }
    assert_eq!(bed.get("Theirs.JPG").await, Ok((Bytes::from_static(b"theirs"), None)));
    bed.put("Theirs.JPG", "ours").await.expect("is put");
    assert_eq!(bed.get("Theirs.JPG").await, told("ours"));
    bed.store.delete(key("A").current(), &Default::default()).await.expect("is deleted");
    assert_eq!((bed.head("A").await, bed.get("a").await), (Err(StoreErrorKind::NoSuchKey), told("a")));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_files_of_their_own_names() {
    let bed = Bed::new(Quirks::Sftp).await;
    for name in ["a/b.jpg", "a/ü.txt", "x/", "c"] {
        bed.put(name, name).await.expect("is put");
    }
    let files: Vec<_> = bed.files.all().into_iter().map(|(path, _)| path).collect();
    assert_eq!(files, ["photos/a/b.jpg", "photos/a/ü.txt", "photos/c", "photos/x/.cw~e"]);
    for name in ["a/b.jpg", "a/ü.txt", "x/", "c"] {
        bed.store.delete(key(name).current(), &Default::default()).await.expect("is deleted");
    }
    assert!(bed.backend.remove(&bed.record).await.expect("answers"), "nothing but folders was left");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_known_costs_one_request_to_read_and_so_does_one_that_is_not_there() {
    let bed = Bed::new(Quirks::Sftp).await;
    bed.put("a", "hello").await.expect("is put");
    let before = || bed.files.calls.swap(0, Ordering::Relaxed);
    before();
    bed.get("a").await.expect("is there");
    assert_eq!(before(), 1, "GET");
    bed.head("a").await.expect("is there");
    assert_eq!(before(), 1, "HEAD");
    assert_eq!(bed.head("b").await.err(), Some(StoreErrorKind::NoSuchKey));
    assert_eq!(before(), 1, "HEAD of nothing");
    bed.names().await;
    assert_eq!(before(), 0, "LIST");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_lost_does_not_lose_the_object() {
    for quirks in BOTH {
        let bed = Bed::new(quirks).await;
        bed.put("a", "old").await.expect("is put");
        bed.files.lose_replies.store(1, Ordering::Release);
        assert_eq!(bed.put("a", "new").await.ok(), Some(md5(b"new")));
        assert_eq!(bed.get("a").await, told("new"));
        assert_eq!(bed.unsettled().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_that_fails_leaves_the_old_object_as_it_was() {
    for quirks in BOTH {
        let bed = Bed::new(quirks).await;
        bed.put("a", "old").await.expect("is put");
        bed.files.fail_publishing.store(2, Ordering::Release);
        for name in ["a", "b"] {
            let failed = bed.put(name, "new").await.map_err(|error| error.kind());
            assert_eq!(failed, Err(StoreErrorKind::Unavailable), "{name}");
        }
        assert_eq!((bed.get("a").await, bed.get("b").await), (told("old"), Err(StoreErrorKind::NoSuchKey)));
        assert_eq!((bed.names().await, bed.unsettled().await), (vec!["a".to_owned()], 0));
    }
}

/// Stops a change at a point, kills the process, and returns what is there afterwards, before and after
/// upkeep.
async fn killed(quirks: Quirks, stop: Stop, change: impl AsyncFn(&Bed)) -> [(Vec<String>, Vec<String>); 2] {
    let bed = Bed::new(quirks).await;
    bed.put("a", "old").await.expect("is put");
    *bed.files.stop.lock().expect("no panic") = Some(stop);
    change(&bed).await;
    bed.files.has_stopped().await;
    let bed = bed.kill().await;
    let read = async || {
        let mut read = Vec::new();
        for name in ["a", "a/b"] {
            if let Ok((body, note)) = bed.get(name).await {
                assert_eq!(
                    note.as_deref().map(str::as_bytes),
                    Some(&*body),
                    "{stop:?}: the body and what came with it"
                );
                read.push(format!("{name}={}", String::from_utf8_lossy(&body)));
            }
        }
        read
    };
    let before = (read().await, bed.names().await);
    bed.maintain().await;
    assert_eq!(bed.unsettled().await, 0);
    [before, (read().await, bed.names().await)]
}

fn begin(bed: &Bed, name: &str, body: &str) {
    tokio::spawn(put(bed.store.clone(), name.to_owned(), body.to_owned()));
}

fn names(read: &[&str], listed: &[&str]) -> (Vec<String>, Vec<String>) {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    (owned(read), owned(listed))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_is_killed_is_wholly_there_or_not_at_all() {
    for quirks in BOTH {
        // The first body has the same length, so with times in seconds only the bytes differ.
        for body in ["new", "longer"] {
            let change = async |bed: &Bed| begin(bed, "a", body);
            let old = names(&["a=old"], &["a"]);
            assert_eq!(killed(quirks, Stop::BeforePublishing, change).await, [old.clone(), old]);
            let new = names(&[&format!("a={body}")], &["a"]);
            assert_eq!(killed(quirks, Stop::AfterPublishing, change).await, [new.clone(), new]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_is_killed_leaves_the_object_or_nothing() {
    for quirks in BOTH {
        let change = async |bed: &Bed| {
            let store = bed.store.clone();
            tokio::spawn(async move { store.delete(key("a").current(), &Default::default()).await });
        };
        let there = names(&["a=old"], &["a"]);
        assert_eq!(killed(quirks, Stop::BeforeRemoving, change).await, [there.clone(), there]);
        let gone = names(&[], &[]);
        assert_eq!(killed(quirks, Stop::AfterRemoving, change).await, [gone.clone(), gone]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_moved_out_of_the_way_survives_a_kill() {
    for quirks in BOTH {
        let change = async |bed: &Bed| begin(bed, "a/b", "new");
        let there = names(&["a=old"], &["a"]);
        assert_eq!(killed(quirks, Stop::AfterRenaming, change).await, [there.clone(), there]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_others_are_served_at_once_and_listed_after_a_look() {
    for quirks in BOTH {
        let bed = Bed::new(quirks).await;
        bed.put("mine", "mine").await.expect("is put");
        bed.files.place("photos/deep/er/theirs.txt", b"theirs");
        assert_eq!(bed.get("deep/er/theirs.txt").await, Ok((Bytes::from_static(b"theirs"), None)));
        bed.files.place("photos/deep/other", b"other");
        bed.maintain().await;
        assert_eq!(bed.names().await, ["deep/er/theirs.txt", "deep/other", "mine"]);
        assert_eq!(bed.head("deep/other").await.map(|info| info.etag), Ok(md5(b"other")));
        assert_eq!(bed.list().await[1], ("deep/other".to_owned(), 5, md5(b"other")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_listed_from_the_first_listing_on() {
    let files = MemoryFiles::new(Quirks::Sftp);
    for n in 0..100 {
        files.place(&format!("photos/{}/{n}", n % 7), b"x");
    }
    files.place("photos/empty/.cw~x", b"nobody's");
    files.place("elsewhere", b"x");
    let bed = Bed::upon(files, false).await;
    assert_eq!(bed.names().await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_changed_by_others_is_another_object_and_one_taken_away_is_none() {
    for quirks in BOTH {
        let bed = Bed::new(quirks).await;
        for name in ["changed", "gone", "back"] {
            bed.put(name, name).await.expect("is put");
        }
        bed.files.place("photos/changed", b"by others");
        let kept = bed.files.clone();
        let back = kept.all().into_iter().find(|(path, _)| path == "photos/back").expect("is there");
        let stat = kept.stat_at("photos/back");
        bed.files.take("photos/gone");
        bed.files.take("photos/back");
        assert_eq!(bed.get("changed").await, Ok((Bytes::from_static(b"by others"), None)));
        assert_eq!(bed.get("gone").await, Err(StoreErrorKind::NoSuchKey));
        bed.maintain().await;
        assert_eq!(bed.list().await, [("changed".to_owned(), 9, md5(b"by others"))]);
        // A share was not mounted for a while: the records of its objects were kept.
        bed.files.put_back("photos/back", back.1, stat);
        bed.maintain().await;
        assert_eq!((bed.get("back").await, bed.names().await.len()), (told("back"), 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_of_others_has_a_tag_at_once_and_its_md5_soon() {
    let bed = Bed::new(Quirks::Sftp).await;
    let body = vec![7; 3 << 20];
    bed.files.place("photos/large", &body);
    let first = bed.head("large").await.expect("is there").etag;
    assert!(first.as_str().ends_with("-0"), "{first:?}");
    // A condition is compared with the MD5, not with the provisional ETag.
    let conditions = causeway::store::condition::WriteConditions {
        if_match: Some(causeway::store::condition::ETagMatch::OneOf(vec![md5(&body)])),
        ..Default::default()
    };
    bed.store.delete(key("large").current(), &conditions).await.expect("matches");
    assert_eq!(bed.head("large").await.err(), Some(StoreErrorKind::NoSuchKey));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_objects_is_no_prefix() {
    let bed = Bed::new(Quirks::Sftp).await;
    bed.put("a/b/c", "x").await.expect("is put");
    bed.files.place("photos/d/e", b"x");
    bed.files.take("photos/d/e");
    bed.store.delete(key("a/b/c").current(), &Default::default()).await.expect("is deleted");
    bed.maintain().await;
    let request = ListRequest { delimiter: Some("/".to_owned()), limit: 1000, ..Default::default() };
    assert_eq!(bed.store.list(request).await.expect("lists").entries, []);
}

#[tokio::test]
async fn a_walk_that_was_cut_short_goes_on_where_it_was() {
    let files = MemoryFiles::new(Quirks::Sftp);
    files.place("photos/done/a", b"a");
    files.place("photos/left/b", b"b");
    let bed = Bed::upon(files, false).await;
    // The state of a full scan of a process that was killed between the two folders.
    let walks = bed.directory.path().join("spool/walks");
    std::fs::create_dir_all(&walks).expect("a directory");
    let trail = serde_json::json!({
        "seed": 1, "writings": 7, "seen": 0, "pending": ["left"], "folders": 2, "objects": 1, "changed": 1, "at": Timestamp::now()
    });
    std::fs::write(walks.join(format!("{}.json", bed.record.id.0)), trail.to_string()).expect("a trail");
    bed.catalog.set_state(bed.record.id, "trail", Some("0000000000000001-7".into())).await.expect("is kept");

    let walk = async || {
        let progress = Progress::default();
        assert!(bed.upkeep.scan(Depth::Everything, &progress).await.expect("walks"));
        (progress.counts(), bed.list().await.into_iter().map(|(key, ..)| key).collect::<Vec<_>>())
    };
    assert_eq!(walk().await, (Counts { folders: 3, objects: 2, changed: 2 }, vec!["left/b".to_owned()]));
    assert_eq!(
        walk().await,
        (Counts { folders: 3, objects: 2, changed: 1 }, vec!["done/a".to_owned(), "left/b".to_owned()])
    );
}
