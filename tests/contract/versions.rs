//! Addresses: a key alone, with the id of a version, or with `null`. No store keeps versions yet, so all
//! stores answer the same.

use super::{client::*, storage::Storage};
use causeway::{
    model::{ObjectAddress, ObjectKey, VersionId},
    store::{
        Change, CopyPartRequest, CopyRequest, CopySource, Keeping, Removal, Store,
        error::StoreErrorKind::NoSuchVersion,
    },
};
use std::sync::Arc;

/// An id in the form that S3 generates.
fn unknown() -> VersionId {
    VersionId::parse("v5n1PPUjOCMHLyyfq0ayjoZ5RZLfVQKA").expect("an id")
}

fn target() -> ObjectKey {
    key("copy")
}

/// A version of an object as the source of a copy.
fn source(store: &Arc<dyn Store>, name: &str, version: VersionId) -> CopySource {
    CopySource { version: Some(version), ..copy_source(store, name) }
}

pub async fn a_version_that_is_not_there_is_no_such_version(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let store = &*bucket;
    let attributes = super::attributes::every(store);
    put_with(store, "there", "x", attributes.clone()).await;
    let upload = Uploading::begin(store, "upload").await;
    for name in ["there", "absent"] {
        let (key, id) = (key(name), unknown());
        let address = ObjectAddress::new(&key, Some(&id));
        assert_eq!(refused(store.head(address, &Default::default()).await), NoSuchVersion, "HEAD of {name}");
        assert_eq!(
            refused(store.describe(address, &Default::default()).await),
            NoSuchVersion,
            "describing {name}"
        );
        assert_eq!(refused(store.get(address, Default::default()).await), NoSuchVersion, "GET of {name}");
        let change = Change::Tags(attributes.tags.clone());
        assert_eq!(refused(store.update(address, change).await), NoSuchVersion, "an update of {name}");
        let change = Change::Acl(attributes.acl.clone());
        assert_eq!(refused(store.update(address, change).await), NoSuchVersion, "an update of {name}");
        let copy = CopyRequest { source: source(&bucket, name, unknown()), ..copy_request(&bucket, name) };
        assert_eq!(refused(store.copy(&target(), copy).await), NoSuchVersion, "a copy of {name}");
        let part = CopyPartRequest { source: source(&bucket, name, unknown()), range: None };
        let copied = store.copy_part(&upload.key, &upload.id, number(1), part).await;
        assert_eq!(refused(copied), NoSuchVersion, "a part copied from {name}");
    }
    assert_absent(store, "copy").await;
    let info = head(store, "there").await;
    assert_eq!(
        (read(store, "there").await, info.attributes),
        (b"x".to_vec(), attributes),
        "nothing happened to the object"
    );
}

pub async fn null_is_the_current_object(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let store = &*bucket;
    assert_eq!(put(store, "key", "old").await.version, None);
    put_with(store, "key", "new", super::attributes::every(store)).await;
    let (key, null) = (key("key"), VersionId::NULL);
    let address = ObjectAddress::new(&key, Some(&null));
    let current = head(store, "key").await;
    let mut described = store.describe(address, &Default::default()).await.expect("is there");
    described.notes = Default::default();
    assert_eq!(described, current);
    assert_eq!(store.head(address, &Default::default()).await.expect("is there").etag, current.etag);
    let reply = store.get(address, Default::default()).await.expect("is there");
    assert_eq!(collect(reply).await.expect("readable"), b"new");
    if store.capabilities().tags == Keeping::Kept {
        let tags = super::attributes::tags(&[("of", "null")]);
        store.update(address, Change::Tags(tags.clone())).await.expect("is changed");
        assert_eq!(head(store, "key").await.attributes.tags, tags);
    }
    let copy =
        CopyRequest { source: source(&bucket, "key", VersionId::NULL), ..copy_request(&bucket, "key") };
    store.copy(&target(), copy).await.expect("is copied");
    assert_eq!(read(store, "copy").await, b"new");
    store.delete(address, &Default::default()).await.expect("is deleted");
    assert_absent(store, "key").await;
}

pub async fn a_delete_says_what_it_did_as_far_as_the_storage_tells(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let (key, null, id) = (key("key"), VersionId::NULL, unknown());
    let written = put(store, "key", "x").await;
    let refusal = refused(store.delete(ObjectAddress::new(&key, Some(&id)), &Default::default()).await);
    assert_eq!(
        (refusal, read(store, "key").await),
        (NoSuchVersion, b"x".to_vec()),
        "another version is not the object"
    );
    let conditional =
        refused(store.delete(ObjectAddress::new(&key, Some(&id)), &if_still(&written.etag)).await);
    assert_eq!((conditional, read(store, "key").await), (NoSuchVersion, b"x".to_vec()));
    let there = delete(store, "key").await;
    assert_ne!(there.removal, Removal::Absent, "it was there");
    let gone = delete(store, "key").await;
    assert_ne!(gone.removal, Removal::Removed, "nothing was there");
    let by_null = store
        .delete(ObjectAddress::new(&key, Some(&null)), &Default::default())
        .await
        .expect("nothing to delete");
    assert_ne!(by_null.removal, Removal::Removed, "nothing was there");
    for deleted in [there, gone, by_null] {
        assert_eq!((deleted.marker, deleted.version), (false, None), "no versions are kept");
    }
}
