//! OpenID Connect providers: from settings to providers whose documents are fetched over HTTP.
//!
//! Invariants:
//! - every wait is bounded, a redirect is not followed, and a document that is too long is not read;
//! - unless the settings say so, nothing is fetched from a private network or from this machine, wherever the
//!   documents of a provider lead: a provider must not choose what this server asks in its own network.

use super::error::StartError;
use crate::{
    backend::wire::{Again, Outgoing, Unsigned, Wire, WireSettings},
    config::Oidc,
    iam::oidc::{Fetch, ProviderSettings, Providers},
    model::Chain,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header, request::Builder};
use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(5);
/// Requests to one provider at a time.
const MAX_REQUESTS: usize = 2;

pub(crate) fn providers(settings: &[Oidc]) -> Result<Providers, StartError> {
    let provider = |oidc: &Oidc| {
        let settings = ProviderSettings { issuer: oidc.issuer.0.clone(), audiences: oidc.audience.0.clone() };
        let wire = Wire::new(WireSettings {
            timeout: TIMEOUT,
            connect_timeout: TIMEOUT,
            attempts: 1,
            max_requests: MAX_REQUESTS,
            ca_file: oidc.ca_file.clone(),
        });
        let of = |error| StartError::because(format_args!("the provider {}", oidc.issuer.0), error);
        let fetch = OverHttp { wire: wire.map_err(of)?, private: oidc.private };
        Ok((settings, Arc::new(fetch) as Arc<dyn Fetch>))
    };
    settings.iter().map(provider).collect::<Result<Vec<_>, StartError>>().map(Providers::new)
}

#[derive(Debug)]
struct OverHttp {
    wire: Arc<Wire>,
    /// Whether private addresses may be asked.
    private: bool,
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
        if !self.private {
            check_public(&uri).await.map_err(failed)?;
        }
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

async fn check_public(uri: &Uri) -> Result<(), String> {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(443);
    let found = tokio::time::timeout(TIMEOUT, tokio::net::lookup_host((host, port))).await;
    let found = found.map_err(|_| "its name was not resolved in time".to_owned())?;
    for address in found.map_err(|error| format!("its name was not resolved: {error}"))? {
        if is_private(address.ip()) {
            return Err(format!(
                "{} is an address of a private network: `private = true` of the provider allows it",
                address.ip()
            ));
        }
    }
    Ok(())
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
                || is_shared
        }
        IpAddr::V6(ip) => is_private_v6(ip),
    }
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || ip.is_unique_local()
        || ip.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_private_networks_and_of_this_machine_are_private() {
        for ip in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(ip.parse().expect("an address")), "{ip}");
        }
        for ip in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1"] {
            assert!(!is_private(ip.parse().expect("an address")), "{ip}");
        }
    }
}
