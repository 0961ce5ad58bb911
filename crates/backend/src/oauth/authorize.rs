//! How a user authorises access to a drive: in a browser that returns to this machine (RFC 8252, with PKCE,
//! RFC 7636), or on another device by typing a code (RFC 8628). The result is a refresh token.
//!
//! This module owns the requests and the checks. The caller decides where addresses are shown and how the
//! address that the browser returned to is entered.

use super::{form, post};
use crate::{
    backend::wire::{Again, Wire, WireSettings},
    model::{Endpoint, Secret},
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

const LONGEST: usize = 64 << 10;
/// The default pause between two requests whether the user has typed the code.
const INTERVAL: Duration = Duration::from_secs(5);

/// The service that grants access, and the application that requests it.
#[derive(Debug, Clone)]
pub struct Asking {
    /// The name of the service, for messages to the user.
    pub authority: &'static str,
    /// The page on which the user grants access.
    pub page: Endpoint,
    /// The endpoint for tokens.
    pub tokens: Endpoint,
    /// The endpoint for codes for other devices, if there is one.
    pub devices: Option<Endpoint>,
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub scope: String,
    /// The scope that a device with a code may ask for.
    pub device_scope: String,
    /// Further parameters of the page, with which the service issues a refresh token.
    pub extra: &'static [(&'static str, &'static str)],
    pub wire: WireSettings,
}

/// A request for access that the user has not answered yet.
pub struct Authorization {
    asking: Asking,
    wire: Arc<Wire>,
    verifier: Secret,
    state: String,
}

/// A code that the user types on another device.
#[derive(Debug)]
pub struct Device {
    code: Secret,
    pub user_code: String,
    pub page: String,
    interval: Duration,
    until: Instant,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    refresh_token: Option<String>,
    error: Option<String>,
    device_code: Option<String>,
    user_code: Option<String>,
    #[serde(alias = "verification_url")]
    verification_uri: Option<String>,
    interval: Option<u64>,
    expires_in: Option<u64>,
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authorization").field(&self.asking).finish()
    }
}

impl Authorization {
    pub fn begin(asking: Asking) -> Result<Self> {
        let wire = Wire::new(asking.wire.clone())?;
        Ok(Self { verifier: Secret::new(random()?), state: random()?, wire, asking })
    }

    /// Returns the address to open in a browser. The browser returns to `redirect`.
    pub fn page(&self, redirect: &str) -> String {
        let challenge = ring::digest::digest(&ring::digest::SHA256, self.verifier.expose().as_bytes());
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(challenge);
        let mut fields = vec![
            ("client_id", self.asking.client_id.as_str()),
            ("redirect_uri", redirect),
            ("response_type", "code"),
            ("scope", &self.asking.scope),
            ("state", &self.state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        fields.extend(self.asking.extra);
        format!("{}?{}", self.asking.page, form(&fields))
    }

    /// Returns the refresh token for the address that the browser returned to. `None`: the address does not
    /// belong to this request.
    pub async fn returned(&self, address: &str, redirect: &str) -> Result<Option<Secret>> {
        let Some((_, query)) = address.trim().split_once('?') else { return Ok(None) };
        let field = |name: &str| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
            percent_decode_str(&value.replace('+', " ")).decode_utf8().ok().map(String::from)
        };
        if field("state").as_deref() != Some(self.state.as_str()) {
            return Ok(None);
        }
        if let Some(error) = field("error") {
            return Err(self.refused(&error));
        }
        let Some(code) = field("code") else { return Ok(None) };
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", redirect),
            ("code_verifier", self.verifier.expose()),
        ];
        match self.ask(&self.asking.tokens, &fields).await? {
            (_, Answer { refresh_token: Some(token), .. }) => Ok(Some(Secret::new(token))),
            (status, answer) => Err(self.useless(status, answer)),
        }
    }

    /// Requests a code for another device.
    pub async fn device(&self) -> Result<Device> {
        let Some(devices) = &self.asking.devices else {
            let words = format!("{} lets in no device by a code: leave out --device", self.asking.authority);
            return Err(StoreError::new(StoreErrorKind::InvalidRequest, words));
        };
        match self.ask(devices, &[("scope", &self.asking.device_scope)]).await? {
            (
                _,
                Answer {
                    device_code: Some(code),
                    user_code: Some(user_code),
                    verification_uri: Some(page),
                    interval,
                    expires_in,
                    ..
                },
            ) => Ok(Device {
                code: Secret::new(code),
                user_code,
                page,
                interval: interval.map_or(INTERVAL, Duration::from_secs),
                until: Instant::now() + Duration::from_secs(expires_in.unwrap_or(900)),
            }),
            (status, answer) => Err(self.useless(status, answer)),
        }
    }

    /// Waits until the user has typed the code, and returns the refresh token.
    pub async fn typed(&self, mut device: Device) -> Result<Secret> {
        let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:device_code");
        while Instant::now() < device.until {
            tokio::time::sleep(device.interval).await;
            let (status, answer) =
                self.ask(&self.asking.tokens, &[grant, ("device_code", device.code.expose())]).await?;
            match (answer.refresh_token, answer.error.as_deref()) {
                (Some(token), _) => return Ok(Secret::new(token)),
                (None, Some("authorization_pending")) => {}
                (None, Some("slow_down")) => device.interval += INTERVAL,
                (None, error) => {
                    let error = error.map(str::to_owned);
                    return Err(self.useless(status, Answer { error, ..Answer::default() }));
                }
            }
        }
        Err(self.refused("the code was not typed in time"))
    }

    async fn ask(&self, at: &Endpoint, fields: &[(&str, &str)]) -> Result<(StatusCode, Answer)> {
        let mut fields = fields.to_vec();
        fields.push(("client_id", &self.asking.client_id));
        fields.extend(self.asking.client_secret.as_ref().map(|secret| ("client_secret", secret.expose())));
        // A code can be used once: a request that may have been carried out is not repeated.
        let reply = post(&self.wire, at, &Secret::new(form(&fields)), Again::OnlyIfRefused).await?;
        let status = reply.status;
        Ok((status, serde_json::from_slice(&reply.bytes(LONGEST).await?).unwrap_or_default()))
    }

    fn refused(&self, why: &str) -> StoreError {
        StoreError::new(StoreErrorKind::Internal, format!("{} did not let us in", self.asking.authority))
            .with_source(why.to_owned())
    }

    fn useless(&self, status: StatusCode, answer: Answer) -> StoreError {
        match answer.error {
            Some(error) => self.refused(&error),
            None if status.is_success() => self.refused("there is no refresh token in its answer"),
            None => self.refused(status.as_str()),
        }
    }
}

/// Returns 256 random bits as 43 characters that need no escape.
fn random() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        StoreError::new(StoreErrorKind::Internal, format!("there is no randomness: {error}"))
    })?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
