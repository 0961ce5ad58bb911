//! Settings with a closed set of words: each word and its value.

use super::{
    tree::Node,
    value::{Context, Setting, quote, refuse, text},
};
use crate::{
    model::{ObjectOwnership, Role, SignatureV2},
    store::Durability,
};

/// A setting with a closed set of words.
macro_rules! choice {
    ($type:ty, $kind:literal, $($word:literal => $value:path),+) => {
        impl Setting for $type {
            const KIND: &'static str = $kind;

            fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
                match text::<Self>(node)? {
                    $($word => Ok($value),)+
                    _ => refuse::<Self, _>(node),
                }
            }

            fn show(&self) -> Option<String> {
                $(if *self == $value { return Some(quote($word)); })+
                None
            }
        }
    };
}
pub(super) use choice;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}

choice!(
    LogFormat, "\"human\" or \"json\"",
    "human" => LogFormat::Human,
    "json" => LogFormat::Json
);

/// How a bucket is named in requests to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    Auto,
    Path,
    Virtual,
}

choice!(
    Addressing, "\"auto\", \"path\" or \"virtual\"",
    "auto" => Addressing::Auto,
    "path" => Addressing::Path,
    "virtual" => Addressing::Virtual
);

/// Whether a storage keeps one of S3's guarantees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// A probe finds this out.
    Auto,
    Kept,
    NotKept,
}

choice!(
    Promise, "\"auto\", \"yes\" or \"no\"",
    "auto" => Promise::Auto,
    "yes" => Promise::Kept,
    "no" => Promise::NotKept
);

/// When a connection of FTP changes to TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FtpTls {
    None,
    Explicit,
    Implicit,
}

choice!(
    FtpTls, "\"none\", \"explicit\" or \"implicit\"",
    "none" => FtpTls::None,
    "explicit" => FtpTls::Explicit,
    "implicit" => FtpTls::Implicit
);

/// What happens to requests beyond the monthly limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtBudget {
    Stop,
    Avoid,
}

choice!(
    AtBudget, "\"stop\" or \"avoid\"",
    "stop" => AtBudget::Stop,
    "avoid" => AtBudget::Avoid
);

choice!(
    Durability, "\"strict\" or \"relaxed\"",
    "strict" => Durability::Strict,
    "relaxed" => Durability::Relaxed
);

choice!(
    SignatureV2, "\"presigned\", \"all\" or \"off\"",
    "presigned" => SignatureV2::Presigned,
    "all" => SignatureV2::All,
    "off" => SignatureV2::Off
);

choice!(
    ObjectOwnership, "\"ObjectWriter\", \"BucketOwnerPreferred\" or \"BucketOwnerEnforced\"",
    "ObjectWriter" => ObjectOwnership::ObjectWriter,
    "BucketOwnerPreferred" => ObjectOwnership::BucketOwnerPreferred,
    "BucketOwnerEnforced" => ObjectOwnership::BucketOwnerEnforced
);

choice!(
    Role, "\"admin\", \"readwrite\" or \"readonly\"",
    "admin" => Role::Admin,
    "readwrite" => Role::ReadWrite,
    "readonly" => Role::ReadOnly
);
