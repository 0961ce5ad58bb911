//! Copies between local directories: the kernel copies the bytes, or shares them where the file system can.
//!
//! A copy of an object onto itself only changes its time: the file stays.

use super::{
    LocalStore,
    facts::{self, Facts},
    names::Names,
    read::blocking,
};
use crate::{
    model::{Attributes, ObjectKey},
    store::{
        CopyRequest, Result, Written,
        condition::WriteConditions,
        error::{StoreError, StoreErrorKind},
    },
};
use std::fs::File;

impl LocalStore {
    pub(super) async fn copy_object(
        &self,
        from: Self,
        key: &ObjectKey,
        request: CopyRequest,
    ) -> Result<Written> {
        let CopyRequest { source, attributes, conditions, .. } = request;
        let (opening, source_key, read_conditions) = (from.clone(), source.key.clone(), source.conditions);
        let (file, facts) = blocking(move || opening.open_file(&source_key)).await?;
        let info = facts.info();
        read_conditions.check_source(&info.etag, info.last_modified)?;
        let attributes = attributes.apply(&info.attributes);
        if from.0.root.path() == self.0.root.path() && source.key == *key {
            return self.retime(key, file, attributes, conditions).await;
        }
        let names = Names::of(key)?;
        if names.file.is_none() {
            let words =
                format!("the key {key} is a folder in a local directory, and {} is a file", source.key);
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, words));
        }
        let draft = self.draft(key, &names).await?;
        let (store, copied) = (self.clone(), key.clone());
        let draft = blocking(move || {
            let (mut file, mut target) = (file, draft.file());
            let written =
                std::io::copy(&mut file, &mut target).map_err(|error| store.unwritten(&copied, error))?;
            let now = rustix::fs::fstat(&file).ok().as_ref().and_then(Facts::of);
            if written != facts.size || now.as_ref() != Some(&facts) {
                let words = format!("copying to {copied}: the file changed while it was copied");
                return Err(StoreError::new(StoreErrorKind::Broken, words));
            }
            Ok(draft)
        })
        .await?;
        self.publish(key.clone(), names, draft, attributes, conditions).await
    }

    async fn retime(
        &self,
        key: &ObjectKey,
        file: File,
        attributes: Attributes,
        conditions: WriteConditions,
    ) -> Result<Written> {
        let lock = self.0.locks.lock(key).await;
        let (store, key) = (self.clone(), key.clone());
        blocking(move || {
            let _held = lock;
            store.check(&key, &conditions)?;
            if let Some(times) = facts::times(&attributes) {
                rustix::fs::futimens(&file, &times).map_err(|error| store.unwritten(&key, error))?;
            }
            let info = store.look(&key)?;
            Ok(Written { etag: info.etag, last_modified: info.last_modified, checksum: None, version: None })
        })
        .await
    }
}
