//! The policy of a bucket: its text as the client wrote it, and the ids of the users and roles that it names.
//!
//! Owns the stored form. What a policy means is owned by the policy crate. Invariants:
//! - the text is returned byte by byte as it came;
//! - a name of the policy stands for the user or role that had it when the policy was set: its id is stored.

use super::DocumentKind;
use crate::policy::{MalformedPolicy, Policy};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// As it is stored. The parser needs the name of the bucket, because a policy speaks of its bucket only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    bucket: String,
    text: String,
    ids: BTreeMap<String, String>,
}

/// A policy that was accepted, ready for decisions.
#[derive(Debug, Clone)]
pub struct BucketPolicy {
    stored: Stored,
    policy: Policy,
    is_public: bool,
}

impl BucketPolicy {
    /// Accepts a policy. `id` gives the id of each user and role that it names; the error of one without an
    /// id names its ARN.
    pub fn accept(
        text: &str,
        bucket: &str,
        id: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, PolicyRefused> {
        let policy = Policy::bucket(text, bucket)?;
        let ids = policy
            .named_principals()
            .into_iter()
            .map(|arn| Ok((arn.to_owned(), id(arn).ok_or_else(|| PolicyRefused::Nobody(arn.to_owned()))?)))
            .collect::<Result<_, PolicyRefused>>()?;
        Ok(Self::of(Stored { bucket: bucket.to_owned(), text: text.to_owned(), ids }, policy))
    }

    fn of(stored: Stored, policy: Policy) -> Self {
        let policy = policy.pin(|arn| stored.ids.get(arn).cloned());
        Self { is_public: policy.is_public(), policy, stored }
    }

    pub fn text(&self) -> &str {
        &self.stored.text
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub fn is_public(&self) -> bool {
        self.is_public
    }
}

/// A policy that cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefused {
    #[error(transparent)]
    Malformed(#[from] MalformedPolicy),
    #[error("Invalid principal in policy: there is no user or role {0:?}")]
    Nobody(String),
}

/// Two policies are equal if they are stored alike.
impl PartialEq for BucketPolicy {
    fn eq(&self, other: &Self) -> bool {
        self.stored == other.stored
    }
}

#[derive(Debug)]
pub enum PolicyDocument {}

impl DocumentKind for PolicyDocument {
    type Value = Option<Arc<BucketPolicy>>;
    const NAME: &'static str = "policy";

    fn parse(body: &str) -> Result<Self::Value, String> {
        let stored: Stored = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let policy = Policy::bucket(&stored.text, &stored.bucket).map_err(|error| error.to_string())?;
        Ok(Some(Arc::new(BucketPolicy::of(stored, policy))))
    }

    fn write(policy: &Self::Value) -> String {
        policy.as_ref().map(|policy| serde_json::json!(policy.stored).to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "arn:aws:iam::111111111111:user/carol";

    fn text() -> String {
        format!(
            r#" {{"Statement": {{"Effect":"Allow","Principal":{{"AWS":"{USER}"}},"Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}}}} "#
        )
    }

    #[test]
    fn a_policy_is_stored_with_its_text_and_the_ids_of_those_it_names() {
        let id = |arn: &str| (arn == USER).then(|| "AIDACAROL".to_owned());
        let policy = Some(Arc::new(BucketPolicy::accept(&text(), "photos", id).expect("accepted")));
        let body = PolicyDocument::write(&policy);
        let again = PolicyDocument::parse(&body).expect("read");
        assert_eq!(again, policy);
        let again = again.expect("a policy");
        assert_eq!((again.text(), again.is_public()), (&*text(), false));
        assert!(body.contains("AIDACAROL"), "{body}");
    }

    #[test]
    fn a_policy_that_names_nobody_or_speaks_of_another_bucket_is_refused() {
        let nobody = BucketPolicy::accept(&text(), "photos", |_| None).expect_err("nobody has that name");
        assert_eq!(nobody, PolicyRefused::Nobody(USER.to_owned()));
        let other =
            BucketPolicy::accept(&text(), "music", |_| Some("id".into())).expect_err("not its bucket");
        assert!(matches!(other, PolicyRefused::Malformed(_)), "{other}");
    }

    #[test]
    fn a_stored_policy_that_is_not_understood_is_an_error() {
        for body in ["", "{}", r#"{"bucket":"photos","text":"{}","ids":{}}"#] {
            assert!(PolicyDocument::parse(body).is_err(), "{body}");
        }
        let more = r#"{"bucket":"b","text":"","ids":{},"more":1}"#;
        assert!(PolicyDocument::parse(more).expect_err("a field of a later release").contains("more"));
    }
}
