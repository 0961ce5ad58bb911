//! Which ACLs a bucket accepts, and which it shows: what its ownership controls and its block of public
//! access say about them.
//!
//! Does not own what an ACL grants: the gate does. Invariant: an ACL that would count for nothing is refused,
//! never accepted and forgotten.

use super::{ErrorCode, S3Error};
use crate::{
    buckets::{
        Bucket,
        settings::{BucketSettings, OwnershipControls, PublicAccessBlock},
    },
    model::{CannedAcl, ObjectOwnership},
};

/// Whether ACLs are off: they grant nothing, and only one that changes nothing can be set.
fn are_off(settings: &BucketSettings) -> bool {
    *settings.get::<OwnershipControls>() == Some(ObjectOwnership::BucketOwnerEnforced)
}

/// Refuses a request whose header gives an ACL that the bucket does not accept.
pub(super) fn admit_canned(acl: CannedAcl, bucket: &Bucket) -> Result<(), S3Error> {
    let settings = bucket.settings();
    if are_off(&settings) && acl != CannedAcl::BucketOwnerFullControl {
        return Err(ErrorCode::AccessControlListNotSupported.into());
    }
    admit_public(acl, &settings)
}

/// Refuses the ACL of a document that the bucket does not accept. Where ACLs are off, only the owner may be
/// in it.
pub(super) fn admit_document(acl: CannedAcl, bucket: &Bucket) -> Result<(), S3Error> {
    let settings = bucket.settings();
    if are_off(&settings) && is_public(acl) {
        return Err(ErrorCode::AccessControlListNotSupported.into());
    }
    admit_public(acl, &settings)
}

fn admit_public(acl: CannedAcl, settings: &BucketSettings) -> Result<(), S3Error> {
    let is_blocked = settings.get::<PublicAccessBlock>().is_some_and(|access| access.block_public_acls);
    if is_blocked && is_public(acl) { Err(ErrorCode::AccessDenied.into()) } else { Ok(()) }
}

/// Amazon S3 User Guide, "The meaning of public": a grant to everybody, or to every authenticated user.
fn is_public(acl: CannedAcl) -> bool {
    acl.anyone_reads() || acl.anyone_writes() || acl.users_read()
}

/// The ACL that the bucket shows for one that is stored. Where ACLs are off, the owner has everything.
pub(super) fn shown(acl: CannedAcl, bucket: &Bucket) -> CannedAcl {
    if are_off(&bucket.settings()) { CannedAcl::Private } else { acl }
}

/// Refuses an ownership that turns off an ACL which grants something.
pub(super) fn admit_ownership(ownership: Option<ObjectOwnership>, acl: CannedAcl) -> Result<(), S3Error> {
    if ownership == Some(ObjectOwnership::BucketOwnerEnforced) && is_public(acl) {
        return Err(ErrorCode::InvalidBucketAclWithObjectOwnership.into());
    }
    Ok(())
}
