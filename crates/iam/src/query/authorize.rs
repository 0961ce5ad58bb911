//! Whether a caller may call an action of IAM.
//!
//! An account may do everything to its own members, unless its role only reads. A member may do what its
//! policies allow on the ARN of what the action is about. Invariant: what no policy allows is denied.

use super::{
    action::{Access, On},
    error::{Code, QueryError},
    work::Work,
};
use crate::{
    entity::Kind,
    model::{Identity, Role},
    names,
    policy::{Action, Attached, Context, Member, MemberKind, NamedPolicy, Policies, Request},
    random::TEMPORARY,
};

pub(crate) fn check(work: &Work<'_>) -> Result<(), QueryError> {
    match work.action.access {
        Access::Trusted => Ok(()),
        Access::Signed => work.caller().map(drop),
        Access::Read | Access::Write => {
            let caller = work.caller()?;
            if is_token_of_user(caller) {
                // IAM takes temporary credentials of a user only with a second factor, which no user has.
                let message = "The security token included in the request is invalid";
                return Err(QueryError::new(Code::InvalidClientTokenId, message));
            }
            permit(work, work.action.permission, &resource(work)?)
        }
    }
}

/// Whether the caller has a further permission, for what a parameter of a creation asks for.
pub(crate) fn permit_also(work: &Work<'_>, permission: &str) -> Result<(), QueryError> {
    permit(work, permission, &resource(work)?)
}

/// Whether these are temporary credentials of a user or of an account, rather than of a role.
pub(crate) fn is_token_of_user(identity: &Identity) -> bool {
    identity.access_key.as_str().starts_with(TEMPORARY)
        && identity.member.as_deref().is_none_or(|member| member.kind == MemberKind::User)
}

/// Whether the caller has a permission on a resource of its account.
pub(crate) fn permit(work: &Work<'_>, permission: &str, resource: &str) -> Result<(), QueryError> {
    let caller = work.caller()?;
    let Some(member) = caller.member.as_deref() else {
        let only_reads = caller.role == Role::ReadOnly && work.action.access == Access::Write;
        return if only_reads { Err(denied(work, permission, resource)) } else { Ok(()) };
    };
    let action = Action::new(permission);
    let request = Request::new(member.principal(), &action, resource, context(work));
    let (identity, session) = (attached(&member.policies), member.session.as_deref().map(attached));
    let policies = Policies {
        identity: &identity,
        boundary: member.boundary.as_ref().map(one),
        session: session.as_deref(),
        bucket: None,
        owner: None,
    };
    let decision = policies.decide(&request);
    if decision.is_allowed() {
        return Ok(());
    }
    tracing::debug!(request = %work.call.request_id, identity = %caller.access_key, permission, resource, %decision, "access was denied");
    Err(denied(work, permission, resource))
}

pub(crate) fn one(named: &NamedPolicy) -> Attached<'_> {
    Attached { name: &named.name, policy: &named.policy }
}

pub(crate) fn attached(policies: &[NamedPolicy]) -> Vec<Attached<'_>> {
    policies.iter().map(one).collect()
}

pub(crate) fn denied(work: &Work<'_>, permission: &str, resource: &str) -> QueryError {
    let caller = work.call.caller.as_ref().map_or_else(|| "anonymous".to_owned(), |identity| arn(identity));
    let message =
        format!("User: {caller} is not authorized to perform: {permission} on resource: {resource}");
    QueryError::new(Code::AccessDenied, message)
}

/// The ARN by which policies name an identity.
pub(crate) fn arn(identity: &Identity) -> String {
    let root = || format!("arn:aws:iam::{}:root", crate::model::account_id(&identity.owner.id));
    identity.member.as_deref().map_or_else(root, |member: &Member| member.arn.to_string())
}

/// The ARN of what an action is about.
pub(crate) fn resource(work: &Work<'_>) -> Result<String, QueryError> {
    let folded = |name: &str| names::fold(name);
    Ok(match work.action.on {
        On::All => "*".to_owned(),
        On::User => {
            // An account that asks about itself.
            let is_root = work.parameter("UserName").is_none() && work.caller()?.member.is_none();
            if is_root {
                return Ok(arn(work.caller()?));
            }
            let name = work.user_name()?;
            let known = work.account().users.get(&folded(name));
            let path = known.map_or_else(|| work.path(), |user| Ok(&user.data.path))?;
            work.arn(Kind::User, path, known.map_or(name, |user| &user.data.name))
        }
        On::AccessKey => match work.holder_of_key(work.needed("AccessKeyId")?) {
            Some(Some(user)) => work.arn(Kind::User, &user.data.path, &user.data.name),
            Some(None) => arn(work.caller()?),
            None => "*".to_owned(),
        },
        On::Group => {
            let name = work.needed("GroupName")?;
            let known = work.account().groups.get(&folded(name));
            let path = known.map_or_else(|| work.path(), |group| Ok(&group.data.path))?;
            work.arn(Kind::Group, path, known.map_or(name, |group| &group.data.name))
        }
        On::Role => {
            let name = work.needed("RoleName")?;
            let known = work.account().roles.get(&folded(name));
            let path = known.map_or_else(|| work.path(), |role| Ok(&role.data.path))?;
            work.arn(Kind::Role, path, known.map_or(name, |role| &role.data.name))
        }
        On::Policy => work.needed("PolicyArn")?.to_owned(),
        On::NewPolicy => work.arn(Kind::Policy, work.path()?, work.needed("PolicyName")?),
        On::Provider => work.needed("OpenIDConnectProviderArn")?.to_owned(),
        On::NewProvider => work.provider_arn(work.needed("Url")?),
    })
}

/// The condition keys of a call.
pub(crate) fn context<'a>(work: &Work<'a>) -> Context<'a> {
    let (call, mut context) = (work.call, Context::new());
    context.add("aws:currenttime", call.at.iso8601());
    context.add("aws:epochtime", call.at.seconds().to_string());
    context.add("aws:securetransport", if call.is_secure { "true" } else { "false" });
    context.add("aws:sourceip", call.peer.to_string());
    context.add("aws:viaawsservice", "false");
    if let Some(issued) = call.caller.as_ref().and_then(|caller| caller.issued) {
        context.add("aws:tokenissuetime", issued.iso8601());
        context.add("aws:multifactorauthpresent", "false");
    }
    if let Some(agent) = &call.user_agent {
        context.add("aws:useragent", agent.as_str());
    }
    for tag in call.form.list("Tags") {
        if let (Some(key), Some(value)) = (tag.get("Key"), tag.get("Value")) {
            context.add(format!("aws:requesttag/{key}"), *value);
            context.add("aws:tagkeys", *key);
        }
    }
    for key in call.form.values("TagKeys") {
        context.add("aws:tagkeys", key);
    }
    for (parameter, key) in
        [("PolicyArn", "iam:policyarn"), ("PermissionsBoundary", "iam:permissionsboundary")]
    {
        if let Some(arn) = work.parameter(parameter) {
            context.add(key, arn);
        }
    }
    for tag in tags_of_resource(work) {
        context.add(format!("aws:resourcetag/{}", tag.key), tag.value.as_str());
        context.add(format!("iam:resourcetag/{}", tag.key), tag.value.as_str());
    }
    context
}

fn tags_of_resource<'a>(work: &Work<'a>) -> &'a [names::Tag] {
    match work.action.on {
        On::All | On::AccessKey | On::Group | On::NewPolicy | On::NewProvider => &[],
        On::User => work.user().map_or(&[], |user| &user.data.tags),
        On::Role => work.role().map_or(&[], |role| &role.data.tags),
        On::Policy => {
            let policy = work.parameter("PolicyArn").and_then(|arn| work.account().own_policy(arn));
            policy.map_or(&[], |policy| &policy.data.tags)
        }
        On::Provider => work.provider().map_or(&[], |provider| &provider.tags),
    }
}
