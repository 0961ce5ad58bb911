//! One request with its policies, written briefly.

use causeway_policy::{
    Action, Attached, Context, Decision, Policies, Policy, Principal, PrincipalKind, Request,
};
use std::borrow::Cow;

pub const BOB: Principal<'static> = Principal {
    kind: PrincipalKind::User,
    account: "111111111111",
    canonical_id: "canonical1",
    arn: "arn:aws:iam::111111111111:user/bob",
    id: "AIDABOB1111111111",
    name: "bob",
    role_arn: "",
    provider: "",
    tags: &[(Cow::Borrowed("Team"), Cow::Borrowed("red"))],
};

pub const SESSION: Principal<'static> = Principal {
    kind: PrincipalKind::Session,
    arn: "arn:aws:sts::111111111111:assumed-role/r/s",
    id: "AROAROLE333333333",
    name: "s",
    role_arn: "arn:aws:iam::111111111111:role/r",
    ..BOB
};

/// A user of another account.
pub fn mallory() -> Principal<'static> {
    Principal {
        account: "222222222222",
        canonical_id: "canonical2",
        arn: "arn:aws:iam::222222222222:user/mallory",
        id: "AIDAMALLORY222222",
        name: "mallory",
        ..BOB
    }
}

/// The account that owns the bucket.
pub fn root() -> Principal<'static> {
    Principal {
        kind: PrincipalKind::Root,
        arn: "arn:aws:iam::111111111111:root",
        id: "",
        name: "",
        tags: &[],
        ..BOB
    }
}

fn document(statement: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
}

pub fn identity(statement: &str) -> Policy {
    Policy::identity(&document(statement)).unwrap_or_else(|error| panic!("{error}: {statement}"))
}

/// A policy of bucket `b`.
pub fn bucket(statement: &str) -> Policy {
    Policy::bucket(&document(statement), "b").unwrap_or_else(|error| panic!("{error}: {statement}"))
}

#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub sender: Principal<'a>,
    pub action: &'a str,
    pub resource: &'a str,
    pub keys: &'a [(&'a str, &'a str)],
    pub identity: Option<&'a Policy>,
    pub boundary: Option<&'a Policy>,
    pub session: Option<&'a Policy>,
    pub bucket: Option<&'a Policy>,
}

impl<'a> Asked<'a> {
    /// Without any policy, about a bucket of account 111111111111.
    pub fn by(sender: Principal<'a>, action: &'a str, resource: &'a str) -> Self {
        Self {
            sender,
            action,
            resource,
            keys: &[],
            identity: None,
            boundary: None,
            session: None,
            bucket: None,
        }
    }

    pub fn decision<T>(&self, look: impl FnOnce(Decision<'_>) -> T) -> T {
        fn named<'p>(name: &'p str, policy: Option<&'p Policy>) -> Option<Attached<'p>> {
            policy.map(|policy| Attached { name, policy })
        }
        let identity: Vec<_> = named("identity", self.identity).into_iter().collect();
        let session: Option<Vec<_>> =
            self.session.map(|policy| named("session", Some(policy)).into_iter().collect());
        let mut context = Context::new();
        for (key, value) in self.keys {
            context.add(*key, *value);
        }
        let policies = Policies {
            identity: &identity,
            boundary: named("boundary", self.boundary),
            session: session.as_deref(),
            bucket: named("bucket", self.bucket),
            owner: Some("111111111111"),
        };
        let action = Action::new(self.action);
        look(policies.decide(&Request::new(self.sender, &action, self.resource, context)))
    }

    pub fn is_allowed(&self) -> bool {
        self.decision(|decision| decision.is_allowed())
    }
}
