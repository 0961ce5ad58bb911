//! How much one peer may take: connections, streams, requests in progress, memory. A peer is an address, or a
//! client that a trusted proxy names.
//!
//! Owns which addresses count as one peer, and the counts. Does not own what happens to peers that want more
//! (`connection`, `handler`).
//!
//! Invariant: what a peer holds is given back when its owner is dropped, and a peer that holds nothing is
//! forgotten.

use super::shares::{Permits, Share};
use crate::{
    config::{Networks, Server},
    store::memory::Memory,
};
use http::HeaderMap;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const FORWARDED: &str = "x-forwarded-for";
/// Only the last entries are written by trusted proxies; a client may have invented those before them.
const HOPS: usize = 16;
/// Maximum number of open HTTP/2 streams. Each costs up to 15 KB while it waits for its turn or for its
/// client.
const STREAMS: usize = 8192;
/// Maximum number of streams of one connection. Each connection that a peer opens beyond some dozens may have
/// fewer.
const MOST_STREAMS: usize = 128;
const LEAST_STREAMS: usize = 8;

/// All peers with connections or requests.
#[derive(Debug)]
pub(super) struct Peers {
    trusted: Networks,
    connections: usize,
    requests: Permits,
    streams: Permits,
    memory: Arc<Memory>,
    known: Mutex<HashMap<IpAddr, Weak<Peer>>>,
    /// The share of trusted proxies.
    proxy: Arc<Peer>,
}

#[derive(Debug)]
pub(super) struct Peer {
    address: Option<IpAddr>,
    peers: Weak<Peers>,
    connections: Arc<Semaphore>,
    /// Maximum number of connections.
    most_connections: usize,
    requests: Share,
    streams: Share,
    memory: Arc<Memory>,
}

impl Peers {
    pub(super) fn new(server: &Server) -> Arc<Self> {
        let memory = usize::try_from(server.body_memory.0).unwrap_or(usize::MAX).max(1);
        let whole = Memory::new(memory);
        let requests = Permits::new(server.max_requests, server.max_requests_per_address);
        let streams = Permits::new(STREAMS, None);
        let proxy = Peer {
            address: None,
            peers: Weak::new(),
            connections: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            most_connections: Semaphore::MAX_PERMITS,
            requests: requests.unlimited(),
            streams: streams.unlimited(),
            memory: whole.clone(),
        };
        Arc::new(Self {
            trusted: server.trusted_proxies.clone().unwrap_or(Networks(Vec::new())),
            connections: server.max_connections_per_address.unwrap_or(server.max_connections.div_ceil(4)),
            requests,
            streams,
            memory: whole,
            known: Mutex::default(),
            proxy: Arc::new(proxy),
        })
    }

    /// The peer that opened a connection.
    pub(super) fn of(self: &Arc<Self>, address: IpAddr) -> Arc<Peer> {
        if self.trusted.contain(address) { self.proxy.clone() } else { self.at(address) }
    }

    /// The peer for which a request was made that arrived on a connection of `peer`, from `address`: the last
    /// address that is no trusted proxy.
    pub(super) fn behind(
        self: &Arc<Self>,
        peer: &Arc<Peer>,
        address: IpAddr,
        headers: &HeaderMap,
    ) -> (Arc<Peer>, IpAddr) {
        if peer.address.is_some() {
            return (peer.clone(), address);
        }
        let lines = headers.get_all(FORWARDED).into_iter().rev().filter_map(|line| line.to_str().ok());
        let hops = lines.flat_map(|line| line.rsplit(',')).take(HOPS);
        let client =
            hops.map_while(|hop| hop.trim().parse::<IpAddr>().ok()).find(|hop| !self.trusted.contain(*hop));
        client.map_or_else(|| (peer.clone(), address), |client| (self.at(client), client))
    }

    fn at(self: &Arc<Self>, address: IpAddr) -> Arc<Peer> {
        let address = network(address);
        let mut known = self.known();
        if let Some(peer) = known.get(&address).and_then(Weak::upgrade) {
            return peer;
        }
        let peer = Arc::new(Peer {
            address: Some(address),
            peers: Arc::downgrade(self),
            connections: Arc::new(Semaphore::new(self.connections)),
            most_connections: self.connections,
            requests: self.requests.share(),
            streams: self.streams.share(),
            memory: self.memory.share(),
        });
        known.insert(address, Arc::downgrade(&peer));
        peer
    }

    /// All memory.
    pub(super) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Shares of memory for which a request waits without success, or was refused just now.
    pub(super) fn wanting(&self) -> Vec<Arc<Memory>> {
        // The peer that is dropped last locks this table: none may be dropped here meanwhile.
        let peers: Vec<_> = self.known().values().filter_map(Weak::upgrade).collect();
        let shares = peers.iter().map(|peer| &peer.memory).chain([&self.memory]);
        shares.filter(|share| share.is_wanted()).cloned().collect()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<IpAddr, Weak<Peer>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner of an IPv6 address has a whole network of addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

impl Peer {
    /// Whether it is a trusted proxy, whose statements about clients are believed.
    pub(super) fn is_trusted_proxy(&self) -> bool {
        self.address.is_none()
    }

    /// A place for one more connection.
    pub(super) fn connect(&self) -> Option<OwnedSemaphorePermit> {
        self.connections.clone().try_acquire_owned().ok()
    }

    /// Its requests in progress.
    pub(super) fn requests(&self) -> &Share {
        &self.requests
    }

    /// Its open streams.
    pub(super) fn streams(&self) -> &Share {
        &self.streams
    }

    /// How many streams one more connection may have. Room for streams costs memory, even if they are
    /// refused.
    pub(super) fn streams_of_a_connection(&self) -> u32 {
        let open = match self.address {
            Some(_) => self.most_connections - self.connections.available_permits(),
            // A proxy's connections are those of many clients.
            None => 1,
        };
        (STREAMS / 2 / open.max(1)).clamp(LEAST_STREAMS, MOST_STREAMS) as u32
    }

    pub(super) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let (Some(peers), Some(address)) = (self.peers.upgrade(), self.address) else { return };
        let mut known = peers.known();
        // Another connection may have come from there since.
        if known.get(&address).is_some_and(|peer| peer.strong_count() == 0) {
            known.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flag, Settings, Sources};

    fn peers(settings: &[(&'static str, &str)]) -> Arc<Peers> {
        let flags = settings
            .iter()
            .map(|(key, value)| Flag { name: "--test", key, value: (*value).to_owned() })
            .collect();
        Peers::new(&Settings::load(&Sources { flags, ..Default::default() }).expect("settings").server)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_has_so_many_connections_and_another_has_its_own() {
        let peers = peers(&[("server.max_connections_per_address", "2")]);
        let peer = peers.of(address("192.0.2.1"));
        let held: Vec<_> = (0..3).map_while(|_| peer.connect()).collect();
        assert_eq!(held.len(), 2);
        assert!(
            peers.of(address("::ffff:192.0.2.1")).connect().is_none(),
            "the same address, written otherwise"
        );
        assert!(peers.of(address("192.0.2.2")).connect().is_some());
        drop(held);
        assert!(peer.connect().is_some());
    }

    #[test]
    fn the_more_connections_one_address_has_the_fewer_streams_has_the_next() {
        let peers = peers(&[("server.max_connections_per_address", "2000")]);
        let peer = peers.of(address("192.0.2.1"));
        let mut held = Vec::new();
        let mut streams = Vec::new();
        for _ in 0..1000 {
            held.extend(peer.connect());
            streams.push(peer.streams_of_a_connection());
        }
        assert_eq!((streams[0], streams[31], streams[63], streams[999]), (128, 128, 64, 8));
        assert_eq!(peers.of(address("192.0.2.2")).streams_of_a_connection(), 128);
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let peers = peers(&[]);
        let first = peers.of(address("2001:db8::1"));
        assert!(Arc::ptr_eq(&first, &peers.of(address("2001:db8::ffff:1:2:3"))));
        assert!(!Arc::ptr_eq(&first, &peers.of(address("2001:db8:0:1::1"))));
    }

    #[test]
    fn whoever_left_is_forgotten() {
        let peers = peers(&[]);
        let peer = peers.of(address("192.0.2.1"));
        let again = peers.of(address("192.0.2.1"));
        drop(peer);
        assert_eq!(peers.known().len(), 1);
        drop(again);
        assert_eq!(peers.known().len(), 0);
    }

    #[test]
    fn only_a_trusted_proxy_says_who_its_client_is() {
        let peers = peers(&[("server.trusted_proxies", "10.0.0.0/8")]);
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED, "203.0.113.1, 198.51.100.7".parse().expect("a value"));
        headers.append(FORWARDED, "10.0.0.2".parse().expect("a value"));
        let (proxy, stranger) = (peers.of(address("10.0.0.1")), peers.of(address("192.0.2.1")));
        assert!(proxy.address.is_none() && stranger.address.is_some());
        let behind =
            |peer: &Arc<Peer>, own: &str, headers: &HeaderMap| peers.behind(peer, address(own), headers);
        let (peer, client) = behind(&proxy, "10.0.0.1", &headers);
        assert!(Arc::ptr_eq(&peer, &peers.of(address("198.51.100.7"))) && client == address("198.51.100.7"));
        let (peer, client) = behind(&stranger, "192.0.2.1", &headers);
        assert!(Arc::ptr_eq(&peer, &stranger) && client == address("192.0.2.1"));
        assert!(proxy.is_trusted_proxy() && !stranger.is_trusted_proxy());
        let (peer, client) = behind(&proxy, "10.0.0.1", &HeaderMap::new());
        assert!(Arc::ptr_eq(&peer, &proxy) && client == address("10.0.0.1"));
        headers.insert(FORWARDED, "unknown".parse().expect("a value"));
        assert!(Arc::ptr_eq(&behind(&proxy, "10.0.0.1", &headers).0, &proxy));
    }
}
