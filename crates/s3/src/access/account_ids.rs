//! The accounts that ACLs name.
//!
//! Does not own identities: whoever keeps them implements [`AccountIds`].

use super::CredentialsInForce;
use crate::{iam::Accounts, model::Owner};
use std::fmt;

/// The accounts that exist now.
pub trait AccountIds: Send + Sync + fmt::Debug {
    /// The account with a canonical id.
    fn owner(&self, canonical_id: &str) -> Option<Owner>;
}

impl AccountIds for CredentialsInForce {
    fn owner(&self, canonical_id: &str) -> Option<Owner> {
        self.account(canonical_id).map(|account| account.owner.clone())
    }
}

/// For a gateway that nobody signs requests to.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAccounts;

impl AccountIds for NoAccounts {
    fn owner(&self, _canonical_id: &str) -> Option<Owner> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::{Credential, Credentials},
        model::{AccessKey, Role, Secret},
    };
    use std::sync::Arc;

    #[test]
    fn an_account_is_found_by_its_canonical_id_and_not_by_its_access_key() {
        let alice = Credential {
            access_key: AccessKey("alice".into()),
            secret_key: Secret::new("s"),
            role: Role::ReadWrite,
            name: None,
            terms: Default::default(),
        };
        let in_force = CredentialsInForce::new(Arc::new(Credentials::new([alice])));
        let (identity, _) = in_force.find("alice").expect("alice");
        assert_eq!(in_force.owner(&identity.owner.id), Some(identity.owner.clone()));
        assert_eq!(in_force.owner("alice"), None);
    }
}
