//! The layer over storage in memory that fails on purpose.

mod load;

use super::BucketMigrations;
use crate::{
    backend::{
        Backend, OpenedBucket,
        memory::MemoryBackend,
        migration::{
            DOCUMENT, Ending, LEDGER, Migration, MigrationState, MigrationStep, Migrations, Opening, Site,
            Stage, record_at,
        },
    },
    catalog::{BucketRecord, Catalog, Expected, NewBucket, NewDocument, NewReplica, sqlite::SqliteCatalog},
    faults::{Faults, FaultyBackend, Plan},
    model::{
        Acl, Attributes, BucketName, CannedAcl, ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ETag,
        ObjectInfo, ObjectKey, Owner, PartNumber, Tag, TagSet, Timestamp, UploadId,
    },
    store::{
        BeginUpload, CompletePart, CompleteUpload, Durability, GetRequest, PutRequest, Store, Written,
        condition::{ETagMatch, WriteConditions},
        error::{StoreError, StoreErrorKind},
        payload::{Announced, Payload},
    },
    work::Workers,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use std::sync::{Arc, Weak};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};

const FOUR: &[u8] = b"four";

/// A bucket that migrates from one storage in memory to another.
struct Place {
    old: OpenedBucket,
    new: OpenedBucket,
    faults: [Faults; 2],
    /// Told when the last step is done.
    ended: Arc<Ended>,
    record: BucketRecord,
    catalog: Arc<dyn Catalog>,
    migrations: Arc<BucketMigrations>,
    ledger: crate::catalog::BucketId,
    _dir: TempDir,
}

#[derive(Debug, Default)]
struct Ended(Notify);

#[async_trait]
impl Ending for Ended {
    async fn end(&self, _: &BucketName) -> Result<(), StoreError> {
        self.0.notify_one();
        Ok(())
    }
}

impl Place {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let catalog: Arc<dyn Catalog> =
            Arc::new(SqliteCatalog::open(dir.path(), Durability::Relaxed).expect("a catalog"));
        let faults = [1, 2].map(|seed| Faults::new(seed, Plan::default()));
        let backends =
            faults.clone().map(|faults| FaultyBackend::new(Arc::new(MemoryBackend::new()), faults));
        let name = BucketName::parse("photos").expect("a name");
        let bucket = NewBucket {
            tenant: Default::default(),
            name,
            owner: Owner { id: "alice".into(), display_name: "alice".into() },
            created: Timestamp::from_millis(0),
            backend: "old".into(),
            location: "photos".into(),
        };
        let record = catalog.create_bucket(bucket).await.expect("a bucket");
        let add = async |backend: &str, location: &str| {
            let replica = NewReplica { backend: backend.into(), location: location.into() };
            catalog.add_replica(record.id, replica).await.expect("a row")
        };
        let new = add("new", "photos").await;
        let ledger = add(LEDGER, "1").await.id;
        let at_new = record_at(&record, &new);
        backends[0].create(&record).await.expect("made");
        backends[1].create(&at_new).await.expect("made");
        let old = backends[0].open(&record).await.expect("opened");
        let new = backends[1].open(&at_new).await.expect("opened");
        let migrations = Arc::new(BucketMigrations::new(catalog.clone(), Workers::alone(catalog.clone())));
        let ended = Arc::new(Ended::default());
        migrations.end_by(ended.clone());
        Self { old, new, faults, ended, record, catalog, migrations, ledger, _dir: dir }
    }

    /// Puts the layer over the bucket.
    async fn begin(&self) -> Arc<dyn Store> {
        let site = |backend: &str| Site { backend: backend.into(), location: "photos".into() };
        let migration = Migration {
            stage: Stage::Copying,
            from: site("old"),
            to: site("new"),
            began: Timestamp::from_millis(0),
            paused: false,
            rate: None,
        };
        let document = NewDocument { kind: DOCUMENT.into(), body: migration.write() };
        self.catalog.set_document(self.record.id, Expected::Any, document).await.expect("set");
        let opening = Opening {
            migration,
            old: self.old.clone(),
            new: self.new.clone(),
            ledger: self.ledger,
            earlier: Weak::new(),
        };
        self.migrations.over(&self.record, opening).store
    }

    async fn step(&self, step: MigrationStep) -> Result<MigrationState, StoreError> {
        self.migrations.step(self.record.id, step).await.map(|state| state.expect("migrates"))
    }

    /// Waits until the state is as wanted. The clock is paused: the worker's rests take no time.
    async fn until(&self, is_wanted: impl Fn(&MigrationState) -> bool) -> MigrationState {
        loop {
            let state = self.step(MigrationStep::Status).await.expect("a state");
            if is_wanted(&state) {
                return state;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    async fn verified(&self) -> MigrationState {
        self.until(|state| state.migration.stage == Stage::Verified && state.pending == 0).await
    }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: key.to_owned(), value: value.to_owned() }
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text).expect("a key")
}

async fn put(store: &Arc<dyn Store>, at: &str, body: &'static [u8]) -> Written {
    let request = PutRequest {
        attributes: Attributes::default(),
        conditions: Default::default(),
        payload: Payload::from_bytes(body),
    };
    store.put(&key(at), request).await.expect("put")
}

async fn read(store: &Arc<dyn Store>, at: &str) -> Option<Vec<u8>> {
    match store.get(key(at).current(), GetRequest::default()).await {
        Ok(reply) => {
            let frames: Vec<Bytes> = reply.body.into_stream().try_collect().await.expect("its bytes");
            Some(frames.concat())
        }
        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => None,
        Err(error) => panic!("{at}: {error}"),
    }
}

async fn describe(store: &Arc<dyn Store>, at: &str) -> ObjectInfo {
    store.describe(key(at).current(), &Default::default()).await.expect("described")
}

async fn begin_upload(store: &Arc<dyn Store>, at: &str) -> UploadId {
    let begin = BeginUpload {
        attributes: Attributes { content_type: Some("text/plain".into()), ..Default::default() },
        checksum: ChecksumSpec { algorithm: ChecksumAlgorithm::Sha256, kind: ChecksumKind::Composite },
        explicit_checksum: true,
        initiator: Owner { id: "bob".into(), display_name: "bob".into() },
    };
    store.begin_upload(&key(at), begin).await.expect("begun")
}

async fn put_part(
    store: &Arc<dyn Store>,
    at: &str,
    upload: &UploadId,
    number: u16,
    body: Vec<u8>,
) -> CompletePart {
    let number = PartNumber::new(number).expect("a number");
    let written = store.put_part(&key(at), upload, number, Payload::from_bytes(body)).await.expect("a part");
    CompletePart { number, etag: written.etag, checksum: None }
}

async fn complete(store: &Arc<dyn Store>, at: &str, upload: &UploadId, parts: Vec<CompletePart>) -> Written {
    let request = CompleteUpload { parts, conditions: Default::default(), checksum: None, size: None };
    store.complete_upload(&key(at), upload, request).await.expect("completed")
}

async fn multipart(store: &Arc<dyn Store>, at: &str) -> Written {
    let upload = begin_upload(store, at).await;
    let first = put_part(store, at, &upload, 2, vec![7; 5 << 20]).await;
    let second = put_part(store, at, &upload, 5, b"end".to_vec()).await;
    complete(store, at, &upload, vec![first, second]).await
}

/// A body that is sent piece by piece.
fn slow() -> (mpsc::UnboundedSender<Bytes>, Payload) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let frames =
        futures_util::stream::unfold(receiver, |mut receiver: mpsc::UnboundedReceiver<Bytes>| async {
            receiver.recv().await.map(|frame| (Ok(frame), receiver))
        });
    (sender, Payload::from_stream(frames, Announced::default()))
}

#[tokio::test(start_paused = true)]
async fn everything_arrives_with_its_attributes_and_multipart_objects_keep_their_etag() {
    let place = Place::new().await;
    let attributes = Attributes {
        content_type: Some("image/png".into()),
        cache_control: Some("no-store".into()),
        website_redirect: Some("/elsewhere".into()),
        user: [("camera".to_owned(), "old".to_owned())].into(),
        tags: TagSet::new(vec![tag("colour", "red")]).expect("tags"),
        acl: Acl::from(CannedAcl::PublicRead),
        ..Default::default()
    };
    let request = PutRequest {
        attributes: attributes.clone(),
        conditions: Default::default(),
        payload: Payload::from_bytes(FOUR),
    };
    place.old.store.put(&key("a"), request).await.expect("put");
    let made = multipart(&place.old.store, "b").await;
    put(&place.new.store, "stray", FOUR).await;
    place.begin().await;
    let state = place.verified().await;
    assert_eq!((state.counts.copied, state.counts.removed, state.counts.failed), (2, 1, 0), "{state:?}");
    assert_eq!(describe(&place.new.store, "a").await.attributes, attributes);
    let (old, new) = (describe(&place.old.store, "b").await, describe(&place.new.store, "b").await);
    assert_eq!((&new.etag, &new.checksum, &new.parts), (&made.etag, &old.checksum, &old.parts));
    assert!(new.checksum.is_some() && new.parts.len() == 2, "{new:?}");
    assert_eq!(read(&place.new.store, "stray").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_at_both_places_before_its_client_is_told() {
    let place = Place::new().await;
    put(&place.old.store, "gone", FOUR).await;
    let store = place.begin().await;
    put(&store, "a", FOUR).await;
    assert_eq!(read(&place.new.store, "a").await.as_deref(), Some(FOUR));
    let tags = TagSet::new(vec![tag("k", "v")]).expect("tags");
    store.update(key("a").current(), crate::store::Change::Tags(tags.clone())).await.expect("changed");
    assert_eq!(describe(&place.new.store, "a").await.attributes.tags, tags);
    let made = multipart(&store, "parts").await;
    assert_eq!(describe(&place.new.store, "parts").await.etag, made.etag);
    place.verified().await;
    store.delete(key("gone").current(), &Default::default()).await.expect("deleted");
    assert_eq!(read(&place.new.store, "gone").await, None);
    let state = place.step(MigrationStep::Status).await.expect("a state");
    assert_eq!((state.pending, state.migration.stage), (0, Stage::Verified));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_fails_fails_no_request_and_gets_its_changes_before_it_is_the_truth() {
    let place = Place::new().await;
    put(&place.old.store, "old", FOUR).await;
    let store = place.begin().await;
    place.verified().await;
    place.faults[1].set(Plan::down());
    put(&store, "a", FOUR).await;
    store.delete(key("old").current(), &Default::default()).await.expect("deleted");
    let state = place.until(|state| state.trouble.is_some()).await;
    assert_eq!(state.pending, 2, "{state:?}");
    let error = place.step(MigrationStep::CutOver).await.expect_err("the new place lacks changes");
    assert_eq!(error.kind(), StoreErrorKind::Busy);
    assert_eq!(place.step(MigrationStep::Status).await.expect("a state").migration.stage, Stage::Verified);
    place.faults[1].heal();
    // With a held clock, all of the patience would pass while the catalog works on its thread.
    tokio::time::resume();
    place.step(MigrationStep::CutOver).await.expect("cut over");
    tokio::time::pause();
    assert_eq!(read(&store, "a").await.as_deref(), Some(FOUR));
    assert_eq!(read(&store, "old").await, None);

    // The other way round: the old place follows, and roll back loses nothing.
    place.faults[0].set(Plan::down());
    put(&store, "b", FOUR).await;
    place.until(|state| state.pending == 1).await;
    place.step(MigrationStep::RollBack { force: false }).await.expect_err("the old place lacks a change");
    place.faults[0].heal();
    tokio::time::resume();
    place.step(MigrationStep::RollBack { force: false }).await.expect("rolled back");
    assert_eq!(read(&place.old.store, "b").await.as_deref(), Some(FOUR));
    place.ended.0.notified().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_after_the_cut_over_is_at_the_truth_and_keeps_its_condition() {
    let place = Place::new().await;
    let store = place.begin().await;
    place.verified().await;
    let put_slowly = |at: &'static str, conditions: WriteConditions| {
        let (sender, payload) = slow();
        let store = store.clone();
        let request = PutRequest { attributes: Attributes::default(), conditions, payload };
        (sender, tokio::spawn(async move { store.put(&key(at), request).await }))
    };
    let absent = || WriteConditions { if_none_match: Some(ETagMatch::Any), ..Default::default() };
    let (first, first_put) = put_slowly("first", absent());
    let (second, second_put) = put_slowly("second", absent());
    for sender in [&first, &second] {
        sender.send(Bytes::from_static(b"be")).expect("taken");
    }
    place.until(|state| state.pending == 2).await;
    place.step(MigrationStep::CutOver).await.expect("bodies under way do not hold it up");
    put(&store, "second", b"winner").await;
    for sender in [first, second] {
        sender.send(Bytes::from_static(b"gun")).expect("taken");
    }
    first_put.await.expect("ended").expect("put");
    assert_eq!(read(&store, "first").await.as_deref(), Some(&b"begun"[..]));
    let error = second_put.await.expect("ended").expect_err("the key exists by now");
    assert_eq!(error.kind(), StoreErrorKind::PreconditionFailed);
    place.until(|state| state.pending == 0).await;
    for store in [&store, &place.old.store] {
        assert_eq!(read(store, "second").await.as_deref(), Some(&b"winner"[..]));
        assert_eq!(read(store, "first").await.as_deref(), Some(&b"begun"[..]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_completes_where_it_began_and_the_migration_waits_for_it() {
    let place = Place::new().await;
    let store = place.begin().await;
    let upload = begin_upload(&store, "b").await;
    let first = put_part(&store, "b", &upload, 1, vec![1; 5 << 20]).await;
    place.verified().await;
    place.step(MigrationStep::CutOver).await.expect("cut over");
    let later = begin_upload(&store, "c").await;
    let listed = store.list_uploads(crate::store::ListUploadsRequest { limit: 9, ..Default::default() });
    assert_eq!(listed.await.expect("a page").entries.len(), 2);
    let state = place.step(MigrationStep::Finish).await.expect("finishing");
    assert_eq!((state.migration.stage, state.waits_for), (Stage::Finishing, 1));
    let second = put_part(&store, "b", &upload, 2, b"end".to_vec()).await;
    let made = complete(&store, "b", &upload, vec![first.clone(), second.clone()]).await;
    let found = describe(&place.new.store, "b").await;
    assert_eq!((&found.etag, found.parts.len()), (&made.etag, 2));
    assert_eq!(complete(&store, "b", &upload, vec![first, second]).await.etag, made.etag, "a repeated one");
    place.ended.0.notified().await;
    let only = put_part(&store, "c", &later, 1, b"one".to_vec()).await;
    complete(&store, "c", &later, vec![only]).await;
    assert_eq!(read(&place.new.store, "c").await.as_deref(), Some(&b"one"[..]));
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_process_was_about_to_change_is_compared_again() {
    let place = Place::new().await;
    let store = place.begin().await;
    place.verified().await;
    // A process that was killed between the truth and the other place leaves this.
    let row = crate::catalog::ObjectRow { key: key("a"), committed: None, pending: Some("changed".into()) };
    place.catalog.set_object(place.ledger, Expected::Any, row).await.expect("set");
    put(&place.old.store, "a", FOUR).await;
    assert_eq!(read(&place.new.store, "a").await, None);
    tokio::time::resume();
    place.step(MigrationStep::CutOver).await.expect("the change is brought first");
    assert_eq!(read(&store, "a").await.as_deref(), Some(FOUR));
}

#[tokio::test(start_paused = true)]
async fn a_paused_copy_rests_and_changes_still_go_to_both_places() {
    let place = Place::new().await;
    for at in ["a", "b"] {
        put(&place.old.store, at, FOUR).await;
    }
    let store = place.begin().await;
    place.step(MigrationStep::Pause).await.expect("paused");
    put(&store, "c", FOUR).await;
    assert_eq!(read(&place.new.store, "c").await.as_deref(), Some(FOUR));
    place.step(MigrationStep::CutOver).await.expect_err("it is not verified");
    place.step(MigrationStep::Resume).await.expect("goes on");
    place.verified().await;
    // A difference that nobody noted is found by the next comparison, and brought.
    place.new.store.delete(key("a").current(), &Default::default()).await.expect("deleted");
    place.step(MigrationStep::Verify).await.expect("verifies");
    let state = place.until(|state| state.counts.copied == 3 || state.counts.copied == 4).await;
    assert_eq!(read(&place.new.store, "a").await.as_deref(), Some(FOUR), "{state:?}");
}

#[test]
fn an_etag_of_parts_is_told_from_one_of_bytes() {
    let of = |etag: &str| {
        super::parts::is_of_parts(&ObjectInfo {
            size: 1,
            etag: ETag::parse(etag),
            last_modified: Timestamp::from_millis(0),
            attributes: Attributes::default(),
            tag_count: 0,
            checksum: None,
            parts: vec![crate::model::ObjectPart { number: 1, size: 1, checksum: None }],
            version: None,
            notes: Default::default(),
        })
    };
    assert!(of("d41d8cd98f00b204e9800998ecf8427e-1") && !of("d41d8cd98f00b204e9800998ecf8427e"));
}
