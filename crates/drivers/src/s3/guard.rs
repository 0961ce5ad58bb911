//! Conditions of a write, as the storage's headers express them.
//!
//! Invariant: only conditions that the storage was found to check are sent to it. All others are refused
//! before anything is written.

use super::{bucket::S3Store, client::Call, dialect::Dialect};
use crate::{
    model::ETag,
    store::{
        Result,
        condition::{Current, ETagMatch, WriteConditions},
        error::{StoreError, StoreErrorKind},
    },
};
use http::HeaderMap;

/// The condition of a write in the storage's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Guard {
    None,
    Absent,
    Tag(ETag),
    /// GCS: the object's generation; 0 means that no object exists.
    Generation(u64),
}

impl Guard {
    pub(super) fn apply<'c>(&self, call: Call<'c>) -> Call<'c> {
        match self {
            Self::None => call,
            Self::Absent => call.text("if-none-match", "*"),
            Self::Tag(etag) => call.text("if-match", &etag.quoted()),
            Self::Generation(generation) => call.text("x-goog-if-generation-match", &generation.to_string()),
        }
    }
}

impl S3Store {
    /// Returns the conditions that the storage checks when it publishes. Only conditions that it is known to
    /// check are sent.
    pub(super) async fn guard(
        &self,
        name: &str,
        conditions: &WriteConditions,
        deleting: bool,
    ) -> Result<Guard> {
        if conditions.is_empty() {
            return Ok(Guard::None);
        }
        let features = self.features().await?;
        let kept = if deleting { features.conditional_deletes } else { features.create && features.swap };
        if !kept {
            let what = if deleting { "deletes" } else { "writes" };
            return Err(StoreError::new(
                StoreErrorKind::NotImplemented,
                format!("The storage behind this bucket has no conditional {what}"),
            ));
        }
        let only_tags = conditions.last_modified.is_none() && conditions.size.is_none();
        if self.dialect() == Dialect::S3 && only_tags {
            match (&conditions.if_match, &conditions.if_none_match) {
                (None, Some(ETagMatch::Any)) if !deleting => return Ok(Guard::Absent),
                (Some(ETagMatch::OneOf(tags)), None) if tags.len() == 1 => {
                    return Ok(Guard::Tag(tags[0].clone()));
                }
                _ => {}
            }
        }
        if self.dialect() == Dialect::Gcs
            && !deleting
            && only_tags
            && conditions.wants_absent()
            && conditions.if_match.is_none()
        {
            return Ok(Guard::Generation(0));
        }
        // Any other condition is evaluated here, and the write is sent with the condition that the object is
        // unchanged.
        let found = match self.look(name, HeaderMap::new()).await {
            Ok(found) => Some(found),
            Err(error) if error.kind() == StoreErrorKind::NoSuchKey => None,
            Err(error) => return Err(error),
        };
        let current = found.as_ref().map(|(info, _)| Current {
            etag: &info.etag,
            size: info.size,
            last_modified: info.last_modified,
        });
        conditions.check(current)?;
        Ok(match (found, self.dialect()) {
            (None, Dialect::S3) => Guard::Absent,
            (None, Dialect::Gcs) => Guard::Generation(0),
            (Some((info, _)), Dialect::S3) => Guard::Tag(info.etag),
            (Some((_, headers)), Dialect::Gcs) => {
                let generation =
                    headers.get("x-goog-generation").and_then(|value| value.to_str().ok()?.parse().ok());
                let none =
                    || StoreError::new(StoreErrorKind::Internal, "the storage's reply has no generation");
                Guard::Generation(generation.ok_or_else(none)?)
            }
        })
    }
}
