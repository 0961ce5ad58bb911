//! Records of objects for the unit tests of those who store them: samples, any record, and the golden files.
//! Each crate includes this file by its path, because the unit tests of crates share nothing else.

use crate::{
    model::{
        Acl, AclGrant, AclGrants, AclPermission, Attributes, CannedAcl, CanonicalId, Checksum,
        ChecksumAlgorithm, ChecksumKind, ETag, Encryption, EncryptionAlgorithm, Grantee, ObjectChecksum,
        ObjectLock, ObjectPart, Restore, Retention, RetentionMode, StorageClass, Tag, TagSet, Timestamp,
        UploadId, VersionId,
    },
    store::record::{ObjectRecord, Parts},
};
use proptest::{option, prelude::*};
use std::path::Path;

/// An object made of parts, with every attribute, and the upload that made it. It has no state that came
/// later: no version, no lock.
pub(crate) fn full() -> ObjectRecord {
    let sum = |byte| Checksum::new(ChecksumAlgorithm::Sha256, &[byte; 32]).expect("a checksum");
    let part = |number, size| ObjectPart { number, size, checksum: Some(sum(number as u8)) };
    let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
    let tags = TagSet::new(vec![tag("a  b", "ж\u{10348} &=%\"\\"), tag("t", "")]).expect("valid tags");
    let text = |text: &str| Some(text.to_owned());
    let attributes = Attributes {
        content_type: text("text/plain; charset=utf-8"),
        cache_control: text("no-cache"),
        content_disposition: text("attachment; filename=\"ä b.txt\""),
        content_encoding: text("gzip"),
        content_language: text("de"),
        expires: text("Thu, 01 Dec 2033 16:00:00 GMT"),
        website_redirect: text("/other"),
        user: [("k", "v"), ("mtime", "1"), ("x-y", "ü  z")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        tags,
        acl: CannedAcl::PublicRead.into(),
        owner: None,
        storage_class: StorageClass::parse("GLACIER_IR"),
        encryption: Some(Encryption {
            algorithm: EncryptionAlgorithm::Kms,
            key_id: text("key"),
            context: None,
            bucket_key: true,
        }),
    };
    let (modified, etag) = (Timestamp::from_millis(1_764_540_000_123), ETag::multipart([0xab; 16], 3));
    let checksum = Some(ObjectChecksum { checksum: sum(9), kind: ChecksumKind::Composite, parts: 3 });
    let parts = [part(1, 5), part(2, 5), part(4, 3)];
    ObjectRecord { attributes, checksum, ..ObjectRecord::new(13, modified, etag) }
        .of_parts(&parts, UploadId::parse("upload-1").expect("an id"))
}

/// An object about which only size, time and ETag are known.
pub(crate) fn plain() -> ObjectRecord {
    ObjectRecord::new(3, Timestamp::from_millis(7), ETag::from_md5([1; 16]))
}

/// Any record that a store may be given.
pub(crate) fn any_record() -> impl Strategy<Value = ObjectRecord> {
    let object = (any_attributes(), any_checksum(), any_parts(), option::of("[a-z]{1,8}"));
    (0..=u64::MAX, any_time(), "[0-9a-f]{32}|[0-9a-f-]{1,40}", object, any_states()).prop_map(
        |(size, modified, etag, (attributes, checksum, parts, upload), states)| ObjectRecord {
            size,
            modified,
            etag: ETag::opaque(etag),
            attributes,
            checksum,
            parts,
            upload: upload.and_then(|id| UploadId::parse(&id)),
            ..states
        },
    )
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..=253_402_300_799_999i64).prop_map(Timestamp::from_millis)
}

fn granted() -> Acl {
    let grantees = [Grantee::Account(CanonicalId::parse("42b0").expect("an id")), Grantee::AllUsers];
    let grants = grantees.map(|grantee| AclGrant { grantee, permission: AclPermission::Read });
    Acl::Granted(AclGrants::new(grants).expect("few grants"))
}

fn any_attributes() -> impl Strategy<Value = Attributes> {
    let text = || option::of("\\PC{1,12}");
    let user = prop::collection::btree_map("[a-b0-1_-]{1,6}", "\\PC{0,12}", 0..3);
    let tags = prop::collection::btree_map("\\PC{1,8}", "\\PC{0,8}", 0..3).prop_map(|tags| {
        let tags = tags.into_iter().map(|(key, value)| Tag { key, value });
        TagSet::new(tags.collect()).unwrap_or_default()
    });
    let acl = prop::sample::select(vec![CannedAcl::Private.into(), CannedAcl::PublicRead.into(), granted()]);
    let owner = option::of("[0-9a-f]{64}").prop_map(|id| id.and_then(|id| CanonicalId::parse(&id)));
    let class = prop::sample::select(vec![None, StorageClass::parse("GLACIER")]);
    let encryption = option::of(option::of("[a-z]{1,8}").prop_map(|key_id| Encryption {
        algorithm: EncryptionAlgorithm::Kms,
        key_id,
        context: None,
        bucket_key: false,
    }));
    let headers = [(); 7].map(|()| text());
    (headers, user, tags, acl, owner, class, encryption).prop_map(
        |(headers, user, tags, acl, owner, storage_class, encryption)| {
            let [
                content_type,
                cache_control,
                content_disposition,
                content_encoding,
                content_language,
                expires,
                website_redirect,
            ] = headers;
            Attributes {
                content_type,
                cache_control,
                content_disposition,
                content_encoding,
                content_language,
                expires,
                website_redirect,
                user,
                tags,
                acl,
                owner,
                storage_class,
                encryption,
            }
        },
    )
}

fn any_checksum() -> impl Strategy<Value = Option<ObjectChecksum>> {
    (0..3usize, any::<[u8; 4]>()).prop_map(|(kind, bytes)| {
        let checksum = Checksum::new(ChecksumAlgorithm::Crc32, &bytes)?;
        match kind {
            0 => None,
            1 => Some(ObjectChecksum::full(checksum)),
            _ => Some(ObjectChecksum { checksum, kind: ChecksumKind::Composite, parts: 2 }),
        }
    })
}

fn any_parts() -> impl Strategy<Value = Parts> {
    prop::collection::vec((0..1u64 << 40, any::<[u8; 4]>()), 0..4).prop_map(|parts| {
        let part = |(number, (size, sum)): (u16, (u64, [u8; 4]))| ObjectPart {
            number,
            size,
            checksum: Checksum::new(ChecksumAlgorithm::Crc32, &sum),
        };
        Parts::of(&(1..).zip(parts).map(part).collect::<Vec<_>>())
    })
}

/// A plain record with any of the states that storage has no place of its own for.
fn any_states() -> impl Strategy<Value = ObjectRecord> {
    let version = prop::sample::select(vec![None, Some(VersionId::NULL), VersionId::parse("ä1")]);
    let mode = prop::sample::select(vec![RetentionMode::Governance, RetentionMode::Compliance]);
    let retention = option::of((mode, any_time()).prop_map(|(mode, until)| Retention { mode, until }));
    let lock =
        (retention, any::<bool>()).prop_map(|(retention, legal_hold)| ObjectLock { retention, legal_hold });
    let sealed = prop::collection::btree_map("[a-z]{1,4}", "\\PC{0,8}", 0..3);
    let restore = (any::<bool>(), any::<u32>(), any_time()).prop_map(|(done, days, until)| match done {
        true => Restore::Done { until },
        false => Restore::Ongoing { days },
    });
    (version, option::of(lock), sealed, option::of(restore)).prop_map(|(version, lock, sealed, restore)| {
        ObjectRecord { version, lock, sealed, restore, ..plain() }
    })
}

/// Compares lines that are written with the golden file of this name. With `CAUSEWAY_BLESS=1` a file that is
/// missing is written; one that exists is never changed, because storage is full of such records.
pub(crate) fn is_golden(name: &str, lines: &[String]) {
    let written = lines.join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/records").join(name);
    if std::env::var_os("CAUSEWAY_BLESS").is_some() && !path.exists() {
        std::fs::write(&path, &written).expect("a golden file");
    }
    let golden = std::fs::read_to_string(&path).expect("a golden file");
    assert_eq!(written, golden, "{name}");
}
