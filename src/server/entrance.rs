//! Where commands of the operator reach S3 on this machine.
//!
//! Without TLS it is the first address of S3. With TLS, whose certificate names no loopback address, a listener
//! without TLS is opened at a free port of the loopback interface when the first command asks.

use super::connection::Door;
use crate::control;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpListener;

/// `plain` makes a door without TLS.
pub(super) fn of(
    first: SocketAddr,
    tls: bool,
    region: &str,
    plain: impl Fn() -> Door + Send + Sync + 'static,
) -> control::Entrance {
    let opened: Mutex<Option<SocketAddr>> = Mutex::new((!tls).then(|| reachable(first)));
    let open = move || -> io::Result<SocketAddr> {
        let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(address) = *opened {
            return Ok(address);
        }
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let door = Arc::new(plain());
        door.open(vec![TcpListener::from_std(listener)?], Vec::new())
            .map_err(|error| io::Error::other(error.to_string()))?;
        tracing::info!(%address, "commands of this machine are answered without TLS");
        *opened = Some(address);
        Ok(address)
    };
    control::Entrance { region: region.to_owned(), open: Box::new(open) }
}

/// Returns the address by which this machine reaches a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
