//! Who an OpenID Connect token speaks of.
//!
//! Only providers of the configuration count: a token of any other issuer is refused before anything is
//! fetched. The keys of a provider are those that its discovery document names.
//!
//! | file | owns |
//! |---|---|
//! | `token` | the parts of a token, and its claims |
//! | `keys` | the keys of a provider, and whether one has signed a token |
//! | `provider` | fetching and keeping the keys of one provider |
//!
//! Invariants:
//! - a token counts only if a key of its own issuer has signed it, it is for one of the configured audiences,
//!   and it has not expired;
//! - how often a provider is asked does not depend on how many tokens are sent.

mod keys;
mod provider;
mod token;

pub(crate) use provider::Provider;
pub use provider::{Fetch, ProviderSettings};

use crate::{
    model::Timestamp,
    query::{Code, QueryError},
};
use std::sync::Arc;
use token::Token;

/// The longest token that STS takes.
const LONGEST: usize = 20_000;

/// The providers of the configuration.
#[derive(Debug, Default)]
pub struct Providers(Vec<Provider>);

/// Who a verified token speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vouched {
    pub(crate) subject: String,
    pub(crate) audience: String,
    /// The issuer without its scheme.
    provider: String,
}

impl Vouched {
    /// The ARN by which trust policies of an account name the provider.
    pub(crate) fn arn(&self, account_id: &str) -> String {
        format!("arn:aws:iam::{account_id}:oidc-provider/{}", self.provider)
    }

    /// The condition keys of the provider: `id.example/realm:sub`.
    pub(crate) fn condition_keys(&self) -> impl Iterator<Item = (String, String)> {
        let key = |claim: &str, value: &str| (format!("{}:{claim}", self.provider), value.to_owned());
        [key("sub", &self.subject), key("aud", &self.audience)].into_iter()
    }
}

impl Providers {
    /// Each provider with the way to its documents.
    pub fn new(providers: impl IntoIterator<Item = (ProviderSettings, Arc<dyn Fetch>)>) -> Self {
        Self(providers.into_iter().map(|(settings, fetch)| Provider::new(settings, fetch)).collect())
    }

    pub(crate) async fn verify(&self, text: &str, now: Timestamp) -> Result<Vouched, QueryError> {
        let invalid = |why: &str| QueryError::new(Code::InvalidIdentityToken, why);
        if text.len() > LONGEST {
            return Err(invalid("The web identity token is too long"));
        }
        let token = Token::parse(text).map_err(invalid)?;
        let issuer = token.claims.iss.as_str();
        let provider = self.of(issuer).ok_or_else(|| {
            invalid(&format!("No OpenIDConnect provider found in the configuration for {issuer}"))
        })?;
        provider.vouch(&token, |audience| provider.is_for(audience), now).await
    }

    /// The provider with an issuer.
    pub(crate) fn of(&self, issuer: &str) -> Option<&Provider> {
        self.0.iter().find(|provider| provider.issuer() == issuer)
    }
}

impl Provider {
    /// Who a token of this provider speaks of, if it is for one of the audiences that are accepted.
    async fn vouch(
        &self,
        token: &Token<'_>,
        accepts: impl Fn(&str) -> bool,
        now: Timestamp,
    ) -> Result<Vouched, QueryError> {
        let invalid = |why: &str| QueryError::new(Code::InvalidIdentityToken, why);
        let claims = &token.claims;
        let audience = claims.audiences().find(|audience| accepts(audience));
        let audience = audience.ok_or_else(|| invalid("Incorrect token audience"))?;
        self.check_signature(token).await?;
        // What a token says counts from here on.
        claims.check_time(now)?;
        if claims.sub.is_empty() {
            return Err(invalid("The token names no subject"));
        }
        let issuer = self.issuer();
        let provider = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
        let provider = provider.trim_end_matches('/').to_owned();
        Ok(Vouched { subject: claims.sub.clone(), audience: audience.to_owned(), provider })
    }

    /// The same for one audience, with all claims of the token.
    pub(crate) async fn verify_for(
        &self,
        text: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<(Vouched, serde_json::Map<String, serde_json::Value>), QueryError> {
        let invalid = |why: &str| QueryError::new(Code::InvalidIdentityToken, why);
        if text.len() > LONGEST {
            return Err(invalid("The ID token is too long"));
        }
        let token = Token::parse(text).map_err(invalid)?;
        if token.claims.iss != self.issuer() {
            return Err(invalid("The ID token is of another issuer"));
        }
        let vouched = self.vouch(&token, |known| known == audience, now).await?;
        Ok((vouched, token.all_claims().ok_or_else(|| invalid("The claims are no JSON object"))?))
    }
}
