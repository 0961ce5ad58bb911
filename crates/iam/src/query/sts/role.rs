//! AssumeRole: temporary credentials of a role, for whoever its trust policy names.
//!
//! An account itself may assume a role, too, which AWS does not allow: accounts are what the configuration
//! knows, and may do everything a role of theirs may.

use super::given;
use crate::{
    account::Account,
    compiled::CompiledRole,
    member,
    model::Identity,
    names::{self, Tag},
    policy::{Action, Attached, Context, MemberKind, Policies, Principal, PrincipalKind, Request},
    query::{
        authorize::{self, attached, one},
        error::{Code, QueryError},
        work::{Work, invalid_input},
    },
    session::{Claims, Holder, RoleSession},
};
use std::sync::Arc;

/// The longest session that a session of a role begins.
const CHAINED: u32 = 3600;
const DEFAULT: u32 = 3600;
const ASSUME: &str = "sts:AssumeRole";
const TAG: &str = "sts:TagSession";

/// A role by its ARN, with its account.
pub(super) struct Found<'a> {
    pub(super) role: &'a Arc<CompiledRole>,
    pub(super) account: &'a Account,
    pub(super) canonical_id: &'a str,
    /// The 12-digit id.
    pub(super) account_id: &'a str,
    pub(super) arn: &'a str,
}

impl<'a> Found<'a> {
    /// `None`: there is no such role. Callers get the same answer as if it did not trust them.
    pub(super) fn find(work: &Work<'a>) -> Result<Option<Self>, QueryError> {
        let arn = work.needed("RoleArn")?;
        let Some((account_id, name)) = names::parse_arn(arn, "role") else {
            return Err(QueryError::invalid(format!("{arn} is invalid")));
        };
        let find = || {
            let canonical_id = work.state.canonical_id(account_id)?;
            let account = work.state.account(canonical_id);
            let role = account.roles.get(&names::fold(name))?;
            let is_it = names::arn(account_id, "role", &role.data.path, &role.data.name) == arn;
            is_it.then_some(Self { role, account, canonical_id, account_id, arn })
        };
        Ok(find())
    }
}

pub(in crate::query) fn assume(work: &mut Work<'_>) -> Result<(), QueryError> {
    let caller = work.caller()?;
    let name = given::session_name(work)?;
    let arn = work.needed("RoleArn")?;
    let found = Found::find(work)?.ok_or_else(|| authorize::denied(work, ASSUME, arn))?;
    let (tags, transitive) = tags(work, caller)?;
    for permission in [Some(ASSUME), (!tags.is_empty()).then_some(TAG)].into_iter().flatten() {
        check_trust(work, caller, &found, permission, name)?;
    }
    let is_chained = caller.member.as_deref().is_some_and(|member| member.kind == MemberKind::Session);
    let longest = if is_chained { CHAINED.min(found.role.data.longest) } else { found.role.data.longest };
    let seconds = given::duration(work, DEFAULT.min(longest), longest)?;
    let policies = given::policies(work, found.account)?;
    let packed = given::packed_size(policies.as_ref());
    let holder = Holder::Role(RoleSession {
        role: names::fold(&found.role.data.name),
        id: found.role.data.id.clone(),
        name: name.to_owned(),
        policies,
        tags,
        transitive,
        provider: String::new(),
    });
    let key = work.directory.key()?;
    let credentials = Claims::begin(&key, found.canonical_id, holder, work.now(), seconds)?;
    given::credentials(&mut work.out, &credentials);
    let session = member::session_arn(found.account_id, &found.role.data.name, name);
    given::assumed_role(&mut work.out, &found.role.data.id, name, &session);
    work.out.number("PackedPolicySize", packed);
    Ok(())
}

/// The tags of the new session, and which of them go on in a chain. Transitive tags of the session that asks
/// are kept, and cannot be replaced.
fn tags(work: &Work<'_>, caller: &Identity) -> Result<(Vec<Tag>, Vec<String>), QueryError> {
    let mut tags = work.tags()?;
    let mut transitive: Vec<String> =
        work.call.form.values("TransitiveTagKeys").into_iter().map(str::to_owned).collect();
    if let Some(key) = transitive.iter().find(|key| !tags.iter().any(|tag| tag.key.eq_ignore_ascii_case(key)))
    {
        return Err(invalid_input(format!("The transitive tag key {key} is not among the tags")));
    }
    for tag in kept_tags(work, caller)? {
        if tags.iter().any(|other| other.key.eq_ignore_ascii_case(&tag.key)) {
            let message = format!("The tag {} is transitive and cannot be replaced", tag.key);
            return Err(invalid_input(message));
        }
        transitive.push(tag.key.clone());
        tags.push(tag);
    }
    Ok((tags, transitive))
}

/// The transitive tags of the session that asks.
fn kept_tags(work: &Work<'_>, caller: &Identity) -> Result<Vec<Tag>, QueryError> {
    let Some(token) = &work.call.token else { return Ok(Vec::new()) };
    let claims = work.directory.claims(caller.access_key.as_str(), token.as_str());
    // The edge has found the token valid.
    let claims = claims.ok_or_else(|| refused(ASSUME))?;
    let Holder::Role(RoleSession { tags, transitive, .. }) = claims.holder else { return Ok(Vec::new()) };
    let is_kept = |tag: &Tag| transitive.iter().any(|key| key.eq_ignore_ascii_case(&tag.key));
    Ok(tags.into_iter().filter(is_kept).collect())
}

/// Whether the trust policy of the role, and the policies of the caller, let it take on the role.
fn check_trust(
    work: &Work<'_>,
    caller: &Identity,
    found: &Found<'_>,
    permission: &str,
    session: &str,
) -> Result<(), QueryError> {
    let account = work.account_id.clone();
    let (member, root) = (caller.member.as_deref(), authorize::arn(caller));
    let principal = match member {
        Some(member) => member.principal(),
        None => Principal {
            kind: PrincipalKind::Root,
            account: &account,
            canonical_id: &caller.owner.id,
            arn: &root,
            id: &account,
            ..Principal::ANONYMOUS
        },
    };
    let context = of_trust(work, session);
    let action = Action::new(permission);
    let request = Request::new(principal, &action, found.arn, context);
    let identity = member.map(|member| attached(&member.policies)).unwrap_or_default();
    let narrowed = member.and_then(|member| member.session.as_deref()).map(attached);
    let policies = Policies {
        identity: &identity,
        boundary: member.and_then(|member| member.boundary.as_ref()).map(one),
        session: narrowed.as_deref(),
        bucket: Some(Attached { name: "the trust policy of the role", policy: &found.role.trust }),
        owner: Some(found.account_id),
    };
    let decision = policies.decide_trust(&request);
    if decision.is_allowed() {
        return Ok(());
    }
    tracing::debug!(request = %work.call.request_id, identity = %caller.access_key, permission, role = found.arn, %decision, "a role was denied");
    Err(authorize::denied(work, permission, found.arn))
}

/// The condition keys of STS beside those of every call.
pub(super) fn of_trust<'a>(work: &Work<'a>, session: &str) -> Context<'a> {
    let mut context = authorize::context(work);
    context.add("sts:rolesessionname", session.to_owned());
    if let Some(id) = work.parameter("ExternalId") {
        context.add("sts:externalid", id);
    }
    for key in work.call.form.values("TransitiveTagKeys") {
        context.add("sts:transitivetagkeys", key);
    }
    context
}

/// What the two ways to assume a role answer to somebody whom no trust policy names.
pub(super) fn refused(permission: &str) -> QueryError {
    QueryError::new(Code::AccessDenied, format!("Not authorized to perform {permission}"))
}
