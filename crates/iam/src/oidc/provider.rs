//! The keys of one provider: fetched when they are first needed, kept, and fetched again when they are old or
//! a token names one that is not among them.
//!
//! Invariants:
//! - a provider is asked at most once in [`PAUSE`], by one caller at a time;
//! - the document of discovery names the issuer that is configured, and its keys are at an address of the
//!   same scheme: an issuer over HTTPS never leads to keys over HTTP;
//! - keys that could not be fetched again for [`LONGEST`] count no more.

use super::{
    keys::{self, Key},
    token::Token,
};
use crate::{
    model::Issuer,
    query::{Code, QueryError},
};
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

/// The shortest time between two looks at a provider.
const PAUSE: Duration = Duration::from_secs(2);
/// Keys of this age are fetched again, so that one that was withdrawn does not count for long.
const FRESH: Duration = Duration::from_secs(15 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest document of a provider.
pub(super) const MAX_DOCUMENT: usize = 256 * 1024;

/// Fetches documents of providers. An implementation bounds time, and follows no redirect.
#[async_trait]
pub trait Fetch: Send + Sync + fmt::Debug {
    /// The error is for the log: it names the address and what went wrong.
    async fn get(&self, url: &str, limit: usize) -> Result<Bytes, String>;

    /// Posts a form, with the credentials of a client, and returns the reply whatever its status. The error is
    /// for the log, too, and has neither.
    async fn post(
        &self,
        url: &str,
        form: String,
        authorization: Option<String>,
        limit: usize,
    ) -> Result<(StatusCode, Bytes), String>;
}

#[derive(Debug)]
pub(crate) struct Provider {
    issuer: Issuer,
    fetch: Arc<dyn Fetch>,
    kept: RwLock<Option<Arc<Kept>>>,
    /// When the provider was asked last. Whoever holds it is the one who asks.
    asked: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Kept {
    keys: Vec<Key>,
    endpoints: Option<Endpoints>,
    at: Instant,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
    #[serde(default)]
    authorization_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint: Option<String>,
}

/// Where people sign in, and where a code is redeemed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoints {
    pub(crate) authorization: String,
    pub(crate) token: String,
}

impl Provider {
    pub(super) fn new(issuer: Issuer, fetch: Arc<dyn Fetch>) -> Self {
        Self { issuer, fetch, kept: RwLock::default(), asked: Mutex::default() }
    }

    pub(super) fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    /// Whether a key of this provider has signed a token.
    pub(super) async fn check_signature(&self, token: &Token<'_>) -> Result<(), QueryError> {
        let has_key = |kept: &Kept| kept.keys.iter().any(|key| key.is_named_by(token));
        let is_enough = |kept: &Arc<Kept>| kept.at.elapsed() < FRESH && has_key(kept);
        let kept = match self.kept().filter(is_enough) {
            Some(kept) => Some(kept),
            None => {
                self.ask(is_enough).await;
                self.kept().filter(|kept| kept.at.elapsed() < LONGEST)
            }
        };
        let kept = kept.ok_or_else(|| {
            let message = "Couldn't retrieve verification key from your identity provider";
            QueryError::new(Code::IdpCommunicationError, message)
        })?;
        if kept.keys.iter().any(|key| key.is_named_by(token) && key.has_signed(token)) {
            return Ok(());
        }
        Err(QueryError::new(
            Code::InvalidIdentityToken,
            "The signature of the web identity token is not valid",
        ))
    }

    /// The addresses of the provider. The error is for the log.
    pub(crate) async fn endpoints(&self) -> Result<Endpoints, String> {
        let is_enough = |kept: &Arc<Kept>| kept.at.elapsed() < FRESH;
        if !self.kept().as_ref().is_some_and(is_enough) {
            self.ask(is_enough).await;
        }
        let issuer = self.issuer();
        let kept = self.kept().filter(|kept| kept.at.elapsed() < LONGEST);
        let kept =
            kept.ok_or_else(|| format!("the document of discovery of {issuer} could not be fetched"))?;
        kept.endpoints.clone().ok_or_else(|| {
            format!("the document of discovery of {issuer} names no endpoints to sign in, or none over HTTPS")
        })
    }

    /// Posts a form to an endpoint.
    pub(crate) async fn post(
        &self,
        url: &str,
        form: String,
        authorization: Option<String>,
        limit: usize,
    ) -> Result<(StatusCode, Bytes), String> {
        self.fetch.post(url, form, authorization, limit).await
    }

    fn kept(&self) -> Option<Arc<Kept>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the keys, unless another caller did so meanwhile, or it was tried a moment ago.
    async fn ask(&self, is_enough: impl Fn(&Arc<Kept>) -> bool) {
        let mut asked = self.asked.lock().await;
        if self.kept().as_ref().is_some_and(is_enough) || asked.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        *asked = Some(Instant::now());
        match self.fetched().await {
            Ok((keys, endpoints)) => {
                let kept = Arc::new(Kept { keys, endpoints, at: Instant::now() });
                *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(kept);
            }
            Err(error) => {
                tracing::warn!(
                    issuer = self.issuer(),
                    error,
                    "the keys of an OpenID Connect provider could not be fetched"
                );
            }
        }
    }

    async fn fetched(&self) -> Result<(Vec<Key>, Option<Endpoints>), String> {
        let issuer = self.issuer();
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document = self.fetch.get(&address, MAX_DOCUMENT).await?;
        let discovery: Discovery =
            serde_json::from_slice(&document).map_err(|error| format!("{address}: {error}"))?;
        if discovery.issuer != issuer {
            return Err(format!("{address} is of the issuer {:?}", discovery.issuer));
        }
        let is_secure = |url: &str| url.starts_with("https://");
        if is_secure(issuer) && !is_secure(&discovery.jwks_uri) {
            return Err(format!("{address} names keys that are not at an address over HTTPS"));
        }
        let keys = self.fetch.get(&discovery.jwks_uri, MAX_DOCUMENT).await?;
        let keys = keys::parse(&keys).map_err(|error| format!("{}: {error}", discovery.jwks_uri))?;
        let is_good = |url: &String| !is_secure(issuer) || is_secure(url);
        let endpoints =
            discovery.authorization_endpoint.filter(is_good).zip(discovery.token_endpoint.filter(is_good));
        Ok((keys, endpoints.map(|(authorization, token)| Endpoints { authorization, token })))
    }
}
