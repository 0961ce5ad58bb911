//! Tokens for OpenStack Object Storage, from TempAuth or Keystone. OpenDAL's driver takes one token and never
//! renews it, so this module does.

use super::transport::Line;
use crate::{
    backend::wire::{Again, Outgoing, Reply, Unsigned},
    model::Secret,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use http::{HeaderValue, Method, Request, header};
use serde_json::json;

const OURS: &[&str] = &["auth_url", "username", "password", "project", "user_domain", "project_domain"];

type Options = [(String, Secret)];

/// Returns whether the options are for this module, not for OpenDAL's driver. Only Swift has one named
/// `auth_url`.
pub(super) fn gets_tokens(options: &Options) -> bool {
    option(options, "auth_url").is_some()
}

fn option<'o>(options: &'o Options, name: &str) -> Option<&'o str> {
    options.iter().find(|(option, _)| option == name).map(|(_, value)| value.expose())
}

pub(super) fn given_to_opendal(options: &Options) -> impl Iterator<Item = &(String, Secret)> {
    let is_swift = gets_tokens(options);
    options.iter().filter(move |(name, _)| !is_swift || !OURS.contains(&name.as_str()))
}

pub(super) async fn token(line: &Line, options: &Options) -> Result<String> {
    let url = option(options, "auth_url").unwrap_or_default();
    let get = |name: &str| option(options, name).unwrap_or_default();
    let secret = |text: &str| {
        let mut value = HeaderValue::from_str(text)
            .map_err(|_| wrong("username or password have letters that no header takes"))?;
        value.set_sensitive(true);
        Ok::<_, StoreError>(value)
    };
    if url.trim_end_matches('/').ends_with("/v3") {
        let domain = |name: &str| json!({ "name": option(options, name).unwrap_or("Default") });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": {
                "name": get("username"), "domain": domain("user_domain"), "password": get("password") } } },
            "scope": { "project": { "name": get("project"), "domain": domain("project_domain") } },
        } });
        let url = format!("{}/auth/tokens", url.trim_end_matches('/'));
        let request = request(line, Method::POST, &url)?.header(header::CONTENT_TYPE, "application/json");
        let reply = send(line, request, Outgoing::full(body.to_string().into())).await?;
        return found(&reply, "x-subject-token");
    }
    let request = request(line, Method::GET, url)?
        .header("x-auth-user", secret(get("username"))?)
        .header("x-auth-key", secret(get("password"))?);
    let reply = send(line, request, Outgoing::empty()).await?;
    found(&reply, "x-auth-token")
}

fn request(line: &Line, method: Method, url: &str) -> Result<http::request::Builder> {
    let asked: http::Uri = url.parse().map_err(|_| wrong("auth_url is no URL"))?;
    let uri = line.hosts.direct(&asked).ok_or_else(|| wrong("auth_url is no whole URL"))?;
    let host = asked.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    Ok(Request::builder().method(method).uri(uri).header(header::HOST, host))
}

async fn send(line: &Line, request: http::request::Builder, body: Outgoing) -> Result<Reply> {
    let mut head = request.body(()).map_err(|_| wrong("auth_url makes no request"))?.into_parts().0;
    if body.length() > 0 {
        head.headers.insert(header::CONTENT_LENGTH, body.length().into());
    }
    let reply = line.wire.send(&Unsigned, head, body, Again::Harmless).await?;
    if reply.status.is_success() {
        Ok(reply)
    } else {
        Err(StoreError::new(
            StoreErrorKind::Internal,
            format!("getting a token: auth_url answered {}", reply.status.as_u16()),
        ))
    }
}

fn found(reply: &Reply, name: &str) -> Result<String> {
    let token = reply.header(name).map(str::to_owned);
    token.ok_or_else(|| StoreError::new(StoreErrorKind::Internal, "getting a token: the answer has none"))
}

fn wrong(text: &str) -> StoreError {
    StoreError::new(StoreErrorKind::InvalidRequest, format!("swift: {text}"))
}
