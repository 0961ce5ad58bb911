//! The sender, the origin and the time of a request: the facts on which decisions, limits and records rest.
//!
//! Owns no headers and no body: those belong to the request. Invariant: the edge makes a context once, from
//! what it verified itself and from what the connection and trusted proxies report; the client chooses
//! nothing in it except the operation.

use super::{gateway::Gateway, operation::Operation};
use crate::model::{Principal, Timestamp};
use std::{fmt, net::IpAddr, sync::Arc};

/// Shown in every reply and log line of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The version of TLS that a client speaks with this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

impl TlsVersion {
    /// As policies compare it: a number.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

/// What is known about a request before any of it is parsed.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub id: RequestId,
    pub at: Timestamp,
    /// The client's address: that of the connection, or the one that a listed proxy names.
    pub peer: IpAddr,
    /// Whether the client speaks TLS: with this server, or with a listed proxy that says so.
    pub is_secure: bool,
    /// `None`: there is no TLS, or it ends at a proxy.
    pub tls: Option<TlsVersion>,
}

/// How a request was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureVersion {
    Two,
    Four,
    /// SigV4A.
    FourAsymmetric,
}

/// The signature that held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    pub version: SignatureVersion,
    /// When it was made. Version 2 does not always say.
    pub at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub struct Context {
    pub arrival: Arrival,
    pub principal: Principal,
    /// Whether the query authenticated the request.
    pub presigned: bool,
    /// `None`: the request is anonymous.
    pub signature: Option<Signature>,
    /// `None`: no operation has this method on such a resource.
    pub operation: Option<Operation>,
    /// The gateway that decides about the request. The service sets it.
    pub gateway: Option<Arc<Gateway>>,
}
