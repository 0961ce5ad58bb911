//! Whether a user or a role would be allowed an action, and by which statement.
//!
//! Considers the policies of the identity: its own, those of its groups, and its boundary. Does not consider
//! the policy and the ACL of a bucket.

use crate::{
    directory::Directory,
    member::{self, OfSession},
    names::fold,
    policy::{Action, Attached, Context, NamedPolicy, Policies, Request},
};
use std::sync::Arc;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Simulation<'a> {
    /// The name of a user. Either this or a role is given.
    pub user: Option<&'a str>,
    pub role: Option<&'a str>,
    pub action: &'a str,
    pub resource: &'a str,
    /// Condition keys with their values.
    pub context: &'a [(String, String)],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulated {
    pub allowed: bool,
    /// In words, with the statement that decides.
    pub why: String,
}

impl Directory {
    /// The error is for the operator.
    pub fn simulate(&self, canonical_id: &str, asked: &Simulation<'_>) -> Result<Simulated, String> {
        let (snapshot, canonical) = (self.snapshot(), Arc::<str>::from(canonical_id));
        let account = snapshot.state.account(canonical_id);
        let member = match (asked.user, asked.role) {
            (Some(name), None) => {
                let user = account.users.get(&fold(name));
                let user = user.ok_or_else(|| format!("the account has no user '{name}'"))?;
                member::user(&canonical, account, user, None)
            }
            (None, Some(name)) => {
                let role = account.roles.get(&fold(name));
                let role = role.ok_or_else(|| format!("the account has no role '{name}'"))?;
                let session = OfSession { name: "simulated", tags: &[], provider: "", policies: None };
                member::session(&canonical, account, role, session)
            }
            (None, None) | (Some(_), Some(_)) => return Err("name either a user or a role".to_owned()),
        };
        let mut context = Context::new();
        for (key, value) in asked.context {
            context.add(key.as_str(), value.as_str());
        }
        let action = Action::new(asked.action);
        let request = Request::new(member.principal(), &action, asked.resource, context);
        let identity: Vec<Attached<'_>> = member.policies.iter().map(attached).collect();
        let boundary = member.boundary.as_ref().map(attached);
        let policies = Policies { identity: &identity, boundary, ..Policies::default() };
        let decision = policies.decide(&request);
        Ok(Simulated { allowed: decision.is_allowed(), why: decision.to_string() })
    }
}

fn attached(named: &NamedPolicy) -> Attached<'_> {
    Attached { name: &named.name, policy: &named.policy }
}
