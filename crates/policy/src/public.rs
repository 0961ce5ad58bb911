//! Whether a bucket policy is public (Amazon S3 User Guide, "The meaning of public").
//!
//! A policy is public when a statement allows something to everybody, and no condition limits it to fixed
//! values of a key that says who or from where. Statements that deny make no policy less public.

use crate::{
    condition::{Condition, Width},
    document::Policy,
    keys,
    statement::Effect,
};

impl Policy {
    /// What `GetBucketPolicyStatus` reports, and what `BlockPublicPolicy` refuses.
    pub fn is_public(&self) -> bool {
        self.statements().iter().any(|statement| {
            statement.effect() == Effect::Allow
                && statement.is_for_everyone()
                && !statement.conditions().iter().any(narrows)
        })
    }
}

fn narrows(condition: &Condition) -> bool {
    keys::narrows(condition.key())
        && match condition.width() {
            Width::Fixed => true,
            // The name of an access point may have wildcards, its account may not.
            Width::FixedAccount => condition.key() == "s3:dataaccesspointarn",
            Width::Open => false,
        }
}
