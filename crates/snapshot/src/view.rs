//! A snapshot as a store that can only be read. So whatever copies, compares or lists objects works with
//! snapshots, too.
//!
//! Invariant: what is read is what was stored, or an error: chunks are verified before their bytes are passed
//! on.

use crate::{
    Result, SnapshotError,
    content::Chunks,
    list::{Cursor, Lists},
    model::{ObjectAddress, ObjectInfo, ObjectKey, PartNumber, UploadId},
    reader::Reader,
    record::{Object, Root, Snapshot},
    repository::Repository,
    store::{
        self, BeginUpload, Capabilities, Change, CompleteUpload, Deleted, Durability, GetReply, GetRequest,
        Guarantee, Keeping, ListEntry, ListPage, ListRequest, ListUploadsRequest, ListedObject,
        MultipartSupport, ObjectBody, PartWritten, PartsPage, PutRequest, Store, UploadsPage, Written,
        condition::{ReadConditions, WriteConditions},
        error::{StoreError, StoreErrorKind},
        payload::Payload,
        selection::select,
    },
};
use async_trait::async_trait;
use futures_util::stream;
use std::{fmt, sync::Arc};

pub struct View {
    lists: Arc<Lists>,
    root: Root,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("root", &self.root).finish_non_exhaustive()
    }
}

impl View {
    pub async fn open(repository: Arc<Repository>, snapshot: &Snapshot) -> Result<Self> {
        let reader = Arc::new(Reader::load(repository).await?);
        Ok(Self { lists: Arc::new(Lists::new(reader)), root: snapshot.list })
    }

    async fn seek(&self, name: &str) -> store::Result<Cursor> {
        Cursor::seek(self.lists.clone(), self.root, name).await.map_err(of_read)
    }

    async fn find(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> store::Result<Object> {
        let key = address.unversioned().map_err(StoreError::from)?;
        let cursor = self.seek(key.as_str()).await?;
        let object = cursor.current().filter(|object| object.name == key.as_str());
        let object = object.ok_or(StoreErrorKind::NoSuchKey)?;
        conditions.check(&object.etag, object.modified)?;
        Ok(object.clone())
    }
}

/// What the repository fails with is an error of the entry, unless its storage is not reached.
fn of_read(error: SnapshotError) -> StoreError {
    match error {
        SnapshotError::Store { what, source } => StoreError::new(source.kind(), what).with_source(*source),
        error => StoreError::new(StoreErrorKind::Broken, "reading the snapshot").with_source(error),
    }
}

fn refused<T>() -> store::Result<T> {
    Err(StoreError::new(StoreErrorKind::NotImplemented, "A snapshot cannot be changed"))
}

fn info(object: &Object) -> ObjectInfo {
    ObjectInfo {
        size: object.size,
        etag: object.etag.clone(),
        last_modified: object.modified,
        attributes: object.attributes.clone(),
        tag_count: object.attributes.tags.len(),
        checksum: object.checksum.clone(),
        parts: Vec::new(),
        version: None,
        notes: Default::default(),
    }
}

fn listed(object: &Object) -> Option<ListedObject> {
    Some(ListedObject {
        key: ObjectKey::new(object.name.as_str()).ok()?,
        size: object.size,
        etag: object.etag.clone(),
        last_modified: object.modified,
        checksum: object.checksum.as_ref().map(|sum| sum.spec()),
        storage_class: None,
        owner: None,
    })
}

/// Returns the common prefix of a name, if it has one.
fn group<'n>(request: &ListRequest, name: &'n str) -> Option<&'n str> {
    let delimiter = request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
    let rest = name.strip_prefix(request.prefix.as_str())?;
    let at = rest.find(delimiter)?;
    Some(&name[..request.prefix.len() + at + delimiter.len()])
}

#[async_trait]
impl Store for View {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            conditional_writes: Guarantee::Refused,
            conditional_completes: Guarantee::Refused,
            conditional_deletes: Guarantee::Refused,
            checksums: Keeping::Kept,
            tags: Keeping::Kept,
            object_acls: Keeping::NotKept,
            versions: Keeping::NotKept,
            parts: Keeping::NotKept,
            storage_classes: Keeping::NotKept,
            encryption: Keeping::NotKept,
            late_conditions: false,
            needs_length: false,
            multipart: MultipartSupport::Staged,
            durability: Durability::Relaxed,
        }
    }

    async fn head(
        &self,
        address: ObjectAddress<'_>,
        conditions: &ReadConditions,
    ) -> store::Result<ObjectInfo> {
        Ok(info(&self.find(address, conditions).await?))
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> store::Result<GetReply> {
        let object = self.find(address, &request.conditions).await?;
        let info = info(&object);
        let span = select(&info, request.selection)?;
        let reader = self.lists.reader.clone();
        let chunks = Chunks::of(reader, &object.content, span.start, span.len()).map_err(of_read)?;
        let body = stream::try_unfold(chunks, |mut chunks| async move {
            let bytes = chunks.next().await.map_err(of_read)?;
            Ok::<_, StoreError>(bytes.map(|bytes| (bytes, chunks)))
        });
        Ok(GetReply { info, span, body: ObjectBody::Stream(Box::pin(body)) })
    }

    async fn list(&self, request: ListRequest) -> store::Result<ListPage> {
        let (mut page, prefix) = (ListPage::default(), request.prefix.as_str());
        if request.limit == 0 {
            return Ok(page);
        }
        let after = request.after.as_deref();
        let mut cursor = self.seek(after.unwrap_or_default().max(prefix)).await?;
        while let Some(object) = cursor.current() {
            let name = object.name.as_str();
            if !name.starts_with(prefix) {
                if name > prefix {
                    break;
                }
                cursor.advance().await.map_err(of_read)?;
                continue;
            }
            let group = group(&request, name);
            if after.is_some_and(|after| group.unwrap_or(name) <= after) {
                match group.map(beyond) {
                    Some(beyond) => cursor = self.seek(&beyond).await?,
                    None => cursor.advance().await.map_err(of_read)?,
                }
                continue;
            }
            if page.entries.len() == request.limit {
                page.truncated = true;
                break;
            }
            match group.map(str::to_owned) {
                Some(group) => {
                    cursor = self.seek(&beyond(&group)).await?;
                    page.entries.push(ListEntry::CommonPrefix(group));
                }
                None => {
                    page.entries.extend(listed(object).map(ListEntry::Object));
                    cursor.advance().await.map_err(of_read)?;
                }
            }
        }
        Ok(page)
    }

    async fn put(&self, _: &ObjectKey, _: PutRequest) -> store::Result<Written> {
        refused()
    }

    async fn delete(&self, _: ObjectAddress<'_>, _: &WriteConditions) -> store::Result<Deleted> {
        refused()
    }

    async fn update(&self, _: ObjectAddress<'_>, _: Change) -> store::Result<()> {
        refused()
    }

    async fn begin_upload(&self, _: &ObjectKey, _: BeginUpload) -> store::Result<UploadId> {
        refused()
    }

    async fn put_part(
        &self,
        _: &ObjectKey,
        _: &UploadId,
        _: PartNumber,
        _: Payload,
    ) -> store::Result<PartWritten> {
        refused()
    }

    async fn list_parts(&self, _: &ObjectKey, _: &UploadId, _: u16, _: usize) -> store::Result<PartsPage> {
        refused()
    }

    async fn complete_upload(
        &self,
        _: &ObjectKey,
        _: &UploadId,
        _: CompleteUpload,
    ) -> store::Result<Written> {
        refused()
    }

    async fn abort_upload(&self, _: &ObjectKey, _: &UploadId) -> store::Result<()> {
        refused()
    }

    async fn list_uploads(&self, _: ListUploadsRequest) -> store::Result<UploadsPage> {
        Ok(UploadsPage::default())
    }
}

/// Returns the least text that is above every name with this prefix, which is not empty. The prefix ends with
/// a delimiter, so its last character has a next one, or is left away.
fn beyond(prefix: &str) -> String {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        let mut next = u32::from(last) + 1;
        if (0xd800..0xe000).contains(&next) {
            next = 0xe000;
        }
        if let Some(next) = char::from_u32(next) {
            text.push(next);
            return text;
        }
    }
    // Nothing is above a prefix of the last characters only.
    format!("{prefix}{}", "\u{10ffff}".repeat(256))
}
