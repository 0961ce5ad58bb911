//! Connecting to a server: TCP, TLS, the login, and the server's features.
//!
//! Invariant: `connect_timeout` limits all of it together, so that a server that accepts the connection and
//! then sends nothing is detected as soon as one that does not accept it.

use super::{
    FtpSettings, Tls,
    failure::Failure,
    link::{Link, Security},
    reply::quoted,
    session::{Features, Session},
};
use crate::{
    backend::wire::tls::alone,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use rustix::net::sockopt;
use rustls_pki_types::ServerName;
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::rustls::ClientConfig;

/// The idle time after which TCP keepalive probes are sent. During a long transfer the control connection is
/// idle, and firewalls between client and server would drop it.
const KEEP_ALIVE: Duration = Duration::from_secs(45);

/// The maximum number of preliminary greetings. A server that sends more of them is treated as broken.
const MOST_GREETINGS: usize = 20;

/// Refuses settings that cannot be sent in a command. Host names are checked where TLS needs them.
pub(super) fn check(settings: &FtpSettings) -> Result<()> {
    let password = settings.password.as_ref().map(|password| password.expose()).unwrap_or_default();
    for (name, value) in [("user", settings.user.as_str()), ("password", password), ("root", &settings.root)]
    {
        if value.contains(['\r', '\n', '\0']) {
            return Err(StoreError::new(
                StoreErrorKind::InvalidRequest,
                format!("{name} has a line end in it, which FTP cannot send"),
            ));
        }
    }
    server_name(settings).map(drop)
}

fn server_name(settings: &FtpSettings) -> Result<ServerName<'static>> {
    let host = settings.host.trim_matches(['[', ']']).to_owned();
    ServerName::try_from(host).map_err(|_| {
        StoreError::new(StoreErrorKind::InvalidRequest, "host is no name or address of a server")
    })
}

pub(super) async fn dial(settings: &FtpSettings, tls: Option<&ClientConfig>) -> Result<Session> {
    let security = match tls {
        Some(tls) => Some(Security::new(alone(tls), server_name(settings)?)),
        None => None,
    };
    match connect(settings, security).await {
        Ok(session) => Ok(session),
        Err(failure) => Err(failure.during(&format!("connecting to {}:{}", settings.host, settings.port))),
    }
}

/// Returns a session that is logged in. The whole set-up, from resolving the host name to the login, has to
/// end within `connect_timeout`.
async fn connect(
    settings: &FtpSettings,
    security: Option<Security>,
) -> std::result::Result<Session, Failure> {
    let within = settings.connect_timeout;
    let mut missing = "no connection";
    match timeout(within, log_on(settings, security, &mut missing)).await {
        Ok(session) => session,
        Err(_) => Err(Failure::Unreached(format!("{missing} within {within:?} (connect_timeout)"))),
    }
}

/// `missing` names the step that the server has not answered yet; the error of a timeout contains it.
async fn log_on(
    settings: &FtpSettings,
    security: Option<Security>,
    missing: &mut &'static str,
) -> std::result::Result<Session, Failure> {
    let within = settings.connect_timeout;
    let host = settings.host.trim_matches(['[', ']']);
    let tcp = TcpStream::connect((host, settings.port))
        .await
        .map_err(|error| Failure::Unreached(error.to_string()))?;
    // These options only improve the connection, so their errors are ignored.
    let _ = (
        tcp.set_nodelay(true),
        sockopt::set_socket_keepalive(&tcp, true),
        sockopt::set_tcp_keepidle(&tcp, KEEP_ALIVE),
    );
    let address = tcp.peer_addr().map_err(|_| Failure::Lost("the connection was lost"))?;
    let link = match &security {
        Some(security) if settings.tls == Tls::Implicit => {
            *missing = "it took the connection, and TLS did not begin";
            security.handshake(tcp, within).await?
        }
        _ => Link::Plain(tcp),
    };
    *missing = "it took the connection, and there was no greeting";
    let mut session = Session::new(link, address.ip(), settings.timeout);
    let mut greeting = session.reply().await?;
    for _ in 0..MOST_GREETINGS {
        if !greeting.is_preliminary() {
            break;
        }
        // Reply 120 means: the service is ready in some minutes. The actual greeting follows it.
        greeting = session.reply().await?;
    }
    if greeting.code != 220 {
        return Err(crowded(Failure::of(&greeting)));
    }
    *missing = "it greeted, and did not let us in";
    if let Some(security) = &security
        && settings.tls == Tls::Explicit
    {
        let reply = session.ask("AUTH", "TLS").await?;
        if reply.code != 234 {
            return Err(Failure::Denied(format!("TLS is not offered: {}", reply.words())));
        }
        session.secure(security, within).await?;
    }
    *missing = "it greeted, and did not say whether it accepts user and password, which some servers do late where the password is wrong,";
    log_in(&mut session, settings).await?;
    *missing = "it let us in, and did not say more";
    if security.is_some() {
        session.tell("PBSZ", "0").await?;
        session.tell("PROT", "P").await?;
        session.security = security;
    }
    // Binary mode: the server must not convert line ends.
    session.tell("TYPE", "I").await?;
    learn(&mut session).await?;
    session.root = root(&mut session, &settings.root).await?;
    Ok(session)
}

async fn log_in(session: &mut Session, settings: &FtpSettings) -> std::result::Result<(), Failure> {
    let refused = |code: u16| match code {
        421 => crowded(Failure::Lost("the server has closed the connection")),
        400..500 => Failure::Later(format!("logging in was answered {code}")),
        // Only the code is reported: the text of the reply may repeat the user name or the password.
        _ => Failure::Denied(format!("logging in was answered {code}")),
    };
    let mut reply = session.ask("USER", &settings.user).await?;
    if reply.code == 331 {
        let password = settings.password.as_ref().map(|password| password.expose()).unwrap_or_default();
        reply = session.ask("PASS", password).await?;
    }
    match reply.code {
        200..300 => Ok(()),
        332 => Err(Failure::Denied("the server wants an account besides user and password".to_owned())),
        code => Err(refused(code)),
    }
}

/// A server that has too many connections hangs up, with or without a reply that says so.
fn crowded(failure: Failure) -> Failure {
    match failure {
        Failure::Lost(_) => Failure::Later("it takes no further connections".to_owned()),
        other => other,
    }
}

async fn learn(session: &mut Session) -> std::result::Result<(), Failure> {
    let reply = session.ask("FEAT", "").await?;
    if !reply.is_positive() {
        return Ok(());
    }
    let listed: Vec<String> = reply.inner().iter().map(|line| line.trim().to_ascii_uppercase()).collect();
    let has = |feature: &str| listed.iter().any(|line| line.split(' ').next() == Some(feature));
    session.features =
        Features { facts: has("MLST"), restarts: listed.iter().any(|line| line.starts_with("REST STREAM")) };
    if has("UTF8") {
        // Most servers use UTF-8 without this command, and some do not know it; its result is ignored.
        session.ask("OPTS", "UTF8 ON").await?;
    }
    if let Some(facts) = listed.iter().find_map(|line| line.strip_prefix("MLST ")) {
        let offered = |fact: &&&str| {
            facts.split(';').any(|one| one.trim().trim_end_matches('*').eq_ignore_ascii_case(fact))
        };
        let wanted: String = ["type", "size", "modify", "unique"]
            .iter()
            .filter(offered)
            .map(|fact| format!("{fact};"))
            .collect();
        session.ask("OPTS", &format!("MLST {wanted}")).await?;
    }
    Ok(())
}

/// Returns the root as an absolute path, so that a name is never parsed as an option or as a home directory,
/// and the server's working directory does not matter.
async fn root(session: &mut Session, root: &str) -> std::result::Result<String, Failure> {
    let given = root.trim_end_matches('/');
    if root.starts_with('/') {
        return Ok(given.to_owned());
    }
    let reply = session.tell("PWD", "").await?;
    let home =
        quoted(&reply.lines.concat()).ok_or(Failure::Lost("the server does not say where it has put us"))?;
    let home = home.trim_end_matches('/');
    match given.trim_start_matches("./") {
        "" | "." => Ok(home.to_owned()),
        below => Ok(format!("{home}/{below}")),
    }
}
