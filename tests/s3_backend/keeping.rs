//! Storage classes and encryption: passed on where the storage keeps them, refused where it does not.

use crate::{
    client::*,
    gateway::{Gateway, new_bucket},
    support::upstream::Upstream,
};
use causeway::{
    model::{Attributes, Encryption, EncryptionAlgorithm, ObjectInfo, StorageClass},
    store::{
        BeginUpload, CopyAttributes, CopyRequest, ListEntry, PutRequest, Store, error::StoreErrorKind,
        payload::Payload,
    },
};
use std::sync::Arc;

fn class(name: &str) -> Attributes {
    Attributes { storage_class: StorageClass::parse(name), ..Default::default() }
}

fn kms() -> Attributes {
    let encryption = Encryption {
        algorithm: EncryptionAlgorithm::Kms,
        key_id: Some("a-key".into()),
        context: None,
        bucket_key: true,
    };
    Attributes { encryption: Some(encryption), ..Default::default() }
}

fn shown(info: &ObjectInfo) -> (Option<StorageClass>, Option<Encryption>) {
    (info.attributes.storage_class, info.attributes.encryption.clone())
}

async fn bucket(upstream: &Upstream) -> (Gateway, Arc<dyn Store>) {
    let gateway = Gateway::before(upstream);
    let store = gateway.bucket("bucket", &new_bucket()).await;
    (gateway, store)
}

#[tokio::test]
async fn an_object_has_the_class_and_the_encryption_it_was_put_with() {
    let (_gateway, store) = bucket(Upstream::moto()).await;
    for (name, attributes) in
        [("plain", Attributes::default()), ("cold", class("STANDARD_IA")), ("sealed", kms())]
    {
        put_with(&*store, name, "x", attributes.clone()).await;
        assert_eq!(
            shown(&head(&*store, name).await),
            (attributes.storage_class, attributes.encryption),
            "{name}"
        );
    }
    let page =
        store.list(causeway::store::ListRequest { limit: 10, ..Default::default() }).await.expect("a page");
    let classes: Vec<_> = page
        .entries
        .iter()
        .map(|entry| match entry {
            ListEntry::Object(object) => object.storage_class.map(StorageClass::as_str),
            ListEntry::CommonPrefix(_) => panic!("nothing is grouped"),
        })
        .collect();
    assert_eq!(classes, [Some("STANDARD_IA"), None, None]);
}

#[tokio::test]
async fn a_copy_has_its_own_class_and_encryption_and_not_those_of_its_source() {
    let (_gateway, store) = bucket(Upstream::moto()).await;
    put_with(&*store, "source", "x", Attributes { encryption: kms().encryption, ..class("STANDARD_IA") })
        .await;
    store.copy(&key("plain"), copy_request(&store, "source")).await.expect("is copied");
    assert_eq!(shown(&head(&*store, "plain").await), (None, None));
    let attributes = CopyAttributes {
        storage_class: StorageClass::parse("ONEZONE_IA"),
        encryption: kms().encryption,
        ..Default::default()
    };
    store
        .copy(&key("other"), CopyRequest { attributes, ..copy_request(&store, "source") })
        .await
        .expect("is copied");
    assert_eq!(shown(&head(&*store, "other").await), (StorageClass::parse("ONEZONE_IA"), kms().encryption));
    assert_eq!(read(&*store, "other").await, b"x");
}

#[tokio::test]
async fn an_upload_begins_with_them() {
    let (_gateway, store) = bucket(Upstream::moto()).await;
    let attributes = Attributes {
        encryption: kms().encryption.map(|one| Encryption { bucket_key: false, ..one }),
        ..class("GLACIER_IR")
    };
    let begin = BeginUpload { attributes: attributes.clone(), ..plain_upload() };
    let mut uploading = Uploading::begin_with(&*store, "key", begin).await;
    uploading.part(1, "x").await;
    uploading.complete().await;
    assert_eq!(shown(&head(&*store, "key").await), (attributes.storage_class, attributes.encryption));
}

#[tokio::test]
async fn an_archived_object_is_in_the_wrong_state_to_be_read() {
    let (_gateway, store) = bucket(Upstream::moto()).await;
    put_with(&*store, "key", "x", class("GLACIER")).await;
    let read = store.get(key("key").current(), Default::default()).await;
    assert_eq!(read.err().map(|error| error.kind()), Some(StoreErrorKind::InvalidObjectState));
}

#[tokio::test]
async fn a_storage_that_refuses_them_has_refused_before_anything_is_written() {
    // Causeway over a disk answers 501; rclone accepts everything, and ignores it.
    for upstream in [Upstream::causeway(), Upstream::rclone()] {
        let (_gateway, store) = bucket(upstream).await;
        for attributes in [class("GLACIER"), kms()] {
            let request = PutRequest { attributes: attributes.clone(), ..request(Payload::from_bytes("x")) };
            assert_eq!(refused(store.put(&key("key"), request).await), StoreErrorKind::NotImplemented);
            let begin = BeginUpload { attributes, ..plain_upload() };
            assert_eq!(refused(store.begin_upload(&key("key"), begin).await), StoreErrorKind::NotImplemented);
        }
        assert!(names(&*store).await.is_empty());
    }
}
