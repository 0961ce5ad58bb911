//! The answer to a request, with the statement that it rests on.

use std::fmt;

/// Which policy of a request a statement is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Identity,
    Boundary,
    Session,
    Bucket,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity policy",
            Self::Boundary => "permission boundary",
            Self::Session => "session policy",
            Self::Bucket => "bucket policy",
        }
    }
}

/// A statement of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At<'p> {
    pub source: Source,
    /// The name of the policy.
    pub policy: &'p str,
    /// The place of the statement in the policy, from 1.
    pub number: usize,
    pub sid: Option<&'p str>,
}

/// Why a request is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground<'p> {
    Statement(At<'p>),
    /// The sender is the account that owns the resource.
    Owner,
    /// Between two accounts: the account of the sender lets it ask, the bucket policy lets it in.
    Both {
        identity: Option<At<'p>>,
        bucket: At<'p>,
    },
}

/// The kind of policy whose permission was needed, and missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Neither an identity policy nor the bucket policy allows it.
    Any,
    /// Between two accounts, the identity policies have to allow it.
    Identity,
    Boundary,
    Session,
    /// The bucket policy has to allow it: the sender is anonymous or of another account.
    Bucket,
}

/// Whether a request is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'p> {
    Allow(Ground<'p>),
    /// A statement denies it. Nothing else can allow it.
    Deny(At<'p>),
    /// No statement denies it, but a permission is missing.
    Implicit(Missing),
}

impl Decision<'_> {
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement {} ", self.number)?;
        if let Some(sid) = self.sid {
            write!(f, "({sid}) ")?;
        }
        write!(f, "of {} {:?}", self.source.as_str(), self.policy)
    }
}

impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow(Ground::Statement(at)) => write!(f, "allowed by {at}"),
            Self::Allow(Ground::Owner) => f.write_str("allowed: the sender is the owner's account"),
            Self::Allow(Ground::Both { identity: Some(identity), bucket }) => {
                write!(f, "allowed by {identity} and {bucket}")
            }
            Self::Allow(Ground::Both { identity: None, bucket }) => write!(f, "allowed by {bucket}"),
            Self::Deny(at) => write!(f, "denied by {at}"),
            Self::Implicit(missing) => f.write_str(match missing {
                Missing::Any => "denied: no policy allows it",
                Missing::Identity => "denied: no identity policy allows it",
                Missing::Boundary => "denied: the permission boundary does not allow it",
                Missing::Session => "denied: the policy of the session does not allow it",
                Missing::Bucket => "denied: the bucket policy does not allow it",
            }),
        }
    }
}
