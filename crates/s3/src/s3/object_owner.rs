//! Who owns an object: the account that wrote it, or the owner of its bucket.
//!
//! Owns the rule for new objects, and whose an object is that is there. Does not own what an owner may do:
//! `gate` does. An owner is stored only if it is not the bucket's.
//!
//! Invariant: where ACLs are off, everything belongs to the owner of the bucket, whoever wrote it and when.

use super::{context::Context, error::ErrorCode, error::S3Error, rights};
use crate::{
    access::AccountIds,
    buckets::{Bucket, settings::BucketSettings, settings::OwnershipControls},
    model::{Acl, CannedAcl, CanonicalId, ObjectOwnership, Owner},
};

/// The owner to store with an object that this sender writes with this ACL. `None`: the owner of the bucket.
///
/// Administrators, and whoever may write by a grant of the configuration, write for the owner of the bucket.
/// So does a sender without a signature: on AWS its objects belong to everybody.
pub(super) fn of_new(context: &Context, acl: &Acl, bucket: &Bucket) -> Result<Option<CanonicalId>, S3Error> {
    let Some(identity) = context.principal.identity() else { return Ok(None) };
    if rights::writes_for_owner(identity, bucket) {
        return Ok(None);
    }
    let gives_away = *acl == Acl::Canned(CannedAcl::BucketOwnerFullControl);
    match *bucket.settings().get::<OwnershipControls>() {
        Some(ObjectOwnership::BucketOwnerEnforced) => Ok(None),
        Some(ObjectOwnership::BucketOwnerPreferred) if gives_away => Ok(None),
        Some(ObjectOwnership::BucketOwnerPreferred | ObjectOwnership::ObjectWriter) | None => {
            // Every account has such an id. Without one, the object must not become somebody else's.
            CanonicalId::parse(&identity.owner.id).map(Some).ok_or_else(|| ErrorCode::InternalError.into())
        }
    }
}

/// The owner in force of an object with this stored owner, if it is not the owner of the bucket.
pub(super) fn other<'o>(
    stored: Option<&'o CanonicalId>,
    bucket: &Bucket,
    settings: &BucketSettings,
) -> Option<&'o CanonicalId> {
    stored.filter(|id| !settings.acls_are_off() && id.as_str() != &*bucket.owner().id)
}

/// The owner to show. An account that was removed has no name.
pub(super) fn shown(stored: Option<&CanonicalId>, bucket: &Bucket, accounts: &dyn AccountIds) -> Owner {
    let Some(id) = other(stored, bucket, &bucket.settings()) else { return bucket.owner().clone() };
    accounts
        .owner(id.as_str())
        .unwrap_or_else(|| Owner { id: id.as_str().into(), display_name: Default::default() })
}
