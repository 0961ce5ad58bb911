//! A reader gets the bytes that belong to its record, whatever the gateway changes while it reads.

use super::*;
use async_trait::async_trait;
use causeway::{
    backend::tree::files::{Draft, DraftName, Entry, EntryKind, Opened, Service, Slots, Stat, changed},
    model::{ChecksumAlgorithm, ChecksumSpec, PartNumber, Span},
    store::{
        BeginUpload, ByteStream, CopyAttributes, CopyPartRequest, CopyRequest, CopySource,
        condition::ReadConditions,
    },
};
use futures_util::{future::BoxFuture, stream::BoxStream};
use std::{
    fmt,
    sync::{Mutex, Weak},
};

/// The moment at which another change happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The row was read; the next step checks or opens the file.
    BeforeLooking,
    /// The file was opened; the next step binds its bytes.
    BeforeBinding,
    /// The source of a copy was checked; the next step is the copy by the storage.
    BeforeCopying,
    /// A full scan has listed a folder; the next step compares it with the index.
    AfterListing,
}

type Act = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A storage that binds bytes only when they are read, as HTTP does, and that distinguishes files by size and
/// second.
#[derive(Clone)]
struct Interposed {
    files: MemoryFiles,
    next: Arc<Mutex<Option<(Moment, Act)>>>,
}

impl fmt::Debug for Interposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interposed").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Interposed {
    /// Runs `act` once, at this moment.
    fn at(&self, moment: Moment, act: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) {
        *self.next.lock().expect("no panic") = Some((moment, Box::new(act)));
    }

    async fn pass(&self, moment: Moment) {
        let act = self.next.lock().expect("no panic").take_if(|(at, _)| *at == moment);
        if let Some((_, act)) = act {
            act().await;
        }
    }
}

#[async_trait]
impl Files for Interposed {
    fn service(&self) -> Service {
        self.files.service()
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>, StoreError> {
        self.pass(Moment::BeforeLooking).await;
        self.files.stat(path).await
    }

    async fn open(&self, path: &str, _ahead: Option<Span>) -> Result<Option<Box<dyn Opened>>, StoreError> {
        self.pass(Moment::BeforeLooking).await;
        let Some(opened) = Files::open(&self.files, path, None).await? else { return Ok(None) };
        Ok(Some(Box::new(Late { files: self.clone(), path: path.to_owned(), stat: opened.stat().clone() })))
    }

    async fn create(
        &self,
        name: &DraftName,
        path: &str,
        size: Option<u64>,
    ) -> Result<Box<dyn Draft>, StoreError> {
        self.files.create(name, path, size).await
    }

    async fn copy(
        &self,
        name: &DraftName,
        from: &str,
        expected: &Stat,
        path: &str,
    ) -> Result<Option<Box<dyn Draft>>, StoreError> {
        self.pass(Moment::BeforeCopying).await;
        self.files.copy(name, from, expected, path).await
    }

    async fn rename(&self, from: &str, to: &str) -> Result<Option<Stat>, StoreError> {
        self.files.rename(from, to).await
    }

    async fn remove(&self, path: &str) -> Result<bool, StoreError> {
        Files::remove(&self.files, path).await
    }

    async fn remove_folder(&self, path: &str) -> Result<bool, StoreError> {
        self.files.remove_folder(path).await
    }

    async fn make_folder(&self, path: &str) -> Result<(), StoreError> {
        self.files.make_folder(path).await
    }

    fn list(&self, folder: &str) -> BoxStream<'_, Result<Vec<Entry>, StoreError>> {
        let pages = self.files.list(folder);
        let pages = pages.then(async |page| {
            let any =
                page.as_ref().is_ok_and(|page| page.iter().any(|entry| entry.stat.kind == EntryKind::File));
            if any {
                self.pass(Moment::AfterListing).await;
            }
            page
        });
        pages.boxed()
    }

    async fn tidy(&self, instance: &str) -> Result<(), StoreError> {
        self.files.tidy(instance).await
    }

    fn slots(&self) -> Option<&dyn Slots> {
        self.files.slots()
    }
}

struct Late {
    files: Interposed,
    path: String,
    stat: Stat,
}

#[async_trait]
impl Opened for Late {
    fn stat(&self) -> &Stat {
        &self.stat
    }

    async fn read(self: Box<Self>, span: Span) -> Result<ByteStream, StoreError> {
        self.files.pass(Moment::BeforeBinding).await;
        let opened = Files::open(&self.files.files, &self.path, None)
            .await?
            .filter(|opened| opened.stat().is_same(&self.stat));
        opened.ok_or_else(changed)?.read(span).await
    }
}

struct Scene {
    bed: Bed,
    files: Interposed,
}

impl Scene {
    async fn new(quirks: Quirks) -> Self {
        let inner = MemoryFiles::new(quirks);
        let files = Interposed { files: inner.clone(), next: Arc::default() };
        let directory = tempfile::tempdir().expect("a directory");
        let (catalog, backend, record, opened) = open(Arc::new(files.clone()), &directory, true).await;
        let OpenedBucket { store, upkeep, .. } = opened;
        Self { bed: Bed { files: inner, directory, catalog, backend, record, store, upkeep }, files }
    }

    /// Puts an object at this moment; its client gets the answer before anything continues.
    fn put_at(&self, moment: Moment, name: &'static str, body: &'static str) {
        let store: Weak<dyn Store> = Arc::downgrade(&self.bed.store);
        self.files.at(moment, move || {
            let store = store.upgrade().expect("is open");
            Box::pin(
                async move { put(store, name.to_owned(), body.to_owned()).await.map(drop).expect("is put") },
            )
        });
    }

    fn delete_at(&self, moment: Moment, name: &'static str) {
        let store: Weak<dyn Store> = Arc::downgrade(&self.bed.store);
        self.files.at(moment, move || {
            let store = store.upgrade().expect("is open");
            Box::pin(async move {
                store.delete(key(name).current(), &Default::default()).await.map(drop).expect("is deleted")
            })
        });
    }

    fn has_happened(&self) -> bool {
        self.files.next.lock().expect("no panic").is_none()
    }

    fn source(&self, name: &str) -> CopySource {
        CopySource {
            store: self.bed.store.clone(),
            key: key(name),
            version: None,
            conditions: ReadConditions::default(),
        }
    }

    /// With another checksum than the source's, the bytes of the copy go through the gateway.
    async fn copy(
        &self,
        from: &str,
        to: &str,
        checksum: Option<ChecksumAlgorithm>,
    ) -> Result<ETag, StoreError> {
        let attributes = CopyAttributes::default();
        let request =
            CopyRequest { source: self.source(from), attributes, conditions: Default::default(), checksum };
        self.bed.store.copy(&key(to), request).await.map(|written| written.etag)
    }

    /// Changes the bytes of an object's file, while the storage reports the same facts about the file.
    fn rot(&self, path: &str, bytes: &'static str) {
        self.bed.files.put_back(path, Bytes::from_static(bytes.as_bytes()), self.bed.files.stat_at(path));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_replaced_while_a_reader_looks_is_read_as_one_version() {
    for quirks in BOTH {
        for moment in [Moment::BeforeLooking, Moment::BeforeBinding] {
            let scene = Scene::new(quirks).await;
            scene.bed.put("k", "the old").await.expect("is put");
            scene.put_at(moment, "k", "the new");
            let (body, note) = scene.bed.get("k").await.expect("is read");
            assert_eq!(Some(body.as_ref()), note.as_deref().map(str::as_bytes), "{quirks:?}, {moment:?}");
            assert!(scene.has_happened());
            assert_eq!(scene.bed.get("k").await, told("the new"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_replaced_again_and_again_while_a_reader_looks_is_read_in_the_end() {
    let scene = Scene::new(Quirks::Sftp).await;
    scene.bed.put("k", "body 0").await.expect("is put");
    let store: Weak<dyn Store> = Arc::downgrade(&scene.bed.store);
    let files = Arc::downgrade(&scene.files.next);
    // Each attempt without the lock meets a change; under the lock, a change would wait for the reader
    // itself.
    fn again(files: Weak<Mutex<Option<(Moment, Act)>>>, store: Weak<dyn Store>, round: usize) -> Act {
        Box::new(move || {
            let (files, store) = (files.clone(), store.clone());
            Box::pin(async move {
                let open = store.upgrade().expect("is open");
                put(open, "k".into(), format!("body {round}")).await.map(drop).expect("is put");
                if round < 2 {
                    let next = again(files.clone(), store, round + 1);
                    *files.upgrade().expect("is there").lock().expect("no panic") =
                        Some((Moment::BeforeBinding, next));
                }
            })
        })
    }
    *scene.files.next.lock().expect("no panic") = Some((Moment::BeforeBinding, again(files, store, 1)));
    assert_eq!(scene.bed.get("k").await, told("body 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_object_is_never_seen_as_a_file_of_others() {
    for quirks in BOTH {
        let scene = Scene::new(quirks).await;
        scene.put_at(Moment::BeforeLooking, "head", "body");
        match scene.bed.head("head").await {
            Ok(info) => assert_eq!((info.etag, info.attributes.user.len()), (md5(b"body"), 1), "{quirks:?}"),
            Err(error) => assert_eq!(error, StoreErrorKind::NoSuchKey),
        }
        assert!(scene.has_happened());
        scene.put_at(Moment::BeforeLooking, "get", "body");
        match scene.bed.get("get").await {
            Ok(read) => assert_eq!(Ok(read), told("body"), "{quirks:?}"),
            Err(error) => assert_eq!(error, StoreErrorKind::NoSuchKey),
        }
        assert!(scene.has_happened());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_deleted_while_a_reader_looks_is_gone_or_whole() {
    for quirks in BOTH {
        let scene = Scene::new(quirks).await;
        scene.bed.put("k", "body").await.expect("is put");
        scene.delete_at(Moment::BeforeLooking, "k");
        assert_eq!(scene.bed.get("k").await, Err(StoreErrorKind::NoSuchKey), "{quirks:?}");
        assert!(scene.has_happened());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_source_is_replaced_meanwhile_says_what_it_holds() {
    for quirks in BOTH {
        for moment in [Moment::BeforeLooking, Moment::BeforeCopying] {
            let scene = Scene::new(quirks).await;
            scene.bed.put("k", "the old").await.expect("is put");
            scene.put_at(moment, "k", "the new");
            let etag = scene.copy("k", "copy", None).await.expect("is copied");
            assert!(scene.has_happened());
            let (body, note) = scene.bed.get("copy").await.expect("is read");
            assert_eq!(
                (Some(body.as_ref()), md5(&body)),
                (note.as_deref().map(str::as_bytes), etag),
                "{quirks:?}, {moment:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_those_of_their_record_are_not_copied() {
    let scene = Scene::new(Quirks::Sftp).await;
    scene.bed.put("k", "the object").await.expect("is put");
    scene.rot("photos/k", "an ob?ect ");
    let copied = scene.copy("k", "copy", Some(ChecksumAlgorithm::Sha256)).await;
    assert_eq!(copied.map_err(|error| error.kind()), Err(StoreErrorKind::Unavailable));
    assert_eq!(scene.bed.head("copy").await, Err(StoreErrorKind::NoSuchKey));
    assert_eq!(scene.bed.names().await, ["k"]);

    let algorithm = ChecksumAlgorithm::Crc32;
    let request = BeginUpload {
        attributes: Attributes::default(),
        checksum: ChecksumSpec { algorithm, kind: algorithm.default_kind() },
        explicit_checksum: false,
        initiator: Owner { id: "o".into(), display_name: "o".into() },
    };
    let upload = scene.bed.store.begin_upload(&key("copy"), request).await.expect("begins");
    let request = CopyPartRequest { source: scene.source("k"), range: None };
    let number = PartNumber::new(1).expect("a number");
    let copied = scene.bed.store.copy_part(&key("copy"), &upload, number, request).await;
    assert_eq!(copied.map(drop).map_err(|error| error.kind()), Err(StoreErrorKind::Unavailable));
    let parts = scene.bed.store.list_parts(&key("copy"), &upload, 0, 10).await.expect("lists").parts;
    assert!(parts.is_empty(), "{parts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_got_other_bytes_is_tried_again() {
    let scene = Scene::new(Quirks::Sftp).await;
    scene.bed.put("k", "the object").await.expect("is put");
    let (stat, files, next) =
        (scene.bed.files.stat_at("photos/k"), scene.bed.files.clone(), Arc::downgrade(&scene.files.next));
    scene.rot("photos/k", "an ob?ect ");
    // The first attempt reads corrupt bytes, the second the right ones.
    scene.files.at(Moment::BeforeBinding, move || {
        let (stat, files) = (stat.clone(), files.clone());
        let heal: Act = Box::new(move || {
            files.put_back("photos/k", Bytes::from_static(b"the object"), stat.clone());
            Box::pin(async {})
        });
        *next.upgrade().expect("is there").lock().expect("no panic") = Some((Moment::BeforeBinding, heal));
        Box::pin(async {})
    });
    let copied = scene.copy("k", "copy", Some(ChecksumAlgorithm::Sha256)).await;
    assert_eq!(copied.map_err(|error| error.kind()), Ok(md5(b"the object")));
    assert!(scene.has_happened());
    assert_eq!(scene.bed.get("copy").await, told("the object"));
}

/// A change in progress, as concurrent readers see it.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_waits_for_a_change_that_the_storage_shows_already() {
    let scene = Scene::new(Quirks::Sftp).await;
    scene.bed.put("k", "the old").await.expect("is put");
    let lost = scene.bed.files.lose_replies.clone();
    lost.store(1, Ordering::Release);
    let (writer, reader) = tokio::join!(scene.bed.put("k", "the new"), scene.bed.get("k"));
    assert_eq!(writer.map_err(|error| error.kind()), Ok(md5(b"the new")));
    assert!(reader == told("the old") || reader == told("the new"), "{reader:?}");
    assert_eq!(scene.bed.get("k").await, told("the new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_deleted_while_a_walk_goes_by_is_not_listed_again() {
    for quirks in BOTH {
        let scene = Scene::new(quirks).await;
        scene.bed.put("k", "body").await.expect("is put");
        scene.delete_at(Moment::AfterListing, "k");
        assert!(scene.bed.upkeep.scan(Depth::Everything, &Progress::default()).await.expect("walks"));
        assert!(scene.has_happened());
        assert_eq!(scene.bed.names().await, [""; 0], "{quirks:?}");
    }
}
