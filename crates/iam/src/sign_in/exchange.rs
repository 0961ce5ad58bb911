//! The authorization code flow with PKCE (OpenID Connect Core, section 3.1; RFC 7636): the address that a
//! browser is sent to, what it comes back with, and the code for a verified ID token.
//!
//! Invariants:
//! - an ID token counts only if it was issued to this client, in answer to this sign-in (its nonce);
//! - what a provider says of a person is bounded in length.

use super::{error::SignInError, pending::Pending, settings::SignInSettings};
use crate::{
    model::Timestamp,
    oidc::{Provider, Vouched},
    query::{Code, QueryError},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

/// The longest code, state or name of an error that a browser brings.
const LONGEST_PARAMETER: usize = 4096;
/// The longest claim that a session keeps, in bytes.
const LONGEST_CLAIM: usize = 256;
const MAX_REPLY: usize = 256 * 1024;
/// Everything but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a verified ID token says.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) vouched: Vouched,
    claims: serde_json::Map<String, Value>,
}

impl Known {
    /// A claim that is text, if it is not too long to be kept.
    pub(super) fn text(&self, claim: &str) -> Option<String> {
        let text = self.claims.get(claim)?.as_str()?;
        (text.len() <= LONGEST_CLAIM).then(|| text.to_owned())
    }

    /// The values of a claim: one text, or a list of texts.
    pub(super) fn values(&self, claim: &str) -> Vec<&str> {
        match self.claims.get(claim) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// What a browser comes back with.
#[derive(Debug)]
pub(super) struct Returned {
    pub(super) state: String,
    pub(super) code: Option<String>,
    pub(super) issuer: Option<String>,
    /// The provider's word for why there is no code.
    pub(super) error: String,
}

impl Returned {
    /// `None`: no provider sends that. A parameter that is there twice counts as none.
    pub(super) fn of(query: &str) -> Option<Self> {
        let get = |wanted: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let mut values = pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value);
            let value =
                values.next().filter(|value| values.next().is_none() && value.len() <= LONGEST_PARAMETER)?;
            let value = value.replace('+', " ");
            percent_decode_str(&value).decode_utf8().ok().map(|value| value.into_owned())
        };
        Some(Self {
            state: get("state")?,
            code: get("code").filter(|code| !code.is_empty()),
            issuer: get("iss"),
            error: readable(&get("error").unwrap_or_default()),
        })
    }
}

/// The address at the provider.
pub(super) fn authorization(endpoint: &str, settings: &SignInSettings, pending: &Pending) -> String {
    let query = form(&[
        ("response_type", "code"),
        ("client_id", &settings.client_id),
        ("redirect_uri", &settings.redirect),
        ("scope", &settings.scopes.join(" ")),
        ("state", &pending.state),
        ("nonce", &pending.nonce),
        ("code_challenge", &pending.challenge()),
        ("code_challenge_method", "S256"),
    ]);
    format!("{endpoint}{}{query}", if endpoint.contains('?') { '&' } else { '?' })
}

/// Gets the ID token for a code, and verifies it.
pub(super) async fn redeem(
    provider: &Provider,
    settings: &SignInSettings,
    pending: &Pending,
    code: &str,
    now: Timestamp,
) -> Result<Known, SignInError> {
    #[derive(Deserialize)]
    struct Reply {
        id_token: String,
    }
    let endpoints = provider.endpoints().await.map_err(SignInError::failed)?;
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &settings.redirect),
        ("code_verifier", &pending.verifier),
    ];
    let authorization = settings.client_secret.as_ref().map(|secret| {
        let pair = format!("{}:{}", encoded(&settings.client_id), encoded(secret.expose()));
        format!("Basic {}", STANDARD.encode(pair))
    });
    if authorization.is_none() {
        fields.push(("client_id", &settings.client_id));
    }
    let reply = provider.post(&endpoints.token, form(&fields), authorization, MAX_REPLY).await;
    let (status, reply) = reply.map_err(SignInError::failed)?;
    if !status.is_success() {
        return Err(unredeemed(&endpoints.token, status, &reply));
    }
    let Reply { id_token } = serde_json::from_slice(&reply)
        .map_err(|error| SignInError::failed(format!("{} sent no ID token: {error}", endpoints.token)))?;
    let verified = provider.verify_for(&id_token, &settings.client_id, now).await;
    let (vouched, claims) = verified.map_err(|error| rejected(&endpoints.token, &error))?;
    if claims.get("nonce").and_then(Value::as_str) != Some(pending.nonce.as_str()) {
        tracing::warn!(
            issuer = settings.issuer,
            "an ID token was issued for another sign-in: it was refused"
        );
        return Err(SignInError::Refused);
    }
    if vouched.subject.len() > LONGEST_CLAIM {
        return Err(SignInError::failed(format!("the subject has more than {LONGEST_CLAIM} bytes")));
    }
    Ok(Known { vouched, claims })
}

/// What it means that a code was not redeemed: a code that is not good is the browser's, anything else is not.
fn unredeemed(endpoint: &str, status: StatusCode, reply: &[u8]) -> SignInError {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let refusal: Option<Refusal> = serde_json::from_slice(reply).ok();
    let error = refusal.map(|refusal| readable(&refusal.error)).unwrap_or_default();
    if error == "invalid_grant" {
        tracing::warn!(endpoint, "an identity provider did not take a code: the sign-in was refused");
        return SignInError::Refused;
    }
    SignInError::failed(format!("{endpoint}: a code was answered {status} {error}"))
}

/// A word of somebody else, for the log.
fn readable(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(64).collect()
}

fn rejected(endpoint: &str, error: &QueryError) -> SignInError {
    let why = format!("the ID token of {endpoint} was refused: {}", error.message);
    if error.code == Code::IdpCommunicationError {
        return SignInError::failed(why);
    }
    tracing::warn!(error = why, "a sign-in was refused");
    SignInError::Refused
}

fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_is_there_twice_counts_as_none() {
        let returned = Returned::of("state=s&code=a&code=b").expect("a state");
        assert_eq!(returned.code, None);
        assert!(Returned::of("state=s&state=s&code=a").is_none());
        assert!(Returned::of("code=a").is_none());
        let odd = Returned::of("state=s&error=access%0Adenied+%1B[0m").expect("a state");
        assert_eq!(odd.error, "accessdenied[0m");
    }

    #[test]
    fn a_form_has_no_character_of_a_value_that_separates() {
        assert_eq!(form(&[("a", "x&y=z +é"), ("b", "~")]), "a=x%26y%3Dz%20%2B%C3%A9&b=~");
    }
}
