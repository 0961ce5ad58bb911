//! The block of public access: four rules that public ACLs and public policies do not pass.
//!
//! Owns the rules, how two blocks are joined, and the stored text: the names of the rules that are on,
//! separated by blanks, or `none`. What each rule does is in the gate and in the operations that set ACLs and
//! policies.

use serde::{Deserialize, Serialize};

/// A bucket has one, and its account may have another one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicAccess {
    /// ACLs that are public cannot be set.
    pub block_public_acls: bool,
    /// ACLs that are public grant nothing.
    pub ignore_public_acls: bool,
    /// Policies that are public cannot be set.
    pub block_public_policy: bool,
    /// A bucket with a public policy is only for the account of its owner.
    pub restrict_public_buckets: bool,
}

const NONE: &str = "none";

impl PublicAccess {
    /// The rules in the order in which S3 shows them, by their elements in its documents. The names are
    /// stored: never change one.
    pub fn rules(&self) -> [(&'static str, bool); 4] {
        [
            ("BlockPublicAcls", self.block_public_acls),
            ("IgnorePublicAcls", self.ignore_public_acls),
            ("BlockPublicPolicy", self.block_public_policy),
            ("RestrictPublicBuckets", self.restrict_public_buckets),
        ]
    }

    /// The rule with a name.
    pub fn rule_mut(&mut self, name: &str) -> Option<&mut bool> {
        match name {
            "BlockPublicAcls" => Some(&mut self.block_public_acls),
            "IgnorePublicAcls" => Some(&mut self.ignore_public_acls),
            "BlockPublicPolicy" => Some(&mut self.block_public_policy),
            "RestrictPublicBuckets" => Some(&mut self.restrict_public_buckets),
            _ => None,
        }
    }

    /// Both blocks together: a rule that one of them has is on.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            block_public_acls: self.block_public_acls || other.block_public_acls,
            ignore_public_acls: self.ignore_public_acls || other.ignore_public_acls,
            block_public_policy: self.block_public_policy || other.block_public_policy,
            restrict_public_buckets: self.restrict_public_buckets || other.restrict_public_buckets,
        }
    }

    /// Reads the stored text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut access = Self::default();
        for name in text.split(' ').filter(|_| text != NONE) {
            *access.rule_mut(name).ok_or_else(|| format!("'{name}' is no rule about public access"))? = true;
        }
        Ok(access)
    }

    /// The stored text.
    pub fn text(&self) -> String {
        let on: Vec<_> = self.rules().into_iter().filter_map(|(name, is_on)| is_on.then_some(name)).collect();
        if on.is_empty() { NONE.to_owned() } else { on.join(" ") }
    }
}

impl TryFrom<String> for PublicAccess {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<PublicAccess> for String {
    fn from(access: PublicAccess) -> Self {
        access.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every() -> impl Iterator<Item = PublicAccess> {
        (0..16u8).map(|bits| PublicAccess {
            block_public_acls: bits & 1 != 0,
            ignore_public_acls: bits & 2 != 0,
            block_public_policy: bits & 4 != 0,
            restrict_public_buckets: bits & 8 != 0,
        })
    }

    #[test]
    fn every_combination_of_rules_is_read_as_it_was_written() {
        for access in every() {
            let text = access.text();
            assert_eq!(PublicAccess::parse(&text), Ok(access), "{text}");
        }
        assert!(PublicAccess::parse("").is_err());
        assert!(PublicAccess::parse("BlockEverything").is_err());
    }

    #[test]
    fn a_rule_that_one_of_two_blocks_has_is_on_and_no_other_is() {
        for (one, other) in every().flat_map(|one| every().map(move |other| (one, other))) {
            let both = one.and(other).rules();
            for ((rule, is_on), (of_one, of_other)) in
                both.into_iter().zip(one.rules().into_iter().zip(other.rules()))
            {
                assert_eq!(is_on, of_one.1 || of_other.1, "{rule} of {one:?} and {other:?}");
            }
        }
    }
}
