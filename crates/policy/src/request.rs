//! What is decided: who asks for which action on which resource, under which circumstances.

use crate::{action::Action, arn::Arn, context::Context};
use std::borrow::Cow;

/// The key and the value of a tag.
pub type Tag = (Cow<'static, str>, Cow<'static, str>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalKind {
    /// A request without a signature.
    Anonymous,
    /// The account itself, which needs no identity policy.
    Root,
    User,
    /// A session of a role, by any of STS's operations.
    Session,
    /// A service that acts by itself, such as the delivery of logs.
    Service,
}

/// The sender of a request. Texts that a kind does not have are empty.
#[derive(Debug, Clone, Copy)]
pub struct Principal<'a> {
    pub kind: PrincipalKind,
    pub account: &'a str,
    /// The id of the account that ACLs name.
    pub canonical_id: &'a str,
    /// The ARN of the user or of the session; the name of a service.
    pub arn: &'a str,
    /// The id that no later principal with the same name ever has. For a session: that of its role.
    pub id: &'a str,
    /// The name of the user or of the session.
    pub name: &'a str,
    /// The ARN of the role that a session has.
    pub role_arn: &'a str,
    /// The provider that vouched for a session.
    pub provider: &'a str,
    pub tags: &'a [Tag],
}

impl<'a> Principal<'a> {
    pub const ANONYMOUS: Principal<'static> = Principal {
        kind: PrincipalKind::Anonymous,
        account: "",
        canonical_id: "",
        arn: "",
        id: "",
        name: "",
        role_arn: "",
        provider: "",
        tags: &[],
    };

    /// Sets the condition keys about the principal.
    fn describe(&self, context: &mut Context<'a>) {
        let kind = match self.kind {
            PrincipalKind::Anonymous => {
                context.add("aws:principaltype", "Anonymous");
                context.add("aws:userid", "anonymous");
                return;
            }
            PrincipalKind::Service => {
                context.add("aws:principalisawsservice", "true");
                context.add("aws:principalservicename", self.arn);
                return;
            }
            PrincipalKind::Root => "Account",
            PrincipalKind::User => "User",
            PrincipalKind::Session if self.role_arn.is_empty() => "FederatedUser",
            PrincipalKind::Session => "AssumedRole",
        };
        if !self.provider.is_empty() {
            context.add("aws:federatedprovider", self.provider);
        }
        if self.account.is_empty() {
            // Somebody whom a provider vouches for, and who has no session yet.
            return;
        }
        context.add("aws:principaltype", kind);
        context.add("aws:principalaccount", self.account);
        context.add("aws:principalisawsservice", "false");
        // AWS shows the role of a session there, not the session.
        context.add("aws:principalarn", if self.role_arn.is_empty() { self.arn } else { self.role_arn });
        match self.kind {
            PrincipalKind::User => {
                context.add("aws:userid", self.id);
                context.add("aws:username", self.name);
            }
            PrincipalKind::Session => context.add("aws:userid", format!("{}:{}", self.id, self.name)),
            _ => context.add("aws:userid", self.account),
        }
        for (key, value) in self.tags {
            context.add(format!("aws:principaltag/{key}"), &**value);
        }
    }
}

/// A request, prepared once for all decisions about it.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub(crate) principal: Principal<'a>,
    pub(crate) action: &'a Action,
    pub(crate) resource: &'a str,
    pub(crate) arn: Option<Arn<'a>>,
    pub(crate) context: Context<'a>,
}

impl<'a> Request<'a> {
    /// `resource` is an ARN. Actions on no bucket have `arn:aws:s3:::*`. `context` has the condition keys of
    /// the request itself; those of the principal are added here, so that the two never disagree.
    pub fn new(
        principal: Principal<'a>,
        action: &'a Action,
        resource: &'a str,
        mut context: Context<'a>,
    ) -> Self {
        principal.describe(&mut context);
        Self { principal, action, resource, arn: Arn::parse(resource), context }
    }

    /// The same request with another action and resource: a copy's source, a key of a list.
    pub fn asking(&self, action: &'a Action, resource: &'a str) -> Self {
        Self { action, resource, arn: Arn::parse(resource), ..self.clone() }
    }
}
