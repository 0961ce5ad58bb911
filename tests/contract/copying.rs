//! Copies: within a bucket, between buckets, between backends.

use super::{
    attributes::{every, tags},
    client::*,
    storage::{Driver, Storage},
};
use causeway::{
    model::{Attributes, ByteRange, CannedAcl, CanonicalId, ChecksumAlgorithm, ChecksumKind, ChecksumSpec},
    store::{
        BeginUpload, CopyAttributes, CopyPartRequest, CopyRequest,
        condition::{ETagMatch, ReadConditions},
        error::StoreErrorKind::{InvalidRange, NoSuchKey, NoSuchUpload, PreconditionFailed},
    },
};

pub async fn a_copy_has_the_bytes_metadata_and_tags_of_its_source_but_neither_acl_nor_owner(
    storage: &Storage,
) {
    let store = storage.bucket("bucket").await;
    for (name, body) in [("small", bytes(1, 3000)), ("empty", bytes(1, 0)), ("large", bytes(2, 6 << 20))] {
        put_with(&*store, name, body.clone(), every(&*store)).await;
        let to = format!("copy/of/{name}");
        let written = copy(&*store, &to, &store, name).await.expect("is copied");
        assert_eq!(written.etag, etag_of(&body));
        let info = head(&*store, &to).await;
        assert_eq!((info.size, info.etag), (body.len() as u64, written.etag));
        assert_same_time(info.last_modified, written.last_modified);
        assert_eq!(
            info.attributes,
            Attributes {
                acl: CannedAcl::Private.into(),
                owner: None,
                website_redirect: None,
                ..every(&*store)
            }
        );
        assert_eq!(read(&*store, &to).await, body);
        assert_eq!(head(&*store, name).await.attributes, every(&*store), "the source stays as it is");
    }
}

pub async fn directives_replace_metadata_and_tags_each_by_itself(storage: &Storage) {
    let store = storage.bucket("bucket").await;
    put_with(&*store, "source", "x", every(&*store)).await;
    let metadata = Attributes {
        content_type: Some("image/png".into()),
        tags: tags(&[("not", "these")]),
        ..Default::default()
    };
    let replaced = || Some(metadata.clone());
    let owner = CanonicalId::parse("c0ffee");
    let plain = |attributes: Attributes| Attributes {
        acl: CannedAcl::Private.into(),
        owner: None,
        website_redirect: None,
        ..attributes
    };
    let cases = [
        (
            CopyAttributes { metadata: replaced(), ..Default::default() },
            Attributes { tags: every(&*store).tags, ..plain(metadata.clone()) },
        ),
        (
            CopyAttributes { tags: Some(tags(&[("n", "1")])), ..Default::default() },
            Attributes { tags: tags(&[("n", "1")]), ..plain(every(&*store)) },
        ),
        (
            CopyAttributes {
                metadata: replaced(),
                tags: Some(Default::default()),
                acl: every(&*store).acl,
                owner: owner.clone(),
                ..Default::default()
            },
            Attributes {
                tags: Default::default(),
                acl: every(&*store).acl,
                owner: owner.clone(),
                ..metadata.clone()
            },
        ),
    ];
    for (attributes, expected) in cases {
        let request = CopyRequest { attributes, ..copy_request(&store, "source") };
        store.copy(&key("copy"), request).await.expect("is copied");
        assert_eq!(head(&*store, "copy").await.attributes, expected);
    }
}

pub async fn a_copy_onto_itself_changes_its_metadata_alone(storage: &Storage) {
    let store = storage.bucket("bucket").await;
    let body = bytes(1, 100_000);
    let before = put_with(&*store, "key", body.clone(), every(&*store)).await;
    let metadata = Attributes { content_type: Some("image/png".into()), ..Default::default() };
    let attributes = CopyAttributes { metadata: Some(metadata.clone()), ..Default::default() };
    let written = store
        .copy(&key("key"), CopyRequest { attributes, ..copy_request(&store, "key") })
        .await
        .expect("is copied");
    assert_eq!(written.etag, before.etag);
    let (info, got) = get(&*store, "key", Default::default()).await.expect("is there");
    assert_eq!(info.attributes, Attributes { tags: every(&*store).tags, ..metadata });
    assert!(got == body);
    assert_eq!(names(&*store).await, ["key"]);
}

pub async fn a_copy_goes_from_bucket_to_bucket(storage: &Storage) {
    let (from, to) = (storage.bucket("bucket-from").await, storage.bucket("bucket-to").await);
    let body = bytes(3, 2 << 20);
    put_with(&*from, "a/b", body.clone(), every(&*from)).await;
    copy(&*to, "c", &from, "a/b").await.expect("is copied");
    delete(&*from, "a/b").await;
    assert!(read(&*to, "c").await == body);
    assert_eq!(head(&*to, "c").await.attributes.user, every(&*to).user);
    assert_absent(&*from, "c").await;
}

pub async fn a_copy_goes_from_backend_to_backend(storage: &Storage) {
    let other = Storage::open(Driver::Memory).await;
    let (here, there) = (storage.bucket("bucket").await, other.bucket("bucket").await);
    let body = bytes(4, (2 << 20) + 1);
    put_with(&*here, "key", body.clone(), every(&*here)).await;
    copy(&*there, "key", &here, "key").await.expect("is copied out");
    delete(&*here, "key").await;
    copy(&*here, "back", &there, "key").await.expect("is copied in");
    let (info, got) = get(&*here, "back", Default::default()).await.expect("is there");
    assert!(got == body);
    assert_eq!(
        (info.etag, info.attributes),
        (
            etag_of(&body),
            Attributes {
                acl: CannedAcl::Private.into(),
                owner: None,
                website_redirect: None,
                ..every(&*here)
            }
        )
    );
}

pub async fn a_copy_keeps_or_changes_the_checksum_algorithm(storage: &Storage) {
    let store = storage.bucket("bucket").await;
    put(&*store, "plain", "hello").await;
    for algorithm in ChecksumAlgorithm::ALL {
        let right = checksum_of(algorithm, b"hello");
        let asked = CopyRequest { checksum: Some(algorithm), ..copy_request(&store, "plain") };
        let written = store.copy(&key("asked"), asked).await.expect("is copied");
        assert_eq!(written.checksum.as_ref().map(|sum| &sum.checksum), Some(&right));
        let kept = copy(&*store, "kept", &store, "asked").await.expect("is copied");
        assert_eq!(kept.checksum, written.checksum);
        assert_eq!(head(&*store, "kept").await.checksum, written.checksum);
    }
}

pub async fn a_copy_of_a_multipart_object_is_a_plain_one(storage: &Storage) {
    let store = storage.bucket("bucket").await;
    let checksum = ChecksumSpec { algorithm: ChecksumAlgorithm::Sha256, kind: ChecksumKind::Composite };
    let request =
        BeginUpload { attributes: every(&*store), checksum, explicit_checksum: true, ..plain_upload() };
    let mut upload = Uploading::begin_with(&*store, "multi", request).await;
    upload.part(1, large(0)).await;
    upload.part(2, "end").await;
    upload.complete().await;
    let whole = [&large(0)[..], b"end"].concat();
    let written = copy(&*store, "plain", &store, "multi").await.expect("is copied");
    assert_eq!(written.etag, etag_of(&whole));
    let sum = written.checksum.expect("the source had one");
    assert_eq!(
        (sum.kind, sum.checksum),
        (ChecksumKind::FullObject, checksum_of(ChecksumAlgorithm::Sha256, &whole))
    );
    let info = head(&*store, "plain").await;
    assert!(info.parts.is_empty());
    assert_eq!(info.attributes.user, every(&*store).user);
    assert!(read(&*store, "plain").await == whole);
}

pub async fn conditions_of_a_copy_look_at_source_and_target(storage: &Storage) {
    let store = storage.bucket("bucket").await;
    let source = put(&*store, "source", "x").await;
    let (this, other) =
        (Some(ETagMatch::OneOf(vec![source.etag.clone()])), Some(ETagMatch::OneOf(vec![etag_of(b"other")])));
    let target = key("target");
    let with = |conditions| {
        let mut request = copy_request(&store, "source");
        request.source.conditions = conditions;
        store.copy(&target, request)
    };
    for wrong in [
        ReadConditions { if_match: other, ..Default::default() },
        ReadConditions { if_none_match: this.clone(), ..Default::default() },
    ] {
        assert_eq!(refused(with(wrong).await), PreconditionFailed);
        assert_absent(&*store, "target").await;
    }
    with(ReadConditions { if_match: this, ..Default::default() }).await.expect("matches");
    let onto = |conditions| store.copy(&target, CopyRequest { conditions, ..copy_request(&store, "source") });
    assert_eq!(refused(onto(if_absent()).await), PreconditionFailed);
    onto(if_still(&source.etag)).await.expect("is the one");
    assert_eq!(refused(copy(&*store, "target", &store, "absent").await), NoSuchKey);
    assert_eq!(read(&*store, "target").await, b"x");
}

pub async fn a_copy_of_what_is_being_overwritten_is_one_or_the_other(storage: &Storage) {
    let store = storage.bucket("bucket").await;
    let bodies = [bytes(1, 200_000), bytes(2, 150_000)];
    put(&*store, "source", bodies[0].clone()).await;
    let writer = {
        let (store, bodies) = (store.clone(), bodies.clone());
        tokio::spawn(async move {
            for n in 1..20 {
                put(&*store, "source", bodies[n % 2].clone()).await;
            }
        })
    };
    for n in 0..20 {
        let name = format!("copy/{n}");
        let written = copy(&*store, &name, &store, "source").await.expect("is copied");
        let got = read(&*store, &name).await;
        assert!(bodies.iter().any(|body| *body == got));
        assert_eq!(written.etag, etag_of(&got));
    }
    writer.await.expect("no panic");
}

pub async fn a_part_is_copied_whole_or_by_range(storage: &Storage) {
    let store = storage.bucket("bucket").await;
    let other = Storage::open(Driver::Memory).await.bucket("bucket").await;
    let body = bytes(9, (6 << 20) + 5);
    put(&*store, "source", body.clone()).await;
    put(&*other, "source", body.clone()).await;
    for source in [&store, &other] {
        let mut upload = Uploading::begin(&*store, "target").await;
        let cuts = [Some(ByteRange::FromTo(7, LARGE as u64 + 6)), None, Some(ByteRange::FromTo(0, 0))];
        for (n, range) in (1..).zip(cuts) {
            let request = CopyPartRequest { source: copy_source(source, "source"), range };
            let written =
                store.copy_part(&upload.key, &upload.id, number(n), request).await.expect("is copied");
            upload.sent(n, &written);
        }
        upload.complete().await;
        let expected = [&body[7..LARGE + 7], &body[..], &body[..1]].concat();
        assert!(read(&*store, "target").await == expected);
    }
}

pub async fn a_part_copy_beyond_its_source_is_refused(storage: &Storage) {
    let store = storage.bucket("bucket").await;
    put(&*store, "source", "hello").await;
    let upload = Uploading::begin(&*store, "target").await;
    let with = |range, name: &str| CopyPartRequest { source: copy_source(&store, name), range };
    for range in [ByteRange::FromTo(0, 5), ByteRange::FromTo(5, 5), ByteRange::FromTo(9, 12)] {
        let result = store.copy_part(&upload.key, &upload.id, number(1), with(Some(range), "source")).await;
        assert_eq!(refused(result), InvalidRange { size: 5 }, "{range:?}");
    }
    let result = store.copy_part(&upload.key, &upload.id, number(1), with(None, "absent")).await;
    assert_eq!(refused(result), NoSuchKey);
    let mut failing = with(None, "source");
    failing.source.conditions.if_none_match = Some(ETagMatch::Any);
    assert_eq!(
        refused(store.copy_part(&upload.key, &upload.id, number(1), failing).await),
        PreconditionFailed
    );
    assert!(store.list_parts(&upload.key, &upload.id, 0, 10).await.expect("is there").parts.is_empty());
    upload.abort().await.expect("is there");
    let late = store.copy_part(&upload.key, &upload.id, number(1), with(None, "source")).await;
    assert_eq!(refused(late), NoSuchUpload);
}

pub async fn a_copied_part_carries_the_checksum_its_upload_wants(storage: &Storage) {
    let store = storage.bucket("bucket").await;
    put(&*store, "plain", "hello").await;
    let sha1 = CopyRequest { checksum: Some(ChecksumAlgorithm::Sha1), ..copy_request(&store, "plain") };
    store.copy(&key("source"), sha1).await.expect("is copied");
    let checksum = ChecksumSpec { algorithm: ChecksumAlgorithm::Crc32c, kind: ChecksumKind::FullObject };
    let request = BeginUpload { checksum, explicit_checksum: true, ..plain_upload() };
    let mut upload = Uploading::begin_with(&*store, "target", request).await;
    let part = CopyPartRequest { source: copy_source(&store, "source"), range: None };
    let written = store.copy_part(&upload.key, &upload.id, number(1), part).await.expect("is copied");
    let right = checksum_of(ChecksumAlgorithm::Crc32c, b"hello");
    assert_eq!(written.checksum.as_ref(), Some(&right));
    upload.sent(1, &written);
    assert_eq!(upload.complete().await.checksum.map(|sum| sum.checksum), Some(right));
}
