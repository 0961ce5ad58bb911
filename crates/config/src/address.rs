//! Addresses to listen on, as they are configured. The code that listens resolves names, at the start.

use super::{
    tree::{Node, Raw},
    value::{Context, Setting, quote_all, refuse, texts},
};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// The addresses to listen on: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(pub Vec<Address>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Socket(SocketAddr),
    /// A port on every address of the machine, both IPv6 and IPv4.
    Any(u16),
    /// A port on every address that a name resolves to.
    Named(String, u16),
}

impl Address {
    /// Returns host and port by which a client on this machine reaches the address.
    pub fn for_clients(&self) -> String {
        match self {
            Self::Socket(SocketAddr::V4(address)) if address.ip().is_unspecified() => {
                format!("127.0.0.1:{}", address.port())
            }
            Self::Socket(SocketAddr::V6(address)) if address.ip().is_unspecified() => {
                format!("[::1]:{}", address.port())
            }
            Self::Socket(address) => address.to_string(),
            Self::Any(port) => format!("127.0.0.1:{port}"),
            Self::Named(name, port) => format!("{name}:{port}"),
        }
    }

    /// Parses `127.0.0.1:9000`, `[::1]:9000`, `localhost:9000`, `:9000` or `9000`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse() {
            return Some(Self::Socket(address));
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        // `parse` would accept a sign.
        let port = port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse().ok())??;
        match host {
            "" => Some(Self::Any(port)),
            host if is_name(host) => Some(Self::Named(host.to_owned(), port)),
            _ => None,
        }
    }
}

/// Returns whether a host is a name. Addresses were parsed before: other text that looks like one is wrong.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let has_letter = host.bytes().any(|b| b.is_ascii_alphabetic());
    host.len() <= 253 && has_letter && host.split('.').all(label) && host.parse::<IpAddr>().is_err()
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Any(port) => write!(f, ":{port}"),
            Self::Named(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl Setting for Addresses {
    const KIND: &'static str =
        "an address such as 127.0.0.1:9000, [::1]:9000, localhost:9000 or :9000, or a list of them";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        if let Raw::Integer(port) = &node.raw {
            return u16::try_from(*port)
                .map_or_else(|_| refuse::<Self, _>(node), |port| Ok(Self(vec![Address::Any(port)])));
        }
        let parse = |text: &str| {
            Address::parse(text).map_or_else(|| refuse::<Self, _>(&Node::text(text, node.origin.clone())), Ok)
        };
        texts::<Self>(node)?.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    fn show(&self) -> Option<String> {
        Some(quote_all(self.0.iter().map(Address::to_string)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_a_socket_a_port_or_a_name_with_a_port() {
        let socket = |text: &str| Some(Address::Socket(text.parse().expect("an address")));
        let named = |host: &str, port| Some(Address::Named(host.to_owned(), port));
        for (text, expected) in [
            ("127.0.0.1:9000", socket("127.0.0.1:9000")),
            ("[::1]:9000", socket("[::1]:9000")),
            ("[::]:0", socket("[::]:0")),
            (":9000", Some(Address::Any(9000))),
            ("9000", Some(Address::Any(9000))),
            ("0", Some(Address::Any(0))),
            ("localhost:9000", named("localhost", 9000)),
            ("s3.example.com:443", named("s3.example.com", 443)),
            ("my_service-1:9000", named("my_service-1", 9000)),
        ] {
            assert_eq!(Address::parse(text), expected, "{text}");
        }
        for wrong in [
            "",
            ":",
            "here",
            "localhost",
            "localhost:",
            "localhost:http",
            "127.0.0.1",
            "1.2.3:9000",
            "::1:9000",
            ":65536",
            ":+1",
            "a b:1",
            "-a:1",
        ] {
            assert_eq!(Address::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_the_same_address(text in "[a-z0-9.:\\[\\]_-]{0,24}") {
            if let Some(address) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(&address.to_string()), Some(address));
            }
        }
    }
}
