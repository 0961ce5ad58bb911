//! Which ACLs a bucket accepts, and which it shows: what its ownership controls and its block of public
//! access say about them.
//!
//! Does not own what an ACL grants: the gate does. Invariant: an ACL that would count for nothing is refused,
//! never accepted and forgotten.

use super::{ErrorCode, S3Error, grantee};
use crate::{
    access::AccountIds,
    buckets::Bucket,
    model::{Acl, CannedAcl, Grantee, ObjectOwnership, Owner, PublicAccess},
};

/// Refuses a request whose headers give an ACL that the bucket does not accept.
pub(super) fn admit_header(acl: &Acl, bucket: &Bucket, accounts: &dyn AccountIds) -> Result<(), S3Error> {
    let settings = bucket.settings();
    admit_known(acl, bucket.owner(), accounts)?;
    let is_owners = match acl {
        Acl::Canned(canned) => *canned == CannedAcl::BucketOwnerFullControl,
        Acl::Granted(_) => acl.is_owners_alone(&bucket.owner().id),
    };
    if settings.acls_are_off() && !is_owners {
        return Err(ErrorCode::AccessControlListNotSupported.into());
    }
    admit_public(acl, bucket.public_access())
}

/// Refuses the ACL of a document that the bucket does not accept. Where ACLs are off, only the owner may be
/// in it.
pub(super) fn admit_document(acl: &Acl, bucket: &Bucket) -> Result<(), S3Error> {
    if bucket.settings().acls_are_off() && !acl.is_owners_alone(&bucket.owner().id) {
        return Err(ErrorCode::AccessControlListNotSupported.into());
    }
    admit_public(acl, bucket.public_access())
}

/// Refuses grants to accounts that do not exist.
pub(super) fn admit_known(acl: &Acl, owner: &Owner, accounts: &dyn AccountIds) -> Result<(), S3Error> {
    for grant in acl.grants() {
        if let Grantee::Account(id) = &grant.grantee
            && id.as_str() != &*owner.id
            && accounts.owner(id.as_str()).is_none()
        {
            return Err(grantee::unknown_account(id.as_str()));
        }
    }
    Ok(())
}

/// Refuses a public ACL where such ACLs are blocked.
pub(super) fn admit_public(acl: &Acl, access: PublicAccess) -> Result<(), S3Error> {
    if access.block_public_acls && acl.is_public() { Err(ErrorCode::AccessDenied.into()) } else { Ok(()) }
}

/// The ACL that the bucket shows for one that is stored. Where ACLs are off, the owner has everything.
pub(super) fn shown(acl: Acl, bucket: &Bucket) -> Acl {
    if bucket.settings().acls_are_off() { Acl::default() } else { acl }
}

/// Refuses an ownership that turns off an ACL which grants something to others than the owner.
pub(super) fn admit_ownership(
    ownership: Option<ObjectOwnership>,
    acl: &Acl,
    owner: &Owner,
) -> Result<(), S3Error> {
    if ownership == Some(ObjectOwnership::BucketOwnerEnforced) && acl.gives_to_others_than(&owner.id) {
        return Err(ErrorCode::InvalidBucketAclWithObjectOwnership.into());
    }
    Ok(())
}
