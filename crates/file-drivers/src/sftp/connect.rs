//! From an address to a session: TCP, SSH, the server's host key, the login, and the SFTP subsystem.
//!
//! Invariants: no credential is sent to a server whose key is not trusted; no error text contains a secret;
//! `connect_timeout` limits all of it together, so that a server that accepts the connection and then sends
//! nothing is detected as soon as one that does not accept it.

use super::{
    SftpSettings,
    failure::Failure,
    hosts::Trusted,
    session::{Line, Session},
};
use crate::backend::traffic::Meter;
use crate::store::{
    Result,
    error::{StoreError, StoreErrorKind},
};
use russh::{
    ChannelMsg, MethodKind, Preferred,
    client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse},
    keys::{
        Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate,
        agent::{AgentIdentity, client::AgentClient},
    },
};
use std::{
    net::Shutdown,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::net::{TcpStream, UnixStream};

/// The maximum number of rounds of questions; no known server asks more.
const ROUNDS: usize = 8;

/// Reads the private key. It is read once, because decrypting it may be expensive.
pub(super) fn private_key(settings: &SftpSettings) -> Result<Option<Arc<PrivateKey>>> {
    let Some(text) = &settings.private_key else { return Ok(None) };
    let passphrase = settings.passphrase.as_ref().map(|secret| secret.expose());
    let wrong =
        |what: &str| StoreError::new(StoreErrorKind::InvalidRequest, format!("SFTP: the private key {what}"));
    // The error of the library may quote the key, so it is replaced.
    let key = russh::keys::decode_secret_key(text.expose(), passphrase).map_err(|error| match error {
        russh::keys::Error::KeyIsEncrypted => wrong("is encrypted: 'passphrase' is missing"),
        _ => wrong("cannot be read: it is no OpenSSH or PEM key, or has another passphrase"),
    })?;
    if key.is_encrypted() {
        return Err(wrong("is encrypted: 'passphrase' is missing"));
    }
    Ok(Some(Arc::new(key)))
}

/// Returns a session that is ready for requests. The whole set-up, from resolving the host name to the first
/// reply over SFTP, has to end within `connect_timeout`.
pub(super) async fn dial(
    settings: &SftpSettings,
    key: Option<&Arc<PrivateKey>>,
    meter: &Arc<Meter>,
) -> Result<Session> {
    let (address, server) =
        ((settings.host.as_str(), settings.port), format!("{}:{}", settings.host, settings.port));
    let mut missing = "no connection";
    let session = async {
        let socket = TcpStream::connect(address).await;
        let socket =
            socket.map_err(|error| away(format_args!("connecting to {server} failed")).with_source(error))?;
        missing = "it took the connection, and there was no greeting";
        let trusted = settings.host_keys.trusted(&settings.host, settings.port).await;
        let trusted =
            trusted.map_err(|why| refused(format!("the server {server} cannot be verified: {why}")))?;
        greet(settings, key, socket, trusted, meter.clone(), &mut missing).await
    };
    let session = tokio::time::timeout(settings.connect_timeout, session).await;
    let within = settings.connect_timeout;
    session.unwrap_or_else(|_| {
        Err(away(format_args!(
            "connecting to {server} failed: {missing} within {within:?} (connect_timeout)"
        )))
    })
}

/// `missing` names the step that the server has not answered yet; the error of a timeout contains it.
async fn greet(
    settings: &SftpSettings,
    key: Option<&Arc<PrivateKey>>,
    socket: TcpStream,
    trusted: Trusted,
    meter: Arc<Meter>,
    missing: &mut &'static str,
) -> Result<Session> {
    let lost = |error: std::io::Error| away("the connection to the server was lost").with_source(error);
    socket.set_nodelay(true).map_err(lost)?;
    let socket = socket.into_std().map_err(lost)?;
    let cut = socket.try_clone().map_err(lost)?;
    let socket = TcpStream::from_std(socket).map_err(lost)?;

    let why = Arc::new(OnceLock::new());
    let config = configuration(settings, &trusted);
    let handler = Client { trusted, why: why.clone() };
    let handle = client::connect_stream(Arc::new(config), socket, handler).await;
    let mut handle = handle.map_err(|error| match why.get() {
        Some(why) => refused(format!("the server {}:{} is not trusted: {why}", settings.host, settings.port)),
        None => ssh("greeting the server", error),
    })?;
    *missing = "it greeted, and did not say whether it accepts the user, which some servers do late where key or password are wrong,";
    authenticate(settings, key, &mut handle).await?;

    *missing = "it accepted the user, and SFTP did not begin";
    let mut channel = handle.channel_open_session().await.map_err(|error| ssh("opening a channel", error))?;
    channel.request_subsystem(true, "sftp").await.map_err(|error| ssh("asking for SFTP", error))?;
    loop {
        match channel.wait().await {
            Some(ChannelMsg::Success) => break,
            Some(ChannelMsg::Failure) => return Err(refused("the server offers no SFTP to this user")),
            Some(_) => {}
            None => return Err(away("the connection to the server was lost")),
        }
    }
    let (read, write) = channel.split();
    let line = Box::new(Socket { cut, _handle: handle });
    Session::begin(read, write, line, settings.timeout, meter)
        .await
        .map_err(|failure| failure.during("greeting the server"))
}

fn configuration(settings: &SftpSettings, trusted: &Trusted) -> client::Config {
    let mut algorithms: Vec<Algorithm> = Preferred::DEFAULT.key.to_vec();
    let known = trusted.algorithms();
    // One RSA key may be used with several signature algorithms: any of them matches a known RSA key.
    let is_rsa = |algorithm: &Algorithm| matches!(algorithm, Algorithm::Rsa { .. });
    algorithms.sort_by_key(|algorithm| {
        !known.iter().any(|known| known == algorithm || (is_rsa(known) && is_rsa(algorithm)))
    });
    client::Config {
        client_id: russh::SshId::Standard(concat!("SSH-2.0-causeway_", env!("CARGO_PKG_VERSION")).into()),
        preferred: Preferred { key: algorithms.into(), ..Preferred::DEFAULT },
        keepalive_interval: Some((settings.timeout / 2).min(Duration::from_secs(15))),
        keepalive_max: 2,
        // The buffer is small because messages in it are not counted in the SSH window.
        channel_buffer_size: 16,
        nodelay: true,
        ..client::Config::default()
    }
}

/// Sends each configured credential in turn, until the server accepts the login.
async fn authenticate(
    settings: &SftpSettings,
    key: Option<&Arc<PrivateKey>>,
    handle: &mut Handle<Client>,
) -> Result<()> {
    let user = settings.user.as_str();
    let failed = |error| ssh("authenticating", error);
    let mut tried = Vec::new();
    if let Some(key) = key {
        tried.push("the private key");
        let hash = rsa_hash(handle, key.algorithm().is_rsa()).await.map_err(failed)?;
        let key = PrivateKeyWithHashAlg::new(key.clone(), hash);
        if handle.authenticate_publickey(user, key).await.map_err(failed)?.success() {
            return Ok(());
        }
    }
    if let Some(socket) = &settings.agent {
        tried.push("the agent");
        if through_agent(user, socket, handle).await? {
            return Ok(());
        }
    }
    if let Some(password) = &settings.password {
        tried.push("the password");
        match handle.authenticate_password(user, password.expose()).await.map_err(failed)? {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure { remaining_methods, .. }
                if remaining_methods.contains(&MethodKind::KeyboardInteractive) =>
            {
                if answer_questions(user, password.expose(), handle).await.map_err(failed)? {
                    return Ok(());
                }
            }
            AuthResult::Failure { .. } => {}
        }
    }
    if tried.is_empty() && handle.authenticate_none(user).await.map_err(failed)?.success() {
        return Ok(());
    }
    // The library reports a lost connection as a refused login.
    if handle.is_closed() {
        return Err(away("the connection to the server was lost while it let us in"));
    }
    let what =
        if tried.is_empty() { "a user without password or key".to_owned() } else { tried.join(" and ") };
    Err(refused(format!(
        "the server {}:{} does not accept {what} for the user '{user}'",
        settings.host, settings.port
    )))
}

async fn rsa_hash(
    handle: &Handle<Client>,
    is_rsa: bool,
) -> std::result::Result<Option<HashAlg>, russh::Error> {
    if is_rsa {
        // A server that does not announce its algorithms gets SHA-512, which servers have accepted for years.
        Ok(handle.best_supported_rsa_hash().await?.unwrap_or(Some(HashAlg::Sha512)))
    } else {
        Ok(None)
    }
}

async fn through_agent(user: &str, socket: &std::path::Path, handle: &mut Handle<Client>) -> Result<bool> {
    let silent =
        |error: &dyn std::fmt::Display| refused(format!("asking the agent at {}: {error}", socket.display()));
    let stream = UnixStream::connect(socket).await.map_err(|error| silent(&error))?;
    let mut agent = AgentClient::connect(stream);
    for identity in agent.request_identities().await.map_err(|error| silent(&error))? {
        let AgentIdentity::PublicKey { key, .. } = identity else { continue };
        let hash =
            rsa_hash(handle, key.algorithm().is_rsa()).await.map_err(|error| ssh("authenticating", error))?;
        // The agent may refuse to sign with one key and sign with the next.
        match handle.authenticate_publickey_with(user, key, hash, &mut agent).await {
            Ok(result) if result.success() => return Ok(true),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the agent did not sign"),
        }
    }
    Ok(false)
}

/// Logs in by keyboard-interactive: servers without password authentication ask for the password as a
/// question.
async fn answer_questions(
    user: &str,
    password: &str,
    handle: &mut Handle<Client>,
) -> std::result::Result<bool, russh::Error> {
    let mut reply = handle.authenticate_keyboard_interactive_start(user, None).await?;
    for _ in 0..ROUNDS {
        let KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } = reply else { break };
        let answers = prompts.iter().map(|_| password.to_owned()).collect();
        reply = handle.authenticate_keyboard_interactive_respond(answers).await?;
    }
    Ok(matches!(reply, KeyboardInteractiveAuthResponse::Success))
}

struct Client {
    trusted: Trusted,
    why: Arc<OnceLock<String>>,
}

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> std::result::Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        match self.trusted.check(key) {
            Ok(()) => Ok(true),
            Err(why) => {
                let _ = self.why.set(why);
                Ok(false)
            }
        }
    }
}

struct Socket {
    cut: std::net::TcpStream,
    _handle: Handle<Client>,
}

impl Line for Socket {
    fn cut(&self) {
        // The connection may be closed already, so the result is ignored.
        let _ = self.cut.shutdown(Shutdown::Both);
    }
}

fn away(what: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("SFTP: {what}"))
}

/// Returns an error that another attempt would not change.
fn refused(what: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::NoConnection, format!("SFTP: {what}"))
}

fn ssh(what: &str, error: russh::Error) -> StoreError {
    match error {
        russh::Error::NoCommonAlgo { kind, theirs, .. } => refused(format!(
            "{what}: the server has no {kind:?} algorithm that is known here, only {}",
            theirs.join(", ")
        )),
        error => Failure::Lost("the connection to the server was lost").during(what).with_source(error),
    }
}
