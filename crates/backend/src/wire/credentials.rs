//! Signs requests, and provides the sources of credentials. A library implements the signatures and the
//! chains of providers; this module gives it access to token services, files, the environment and helper
//! commands.

use super::{Chain, outgoing::Outgoing, tls};
use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use async_trait::async_trait;
use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use reqsign_core::{
    CommandExecute, CommandOutput, Context, Error, FileRead, HttpSend, OsEnv, Signer, SigningCredential,
};
use std::{fmt, time::Duration};

/// The longest reply of a token service. Real ones have a few KiB.
const MAX_ANSWER: usize = 1 << 20;
/// The time limit for a metadata server, so that a missing one does not delay the next provider.
const PATIENCE: Duration = Duration::from_secs(5);

/// Adds a signature to the head of a request.
#[async_trait]
pub trait Sign: Send + Sync + fmt::Debug {
    async fn sign(&self, head: &mut Parts) -> Result<()>;
}

#[async_trait]
impl<K: SigningCredential> Sign for Signer<K> {
    async fn sign(&self, head: &mut Parts) -> Result<()> {
        let refused = |error| {
            StoreError::new(StoreErrorKind::Internal, "there are no credentials for this backend")
                .with_source(Chain::of(&error))
        };
        Signer::sign(self, head, None).await.map_err(refused)
    }
}

/// Adds no signature, for public buckets.
#[derive(Debug)]
pub struct Unsigned;

#[async_trait]
impl Sign for Unsigned {
    async fn sign(&self, _head: &mut Parts) -> Result<()> {
        Ok(())
    }
}

/// Returns the context that credential providers may use.
pub fn context() -> Result<Context> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(Duration::from_secs(1)));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls::configuration(None)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
    Ok(Context::new()
        .with_http_send(TokenHttp(client))
        .with_file_read(Files)
        .with_env(OsEnv)
        .with_command_execute(Commands))
}

struct TokenHttp(Client<HttpsConnector<HttpConnector>, Outgoing>);

impl fmt::Debug for TokenHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHttp")
    }
}

impl HttpSend for TokenHttp {
    async fn http_send(&self, request: http::Request<Bytes>) -> reqsign_core::Result<http::Response<Bytes>> {
        let exchange = async {
            let response = self
                .0
                .request(request.map(Outgoing::full))
                .await
                .map_err(|error| Error::unexpected(Chain::of(&error).to_string()))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER)
                .collect()
                .await
                .map_err(|error| Error::unexpected(error.to_string()))?;
            Ok(http::Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .map_err(|_| Error::unexpected("the credential service did not answer in time"))?
    }
}

#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        tokio::fs::read(path)
            .await
            .map_err(|error| Error::unexpected(format!("reading {path}")).with_source(error))
    }
}

/// Runs helper commands, such as `credential_process` of AWS profiles.
#[derive(Debug)]
struct Commands;

impl CommandExecute for Commands {
    async fn command_execute<'a>(
        &'a self,
        program: &'a str,
        arguments: &'a [&'a str],
    ) -> reqsign_core::Result<CommandOutput> {
        let run = tokio::process::Command::new(program).args(arguments).kill_on_drop(true).output();
        let output =
            run.await.map_err(|error| Error::unexpected(format!("running {program}")).with_source(error))?;
        Ok(CommandOutput {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }
}
