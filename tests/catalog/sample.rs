//! Values to store.

use causeway::{
    catalog::{
        BucketId, BucketRecord, Catalog, CompletedUpload, IndexChange, IndexRow, NewBucket, PartRecord,
        UploadRecord,
    },
    model::{
        Attributes, BucketName, CannedAcl, Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ETag,
        ObjectChecksum, ObjectKey, Owner, PartNumber, Tag, TagSet, Timestamp, UploadId,
    },
    store::Written,
};

pub fn owner(id: &str) -> Owner {
    Owner { id: id.into(), display_name: format!("the one called {id}").into() }
}

pub fn name(name: &str) -> BucketName {
    BucketName::parse(name).expect("a bucket name")
}

pub fn new_bucket(of: &str) -> NewBucket {
    NewBucket {
        tenant: Default::default(),
        name: name(of),
        owner: owner("alice"),
        created: Timestamp::from_millis(1_700_000_000_123),
        backend: "disk".into(),
        location: format!("some/where/{of}"),
    }
}

pub async fn bucket(catalog: &dyn Catalog, of: &str) -> BucketRecord {
    catalog.create_bucket(new_bucket(of)).await.expect("a bucket")
}

pub fn key(key: &str) -> ObjectKey {
    ObjectKey::new(key).expect("a key")
}

pub fn row(of: &str, size: u64) -> IndexRow {
    IndexRow {
        key: key(of),
        size,
        etag: ETag::from_md5([7; 16]),
        last_modified: Timestamp::from_millis(1_700_000_000_456),
        checksum: None,
        owner: None,
        fingerprint: b"inode 7".to_vec(),
        version: Default::default(),
    }
}

pub fn put(of: &str, size: u64) -> IndexChange {
    IndexChange::Put(row(of, size))
}

pub fn delete(of: &str) -> IndexChange {
    IndexChange::Delete(key(of))
}

pub fn upload_id(id: &str) -> UploadId {
    UploadId::parse(id).expect("an upload id")
}

pub fn upload(bucket: BucketId, id: &str, of: &str, initiated: i64) -> UploadRecord {
    let tags = TagSet::new(vec![Tag { key: "tag".into(), value: "ä = &".into() }]).expect("tags");
    UploadRecord {
        bucket,
        upload: upload_id(id),
        key: key(of),
        initiator: owner("bob"),
        initiated: Timestamp::from_millis(initiated),
        attributes: Attributes {
            content_type: Some("text/plain".into()),
            user: [("colour".to_owned(), "bl\"ue".to_owned())].into(),
            tags,
            acl: CannedAcl::BucketOwnerRead.into(),
            ..Default::default()
        },
        checksum: ChecksumSpec { algorithm: ChecksumAlgorithm::Sha256, kind: ChecksumKind::Composite },
        explicit_checksum: true,
        location: String::new(),
    }
}

pub fn number(number: u16) -> PartNumber {
    PartNumber::new(number).expect("a part number")
}

pub fn part(of: u16, location: &str) -> PartRecord {
    PartRecord {
        number: number(of),
        size: 5 << 20,
        md5: [of.to_be_bytes()[1]; 16],
        checksum: Checksum::new(ChecksumAlgorithm::Crc64Nvme, &[1, 2, 3, 4, 5, 6, 7, 255]),
        last_modified: Timestamp::from_millis(1_700_000_000_789),
        location: location.into(),
    }
}

pub fn completed(of: &str, at: i64) -> CompletedUpload {
    let checksum = Checksum::new(ChecksumAlgorithm::Sha256, &[9; 32]).expect("32 bytes");
    CompletedUpload {
        key: key(of),
        written: Written {
            etag: ETag::multipart([3; 16], 2),
            last_modified: Timestamp::from_millis(at - 1),
            checksum: Some(ObjectChecksum { checksum, kind: ChecksumKind::Composite, parts: 2 }),
            version: None,
        },
        at: Timestamp::from_millis(at),
    }
}
