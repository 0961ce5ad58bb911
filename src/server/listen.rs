//! Sockets to listen on.

use crate::{
    assembly::StartError,
    config::{Address, Server, Website},
};
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, sockopt},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs},
};
use tokio::net::TcpListener;

/// The default address of health and metrics.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9001);
/// How much of a reply the kernel buffers beyond what is on its way to the peer. By default it buffers
/// megabytes for each client that reads nothing: memory that is not counted, and time that all others wait
/// for.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 256 << 10;
/// How many clients may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Descriptors that a request has open at once, including those of work that it leaves behind.
const FILES: u64 = 2;
/// Descriptors beside connections and requests: directories of buckets, connections to storages, the catalog,
/// the log.
const OTHER_DESCRIPTORS: u64 = 1024;

#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) s3: Vec<TcpListener>,
    /// For websites alone. Empty if none is configured.
    pub(super) websites: Vec<TcpListener>,
    /// Never empty; neither is `s3`.
    pub(super) admin: Vec<TcpListener>,
    pub(super) admin_address: SocketAddr,
}

impl Listeners {
    pub(super) fn bind(server: &Server, website: &Website) -> Result<Self, StartError> {
        let s3 = bind_all(&server.listen.0)?;
        let websites = website.listen.as_ref().map(|addresses| bind_all(&addresses.0)).transpose()?;
        let admin = match &server.admin_listen {
            Some(addresses) => bind_all(&addresses.0)?,
            None => bind_all(&[Address::Socket(ADMIN)]).or_else(|error| {
                tracing::warn!(%error, "health and metrics take another port");
                bind_all(&[Address::Socket(SocketAddr::new(ADMIN.ip(), 0))])
            })?,
        };
        let address = admin
            .first()
            .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
            .and_then(TcpListener::local_addr);
        let admin_address = address.map_err(|error| StartError::because("the admin listener", error))?;
        Ok(Self { s3, websites: websites.unwrap_or_default(), admin, admin_address })
    }
}

/// The addresses to bind for one configured address.
struct Wanted<'a> {
    configured: &'a Address,
    addresses: Vec<SocketAddr>,
}

fn bind_all(configured: &[Address]) -> Result<Vec<TcpListener>, StartError> {
    let failed = |configured: &Address, error: io::Error| {
        StartError::because(format_args!("listening on {configured}"), error)
    };
    let wanted = |configured| {
        let addresses = resolve(configured).map_err(|error| failed(configured, error))?;
        Ok(Wanted { configured, addresses })
    };
    let wanted: Vec<Wanted<'_>> = configured.iter().map(wanted).collect::<Result<_, StartError>>()?;
    let all: Vec<SocketAddr> = wanted.iter().flat_map(|wanted| &wanted.addresses).copied().collect();
    let mut listeners = Vec::new();
    for Wanted { configured, addresses } in &wanted {
        let (mut bound, mut lacking) = (Vec::new(), None);
        for address in addresses {
            // `[::]` accepts IPv4 connections too, unless an IPv4 address of the same port is configured
            // itself.
            let only_v6 = all
                .iter()
                .any(|other| other.is_ipv4() && other.port() == address.port() && address.port() != 0);
            match bind(*address, only_v6 && !matches!(configured, Address::Any(_))) {
                Ok(listener) => bound.push(listener),
                // A name, or every address, may include a protocol that this machine does not have.
                Err(error) if addresses.len() > 1 && is_lacking(&error) => lacking = Some(error),
                Err(error) => return Err(failed(configured, error)),
            }
            if matches!(configured, Address::Any(_)) && !bound.is_empty() {
                break;
            }
        }
        match (bound.is_empty(), lacking) {
            (true, Some(error)) => return Err(failed(configured, error)),
            _ => listeners.append(&mut bound),
        }
    }
    Ok(listeners)
}

/// Lists the addresses to try. A port alone means every address: an IPv6 socket accepts IPv4 connections too,
/// and the IPv4 address is for machines without IPv6.
fn resolve(configured: &Address) -> io::Result<Vec<SocketAddr>> {
    match configured {
        Address::Socket(address) => Ok(vec![*address]),
        Address::Any(port) => {
            Ok(vec![(Ipv6Addr::UNSPECIFIED, *port).into(), (Ipv4Addr::UNSPECIFIED, *port).into()])
        }
        Address::Named(host, port) => {
            let mut addresses: Vec<SocketAddr> = Vec::new();
            for address in (host.as_str(), *port).to_socket_addrs()? {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            if addresses.is_empty() {
                Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
            } else {
                Ok(addresses)
            }
        }
    }
}

/// Whether the machine does not have this address, or not the protocol at all.
fn is_lacking(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT].into_iter().any(|errno| code == Some(errno.raw_os_error()))
}

fn bind(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // A server may start again while connections of the earlier one remain in the kernel.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, only_v6)?;
    }
    // Connections inherit this option from their listener. A system that does not know it works without.
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT);
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Most systems allow few descriptors by default. Raises the limit, and returns how many connections there
/// may be so that enough descriptors are left for files.
pub(super) fn raise_descriptor_limit(server: &Server) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = server.max_connections as u64 + FILES * server.max_requests as u64 + OTHER_DESCRIPTORS;
    let Some(current) = current.filter(|current| *current < wanted) else { return server.max_connections };
    let allowed = maximum.map_or(wanted, |maximum| maximum.min(wanted)).max(current);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum });
    let allowed = if raised.is_ok() { allowed } else { current };
    if allowed == wanted {
        return server.max_connections;
    }
    let connections = server.max_connections.min(usize::try_from(allowed / 2).unwrap_or(usize::MAX).max(1));
    tracing::warn!(
        allowed,
        wanted,
        connections,
        "the system allows fewer open files than max_connections and max_requests need"
    );
    connections
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flag, Settings, Sources};

    #[tokio::test]
    async fn a_name_is_listened_on_at_its_addresses_and_a_port_at_all() {
        let local = bind_all(&[Address::Named("localhost".to_owned(), 0)]).expect("bound");
        assert!(!local.is_empty());
        assert!(local.iter().all(|listener| listener.local_addr().expect("bound").ip().is_loopback()));
        let any = bind_all(&[Address::Any(0)]).expect("bound");
        let port = any[0].local_addr().expect("bound").port();
        assert_eq!(any.len(), 1);
        std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("IPv4 is served too");
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_told() {
        let error =
            bind_all(&[Address::Named("no-such-host.invalid".to_owned(), 0)]).expect_err("no address");
        assert!(error.to_string().starts_with("listening on no-such-host.invalid:0: "), "{error}");
    }

    #[tokio::test]
    async fn an_admin_port_that_nobody_chose_gives_way() {
        let flags = vec![Flag { name: "--listen", key: "server.listen", value: "127.0.0.1:0".to_owned() }];
        let settings = Settings::load(&Sources { flags, ..Default::default() }).expect("settings");
        // The default port is taken, by the first of these or by another program: the second does not get it.
        let bind = || Listeners::bind(&settings.server, &settings.website).expect("bound");
        let (first, second) = (bind(), bind());
        assert_ne!(first.admin_address, second.admin_address);
        assert_ne!(second.admin_address, ADMIN);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_connection_has_from_its_listener_how_much_may_wait_unsent() {
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), false).expect("a port");
        let _client =
            std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        let (accepted, _) = listener.accept().await.expect("a connection");
        assert_eq!(socket2::SockRef::from(&accepted).tcp_notsent_lowat().expect("the system tells"), UNSENT);
    }
}
