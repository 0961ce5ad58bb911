//! The ids of the users and roles that policies name.
//!
//! Does not own users and roles: whoever keeps them implements [`PrincipalIds`].

use crate::iam::Directory;
use std::fmt;

/// The users and roles that exist now.
pub trait PrincipalIds: Send + Sync + fmt::Debug {
    /// The id of the user or role with an ARN: the one that no later user or role of that name ever has.
    fn id(&self, arn: &str) -> Option<String>;
}

/// For a gateway that has accounts only.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPrincipals;

impl PrincipalIds for NoPrincipals {
    fn id(&self, _arn: &str) -> Option<String> {
        None
    }
}

impl PrincipalIds for Directory {
    fn id(&self, arn: &str) -> Option<String> {
        self.id_of(arn)
    }
}
