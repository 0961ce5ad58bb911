//! The block of public access: four rules that public ACLs and public policies do not pass.
//!
//! Owns the stored form: the names of the rules that are on, separated by blanks, or `none`. What each rule
//! does is in the gate and in the operations that set ACLs and policies.

use super::DocumentKind;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
}

#[derive(Debug)]
pub enum PublicAccessBlock {}

impl DocumentKind for PublicAccessBlock {
    type Value = Option<PublicAccess>;
    const NAME: &'static str = "public_access_block";

    fn parse(body: &str) -> Result<Self::Value, String> {
        let mut access = PublicAccess::default();
        for name in body.split(' ').filter(|_| body != NONE) {
            *access.rule_mut(name).ok_or_else(|| format!("'{name}' is no rule about public access"))? = true;
        }
        Ok(Some(access))
    }

    fn write(access: &Self::Value) -> String {
        let rules = access.unwrap_or_default().rules();
        let on: Vec<_> = rules.into_iter().filter_map(|(name, is_on)| is_on.then_some(name)).collect();
        if on.is_empty() { NONE.to_owned() } else { on.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_rules_is_read_as_it_was_written() {
        for bits in 0..16u8 {
            let access = Some(PublicAccess {
                block_public_acls: bits & 1 != 0,
                ignore_public_acls: bits & 2 != 0,
                block_public_policy: bits & 4 != 0,
                restrict_public_buckets: bits & 8 != 0,
            });
            let body = PublicAccessBlock::write(&access);
            assert_eq!(PublicAccessBlock::parse(&body), Ok(access), "{body}");
        }
        assert!(PublicAccessBlock::parse("").is_err());
        assert!(PublicAccessBlock::parse("BlockEverything").is_err());
    }
}
