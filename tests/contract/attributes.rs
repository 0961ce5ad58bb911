//! Attributes belong to an object: they are stored completely, and only some operations may change them.

use super::{client::*, storage::Storage};
use causeway::{
    model::{
        Acl, AclGrant, AclGrants, AclPermission, Attributes, CannedAcl, CanonicalId, Grantee, MAX_GRANTS,
        MAX_USER_METADATA, Tag, TagSet,
    },
    store::{
        BeginUpload, Change, Keeping, ListEntry, ListRequest, ListUploadsRequest, Store, UploadEntry,
        error::StoreErrorKind,
    },
};

pub fn tags(pairs: &[(&str, &str)]) -> TagSet {
    TagSet::new(pairs.iter().map(|(key, value)| Tag { key: (*key).into(), value: (*value).into() }).collect())
        .expect("valid tags")
}

fn keeps_acls(store: &dyn Store) -> bool {
    store.capabilities().object_acls == Keeping::Kept
}

/// Grants to so many accounts.
fn granted(grantees: usize) -> Acl {
    let grants = (0..grantees).map(|number| AclGrant {
        grantee: Grantee::Account(CanonicalId::parse(&format!("{number:064x}")).expect("an id")),
        permission: AclPermission::ALL[number % AclPermission::ALL.len()],
    });
    Acl::Granted(AclGrants::new(grants).expect("few grants"))
}

fn keeps_tags(store: &dyn Store) -> bool {
    store.capabilities().tags == Keeping::Kept
}

/// Every field set that this store keeps.
pub fn every(store: &dyn Store) -> Attributes {
    let text = |text: &str| Some(text.to_owned());
    Attributes {
        content_type: text("text/plain; charset=utf-8"),
        cache_control: text("no-cache, max-age=0"),
        content_disposition: text("attachment; filename=\"ä b.txt\""),
        content_encoding: text("gzip, br"),
        content_language: text("de, en"),
        expires: text("not even a date"),
        website_redirect: text("/elsewhere?x=%20"),
        user: [("a", "1"), ("empty", ""), ("odd.name-1", "wert ✓"), ("blanks", "a  b"), ("quotes", "\"'\\")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        tags: if keeps_tags(store) {
            tags(&[("b+c/d=e", "x:y@z _."), ("empty", ""), ("project", "blau")])
        } else {
            TagSet::default()
        },
        acl: if keeps_acls(store) { CannedAcl::PublicRead.into() } else { CannedAcl::Private.into() },
        owner: CanonicalId::parse(&"b0".repeat(32)),
        // Most storage keeps neither; `tests/s3_backend` tests those that do.
        storage_class: None,
        encryption: None,
    }
}

pub async fn every_attribute_is_kept(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    for attributes in [Attributes::default(), every(store)] {
        put_with(store, "key", "x", attributes.clone()).await;
        assert_eq!(head(store, "key").await.attributes, attributes);
        let (info, _) = get(store, "key", Default::default()).await.expect("is there");
        assert_eq!((info.tag_count, info.attributes), (attributes.tags.len(), attributes));
    }
    put(store, "key", "x").await;
    assert_eq!(
        head(store, "key").await.attributes,
        Attributes::default(),
        "nothing is left of an overwritten object"
    );
}

pub async fn the_largest_attributes_s3_allows_are_kept(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let many = (0..64).map(|n| (format!("name-{n:03}"), "v".repeat(MAX_USER_METADATA / 64 - 8)));
    // Object stores encode text that is not ASCII, which makes it longer.
    let value = if storage.is_remote() { "v".repeat(2047) } else { "ä".repeat(1023) + "a" };
    let one = [("n".to_owned(), value)];
    for user in [many.collect(), one.into()] {
        let tags = (0..10)
            .map(|n| Tag { key: format!("{n}{}", "ж".repeat(127)), value: "\u{10348}".repeat(256) })
            .collect();
        // S3 upstreams keep the owner in the user metadata, whose limit leaves no room for it here.
        let tags = TagSet::new(tags).expect("at the limits");
        let attributes = Attributes { user, tags, owner: None, ..every(store) };
        assert_eq!(
            attributes.user.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>(),
            MAX_USER_METADATA
        );
        put_with(store, "key", "x", attributes.clone()).await;
        assert_eq!(head(store, "key").await.attributes, attributes);
        store.update(key("key").current(), Change::Tags(TagSet::default())).await.expect("shrinks");
        store.update(key("key").current(), Change::Tags(attributes.tags.clone())).await.expect("grows again");
        assert_eq!(head(store, "key").await.attributes, attributes);
    }
}

pub async fn tags_and_acl_change_without_a_new_object(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    put_with(store, "key", "hello", every(store)).await;
    let mut expected = head(store, "key").await;
    later_than(expected.last_modified).await;
    let changes = [tags(&[("new", "tag")]), TagSet::default(), tags(&[("a", "2"), ("z", "1")])];
    for tags in changes {
        store.update(key("key").current(), Change::Tags(tags.clone())).await.expect("is changed");
        expected.tag_count = tags.len();
        expected.attributes.tags = tags;
        assert_eq!(head(store, "key").await, expected);
    }
    for acl in [
        CannedAcl::Private.into(),
        CannedAcl::PublicReadWrite.into(),
        granted(10),
        CannedAcl::AuthenticatedRead.into(),
        granted(0),
        CannedAcl::BucketOwnerFullControl.into(),
    ] {
        if !acl.is_private() && !keeps_acls(store) {
            assert_eq!(
                refused(store.update(key("key").current(), Change::Acl(acl)).await),
                StoreErrorKind::AclNotSupported
            );
            continue;
        }
        store.update(key("key").current(), Change::Acl(acl.clone())).await.expect("is changed");
        expected.attributes.acl = acl;
        assert_eq!(head(store, "key").await, expected);
    }
    assert_eq!(read(store, "key").await, b"hello");
    let listed = walk(store, ListRequest { limit: 5, ..Default::default() }).await;
    assert!(
        matches!(&listed[..], [ListEntry::Object(o)] if o.etag == expected.etag && is_same_moment(o.last_modified, expected.last_modified))
    );
}

pub async fn the_longest_acl_is_kept_or_refused(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    put(store, "key", "x").await;
    let before = head(store, "key").await;
    match store.update(key("key").current(), Change::Acl(granted(MAX_GRANTS))).await {
        Ok(()) => assert_eq!(head(store, "key").await.attributes.acl, granted(MAX_GRANTS)),
        Err(error) => {
            let refusals = [StoreErrorKind::AclNotSupported, StoreErrorKind::InvalidRequest];
            assert!(refusals.contains(&error.kind()), "{error:?}");
            assert_eq!(head(store, "key").await, before);
        }
    }
}

pub async fn an_update_of_a_multipart_object_keeps_its_parts(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let mut upload = Uploading::begin(store, "key").await;
    upload.part(3, large(0)).await;
    upload.part(8, "end").await;
    upload.complete().await;
    let mut expected = head(store, "key").await;
    store.update(key("key").current(), Change::Tags(tags(&[("a", "b")]))).await.expect("is changed");
    expected.attributes.tags = tags(&[("a", "b")]);
    expected.tag_count = 1;
    assert_eq!(expected.parts.len(), 2);
    assert_eq!(head(store, "key").await, expected);
}

pub async fn an_update_of_nothing_is_refused(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    for change in [
        Change::Tags(TagSet::default()),
        Change::Acl(if keeps_acls(store) { CannedAcl::PublicRead } else { CannedAcl::Private }.into()),
    ] {
        assert_eq!(refused(store.update(key("key").current(), change).await), StoreErrorKind::NoSuchKey);
    }
    assert_absent(store, "key").await;
}

pub async fn changes_of_tags_and_acl_at_once_both_stand(storage: &Storage) {
    let bucket = storage.bucket("bucket").await;
    let acl = if keeps_acls(&*bucket) { CannedAcl::PublicRead } else { CannedAcl::Private };
    for round in 0..10 {
        put(&*bucket, "key", round.to_string()).await;
        let (one, two) = (bucket.clone(), bucket.clone());
        let tagging =
            tokio::spawn(
                async move { one.update(key("key").current(), Change::Tags(tags(&[("a", "b")]))).await },
            );
        let opening =
            tokio::spawn(async move { two.update(key("key").current(), Change::Acl(acl.into())).await });
        tagging.await.expect("no panic").expect("is changed");
        opening.await.expect("no panic").expect("is changed");
        let attributes = head(&*bucket, "key").await.attributes;
        assert_eq!((attributes.tags, attributes.acl), (tags(&[("a", "b")]), acl.into()));
    }
}

/// Where listings of a storage do not say the owner, they say none: `None` for every object.
pub async fn the_owner_of_an_object_is_kept_by_changes_and_shown_by_most_listings(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let owner = CanonicalId::parse(&"b0".repeat(32));
    let owned = Attributes { owner: owner.clone(), ..Default::default() };
    put(store, "a-plain", "x").await;
    put_with(store, "b-owned", "x", owned.clone()).await;
    for tags in [tags(&[("a", "1")]), TagSet::default()] {
        if keeps_tags(store) {
            store.update(key("b-owned").current(), Change::Tags(tags)).await.expect("is changed");
            assert_eq!(head(store, "b-owned").await.attributes.owner, owner);
        }
    }
    if keeps_acls(store) {
        let acl = CannedAcl::BucketOwnerRead.into();
        store.update(key("b-owned").current(), Change::Acl(acl)).await.expect("is changed");
        assert_eq!(head(store, "b-owned").await.attributes.owner, owner);
    }
    let listed = walk(store, ListRequest { limit: 5, ..Default::default() }).await;
    let owners: Vec<_> = listed
        .into_iter()
        .map(|entry| match entry {
            ListEntry::Object(object) => object.owner,
            ListEntry::CommonPrefix(prefix) => panic!("{prefix}"),
        })
        .collect();
    assert!(owners == [None, owner] || (storage.is_remote() && owners == [None, None]), "{owners:?}");
    put(store, "b-owned", "x").await;
    assert_eq!(head(store, "b-owned").await.attributes.owner, None, "a new object has an owner of its own");
}

pub async fn an_upload_makes_an_object_of_its_owner_and_says_so(storage: &Storage) {
    let store = &*storage.bucket("bucket").await;
    let owner = CanonicalId::parse(&"b0".repeat(32));
    let attributes = Attributes { owner: owner.clone(), ..Default::default() };
    let mut upload = Uploading::begin_with(store, "key", BeginUpload { attributes, ..plain_upload() }).await;
    upload.part(1, "x").await;
    let parts = store.list_parts(&upload.key, &upload.id, 0, 5).await.expect("a page");
    assert_eq!(parts.upload.owner, owner);
    let page =
        store.list_uploads(ListUploadsRequest { limit: 5, ..Default::default() }).await.expect("a page");
    let [UploadEntry::Upload(info)] = &page.entries[..] else { panic!("one upload") };
    assert_eq!(info.owner, owner);
    upload.complete().await;
    assert_eq!(head(store, "key").await.attributes.owner, owner);
}
