//! One bucket that keeps nothing.
//!
//! Owns what is answered for any key. It does not own the parts of open uploads (`uploads`).

use super::{
    NullSettings,
    names::Names,
    uploads::{Room, Uploads},
    zeros,
};
use crate::{
    model::{
        Attributes, ChecksumAlgorithm, ETag, ObjectAddress, ObjectChecksum, ObjectInfo, ObjectKey,
        PartNumber, Timestamp, UploadId,
    },
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, Deleted, Durability, GetReply, GetRequest,
        Guarantee, Keeping, ListEntry, ListPage, ListRequest, ListUploadsRequest, ListedObject,
        MultipartSupport, PartWritten, PartsPage, PutRequest, Result, Store, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        error::{StoreError, StoreErrorKind},
        grouping::{self, Grouped, Query},
        multipart::RecordedPart,
        payload::{Payload, Verified},
        selection,
    },
};
use async_trait::async_trait;

pub(super) const CAPABILITIES: Capabilities = Capabilities {
    conditional_writes: Guarantee::Refused,
    conditional_completes: Guarantee::Refused,
    conditional_deletes: Guarantee::Refused,
    checksums: Keeping::NotKept,
    tags: Keeping::NotKept,
    object_acls: Keeping::NotKept,
    versions: Keeping::NotKept,
    parts: Keeping::NotKept,
    storage_classes: Keeping::NotKept,
    encryption: Keeping::NotKept,
    late_conditions: false,
    needs_length: false,
    multipart: MultipartSupport::InPlace,
    durability: Durability::Volatile,
};

/// The largest body that is digested where it arrives. A longer one is digested on another thread, while its
/// next bytes arrive.
const SMALL: usize = 64 * 1024;
const BATCH: usize = 128 * 1024;

#[derive(Debug)]
pub(super) struct NullStore {
    settings: NullSettings,
    /// What every key has.
    info: ObjectInfo,
    uploads: Uploads,
}

impl NullStore {
    pub(super) fn new(settings: NullSettings, last_modified: Timestamp, room: Room) -> Self {
        let info = ObjectInfo {
            size: settings.object_size,
            // The hyphen says that it is no MD5: clients do not compare it with the bytes.
            etag: ETag::opaque(format!("zeros-{}", settings.object_size)),
            last_modified,
            attributes: Attributes::default(),
            tag_count: 0,
            checksum: None,
            parts: Vec::new(),
            version: None,
            notes: Default::default(),
        };
        Self { settings, info, uploads: Uploads::new(room) }
    }

    fn listed(&self, key: ObjectKey) -> ListedObject {
        let ObjectInfo { size, last_modified, .. } = self.info;
        let etag = self.info.etag.clone();
        ListedObject { key, size, etag, last_modified, checksum: None, storage_class: None, owner: None }
    }
}

#[async_trait]
impl Store for NullStore {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        address.unversioned()?;
        conditions.check(&self.info.etag, self.info.last_modified)?;
        Ok(self.info.clone())
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        let info = self.head(address, &request.conditions).await?;
        let span = selection::select(&info, request.selection)?;
        Ok(GetReply { info, span, body: zeros::body(span) })
    }

    async fn put(&self, _: &ObjectKey, request: PutRequest) -> Result<Written> {
        unconditional(&request.conditions)?;
        plain(&request.attributes)?;
        let verified = receive(request.payload, None).await?;
        Ok(Written {
            etag: verified.etag(),
            last_modified: Timestamp::now(),
            checksum: verified.checksum().cloned().map(ObjectChecksum::full),
            version: None,
        })
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        address.unversioned()?;
        unconditional(conditions)?;
        Ok(Deleted::default())
    }

    async fn update(&self, _: ObjectAddress<'_>, change: Change) -> Result<()> {
        Err(match change {
            Change::Tags(_) => no_tags(),
            Change::Acl(_) => no_acls(),
        })
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        let (after, delimiter) = (request.after.as_deref(), request.delimiter.as_deref());
        let query = Query { prefix: &request.prefix, delimiter, after, limit: request.limit };
        let Ok((entries, truncated)) = grouping::page(&mut Names::new(self.settings.keys), query);
        let entry = |grouped: Grouped<ObjectKey>| match grouped {
            Grouped::CommonPrefix(prefix) => ListEntry::CommonPrefix(prefix),
            Grouped::Item(key) => ListEntry::Object(self.listed(key)),
        };
        Ok(ListPage { entries: entries.into_iter().map(entry).collect(), truncated, cache: None })
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        plain(&request.attributes)?;
        self.uploads.begin(key, request)
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        let needed = self.uploads.checksum_of_part(key, upload, payload.checksum_algorithm())?;
        let verified = receive(payload, needed).await?;
        let checksum = verified.checksum().cloned();
        let recorded =
            RecordedPart { number, size: verified.size(), md5: verified.md5(), checksum: checksum.clone() };
        let last_modified = Timestamp::now();
        // The upload may have ended while the body arrived.
        self.uploads.record(key, upload, recorded, last_modified)?;
        Ok(PartWritten { etag: verified.etag(), checksum, last_modified })
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        self.uploads.parts(key, upload, after, limit)
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        unconditional(&request.conditions)?;
        let assembled = self.uploads.complete(key, upload, &request)?;
        Ok(Written {
            etag: assembled.etag,
            last_modified: Timestamp::now(),
            checksum: assembled.checksum,
            version: None,
        })
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        self.uploads.abort(key, upload)
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        Ok(self.uploads.list(request))
    }
}

/// The edge refuses conditions already, because of `CAPABILITIES`.
fn unconditional(conditions: &WriteConditions) -> Result<()> {
    match conditions.is_empty() {
        true => Ok(()),
        false => Err(StoreError::new(
            StoreErrorKind::NotImplemented,
            "a backend of type 'null' does not know what a condition asks for",
        )),
    }
}

/// Refuses attributes that decide something later. Others are only given back, and are dropped.
fn plain(attributes: &Attributes) -> Result<()> {
    match attributes {
        _ if !attributes.tags.is_empty() => Err(no_tags()),
        _ if !attributes.acl.is_private() => Err(no_acls()),
        _ => Ok(()),
    }
}

fn no_tags() -> StoreError {
    StoreError::new(StoreErrorKind::NotImplemented, "a backend of type 'null' keeps no tags")
}

fn no_acls() -> StoreError {
    StoreError::new(StoreErrorKind::AclNotSupported, "a backend of type 'null' keeps no ACLs of objects")
}

/// Reads a body to its end and verifies it. `needed` is the checksum to compute if none was announced.
async fn receive(mut payload: Payload, needed: Option<ChecksumAlgorithm>) -> Result<Verified> {
    let mut digests = payload.digests(needed);
    let mut next = payload.read_some(SMALL + 1).await?;
    if payload.has_ended() {
        next.take().unwrap_or_default().iter().for_each(|frame| digests.update(frame));
    }
    while let Some(batch) = next {
        let digested = digests.absorb(batch);
        next = payload.read_some(BATCH).await?;
        digests = digested.await?;
    }
    Ok(payload.verify(digests)?)
}
