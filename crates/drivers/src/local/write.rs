//! Writing and removing one object: the body goes into a draft, which appears once the body was verified.

use super::{
    LocalStore,
    draft::{Draft, Existing},
    facts::{self, Facts},
    names::Names,
    read::blocking,
    root::Missing,
};
use crate::{
    model::{Attributes, ObjectKey, Timestamp},
    store::{
        Deleted, PutRequest, Removal, Result, Written,
        condition::{Current, WriteConditions},
        error::{StoreError, StoreErrorKind},
        payload::{Arrived, Payload},
    },
};
use rustix::{fs::AtFlags, io::Errno};
use std::sync::Arc;

/// How many bytes are gathered before they are written.
const BATCH: usize = 1 << 20;

impl LocalStore {
    pub(super) async fn put_object(&self, key: &ObjectKey, request: PutRequest) -> Result<Written> {
        let names = Names::of(key)?;
        if names.file.is_none() {
            return self.make_folder(key, names, request).await;
        }
        let draft = self.draft(key, &names).await?;
        let (draft, arrived) = self.fill(key, draft, request.payload).await?;
        let conditions = arrived.conditions.unwrap_or(request.conditions);
        self.publish(key.clone(), names, draft, request.attributes, conditions).await
    }

    /// Begins the file of an object.
    pub(super) async fn draft(&self, key: &ObjectKey, names: &Names) -> Result<Draft> {
        let (store, key, folders) = (self.clone(), key.clone(), names.folders.clone());
        blocking(move || Draft::begin(&store.0.root, &folders).map_err(|error| store.unwritten(&key, error)))
            .await
    }

    /// Writes a body into a draft, and verifies it.
    async fn fill(&self, key: &ObjectKey, draft: Draft, mut payload: Payload) -> Result<(Draft, Arrived)> {
        let draft = Arc::new(draft);
        let mut digests = payload.digests_sent(None);
        while let Some(batch) = payload.read_some(BATCH).await? {
            let (store, key, target) = (self.clone(), key.clone(), draft.clone());
            let write = move |frames: &[bytes::Bytes]| {
                target.write(frames).map_err(|error| store.unwritten(&key, error))
            };
            digests = digests.absorb_beside(batch, write).await?;
        }
        let arrived = payload.check(digests)?;
        // The last writer has ended: it was awaited.
        let draft = Arc::into_inner(draft);
        let draft =
            draft.ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "a draft is still written"))?;
        Ok((draft, arrived))
    }

    /// Lets a draft appear. It goes on if the caller is dropped: the object is the old one or the new one.
    pub(super) async fn publish(
        &self,
        key: ObjectKey,
        names: Names,
        draft: Draft,
        attributes: Attributes,
        conditions: WriteConditions,
    ) -> Result<Written> {
        let store = self.clone();
        let publishing = tokio::spawn(async move {
            let lock = store.0.locks.lock(&key).await;
            blocking(move || {
                let _held = lock;
                store.publish_now(&key, &names, draft, &attributes, &conditions)
            })
            .await
        });
        let failed = |error| StoreError::new(StoreErrorKind::Internal, "a task failed").with_source(error);
        publishing.await.map_err(failed)?
    }

    fn publish_now(
        &self,
        key: &ObjectKey,
        names: &Names,
        draft: Draft,
        attributes: &Attributes,
        conditions: &WriteConditions,
    ) -> Result<Written> {
        self.check(key, conditions)?;
        let existing = if conditions.wants_absent() { Existing::Kept } else { Existing::Replaced };
        let name = names.file.as_deref().unwrap_or_default();
        let at = (names.folders.as_slice(), name);
        let published = draft.publish(&self.0.root, at, facts::times(attributes), existing);
        let stat = published.map_err(|error| self.unwritten(key, error))?;
        let stat = stat.ok_or(StoreErrorKind::PreconditionFailed)?;
        let broken = || StoreError::new(StoreErrorKind::Broken, "what was written is no file");
        let facts = Facts::of(&stat).ok_or_else(broken)?;
        Ok(Written { last_modified: facts.modified(), etag: facts.etag, checksum: None, version: None })
    }

    pub(super) fn check(&self, key: &ObjectKey, conditions: &WriteConditions) -> Result<()> {
        if conditions.is_empty() {
            return Ok(());
        }
        let current = match self.look(key) {
            Ok(info) => Some(info),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => None,
            Err(error) => return Err(error),
        };
        let current = current.as_ref().map(|info| Current {
            etag: &info.etag,
            size: info.size,
            last_modified: info.last_modified,
        });
        Ok(conditions.check(current)?)
    }

    /// A key that ends with `/` is a folder, which has no bytes.
    async fn make_folder(&self, key: &ObjectKey, names: Names, request: PutRequest) -> Result<Written> {
        let mut payload = request.payload;
        let mut digests = payload.digests_sent(None);
        while let Some(batch) = payload.read(BATCH).await? {
            batch.iter().for_each(|frame| digests.update(frame));
        }
        if payload.check(digests)?.size > 0 {
            return Err(StoreError::new(
                StoreErrorKind::InvalidRequest,
                format!(
                    "the key {key} ends with '/': in a local directory it is a folder, which has no bytes"
                ),
            ));
        }
        let lock = self.0.locks.lock(key).await;
        let (store, key) = (self.clone(), key.clone());
        blocking(move || {
            let _held = lock;
            store.check(&key, &request.conditions)?;
            let made = store.0.root.folder(&names.folders, Missing::Made);
            made.map_err(|error| store.unwritten(&key, error))?;
            let info = store.look(&key)?;
            let last_modified = Timestamp::now();
            Ok(Written { etag: info.etag, last_modified, checksum: None, version: None })
        })
        .await
    }

    pub(super) async fn remove(&self, key: &ObjectKey, conditions: &WriteConditions) -> Result<Deleted> {
        let names = Names::of(key)?;
        let lock = self.0.locks.lock(key).await;
        let (store, key, conditions) = (self.clone(), key.clone(), conditions.clone());
        blocking(move || {
            let _held = lock;
            store.check(&key, &conditions)?;
            store.remove_now(&key, &names)
        })
        .await
    }

    fn remove_now(&self, key: &ObjectKey, names: &Names) -> Result<Deleted> {
        let Some(name) = &names.file else {
            // A folder with entries is not an object of its own.
            let is_there = self.look(key).is_ok();
            self.0.root.prune(&names.folders);
            let is_gone = is_there && self.look(key).is_err();
            return Ok(if is_gone { Removal::Removed } else { Removal::Absent }.into());
        };
        let folder = match self.folder(key, names) {
            Ok(folder) => folder,
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => return Ok(Removal::Absent.into()),
            Err(error) => return Err(error),
        };
        match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) => {
                self.0.root.prune(&names.folders);
                Ok(Removal::Removed.into())
            }
            // A folder of that name is no object.
            Err(Errno::NOENT | Errno::ISDIR) => Ok(Removal::Absent.into()),
            Err(error) => Err(self.failed("removing", key, error)),
        }
    }

    /// The error of a write. What is missing then is no key, but a way to it.
    pub(super) fn unwritten(&self, key: &ObjectKey, error: impl Into<std::io::Error>) -> StoreError {
        let error = error.into();
        let path = self.0.root.path().join(key.as_str());
        StoreError::of_entry(format_args!("writing {}", path.display()), error)
    }
}
