//! The store of a bucket that is at two places.
//!
//! Reads and listings are those of the truth. How changes reach both places is in `moving`.

use super::{
    gated::{Gated, Slot},
    moving::{Moving, finished},
    place::{Place, common},
    uploads,
};
use crate::{
    backend::migration::Side,
    model::{ObjectAddress, ObjectInfo, ObjectKey, PartNumber, UploadId},
    store::{
        BeginUpload, Capabilities, Change, CompleteUpload, Deleted, GetReply, GetRequest, ListPage,
        ListRequest, ListUploadsRequest, PartWritten, PartsPage, PutRequest, Result, Store, UploadsPage,
        Written,
        condition::{ReadConditions, WriteConditions},
        error::StoreErrorKind,
        payload::Payload,
    },
};
use async_trait::async_trait;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct MovingStore {
    pub(super) moving: Arc<Moving>,
    /// Reads pass the caches by.
    pub(super) is_uncached: bool,
}

impl MovingStore {
    fn read_from<'p>(&self, place: &'p Place) -> &'p Arc<dyn Store> {
        if self.is_uncached { place.uncached() } else { place.store() }
    }

    fn truth(&self) -> &Arc<dyn Store> {
        self.read_from(self.moving.truth())
    }

    fn at(&self, side: Side) -> &Arc<dyn Store> {
        self.read_from(self.moving.place(side))
    }
}

#[async_trait]
impl Store for MovingStore {
    fn capabilities(&self) -> Capabilities {
        common(self.truth().capabilities(), self.moving.other().store().capabilities())
    }

    async fn tried_capabilities(&self) -> Result<Capabilities> {
        // The other place may not answer; what it promises has to be enough.
        let truth = self.truth().tried_capabilities().await?;
        Ok(common(truth, self.moving.other().store().capabilities()))
    }

    async fn head(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        self.truth().head(address, conditions).await
    }

    async fn describe(&self, address: ObjectAddress<'_>, conditions: &ReadConditions) -> Result<ObjectInfo> {
        self.truth().describe(address, conditions).await
    }

    async fn get(&self, address: ObjectAddress<'_>, request: GetRequest) -> Result<GetReply> {
        self.truth().get(address, request).await
    }

    async fn put(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        let moving = &self.moving;
        let marked = moving.mark(key).await?;
        let root = moving.root_at_truth();
        let slot = Slot::default();
        let turn = Box::pin(moving.clone().turn(marked.clone(), root.side));
        let PutRequest { attributes, conditions, payload } = request;
        let payload = payload.through(|below| Gated::new(below, turn, slot.clone()));
        let request = PutRequest { attributes, conditions: conditions.clone(), payload };
        let written = moving.place(root.side).store().put(key, request).await;
        let written = written.inspect_err(|_| moving.wake.notify_one())?;
        // A storage that publishes an object has read all of its body.
        let turn = slot.take().ok_or(StoreErrorKind::Internal)?;
        moving.published(marked, root, turn, written, conditions).await
    }

    async fn delete(&self, address: ObjectAddress<'_>, conditions: &WriteConditions) -> Result<Deleted> {
        let (moving, key) = (&self.moving, address.unversioned()?);
        let marked = moving.mark(key).await?;
        let (root, turn) = moving.turn_at_truth(&marked).await;
        let deleted = moving.place(root.side).store().delete(key.current(), conditions).await?;
        moving.follow(marked, root, turn, None).await;
        Ok(deleted)
    }

    async fn update(&self, address: ObjectAddress<'_>, change: Change) -> Result<()> {
        let (moving, key) = (&self.moving, address.unversioned()?);
        let marked = moving.mark(key).await?;
        let (root, turn) = moving.turn_at_truth(&marked).await;
        moving.place(root.side).store().update(key.current(), change).await?;
        moving.follow(marked, root, turn, None).await;
        Ok(())
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.truth().list(request).await
    }

    async fn begin_upload(&self, key: &ObjectKey, request: BeginUpload) -> Result<UploadId> {
        let root = self.moving.root_at_truth();
        self.moving.place(root.side).store().begin_upload(key, request).await
    }

    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        number: PartNumber,
        payload: Payload,
    ) -> Result<PartWritten> {
        let root = uploads::root_of(&self.moving, key, upload).await?;
        self.moving.place(root.side).store().put_part(key, upload, number, payload).await
    }

    async fn list_parts(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        limit: usize,
    ) -> Result<PartsPage> {
        let root = uploads::root_of(&self.moving, key, upload).await?;
        self.at(root.side).list_parts(key, upload, after, limit).await
    }

    async fn complete_upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        request: CompleteUpload,
    ) -> Result<Written> {
        let (moving, key, upload) = (self.moving.clone(), key.clone(), upload.clone());
        finished(async move { uploads::complete(&moving, &key, &upload, request).await }).await
    }

    async fn abort_upload(&self, key: &ObjectKey, upload: &UploadId) -> Result<()> {
        let root = uploads::root_of(&self.moving, key, upload).await?;
        self.moving.place(root.side).store().abort_upload(key, upload).await
    }

    async fn list_uploads(&self, request: ListUploadsRequest) -> Result<UploadsPage> {
        uploads::list(&self.moving, request).await
    }
}
