//! The test objects: they have one random prefix, are remembered, and are removed.

use super::report::{Found, Trouble, failed};
use crate::{
    model::{Attributes, ObjectInfo, ObjectKey, UploadId},
    store::{
        GetRequest, ListRequest, ObjectBody, PutRequest, Result, Selection, Store, Written,
        condition::{ETagMatch, WriteConditions},
        error::{StoreError, StoreErrorKind},
        payload::Payload,
    },
};
use bytes::Bytes;
use futures_util::StreamExt;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub(super) struct Trial {
    pub(super) store: Arc<dyn Store>,
    /// Ends with a `/`.
    pub(super) prefix: String,
    written: Mutex<BTreeSet<ObjectKey>>,
    uploads: Mutex<Vec<(ObjectKey, UploadId)>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Trial {
    pub(super) fn new(store: Arc<dyn Store>) -> std::result::Result<Self, Trouble> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|error| Trouble::Failed(format!("there is no randomness: {error}")))?;
        let prefix = format!("causeway-trial-{}/", hex::encode(random));
        Ok(Self { store, prefix, written: Mutex::default(), uploads: Mutex::default() })
    }

    pub(super) fn key(&self, name: &str) -> Result<ObjectKey> {
        let key = ObjectKey::new(format!("{}{name}", self.prefix));
        key.map_err(|error| StoreError::new(StoreErrorKind::KeyTooLong, error.to_string()))
    }

    /// A key that is about to be written.
    pub(super) fn written(&self, name: &str) -> Result<ObjectKey> {
        let key = self.key(name)?;
        lock(&self.written).insert(key.clone());
        Ok(key)
    }

    /// An upload that will be completed or aborted.
    pub(super) fn begun(&self, key: &ObjectKey, upload: &UploadId) {
        lock(&self.uploads).push((key.clone(), upload.clone()));
    }

    pub(super) async fn put(&self, name: &str, bytes: impl Into<Bytes>) -> Result<Written> {
        self.put_if(name, bytes, WriteConditions::default()).await
    }

    pub(super) async fn put_if(
        &self,
        name: &str,
        bytes: impl Into<Bytes>,
        conditions: WriteConditions,
    ) -> Result<Written> {
        let request =
            PutRequest { attributes: Attributes::default(), conditions, payload: Payload::from_bytes(bytes) };
        self.store.put(&self.written(name)?, request).await
    }

    pub(super) async fn head(&self, name: &str) -> Result<ObjectInfo> {
        self.store.head(self.key(name)?.current(), &Default::default()).await
    }

    pub(super) async fn get(&self, name: &str, selection: Selection) -> Result<Bytes> {
        let request = GetRequest { selection, ..Default::default() };
        let reply = self.store.get(self.key(name)?.current(), request).await?;
        let mut stream = match reply.body {
            ObjectBody::Full(bytes) => return Ok(bytes),
            body => body.into_stream(),
        };
        let mut all = Vec::new();
        while let Some(frame) = stream.next().await {
            all.extend_from_slice(&frame?);
        }
        Ok(all.into())
    }

    /// Checks what an object holds.
    pub(super) async fn expect(&self, name: &str, bytes: &[u8]) -> std::result::Result<(), Trouble> {
        let read = self.get(name, Selection::Whole).await?;
        if read == bytes {
            Ok(())
        } else {
            failed(format!("{} bytes were read where {} others were written", read.len(), bytes.len()))
        }
    }

    /// Names below the prefix that begin with `below`, as they are listed, page by page.
    pub(super) async fn names(
        &self,
        below: &str,
        delimiter: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        let prefix = format!("{}{below}", self.prefix);
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let request = ListRequest {
                prefix: prefix.clone(),
                after: after.take(),
                delimiter: delimiter.map(str::to_owned),
                limit,
            };
            let page = self.store.list(request).await?;
            after = page.entries.last().map(|entry| entry.name().to_owned());
            names.extend(
                page.entries
                    .iter()
                    .map(|entry| entry.name().strip_prefix(&self.prefix).unwrap_or(entry.name()).to_owned()),
            );
            if !page.truncated || after.is_none() {
                return Ok(names);
            }
        }
    }

    /// Whether there may be anything to remove.
    pub(super) fn is_touched(&self) -> bool {
        !lock(&self.written).is_empty() || !lock(&self.uploads).is_empty()
    }

    /// Removes all test objects, as far as the storage allows.
    pub(super) async fn clean(&self) -> Found {
        let mut trouble = None;
        let uploads = std::mem::take(&mut *lock(&self.uploads));
        for (key, upload) in uploads {
            match self.store.abort_upload(&key, &upload).await {
                Err(error) if error.kind() != StoreErrorKind::NoSuchUpload => trouble = Some(error),
                _ => {}
            }
        }
        if let Some(error) = trouble {
            return failed(format!("an upload under {} could not be aborted: {error}", self.prefix));
        }
        let written = std::mem::take(&mut *lock(&self.written));
        let mut refused = None;
        for key in &written {
            // A storage that refuses to write a name refuses to delete it, too: what counts is what is left.
            refused = self.store.delete(key.current(), &WriteConditions::default()).await.err().or(refused);
        }
        // If names come back changed, there are objects that the probe did not write.
        let stray = self.names("", None, 1000).await?;
        for name in &stray {
            refused = self
                .store
                .delete(self.key(name)?.current(), &WriteConditions::default())
                .await
                .err()
                .or(refused);
        }
        let left = if stray.is_empty() { 0 } else { self.names("", None, 1000).await?.len() };
        match (left, refused) {
            (0, _) => Ok("nothing is left".to_owned()),
            (left, Some(error)) => {
                failed(format!("{left} objects under {} could not be removed: {error}", self.prefix))
            }
            (left, None) => failed(format!("{left} objects are left under {}", self.prefix)),
        }
    }
}

pub(super) fn if_absent() -> WriteConditions {
    WriteConditions { if_none_match: Some(ETagMatch::Any), ..Default::default() }
}

pub(super) fn if_match(etag: &crate::model::ETag) -> WriteConditions {
    WriteConditions { if_match: Some(ETagMatch::OneOf(vec![etag.clone()])), ..Default::default() }
}
