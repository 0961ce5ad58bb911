//! What operations cost on local disk, counted.

use super::{FsBackend, FsSettings, change::KeyChange, parts, removing, store::FsStore};
use crate::{
    backend::Backend,
    catalog::{Catalog, NewBucket, sqlite::SqliteCatalog},
    model::{
        BucketName, ByteRange, ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ObjectKey, Owner, PartNumber,
        Timestamp,
    },
    store::{BeginUpload, CopyPartRequest, CopySource, Durability, PutRequest, Store, payload::Payload},
};
use std::sync::Arc;

/// A bucket in a directory of its own.
struct Bed {
    _dir: tempfile::TempDir,
    _backend: FsBackend,
    store: Arc<dyn Store>,
}

impl Bed {
    async fn open() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let catalog: Arc<dyn Catalog> =
            Arc::new(SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("a catalog"));
        let settings = FsSettings::new(dir.path().join("root"), Durability::Relaxed);
        let backend = FsBackend::open(settings, catalog.clone()).expect("opens");
        let name = BucketName::parse("bucket").expect("a name");
        let bucket = NewBucket {
            location: backend.location_for(&name),
            name,
            owner: owner(),
            created: Timestamp::now(),
            tenant: Default::default(),
            backend: "disk".into(),
        };
        let record = catalog.create_bucket(bucket).await.expect("a bucket");
        let store = backend.open(&record).await.expect("opens").store;
        Self { _dir: dir, _backend: backend, store }
    }

    fn fs(&self) -> &FsStore {
        self.store.native_source().and_then(|source| source.of()).expect("a bucket on disk")
    }

    async fn put(&self, name: &str, body: &'static str) {
        let payload = Payload::from_bytes(body);
        let request = PutRequest { attributes: Default::default(), conditions: Default::default(), payload };
        self.store.put(&key(name), request).await.expect("is put");
    }
}

fn owner() -> Owner {
    Owner { id: "owner".into(), display_name: "owner".into() }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(name).expect("a key")
}

#[tokio::test]
async fn a_whole_object_becomes_a_part_without_being_read() {
    let bed = Bed::open().await;
    bed.put("source", "0123456789").await;
    let begin = |algorithm| BeginUpload {
        attributes: Default::default(),
        checksum: ChecksumSpec { algorithm, kind: ChecksumKind::FullObject },
        explicit_checksum: false,
        initiator: owner(),
    };
    let (like_source, other) = (ChecksumAlgorithm::Crc64Nvme, ChecksumAlgorithm::Crc32);
    let whole = Some(ByteRange::FromTo(0, 9));
    for (algorithm, range, is_copied) in [
        (like_source, None, true),
        (like_source, whole, true),
        // The MD5 of a range, and another checksum, are only known from the bytes.
        (like_source, Some(ByteRange::FromTo(0, 8)), false),
        (other, None, false),
    ] {
        let upload = bed.store.begin_upload(&key("target"), begin(algorithm)).await.expect("begins");
        let source = CopySource {
            store: bed.store.clone(),
            key: key("source"),
            version: None,
            conditions: Default::default(),
        };
        let request = CopyPartRequest { source, range };
        let inner = &bed.fs().inner;
        let number = PartNumber::new(2).expect("a number");
        let copied = parts::copy(inner, &key("target"), &upload, number, (inner, &request)).await;
        assert_eq!(copied.expect("no failure").is_some(), is_copied, "{algorithm:?} {range:?}");
    }
}

#[tokio::test]
async fn each_directory_is_synced_once_for_all_objects_that_are_removed_from_it() {
    let bed = Bed::open().await;
    let names: Vec<_> = (0..30).map(|n| format!("folder {}/{n}", n % 3)).collect();
    for name in &names {
        bed.put(name, "x").await;
    }
    let inner = &bed.fs().inner;
    let announced = |name: &String| {
        let wanted = removing::Wanted { key: key(name), conditions: Default::default() };
        let change = KeyChange::begin(inner, &wanted.key);
        (wanted, change)
    };
    let announced: Vec<_> = names.iter().map(announced).collect();
    let volume = &inner.volume;
    let unlinked = removing::Unlinked::all(volume, &announced);
    assert_eq!(unlinked.directories(), 3);
    let outcomes = unlinked.tidy(volume);
    assert!(outcomes.len() == 30 && outcomes.iter().all(Result::is_ok));
}
