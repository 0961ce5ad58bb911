//! Connecting to a server: TCP, TLS, the login, and the server's features.
//!
//! Invariant: `connect_timeout` is the time for all of it, so that a server that takes the connection and
//! sends nothing is found out as soon as one that takes none.

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

/// While a file is sent for an hour nothing moves on its control connection: whatever counts connections
/// between here and there would forget it.
const KEEP_ALIVE: Duration = Duration::from_secs(45);

/// Preliminary greetings: a server that says again and again that it will be ready is not.
const MOST_GREETINGS: usize = 20;

/// Refuses settings that cannot be sent in a command; names of servers are checked where TLS will need them.
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
        Err(failure) => Err(failure.told(&format!("connecting to {}:{}", settings.host, settings.port))),
    }
}

/// A session within `connect_timeout`, from the name of the server to the end of the login.
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

/// `missing` is what the server still owes us, in words.
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
    // Neither is needed for anything to work.
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
        // 120: ready in some minutes, or sooner.
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
    // Bytes as they are, not lines.
    session.tell("TYPE", "I").await?;
    learn(&mut session).await?;
    session.root = root(&mut session, &settings.root).await?;
    Ok(session)
}

async fn log_in(session: &mut Session, settings: &FtpSettings) -> std::result::Result<(), Failure> {
    let refused = |code: u16| match code {
        421 => crowded(Failure::Lost("the server has closed the connection")),
        400..500 => Failure::Later(format!("logging in was answered {code}")),
        // Servers say nothing more about it, or too much: what was sent is not repeated here.
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

/// A server that has too many connections says so and hangs up.
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
        // Most speak it without being asked, and some do not know the question.
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

/// Absolute, so that no name is taken for an option or for somebody's home, and it does not matter where the
/// server thinks we are.
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
