//! Reads the bytes that a replica holds of a key, to identify the object by its bytes.
//!
//! Owns no decision: `resolve` and `survey` draw the conclusions.

use super::member::{ANSWER, Member, nothing, one, timely};
use crate::{
    model::{ChecksumAlgorithm, ETag, ObjectKey, Span},
    store::{
        GetRequest, ObjectBody, Result,
        condition::ReadConditions,
        error::{StoreError, StoreErrorKind},
        payload::{Announced, Arrived, Digests, Payload, PayloadError},
        record::ObjectRecord,
    },
};
use futures_util::StreamExt;
use std::sync::{Arc, OnceLock};

/// Returns whether the bytes that a replica holds under an ETag of its own are those of an object. It is
/// false if the object has no digest to compare.
pub(super) async fn has_bytes(
    member: &Arc<Member>,
    key: &ObjectKey,
    etag: &ETag,
    object: &ObjectRecord,
) -> Result<bool> {
    let body = timely(ANSWER, body(member, key, etag)).await?;
    if !object.has_digest() {
        return Ok(false);
    }
    match digested(body, object.announced(Span::whole(object.size)), Payload::digests_sent).await? {
        Ok(_) => Ok(true),
        Err(_) => Ok(false),
    }
}

/// Returns the ETag that S3 gives to the bytes of an object, whatever ETag the replica has.
pub(super) async fn md5(member: &Arc<Member>, key: &ObjectKey, etag: &ETag, size: u64) -> Result<ETag> {
    let body = timely(ANSWER, body(member, key, etag)).await?;
    let announced = Announced { length: Some(size), ..Default::default() };
    let arrived = digested(body, announced, Payload::digests).await?.map_err(|error| {
        StoreError::new(StoreErrorKind::Unavailable, "a replica sent another body than it told of: try again")
            .with_source(error)
    })?;
    arrived.md5.map(ETag::from_md5).ok_or_else(nothing)
}

async fn body(member: &Arc<Member>, key: &ObjectKey, etag: &ETag) -> Result<ObjectBody> {
    let conditions = ReadConditions { if_match: Some(one(etag)), ..Default::default() };
    Ok(member.store().await?.get(key.current(), GetRequest { conditions, ..Default::default() }).await?.body)
}

/// Returns the digests of a body if it is as announced. It is an error if the body cannot be read, because
/// that says nothing about its content.
async fn digested(
    body: ObjectBody,
    announced: Announced,
    digests: impl Fn(&Payload, Option<ChecksumAlgorithm>) -> Digests,
) -> Result<std::result::Result<Arrived, PayloadError>> {
    let failed = Arc::new(OnceLock::new());
    let noted = failed.clone();
    let frames = body.into_stream().map(move |frame| {
        frame.map_err(|error| {
            let _ = noted.set(error);
            PayloadError::Source
        })
    });
    let mut payload = Payload::from_stream(frames, announced);
    let mut digests = digests(&payload, None);
    let arrived = loop {
        match payload.read(1 << 20).await {
            Ok(Some(batch)) => digests = digests.absorb(batch).await?,
            Ok(None) => break payload.check(digests),
            Err(error) => break Err(error),
        }
    };
    match (arrived, Arc::into_inner(failed).and_then(OnceLock::into_inner)) {
        (Err(_), Some(error)) => Err(error),
        (arrived, _) => Ok(arrived),
    }
}
