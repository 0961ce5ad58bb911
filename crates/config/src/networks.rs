//! The type of settings that name ranges of IP addresses.

use super::{
    tree::Node,
    value::{Context, Setting, quote_all, refuse, texts},
};
use std::net::IpAddr;

/// IP addresses, and ranges of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Networks(pub Vec<Network>);

/// All addresses whose first `bits` bits are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(all), |bits| bits.parse().ok())?;
        (bits <= all).then_some(Self { address, bits })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |ours: u128, theirs: u128, all: u32| {
            (ours ^ theirs).checked_shr(all - u32::from(self.bits)).unwrap_or(0) == 0
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                same(u128::from(u32::from(ours)), u128::from(u32::from(theirs)), 32)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => same(ours.into(), theirs.into(), 128),
            _ => false,
        }
    }
}

impl Networks {
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Setting for Networks {
    const KIND: &'static str = "an address or a range such as 10.0.0.5 or 10.1.0.0/16, or a list of them";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let parse = |text: &str| {
            Network::parse(text).map_or_else(|| refuse::<Self, _>(&Node::text(text, node.origin.clone())), Ok)
        };
        texts::<Self>(node)?.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    fn show(&self) -> Option<String> {
        Some(quote_all(self.0.iter().map(|network| format!("{}/{}", network.address, network.bits))))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::error::Origin, *};
    use std::collections::BTreeMap;

    fn parse<T: Setting>(text: &str) -> Result<T, String> {
        T::parse(&Node::text(text, Origin::Default), &Context::of(&BTreeMap::new()))
    }

    #[test]
    fn networks_hold_the_addresses_that_begin_alike() {
        let networks: Networks = parse("10.1.0.0/16, 192.0.2.7, fd00::/8").expect("networks");
        for (address, inside) in [
            ("10.1.255.3", true),
            ("10.2.0.0", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.1.2.3", true),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(networks.contain(address.parse().expect("an address")), inside, "{address}");
        }
        assert!(parse::<Networks>("0.0.0.0/0").expect("all").contain([1, 2, 3, 4].into()));
        for wrong in ["", "proxy.example.com", "10.0.0.0/33", "10.0.0.0/"] {
            assert!(parse::<Networks>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(networks.show().as_deref(), Some("[\"10.1.0.0/16\", \"192.0.2.7/32\", \"fd00::/8\"]"));
    }
}
