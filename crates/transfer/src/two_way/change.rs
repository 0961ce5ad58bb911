//! One guarded change of one end.
//!
//! Invariants: right before a change the end is asked whether it still has the version that was planned with,
//! and the change has that as its condition where the end has conditions. `None` means that it has not:
//! nothing was changed. A condition that fails because a reply was lost is no such case: the end then has
//! what the change was to bring.

use super::{both::Working, same::same_content, version::Version};
use crate::{
    context::{Trouble, only},
    end::Side,
    listing::Entry,
    model::{ETag, ObjectKey},
    object::{destination_key, send_whole},
    parts,
    store::{
        CopyAttributes, CopyRequest, CopySource, Guarantee,
        condition::{ETagMatch, WriteConditions},
        error::{StoreError, StoreErrorKind},
    },
};

fn absent() -> WriteConditions {
    WriteConditions { if_none_match: Some(ETagMatch::Any), ..Default::default() }
}

fn present(etag: &ETag) -> WriteConditions {
    WriteConditions { if_match: Some(ETagMatch::OneOf(vec![etag.clone()])), ..Default::default() }
}

/// Returns whether an error says that the end has something else than was planned with.
fn is_other(error: &StoreError) -> bool {
    use StoreErrorKind::{Conflict, NoSuchKey, PreconditionFailed};
    matches!(error.kind(), PreconditionFailed | Conflict | NoSuchKey)
}

impl Working<'_> {
    /// Returns the entry with its present ETag, if an end still has this version.
    pub(super) async fn still(
        &self,
        side: Side,
        name: &str,
        version: &Version,
    ) -> Result<Option<Entry>, StoreError> {
        let Some(info) = self.both.head(side, name).await? else { return Ok(None) };
        let now = Version::of_info(&info);
        match version.is(&now) {
            true => now.entry(self.both.end(side), name).map(Some),
            false => Ok(None),
        }
    }

    pub(super) async fn is_absent(&self, side: Side, name: &str) -> Result<bool, StoreError> {
        Ok(self.both.head(side, name).await?.is_none())
    }

    /// Brings a version of one end to `name` at the other one, where `over` is, or nothing. Returns the
    /// versions of both ends, that of `to` last.
    pub(super) async fn bring(
        &self,
        to: Side,
        (from_name, version): (&str, &Version),
        (name, over): (&str, Option<&Version>),
    ) -> Result<Option<(Version, Version)>, Trouble> {
        let context = self.toward(to);
        let Some(entry) = self.still(to.other(), from_name, version).await? else { return Ok(None) };
        let key = destination_key(context, name)?;
        let is_native = self.capabilities(to).conditional_writes != Guarantee::Refused;
        let guard = match over {
            Some(over) => {
                let Some(old) = self.still(to, name, over).await? else { return Ok(None) };
                present(&old.object.etag)
            }
            None if !is_native && !self.is_absent(to, name).await? => return Ok(None),
            None => absent(),
        };
        let guard = if is_native { guard } else { WriteConditions::default() };
        let size = entry.object.size;
        let mut attempt = 0;
        let error = loop {
            let sent = match context.sends_in_parts(size) {
                true => parts::send(context, &entry, &key, &guard).await,
                false => send_whole(context, &entry, &key, &guard).await,
            };
            attempt += 1;
            match sent {
                Ok(written) => {
                    let stored = Version::of_written(size, &written);
                    return Ok(Some((Version::of(&entry.object), stored)));
                }
                Err(Trouble::Object(error)) if attempt < context.retry.attempts() => match error.kind() {
                    _ if is_other(&error) => break error,
                    // The upload expired, or a part was damaged on its way.
                    StoreErrorKind::NoSuchUpload
                    | StoreErrorKind::InvalidPart
                    | StoreErrorKind::BadDigest => {
                        context.retry.pause(attempt - 1, None).await;
                    }
                    _ if error.is_temporary() => context.retry.pause(attempt - 1, error.wait()).await,
                    _ => break error,
                },
                Err(Trouble::Object(error)) => break error,
                Err(trouble) => return Err(trouble),
            }
        };
        parts::abandon(context, entry.name(), &key).await;
        if !is_other(&error) {
            return Err(error.into());
        }
        let came = self.came(to, name, over, (to.other(), &entry)).await?;
        Ok(came.map(|stored| (Version::of(&entry.object), stored)))
    }

    /// Returns what an end has under a name, if that came there by a change whose reply was lost.
    async fn came(
        &self,
        side: Side,
        name: &str,
        over: Option<&Version>,
        (of, entry): (Side, &Entry),
    ) -> Result<Option<Version>, StoreError> {
        let Some(info) = self.both.head(side, name).await? else { return Ok(None) };
        let now = Version::of_info(&info);
        if over.is_some_and(|over| over.is(&now)) {
            return Ok(None);
        }
        let found = now.entry(self.both.end(side), name)?;
        let (mut own, mut other) = (self.both.subject(of, entry), self.both.subject(side, &found));
        match same_content(&self.both.pace, &mut own, &mut other).await {
            Ok(is_same) => Ok(is_same.then_some(now)),
            // One of both changes just now.
            Err(error) if is_other(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Copies a version to another name at the same end, where nothing is. Returns what is there then.
    pub(super) async fn keep(
        &self,
        side: Side,
        (name, version): (&str, &Version),
        new: &str,
    ) -> Result<Option<Version>, Trouble> {
        let Some(entry) = self.still(side, name, version).await? else { return Ok(None) };
        let key = destination_key(self.toward(side), new)?;
        let is_native = self.capabilities(side).conditional_writes != Guarantee::Refused;
        if !is_native && !self.is_absent(side, new).await? {
            return Ok(self.came(side, new, None, (side, &entry)).await?);
        }
        let conditions = if is_native { absent() } else { WriteConditions::default() };
        let store = &self.both.end(side).store;
        let copy = || {
            let source = CopySource {
                store: store.clone(),
                key: entry.object.key.clone(),
                version: None,
                conditions: only(&entry.object.etag),
            };
            let attributes = CopyAttributes::default();
            store.copy(
                &key,
                CopyRequest { source, attributes, conditions: conditions.clone(), checksum: None },
            )
        };
        match self.both.retry.run(copy).await {
            Ok(written) => Ok(Some(Version::of_written(entry.object.size, &written))),
            Err(error) if is_other(&error) => Ok(self.came(side, new, None, (side, &entry)).await?),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a version, and returns whether the name has nothing then.
    pub(super) async fn delete(&self, side: Side, name: &str, version: &Version) -> Result<bool, Trouble> {
        let Some(info) = self.both.head(side, name).await? else { return Ok(true) };
        if !version.is(&Version::of_info(&info)) {
            return Ok(false);
        }
        let key: ObjectKey = destination_key(self.toward(side), name)?;
        let guards = self.capabilities(side).conditional_deletes != Guarantee::Refused;
        let conditions = if guards { present(&info.etag) } else { WriteConditions::default() };
        let store = &self.both.end(side).store;
        match self.both.retry.run(|| store.delete(key.current(), &conditions)).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => Ok(true),
            Err(error) if is_other(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
