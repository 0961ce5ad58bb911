//! Records of objects for the unit tests of those who store them: a sample that says everything, and the
//! golden files. Each crate includes this file by its path, because tests of crates share nothing else.

use crate::model::{
    Attributes, CannedAcl, Checksum, ChecksumAlgorithm, ChecksumKind, ETag, Encryption, EncryptionAlgorithm,
    ObjectChecksum, ObjectInfo, ObjectPart, StorageClass, Tag, TagSet, Timestamp, UploadId,
};
use std::path::Path;

/// An object made of parts, with every attribute, and the upload that made it.
pub(crate) fn full() -> (ObjectInfo, UploadId) {
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
        acl: CannedAcl::PublicRead,
        storage_class: StorageClass::parse("GLACIER_IR"),
        encryption: Some(Encryption {
            algorithm: EncryptionAlgorithm::Kms,
            key_id: text("key"),
            context: None,
            bucket_key: true,
        }),
    };
    let info = ObjectInfo {
        size: 13,
        etag: ETag::multipart([0xab; 16], 3),
        last_modified: Timestamp::from_millis(1_764_540_000_123),
        tag_count: attributes.tags.len(),
        attributes,
        checksum: Some(ObjectChecksum { checksum: sum(9), kind: ChecksumKind::Composite, parts: 3 }),
        parts: vec![part(1, 5), part(2, 5), part(4, 3)],
        notes: Default::default(),
    };
    (info, UploadId::parse("upload-1").expect("an id"))
}

/// An object about which only size, time and ETag are known.
pub(crate) fn plain() -> ObjectInfo {
    ObjectInfo {
        size: 3,
        etag: ETag::from_md5([1; 16]),
        last_modified: Timestamp::from_millis(7),
        attributes: Attributes::default(),
        tag_count: 0,
        checksum: None,
        parts: Vec::new(),
        notes: Default::default(),
    }
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
