//! OpenID Connect providers, and the issuers that accounts may make providers of: from settings to providers
//! whose documents are fetched over HTTP.
//!
//! Invariants:
//! - every wait is bounded, a redirect is not followed, and a document that is too long is not read;
//! - unless the settings say so, nothing is fetched from a private network or from this machine, wherever the
//!   documents of a provider lead, and whatever its name is resolved to: a provider must not choose what this
//!   server asks in its own network.

use super::error::StartError;
use crate::{
    backend::wire::{Again, Outgoing, Reach, Unsigned, Wire, WireSettings},
    config::{Oidc, OidcAllowed, Settings},
    iam::oidc::{AllowedIssuers, Fetch, ProviderSettings, Providers},
    model::Chain,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header, request::Builder};
use std::{fmt, path::Path, sync::Arc, time::Duration};

const TIMEOUT: Duration = Duration::from_secs(5);
/// Requests to one provider at a time.
const MAX_REQUESTS: usize = 2;
/// Requests at a time to all issuers of one `[[oidc_allowed]]`. Each issuer is asked by one caller at a time,
/// and an account has 100 providers at most: those of one account that do not answer leave room for others.
const MAX_REQUESTS_OF_ACCOUNTS: usize = 256;

pub(crate) fn providers(settings: &Settings) -> Result<Providers, StartError> {
    let provider = |oidc: &Oidc| {
        let (issuer, audiences) = (oidc.issuer.clone(), oidc.audience.0.clone());
        let fetch = fetch(oidc.ca_file.as_deref(), oidc.private, MAX_REQUESTS, &issuer.as_str())?;
        Ok((ProviderSettings { issuer, audiences }, fetch))
    };
    let allowed = |oidc: &OidcAllowed| {
        let issuers = oidc.issuer.clone();
        let (ca_file, most) = (oidc.ca_file.as_deref(), MAX_REQUESTS_OF_ACCOUNTS);
        let fetch = fetch(ca_file, oidc.private, most, &issuers.as_str())?;
        Ok(AllowedIssuers { issuers, fetch })
    };
    let configured = settings.oidc.iter().map(provider).collect::<Result<Vec<_>, StartError>>()?;
    let allowed = settings.oidc_allowed.iter().map(allowed).collect::<Result<Vec<_>, StartError>>()?;
    Ok(Providers::new(configured).allowing(allowed))
}

/// The way to the documents of a provider, or of several. `of` is named in the error.
fn fetch(
    ca_file: Option<&Path>,
    private: bool,
    max_requests: usize,
    of: &dyn fmt::Display,
) -> Result<Arc<dyn Fetch>, StartError> {
    let wire = Wire::new(WireSettings {
        timeout: TIMEOUT,
        connect_timeout: TIMEOUT,
        attempts: 1,
        max_requests,
        ca_file: ca_file.map(Path::to_owned),
        reach: if private { Reach::Anywhere } else { Reach::Public },
    });
    let wire = wire.map_err(|error| StartError::because(format_args!("the provider {of}"), error))?;
    Ok(Arc::new(OverHttp { wire }))
}

#[derive(Debug)]
struct OverHttp {
    wire: Arc<Wire>,
}

#[async_trait]
impl Fetch for OverHttp {
    async fn get(&self, url: &str, limit: usize) -> Result<Bytes, String> {
        let head = Request::builder().method(Method::GET);
        let (status, body) = self.ask(url, head, Outgoing::empty(), Again::Harmless, limit).await?;
        if status == StatusCode::OK { Ok(body) } else { Err(format!("{url}: it was answered {status}")) }
    }

    async fn post(
        &self,
        url: &str,
        form: String,
        authorization: Option<String>,
        limit: usize,
    ) -> Result<(StatusCode, Bytes), String> {
        let mut head = Request::builder().method(Method::POST);
        head = head.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            let value = HeaderValue::try_from(authorization);
            let mut value = value.map_err(|_| format!("{url}: the credentials fit into no header"))?;
            value.set_sensitive(true);
            head = head.header(header::AUTHORIZATION, value);
        }
        self.ask(url, head, Outgoing::full(form.into()), Again::OnlyIfRefused, limit).await
    }
}

impl OverHttp {
    async fn ask(
        &self,
        url: &str,
        head: Builder,
        body: Outgoing,
        again: Again,
        limit: usize,
    ) -> Result<(StatusCode, Bytes), String> {
        let failed = |why: String| format!("{url}: {why}");
        let uri: Uri = url.parse().map_err(|_| failed("it is no URL".to_owned()))?;
        let authority = uri.authority().ok_or_else(|| failed("it names no host".to_owned()))?.to_string();
        let head = head.uri(uri).header(header::HOST, authority);
        let head = head.header(header::ACCEPT, "application/json").body(());
        let (head, ()) = head.map_err(|error| failed(error.to_string()))?.into_parts();
        let reply = self.wire.send(&Unsigned, head, body, again).await;
        let reply = reply.map_err(|error| failed(Chain(&error).to_string()))?;
        let status = reply.status;
        let body = reply.bytes(limit).await.map_err(|error| failed(Chain(&error).to_string()))?;
        Ok((status, body))
    }
}
