//! The slots of parts that are being written, on storage whose files can be written at any offset.
//!
//! This module owns which writer has a slot, and until when. It does not own which slots exist
//! (`upload_slots`), the offset of a slot (`backend::slots`), nor the files themselves (`multipart`).
//!
//! Invariant: a slot becomes free only when no write to it can be in flight. This state can be rebuilt from
//! the catalog, except for slots that late writes of a failed part may still reach.

use super::{bucket::Bucket, drafts::Drafts, files::Slot};
use crate::{
    backend::slots::{Location, Slots},
    catalog::BucketId,
    model::{PartNumber, UploadId},
    store::{Result, error::StoreErrorKind},
};
use bytes::Bytes;
use std::{mem::replace, sync::Arc};

/// A slot that belongs to one part. Unless it is kept, it becomes free once no write to it can be in flight.
pub(super) struct Given {
    bucket: Arc<Bucket>,
    upload: UploadId,
    number: PartNumber,
    unit: u64,
    at: u64,
    state: SlotState,
}

enum SlotState {
    /// Nothing was written to it yet.
    Unused,
    Open(Box<dyn Slot>),
    /// Some writes may still be in flight.
    Ending,
    /// All writes have been confirmed.
    Whole,
    Kept,
}

impl Given {
    pub(super) fn location(&self) -> Location {
        Location::Slot(self.unit)
    }

    pub(super) async fn open(mut self) -> Result<Self> {
        let slots = self.bucket.files.slots().ok_or(StoreErrorKind::Internal)?;
        let slot = slots.open(&self.bucket.slot_file(&self.upload, &self.location())).await?;
        self.state = SlotState::Open(slot);
        Ok(self)
    }

    pub(super) async fn write(&mut self, bytes: Vec<Bytes>) -> Result<()> {
        let SlotState::Open(slot) = &mut self.state else { return Err(StoreErrorKind::Internal.into()) };
        let offset = self.at;
        self.at += bytes.iter().map(|frame| frame.len() as u64).sum::<u64>();
        slot.write(offset, bytes).await
    }

    pub(super) async fn finish(&mut self) -> Result<()> {
        let SlotState::Open(slot) = replace(&mut self.state, SlotState::Ending) else {
            return Err(StoreErrorKind::Internal.into());
        };
        slot.finish().await?;
        self.state = SlotState::Whole;
        Ok(())
    }

    /// Must be called when the part was recorded: the slot stays occupied.
    pub(super) fn keep(mut self) {
        self.state = SlotState::Kept;
        self.bucket.uploads.with(&self.upload, |slots| slots.filled(self.number, self.unit));
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        let (bucket, upload, number, unit) =
            (self.bucket.clone(), self.upload.clone(), self.number, self.unit);
        let free = move || {
            bucket.uploads.with(&upload, |slots| slots.free(number, unit));
        };
        match replace(&mut self.state, SlotState::Kept) {
            SlotState::Kept | SlotState::Ending => {}
            SlotState::Unused | SlotState::Whole => free(),
            // Without a runtime the process is about to end, so nothing has to be done.
            SlotState::Open(slot) => {
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(async move {
                        if slot.abandon().await {
                            free();
                        }
                    });
                }
            }
        }
    }
}

/// While this value lives, parts of the upload get no slots.
pub(super) struct Sealed {
    bucket: Arc<Bucket>,
    upload: UploadId,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        self.bucket.uploads.with(&self.upload, Slots::unseal);
    }
}

impl Bucket {
    /// Returns a slot for a part, if the storage supports slots and one is free.
    pub(super) async fn slot(
        self: &Arc<Self>,
        id: &UploadId,
        number: PartNumber,
        length: Option<u64>,
    ) -> Result<Option<Given>> {
        if self.files.slots().is_none() {
            return Ok(None);
        }
        self.meet(id).await?;
        let longest = self.files.service().max_size;
        let Some(Some(Location::Slot(unit))) =
            self.uploads.with(id, |slots| slots.take(number, length, longest))
        else {
            return Ok(None);
        };
        let at = Location::Slot(unit).offset(number);
        Ok(Some(Given {
            bucket: self.clone(),
            upload: id.clone(),
            number,
            unit,
            at,
            state: SlotState::Unused,
        }))
    }

    pub(super) async fn seal(self: &Arc<Self>, id: &UploadId) -> Result<Sealed> {
        if self.files.slots().is_some() {
            self.meet(id).await?;
            self.uploads.with(id, Slots::seal);
        }
        Ok(Sealed { bucket: self.clone(), upload: id.clone() })
    }

    /// Loads the slots of an upload from the catalog, if this process does not know it yet.
    async fn meet(&self, id: &UploadId) -> Result<()> {
        if !self.uploads.all().contains_key(id) {
            let told = Slots::of(&self.catalog.parts(self.id, id, 0, usize::MAX).await?);
            self.uploads.all().entry(id.clone()).or_insert(told);
        }
        Ok(())
    }

    /// Returns the name of a file of slots, `<gateway>-<bucket>-<upload>.u<unit>`: it shows which upload the
    /// file belongs to.
    pub(super) fn slot_file(&self, id: &UploadId, location: &Location) -> String {
        format!("{}{id}.{}", names_of(&self.drafts, self.id), location.file())
    }
}

/// Returns the prefix of the names of a bucket's files of slots.
pub(super) fn names_of(drafts: &Drafts, id: BucketId) -> String {
    format!("{}-{}-", drafts.gateway(), id.0)
}
