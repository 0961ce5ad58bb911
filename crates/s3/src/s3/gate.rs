//! Authorization: whether a principal may do an action to a resource. One function decides, and every
//! operation asks it.
//!
//! Owns how the rules are joined: policies (`verdict`), and roles, rights in a bucket and ACLs (`rights`).
//! Does not own which actions an operation needs (`operations`), nor what each action requires of a role
//! (`action`).
//!
//! Invariants:
//! - a statement of a policy that denies wins over everything; what no rule allows is denied;
//! - a user or a session is allowed nothing that its own policies do not allow, whatever its account may;
//! - a read-only account only reads, whatever a bucket lets it do;
//! - an object of another account than the bucket's is that account's: the bucket's owner and its policy may
//!   deny it to anybody, and allow it to nobody;
//! - for an object that was not opened yet, its owner, its ACL and its tags allow nothing: see `reader`.

pub(super) use super::rights::Decision;
use super::{
    action::{Action, Needed},
    asker::Asker,
    decisions::Why,
    error::{ErrorCode, S3Error},
    object_owner,
    operation::{Facts, On, Operation},
    recording,
    resource::Resource,
    rights::{by_acl, by_role, is_ours, lets_ask},
    verdict::{self, Sides, Verdict, verdict},
};
use crate::{
    buckets::{
        Bucket,
        settings::{BucketPolicy, BucketSettings, PolicyDocument},
    },
    model::{Identity, ObjectAddress, ObjectKey, Role},
};
use std::sync::Arc;

/// An action to decide about.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    action: Action,
    /// What roles and ACLs require for it.
    needed: Needed,
    /// Whether a header of the request made it necessary, beside the action of the operation.
    is_further: bool,
}

impl Wanted {
    fn by(action: Action) -> Self {
        Self { action, needed: action.needed(), is_further: false }
    }
}

/// Whether the principal of a request may do an action to a resource. Nothing is kept of the answer: see
/// [`judge`].
pub(super) fn decide(asker: &Asker<'_>, action: Action, resource: Resource<'_>) -> Decision {
    decide_wanted(asker, Wanted::by(action), resource, None)
}

/// Decides for an operation that does the action if it may. That it may is kept for operators; a refusal is
/// kept by [`denied`].
pub(super) fn judge(asker: &Asker<'_>, action: Action, resource: Resource<'_>) -> Decision {
    judge_wanted(asker, Wanted::by(action), resource)
}

fn judge_wanted(asker: &Asker<'_>, wanted: Wanted, resource: Resource<'_>) -> Decision {
    let mut why = Why::Acl;
    let decision = decide_wanted(asker, wanted, resource, Some(&mut why));
    if decision == Decision::Allow {
        recording::keep(asker, wanted.action, resource, true, why);
    }
    decision
}

/// `why` becomes what an allowing decision rests on, unless it is an ACL.
fn decide_wanted(
    asker: &Asker<'_>,
    wanted: Wanted,
    resource: Resource<'_>,
    why: Option<&mut Why>,
) -> Decision {
    let settings = resource.bucket().map(Bucket::settings);
    let settings = settings.as_deref();
    let is_about_found = wanted.action.is_about_found_object() && !wanted.is_further;
    let (true, Some(in_force)) = (is_about_found, settings.filter(|settings| !settings.acls_are_off()))
    else {
        return decide_ours(asker, wanted, resource, settings, why);
    };
    match resource {
        Resource::Opened(bucket, _, info) => {
            match object_owner::other(info.attributes.owner.as_ref(), bucket, in_force) {
                Some(owner) => decide_foreign(asker, wanted, resource, in_force, owner.as_str(), why),
                None => decide_ours(asker, wanted, resource, settings, why),
            }
        }
        // Nobody knows yet whose object it is.
        Resource::Object(..) => match decide_ours(asker, wanted, resource, settings, why) {
            Decision::Allow if is_administrator(asker) => Decision::Allow,
            Decision::Allow | Decision::Depends => Decision::Depends,
            Decision::Deny => match asker.context.principal.identity() {
                Some(identity)
                    if decide_foreign(asker, wanted, resource, in_force, &identity.owner.id, None)
                        != Decision::Deny =>
                {
                    Decision::Depends
                }
                _ => Decision::Deny,
            },
        },
        _ => decide_ours(asker, wanted, resource, settings, why),
    }
}

/// Decides about an object that belongs to another account than its bucket. Policies of the bucket may deny,
/// and allow nothing (S3 User Guide, "Bucket policies for Amazon S3": the permissions attached to a bucket
/// apply to the objects that its owner owns).
fn decide_foreign(
    asker: &Asker<'_>,
    wanted: Wanted,
    resource: Resource<'_>,
    settings: &BucketSettings,
    owner: &str,
    why: Option<&mut Why>,
) -> Decision {
    let identity = asker.context.principal.identity().map(Arc::as_ref);
    let sides = sides(Some(settings), identity);
    let read = |sides: Sides<'_>| verdict(asker, wanted.action, resource, sides, wanted.is_further, None);
    let said_by_all = if sides.are_empty() { Verdict::Silent } else { read(sides) };
    match said_by_all {
        Verdict::Denied => return Decision::Deny,
        Verdict::Late => return Decision::Depends,
        Verdict::Allowed | Verdict::Silent if is_shut_out(identity, resource, Some(settings)) => {
            return Decision::Deny;
        }
        Verdict::Allowed | Verdict::Silent => {}
    }
    let is_owner = identity.is_some_and(|identity| &*identity.owner.id == owner);
    let granted = if is_administrator(asker) || is_owner {
        said(why, || if is_owner { Why::ObjectOwner } else { Why::Administrator });
        Decision::from(lets_ask(identity, wanted.action))
    } else {
        by_acl(asker.context, wanted.needed, resource, Some(settings))
    };
    // What the account may do, its members may do as far as their own policies let them.
    match granted {
        Decision::Deny => Decision::Deny,
        granted if sides.member.is_some() => granted.and(read(sides.own()).into()),
        granted => granted,
    }
}

/// An administrator acts as the account of every owner. Its users and sessions do not.
fn is_administrator(asker: &Asker<'_>) -> bool {
    let identity = asker.context.principal.identity();
    identity.is_some_and(|identity| identity.member.is_none() && identity.role == Role::Admin)
}

/// Decides about what belongs to the owner of the bucket.
fn decide_ours(
    asker: &Asker<'_>,
    wanted: Wanted,
    resource: Resource<'_>,
    settings: Option<&BucketSettings>,
    mut why: Option<&mut Why>,
) -> Decision {
    let identity = asker.context.principal.identity().map(Arc::as_ref);
    let sides = sides(settings, identity);
    if sides.are_empty() {
        return match by_role(asker.context, wanted.needed, resource) {
            true => {
                said(why, || role(identity, resource));
                Decision::Allow
            }
            false => by_acl(asker.context, wanted.needed, resource, settings),
        };
    }
    let read = |sides: Sides<'_>, why: Option<&mut Why>| {
        verdict(asker, wanted.action, resource, sides, wanted.is_further, why)
    };
    let is_shut_out = is_shut_out(identity, resource, settings);
    match read(sides, why.as_deref_mut()) {
        Verdict::Denied => Decision::Deny,
        Verdict::Late => Decision::Depends,
        Verdict::Allowed if !is_shut_out && lets_ask(identity, wanted.action) => Decision::Allow,
        Verdict::Allowed | Verdict::Silent if by_role(asker.context, wanted.needed, resource) => {
            said(why, || role(identity, resource));
            Decision::Allow
        }
        Verdict::Allowed | Verdict::Silent if is_shut_out => Decision::Deny,
        Verdict::Allowed | Verdict::Silent => {
            said(why, || Why::Acl);
            match by_acl(asker.context, wanted.needed, resource, settings) {
                Decision::Deny => Decision::Deny,
                granted if sides.member.is_some() => granted.and(read(sides.own(), None).into()),
                granted => granted,
            }
        }
    }
}

fn said(why: Option<&mut Why>, words: impl FnOnce() -> Why) {
    if let Some(why) = why {
        *why = words();
    }
}

/// Which of the rules of `by_role` allows it.
fn role(identity: Option<&Identity>, resource: Resource<'_>) -> Why {
    match (identity, resource.bucket()) {
        (Some(identity), Some(_)) if identity.role == Role::Admin => Why::Administrator,
        (Some(identity), Some(bucket)) if identity.owner.id == bucket.owner().id => Why::Owner,
        (_, Some(_)) => Why::Grant,
        (_, None) => Why::Account,
    }
}

fn sides<'s>(settings: Option<&'s BucketSettings>, identity: Option<&'s Identity>) -> Sides<'s> {
    let bucket = settings.and_then(|settings| settings.get::<PolicyDocument>().as_deref());
    Sides::new(bucket, identity.and_then(|identity| identity.member.as_deref()))
}

/// `RestrictPublicBuckets`: where a policy is public, only the account of the owner comes in.
fn is_shut_out(
    identity: Option<&Identity>,
    resource: Resource<'_>,
    settings: Option<&BucketSettings>,
) -> bool {
    let (Some(bucket), Some(settings)) = (resource.bucket(), settings) else { return false };
    settings.get::<PolicyDocument>().as_ref().is_some_and(|policy| policy.is_public())
        && bucket.public_access().restrict_public_buckets
        && !identity.is_some_and(|identity| is_ours(identity, bucket))
}

/// Whether the tags of an object may decide about one of these actions.
pub(super) fn reads_tags(
    asker: &Asker<'_>,
    mut actions: impl Iterator<Item = Action>,
    bucket: &Bucket,
) -> bool {
    let settings = bucket.settings();
    let identity = asker.context.principal.identity().map(Arc::as_ref);
    let sides = sides(Some(&settings), identity);
    !sides.are_empty() && actions.any(|action| verdict::reads_tags(&sides, action))
}

/// Whether the sender could still change the policy of a bucket, if this were the policy.
pub(super) fn could_undo(asker: &Asker<'_>, bucket: &Bucket, policy: &BucketPolicy) -> bool {
    let identity = asker.context.principal.identity();
    let sides = Sides::new(Some(policy), identity.and_then(|identity| identity.member.as_deref()));
    verdict(asker, Action::PutBucketPolicy, Resource::Bucket(bucket), sides, false, None) != Verdict::Denied
}

/// 403 for a request that was denied, which the log explains, and `causeway policy explain`.
pub(super) fn denied(asker: &Asker<'_>, action: Action, resource: Resource<'_>) -> S3Error {
    let why = reason(asker, action, resource);
    if tracing::enabled!(tracing::Level::DEBUG) {
        let context = asker.context;
        let identity = context.principal.identity().map(|identity| identity.access_key.as_str());
        let operation = context.operation.map(Operation::as_str);
        let (id, action, resource) = (&context.arrival.id, action.as_str(), resource.to_string());
        tracing::debug!(request = %id, identity, operation, action, resource, why, "access was denied");
    }
    recording::keep(asker, action, resource, false, Why::Words(why));
    ErrorCode::AccessDenied.into()
}

/// Why an object of another account than the bucket's is denied, if no statement denies it.
const FOREIGN: &str =
    "denied: the object belongs to another account than the bucket, and its ACL does not allow it";

fn is_foreign(action: Action, resource: Resource<'_>, settings: Option<&BucketSettings>) -> bool {
    let (Resource::Opened(bucket, _, info), Some(settings)) = (resource, settings) else { return false };
    action.is_about_found_object()
        && object_owner::other(info.attributes.owner.as_ref(), bucket, settings).is_some()
}

fn reason(asker: &Asker<'_>, action: Action, resource: Resource<'_>) -> String {
    let settings = resource.bucket().map(Bucket::settings);
    let identity = asker.context.principal.identity().map(Arc::as_ref);
    let sides = sides(settings.as_deref(), identity);
    if sides.are_empty() {
        let is_foreign = is_foreign(action, resource, settings.as_deref());
        return if is_foreign { FOREIGN } else { "denied: no role, grant or ACL allows it" }.to_owned();
    }
    if is_shut_out(identity, resource, settings.as_deref()) {
        return "denied: the bucket's policy is public, and RestrictPublicBuckets is on".to_owned();
    }
    let words = verdict::explained(asker, action, resource, sides);
    if is_foreign(action, resource, settings.as_deref()) && !words.starts_with("denied by") {
        return FOREIGN.to_owned();
    }
    match lets_ask(identity, action) {
        // Policies let it in, and its account does not let it ask.
        false if words.starts_with("allowed") => "denied: the role of the account only reads".to_owned(),
        _ => words,
    }
}

/// The resolved address of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addressed<'a> {
    /// The name of the bucket, where there is none yet, or the 12 digits of an account.
    pub(super) name: &'a str,
    pub(super) bucket: Option<&'a Bucket>,
    pub(super) object: Option<ObjectAddress<'a>>,
}

impl<'a> Addressed<'a> {
    pub(super) fn new_bucket(name: &'a str) -> Self {
        Self { name, bucket: None, object: None }
    }

    pub(super) fn account(id: &'a str) -> Self {
        Self { name: id, bucket: None, object: None }
    }

    pub(super) fn bucket(bucket: &'a Bucket) -> Self {
        Self { name: "", bucket: Some(bucket), object: None }
    }

    fn resource(self, on: On) -> Option<Resource<'a>> {
        match (on, self.bucket, self.object) {
            (On::Service, None, None) => Some(Resource::Service),
            (On::Account, None, None) => Some(Resource::Account(self.name)),
            (On::NewBucket, None, None) => Some(Resource::NewBucket(self.name)),
            (On::Bucket, Some(bucket), _) => Some(Resource::Bucket(bucket)),
            (On::EachKey, Some(bucket), _) => Some(Resource::Keys(bucket)),
            (On::Object | On::Tagged, Some(bucket), Some(address)) => Some(Resource::Object(bucket, address)),
            (On::Service | On::Account | On::NewBucket | On::Bucket | On::EachKey, _, _) => None,
            (On::Object | On::Tagged | On::Source, _, _) => None,
        }
    }
}

/// Whether a request has every right that it needs, before anything of it is done. `Depends` means that the
/// operation has to ask again: `reader` about an object, `delete_objects` about each key, `copying` about the
/// source, and the handlers of new buckets and new tags with what their bodies say.
pub(super) fn admit(
    asker: &Asker<'_>,
    operation: Operation,
    addressed: Addressed<'_>,
) -> Result<Decision, S3Error> {
    let facts = operation.facts();
    let mut decision = Decision::Allow;
    for need in facts.needs.iter().filter(|need| need.on != On::Source) {
        let resource = addressed.resource(need.on).ok_or(ErrorCode::AccessDenied)?;
        decision = decision.and(allowed(asker, need.action, judge(asker, need.action, resource), resource)?);
    }
    if let Some(first) = facts.needs.first() {
        let resource = addressed.resource(first.on).ok_or(ErrorCode::AccessDenied)?;
        further(asker, facts, resource, &mut decision)?;
    }
    Ok(decision)
}

/// The actions that headers of the request make necessary. Roles and ACLs require no more for them than for
/// the operation itself.
fn further(
    asker: &Asker<'_>,
    facts: &Facts,
    resource: Resource<'_>,
    decision: &mut Decision,
) -> Result<(), S3Error> {
    let Some(needed) = facts.needs.first().map(|need| need.action.needed()) else { return Ok(()) };
    for also in facts.also.iter().filter(|also| asker.needs(also)) {
        let wanted = Wanted { action: also.action, needed, is_further: true };
        *decision =
            decision.and(allowed(asker, also.action, judge_wanted(asker, wanted, resource), resource)?);
    }
    Ok(())
}

/// Whether an action is allowed that an operation turns out to need, as if a header had said so.
pub(super) fn decide_further(
    asker: &Asker<'_>,
    operation: Operation,
    action: Action,
    resource: Resource<'_>,
) -> bool {
    operation.facts().needs.first().is_some_and(|first| {
        let wanted = Wanted { action, needed: first.action.needed(), is_further: true };
        decide_wanted(asker, wanted, resource, None) == Decision::Allow
    })
}

fn allowed(
    asker: &Asker<'_>,
    action: Action,
    decision: Decision,
    resource: Resource<'_>,
) -> Result<Decision, S3Error> {
    match decision {
        Decision::Deny => Err(denied(asker, action, resource)),
        Decision::Allow | Decision::Depends => Ok(decision),
    }
}

/// Whether the sender may know that there is no object at a key: if it may list the bucket there.
pub(super) fn may_miss(asker: &Asker<'_>, bucket: &Bucket, key: &ObjectKey) -> bool {
    decide(asker, Action::ListBucket, Resource::Lookup(bucket, key)) == Decision::Allow
}

#[cfg(test)]
mod tests;
