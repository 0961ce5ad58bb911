//! Who may sign in, where, and which role they get.

use crate::model::Secret;
use std::sync::Arc;

/// Who may sign in, and where.
#[derive(Debug, Clone)]
pub struct SignInSettings {
    /// One of the providers.
    pub issuer: String,
    pub client_id: String,
    /// `None`: the provider knows the client by its name and by PKCE alone.
    pub client_secret: Option<Secret>,
    /// Where the provider sends browsers back to.
    pub redirect: String,
    pub scopes: Vec<String>,
    /// The claim that chooses a role.
    pub claim: Option<String>,
    /// Names of roles by values of the claim: the first that a person has counts.
    pub roles: Vec<(String, String)>,
    /// The role of everybody else.
    pub role: Option<String>,
    /// The canonical id of the account of the roles.
    pub account: Arc<str>,
    /// How long a session lasts, in seconds.
    pub session: u32,
}
