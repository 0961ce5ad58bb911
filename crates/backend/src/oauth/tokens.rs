//! Access tokens: obtained with a grant, kept until shortly before they expire, and obtained again when the
//! storage refuses them.
//!
//! Some authorities issue a new refresh token each time, and the former one expires some months later. The
//! newest one is kept in a file, and used as long as the configuration contains the token that it was derived
//! from.

use super::{Authority, Grant, form, post};
use crate::{
    backend::wire::{Again, Sign, Wire},
    model::Secret,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use http::{HeaderValue, header, request::Parts};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::sync::Mutex;

/// A token is not used in the last minute before it expires.
const MARGIN: Duration = Duration::from_secs(60);
const LONGEST: usize = 64 << 10;

pub struct Tokens {
    /// A wire for requests for tokens only: they must not wait for requests that wait for tokens.
    wire: Arc<Wire>,
    authority: Authority,
    grant: Parsed,
    kept: Mutex<Option<Token>>,
    /// The newest refresh token, if it is not the one in the configuration.
    renewed: std::sync::Mutex<Option<Secret>>,
}

enum Parsed {
    Refresh { client_id: String, client_secret: Option<Secret>, refresh_token: Secret },
    Account { key: Account, subject: Option<String> },
    Client { client_id: String, client_secret: Secret },
}

/// A refresh token that replaces the one in the configuration.
#[derive(Serialize, Deserialize)]
struct Renewal {
    /// A digest of the token in the configuration.
    of: String,
    refresh_token: String,
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

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    access_token: Option<String>,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
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
    pub fn new(wire: Arc<Wire>, authority: Authority, grant: Grant) -> Result<Self> {
        let mut renewed = None;
        let grant = match grant {
            Grant::Refresh { client_id, client_secret, refresh_token } => {
                renewed = authority.renewals.as_deref().and_then(|path| renewal(path, &refresh_token));
                Parsed::Refresh { client_id, client_secret, refresh_token }
            }
            Grant::Client { client_id, client_secret } => Parsed::Client { client_id, client_secret },
            Grant::ServiceAccount { key, subject } => {
                // The parser's own error would quote the key.
                let unreadable = |_| {
                    StoreError::new(
                        StoreErrorKind::InvalidRequest,
                        "the service account's key is not the JSON that Google gives out",
                    )
                };
                let key = serde_json::from_str(key.expose()).map_err(unreadable)?;
                Parsed::Account { key, subject }
            }
        };
        Ok(Self { wire, authority, grant, kept: Mutex::default(), renewed: std::sync::Mutex::new(renewed) })
    }

    /// Must be called when the storage refused a token: the next request obtains a new one, unless another
    /// task has done so already.
    pub async fn refused(&self, token: Option<&HeaderValue>) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().map(|kept| &kept.value) == token {
            *kept = None;
        }
    }

    pub async fn current(&self) -> Result<HeaderValue> {
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
        let answer = post(&self.wire, &self.authority.url, &self.request()?, Again::Harmless).await?;
        let (status, answer) = (answer.status, answer.bytes(LONGEST).await?);
        let answer: Answer = serde_json::from_slice(&answer).unwrap_or_default();
        let Some(token) = answer.access_token.filter(|_| status.is_success()) else {
            let kind = if status.is_server_error() || status.as_u16() == 429 {
                StoreErrorKind::Unavailable
            } else {
                StoreErrorKind::Internal
            };
            let name = self.authority.name;
            let words = match answer.error.as_deref() {
                Some("invalid_grant") => {
                    format!("{name} refuses the refresh token or the account: it has to be authorized again")
                }
                _ => format!("{name} gives out no access token"),
            };
            return Err(StoreError::new(kind, words).with_source(format!(
                "{} {}",
                status.as_u16(),
                answer.error.unwrap_or_default()
            )));
        };
        if let Some(refresh_token) = answer.refresh_token {
            self.renew(Secret::new(refresh_token)).await;
        }
        let senseless = |_| {
            StoreError::new(
                StoreErrorKind::Internal,
                format!("the access token of {} is not one", self.authority.name),
            )
        };
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(senseless)?;
        value.set_sensitive(true);
        let life = Duration::from_secs(answer.expires_in.unwrap_or(3600));
        // A token that expires within the margin is used for half of its lifetime.
        Ok(Token { value, until: begun + life.saturating_sub(MARGIN).max(life / 2) })
    }

    fn request(&self) -> Result<Secret> {
        let scope = self.authority.scope.as_str();
        let (key, subject) = match &self.grant {
            Parsed::Refresh { client_id, client_secret, refresh_token } => {
                let renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let token = renewed.unwrap_or_else(|| refresh_token.clone());
                let mut fields = vec![
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id),
                    ("refresh_token", token.expose()),
                ];
                fields.extend(client_secret.as_ref().map(|secret| ("client_secret", secret.expose())));
                return Ok(Secret::new(form(&fields)));
            }
            Parsed::Client { client_id, client_secret } => {
                let secret = ("client_secret", client_secret.expose());
                let fields = [
                    ("grant_type", "client_credentials"),
                    ("client_id", client_id),
                    secret,
                    ("scope", scope),
                ];
                return Ok(Secret::new(form(&fields)));
            }
            Parsed::Account { key, subject } => (key, subject.as_deref()),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let audience = self.authority.url.to_string();
        let claims =
            Claims { iss: &key.client_email, scope, aud: &audience, iat: now, exp: now + 3600, sub: subject };
        let head = JwtHead { alg: "RS256", typ: "JWT", kid: key.private_key_id.as_deref() };
        let unusable = |_| {
            StoreError::new(
                StoreErrorKind::InvalidRequest,
                "the service account's private key cannot be used",
            )
        };
        let assertion = reqsign_core::jwt::encode_rs256_pem(&head, &claims, key.private_key.as_bytes())
            .map_err(unusable)?;
        Ok(Secret::new(form(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &assertion),
        ])))
    }

    /// Stores a new refresh token, which is used from now on and after a restart.
    async fn renew(&self, token: Secret) {
        let Parsed::Refresh { refresh_token: configured, .. } = &self.grant else { return };
        let known = self.renewed.lock().unwrap_or_else(PoisonError::into_inner).replace(token.clone());
        if known.as_ref().unwrap_or(configured).expose() == token.expose() {
            return;
        }
        let Some(path) = &self.authority.renewals else { return };
        let renewal = Renewal { of: digest(configured), refresh_token: token.expose().to_owned() };
        let (path, text) = (path.clone(), serde_json::to_vec(&renewal).unwrap_or_default());
        let written = tokio::task::spawn_blocking(move || write(&path, &text)).await;
        if let Ok(Err(error)) | Err(error) = written.map_err(std::io::Error::other) {
            tracing::warn!(%error, "a newer refresh token could not be kept: the one of the configuration will end some day");
        }
    }
}

/// Returns the token that replaces a refresh token of the configuration, if there is one.
fn renewal(path: &Path, configured: &Secret) -> Option<Secret> {
    let renewal: Renewal = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (renewal.of == digest(configured)).then(|| Secret::new(renewal.refresh_token))
}

fn digest(token: &Secret) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, token.expose().as_bytes()))
}

fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(draft, path)
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("authority", &self.authority).finish_non_exhaustive()
    }
}

#[async_trait]
impl Sign for Tokens {
    async fn sign(&self, head: &mut Parts) -> Result<()> {
        head.headers.insert(header::AUTHORIZATION, self.current().await?);
        Ok(())
    }
}
