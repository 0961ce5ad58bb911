//! The parts of a JSON Web Token (RFC 7515, RFC 7519).
//!
//! Parsing only: nothing that a token says is true before `keys` has checked its signature.

use crate::{
    model::Timestamp,
    query::{Code, QueryError},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// How far the clocks of a provider and of this server may differ, in seconds.
const SKEW: i64 = 60;

/// The algorithms that are accepted. `none`, and those with a shared secret, are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: Algorithm,
    #[serde(default)]
    kid: Option<String>,
    /// Extensions that a reader must understand: none is.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    #[serde(default)]
    pub(super) sub: String,
    aud: Audience,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    iat: Option<f64>,
    /// The party that the token was issued to, where that is not the audience.
    #[serde(default)]
    azp: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// A token that was not verified yet.
#[derive(Debug)]
pub(super) struct Token<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    pub(super) claims: Claims,
    /// What was signed.
    pub(super) signed: &'t str,
    pub(super) signature: Vec<u8>,
}

impl<'t> Token<'t> {
    /// The error says what is wrong, for the client.
    pub(super) fn parse(text: &'t str) -> Result<Self, &'static str> {
        const MALFORMED: &str =
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
        let (signed, signature) = text.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, claims) = signed.split_once('.').ok_or(MALFORMED)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| MALFORMED);
        let header: Header = serde_json::from_slice(&bytes(header)?).map_err(
            |_| "The header of the token is malformed, or its algorithm is neither RS256 nor ES256",
        )?;
        if header.crit.is_some() {
            return Err("The token has a critical extension that is not understood");
        }
        let claims = serde_json::from_slice(&bytes(claims)?)
            .map_err(|_| "The token lacks one of the claims iss, aud and exp, or one is malformed")?;
        let signature = bytes(signature)?;
        Ok(Self { algorithm: header.alg, key_id: header.kid, claims, signed, signature })
    }
}

impl Token<'_> {
    /// The claims, also those that are not looked at for its validity.
    pub(super) fn all_claims(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        let (_, claims) = self.signed.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

impl Claims {
    /// The audiences of the token; where it names an authorized party, that one alone.
    pub(super) fn audiences(&self) -> impl Iterator<Item = &str> {
        let all: &[String] = match (&self.azp, &self.aud) {
            (Some(party), _) => std::slice::from_ref(party),
            (None, Audience::One(audience)) => std::slice::from_ref(audience),
            (None, Audience::Many(audiences)) => audiences,
        };
        all.iter().map(String::as_str)
    }

    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), QueryError> {
        #[allow(clippy::cast_precision_loss)] // Exact for the next 285 million years.
        let (now, skew) = (now.seconds() as f64, SKEW as f64);
        if self.exp <= now {
            return Err(QueryError::new(
                Code::ExpiredTokenException,
                "Token expired: the current date/time must be before the expiration date/time",
            ));
        }
        if [self.nbf, self.iat].into_iter().flatten().any(|begin| begin > now + skew) {
            return Err(QueryError::new(Code::InvalidIdentityToken, "The token is not valid yet"));
        }
        Ok(())
    }
}
