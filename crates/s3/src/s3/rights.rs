//! What roles, rights in a bucket and ACLs allow, whatever policies say.
//!
//! Does not own how these rules and policies are joined: `gate` does. Invariants: a read-only account only
//! reads; for an object that was not opened yet, its ACL allows nothing.

use super::{
    action::{Action, Needed},
    context::Context,
    resource::Resource,
    verdict::Verdict,
};
use crate::{
    buckets::{
        Bucket,
        settings::{BucketAcl, BucketSettings},
    },
    model::{Acl, AclPermission, Identity, PublicGrants, Right, Role, account_id},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Allow,
    Deny,
    /// The decision depends on the key, on the object that is found there, or on the body: ask again with
    /// that.
    Depends,
}

impl Decision {
    /// Two needs are allowed if both are.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Deny, _) | (_, Self::Deny) => Self::Deny,
            (Self::Depends, _) | (_, Self::Depends) => Self::Depends,
            (Self::Allow, Self::Allow) => Self::Allow,
        }
    }

    fn or(self, other: Self) -> Self {
        if self == Self::Deny { other } else { self }
    }
}

impl From<bool> for Decision {
    fn from(allowed: bool) -> Self {
        if allowed { Self::Allow } else { Self::Deny }
    }
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allowed => Self::Allow,
            Verdict::Late => Self::Depends,
            Verdict::Denied | Verdict::Silent => Self::Deny,
        }
    }
}

/// Whether the account of the sender lets it ask. Policies of a user or a session were asked already.
pub(super) fn lets_ask(identity: Option<&Identity>, action: Action) -> bool {
    identity.is_none_or(|identity| {
        identity.member.is_some() || identity.role != Role::ReadOnly || action.only_reads()
    })
}

/// Whether the sender acts as the account that owns a bucket, or as a part of that account.
pub(super) fn is_of_owner(context: &Context, bucket: &Bucket) -> bool {
    context.principal.identity().is_some_and(|identity| is_ours(identity, bucket))
}

pub(super) fn is_ours(identity: &Identity, bucket: &Bucket) -> bool {
    identity.owner.id == bucket.owner().id || (identity.member.is_none() && identity.role == Role::Admin)
}

/// Whether what the sender writes belongs to the owner of the bucket in any case.
pub(super) fn writes_for_owner(identity: &Identity, bucket: &Bucket) -> bool {
    is_ours(identity, bucket)
        || (identity.member.is_none() && identity.right(bucket.owner(), bucket.grants()) >= Right::Write)
}

/// The role of an account, and its grants. Users and sessions have policies instead.
pub(super) fn by_role(context: &Context, needed: Needed, resource: Resource<'_>) -> bool {
    let identity = context.principal.identity();
    let Some(identity) = identity.filter(|identity| identity.member.is_none()) else { return false };
    let Some(bucket) = resource.bucket() else {
        let is_itself =
            || matches!(resource, Resource::Account(id) if *id == *account_id(&identity.owner.id));
        return match needed {
            Needed::Identity => true,
            Needed::Writer => identity.role != Role::ReadOnly,
            Needed::Account => is_itself(),
            Needed::AccountWriter => identity.role != Role::ReadOnly && is_itself(),
            Needed::ReadBucket | Needed::ReadObject | Needed::ReadAcl | Needed::Know => false,
            Needed::Write | Needed::WriteTags | Needed::WriteAcl | Needed::Own => false,
        };
    };
    let right = identity.right(bucket.owner(), bucket.grants());
    match needed {
        Needed::Identity | Needed::Writer | Needed::Account | Needed::AccountWriter => false,
        Needed::ReadBucket | Needed::ReadObject | Needed::ReadAcl | Needed::Know => right >= Right::Read,
        Needed::Write | Needed::WriteTags => right >= Right::Write,
        Needed::WriteAcl | Needed::Own => right >= Right::Own,
    }
}

/// What ACLs grant to the account of the sender, to every identity, or to everybody.
pub(super) fn by_acl(
    context: &Context,
    needed: Needed,
    resource: Resource<'_>,
    settings: Option<&BucketSettings>,
) -> Decision {
    let (Some(settings), Some(permission)) = (settings, permission(needed)) else { return Decision::Deny };
    if settings.acls_are_off() {
        return Decision::Deny;
    }
    let identity = context.principal.identity();
    let is_reader =
        identity.is_some_and(|identity| identity.member.is_none() && identity.role == Role::ReadOnly);
    if is_reader && !permission.only_reads() {
        return Decision::Deny;
    }
    let is_ignored = resource.bucket().is_some_and(|bucket| bucket.public_access().ignore_public_acls);
    let public = if is_ignored { PublicGrants::Ignored } else { PublicGrants::Count };
    let account = identity.map(|identity| &*identity.owner.id);
    let allows = |acl: &Acl| Decision::from(acl.allows(permission, account, public));
    let is_about_bucket = matches!(needed, Needed::ReadBucket | Needed::Write);
    match resource {
        Resource::Service | Resource::Account(_) | Resource::NewBucket(_) => Decision::Deny,
        _ if is_about_bucket => allows(settings.get::<BucketAcl>()),
        Resource::Bucket(_) | Resource::Lookup(..) if needed == Needed::ReadObject => Decision::Deny,
        Resource::Bucket(_) | Resource::Lookup(..) => allows(settings.get::<BucketAcl>()),
        Resource::Opened(bucket, _, info) => {
            let acl = &info.attributes.acl;
            let is_bucket_owner = account == Some(&*bucket.owner().id);
            allows(acl).or((is_bucket_owner && acl.allows_bucket_owner(permission)).into())
        }
        Resource::Keys(_) | Resource::Object(..) => Decision::Depends,
    }
}

/// What an ACL has to grant.
fn permission(needed: Needed) -> Option<AclPermission> {
    match needed {
        Needed::ReadBucket | Needed::ReadObject => Some(AclPermission::Read),
        Needed::Write => Some(AclPermission::Write),
        Needed::ReadAcl => Some(AclPermission::ReadAcp),
        Needed::WriteAcl => Some(AclPermission::WriteAcp),
        Needed::Identity | Needed::Writer | Needed::Account | Needed::AccountWriter => None,
        Needed::Know | Needed::WriteTags | Needed::Own => None,
    }
}
