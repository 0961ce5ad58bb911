//! Users, groups, roles and policies of an account: an operator calls the actions of IAM as the account.
//!
//! Invariant: an operator of the machine may do what the account may do through its own access key, and
//! nothing else.

use super::key::Hidden;
use crate::{
    access::{AddedIdentities, CredentialsInForce},
    iam::{
        Directory, Simulation,
        oidc::Providers,
        query::{Call, Form, Queries},
    },
    model::{Chain, Identity, PublicAccess, Timestamp},
    xml::{self, Element},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{net::Ipv4Addr, sync::Arc};

/// The version of IAM's API.
const VERSION: &str = "2010-05-08";
/// Elements that are lists, also where they are empty.
const LISTS: &[&str] = &[
    "AccessKeyMetadata",
    "AttachedPolicies",
    "Groups",
    "Policies",
    "PolicyNames",
    "Roles",
    "Tags",
    "Users",
    "Versions",
];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Members {
    /// An action of IAM, with its parameters.
    Call(Action),
    /// Whether a user or a role would be allowed an action.
    Simulate { account: Option<String>, what: Simulate },
    /// The block of public access of all buckets of an account.
    PublicAccess { account: Option<String>, change: AccessChange },
}

/// What becomes of a block of public access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessChange {
    /// It is only shown.
    Keep,
    Set(PublicAccess),
    Remove,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// An access key of the account. Without it, the account is the first administrator.
    pub account: Option<String>,
    pub action: String,
    pub parameters: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulate {
    pub user: Option<String>,
    pub role: Option<String>,
    pub action: String,
    pub resource: String,
    /// Condition keys with their values.
    pub context: Vec<(String, String)>,
}

/// JSON that may hold a secret: no log shows it.
pub(super) async fn answer(identities: &AddedIdentities, asked: Members) -> Result<Hidden, String> {
    identities.refresh().await.map_err(|error| Chain(&error).to_string())?;
    let in_force = identities.in_force();
    let directory = in_force.directory().ok_or("users are not known yet")?;
    let value = match asked {
        Members::Call(action) => call(in_force, directory, action).await?,
        Members::Simulate { account, what } => {
            let account = account_of(in_force, account.as_deref())?;
            let Simulate { user, role, action, resource, context } = what;
            let asked = Simulation {
                user: user.as_deref(),
                role: role.as_deref(),
                action: &action,
                resource: &resource,
                context: &context,
            };
            let simulated = directory.simulate(&account.owner.id, &asked)?;
            serde_json::json!({ "allowed": simulated.allowed, "why": simulated.why })
        }
        Members::PublicAccess { account, change } => {
            let account = account_of(in_force, account.as_deref())?;
            public_access(directory, &account.owner.id, change).await?
        }
    };
    Ok(Hidden(value.to_string()))
}

/// The rules that are in force afterwards, by their names. `Null`: there is no block.
async fn public_access(
    directory: &Arc<Directory>,
    canonical_id: &str,
    change: AccessChange,
) -> Result<Value, String> {
    let access = match change {
        AccessChange::Keep => directory.public_access(canonical_id),
        AccessChange::Set(access) => Some(access),
        AccessChange::Remove => None,
    };
    if change != AccessChange::Keep {
        let done = directory.set_public_access(canonical_id, access).await;
        done.map_err(|error| Chain(&error).to_string())?;
    }
    let rules = |access: PublicAccess| {
        let rules = access.rules().into_iter().map(|(rule, is_on)| (rule.to_owned(), Value::Bool(is_on)));
        Value::Object(rules.collect())
    };
    Ok(access.map_or(Value::Null, rules))
}

fn account_of(in_force: &CredentialsInForce, access_key: Option<&str>) -> Result<Arc<Identity>, String> {
    match access_key {
        Some(key) => in_force
            .find(key)
            .map(|(identity, _)| identity)
            .ok_or_else(|| format!("no account has the access key '{key}'")),
        None => in_force.administrator().ok_or_else(|| {
            "there is no administrator: name an account by its access key with --account".to_owned()
        }),
    }
}

async fn call(
    in_force: &CredentialsInForce,
    directory: &Arc<Directory>,
    action: Action,
) -> Result<Value, String> {
    let caller = account_of(in_force, action.account.as_deref())?;
    let head = [("Action", action.action.as_str()), ("Version", VERSION)];
    let head = head.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let call = Call {
        request_id: "operator".into(),
        at: Timestamp::now(),
        caller: Some(caller),
        token: None,
        service: None,
        form: Form::new(head.into_iter().chain(action.parameters).collect())
            .map_err(|error| error.message)?,
        peer: Ipv4Addr::LOCALHOST.into(),
        is_secure: true,
        user_agent: None,
    };
    // Web identities come over the network only.
    let queries = Queries::new(directory.clone(), Providers::default());
    let answer = queries.answer(call).await;
    if let Some(failure) = answer.failure {
        return Err(failure.to_string());
    }
    if answer.code.is_some() {
        let error = xml::parse(&answer.body, "ErrorResponse").map_err(|error| error.to_string())?;
        let message = error.child("Error").and_then(|error| error.value("Message"));
        return Err(message.unwrap_or_default().to_owned());
    }
    let name = format!("{}Response", action.action);
    let reply = xml::parse(&answer.body, &name).map_err(|error| error.to_string())?;
    let result = reply.child(&format!("{}Result", action.action));
    Ok(result.map_or(Value::Null, json))
}

fn json(element: &Element) -> Value {
    let is_list = LISTS.contains(&element.name.as_str())
        || element.children.first().is_some_and(|child| child.name == "member");
    if is_list {
        return element.children.iter().map(json).collect();
    }
    if element.children.is_empty() {
        return Value::String(element.text.clone());
    }
    let fields = element.children.iter().map(|child| (child.name.clone(), json(child)));
    Value::Object(fields.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_becomes_json_and_an_empty_list_stays_one() {
        let document = b"<R><Users><member><UserName>a</UserName><Tags/></member></Users><Groups/><IsTruncated>false</IsTruncated></R>";
        let root = xml::parse(document, "R").expect("well formed");
        let expected = serde_json::json!({
            "Users": [{ "UserName": "a", "Tags": [] }], "Groups": [], "IsTruncated": "false"
        });
        assert_eq!(json(&root), expected);
    }
}
