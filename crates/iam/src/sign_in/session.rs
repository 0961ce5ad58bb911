//! The session of a person who has signed in, as its browser keeps it.
//!
//! Invariants:
//! - nobody without the key of the data directory makes, reads or changes one;
//! - neither a session token of STS, which presigned URLs show, nor what is pending passes for one, and one
//!   passes for neither.

use crate::{data_key::DataKey, model::Timestamp};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::io;

/// Never the name of an access key.
const SEALED_FOR: &str = "sign-in session v1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Session {
    /// The canonical id of the account of the role.
    pub(super) account: String,
    /// The folded name of the role.
    pub(super) role: String,
    /// The id of the role, which no later role of that name has.
    pub(super) role_id: String,
    pub(super) session_name: String,
    /// The ARN of the provider.
    pub(super) provider: String,
    pub(super) issuer: String,
    pub(super) subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
    pub(super) issued: Timestamp,
    pub(super) until: Timestamp,
}

impl Session {
    pub(super) fn seal(&self, key: &DataKey) -> io::Result<String> {
        Ok(URL_SAFE_NO_PAD.encode(key.seal_token(SEALED_FOR, &serde_json::to_vec(self)?)?))
    }

    /// `None`: it is none of ours, or it has ended.
    pub(super) fn open(key: &DataKey, sealed: &str, now: Timestamp) -> Option<Self> {
        let content = key.unseal_token(SEALED_FOR, &URL_SAFE_NO_PAD.decode(sealed).ok()?)?;
        let session: Self = serde_json::from_slice(&content).ok()?;
        (now < session.until).then_some(session)
    }
}
