//! Condition keys whose values a server learns only while it works on a request.
//!
//! A server asks a policy whether it reads such a key, and then decides once more when the value is known.
//! Invariant: the answer is "yes" for every policy whose decision may depend on the key.

use crate::json::Json;

/// A key, or keys with one beginning, with values that are known late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// The tags that the object has: it has to be opened first.
    ExistingObjectTag,
    /// The tags that the request gives to an object: they may be in its body.
    RequestObjectTag,
    /// The tags that the request gives to a bucket: they are in its body.
    RequestTag,
    /// The region of a new bucket: it is in the body.
    LocationConstraint,
}

impl Late {
    const ALL: [(Self, &'static str); 5] = [
        (Self::ExistingObjectTag, "s3:existingobjecttag/"),
        (Self::RequestObjectTag, "s3:requestobjecttag"),
        (Self::RequestTag, "aws:requesttag/"),
        (Self::RequestTag, "aws:tagkeys"),
        (Self::LocationConstraint, "s3:locationconstraint"),
    ];
}

/// The late keys that a policy reads, as a set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LateKeys(u8);

impl LateKeys {
    /// A key stands in a condition, or in a variable anywhere in a text.
    pub(crate) fn of(policy: &Json) -> Self {
        let found = Late::ALL.into_iter().filter(|(_, name)| mentions(policy, name));
        Self(found.fold(0, |bits, (key, _)| bits | 1 << key as u8))
    }

    pub(crate) fn has(self, key: Late) -> bool {
        self.0 & (1 << key as u8) != 0
    }
}

fn mentions(json: &Json, name: &str) -> bool {
    let has = |text: &str| text.to_ascii_lowercase().contains(name);
    match json {
        Json::Text(text) => has(text),
        Json::List(list) => list.iter().any(|item| mentions(item, name)),
        Json::Object(members) => members.iter().any(|(key, value)| has(key) || mentions(value, name)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    #[test]
    fn a_policy_reads_a_late_key_in_a_condition_or_a_variable() {
        let policy = |resource: &str, condition: &str| {
            let text = format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"{resource}"{condition}}}}}"#
            );
            Policy::identity(&text).expect("a policy")
        };
        let by_condition =
            |key: &str| policy("*", &format!(r#","Condition":{{"StringEquals":{{"{key}":"x"}}}}"#));
        for (key, late) in [
            ("s3:ExistingObjectTag/team", Late::ExistingObjectTag),
            ("s3:requestobjecttag/team", Late::RequestObjectTag),
            ("s3:RequestObjectTagKeys", Late::RequestObjectTag),
            ("aws:RequestTag/team", Late::RequestTag),
            ("aws:TagKeys", Late::RequestTag),
            ("s3:LocationConstraint", Late::LocationConstraint),
        ] {
            let policy = by_condition(key);
            for (other, _) in Late::ALL {
                assert_eq!(policy.reads(other), other == late, "{key} {other:?}");
            }
        }
        let by_variable = policy("arn:aws:s3:::b/${s3:ExistingObjectTag/team}/*", "");
        assert!(by_variable.reads(Late::ExistingObjectTag));
        let escaped = by_condition(r"s3\u003aExistingObjectTag/team");
        assert!(escaped.reads(Late::ExistingObjectTag), "the key is compared as JSON means it");
        assert!(!by_condition("s3:prefix").reads(Late::ExistingObjectTag));
    }
}
