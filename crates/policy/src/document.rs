//! A policy, from its JSON to the form that decisions are made with.
//!
//! The text itself is the caller's to keep: S3 returns a bucket policy as it was written.

use crate::{
    error::{Flaw, MalformedPolicy},
    json::Json,
    late::{Late, LateKeys},
    statement::{Rules, Statement},
};
use std::collections::{BTreeSet, HashSet};

/// The longest bucket policy that S3 accepts.
pub const MAX_BUCKET_POLICY_BYTES: usize = 20 * 1024;
/// The longest policy of an identity that IAM accepts (all inline policies of a role), without white space.
pub const MAX_IDENTITY_POLICY_CHARACTERS: usize = 10_240;

/// The longest trust policy of a role that IAM accepts, without white space.
pub const MAX_TRUST_POLICY_CHARACTERS: usize = 4096;

/// A policy that was accepted.
#[derive(Debug, Clone)]
pub struct Policy {
    id: Option<Box<str>>,
    statements: Vec<Statement>,
    late: LateKeys,
}

impl Policy {
    /// A policy of a user, a group or a role, a permission boundary, or a policy of a session.
    pub fn identity(text: &str) -> Result<Self, MalformedPolicy> {
        check_characters(text, MAX_IDENTITY_POLICY_CHARACTERS)?;
        Self::parse(text, None, false)
    }

    /// The policy of a role that says who may take it on. Its statements name no resource: they are about
    /// the role itself.
    pub fn trust(text: &str) -> Result<Self, MalformedPolicy> {
        check_characters(text, MAX_TRUST_POLICY_CHARACTERS)?;
        Self::parse(text, None, true)
    }

    /// The policy of a bucket.
    pub fn bucket(text: &str, bucket: &str) -> Result<Self, MalformedPolicy> {
        if text.len() > MAX_BUCKET_POLICY_BYTES {
            let message =
                format!("the policy has {} bytes; at most {MAX_BUCKET_POLICY_BYTES} are allowed", text.len());
            return Err(MalformedPolicy::new(Flaw::Size, "", message));
        }
        Self::parse(text, Some(bucket), false)
    }

    fn parse(text: &str, bucket: Option<&str>, trust: bool) -> Result<Self, MalformedPolicy> {
        let json = Json::parse(text)?;
        let (mut version, mut id, mut statement) = (None, None, None);
        for (name, value) in json.object("")? {
            match name.as_str() {
                "Version" => version = Some(value.text(name)?),
                "Id" => id = Some(value.text(name)?),
                "Statement" => statement = Some(value),
                other => {
                    let message = format!("a policy has no element {other:?}");
                    return Err(MalformedPolicy::new(Flaw::UnknownElement, "", message));
                }
            }
        }
        let variables = match version {
            None | Some("2008-10-17") => false,
            Some("2012-10-17") => true,
            Some(other) => {
                let message = format!("must be 2012-10-17 or 2008-10-17, but is {other:?}");
                return Err(MalformedPolicy::new(Flaw::Value, "Version", message));
            }
        };
        let statement = statement
            .ok_or_else(|| MalformedPolicy::new(Flaw::Elements, "", "element Statement is missing"))?;
        let rules = Rules { bucket, trust, variables };
        let (mut statements, mut sids) = (Vec::new(), HashSet::new());
        let is_list = matches!(statement, Json::List(_));
        for (index, json) in statement.one_or_more("Statement")?.iter().enumerate() {
            let at = if is_list { format!("Statement[{index}]") } else { "Statement".to_owned() };
            let statement = Statement::parse(json, &at, rules)?;
            if let Some(sid) = statement.sid().filter(|sid| !sid.is_empty())
                && !sids.insert(sid.to_owned())
            {
                let message = format!("another statement has the same Sid {sid:?}");
                return Err(MalformedPolicy::new(Flaw::Value, format!("{at}.Sid"), message));
            }
            statements.push(statement);
        }
        Ok(Self { id: id.map(Into::into), statements, late: LateKeys::of(&json) })
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether a decision may depend on a key whose value is known late.
    pub fn reads(&self, key: Late) -> bool {
        self.late.has(key)
    }

    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The ARNs of the users and roles that it names as principals.
    pub fn named_principals(&self) -> BTreeSet<&str> {
        let principals = self.statements.iter().filter_map(Statement::principals);
        principals.flat_map(|principals| principals.entities()).collect()
    }

    /// Ties each named user and role to the id that `id` gives for its ARN: the one that existed when the
    /// policy was written. Without an id, the name matches nobody. Ids are kept by the caller, beside the
    /// text: looked up later, they would be those of a user who was created with the name of a deleted one.
    #[must_use]
    pub fn pin(mut self, id: impl Fn(&str) -> Option<String>) -> Self {
        for principals in self.statements.iter_mut().filter_map(Statement::principals_mut) {
            principals.pin(&id);
        }
        self
    }
}

fn check_characters(text: &str, most: usize) -> Result<(), MalformedPolicy> {
    let characters = text.chars().filter(|c| !c.is_ascii_whitespace()).count();
    if characters > most {
        let message = format!("the policy has {characters} characters; at most {most} are allowed");
        return Err(MalformedPolicy::new(Flaw::Size, "", message));
    }
    Ok(())
}
