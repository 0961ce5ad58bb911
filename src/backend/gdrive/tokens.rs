//! Access tokens of Google's OAuth 2.0: got with a refresh token or a service account's key, kept until shortly before
//! they end, and got anew when Google says so.

use crate::{
    backend::wire::{Again, Outgoing, Reply, Sign, Unsigned, Wire},
    model::{Endpoint, Secret},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use http::{HeaderValue, Method, Uri, header, request::Parts};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::Mutex;

/// To see and change what lies in a drive, whoever put it there.
pub const SCOPE: &str = "https://www.googleapis.com/auth/drive";

/// A token is not used in the last minute of its life.
const MARGIN: Duration = Duration::from_secs(60);
const LONGEST: usize = 64 << 10;

/// What entitles us to tokens.
#[derive(Debug, Clone)]
pub enum Grant {
    /// A person who has agreed, by `causeway backend authorize` or any other way.
    Refresh { client_id: String, client_secret: Secret, refresh_token: Secret },
    /// The JSON of a service account's key; `subject` is a user of the domain that it acts for.
    ServiceAccount { key: Secret, subject: Option<String> },
}

pub(super) struct Tokens {
    /// Of its own: tokens must not wait for requests that wait for tokens.
    wire: Arc<Wire>,
    url: Endpoint,
    grant: Parsed,
    kept: Mutex<Option<Token>>,
}

enum Parsed {
    Refresh(Secret),
    Account { key: Account, subject: Option<String> },
}

#[derive(Deserialize)]
struct Account {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: Option<String>,
}

struct Token {
    value: HeaderValue,
    until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<u64>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
}

#[derive(Serialize)]
struct JwtHead<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

impl Tokens {
    pub(super) fn new(wire: Arc<Wire>, url: Endpoint, grant: &Grant) -> Result<Self> {
        let grant = match grant {
            Grant::Refresh { client_id, client_secret, refresh_token } => Parsed::Refresh(Secret::new(form(&[
                ("grant_type", "refresh_token"),
                ("client_id", client_id),
                ("client_secret", client_secret.expose()),
                ("refresh_token", refresh_token.expose()),
            ]))),
            Grant::ServiceAccount { key, subject } => {
                // What the parser found wrong would quote the key.
                let unreadable =
                    |_| StoreError::new(StoreErrorKind::InvalidRequest, "the service account's key is not the JSON that Google gives out");
                let key = serde_json::from_str(key.expose()).map_err(unreadable)?;
                Parsed::Account { key, subject: subject.clone() }
            }
        };
        Ok(Self { wire, url, grant, kept: Mutex::default() })
    }

    /// The token was refused: the next request gets another. Not if that has happened already.
    pub(super) async fn refused(&self, token: Option<&HeaderValue>) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().map(|kept| &kept.value) == token {
            *kept = None;
        }
    }

    pub(super) async fn current(&self) -> Result<HeaderValue> {
        let mut kept = self.kept.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| Instant::now() < token.until) {
            return Ok(token.value.clone());
        }
        let token = self.get().await?;
        let value = token.value.clone();
        *kept = Some(token);
        Ok(value)
    }

    async fn get(&self) -> Result<Token> {
        let begun = Instant::now();
        let answer = self.ask(self.request()?).await?;
        let (status, answer) = (answer.status, answer.bytes(LONGEST).await?);
        let answer: Answer = serde_json::from_slice(&answer).unwrap_or(Answer { access_token: None, expires_in: None, error: None });
        let Some(token) = answer.access_token.filter(|_| status.is_success()) else {
            let kind =
                if status.is_server_error() || status.as_u16() == 429 { StoreErrorKind::Unavailable } else { StoreErrorKind::Internal };
            let words = match answer.error.as_deref() {
                Some("invalid_grant") => "Google refuses the refresh token or the account: it has to be authorized again",
                _ => "Google gives out no access token",
            };
            return Err(StoreError::new(kind, words).with_source(format!("{} {}", status.as_u16(), answer.error.unwrap_or_default())));
        };
        let senseless = |_| StoreError::new(StoreErrorKind::Internal, "Google's access token is not one");
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(senseless)?;
        value.set_sensitive(true);
        let life = Duration::from_secs(answer.expires_in.unwrap_or(3600));
        // One that ends within the margin is used for half of its life.
        Ok(Token { value, until: begun + life.saturating_sub(MARGIN).max(life / 2) })
    }

    fn request(&self) -> Result<Secret> {
        let (key, subject) = match &self.grant {
            Parsed::Refresh(form) => return Ok(form.clone()),
            Parsed::Account { key, subject } => (key, subject.as_deref()),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let audience = self.url.to_string();
        let claims = Claims { iss: &key.client_email, scope: SCOPE, aud: &audience, iat: now, exp: now + 3600, sub: subject };
        let head = JwtHead { alg: "RS256", typ: "JWT", kid: key.private_key_id.as_deref() };
        let unusable = |_| StoreError::new(StoreErrorKind::InvalidRequest, "the service account's private key cannot be used");
        let assertion = reqsign_core::jwt::encode_rs256_pem(&head, &claims, key.private_key.as_bytes()).map_err(unusable)?;
        Ok(Secret::new(form(&[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &assertion)])))
    }

    async fn ask(&self, form: Secret) -> Result<Reply> {
        let uri = Uri::builder().scheme(self.url.scheme()).authority(self.url.authority()).path_and_query(self.url.path()).build();
        let mut head: Parts = http::Request::new(()).into_parts().0;
        head.method = Method::POST;
        head.uri = uri.map_err(|_| StoreError::new(StoreErrorKind::InvalidRequest, "the address of the token service cannot be used"))?;
        head.headers.insert(header::HOST, HeaderValue::from_str(self.url.authority()).map_err(|_| StoreErrorKind::Internal)?);
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let body = form.expose().to_owned();
        head.headers.insert(header::CONTENT_LENGTH, body.len().into());
        self.wire.send(&Unsigned, head, Outgoing::full(body.into()), Again::Harmless).await
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let field = |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    fields.iter().map(field).collect::<Vec<_>>().join("&")
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("url", &self.url.to_string()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Sign for Tokens {
    async fn sign(&self, head: &mut Parts) -> Result<()> {
        head.headers.insert(header::AUTHORIZATION, self.current().await?);
        Ok(())
    }
}
