//! Who an OpenID Connect token speaks of.
//!
//! Only providers of the configuration count, and those that the account of a role has made and the
//! configuration allows: a token of any other issuer is refused before anything is fetched. The keys of a
//! provider are those that its discovery document names.
//!
//! | file | owns |
//! |---|---|
//! | `token` | the parts of a token, and its claims |
//! | `keys` | the keys of a provider, and whether one has signed a token |
//! | `provider` | fetching and keeping the keys of one provider |
//! | `by_accounts` | which issuers accounts may make providers of, and the keys of those |
//!
//! Invariants:
//! - a token counts only if a key of its own issuer has signed it, it is for one of the audiences of its
//!   provider, and it has not expired;
//! - a provider that an account has made vouches to the roles of that account only, and only while the
//!   configuration allows its issuer;
//! - how often a provider is asked does not depend on how many tokens are sent.

mod by_accounts;
mod keys;
mod provider;
mod token;

pub use by_accounts::AllowedIssuers;
pub use provider::Fetch;
pub(crate) use provider::Provider;

use crate::{
    account::Account,
    model::{Issuer, Timestamp},
    names,
    query::{Code, QueryError},
    state::State,
};
use by_accounts::ByAccounts;
use std::sync::Arc;
use token::Token;

/// The longest token that STS takes.
const LONGEST: usize = 20_000;

/// A provider of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    pub issuer: Issuer,
    /// Whom tokens must be for.
    pub audiences: Vec<String>,
}

/// The providers of the configuration, and the issuers that it allows to providers of accounts.
#[derive(Debug, Default)]
pub struct Providers {
    configured: Vec<Configured>,
    by_accounts: ByAccounts,
}

#[derive(Debug)]
struct Configured {
    provider: Provider,
    audiences: Vec<String>,
}

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
        let configured = |(settings, fetch): (ProviderSettings, Arc<dyn Fetch>)| Configured {
            provider: Provider::new(settings.issuer, fetch),
            audiences: settings.audiences,
        };
        let configured = providers.into_iter().map(configured).collect();
        Self { configured, by_accounts: ByAccounts::default() }
    }

    /// Accounts may make providers of these issuers.
    #[must_use]
    pub fn allowing(self, issuers: Vec<AllowedIssuers>) -> Self {
        Self { by_accounts: ByAccounts::new(issuers), ..self }
    }

    /// Whether accounts may make a provider of an issuer.
    pub(crate) fn allows(&self, issuer: &Issuer) -> bool {
        self.by_accounts.allows(issuer)
    }

    /// Who a token speaks of to the roles of an account. A provider of the configuration counts before one of
    /// the account.
    pub(crate) async fn verify(
        &self,
        text: &str,
        account: &Account,
        state: &State,
        now: Timestamp,
    ) -> Result<Vouched, QueryError> {
        let invalid = |why: &str| QueryError::new(Code::InvalidIdentityToken, why);
        if text.len() > LONGEST {
            return Err(invalid("The web identity token is too long"));
        }
        let token = Token::parse(text).map_err(invalid)?;
        let issuer = token.claims.iss.as_str();
        if let Some(Configured { provider, audiences }) = self.configured(issuer) {
            return provider.vouch(&token, |audience| is_among(audiences, audience), now).await;
        }
        let unknown = || invalid(&format!("No OpenIDConnect provider found in your account for {issuer}"));
        let made = account.provider_of(issuer).filter(|_| !self.is_configured(names::provider_name(issuer)));
        let made = made.ok_or_else(unknown)?;
        let Some(provider) = self.by_accounts.of(issuer, state) else {
            tracing::debug!(
                issuer,
                "an account has a provider that no [[oidc_allowed]] allows: it counts not"
            );
            return Err(unknown());
        };
        provider.vouch(&token, |audience| is_among(&made.client_ids, audience), now).await
    }

    fn configured(&self, issuer: &str) -> Option<&Configured> {
        self.configured.iter().find(|configured| configured.provider.issuer() == issuer)
    }

    /// The provider of the configuration with an issuer.
    pub(crate) fn of(&self, issuer: &str) -> Option<&Provider> {
        self.configured(issuer).map(|configured| &configured.provider)
    }

    /// Whether a provider of the configuration has this name in ARNs.
    pub(crate) fn is_configured(&self, name: &str) -> bool {
        let name_of =
            |configured: &Configured| names::fold(names::provider_name(configured.provider.issuer()));
        self.configured.iter().any(|configured| name_of(configured) == names::fold(name))
    }
}

fn is_among(audiences: &[String], audience: &str) -> bool {
    audiences.iter().any(|known| known == audience)
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
        let provider = names::provider_name(self.issuer()).to_owned();
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
