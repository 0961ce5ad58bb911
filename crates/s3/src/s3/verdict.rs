//! What policies say about a request: the one place that asks the policy crate.
//!
//! Owns how the sender of a request, its account and its policies become what the policy crate decides about.
//! Does not own roles, rights and ACLs: `gate` joins them with what is said here.
//!
//! Invariant: where neither the bucket nor the sender has a policy, nothing is built and nothing is asked.

use super::{
    action::Action,
    asker::{Asker, BodyFacts},
    condition_keys,
    decisions::Why,
    operation::Operation,
    resource::Resource,
};
use crate::{
    buckets::{Bucket, settings::BucketPolicy},
    model::{Identity, Role, account_id},
    policy::{
        Attached, Decision, Late, Member, NamedPolicy, Policies, Policy, Principal, PrincipalKind, Request,
    },
};

/// The name under which a bucket's policy is shown.
const BUCKET_POLICY: &str = "bucket policy";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A statement denies it. Nothing else allows it.
    Denied,
    /// Policies allow it, or it is up to the account of the owner.
    Allowed,
    /// Policies neither allow nor deny it.
    Silent,
    /// It depends on what is not known yet.
    Late,
}

/// The policies of a bucket and of a sender.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides<'p> {
    pub(super) bucket: Option<&'p BucketPolicy>,
    pub(super) member: Option<&'p Member>,
    /// Whether only the sender's own account is asked, whoever owns the bucket.
    is_own_alone: bool,
}

impl<'p> Sides<'p> {
    pub(super) fn new(bucket: Option<&'p BucketPolicy>, member: Option<&'p Member>) -> Self {
        Self { bucket, member, is_own_alone: false }
    }

    pub(super) fn are_empty(&self) -> bool {
        self.bucket.is_none() && self.member.is_none()
    }

    /// The identity policies alone: what the sender's own account lets it do.
    pub(super) fn own(self) -> Self {
        Self { bucket: None, is_own_alone: true, ..self }
    }

    fn all(&self) -> impl Iterator<Item = &'p Policy> {
        let named = |named: &'p NamedPolicy| &*named.policy;
        let of_member = self.member.into_iter().flat_map(move |member| {
            let session = member.session.iter().flatten();
            member.policies.iter().chain(&member.boundary).chain(session).map(named)
        });
        self.bucket.map(BucketPolicy::policy).into_iter().chain(of_member)
    }

    fn read(&self, key: Late) -> bool {
        self.all().any(|policy| policy.reads(key))
    }
}

/// Whether tags of the object that is there may decide: if a policy reads them, and the action is one that
/// has them.
pub(super) fn reads_tags(sides: &Sides<'_>, action: Action) -> bool {
    action.is_about_found_object() && sides.read(Late::ExistingObjectTag)
}

/// What the policies say. `is_further`: a header made the action necessary, so it is not about an object that
/// is there. `why` becomes the statement that allows it.
pub(super) fn verdict(
    asker: &Asker<'_>,
    action: Action,
    resource: Resource<'_>,
    sides: Sides<'_>,
    is_further: bool,
    why: Option<&mut Why>,
) -> Verdict {
    if is_late(asker, action, resource, &sides, is_further) {
        return Verdict::Late;
    }
    with_decision(asker, action, resource, sides, |decision| match decision {
        Decision::Allow(_) => {
            if let Some(why) = why {
                *why = Why::Words(decision.to_string());
            }
            Verdict::Allowed
        }
        Decision::Deny(_) => Verdict::Denied,
        Decision::Implicit(_) => Verdict::Silent,
    })
}

/// The decision in words, with the statement that it rests on.
pub(super) fn explained(
    asker: &Asker<'_>,
    action: Action,
    resource: Resource<'_>,
    sides: Sides<'_>,
) -> String {
    with_decision(asker, action, resource, sides, |decision| decision.to_string())
}

fn is_late(
    asker: &Asker<'_>,
    action: Action,
    resource: Resource<'_>,
    sides: &Sides<'_>,
    is_further: bool,
) -> bool {
    let is_unread = matches!(asker.body, BodyFacts::Unread);
    match resource {
        Resource::Keys(_) => true,
        Resource::NewBucket(_) => is_unread && sides.read(Late::LocationConstraint),
        Resource::Object(..) if !is_further && reads_tags(sides, action) => true,
        Resource::Object(..) | Resource::Opened(..) => {
            let sets_tags = asker.context.operation == Some(Operation::PutObjectTagging);
            is_unread && sets_tags && sides.read(Late::RequestObjectTag)
        }
        Resource::Bucket(_) => {
            let sets_tags = asker.context.operation == Some(Operation::TagResource);
            is_unread && sets_tags && sides.read(Late::RequestTag)
        }
        Resource::Service | Resource::Account(_) | Resource::Lookup(..) => false,
    }
}

fn with_decision<T>(
    asker: &Asker<'_>,
    action: Action,
    resource: Resource<'_>,
    sides: Sides<'_>,
    then: impl FnOnce(Decision<'_>) -> T,
) -> T {
    let identity = asker.context.principal.identity();
    let bucket = resource.bucket();
    let (account, arn) = match identity {
        Some(identity) if identity.member.is_none() => of_account(identity, bucket),
        _ => Default::default(),
    };
    let principal = match (identity, sides.member) {
        (None, _) => Principal::ANONYMOUS,
        (Some(_), Some(member)) => member.principal(),
        (Some(identity), None) => Principal {
            kind: PrincipalKind::Root,
            account: &account,
            canonical_id: &identity.owner.id,
            arn: &arn,
            id: &account,
            ..Principal::ANONYMOUS
        },
    };
    let of_identity = sides.member.map(|member| attached_all(&member.policies)).unwrap_or_default();
    let of_session = sides.member.and_then(|member| member.session.as_deref()).map(attached_all);
    let policies = Policies {
        identity: &of_identity,
        boundary: sides.member.and_then(|member| member.boundary.as_ref()).map(attached),
        session: of_session.as_deref(),
        bucket: sides.bucket.map(|policy| Attached { name: BUCKET_POLICY, policy: policy.policy() }),
        owner: owner(identity.map(|identity| &**identity), resource, &sides),
    };
    let action = if resource.is_version() { action.on_version() } else { action };
    let (keys, resource) = (condition_keys::keys(asker, action, resource), resource.to_string());
    then(policies.decide(&Request::new(principal, action.in_policies(), &resource, keys)))
}

fn attached(named: &NamedPolicy) -> Attached<'_> {
    Attached { name: &named.name, policy: &named.policy }
}

fn attached_all(list: &[NamedPolicy]) -> Vec<Attached<'_>> {
    list.iter().map(attached).collect()
}

/// The id and the ARN of the account that an identity is.
fn of_account(identity: &Identity, bucket: Option<&Bucket>) -> (String, String) {
    let account = match bucket {
        Some(bucket) if bucket.owner().id == identity.owner.id => bucket.account().to_owned(),
        _ => account_id(&identity.owner.id).to_string(),
    };
    let arn = format!("arn:aws:iam::{account}:root");
    (account, arn)
}

/// The account that the resource belongs to. `None`: the sender's own. An administrator acts as the account
/// of every owner.
fn owner<'r>(identity: Option<&Identity>, resource: Resource<'r>, sides: &Sides<'_>) -> Option<&'r str> {
    let acts_as_owner =
        identity.is_some_and(|identity| identity.member.is_none() && identity.role == Role::Admin);
    let owner = match resource {
        Resource::Account(id) => Some(id),
        _ => resource.bucket().map(Bucket::account),
    };
    owner.filter(|_| !acts_as_owner && !sides.is_own_alone)
}
