//! Sockets to listen on.

use super::error::StartError;
use crate::config::Server;
use rustix::{
    net::{AddressFamily, SocketFlags, SocketType, sockopt},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};
use tokio::net::TcpListener;

/// Where health and metrics are if nobody said so.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9001);
/// Clients that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// That a request has open at once, with those of what it leaves behind.
const FILES: u64 = 2;
/// Descriptors beside connections and requests: directories of buckets, connections to storages, the catalog, the log.
const OTHER_DESCRIPTORS: u64 = 1024;

#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) s3: Vec<TcpListener>,
    /// At least one, and so is `s3`.
    pub(super) admin: Vec<TcpListener>,
    pub(super) admin_address: SocketAddr,
}

impl Listeners {
    pub(super) fn bind(server: &Server) -> Result<Self, StartError> {
        let s3 = bind_all(&server.listen.0)?;
        let admin = match &server.admin_listen {
            Some(addresses) => bind_all(&addresses.0)?,
            None => bind_all(&[ADMIN]).or_else(|error| {
                tracing::warn!(%error, "health and metrics take another port");
                bind_all(&[SocketAddr::new(ADMIN.ip(), 0)])
            })?,
        };
        let address = admin.first().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)).and_then(TcpListener::local_addr);
        let admin_address = address.map_err(|error| StartError::because("the admin listener", error))?;
        Ok(Self { s3, admin, admin_address })
    }
}

fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    let bound = |address: &SocketAddr| {
        // `[::]` takes IPv4 connections too, unless an IPv4 address of the same port is to be listened on itself.
        let only_v6 = addresses.iter().any(|other| other.is_ipv4() && other.port() == address.port() && address.port() != 0);
        bind(*address, only_v6).map_err(|error| StartError::because(format_args!("listening on {address}"), error))
    };
    addresses.iter().map(bound).collect()
}

fn bind(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // A server may start again while connections of the one before linger.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, only_v6)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Most systems allow few descriptors until asked for more. Says how many connections there may be, so that files find some.
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
    tracing::warn!(allowed, wanted, connections, "the system allows fewer open files than max_connections and max_requests need");
    connections
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flag, Settings, Sources};

    #[tokio::test]
    async fn an_admin_port_that_nobody_chose_gives_way() {
        let flags = vec![Flag { name: "--listen", key: "server.listen", value: "127.0.0.1:0".to_owned() }];
        let settings = Settings::load(&Sources { flags, ..Default::default() }).expect("settings");
        // Whoever has the default port, be it the first of these or another program: the second has it not.
        let first = Listeners::bind(&settings.server).expect("bound");
        let second = Listeners::bind(&settings.server).expect("bound");
        assert_ne!(first.admin_address, second.admin_address);
        assert_ne!(second.admin_address, ADMIN);
    }
}
