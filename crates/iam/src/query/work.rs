//! What the handler of an action works with: the call, the state that it rests on, the reply and the changes
//! that it makes.
//!
//! A handler changes nothing by itself: it may be asked again, on a newer state. Invariant: the names that it
//! looks up are of the account of the caller.

use super::{
    action::{Action, On},
    call::Call,
    error::{Code, QueryError},
};
use crate::{
    account::Account,
    compiled::{CompiledGroup, CompiledPolicy, CompiledRole, CompiledUser},
    directory::Directory,
    entity::{Change, Entity, Kind, OpenIdProvider},
    ldap::Person,
    model::{AccessKey, Identity, Timestamp, account_id, canonical_id},
    names::{self, Tag},
    oidc::{Providers, Vouched},
    policy::MemberKind,
    state::State,
    xml::Writer,
};
use std::sync::Arc;

/// What a call needs to know that is not in the catalog.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) directory: &'a Directory,
    /// What the configuration says of OpenID Connect providers.
    pub(crate) providers: &'a Providers,
    /// The region of the gateway.
    pub(crate) region: &'a str,
}

/// What others say of the sender of a call that is not signed.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) vouched: Option<Vouched>,
    pub(crate) person: Option<Person>,
}

pub(crate) struct Work<'a> {
    pub(crate) call: &'a Call,
    pub(crate) action: &'static Action,
    pub(crate) state: &'a State,
    pub(crate) directory: &'a Directory,
    pub(crate) providers: &'a Providers,
    /// Who a web identity token speaks of.
    pub(crate) vouched: Option<&'a Vouched>,
    /// The user whose password the LDAP directory has verified.
    pub(crate) person: Option<&'a Person>,
    /// The region of the gateway.
    pub(crate) region: &'a str,
    /// The 12-digit id of the account of the caller; empty without a caller.
    pub(crate) account_id: Arc<str>,
    /// The content of the result.
    pub(crate) out: Writer,
    pub(crate) changes: Vec<Change>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        call: &'a Call,
        action: &'static Action,
        state: &'a State,
        known: &'a Known,
        around: Around<'a>,
    ) -> Self {
        let Around { directory, providers, region } = around;
        let account_id =
            call.caller.as_ref().map_or_else(|| "".into(), |identity| account_id(&identity.owner.id));
        let (out, changes) = (Writer::fragment(), Vec::new());
        let (vouched, person) = (known.vouched.as_ref(), known.person.as_ref());
        Self { call, action, state, directory, providers, vouched, person, region, account_id, out, changes }
    }

    pub(crate) fn caller(&self) -> Result<&'a Arc<Identity>, QueryError> {
        self.call.caller.as_ref().ok_or_else(|| {
            QueryError::new(Code::MissingAuthenticationToken, "Request is missing Authentication Token")
        })
    }

    /// The members of the caller's account.
    pub(crate) fn account(&self) -> &'a Account {
        let canonical_id = self.call.caller.as_ref().map_or("", |identity| &identity.owner.id);
        self.state.account(canonical_id)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.call.at
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.call.form.get(name)
    }

    pub(crate) fn needed(&self, name: &str) -> Result<&'a str, QueryError> {
        self.call.form.needed(name)
    }

    /// The user that the call names, or else the one who calls.
    pub(crate) fn user_name(&self) -> Result<&'a str, QueryError> {
        if let Some(name) = self.parameter("UserName") {
            return Ok(name);
        }
        let member = self.caller()?.member.as_deref().filter(|member| member.kind == MemberKind::User);
        match member {
            Some(member) => Ok(&member.name),
            None => Err(QueryError::invalid("Must specify userName when calling with non-User credentials")),
        }
    }

    pub(crate) fn user(&self) -> Result<&'a Arc<CompiledUser>, QueryError> {
        let name = self.user_name()?;
        self.account().users.get(&names::fold(name)).ok_or_else(|| no_such("user", name))
    }

    /// The user of the caller's account that has an access key. The inner `None`: the account itself has it.
    /// The outer one: nobody of the account has it.
    pub(crate) fn holder_of_key(&self, id: &str) -> Option<Option<&'a Arc<CompiledUser>>> {
        let account = self.account();
        if let Some(user) = account.users.values().find(|user| user.data.keys.contains_key(id)) {
            return Some(Some(user));
        }
        let is_further = account.root.as_ref().is_some_and(|root| root.data.keys.contains_key(id));
        let is_own = || {
            let owner = self.call.caller.as_ref().map(|caller| &caller.owner.id);
            owner == Some(&canonical_id(&AccessKey(id.into())))
        };
        (is_further || is_own()).then_some(None)
    }

    pub(crate) fn group(&self) -> Result<&'a Arc<CompiledGroup>, QueryError> {
        let name = self.needed("GroupName")?;
        self.account().groups.get(&names::fold(name)).ok_or_else(|| no_such("group", name))
    }

    pub(crate) fn role(&self) -> Result<&'a Arc<CompiledRole>, QueryError> {
        let name = self.needed("RoleName")?;
        self.account().roles.get(&names::fold(name)).ok_or_else(|| no_such("role", name))
    }

    /// A policy of the account. One that every account has cannot be changed.
    pub(crate) fn own_policy(&self) -> Result<&'a Arc<CompiledPolicy>, QueryError> {
        let arn = self.needed("PolicyArn")?;
        if crate::provided::is_provided(arn) {
            return Err(QueryError::new(Code::AccessDenied, format!("Policy {arn} cannot be changed")));
        }
        self.account().own_policy(arn).ok_or_else(|| no_such_policy(arn))
    }

    /// An OpenID Connect provider that the account has made.
    pub(crate) fn provider(&self) -> Result<&'a Arc<OpenIdProvider>, QueryError> {
        let arn = self.needed("OpenIDConnectProviderArn")?;
        let found =
            self.account().providers.values().find(|provider| self.provider_arn(&provider.url) == arn);
        found.ok_or_else(|| {
            let message = format!("OpenIDConnect Provider not found for arn {arn}");
            QueryError::new(Code::NoSuchEntity, message)
        })
    }

    /// The ARN of a provider of the account, by its issuer.
    pub(crate) fn provider_arn(&self, issuer: &str) -> String {
        self.arn(Kind::Provider, "/", names::provider_name(issuer))
    }

    /// The ARN of something of the caller's account.
    pub(crate) fn arn(&self, kind: Kind, path: &str, name: &str) -> String {
        names::arn(&self.account_id, kind.as_str(), path, name)
    }

    pub(crate) fn put(&mut self, entity: Entity) {
        self.changes.push(Change::Put(Box::new(entity)));
    }

    pub(crate) fn delete(&mut self, kind: Kind, name: &str) {
        self.changes.push(Change::Delete(kind, names::fold(name)));
    }

    pub(crate) fn path(&self) -> Result<&'a str, QueryError> {
        let path = self.parameter("Path").unwrap_or("/");
        names::check_path(path).map_err(QueryError::invalid)?;
        Ok(path)
    }

    pub(crate) fn path_prefix(&self) -> &'a str {
        self.parameter("PathPrefix").unwrap_or("/")
    }

    /// The tags of the call.
    pub(crate) fn tags(&self) -> Result<Vec<Tag>, QueryError> {
        let tag = |fields: super::form::Fields<'_>| {
            let field = |name: &str| {
                fields
                    .get(name)
                    .map(|text| (*text).to_owned())
                    .ok_or_else(|| QueryError::invalid(format!("A tag without {name} must not be given")))
            };
            Ok(Tag { key: field("Key")?, value: field("Value")? })
        };
        let given: Vec<Tag> =
            self.call.form.list("Tags").into_iter().map(tag).collect::<Result<_, QueryError>>()?;
        let mut tags = Vec::new();
        let count = given.len();
        names::merge_tags(&mut tags, given).map_err(invalid_input)?;
        if tags.len() < count {
            return Err(invalid_input(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        Ok(tags)
    }

    /// The kind of entity that the action is about.
    pub(crate) fn kind(&self) -> Kind {
        match self.action.on {
            On::All | On::User | On::AccessKey => Kind::User,
            On::Group => Kind::Group,
            On::Role => Kind::Role,
            On::Policy | On::NewPolicy => Kind::Policy,
            On::Provider | On::NewProvider => Kind::Provider,
        }
    }
}

pub(crate) fn no_such(kind: &str, name: &str) -> QueryError {
    QueryError::new(Code::NoSuchEntity, format!("The {kind} with name {name} cannot be found."))
}

pub(crate) fn no_such_policy(arn: &str) -> QueryError {
    QueryError::new(Code::NoSuchEntity, format!("Policy {arn} does not exist or is not attachable."))
}

pub(crate) fn exists(kind: &str, name: &str) -> QueryError {
    QueryError::new(Code::EntityAlreadyExists, format!("{kind} with name {name} already exists."))
}

pub(crate) fn invalid_input(message: impl Into<String>) -> QueryError {
    QueryError::new(Code::InvalidInput, message)
}

/// 409 LimitExceeded.
pub(crate) fn too_many(what: &str, most: usize) -> QueryError {
    QueryError::new(Code::LimitExceeded, format!("Cannot exceed quota for {what}: {most}"))
}
