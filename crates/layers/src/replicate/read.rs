//! Reading: HEAD and GET of a replicated object.
//!
//! Does not own which replica is asked (`opening`).
//!
//! The record says what the object is; a replica only has the bytes, and is asked for exactly the ETag that
//! the record has for it. So a client gets the same answer from every replica.

use super::{
    bucket::Bucket,
    opening::open,
    record::Record,
    relay::{Relay, Wanted},
};
use crate::{
    model::{ObjectInfo, ObjectKey},
    store::{
        GetReply, GetRequest, ObjectBody, Result,
        condition::ReadConditions,
        error::{StoreError, StoreErrorKind},
        selection::select,
    },
};
use std::sync::Arc;

/// How often a record is read again when no replica matches it.
const TRIES: usize = 10;

pub(super) async fn head(
    bucket: &Arc<Bucket>,
    key: &ObjectKey,
    conditions: &ReadConditions,
) -> Result<ObjectInfo> {
    let record = bucket.find(key).await?;
    let info = info(bucket, &record)?;
    conditions.check(&info.etag, info.last_modified)?;
    Ok(info)
}

fn info(bucket: &Bucket, record: &Record) -> Result<ObjectInfo> {
    let mut info = record.object().ok_or(StoreErrorKind::NoSuchKey)?.info();
    info.notes.replicas = Some(record.replicas(bucket.members().iter().map(|member| member.name.as_str())));
    Ok(info)
}

pub(super) async fn get(bucket: &Arc<Bucket>, key: &ObjectKey, request: GetRequest) -> Result<GetReply> {
    let mut tries = 0;
    loop {
        let record = bucket.find(key).await?;
        let info = info(bucket, &record)?;
        request.conditions.check(&info.etag, info.last_modified)?;
        let span = select(&info, request.selection)?;
        if span.is_empty() {
            return Ok(GetReply { info, span, body: ObjectBody::Full(Default::default()) });
        }
        tries += 1;
        match open(bucket, key, &record, span, &[]).await {
            Ok(opened) => {
                let body = match opened.body {
                    ObjectBody::Full(bytes) if bytes.len() as u64 == span.len() => ObjectBody::Full(bytes),
                    body => Relay::begin(
                        bucket.clone(),
                        key.clone(),
                        record,
                        Wanted { span, member: opened.member, body },
                    ),
                };
                return Ok(GetReply { info, span, body });
            }
            // The record may have changed meanwhile, or have been corrected just now.
            Err(error) if error.kind() == StoreErrorKind::Conflict && tries < TRIES => {}
            Err(error) if error.kind() == StoreErrorKind::Conflict => {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "no replica has the object as it was written",
                )
                .with_source(error));
            }
            Err(error) => return Err(error),
        }
    }
}
