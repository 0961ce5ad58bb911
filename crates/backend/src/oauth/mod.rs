//! OAuth 2.0 (RFC 6749), as cloud drives use it: the grants, the access tokens obtained with them (`tokens`),
//! requests that carry tokens (`api`), and how a user gives a grant (`authorize`).

mod api;
mod authorize;
mod tokens;

pub use api::{Api, Call, Refusal, parse};
pub use authorize::{Asking, Authorization, Device};
pub use tokens::Tokens;

use super::wire::{Again, Outgoing, Reply, Unsigned, Wire};
use crate::{
    model::{Endpoint, Secret},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{HeaderValue, Method, Uri, header, request::Parts};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::PathBuf;

/// The grant with which tokens are obtained.
#[derive(Debug, Clone)]
pub enum Grant {
    /// A user has granted access, by `causeway backend authorize` or in another way. Applications that cannot
    /// keep a secret have no `client_secret`.
    Refresh { client_id: String, client_secret: Option<Secret>, refresh_token: Secret },
    /// The JSON of a Google service account's key; `subject` is a user of the domain that it acts for.
    ServiceAccount { key: Secret, subject: Option<String> },
    /// An application that acts for itself.
    Client { client_id: String, client_secret: Secret },
}

/// The authority that issues tokens, and the scope.
#[derive(Debug, Clone)]
pub struct Authority {
    /// The name of the authority, for messages to operators.
    pub name: &'static str,
    pub url: Endpoint,
    /// The scope that is requested where the grant does not name one.
    pub scope: String,
    /// The file for renewed refresh tokens, for authorities that issue a new one with each access token.
    pub renewals: Option<PathBuf>,
}

/// Sends a form to an authority.
async fn post(wire: &Wire, url: &Endpoint, form: &Secret, again: Again) -> Result<Reply> {
    let uri =
        Uri::builder().scheme(url.scheme()).authority(url.authority()).path_and_query(url.path()).build();
    let mut head: Parts = http::Request::new(()).into_parts().0;
    head.method = Method::POST;
    head.uri = uri.map_err(|_| {
        StoreError::new(StoreErrorKind::InvalidRequest, "the address of the token service cannot be used")
    })?;
    head.headers
        .insert(header::HOST, HeaderValue::from_str(url.authority()).map_err(|_| StoreErrorKind::Internal)?);
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let body = form.expose().to_owned();
    head.headers.insert(header::CONTENT_LENGTH, body.len().into());
    wire.send(&Unsigned, head, Outgoing::full(body.into()), again).await
}

fn form(fields: &[(&str, &str)]) -> String {
    let field =
        |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}
