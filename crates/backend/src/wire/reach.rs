//! Which addresses a client may connect to.
//!
//! Invariant: with [`Reach::Public`] the address that is checked is the one that is connected to. A name is
//! resolved once, so that its owner cannot give a public address to the check and a private one to the
//! connection.

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    task::{Context, Poll, ready},
    vec,
};
use tower_service::Service;

/// Where the other end of a connection may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    #[default]
    Anywhere,
    /// No address of a private network, of this machine, or of a network with a special purpose.
    Public,
}

impl Reach {
    /// Checks a host that is an address already: no resolver sees it.
    pub(super) fn check(self, uri: &Uri) -> io::Result<()> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        host.parse().map_or(Ok(()), |address| self.admit(address))
    }

    fn admit(self, address: IpAddr) -> io::Result<()> {
        if self == Self::Anywhere || is_public(address) {
            return Ok(());
        }
        let words = format!("{address} is an address of a private network, which the settings do not allow");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, words))
    }
}

/// Resolves names to addresses within reach. A name with one address that is not is refused as a whole.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    below: GaiResolver,
    reach: Reach,
}

impl Resolver {
    pub(super) fn new(reach: Reach) -> Self {
        Self { below: GaiResolver::new(), reach }
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(ready!(self.below.poll_ready(cx)))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (found, reach) = (self.below.call(name), self.reach);
        Box::pin(async move {
            let found: Vec<SocketAddr> = found.await?.collect();
            found.iter().try_for_each(|address| reach.admit(address.ip()))?;
            Ok(found.into_iter())
        })
    }
}

/// IANA's registries of special-purpose addresses, as far as something may listen there.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [first, second, third, _] = ip.octets();
    let is_special = match first {
        // This network, and what is reserved or multicast.
        0 | 224..=255 => true,
        // Shared between carriers.
        100 => (64..128).contains(&second),
        // Protocol assignments.
        192 => second == 0 && third == 0,
        // Benchmarks.
        198 => (18..20).contains(&second),
        _ => false,
    };
    !(is_special || ip.is_private() || ip.is_loopback() || ip.is_link_local())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let at = |first: u16, second: u16| {
        let [a, b] = [first, second].map(u16::to_be_bytes);
        Ipv4Addr::new(a[0], a[1], b[0], b[1])
    };
    match ip.segments() {
        // Addresses of IPv4 inside: translated (RFC 6052), 6to4, and the form without a prefix. `::` and
        // `::1` are among the last ones.
        [0x64, 0xff9b, 0, 0, 0, 0, a, b] | [0x2002, a, b, ..] | [0, 0, 0, 0, 0, 0, a, b] => {
            is_public_v4(at(a, b))
        }
        // Translation within a network (RFC 8215).
        [0x64, 0xff9b, 1, ..] => false,
        // Unique local, link-local, site-local and multicast.
        [first, ..] => !(first & 0xfe00 == 0xfc00 || first & 0xff80 == 0xfe80 || first >= 0xff00),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_private_networks_and_of_this_machine_are_not_public() {
        for ip in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "192.0.0.8",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:a00:1::",
        ] {
            assert!(!is_public(ip.parse().expect("an address")), "{ip}");
        }
        for ip in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1", "64:ff9b::8.8.8.8"] {
            assert!(is_public(ip.parse().expect("an address")), "{ip}");
        }
    }

    #[test]
    fn a_host_that_is_an_address_is_checked_without_a_resolver() {
        for (host, is_refused) in
            [("127.0.0.1:9000", true), ("[::1]:9000", true), ("8.8.8.8", false), ("localhost", false)]
        {
            let uri: Uri = format!("https://{host}/").parse().expect("a URI");
            assert_eq!(Reach::Public.check(&uri).is_err(), is_refused, "{host}");
            assert!(Reach::Anywhere.check(&uri).is_ok());
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_resolved_only_within_reach() {
        let name: Name = "localhost".parse().expect("a name");
        assert!(Resolver::new(Reach::Anywhere).call(name.clone()).await.is_ok());
        let refused = Resolver::new(Reach::Public).call(name).await.expect_err("refused");
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
}
