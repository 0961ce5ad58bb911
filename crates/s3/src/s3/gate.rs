//! Authorization: one exhaustive table from operation to what it needs, one gate in front of every operation.

use super::{
    error::{ErrorCode, S3Error},
    operation::Operation,
};
use crate::{
    buckets::Bucket,
    model::{CannedAcl, Principal, Right, Role},
};

/// What an operation needs. Adding an operation without a row does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Any identity.
    Identity,
    /// An identity that may write.
    CreateBucket,
    /// To read the bucket: whoever has the right to read it, or whom its ACL lets.
    ReadBucket,
    /// To read one object: as above, or whom the object's ACL lets.
    ReadObject,
    /// To write objects: whoever has the right to write, or whom the bucket's ACL lets. Never a read-only identity.
    WriteObject,
    /// To know of the bucket and its settings: whoever has the right to read it, and nobody by an ACL.
    Know,
    /// To change tags: whoever has the right to write, and nobody by an ACL.
    WriteTags,
    /// To change the bucket itself, or an ACL: its owner.
    Own,
}

pub(super) fn need(operation: Operation) -> Need {
    use Operation::*;
    match operation {
        ListBuckets => Need::Identity,
        CreateBucket => Need::CreateBucket,
        HeadBucket | ListObjects | ListObjectsV2 | ListObjectVersions => Need::ReadBucket,
        GetBucketLocation | GetBucketAcl | GetBucketVersioning | ListMultipartUploads | ListParts | GetObjectAcl | GetObjectTagging => {
            Need::Know
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
        PutObjectTagging | DeleteObjectTagging => Need::WriteTags,
        PutObjectAcl | PutBucketAcl | DeleteBucket => Need::Own,
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

/// What somebody may do for what he is, whatever ACLs let anybody do.
fn right(principal: &Principal, bucket: &Bucket) -> Right {
    principal.identity().map_or(Right::Nothing, |identity| identity.right(bucket.owner(), bucket.grants()))
}

/// Whether somebody reads a bucket for what he is, and not because an ACL lets him: only then are names of owners shown.
pub(super) fn reads_by_right(principal: &Principal, bucket: &Bucket) -> bool {
    Reads::of(principal, bucket) == Reads::ByRight
}

/// Why somebody may read an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// For what he is.
    ByRight,
    /// If the ACL lets him, as one that the server knows or not.
    ByAcl { is_known: bool },
}

impl Reads {
    pub(super) fn of(principal: &Principal, bucket: &Bucket) -> Self {
        match right(principal, bucket) >= Right::Read {
            true => Self::ByRight,
            false => Self::ByAcl { is_known: principal.identity().is_some() },
        }
    }

    pub(super) fn are_let_by(self, acl: CannedAcl) -> bool {
        match self {
            Self::ByRight => true,
            Self::ByAcl { is_known } => acl.anyone_reads() || (is_known && acl.users_read()),
        }
    }
}

/// For everything on a bucket but reading its objects, which their `Reader` decides.
pub(super) fn authorize(principal: &Principal, need: Need, bucket: &Bucket) -> Result<(), S3Error> {
    let acl = bucket.acl();
    let right = right(principal, bucket);
    let may_write = principal.identity().is_none_or(|identity| identity.role != Role::ReadOnly);
    let allowed = match need {
        Need::Identity | Need::CreateBucket => return authorize_service(principal, need),
        Need::ReadBucket => Reads::of(principal, bucket).are_let_by(acl),
        Need::Know => right >= Right::Read,
        Need::WriteObject => right >= Right::Write || (may_write && acl.anyone_writes()),
        Need::WriteTags => right >= Right::Write,
        Need::Own => right >= Right::Own,
        // Nothing may be read without its reader.
        Need::ReadObject => false,
    };
    if allowed { Ok(()) } else { Err(ErrorCode::AccessDenied.into()) }
}
