//! A layer that implements nothing itself: the store below answers for it, and native copies do not go
//! through its `get` and `put`.

use crate::contract::{
    client::{Uploading, copy, copy_source, delete, names, number, put, read, refused, request},
    storage::{Driver, Storage},
};
use causeway::{
    model::{ObjectAddress, ObjectKey, PartNumber, UploadId},
    store::{
        CopyPartRequest, GetReply, GetRequest, Layer, PartWritten, PutRequest, Result, Store, Written,
        error::StoreErrorKind::NoSuchKey, payload::Payload,
    },
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// A layer that counts the bodies that pass through it, and implements nothing else.
#[derive(Debug)]
struct Counting {
    below: Arc<dyn Store>,
    read: AtomicUsize,
    written: AtomicUsize,
}

impl Layer for Counting {
    fn below(&self) -> &dyn Store {
        &*self.below
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        self.read.fetch_add(1, Relaxed);
        self.below.get(address, request).await
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        self.written.fetch_add(1, Relaxed);
        self.below.put(key, request).await
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        self.written.fetch_add(1, Relaxed);
        self.below.put_part(key, upload, number, payload).await
    }
}

impl Counting {
    /// The bodies read and written since the last call.
    fn passed(&self) -> (usize, usize) {
        (self.read.swap(0, Relaxed), self.written.swap(0, Relaxed))
    }
}

/// A driver with native copies, and a layer on top of it.
async fn layered(storage: &Storage) -> (Arc<dyn Store>, Arc<Counting>) {
    let below = storage.bucket("bucket").await;
    (below.clone(), Arc::new(Counting { below, read: AtomicUsize::new(0), written: AtomicUsize::new(0) }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_answers_what_the_store_below_answers_wherever_it_says_nothing() {
    let storage = Storage::open(Driver::Fs(causeway::store::Durability::Relaxed)).await;
    let (below, layer) = layered(&storage).await;
    let above: &dyn Store = &*layer;
    assert_eq!(above.capabilities(), below.capabilities());
    put(above, "a", "bytes").await;
    assert_eq!((names(above).await, names(&*below).await), (vec!["a".to_owned()], vec!["a".to_owned()]));
    let all = Default::default();
    let key = ObjectKey::new("a").expect("a key");
    assert_eq!(above.head(key.current(), &all).await.ok(), below.head(key.current(), &all).await.ok());
    assert_eq!(delete(above, "a").await, causeway::store::Removal::Removed.into());
    assert_eq!(refused(above.head(key.current(), &all).await), NoSuchKey);
    let mut upload = Uploading::begin(above, "b").await;
    upload.part(1, "part").await;
    upload.complete().await;
    assert_eq!(read(&*below, "b").await, b"part");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_pass_through_a_layer_that_says_nothing_of_them() {
    let storage = Storage::open(Driver::Fs(causeway::store::Durability::Relaxed)).await;
    let (below, layer) = layered(&storage).await;
    let (above, target): (Arc<dyn Store>, _) = (layer.clone(), ObjectKey::new("upload").expect("a key"));
    below
        .put(&ObjectKey::new("source").expect("a key"), request(Payload::from_bytes("bytes")))
        .await
        .expect("is put");
    copy(&*above, "within", &above, "source").await.expect("is copied");
    assert_eq!(layer.passed(), (1, 1), "within the layer");
    copy(&*below, "out", &above, "source").await.expect("is copied");
    assert_eq!(layer.passed(), (1, 0), "from the layer to the driver below it");
    copy(&*above, "in", &below, "source").await.expect("is copied");
    assert_eq!(layer.passed(), (0, 1), "from the driver into the layer upon it");
    let upload = above.begin_upload(&target, crate::contract::client::plain_upload()).await.expect("begins");
    let part = CopyPartRequest { source: copy_source(&above, "source"), range: None };
    above.copy_part(&target, &upload, number(1), part).await.expect("is copied");
    assert_eq!(layer.passed(), (1, 1), "a part");
}
