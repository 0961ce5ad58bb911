//! OAuth 2.0 (RFC 6749), as drives in the cloud speak it: which grants there are, access tokens got with them, and requests
//! that carry them.

mod api;
mod tokens;

pub(super) use api::{Api, Call, Refusal, parse};
pub(super) use tokens::Tokens;

use crate::model::{Endpoint, Secret};
use std::path::PathBuf;

/// What entitles us to tokens.
#[derive(Debug, Clone)]
pub enum Grant {
    /// A person who has agreed, by `causeway backend authorize` or any other way. Clients that keep no secret have none.
    Refresh { client_id: String, client_secret: Option<Secret>, refresh_token: Secret },
    /// The JSON of a Google service account's key; `subject` is a user of the domain that it acts for.
    ServiceAccount { key: Secret, subject: Option<String> },
    /// An application that acts for itself.
    Client { client_id: String, client_secret: Secret },
}

/// Who gives out tokens, and what for.
#[derive(Debug, Clone)]
pub struct Authority {
    /// In words to an operator.
    pub name: &'static str,
    pub url: Endpoint,
    /// What is asked for where the grant does not say it.
    pub scope: String,
    /// Where a newer refresh token is kept, of authorities that give one out with each access token.
    pub renewals: Option<PathBuf>,
}
