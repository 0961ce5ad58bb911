//! Authorization: one exhaustive table from operation to what it needs, one gate in front of every operation.

use super::{
    error::{ErrorCode, S3Error},
    operation::Operation,
};
use crate::{
    buckets::Bucket,
    model::{CannedAcl, ObjectKey, Principal, Role},
    store::error::StoreErrorKind,
};

/// What an operation needs. Adding an operation without a row does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Any identity.
    Identity,
    /// An identity that may write.
    CreateBucket,
    /// To read the bucket: its owner, or whom its ACL lets.
    ReadBucket,
    /// To read one object: as above, or whom the object's ACL lets.
    ReadObject,
    /// To write objects: the owner, or whom the bucket's ACL lets. Never a read-only identity.
    WriteObject,
    /// To know of the bucket and its settings: its owner.
    OwnRead,
    /// To change the bucket itself, or an ACL: its owner.
    OwnWrite,
}

pub(super) fn need(operation: Operation) -> Need {
    use Operation::*;
    match operation {
        ListBuckets => Need::Identity,
        CreateBucket => Need::CreateBucket,
        HeadBucket | ListObjects | ListObjectsV2 | ListObjectVersions => Need::ReadBucket,
        GetBucketLocation | GetBucketAcl | GetBucketVersioning | ListMultipartUploads | ListParts | GetObjectAcl | GetObjectTagging => {
            Need::OwnRead
        }
        GetObject | HeadObject | GetObjectAttributes => Need::ReadObject,
        PutObject
        | CopyObject
        | DeleteObject
        | DeleteObjects
        | CreateMultipartUpload
        | UploadPart
        | UploadPartCopy
        | CompleteMultipartUpload
        | AbortMultipartUpload => Need::WriteObject,
        PutObjectTagging | DeleteObjectTagging | PutObjectAcl | PutBucketAcl | DeleteBucket => Need::OwnWrite,
    }
}

/// For operations that have no bucket yet.
pub(super) fn authorize_service(principal: &Principal, need: Need) -> Result<(), S3Error> {
    let allowed = match (principal.identity(), need) {
        (Some(_), Need::Identity) => true,
        (Some(identity), Need::CreateBucket) => identity.role != Role::ReadOnly,
        _ => false,
    };
    if allowed { Ok(()) } else { Err(ErrorCode::AccessDenied.into()) }
}

/// Whether somebody reads a bucket for what he is, and not because an ACL grants it: only then are tags and names of owners shown.
pub(super) fn reads_as_own(principal: &Principal, bucket: &Bucket) -> bool {
    principal.identity().is_some_and(|identity| identity.role == Role::Admin || bucket.owner().id == identity.owner.id)
}

/// For everything on a bucket; `key` where the operation has one.
pub(super) async fn authorize(principal: &Principal, need: Need, bucket: &Bucket, key: Option<&ObjectKey>) -> Result<(), S3Error> {
    let acl = bucket.acl();
    let known = principal.identity().is_some();
    let reads = reads_as_own(principal, bucket);
    let may_write = principal.identity().is_none_or(|identity| identity.role != Role::ReadOnly);
    let writes = reads && may_write;
    let readable = |acl: CannedAcl| acl.anyone_reads() || (known && acl.users_read());
    let allowed = match need {
        Need::Identity | Need::CreateBucket => return authorize_service(principal, need),
        Need::ReadBucket => reads || readable(acl),
        Need::OwnRead => reads,
        Need::WriteObject => writes || (may_write && acl.anyone_writes()),
        Need::OwnWrite => writes,
        Need::ReadObject => {
            reads
                || match key {
                    Some(key) => match bucket.store().head(key, &Default::default()).await {
                        Ok(info) => readable(info.attributes.acl),
                        // Whoever may list may know that there is nothing.
                        Err(error) if error.kind() == StoreErrorKind::NoSuchKey => readable(acl),
                        Err(error) => return Err(error.into()),
                    },
                    None => false,
                }
        }
    };
    if allowed { Ok(()) } else { Err(ErrorCode::AccessDenied.into()) }
}
