//! Authorization: whether a principal may do an action to a resource. One function decides, and every
//! operation asks it.
//!
//! Owns the rules: today those of roles, of rights in a bucket and of canned ACLs. Does not own which actions
//! an operation needs (`operations`), nor what each action requires of a principal (`action`).
//!
//! Invariants:
//! - what no rule allows is denied;
//! - for an object that was not opened yet, its ACL allows nothing: see `reader`.

use super::{
    action::{Action, Needed},
    context::Context,
    error::{ErrorCode, S3Error},
    identification,
    operation::{Need, On, Operation},
};
use crate::{
    buckets::Bucket,
    model::{CannedAcl, ObjectInfo, ObjectKey, Right, Role},
};
use std::fmt;

/// The resource of an action.
#[derive(Debug, Clone, Copy)]
pub(super) enum Resource<'a> {
    Service,
    /// A bucket that is to be made, by its name.
    NewBucket(&'a str),
    Bucket(&'a Bucket),
    /// Keys of a bucket that are not known yet.
    Keys(&'a Bucket),
    /// A key, whatever is there.
    Object(&'a Bucket, &'a ObjectKey),
    /// The object that was found at the key.
    Opened(&'a Bucket, &'a ObjectKey, &'a ObjectInfo),
}

impl<'a> Resource<'a> {
    fn bucket(self) -> Option<&'a Bucket> {
        match self {
            Self::Service | Self::NewBucket(_) => None,
            Self::Bucket(bucket)
            | Self::Keys(bucket)
            | Self::Object(bucket, _)
            | Self::Opened(bucket, _, _) => Some(bucket),
        }
    }
}

/// The name that policies give it.
impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("*"),
            Self::NewBucket(name) => write!(f, "{}{name}", identification::ARN_PREFIX),
            Self::Bucket(bucket) => write!(f, "{}{}", identification::ARN_PREFIX, bucket.name()),
            Self::Keys(bucket) => write!(f, "{}{}/*", identification::ARN_PREFIX, bucket.name()),
            Self::Object(bucket, key) | Self::Opened(bucket, key, _) => {
                write!(f, "{}{}/{key}", identification::ARN_PREFIX, bucket.name())
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Allow,
    Deny,
    /// The decision depends on the key, or on the object that is found there: ask again with that.
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
}

impl From<bool> for Decision {
    fn from(allowed: bool) -> Self {
        if allowed { Self::Allow } else { Self::Deny }
    }
}

/// Whether the principal of a request may do an action to a resource.
pub(super) fn decide(context: &Context, action: Action, resource: Resource<'_>) -> Decision {
    // No rule here speaks of members of accounts: their policies do.
    if context.principal.identity().is_some_and(|identity| identity.member.is_some()) {
        return Decision::Deny;
    }
    by_roles_and_acls(context, action.needed(), resource)
}

/// 403 for a request that was denied, which the log explains.
pub(super) fn denied(context: &Context, resource: Resource<'_>) -> S3Error {
    let identity = context.principal.identity().map(|identity| identity.access_key.as_str());
    let operation = context.operation.map(Operation::as_str);
    let id = &context.arrival.id;
    tracing::debug!(request = %id, identity, operation, resource = resource.to_string(), "access was denied");
    ErrorCode::AccessDenied.into()
}

fn by_roles_and_acls(context: &Context, needed: Needed, resource: Resource<'_>) -> Decision {
    let identity = context.principal.identity();
    let writes = identity.is_none_or(|identity| identity.role != Role::ReadOnly);
    let Some(bucket) = resource.bucket() else {
        return match needed {
            Needed::Identity => identity.is_some(),
            Needed::Writer => identity.is_some() && writes,
            Needed::ReadBucket | Needed::ReadObject | Needed::Know => false,
            Needed::Write | Needed::WriteTags | Needed::Own => false,
        }
        .into();
    };
    // The rights of the principal itself, whatever ACLs allow to anybody.
    let right = identity.map_or(Right::Nothing, |identity| identity.right(bucket.owner(), bucket.grants()));
    let reads_by = |acl: CannedAcl| acl.anyone_reads() || (identity.is_some() && acl.users_read());
    match needed {
        Needed::Identity | Needed::Writer => false,
        Needed::ReadBucket => right >= Right::Read || reads_by(bucket.acl()),
        Needed::Know => right >= Right::Read,
        Needed::Write => right >= Right::Write || (writes && bucket.acl().anyone_writes()),
        Needed::WriteTags => right >= Right::Write,
        Needed::Own => right >= Right::Own,
        Needed::ReadObject => match resource {
            _ if right >= Right::Read => true,
            Resource::Opened(_, _, info) => reads_by(info.attributes.acl),
            Resource::Keys(_) | Resource::Object(..) => return Decision::Depends,
            Resource::Service | Resource::NewBucket(_) | Resource::Bucket(_) => false,
        },
    }
    .into()
}

/// The resolved address of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addressed<'a> {
    /// The name of the bucket, where there is none yet.
    pub(super) name: &'a str,
    pub(super) bucket: Option<&'a Bucket>,
    pub(super) key: Option<&'a ObjectKey>,
}

impl<'a> Addressed<'a> {
    fn resource(self, on: On) -> Option<Resource<'a>> {
        match (on, self.bucket, self.key) {
            (On::Service, None, None) => Some(Resource::Service),
            (On::NewBucket, None, None) => Some(Resource::NewBucket(self.name)),
            (On::Bucket, Some(bucket), _) => Some(Resource::Bucket(bucket)),
            (On::EachKey, Some(bucket), _) => Some(Resource::Keys(bucket)),
            (On::Object, Some(bucket), Some(key)) => Some(Resource::Object(bucket, key)),
            (On::Service | On::NewBucket | On::Bucket | On::EachKey | On::Object | On::Source, _, _) => None,
        }
    }
}

/// Refuses a request that lacks a right it needs, before anything of it is done. What the handler decides
/// later may still be denied: each key of a list, and the source of a copy, which `copying` resolves.
pub(super) fn admit(context: &Context, needs: &[Need], addressed: Addressed<'_>) -> Result<(), S3Error> {
    for need in needs.iter().filter(|need| need.on != On::Source) {
        let resource = addressed.resource(need.on).ok_or(ErrorCode::AccessDenied)?;
        match decide(context, need.action, resource) {
            Decision::Allow => {}
            Decision::Depends if need.on == On::EachKey => {}
            Decision::Depends | Decision::Deny => return Err(denied(context, resource)),
        }
    }
    Ok(())
}
