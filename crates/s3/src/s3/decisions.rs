//! The decisions of the last minutes, so that an operator can ask why a request was allowed or denied.
//!
//! Owns what is kept of a decision, for how long, and how it is shown. Does not own the decisions (`gate`).
//!
//! Invariants:
//! - what is kept is bounded in number, bytes and age. Decisions that allow and those that deny are bounded
//!   apart, so that many requests that are allowed evict no denial;
//! - a decision that needs no policy costs no memory but its own place: what it keeps is shared with the
//!   request;
//! - nothing of a request is kept that could be secret: no header, no parameter, no signature.

use super::{action::Action, operation::Operation, resource::Resource};
use crate::model::{AccessKey, BucketName, Identity, ObjectKey, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Maximum number of decisions that are kept, of each outcome.
const MOST: usize = 32_768;
/// Maximum number of bytes of them.
const BYTES: usize = 8 << 20;
/// Maximum age that is shown.
const MINUTES: i64 = 15;

/// What a decision rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    Administrator,
    Owner,
    ObjectOwner,
    /// A grant of the configuration.
    Grant,
    /// The account asks about itself.
    Account,
    Acl,
    /// Policies, in their own words, or why nothing allows it.
    Words(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Administrator => "allowed: the sender is an administrator",
            Self::Owner => "allowed: the bucket belongs to the account of the sender",
            Self::ObjectOwner => "allowed: the object belongs to the account of the sender",
            Self::Grant => "allowed by a grant of the configuration",
            Self::Account => "allowed: an account may do this for itself",
            Self::Acl => "allowed by an ACL",
            Self::Words(words) => words,
        })
    }
}

/// What a decision is about.
#[derive(Debug, Clone)]
enum Subject {
    Named(Box<str>),
    Bucket(BucketName),
    Keys(BucketName),
    Object(BucketName, ObjectKey),
}

impl Subject {
    fn of(resource: Resource<'_>) -> Self {
        match resource {
            Resource::Service | Resource::Account(_) | Resource::NewBucket(_) => {
                Self::Named(resource.to_string().into())
            }
            Resource::Bucket(bucket) | Resource::Lookup(bucket, _) => Self::Bucket(bucket.name().clone()),
            Resource::Keys(bucket) => Self::Keys(bucket.name().clone()),
            Resource::Object(bucket, address) | Resource::Opened(bucket, address, _) => {
                Self::Object(bucket.name().clone(), address.key.clone())
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Named(text) => text.len(),
            Self::Bucket(bucket) | Self::Keys(bucket) => bucket.as_str().len(),
            Self::Object(bucket, key) => bucket.as_str().len() + key.as_str().len(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arn = super::identification::ARN_PREFIX;
        match self {
            Self::Named(text) => f.write_str(text),
            Self::Bucket(bucket) => write!(f, "{arn}{bucket}"),
            Self::Keys(bucket) => write!(f, "{arn}{bucket}/*"),
            Self::Object(bucket, key) => write!(f, "{arn}{bucket}/{key}"),
        }
    }
}

/// A decision as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Decided {
    request: Arc<str>,
    at: Timestamp,
    access_key: Option<AccessKey>,
    /// The user or the session.
    arn: Option<Arc<str>>,
    operation: Option<Operation>,
    action: Action,
    subject: Subject,
    is_allowed: bool,
    why: Why,
}

/// The request of a decision.
pub(super) struct Of<'a> {
    pub(super) request: &'a Arc<str>,
    pub(super) at: Timestamp,
    pub(super) identity: Option<&'a Identity>,
    pub(super) operation: Option<Operation>,
}

impl Decided {
    pub(super) fn new(
        of: &Of<'_>,
        action: Action,
        resource: Resource<'_>,
        is_allowed: bool,
        why: Why,
    ) -> Self {
        let member = of.identity.and_then(|identity| identity.member.as_ref());
        Self {
            request: of.request.clone(),
            at: of.at,
            access_key: of.identity.map(|identity| identity.access_key.clone()),
            arn: member.map(|member| member.arn.clone()),
            operation: of.operation,
            action: if resource.is_version() { action.on_version() } else { action },
            subject: Subject::of(resource),
            is_allowed,
            why,
        }
    }

    fn bytes(&self) -> usize {
        let words = match &self.why {
            Why::Words(words) => words.capacity(),
            _ => 0,
        };
        let arn = self.arn.as_ref().map_or(0, |arn| arn.len());
        let access_key = self.access_key.as_ref().map_or(0, |key| key.as_str().len());
        size_of::<Self>() + self.request.len() + access_key + arn + self.subject.bytes() + words
    }
}

/// A decision as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// When the request arrived.
    pub at: Timestamp,
    /// `None`: nobody signed the request.
    pub access_key: Option<String>,
    /// The ARN of a user or a session.
    pub arn: Option<String>,
    pub operation: Option<String>,
    pub action: String,
    pub resource: String,
    pub allowed: bool,
    pub why: String,
}

impl From<&Decided> for Explained {
    fn from(decided: &Decided) -> Self {
        Self {
            at: decided.at,
            access_key: decided.access_key.as_ref().map(|key| key.as_str().to_owned()),
            arn: decided.arn.as_ref().map(|arn| arn.as_ref().to_owned()),
            operation: decided.operation.map(|operation| operation.as_str().to_owned()),
            action: decided.action.as_str().to_owned(),
            resource: decided.subject.to_string(),
            allowed: decided.is_allowed,
            why: decided.why.to_string(),
        }
    }
}

/// The newest decisions of one outcome, in their order.
#[derive(Debug, Default)]
struct Newest {
    all: VecDeque<Decided>,
    bytes: usize,
}

impl Newest {
    fn push(&mut self, decided: Decided) {
        self.bytes += decided.bytes();
        self.all.push_back(decided);
        while self.all.len() > MOST || self.bytes > BYTES {
            let Some(oldest) = self.all.pop_front() else { return };
            self.bytes -= oldest.bytes();
        }
    }
}

/// The decisions that are kept.
#[derive(Debug, Default)]
pub struct Decisions {
    allowed: Mutex<Newest>,
    denied: Mutex<Newest>,
}

impl Decisions {
    pub(super) fn keep(&self, decided: Decided) {
        let newest = if decided.is_allowed { &self.allowed } else { &self.denied };
        newest.lock().unwrap_or_else(PoisonError::into_inner).push(decided);
    }

    /// The decisions about a request. None are kept of one that was refused before, such as one with a wrong
    /// signature.
    pub fn of(&self, request: &str, now: Timestamp) -> Vec<Explained> {
        let oldest = now.millis() - MINUTES * 60 * 1000;
        let found = |newest: &Mutex<Newest>| {
            let newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
            let of_request = newest.all.iter().filter(|decided| *decided.request == *request);
            let fresh = of_request.filter(|decided| decided.at.millis() >= oldest);
            fresh.map(Explained::from).collect::<Vec<_>>()
        };
        let mut all = found(&self.allowed);
        all.extend(found(&self.denied));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(request: &str, is_allowed: bool, words: &str) -> Decided {
        let request: Arc<str> = request.into();
        let of = Of { request: &request, at: Timestamp::from_millis(0), identity: None, operation: None };
        let why = if words.is_empty() { Why::Acl } else { Why::Words(words.to_owned()) };
        Decided::new(&of, Action::ListAllMyBuckets, Resource::Service, is_allowed, why)
    }

    fn count(decisions: &Decisions, request: &str) -> usize {
        decisions.of(request, Timestamp::from_millis(0)).len()
    }

    #[test]
    fn many_requests_that_are_allowed_evict_no_denial() {
        let decisions = Decisions::default();
        decisions.keep(decided("denied", false, "denied: no policy allows it"));
        decisions.keep(decided("first", true, ""));
        for _ in 0..MOST {
            decisions.keep(decided("other", true, ""));
        }
        assert_eq!((count(&decisions, "denied"), count(&decisions, "first")), (1, 0));
        assert_eq!(count(&decisions, "other"), MOST);
    }

    #[test]
    fn what_is_kept_has_a_limit_in_bytes() {
        let decisions = Decisions::default();
        let long = "x".repeat(64 << 10);
        for number in 0..1000 {
            decisions.keep(decided(&number.to_string(), false, &long));
        }
        let denied = decisions.denied.lock().expect("not poisoned");
        assert!(denied.bytes <= BYTES && denied.all.len() < 130, "{} bytes", denied.bytes);
        assert_eq!(denied.bytes, denied.all.iter().map(Decided::bytes).sum::<usize>());
    }

    #[test]
    fn a_decision_that_is_too_old_is_not_shown() {
        let decisions = Decisions::default();
        decisions.keep(decided("id", true, ""));
        let after = |minutes: i64| decisions.of("id", Timestamp::from_millis(minutes * 60 * 1000)).len();
        assert_eq!((after(MINUTES), after(MINUTES + 1)), (1, 0));
    }
}
